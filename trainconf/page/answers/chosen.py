"""What a request means: which run or sweep, how many rows, which words are looked for. Paths are no names here."""

from __future__ import annotations

import os
from urllib.parse import unquote

from trainconf.control import runs
from trainconf.errors import RunNotFoundError, UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.page.request import Request
    from trainconf.paths import RunPaths, WorkspacePaths


def find_run(workspace: WorkspacePaths, name: str) -> RunPaths:
    """The run of this workspace with that id. Raises RunNotFoundError, also for a sweep and for a path."""
    return runs.find_run(workspace, _plain(name))


def find_sweep(workspace: WorkspacePaths, name: str) -> RunPaths:
    """The sweep of this workspace with that id. Raises RunNotFoundError, also for a run and for a path."""
    return runs.find_sweep(workspace, _plain(name))


def find(workspace: WorkspacePaths, name: str) -> RunPaths:
    """The run or the sweep of this workspace with that id. Raises RunNotFoundError, also for a path."""
    return runs.find(workspace, _plain(name))


def _plain(name: str) -> str:
    """A name that is no path: `runs.find` would open any folder."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:  # half a surrogate pair: no file can have such a name
        name = ""
    if not name or os.sep in name or "\0" in name or name in (os.curdir, os.pardir):
        raise RunNotFoundError(f"{name!r} is no id of a run", hint="a run is named by its id alone: digits-20261123-0532-x7k2")
    return name


def run_of(request: Request) -> RunPaths:
    """The run that the address names. Raises RunNotFoundError."""
    return find_run(request.workspace, request.params["id"])


def sweep_of(request: Request) -> RunPaths:
    """The sweep that the address names. Raises RunNotFoundError."""
    return find_sweep(request.workspace, request.params["id"])


def split(text: str) -> list[str]:
    """Names with commas between them; a comma within a name is `%2C`, as the page writes it."""
    return [unquote(each) for each in text.split(",") if each]


def search_of(request: Request) -> str:
    """The words that rows are looked for by, in small letters."""
    return request.query.get("search", "").lower()


def whole(query: dict[str, str], name: str, default: int, most: int) -> int:
    """A whole number of a query from 0 to `most`. Raises UserError."""
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise UserError(f"{name}={text} is no whole number", ("allowed", f"0 to {most}"))
    return min(int(text), most)

"""Which workspace a file belongs to, and what kind of file it is there."""

from __future__ import annotations

import os
import re
from urllib.parse import quote, unquote, urlsplit

from trainconf.control.workspace.check import choice_of
from trainconf.paths import WorkspacePaths, find_workspace, is_inside, is_workspace, packaged
from trainconf.snapshot.frozen_line import is_frozen

_PLACE = re.compile(r"(.+?\.(?:ya?ml|py)):(\d+)")
PACKAGE = re.compile(r"#\s*@\s*package\s+(\S+)")
SHIPPED = "shipped "


def path_of(uri: str) -> str:
    """The path behind a `file:` address; empty for another address, such as that of a file which has no name yet."""
    parts = urlsplit(uri)
    return os.path.normpath(unquote(parts.path, errors="surrogateescape")) if parts.scheme == "file" and parts.path.startswith("/") else ""


def uri_of(path: str) -> str:
    """The address of a path, as VS Code writes it."""
    return f"file://{quote(os.fsencode(path), safe='/')}"


def workspace_of(path: str) -> WorkspacePaths | None:
    """The workspace that a file lies in; None where there is none. Raises UserError for one of another user."""
    folder = os.path.dirname(path)
    while not os.path.isdir(folder):  # of a file that is not saved yet
        folder = os.path.dirname(folder)
    found = find_workspace(folder)
    return found if is_workspace(found.root) else None


def is_config(path: str, workspace: WorkspacePaths) -> bool:
    """Whether a file is one of the workspace's config files."""
    return path.endswith(".yaml") and is_inside(path, workspace.conf)


def is_frozen_text(content: str) -> bool:
    """Whether a file with this content is a frozen run."""
    return is_frozen(content[:64].encode(errors="replace"))


def experiment_name(path: str, workspace: WorkspacePaths) -> str:
    """What to type after `experiment=` for a file; empty for another one."""
    found = choice_of(path, workspace)
    return found[1] if found is not None and found[0] == "experiment" else ""


def package_of(path: str, content: str, workspace: WorkspacePaths) -> tuple[str, ...]:
    """Where the keys of a config file go: the package that its first line names, else that of its group."""
    named = PACKAGE.match(content.lstrip("\ufeff \t"))
    if named is not None:
        return () if named[1] == "_global_" else tuple(named[1].split("."))
    inside = os.path.relpath(os.path.dirname(path), workspace.conf)
    return () if inside == os.curdir else tuple(inside.split(os.sep))


def place_of(origin: str, workspace: WorkspacePaths) -> tuple[str, int] | None:
    """Path and line, from 1, of an origin such as `conf/experiment/a.yaml:5` or `shipped conf/config.yaml:3`; None for another one."""
    found = _PLACE.search(origin)
    if found is None:
        return None
    if found[1].startswith(SHIPPED):
        return packaged(found[1].removeprefix(SHIPPED)), int(found[2])
    return os.path.normpath(os.path.join(workspace.root, found[1])), int(found[2])

"""Inputs count by content: their digests become part of a run's spec."""

from __future__ import annotations

import os
import time

from trainconf.fast.records import replace
from trainconf.resolve.resolver import Resolved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainconf.paths import WorkspacePaths
    from trainconf.reporter import Reporter
    from trainconf.spec import CodeSpec, RunSpec

LOOK_SECONDS = 2.0  # for links, in all inputs together
SHOWN_LINKS = 5


def with_digests(
    resolved: Resolved, workspace: WorkspacePaths, reporter: Reporter, known: dict[str, str] | None = None
) -> Resolved:
    """The same, with the digests of its inputs. An input that has changed since the spec was recorded is reported.

    `known` remembers digests by path for the trials of a sweep. Raises SnapshotError.
    """
    code = resolved.spec.code
    if not code.inputs:
        return resolved
    from trainconf.snapshot.tree.inputs import digest

    found = {} if known is None else known
    unhashed = getattr(resolved.config, "unhashed_inputs", ())
    digests = {}
    for name, relative in code.inputs:
        path = os.path.join(workspace.root, relative)
        if name in unhashed:
            continue
        if path not in found:
            found[path] = digest(name, path, workspace.cache, reporter)
        if found[path]:
            digests[name] = found[path]
    for name, before in code.input_digests:
        if digests.get(name, before) != before:
            reporter.info(f"note: the input {name} is not as it was: {before[:19]} then, {digests[name][:19]} now")
    spec = replace(resolved.spec, code=replace(code, input_digests=tuple(sorted(digests.items()))))
    return Resolved(spec, resolved.source_directory, resolved.composed)


def inputs_text(code: CodeSpec) -> list[str]:
    """One line for each input: its name, its path, and what its content is known by."""
    hashed = dict(code.input_digests)
    by_path = "known by its path, its content is not looked at"
    return [f"{name}: {path}, {hashed[name][:19] if name in hashed else by_path}" for name, path in code.inputs]


def unhashed(code: CodeSpec) -> list[str]:
    """The inputs whose content is not part of a spec."""
    hashed = dict(code.input_digests)
    return [name for name, _ in code.inputs if name not in hashed]


def not_looked_at(*specs: RunSpec) -> str:
    """What to say of inputs whose content no spec holds; empty when there are none."""
    names = sorted({name for spec in specs for name in unhashed(spec.code)})
    if not names:
        return ""
    return f"the content of the input{'s' * (len(names) > 1)} {', '.join(names)} was not looked at"


def tell_leaving_links(code: CodeSpec, workspace: WorkspacePaths, reporter: Reporter) -> None:
    """Tell links inside inputs that lead out of all of them: a container sees the inputs, and not what those name."""
    paths = {name: os.path.join(workspace.root, path) for name, path in code.inputs}
    mounted = [os.path.realpath(path) for path in paths.values()]
    until = time.monotonic() + LOOK_SECONDS
    for name, path in paths.items():
        leaving = [link for link in _links(path, until) if not _leads_into(os.path.realpath(link), mounted)]
        for link in leaving[:SHOWN_LINKS]:
            shown, target = os.path.relpath(link, path), os.path.realpath(link)
            reporter.info(f"note: in the input {name}, {shown} links out of it: a container does not see {target}")
        if len(leaving) > SHOWN_LINKS:
            reporter.info(f"note: and {len(leaving) - SHOWN_LINKS} more links lead out of the input {name}")
    if time.monotonic() >= until:
        reporter.info("note: the inputs hold very many files; not all of them were searched for links that lead out")


def _links(path: str, until: float) -> Iterator[str]:
    """Every symbolic link below a folder, for as long as there is time."""
    folders = [path]
    while folders and time.monotonic() < until:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        yield entry.path
                    elif entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except OSError:
            continue  # a file, or closed: whoever reads it says so


def _leads_into(path: str, folders: list[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders)

"""The line of a config file that names its schema, for every editor that has the YAML language server."""

from __future__ import annotations

import os
import re
import stat

from trainconf import files
from trainconf.errors import Mistake, StorageError, UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainconf.control.json_schema.workspace import FileSchema
    from trainconf.paths import WorkspacePaths

_THERE = re.compile(rb"^#\s+yaml-language-server\s*:.*\$schema=.*$", re.MULTILINE)
_PACKAGE = re.compile(rb"\s*#\s*@\s*package\b")


def add(workspace: WorkspacePaths, found: Sequence[FileSchema], folder: str, paths: Sequence[str]) -> list[str]:
    """Put the line into each of these files, or renew it, and give those that changed: all of them or, on any failure, none.

    It comes below `# @package`, which Hydra reads in the first line alone. folder: where the schemas are.
    Raises UserError for files that are no config files of the workspace, StorageError.
    """
    mistakes: list[Mistake] = []
    changes = [change for path in paths if (change := _change(workspace, found, folder, path, mistakes)) is not None]
    if mistakes:
        raise UserError(mistakes)
    done: list[tuple[str, bytes]] = []
    try:
        for path, before, after in changes:
            _replace(path, after)
            done.append((path, before))
    except OSError as error:
        for path, before in done:
            _replace(path, before)
        raise StorageError.from_os_error(error, "the line that names the schema cannot be added") from error
    return [path for path, _ in done]


def _change(workspace: WorkspacePaths, found: Sequence[FileSchema], folder: str, path: str, mistakes: list[Mistake],
            ) -> tuple[str, bytes, bytes] | None:  # fmt: skip
    """A file with its content before and after; None where nothing changes, or for a mistake."""
    real = os.path.realpath(path)
    inside = os.path.relpath(real, os.path.realpath(workspace.root)).replace(os.sep, "/")
    of = next((each for each in found if each.is_for(inside)), None)
    if of is None:
        kinds = ", ".join(pattern for each in found for pattern in each.patterns)
        mistakes.append(Mistake(f"{path} is no config file of this workspace", ("workspace", workspace.root), ("allowed", kinds)))
        return None
    schema = os.path.relpath(os.path.join(os.path.realpath(folder), f"{of.name}.json"), os.path.dirname(real))
    if re.search(r"[\s#]", schema):
        hint = "write the schemas to another folder by -o DIR"
        mistakes.append(Mistake(f"{path} cannot name its schema: its path has a space or a #", ("schema", schema), hint=hint))
        return None
    try:
        with open(real, "rb") as stream:
            before = stream.read()
    except OSError as error:
        mistakes.append(Mistake(f"{path} cannot be read", ("because", error.strerror or str(error))))
        return None
    after = _with_line(before, b"# yaml-language-server: $schema=" + os.fsencode(schema))
    return None if after == before else (real, before, after)


def _with_line(text: bytes, line: bytes) -> bytes:
    if there := _THERE.search(text):
        end = there.end() - there[0].endswith(b"\r")
        return text[: there.start()] + line + text[end:]
    first, newline, rest = text.partition(b"\n")
    ending = b"\r\n" if first.endswith(b"\r") else b"\n"
    if not _PACKAGE.match(first):
        return line + ending + text
    return first + (newline or ending) + line + ending + rest


def _replace(path: str, content: bytes) -> None:
    files.write_atomic(path, content, mode=stat.S_IMODE(os.stat(path).st_mode))

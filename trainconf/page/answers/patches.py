"""Changed code as data: the files, and their lines as numbered hunks."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from trainconf.snapshot.code_diff import CodeDiff, FileChange

MOST_LINES = 5000  # of one answer
HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)")


def file(change: FileChange) -> dict[str, Any]:
    """What changed of a path. Lines are null where they were not compared; `note` says why."""
    return {
        "path": change.path, "old_path": change.old_path, "kind": change.kind, "added": change.added_lines,
        "removed": change.removed_lines, "note": change.note, "old_bytes": change.old_bytes, "new_bytes": change.new_bytes,
        "old_mode": change.old_mode, "new_mode": change.new_mode,
    }  # fmt: skip


def answer(found: CodeDiff) -> dict[str, Any]:
    """The files that differ, and their changed lines. `more`: how many lines of the patch were left out."""
    lines = found.patch.decode("utf-8", "replace").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return {
        "files": [file(change) for change in found.files], "trouble": found.trouble, "hunks": list(hunks(lines[:MOST_LINES])),
        "more": max(0, len(lines) - MOST_LINES),
    }  # fmt: skip


def hunks(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The hunks of a unified diff: the path, what git says of the place, and each line as [sign, old number, new number, text].

    A number is null where the line is not on that side.
    """
    current: dict[str, Any] | None = None
    path, old, new, left_old, left_new = "", 0, 0, 0, 0
    for line in lines:
        if current is not None and (left_old > 0 or left_new > 0):
            sign, text = line[:1] or " ", line[1:]
            if sign == "\\":
                current["lines"].append(["\\", None, None, text.strip()])
                continue
            is_old, is_new = sign in " -", sign in " +"
            current["lines"].append([sign, old if is_old else None, new if is_new else None, text])
            old, new, left_old, left_new = old + is_old, new + is_new, left_old - is_old, left_new - is_new
            continue
        if current is not None and line.startswith("\\"):  # no newline at the end of the last line
            current["lines"].append(["\\", None, None, line[1:].strip()])
            continue
        if match := HUNK.match(line):
            if current is not None:
                yield current
            old, new = int(match[1]), int(match[3])
            left_old, left_new = int(match[2] or 1), int(match[4] or 1)
            current = {"path": path, "words": match[5], "lines": []}
        elif line.startswith(("+++ ", "--- ")):
            name = line[4:].split("\t")[0]
            path = path if name == "/dev/null" else name[2:]
        elif line.startswith("diff --git "):
            if current is not None:
                yield current
            current, path = None, ""
    if current is not None:
        yield current

"""`trainconf diff`: what changed from one run to another, or from a run to the working tree of today."""

from __future__ import annotations

import os
from io import BytesIO
from itertools import islice

from trainconf.cli.arguments.parser import RUN_HELP, Arguments
from trainconf.cli.screen.printer import cut, number, one_line, printer, size, terminal_size, utc_time, width
from trainconf.control import diff, runs
from trainconf.paths import find_workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from trainconf.control.diff import Changed, RunDiff
    from trainconf.git.commits import Between
    from trainconf.snapshot.code_diff import CodeDiff, FileChange

DESCRIPTION = """Print what changed from one run to another: params, metrics, config, software, commits and code. With one run
alone: how its code differs from its source directory of today. The exit code is that of diff(1): 0 when the same ran, 1 when something
else did, 2 for a mistake and when it cannot be told. Metrics are what came of it, and do not count."""
LETTERS = {
    "added": ("A", "green"), "removed": ("D", "red"), "renamed": ("R", "yellow"), "changed": ("M", "yellow"), "mode": ("m", "yellow"),
}  # fmt: skip
LINE_COLOURS = {"+": "green", "-": "red", "@": "cyan"}  # of a patch, by the first character
VALUE_COLUMNS = 60
BLOCK_LINES = 2000  # of a patch, written at once


def run(argv: list[str]) -> int:
    """Print the difference; exit code 1 when there is one."""
    parser = Arguments("diff", DESCRIPTION)
    parser.add_argument("a", metavar="A", help=RUN_HELP)
    parser.add_argument("b", metavar="B", nargs="?", help="another run; its code of today when left out")
    parser.add_argument("--path", metavar="PATH", action="append", default=[], help="only this file or folder of the code; may be repeated")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--stat", action="store_true", help="only how many lines changed in which file, and not the lines")
    form.add_argument("--patch", action="store_true", help="only the lines of code, byte by byte, for `git apply`")
    form.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args(argv)
    workspace = find_workspace(os.getcwd())
    a = runs.find_run(workspace, args.a)
    paths = [os.path.normpath(path) for path in args.path]
    if args.b is None:
        code = diff.code_of_today(a, patch=not args.stat, only=paths)
        if args.json:
            printer.json(code.to_dict())
        else:
            _code(code, only_patch=args.patch)
            _if_equal(code, f"the code of {a.run_id}{_of(paths)} and that of today are equal")
        return _exit_code(code, different=bool(code.files))
    b = runs.find_run(workspace, args.b)
    found = diff.diff(a, b, patch=not args.stat, only=paths)
    if args.json:
        printer.json(found.to_dict())
    elif args.patch:
        _code(found.code, only_patch=True)
        _if_equal(found.code, f"the code of both{_of(paths)} is equal")
    else:
        for letter, each in (("a", a), ("b", b)):
            printer.data(f"{letter}  {one_line(each.run_id)}  {printer.status(runs.state(each).status)}")
        _sections(found)
        _code(found.code)
        if not found.different and not found.code.trouble:
            told = f"of the code {one_line(', '.join(paths))} alone was compared" if paths else "and so is the code"
            printer.info(f"the same ran: params, config and software are equal, {told}")
    return _exit_code(found.code, different=found.different)


def _if_equal(code: CodeDiff, text: str) -> None:
    """Say so where the code has no difference: nothing at all would look like a mistake."""
    if not code.files and not code.trouble:
        printer.info(one_line(text))


def _of(paths: Sequence[str]) -> str:
    return f", of {', '.join(paths)} alone," if paths else ""


def _exit_code(code: CodeDiff, *, different: bool) -> int:
    return 1 if different else 2 if code.trouble else 0


def _sections(found: RunDiff) -> None:
    for title in ("params", "metrics", "config", "environment"):
        _section(title, list(_values(getattr(found, title))))
    _section("packages", list(_packages(found.packages)))
    if found.commits is not None:
        _section("commits", list(_commits(found.commits)))


def _section(title: str, lines: Iterable[str]) -> None:
    if lines:
        printer.data(f"\n{printer.paint(title, 'bold')}\n" + "\n".join(f"  {line}" for line in lines))


def _values(changes: Mapping[str, Changed]) -> Iterator[str]:
    """A line for each value, with where both come from."""
    wide = max((width(one_line(name)) for name in changes), default=0)
    for name, change in changes.items():
        origins = dict.fromkeys(_origin(origin) for origin in (change.old_origin, change.new_origin) if origin is not None)
        values = [(change.old, change.old_origin), (change.new, change.new_origin)]
        old, new = ("not there" if value is None and origin is None and origins else _short(value) for value, origin in values)
        told = f"  ({one_line(' -> '.join(origins))})" if origins else _by_how_much(change)
        yield f"{one_line(name)}{' ' * (wide - width(one_line(name)))}  {old} -> {new}{told}"


def _origin(text: str) -> str:
    """Where a value came from; of an override not its words again, which end with the value."""
    return text.partition(": ")[0] if text.startswith("command line: ") else text


def _by_how_much(change: Changed) -> str:
    old, new = change.old, change.new
    if not isinstance(old, float) or not isinstance(new, float):
        return ""
    return f"  ({new - old:+.3g})"


def _short(value: Any) -> str:
    text = number(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else _json(value)
    return cut(one_line(text) if text else "''", VALUE_COLUMNS)


def _json(value: Any) -> str:
    from trainconf.fast.json import dumps

    return dumps(value)


def _packages(changes: Mapping[str, Changed]) -> Iterator[str]:
    for name, change in changes.items():
        if change.old is None:
            yield printer.paint(f"+ {one_line(name)} {one_line(change.new)}".rstrip(), "green")
        elif change.new is None:
            yield printer.paint(f"- {one_line(name)} {one_line(change.old)}".rstrip(), "red")
        else:
            yield f"~ {one_line(name)} {one_line(change.old)} -> {one_line(change.new)}"


def _commits(found: Between) -> Iterator[str]:
    room = terminal_size()[0] - 2
    for sign, colour, commits in (("-", "red", found.only_a), ("+", "green", found.only_b)):
        for commit in commits:
            line = f"{sign} {commit.sha[:12]}  {utc_time(commit.time)[:10]}  {one_line(commit.author)}  {one_line(commit.subject)}"
            yield printer.paint(cut(line, room), colour)
    if found.note:
        yield one_line(found.note)


def _code(code: CodeDiff, *, only_patch: bool = False) -> None:
    if only_patch:
        printer.raw(code.patch)
    elif code.files:
        added, removed = (sum(getattr(change, name) or 0 for change in code.files) for name in ("added_lines", "removed_lines"))
        count = f"{len(code.files)} file{'s' if len(code.files) > 1 else ''}"
        _section(f"code, {count}, +{added} -{removed}", [_file(change) for change in code.files])
        _lines(code.patch)
    if code.trouble:
        printer.info(one_line(code.trouble))
    left_out = [one_line(change.path) for change in code.files if change.note] if only_patch else []
    if left_out:
        printer.info(f"not in the patch, binary or too large: {', '.join(left_out)}")


def _file(change: FileChange) -> str:
    letter, colour = LETTERS[change.kind]
    name = one_line(change.path) if change.old_path == change.path else f"{one_line(change.old_path)} -> {one_line(change.path)}"
    modes = [change.old_mode, change.new_mode]
    facts = [change.note] if change.note else [f"+{change.added_lines} -{change.removed_lines}"] if change.added_lines is not None else []
    if modes[0] != modes[1] and all(modes):
        facts.append(f"mode {modes[0]} -> {modes[1]}")
    if change.note and change.old_bytes is not None and change.new_bytes is not None:
        facts.append(f"{size(change.old_bytes)} -> {size(change.new_bytes)}")
    return f"{printer.paint(letter, colour)}  {name}  {', '.join(facts)}".rstrip()


def _lines(patch: bytes) -> None:
    """The patch, in its colours. What is no text, or would steer a terminal, is shown escaped."""
    lines = BytesIO(patch)
    is_header = True
    lead = "\n"
    while block := list(islice(lines, BLOCK_LINES)):
        shown = []
        for text in block:
            line = text.decode("utf-8", "surrogateescape").removesuffix("\n")
            is_header = not line.startswith("@@") and (is_header or line.startswith("diff --git "))
            shown.append(printer.paint(line, "bold" if is_header else LINE_COLOURS.get(line[:1], "")))
        printer.verbatim(lead + "\n".join(shown))
        lead = ""

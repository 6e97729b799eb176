"""A param gets another name in every config file that is composed together with one that sets it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from lsprotocol import types

from trainconf.editor.answers.references import INTERPOLATION, absolute, base_of, choice_of, full_path, interpolation_at
from trainconf.editor.documents import Documents, Opened
from trainconf.editor.text.text import UTF_16, Span
from trainconf.editor.workspaces import uri_of
from trainconf.errors import UserError
from trainconf.paths import WorkspacePaths, is_inside, packaged
from trainconf.resolve.search import label

_NAME = re.compile(r"[A-Za-z_][\w-]*")


class _File(NamedTuple):
    opened: Opened
    uses: list[Span]  # of the last part of the param's key
    names: set[str]  # params that it sets
    takes: set[str]  # paths of the files that its defaults list names


def param_at(opened: Opened, index: int) -> tuple[str, ...]:
    """The param at a character, such as ("params", "lr"), where its own key or an interpolation that reads it stands; else empty."""
    read = tuple(interpolation_at(opened, index).split("."))
    key = opened.keys.at(index)
    own = full_path(opened, index)
    if read[0] != "params" and key is not None and key.key.has(index):
        read = tuple(key.path[-1].split(".")) if own[:2] == ("sweep", "space") else own
    return read if read[:1] == ("params",) and len(read) > 1 and all(read) else ()


def span_at(opened: Opened, param: tuple[str, ...], index: int) -> Span | None:
    """The name of a param at a character."""
    return next((span for span in _uses(opened, param) if span.has(index)), None) if param else None


def rename(opened: Opened, documents: Documents, param: tuple[str, ...], name: str) -> tuple[types.WorkspaceEdit, str]:
    """The changes of every config file, and what is left to do in scripts, which are not changed.

    Raises UserError for a name that cannot be one, or that is taken.
    """
    if not _NAME.fullmatch(name):
        raise UserError(f"a param cannot be named {name!r}", ("allowed", "letters, digits, _ and -, a letter or _ first"))
    renamed = ".".join((*param[:-1], name))
    files = _composed_together(opened, documents, param)
    _refuse_shipped(files, param)
    taken = next((file for file in files if renamed in file.names), None)
    if taken is not None:
        raise UserError(f"{renamed} is there already", ("from", os.path.relpath(taken.opened.path, opened.workspace.root)))
    changes = {file.opened.uri: [types.TextEdit(file.opened.places.range(span), name) for span in file.uses] for file in files if file.uses}
    return types.WorkspaceEdit(changes=changes), "\n".join(_left_to_do(files, param, renamed))


def _left_to_do(files: list[_File], param: tuple[str, ...], renamed: str) -> Iterator[str]:
    """A sentence for each script that the files name: it has the param under its old name."""
    old, new = ".".join(param[1:]), renamed.partition(".")[2]
    named = {(base_of("script", file.opened), key.text) for file in files for key in file.opened.keys.all
             if (*file.opened.package, *key.path) == ("script",) and key.text}  # fmt: skip
    for folder, script in sorted((folder or "", script or "") for folder, script in named):
        path = os.path.normpath(os.path.join(folder, script))
        try:
            with open(path, encoding="utf-8", errors="replace") as stream:
                lines = [number for number, line in enumerate(stream, 1) if re.search(rf"--{re.escape(old)}(?![\w.-])", line)]
        except OSError:
            continue  # it is told that there is no such script
        place = f"{label(path, files[0].opened.workspace)}{f':{lines[0]}' if lines else ''}"
        what = f"--{old} there, too: it is --{new} now" if lines else f"what reads {old} there: it is {new} now"
        yield f"{place} was not changed. Rename {what}."


def _refuse_shipped(files: list[_File], param: tuple[str, ...]) -> None:
    """Raise UserError where a file that ships with trainconf sets the param: it is not the workspace's to change."""
    for file in files:
        workspace = file.opened.workspace
        for path in sorted(file.takes):
            shipped = packaged("conf", os.path.relpath(path, workspace.conf))
            if not os.path.isfile(path) and os.path.isfile(shipped):
                theirs = Opened(uri_of(shipped), shipped, WorkspacePaths(packaged()), is_frozen=False)
                with open(shipped, encoding="utf-8") as stream:
                    theirs.take(stream.read(), 0, UTF_16)
                line = next((key.line for key in theirs.keys.all if (*theirs.package, *key.path) == param), None)
                if line is not None:
                    what = f"{'.'.join(param)} is set by a file that ships with trainconf"
                    raise UserError(what, ("from", f"{label(shipped, workspace)}:{line}"), hint="copy that file into conf/ first")


def _composed_together(opened: Opened, documents: Documents, param: tuple[str, ...]) -> list[_File]:
    """Every file that has the param, and that one composition has together with another such file, beginning with this one."""
    files = {file.opened.path: file for file in _files(opened, documents, param)}
    whole = {path: _with_taken(path, files) for path in files}
    found: set[str] = set()
    waiting = [opened.path]
    while waiting:
        path = waiting.pop()
        if path not in found and path in files:
            found.add(path)
            together = set().union(*(taken for taken in whole.values() if path in taken))
            waiting += [other for other in together if files[other].uses]
    return [files[path] for path in sorted(found)]


def _with_taken(path: str, files: dict[str, _File]) -> set[str]:
    """A file, and all that its defaults list leads to."""
    found: set[str] = set()
    waiting = [path]
    while waiting:
        path = waiting.pop()
        if path not in found and path in files:
            found.add(path)
            waiting += files[path].takes
    return found


def _files(opened: Opened, documents: Documents, param: tuple[str, ...]) -> Iterator[_File]:
    """Those below conf/ but its top: a primary config takes one experiment of many, and says nothing of which belong together."""
    conf = opened.workspace.conf
    paths = {each.path for each in documents.open.values() if is_inside(each.path, conf)}  # one may not be saved yet
    paths.update(os.path.join(folder, name) for folder, _, names in os.walk(conf) for name in names)
    for path in sorted(paths):
        if path.endswith(".yaml") and os.path.dirname(path) != conf:
            yield _read(path, opened, documents, param)


def _read(path: str, opened: Opened, documents: Documents, param: tuple[str, ...]) -> _File:
    file = next((each for each in documents.open.values() if each.path == path), None)
    if file is None:
        file = Opened(uri_of(path), path, opened.workspace, is_frozen=False)
        try:
            with open(path, encoding="utf-8", newline="") as stream:
                file.take(stream.read(), 0, documents.encoding)
        except (OSError, UnicodeDecodeError):
            pass  # it holds nothing that could be renamed
    names = {".".join((*file.package, *key.path)) for key in file.keys.all}
    taken = (choice_of(chosen, file, number) for chosen in file.keys.chosen for number in range(len(chosen.default.choices)))
    takes = {os.path.join(opened.workspace.conf, group, f"{choice}.yaml") for group, choice in filter(None, taken)}
    return _File(file, sorted(set(_uses(file, param))), names, takes)


def _uses(file: Opened, param: tuple[str, ...]) -> Iterator[Span]:
    """Where the last part of a param's key stands in a file: as a key, in an interpolation, in a search space, in a command."""
    dotted, last = ".".join(param), param[-1]
    for key in file.keys.all:
        full = (*file.package, *key.path)
        in_space = full[:2] == ("sweep", "space") and len(full) == 3 and (full[2] == dotted or full[2].startswith(f"{dotted}."))
        if full == param or in_space:
            text = file.text.content[key.key.start : key.key.end]
            start = key.key.start + (text.index(dotted) + len(dotted) - len(last) if in_space else text.index(last))
            yield Span(start, start + len(last))
    for found in INTERPOLATION.finditer(file.text.content):
        holder = next((key for key in reversed(file.keys.all) if key.value.has(found.start())), None)
        written = found[1].strip()
        parts = absolute(written, (*file.package, *holder.path) if holder is not None else ()).split(".")
        named = written.lstrip(".").split(".")
        place = len(param) - 1 - (len(parts) - len(named))
        if tuple(parts[: len(param)]) == param and place >= 0:
            start = found.start(1) + found[1].index(written) + len(written) - len(".".join(named[place:]))
            yield Span(start, start + len(last))
    for found in re.finditer(rf"(?<![\w.]){re.escape(dotted)}(?=(?:\.[\w.-]+)?=)", file.text.content):
        yield Span(found.end() - len(last), found.end())

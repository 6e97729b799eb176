"""Mistakes as an editor shows them: at their place in the file, in the words of the command line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from lsprotocol import types

from trainconf.control.workspace.check import COMMAND, commands_in
from trainconf.editor.text.keys import Chosen, Key, Keys
from trainconf.editor.text.text import Span, Text
from trainconf.editor.workspaces import place_of, uri_of
from trainconf.errors import Mistake
from trainconf.paths import WorkspacePaths

SOURCE = "trainconf"
_TYPED = "command line: "
_OF_THE_NAME = ("is not a setting", "is not in the schema", "is one name in a file", "has no effect here", "is a group of settings")


class Places:
    """Finds the places of mistakes in one file. package: where its keys go."""

    def __init__(self, path: str, text: Text, keys: Keys, package: tuple[str, ...], workspace: WorkspacePaths) -> None:
        self._path = path
        self._text = text
        self._keys = keys
        self._package = package
        self._workspace = workspace

    def diagnostics(self, mistakes: Iterable[Mistake]) -> list[types.Diagnostic]:
        """One for each mistake. What is told of another file stands at what led there, with a link to its place."""
        return [self._diagnostic(mistake.what, mistake.render(), self._origins(mistake)) for mistake in mistakes]

    def of_others(self, mistakes: Iterable[Mistake]) -> list[types.Diagnostic]:
        """Of mistakes that composing another file has found: those whose place is this file."""
        found = ((mistake, self._origins(mistake)) for mistake in mistakes)
        return [self._diagnostic(mistake.what, mistake.render(), origins) for mistake, origins in found
                if any(path == self._path for path, _ in origins)]

    def commands(self, wrong: Mapping[tuple[str, ...], Sequence[Mistake]], told: Iterable[Mistake]) -> list[types.Diagnostic]:
        """Of the commands in comments, where they stand now; what is told of the file itself is not told again."""
        known = {mistake.render() for mistake in told}
        return [
            self._diagnostic(mistake.what, mistake.render(), self._origins(mistake), span=self._of_command(number, mistake))
            for number, words in commands_in(self._text.content) for mistake in wrong.get(tuple(words), ()) if mistake.render() not in known
        ]  # fmt: skip

    def notes(self, notes: Iterable[str]) -> list[types.Diagnostic]:
        """What has no effect, where that is told of this file."""
        found = []
        for note in notes:
            for line in note.splitlines():
                place = place_of(line.strip().partition("  ")[2].strip(), self._workspace)
                if place is not None and place[0] == self._path:
                    found.append(self._diagnostic(line.split()[0], note, [place], types.DiagnosticSeverity.Information))
        return found

    def _origins(self, mistake: Mistake) -> list[tuple[str, int]]:
        """The places that a mistake names, that which it comes from first; line 0 is somewhere in the file."""
        facts = sorted(mistake.facts, key=lambda fact: fact[0] not in ("from", "and from"))
        found = [place_of(text, self._workspace) for _, text in facts]
        root = self._workspace.root
        whole = [(self._path, 0) for label, text in mistake.facts if label in ("from", "path") and os.path.join(root, text) == self._path]
        return [*dict.fromkeys(place for place in found if place is not None), *whole]

    def _diagnostic(
        self, what: str, message: str, places: list[tuple[str, int]], severity: types.DiagnosticSeverity = types.DiagnosticSeverity.Error,
        span: Span | None = None,
    ) -> types.Diagnostic:  # fmt: skip
        if span is None:
            line = next((line for path, line in places if path == self._path), None)
            span = self._lead(places) if line is None else self._span(what, line)
        others = [
            types.DiagnosticRelatedInformation(types.Location(uri_of(path), _line_range(line)), "it is told of this line")
            for path, line in places if path != self._path
        ]  # fmt: skip
        return types.Diagnostic(self.range(span), message, severity, source=SOURCE, related_information=others or None)

    def range(self, span: Span) -> types.Range:
        """A span in the editor's terms."""
        return types.Range(types.Position(*self._text.position(span.start)), types.Position(*self._text.position(span.end)))

    def _of_command(self, number: int, mistake: Mistake) -> Span:
        """The word of a command that a mistake comes from, else all of its words."""
        line = self._text.yaml_line(number)
        found = COMMAND.search(self._text.content, line.start, line.end)
        if found is None:  # lines are counted otherwise
            return line
        start, words = found.start(1), found[1].rstrip()
        typed = next((text.removeprefix(_TYPED) for _, text in mistake.facts if text.startswith(_TYPED)), "")
        marked = typed if typed and typed in words else words
        start += words.find(marked)
        return Span(start, start + len(marked))

    # -- where on the line ---------------------------------------------------------------------------------------------

    def _lead(self, places: list[tuple[str, int]]) -> Span:
        """The entry of the defaults list that leads to a file, else the first line."""
        for path, _ in places:
            for chosen in self._keys.chosen:
                choices = (choice.removesuffix(".yaml") for choice in chosen.default.choices)
                if any(choice and path.endswith(f"/{choice}.yaml") for choice in choices):
                    return chosen.span
        return self._text.line(0)

    def _span(self, what: str, line: int) -> Span:
        if self._keys.error is not None and line:
            whole = self._text.yaml_line(line)
            return Span(max(whole.start, min(self._keys.error, whole.end - 1)), whole.end) if whole.has(self._keys.error) else whole
        if "does not begin with" in what:
            return self._text.line(0)
        if line == 0:
            part = next((key for key in self._keys.all if key.path[-1] == what.partition(" ")[0]), None)
            return self._text.line(0) if part is None else part.key
        chosen = next((each for each in self._keys.chosen if each.default.line == line), None)
        if chosen is not None:
            return self._within(chosen.span if chosen.key is None else _of_choice(chosen, what), line)
        keys = self._keys.on_line(line)
        named = [key for key in keys if _names(what, ".".join((*self._package, *key.path)))]
        if not named and len(keys) != 1:
            whole = self._text.yaml_line(line)
            content = self._text.content[whole.start : whole.end]
            return Span(whole.start + len(content) - len(content.lstrip()), whole.end)
        key = max(named, key=lambda each: len(each.path)) if named else keys[0]
        return self._within(self._of_key(key, what), line)

    def _of_key(self, key: Key, what: str) -> Span:
        if (*self._package, *key.path)[:2] == ("sweep", "space") and self._text.yaml_line(key.line).has(key.value.start):
            return key.value  # also a mapping or a list, if it begins on the key's line
        if key.text is None or any(told in what for told in _OF_THE_NAME):
            return key.key
        is_of_value = key.text and ("cannot be" in what or "does not" in what or "is not" in what)
        return key.value if is_of_value else Span(key.key.start, key.value.end)

    def _within(self, span: Span, line: int) -> Span:
        """As much of a span as lies on its line, without what YAML counts to a block that ends below."""
        whole = self._text.yaml_line(line)
        end = min(span.end, whole.end)
        return Span(span.start, span.start + len(self._text.content[span.start : end].rstrip()))


def _names(what: str, key: str) -> bool:
    """Whether a message begins with a key, or with one below it; with a key of a space as it is named there."""
    key = key.removeprefix("sweep.space.")
    return what.startswith(key) and what[len(key) : len(key) + 1] in ("", " ", ".", "[", ":")


def _of_choice(chosen: Chosen, what: str) -> Span:
    for choice, span in zip(chosen.default.choices, chosen.choices, strict=False):
        if what.startswith(repr(choice)):
            return span
    return chosen.span


def _line_range(line: int) -> types.Range:
    return types.Range(types.Position(max(0, line - 1), 0), types.Position(max(1, line), 0))

"""The open files: their texts, and what composing each has last found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lsprotocol import types

from trainconf.control.workspace.one_file import Look, look, look_at_commands, look_at_frozen, words_for
from trainconf.editor.diagnose import Places
from trainconf.editor.known import Known, stamp
from trainconf.editor.open_files import OpenFiles
from trainconf.editor.text.keys import Keys
from trainconf.editor.text.text import UTF_16, Text
from trainconf.editor.workspaces import is_config, is_frozen_text, package_of, path_of, workspace_of
from trainconf.errors import Mistake, UserError
from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed

MAX_BYTES = 1_000_000


class Opened:
    """A config file or a frozen file that an editor shows. `good` and `composed` are of the last text that was YAML, and that composed.

    changed_at, looked_at: of its last text, and of the last look at it, on the clock of `Documents`, which counts changes.
    """

    def __init__(self, uri: str, path: str, workspace: WorkspacePaths, *, is_frozen: bool) -> None:
        self.uri = uri
        self.path = path
        self.workspace = workspace
        self.is_frozen = is_frozen
        self.version = self.changed_at = self.looked_at = 0
        self.text = Text("")
        self.keys = self.good = Keys(self.text, path)
        self.composed: Composed | None = None
        self.mistakes: list[Mistake] = []
        self.frozen_mistakes: list[Mistake] = []
        self.command_mistakes: dict[tuple[str, ...], list[Mistake]] = {}

    def take(self, content: str, version: int, encoding: str) -> None:
        """Another text."""
        self.version = version
        self.text = Text(content, encoding)
        self.keys = Keys(self.text, self.path)
        if self.keys.error is None:
            self.good = self.keys

    @property
    def package(self) -> tuple[str, ...]:
        """Where its keys go in the whole config."""
        return package_of(self.path, self.text.content, self.workspace)

    @property
    def places(self) -> Places:
        """Finds places in its text."""
        return Places(self.path, self.text, self.keys, self.package, self.workspace)


class Documents:
    """Those that are looked at. told: what the person at the editor has been told, each once. encoding: of positions."""

    def __init__(self) -> None:
        self.open: dict[str, Opened] = {}
        self.files = OpenFiles()
        self.told: set[str] = set()
        self.encoding = UTF_16
        self._clock = 0
        self._known: dict[str, tuple[list[Any], Known]] = {}

    def know(self, workspace: WorkspacePaths) -> Known:
        """What is known of a workspace's config files, as they are on disk now."""
        seen = stamp(workspace)
        known = self._known.get(workspace.root)
        if known is None or known[0] != seen:
            known = self._known[workspace.root] = seen, Known(workspace)
        return known[1]

    def take(self, uri: str, content: str, version: int) -> tuple[Opened | None, str]:
        """The text of a file as it is now: what is known of it, None for one that is not ours; and what to tell, if anything."""
        path = path_of(uri)
        if len(content) > MAX_BYTES:
            self.drop(uri)
            return None, f"{path} is larger than {MAX_BYTES // 1_000_000} MB: trainconf does not look at it here; `trainconf check` does"
        is_frozen = is_frozen_text(content)
        known = self.open.get(uri)
        if known is None or known.is_frozen != is_frozen:
            try:
                workspace = workspace_of(path) if path.endswith((".yaml", ".yml")) else None
            except UserError as error:
                return None, error.render()
            if workspace is None or not (is_frozen or is_config(path, workspace)):
                self.drop(uri)
                return None, ""
            known = self.open[uri] = Opened(uri, path, workspace, is_frozen=is_frozen)
        known.take(content, version, self.encoding)
        self._clock += 1
        known.changed_at = self._clock
        self.files.texts[path] = known.text.content
        self.files.kept.edited = path
        return known, ""

    def drop(self, uri: str) -> bool:
        """Forget a file; whether it was one of these."""
        self.files.texts.pop(path_of(uri), None)
        return self.open.pop(uri, None) is not None

    def look(self, opened: Opened, version: int) -> bool:
        """Compose what a file is about. False when it was changed in between, and what came out is of no use."""
        started = self._clock
        words = None if opened.is_frozen else words_for(opened.path, opened.workspace)
        found = self._syntax(opened) if words is None else look(words, opened.workspace, self.files, lambda: opened.version != version)
        if opened.version != version:
            return False
        opened.mistakes, opened.looked_at = found.mistakes, started
        opened.composed = found.composed or opened.composed
        return True

    def _syntax(self, opened: Opened) -> Look:
        """Of a file that is not composed by itself: whether it can be read."""
        try:
            self.files.read(opened.path)
        except UserError as error:
            return Look(None, list(error.mistakes))
        return Look(None, [])

    def look_at_commands(self, opened: Opened, is_stale: Callable[[], bool]) -> bool:
        """Compose the commands in the comments of a file. False when that was given up."""
        found = look_at_commands(opened.path, opened.text.content, opened.workspace, self.files, is_stale)
        if is_stale():
            return False
        opened.command_mistakes = found
        return True

    @staticmethod
    def look_at_frozen(opened: Opened) -> bool:
        """Compare a frozen file, as it is saved, with what would run today."""
        opened.frozen_mistakes = look_at_frozen(opened.path, opened.workspace)
        return True

    def diagnostics(self, opened: Opened) -> list[types.Diagnostic]:
        """What is wrong with a file, and what composing other open files has found in it since it was changed."""
        places = opened.places
        own = [*places.diagnostics([*opened.mistakes, *opened.frozen_mistakes]), *places.commands(opened.command_mistakes, opened.mistakes)]
        since = [other for other in self.open.values() if other is not opened and other.looked_at >= opened.changed_at]
        others = [mistake for other in since for mistake in other.mistakes]
        found = [*own, *places.of_others(others), *places.notes(opened.composed.notes if opened.composed is not None else ())]
        return list({(each.message, each.range.start.line): each for each in reversed(found)}.values())[::-1]

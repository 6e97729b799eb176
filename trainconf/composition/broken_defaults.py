"""Explains a defaults list that Hydra cannot follow: which file and line, what to write, and Hydra's own words below.

It uses only the files that this composition has read, so it blames no other file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence

from hydra.core.override_parser.types import Override

from trainconf.composition.explain import no_group, not_ours, unknown_choice
from trainconf.composition.hydra.yaml_files import Default, File
from trainconf.errors import Mistake
from trainconf.paths import WorkspacePaths
from trainconf.resolve.search import groups, label

Match = Callable[[File, Default], bool]

NOT_TO_START_FROM = ("local.yaml", "azureml.yaml")  # facts of this machine; names of another cloud


class BrokenDefaults:
    """Explains one refusal. `read`: the files that were read, the last one first."""

    def __init__(
        self, error: Exception, read: Sequence[File], parsed: Sequence[Override], dirs: list[str], workspace: WorkspacePaths, primary: str,
    ) -> None:
        self.error = error
        self.text = "\n".join(line.strip() for line in str(error).splitlines() if line.strip()) or type(error).__name__
        self.read = read
        self.parsed = parsed
        self.dirs = dirs
        self.workspace = workspace
        self.primary = primary
        self.groups = groups(dirs)

    def mistake(self) -> Mistake:
        """The mistake: by the first explanation that fits, else in Hydra's own words."""
        known = (self._missing, self._twice, self._out_of_order, self._nothing_to_override, self._unanswered)
        return next((mistake for explain in known if (mistake := explain()) is not None), None) or self._other()

    def _missing(self) -> Mistake | None:
        missing = getattr(self.error, "missing_cfg_file", None)
        missing = missing[0] if isinstance(missing, (list, tuple)) and missing else missing
        if not missing:
            return None
        group, _, choice = str(missing).removesuffix(".yaml").rpartition("/")
        file, default = self._first(lambda file, default: choice in _names(default) and group in _groups(file, default))
        source = self._place(file, default)
        if not group:
            return self._no_config(choice, source)
        if file is not None and default is not None and group not in self.groups:
            above = self._without_folder(group, file)
            if above:
                return Mistake(f"there is no group {group}", ("from", source), ("write", f"- override /{above}: {choice}"),
                               hint="a group without a slash is looked for in the folder of its own file")
        if group not in self.groups:
            return no_group(group, choice, self.groups, source)
        return unknown_choice(group, choice, self.groups[group], source)

    def _no_config(self, choice: str, source: str) -> Mistake:
        files = [name for folder in self.dirs for name in sorted(os.listdir(folder)) if name not in NOT_TO_START_FROM]
        names = [name.removesuffix(".yaml") for name in files if name.endswith(".yaml")]
        if choice == self.primary:
            source = "command line: --config-name"
        return Mistake(f"there is no config named {choice!r}", ("from", source), ("allowed", ", ".join(dict.fromkeys(names))))

    def _twice(self) -> Mistake | None:
        match = re.match(r"Multiple values for ([^.]\S*?)\. ", self.text)
        if not match:
            return None
        group = match[1].partition("@")[0]
        file, default = self._first(lambda file, default: bool(default.key) and not default.is_override and group in _groups(file, default))
        word = next((word for word in self.parsed if word.is_add() and word.key_or_group == group), None)
        if word is not None:
            return self._mistake(f"{match[1]} is chosen twice", f"command line: {word.input_line}", f"{str(word.input_line)[1:]}")
        choice = default.choices[0] if default is not None else "..."
        return self._mistake(f"{match[1]} is chosen twice", self._place(file, default), f"- override /{match[1]}: {choice}")

    def _out_of_order(self) -> Mistake | None:
        """An entry after an override; Hydra has no words for it where that entry is a list."""
        if "Overrides must be at the end" not in self.text and not isinstance(self.error, AssertionError):
            return None
        for file in self.read:
            for default, later in zip(file.defaults, file.defaults[1:], strict=False):
                if default.is_override and not later.is_override and later.choices != ["_self_"]:
                    return Mistake("overrides must be at the end of a defaults list", ("from", self._place(file, default)))
        return None

    def _nothing_to_override(self) -> Mistake | None:
        in_1_4 = r"In '([^']+)': Invalid Defaults List override .*\nNo earlier Group Default for '([^']+)' exists to override"
        match = re.search(in_1_4, self.text) or re.search(r"(?:In '([^']+)': )?Could not override '([^']+)'", self.text)
        if not match:
            return None
        group, _, package = match[2].partition("@")
        if not match[1]:
            if not any("schema/config" in choice for file in self.read for default in file.defaults for choice in default.choices):
                return not_ours(self.primary, self.dirs, self.workspace)
            word, what = self._word(match[2]), f"{match[2]} is not chosen yet, so it cannot be overridden"
            if meant := re.search(r"Did you mean to override (?:one of )?([^?]+)\?", self.text):
                near = " or ".join(f"{name}={word.partition('=')[2]}" for name in meant[1].split(", "))
                return Mistake(what, ("from", word), ("write", near))
            return self._mistake(what, word)
        file, default = self._first(
            lambda file, default: file.config_path == match[1] and default.is_override and group in _groups(file, default)
        )
        choice = default.choices[0] if default is not None else "..."
        above = self._without_folder(group, file) if file is not None and default is not None and default.group[0] != "/" else ""
        if above:
            return self._mistake(f"there is no group {group}", self._place(file, default), f"- override /{above}: {choice}")
        if group not in self.groups:
            return no_group(group, choice, self.groups, self._place(file, default), "override ")
        what = f"{match[2]} is overridden, and no defaults list chooses it"
        return self._mistake(what, self._place(file, default), f"- /{group}{'@' * bool(package)}{package}: {choice}")

    def _unanswered(self) -> Mistake | None:
        match = re.search(r"You must specify '([^']+)'", self.text)
        if not match:
            return None
        group = match[1].partition("@")[0]
        file, default = self._first(lambda file, default: default.choices == ["???"] and group in _groups(file, default))
        return Mistake(f"{match[1]} has no choice yet", ("from", self._place(file, default)),
                       ("allowed", ", ".join(self.groups.get(group, []))), hint=f"name one: {match[1]}=...")

    def _other(self) -> Mistake:
        quoted = re.search(r"'(\$\{[^']*)'", self.text)
        file, default = self._first(lambda file, default: quoted is not None and quoted[1] in default.choices)
        return self._mistake(self.text.splitlines()[0], self._word(self.text) if default is None else self._place(file, default))

    def _mistake(self, what: str, source: str, write: str = "") -> Mistake:
        """With Hydra's own explanation whole, where it says more than we do."""
        facts = [("from", source), *([("write", write)] if write else []), *([("hydra says", self.text)] if self.text != what else [])]
        return Mistake(what, *facts, hint="`trainconf --help` lists the groups and their choices")

    def _word(self, text: str) -> str:
        """The word of the command line that a message quotes, else the file that it names."""
        for override in self.parsed:
            key = override.get_key_element().lstrip("+~")
            if any(f"'{quoted}'" in text for quoted in (override.input_line, key, str(override.input_line).lstrip("~"))) or text == key:
                return f"command line: {override.input_line}"
        file = next((file for file in self.read if re.search(rf"\b{re.escape(file.config_path)}(?![\w/-])", text)), None)
        return self._place(file, None)

    def _first(self, is_it: Match) -> tuple[File | None, Default | None]:
        return next(((file, default) for file in self.read for default in file.defaults if is_it(file, default)), (None, None))

    def _place(self, file: File | None, default: Default | None) -> str:
        if file is None:
            return "the defaults list"
        return label(file.path, self.workspace) + (f":{default.line}" if default is not None else "")

    def _without_folder(self, group: str, file: File) -> str:
        """The group that was meant, where a slash was forgotten; empty when it was not that."""
        folder = os.path.dirname(file.config_path)
        above = group.removeprefix(f"{folder}/")
        return above if folder and above != group and above in self.groups else ""


def _names(default: Default) -> Iterator[str]:
    """The names that an entry may ask for; of a path its last part."""
    for choice in default.choices:
        yield choice.rpartition("/")[2].partition("@")[0].removesuffix(".yaml")


def _groups(file: File, default: Default) -> Iterator[str]:
    """The groups that an entry may mean: absolute with a slash, else in the folder of its file; a choice may name a group within."""
    folder = os.path.dirname(file.config_path)
    for choice in default.choices:
        below = choice.partition("@")[0].rpartition("/")[0]
        name = f"{default.group}/{below}".rstrip("/") if default.key else below
        yield name.lstrip("/") if name.startswith("/") or choice.startswith("/") else f"{folder}/{name}".strip("/")

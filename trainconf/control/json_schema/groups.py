"""The config groups of a workspace as its files have them: choices, which kind of ours each one is, and what a defaults list may name."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import Any

import yaml

from trainconf import schema
from trainconf.control.json_schema.values import LATER
from trainconf.plugins import offered
from trainconf.resolve.search import config_dirs, groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from trainconf.paths import WorkspacePaths

_WORDS = r"(override +)?"  # what is optional need not be there
_PACKAGE = r"(@.*)?$"


class Groups:
    """Those that config files of the workspace, of trainconf and of other packages' launchers make. dirs: where they are, first wins."""

    def __init__(self, workspace: WorkspacePaths) -> None:
        self.dirs = config_dirs(workspace)
        self._found = groups(self.dirs)

    def choices(self, group: str) -> list[str]:
        """What may be chosen of a group, those of its folders included: `slurm`, `slurm/gpu`."""
        below = f"{group}/"
        deeper = [f"{name.removeprefix(below)}/{choice}" for name, found in self._found.items() if name.startswith(below)
                  and name not in schema.GROUPS for choice in found]  # fmt: skip
        return [*self._found.get(group, []), *deeper]

    def own(self) -> list[str]:
        """The groups that are none of ours."""
        ours = (*schema.GROUPS, "experiment", "hydra")
        return [name for name in self._found if not any(f"{name}/".startswith(f"{known}/") for known in ours)]

    def path(self, group: str, choice: str) -> str:
        """The file of a choice; empty where there is none."""
        names = (os.path.join(folder, group, f"{choice}.yaml") for folder in self.dirs)
        return next((path for path in names if os.path.isfile(path)), "")

    # -- kinds ---------------------------------------------------------------------------------------------------------

    @staticmethod
    def kinds(group: str) -> list[str]:
        """The kinds that a choice of one of our groups can be, those of other packages' launchers included."""
        return [*schema.GROUPS[group].schemas, *(offered() if group == "compute" else ())]

    def by_kind(self, group: str) -> dict[str, list[str]]:
        """The choices of each kind."""
        found: dict[str, list[str]] = {kind: [] for kind in self.kinds(group)}
        for choice in self.choices(group):
            kind = self._kind(group, choice, ())
            if kind in found:
                found[kind].append(choice)
        return found

    def _kind(self, group: str, choice: str, above: tuple[str, ...]) -> str:
        """The kind whose schema the file of a choice takes, itself or by another choice; empty where that is not found."""
        for item in _defaults(self.path(group, choice)) if choice not in above else ():
            name = item.partition("@")[0].strip()
            if name.startswith(f"/schema/{group}/"):
                return name.rpartition("/")[2]
            taken = name.removeprefix(f"/{group}/") if name.startswith("/") else name
            if taken in self.choices(group) and (kind := self._kind(group, taken, (*above, choice))):
                return kind
        return ""

    # -- defaults lists ------------------------------------------------------------------------------------------------

    def takes(self, group: str, kind: str, choices: Iterable[str]) -> dict[str, Any]:
        """What is true of a file of a group whose defaults list takes the schema of a kind, or a choice of that kind."""
        named = "|".join([re.escape(f"/schema/{group}/{kind}"), *(f"(/{re.escape(group)}/)?{re.escape(each)}" for each in choices)])
        return _contains([{"type": "string", "pattern": f"^({named}){_PACKAGE}"}])

    @staticmethod
    def overrides(group: str, choices: list[str]) -> dict[str, Any]:
        """What is true of a file whose defaults list chooses one of these."""
        key = f"^override +/?{re.escape(group)}$"
        return _contains([{"type": "object", "patternProperties": {key: {"enum": choices}}, "additionalProperties": False}])

    def defaults(self, group: str) -> dict[str, Any]:
        """The schema of the defaults list of a file of a group; the empty one is the top of `conf/`."""
        texts, keys, offered_keys = ["_self_"], {}, {}
        for name in self._found:
            choices = self.choices(name)
            value = {"anyOf": [{"enum": [*choices, None]}, {"type": "string", "pattern": LATER},
                               {"type": "array", "items": {"type": "string"}}]}  # fmt: skip
            shorter = self._relative(group, name)
            spelled = "|".join(re.escape(each) for each in dict.fromkeys([f"/{name}", *shorter]))
            keys[f"^{_WORDS}({spelled}){_PACKAGE}"] = value
            shown = f"override /{name}" if group == "experiment" and name in schema.GROUPS else f"/{name}" if group else name
            offered_keys[shown] = value  # an editor offers no key of a pattern
            texts += [f"{each}/{choice}" for each in (f"/{name}", *shorter) for choice in choices]
        texts += [f"/schema/{name}/{kind}" for name in schema.GROUPS for kind in self.kinds(name)] + ["/schema/config"]
        below = [name for name in self._found if group and f"{name}/".startswith(f"{group}/")]
        texts += [choice for name in below for choice in self.choices(name)]
        patterns = {f"^{_WORDS}(optional +)?/?hydra/": {}, "^optional +": {}, r"\$\{": {}, **keys}
        texts = list(dict.fromkeys(texts))
        item = {"anyOf": [
            {"enum": texts},
            {"type": "string", "pattern": f"^({'|'.join(map(re.escape, texts))})(\\.yaml)?{_PACKAGE}|{LATER}|^/?hydra/"},
            {"type": "object", "minProperties": 1, "maxProperties": 1, "patternProperties": patterns, "additionalProperties": False,
             "properties": offered_keys},
        ]}  # fmt: skip
        return {"type": "array", "items": item, "description": "what this file is made from, in this order; `_self_` is the file itself"}

    @staticmethod
    def _relative(group: str, name: str) -> list[str]:
        """How a file of a group may name another group without a slash before it."""
        return [name] if not group else [name.removeprefix(f"{group}/")] if name.startswith(f"{group}/") else []


def _contains(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"required": ["defaults"], "properties": {"defaults": {"type": "array", "contains": {"anyOf": items}}}}


def _defaults(path: str) -> list[str]:
    """The texts of a file's defaults list; none of one that cannot be read, which composing it tells."""
    with suppress(OSError, ValueError, yaml.YAMLError, RecursionError):
        with open(path, encoding="utf-8") as stream:
            content = yaml.safe_load(stream)
        listed = content.get("defaults") if isinstance(content, dict) else None
        return [item for item in listed if isinstance(item, str)] if isinstance(listed, list) else []
    return []

"""What a place in a file refers to: an interpolation, a choice in a defaults list, a file."""

from __future__ import annotations

import os
import re
from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainconf.editor.documents import Opened
    from trainconf.editor.text.keys import Chosen

INTERPOLATION = re.compile(r"\$\{([^${}:]*)\}")
# Keys of files and folders, with what their paths are relative to.
IN_SOURCE = ("script", "hydra_app.script")
IN_WORKSPACE = (
    "source_directory", "env.requirements_file", "env.conda_file", "env.pyproject", "env.docker.dockerfile", "env.docker.build_context",
)  # fmt: skip


def interpolation_at(opened: Opened, index: int) -> str:
    """The dotted key that an interpolation at a character reads; empty where there is none."""
    line = opened.text.line_at(index)
    for found in INTERPOLATION.finditer(opened.text.content, line.start, line.end):
        if found.start() <= index <= found.end():
            return absolute(found[1].strip(), full_path(opened, index))
    return ""


def absolute(key: str, at: Sequence[str]) -> str:
    """A key that may be relative, such as `.lr` or `..lr`, as one of the whole config. at: the path of the key that refers to it."""
    name = key.lstrip(".")
    dots = len(key) - len(name)
    return ".".join((*at[: len(at) - dots], name)) if dots else key


def full_path(opened: Opened, index: int) -> tuple[str, ...]:
    """The path in the whole config of the key at a character; empty where there is none."""
    key = opened.keys.at(index) or opened.good.at(index) if opened.keys.error is not None else opened.keys.at(index)
    return () if key is None else (*opened.package, *key.path)


def value_at(config: Any, path: Sequence[str]) -> tuple[bool, Any]:
    """Whether a config has a path, and its value there."""
    for part in path:
        if not isinstance(config, dict) or part not in config:
            return False, None
        config = config[part]
    return True, config


def chosen_at(opened: Opened, index: int) -> tuple[str, str] | None:
    """The group and the choice of an entry of the defaults list; None for another place."""
    for chosen in opened.keys.chosen:
        if chosen.span.has(index):
            number = next((place for place, span in enumerate(chosen.choices) if span.has(index)), 0)
            return choice_of(chosen, opened, number)
    return None


def choice_of(chosen: Chosen, opened: Opened, number: int = 0) -> tuple[str, str] | None:
    """Group and choice of an entry of a defaults list; None for `_self_`, and for what is chosen later."""
    choice = chosen.default.choices[min(number, len(chosen.default.choices) - 1)].removesuffix(".yaml")
    if not choice or choice == "_self_" or "${" in choice:
        return None
    own = os.path.relpath(os.path.dirname(opened.path), opened.workspace.conf).replace(os.sep, "/").removeprefix(".")
    if not chosen.default.key:
        whole = choice.split(" ")[-1].partition("@")[0]
        whole = whole.lstrip("/") if whole.startswith("/") else os.path.normpath(os.path.join(own, whole))
        group, _, choice = whole.rpartition("/")
        return group, choice
    group = chosen.default.group
    return (group.lstrip("/") if group.startswith("/") else os.path.normpath(os.path.join(own, group)).removeprefix("./")), choice


def base_of(key: str, opened: Opened) -> str | None:
    """The folder that the path at a key is relative to; None for a key of no path."""
    if key in IN_WORKSPACE or key.startswith("inputs."):
        return opened.workspace.root
    if key not in IN_SOURCE:
        return None
    there, source = value_at(opened.composed.config if opened.composed is not None else opened.good.value, ("source_directory",))
    return os.path.join(opened.workspace.root, str(source) if there else "")

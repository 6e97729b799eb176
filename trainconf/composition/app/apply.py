"""Puts the config of a Hydra app into a composed config of ours, as its params."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainconf.composition.app.compose import Found, HydraApp
from trainconf.composition.app.told import Word
from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed
from trainconf.resolve.hydra_app import PARAMS, joined, module_file
from trainconf.resolve.origins import leaves
from trainconf.resolve.resolver import app_script
from trainconf.resolve.search import label

FROM_WORD = "command line: -- {}"


class AppOf:
    """The app that a composed config names, for its words and for others. Raises ConfigError.

    code: a folder with the code that was recorded, instead of the source directory. cwd: where paths of the command line begin.
    """

    def __init__(self, base: Composed, workspace: WorkspacePaths, *, cwd: str | None = None, code: str = "", source: str = "") -> None:
        self.base = base
        node = base.config["hydra_app"]
        if code:
            script = str(node["script"]) if not node.get("module") else module_file(base.config, code)
        else:
            source, script = app_script(base, workspace, cwd)
        self.app = HydraApp(code or source, script, node, _labels(workspace, source, code), base.origin)

    def with_words(
        self, words: Sequence[str], values: Mapping[str, Any] | None = None, base: Composed | None = None, *,
        of_params: Sequence[str] = (), typed: Mapping[str, str] | None = None,
    ) -> Composed:  # fmt: skip
        """The config with the app's params. `words` come after those of the settings, `values` after them; base: another with this app.

        of_params: overrides of params without `params.`, which come before `words`: one of `model.encoder` may be a choice of the group
        `model/encoder`. typed: what the words of some values begin with. Raises ConfigError with all mistakes.
        """
        base = base or self.base
        fixed = [Word(str(text), _origin(base, str(text))) for text in base.config["hydra_app"]["words"]]
        own = {key: value for key, value in leaves(base.config["params"]) if key}

        def source(key: str, text: str) -> str:
            return base.origin(f"{PARAMS}{key}") if key not in (values or {}) else f"command line: {PARAMS}{text.lstrip('+')}"

        words = [*self.app.words_of_params(of_params, fixed), *words]
        given = [Word(text, FROM_WORD.format(text)) for text in words]
        found = self.app.compose([*fixed, *given], {**own, **(values or {})}, source, typed)
        return applied(base, found, words)


def applied(base: Composed, found: Found, words: Sequence[str]) -> Composed:
    """A composed config with the params of an app."""
    config = {**base.config, "params": found.params, "hydra_app": {**base.config["hydra_app"], "words": found.words}}
    kept = {key: origin for key, origin in base.origins.items() if key != PARAMS.rstrip(".") and not key.startswith(PARAMS)}
    derived = base.derived and {key: value for key, value in base.derived.items() if not key.startswith(PARAMS)}
    if words:
        kept["hydra_app.words"] = FROM_WORD.format(" ".join(words))
    return Composed(
        config, {**kept, **found.origins}, base.choices, joined(base.overrides, words), None, derived, [*base.notes, *found.notes],
        base.compute_options, None, base.config_name, base.folder, base.layers,
    )  # fmt: skip


def _origin(base: Composed, word: str) -> str:
    """Where a word of the settings was written; of a recorded run, where it was typed then."""
    origin = base.origin(f"{PARAMS}{Word(word, '').key}")
    return origin if origin.endswith(word) else base.origin("hydra_app.words")


def _labels(workspace: WorkspacePaths, source: str, code: str) -> Callable[[str], str]:
    def named(path: str) -> str:
        return label(source + path[len(code):] if code and path.startswith(code) else path, workspace)

    return named

"""`Composed`: a config after composition, as plain values that need no Hydra; what the cache keeps and the resolver reads."""

from __future__ import annotations

from trainconf.fast.stdlib import re
from trainconf.resolve.run_config import RunConfig
from trainconf.resolve.yaml_text import render

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from trainconf.errors import Mistake
    from trainconf.spec import Pairs

_KEY = re.compile(r"(env|compute|distributed|params|inputs)\.[A-Za-z_]+(\.[A-Za-z_]+)*")


class Composed:
    """A resolved config.

    config: plain tree, secrets symbolic. origins: dotted key of each leaf to where it was set. choices: group to choice.
    overrides: the words of the command line. derived: values that refer to others, as they were written, by dotted key, or None when
    the record does not tell. env_reads: environment variables whose values went into it, or None when it cannot be known what it depends
    on.
    notes: what was asked for and has no effect. compute_options: see `settings.compute_options`; None where the schema must be asked.
    bound: keys of `params` and `tags` that cannot be changed without composing anew, for other values are made of them or a schema types
    them; None where it is not known. config_name: the primary config. folder: where the overrides were typed, for a recorded config.
    layers: source, values and form of what a program has given, from which it was composed, as `composition.layers.Layer`.
    rendered: text of parts of configs by key, with the part itself. Configs that share parts share it: a part is rendered once for all
    trials of a sweep. So nobody may change a part of a config.
    """

    __slots__ = (
        "bound", "choices", "compute_options", "config", "config_name", "derived", "env_reads", "folder", "layers", "notes", "origins",
        "overrides", "rendered",
    )  # fmt: skip

    def __init__(
        self, config: dict[str, Any], origins: dict[str, str], choices: dict[str, str], overrides: Sequence[str],
        env_reads: Sequence[str] | None = None, derived: dict[str, Any] | None = None, notes: Sequence[str] = (),
        compute_options: Pairs | None = None, bound: Sequence[str] | None = None, config_name: str = "config", folder: str = "",
        layers: Sequence[tuple[str, Any, bool]] = (), rendered: dict[str, tuple[Any, str]] | None = None,
    ) -> None:
        self.config = config
        self.origins = origins
        self.choices = choices
        self.overrides = list(overrides)
        self.env_reads = env_reads
        self.derived = derived
        self.notes = list(notes)
        self.compute_options = compute_options
        self.bound = bound
        self.config_name = config_name
        self.folder = folder
        self.layers = tuple(layers)
        self.rendered = {} if rendered is None else rendered

    @property
    def typed(self) -> RunConfig:
        """The config by attribute."""
        return RunConfig(self.config)

    def origin(self, key: str) -> str:
        """Where a key, or the nearest key above it, was set."""
        while key:
            if key in self.origins:
                return self.origins[key]
            key = key.rpartition(".")[0]
        return "default"

    def origin_of_part(self, key: str) -> str:
        """As `origin`; a mapping that nobody set as a whole comes from where the first of what it holds was set."""
        found = self.origin(key)
        below = (origin for other, origin in self.origins.items() if other.startswith(f"{key}."))
        return next(below, found) if found == "default" else found

    def locate(self, mistake: Mistake) -> None:
        """Put the origin into a mistake of a floor that knows keys alone: its `from`, or else its sentence, begins with one."""
        facts = dict(mistake.facts)
        source = facts.pop("from", "")
        key = _KEY.match(source or mistake.what)
        if key:
            source = self.origin_of_part(key[0])
        mistake.facts = (*([("from", source)] if source else []), *facts.items())

    def text(self) -> str:
        """The run's config.yaml: what was composed, from which words and choices, and where each value came from."""
        parts = "".join([self._part(key, part) for key, part in self.config.items()])
        rest = {"overrides": self.overrides, "choices": self.choices, "origins": self.origins}
        return (f"config:\n{parts}" if parts else "config: {}\n") + render(rest)

    def _part(self, key: str, part: Any) -> str:
        known = self.rendered.get(key)
        if known is None or known[0] is not part:
            known = self.rendered[key] = part, render({key: part}, 1)
        return known[1]

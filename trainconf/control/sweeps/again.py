"""Sweeps of recorded runs, and recorded sweeps once more: with the code and the config that they had."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from trainconf.composition.hydra.loader import ConfigLoader
from trainconf.composition.plain.words import overrides_of
from trainconf.composition.sweep.grid import Axis
from trainconf.composition.sweep.request import Words, read_words
from trainconf.control.sweeps.steer import AnySweep, is_plain
from trainconf.errors import ConfigError, Mistake, RunNotFoundError
from trainconf.history import events, record
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.reporter import SILENT, Reporter
from trainconf.resolve.hydra_app import as_params
from trainconf.resolve.resolver import Resolved
from trainconf.resolve.search import config_dirs
from trainconf.search.space import Point
from trainconf.submission.code import find_code
from trainconf.submission.replay import CHOSEN_ANEW, from_run
from trainconf.sweeps import journal
from trainconf.sweeps.batch import Sweep, refuse_shared, refuse_too_many, searched_value
from trainconf.sweeps.resuming import search_of
from trainconf.sweeps.search import Search
from trainconf.sweeps.searching import FedSweep, at_once
from trainconf.sweeps.trials import Trial, as_change, as_changes, base_of, combinations_of

CHECKED_VALUES = 1000  # of one key


def rerun(paths: RunPaths, overrides: Sequence[str], workspace: WorkspacePaths, reporter: Reporter = SILENT) -> AnySweep:
    """A sweep of a recorded run, whose `overrides` say what varies, or a recorded sweep once more; its `start` begins it.

    A sweep has the points it had, by the seed it had, unless overrides give keys other values, or a single one. Raises ConfigError with all
    mistakes, RunNotFoundError for a damaged record, and what `submit` raises.
    """
    found = record.read_mapping(paths.sweep)
    if os.path.exists(paths.sweep) and (not found or "search" in found):
        search_of(paths, found)  # refuses what cannot be read
    loader = ConfigLoader(config_dirs(workspace))
    overrides = as_params(overrides)
    then = _recorded_words(paths, loader)
    words = read_words(overrides, loader)
    run = _shared_by_all(paths)
    fixed = [axis.words[0] for axis in words.axes.values() if axis.path not in words.specs]
    if run is paths and "sweep" not in words.fixed:
        fixed.insert(0, "sweep=grid")  # what a run says of sweeps is of the one that it was a trial of
    trials = RecordedTrials(run, fixed, workspace, sweep=None if run is paths else paths)
    spec = trials.base.spec
    find_code(spec.code.snapshot, trials.base.source_directory, trials.git, workspace, run.spec)
    varying = {axis.path: axis for axis in then.axes.values() if axis.path not in words.fixed}
    varying |= {axis.path: axis for axis in words.axes.values() if axis.path in words.specs}
    refuse_shared(varying)
    check_axes(trials, [axis for axis in words.axes.values() if axis.path in words.specs])
    texts = [*map(str, found.get("overrides") or ()), *overrides]
    known = found.get("search")
    settings = trials.base.composed.config["sweep"]
    sweep: Sweep | FedSweep
    if words.is_grid and then.is_grid and known is None and is_plain(settings):
        sweep = _grid(trials, varying, workspace, texts)
    else:
        sweep = _search(trials, words, then, settings, known or {}, workspace, texts, reporter)
    sweep.prepare(reporter)
    return sweep


def _recorded_words(paths: RunPaths, loader: ConfigLoader) -> Words:
    """What the overrides of a recorded sweep say that varies; nothing for a run."""
    found = record.read_mapping(paths.sweep).get("overrides")
    words = read_words(as_params(text for text in found if isinstance(text, str)) if isinstance(found, list) else [], loader)
    varying = {key: axis for key, axis in words.axes.items() if axis.path in words.specs}
    return words._replace(axes=varying)


def _shared_by_all(paths: RunPaths) -> RunPaths:
    """The record of what the trials of a sweep share; a run itself. Raises RunNotFoundError."""
    if not os.path.exists(paths.sweep):
        return paths
    base = base_of(paths, 0)
    if os.path.isdir(base.run_dir):
        return base
    first = next((entry.paths for entry in journal.read(paths) if events.exists(entry.paths)), None)
    if first is None:
        raise RunNotFoundError(f"{paths.run_id} has no trial, so what they share is not known", ("sweep", paths.run_dir))
    return first


def _grid(trials: RecordedTrials, varying: dict[str, Any], workspace: WorkspacePaths, texts: list[str]) -> Sweep:
    if not varying:
        raise ConfigError("nothing varies", hint="give a key several values: params.lr=0.1,0.2")
    refuse_too_many([(axis.key, len(axis.words)) for axis in varying.values()], trials.base.composed)
    found = []
    for number, words in enumerate(itertools.product(*(axis.words for axis in varying.values()))):
        resolved = trials.at({}, words)
        values = {axis.path: searched_value(resolved.composed, axis.path) for axis in varying.values()}
        found.append(Trial(number, resolved, list(words), values))
    return Sweep(found, workspace, texts)


def _search(
    trials: RecordedTrials, words: Words, then: Words, settings: dict[str, Any], known: dict[str, Any], workspace: WorkspacePaths,
    texts: list[str], reporter: Reporter,
) -> Sweep | FedSweep:  # fmt: skip
    of_sweep = known.get("space", {**settings.get("space", {}), **then.specs})
    space = {key: spec for key, spec in of_sweep.items() if key not in words.fixed}
    zips = known.get("settings", {}).get("zip") or settings.get("zip", {})
    seed = next((seed for seed in (settings.get("seed"), known.get("seed")) if seed is not None), secrets.randbits(32))
    base = trials.base.composed
    settings, spec = {**settings, "zip": {**zips, **words.zips}}, {**space, **words.specs}
    search = Search(settings, base.config["metric"], spec, int(seed), base.origin_of_part)
    if search.mistakes:
        raise ConfigError(search.mistakes)
    for warning in search.warnings:
        reporter.info(f"note: {warning}")
    refuse_shared(search.space.key_names())
    mistakes = trials.of(search).check()
    if mistakes:
        raise ConfigError(mistakes)
    return FedSweep(search, trials, workspace, texts) if search.kind == "bayes" else at_once(search, trials, workspace, texts)


class RecordedTrials:
    """Resolves the trials of a search from a recorded run. `fixed` are overrides that all trials share. See `searching.Trials`.

    sweep: that the run is of. A choice of a group is taken from the run of it that has made this choice.
    """

    def __init__(self, run: RunPaths, fixed: Sequence[str], workspace: WorkspacePaths, *, sweep: RunPaths | None = None) -> None:
        """Raises RunNotFoundError for a damaged record, ConfigError."""
        self._run = run
        self._sweep = sweep
        self._fixed = list(fixed)
        self._workspace = workspace
        self._record = record.read_mapping(run.record)
        self._search: Search | None = None
        self.base, self.git = self._from_run([])

    def of(self, search: Search) -> RecordedTrials:
        """The same for this search."""
        self._search = search
        return self

    def at(self, values: Mapping[str, Any], words: Sequence[str] = ()) -> Resolved:
        """What a trial with these values and overrides would run, whether the record has their keys or not. Raises ConfigError."""
        pairs = [word.lstrip("+").partition("=") for word in words]
        changes = [as_change(key, text, self._record.get("config")) for key, _, text in pairs]
        return self._changed([*as_changes(values, self._record), *changes])

    def check_words(self, words: Sequence[str]) -> None:
        """Raise ConfigError where a trial cannot be given these overrides as they are typed."""
        self._changed(words)

    def _changed(self, words: Sequence[str]) -> Resolved:
        return self._from_run(words)[0]

    def _from_run(self, words: Sequence[str]) -> tuple[Resolved, dict[str, Any]]:
        run, left = self._run, [*self._fixed, *words]
        own = choices_in(self._record) if self._sweep is not None else {}
        pairs = {text: text.lstrip("+").partition("=") for text in left}
        wanted = {key: choice for key, _, choice in pairs.values() if key in own and key not in CHOSEN_ANEW}
        if wanted and (found := _with_choices(self._runs, {**own, **wanted}, wanted)):
            run, left = found, [text for text in left if pairs[text][0] not in wanted]
        return from_run(run, left, self._workspace, SILENT)

    @cached_property
    def _runs(self) -> list[tuple[RunPaths, dict[str, str]]]:
        """The records of the sweep, each with its choices."""
        assert self._sweep is not None
        bases = itertools.takewhile(lambda run: os.path.isdir(run.run_dir), (base_of(self._sweep, number) for number in itertools.count()))
        trials = (entry.paths for entry in journal.read(self._sweep) if events.exists(entry.paths))
        return [(run, choices_in(record.read_mapping(run.record))) for run in (*bases, *trials)]

    def resolved(self, number: int, values: Mapping[str, Any], repeat: int) -> tuple[Resolved, list[str]]:
        """What a trial would run, and the overrides that make it differ. Raises ConfigError."""
        assert self._search is not None
        given = self._search.values_of(dict(values), repeat, number // self._search.repeats)
        return self.at(given), overrides_of(given)

    @property
    def example(self) -> Point:
        """The values of some trial."""
        assert self._search is not None
        return self._search.space.draw(0, 0)

    def combinations(self) -> list[dict[str, str]]:
        """Those of the sweep; of a run one empty one, for it has chosen its groups."""
        assert self._search is not None
        return combinations_of(self._search, choices_in(self._record)) if self._sweep is not None else [{}]

    def check(self) -> list[Mistake]:
        """What the schema says against single values of the space."""
        assert self._search is not None
        mistakes: dict[str, Mistake] = {}
        for values in self._search.space.samples(CHECKED_VALUES):
            try:
                self.at(values)
            except ConfigError as error:
                mistakes.update({mistake.render(): mistake for mistake in error.mistakes})
        return list(mistakes.values())


def choices_in(found: Mapping[str, Any]) -> dict[str, str]:
    """The groups of a recorded run, with their choices."""
    choices = found.get("choices")
    return {str(key): str(choice) for key, choice in choices.items()} if isinstance(choices, dict) else {}


def _with_choices(
    runs: Sequence[tuple[RunPaths, dict[str, str]]], choices: Mapping[str, str], needed: Mapping[str, str]
) -> RunPaths | None:  # fmt: skip
    """The first run that has made all choices; else one that has made the needed ones."""
    fitting = [(run, own) for run, own in runs if needed.items() <= own.items()]
    return max(fitting, key=lambda pair: len(choices.items() & pair[1].items()))[0] if fitting else None


def check_axes(trials: RecordedTrials, axes: Sequence[Axis]) -> None:
    """Check each value of each axis alone, as it was typed. Raises ConfigError with all mistakes."""
    mistakes: dict[str, Mistake] = {}
    for axis in axes:
        for word in axis.words[:CHECKED_VALUES]:
            try:
                trials.check_words([word])
            except ConfigError as error:
                mistakes.update({mistake.render(): mistake for mistake in error.mistakes})
    if mistakes:
        raise ConfigError(list(mistakes.values()))

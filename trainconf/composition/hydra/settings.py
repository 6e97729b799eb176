"""Hydra's own settings: the values of `${hydra:...}` here, and what to write instead of a setting without a meaning here.

A `hydra:` block in a file, a `hydra/...` entry of a defaults list, an override and `${hydra:...}` get the same answer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from hydra import __version__ as HYDRA_VERSION
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf

from trainconf.errors import Mistake
from trainconf.spec import RUN_ID

ACCEPTED = ("trainconf", "basic")  # choices of hydra/sweeper and hydra/launcher: ours, and Hydra's own, which says nothing
READ_ELSEWHERE = ("hydra.searchpath", "hydra.aliases")  # Hydra's own code, which we call, has read them
SPACE = ("hydra", "sweeper", "params")  # of a file: read as sweep.space
OURS: dict[tuple[str, ...], tuple[str, ...]] = {  # what has the same meaning here, and where
    ("hydra", "job", "env_set"): ("env", "variables"),
    ("hydra", "sweeper", "n_trials"): ("sweep", "max_total_runs"),
    ("hydra", "sweeper", "n_jobs"): ("sweep", "max_concurrent_runs"),
    ("hydra", "sweeper", "max_batch_size"): ("sweep", "max_concurrent_runs"),
    ("hydra", "sweeper", "direction"): ("metric", "goal"),
}  # fmt: skip

# What a setting would do -> what does it here. The first that fits counts; those of the second table change what runs, so they are refused.
_NO_EFFECT = (
    ("hydra.run", "trainconf makes the run's folder: name it by experiment_name and display_name"),
    ("hydra.sweep", "trainconf makes the runs' folders: name them by experiment_name and display_name"),
    ("hydra.output_subdir", "the composed config is config.yaml in the run's folder"),
    ("hydra.job.name", "write experiment_name"),
    ("hydra.job.chdir", "a job runs in a copy of its source, with ./outputs and ./logs in it"),
    ("hydra.job_logging", "trainconf captures what a job prints; its own loggers are the script's"),
    ("hydra.hydra_logging", "trainconf captures what a job prints; its own loggers are the script's"),
    ("hydra.verbose", "trainconf captures what a job prints; its own loggers are the script's"),
    ("hydra.help", "`trainconf --help` is trainconf's own"),
    ("hydra.hydra_help", "`trainconf --help` is trainconf's own"),
    ("hydra.job.config", "trainconf names runs by experiment_name and display_name"),
)
_CHANGES_WHAT_RUNS = (
    ("hydra.launcher", "choose where it runs: compute=local, compute=docker, compute=slurm, and their settings"),
    ("hydra.sweeper.params", "write the values as words after -m: params.lr=1,2,3"),
    ("hydra.sweeper.sampler", "choose sweep=grid, sweep=random or sweep=bayes, and sweep.seed"),
    ("hydra.sweeper", "choose how to search: -m, sweep=..., and its settings"),
    ("hydra.mode", "write -m to run a sweep"),
    ("hydra.job.env_copy", "write env.variables.NAME: ${oc.env:NAME}, or ${secret:NAME} for a credential"),
    ("hydra.callbacks", "do in the script what a callback would do"),
    ("hydra", "leave it out; `trainconf config` lists every setting"),
)


class NoMeaning(ValueError):
    """`${hydra:...}` of something that is not known here."""

    def __init__(self, path: str) -> None:
        super().__init__(f"hydra:{path} has no meaning here")
        self.path = path


class HydraSettings:
    """Answers for one composition. What has no effect is noted; what would change what runs is a mistake."""

    def __init__(self, words: Sequence[str], config_name: str, number: int) -> None:
        self.words = words
        self.config_name = config_name
        self.number = number
        self.choices: dict[str, str] = {}
        self._ignored: dict[tuple[str, str], str] = {}

    def judge(self, key: str, source: str, mistakes: list[Mistake]) -> None:
        """Note or refuse a setting of Hydra's that was given: `key` as in `hydra.run.dir` or `hydra/launcher`."""
        dotted = key.replace("/", ".").partition("@")[0]
        if tuple(dotted.split(".")[:3]) in OURS or any(_is_at_or_below(dotted, known) for known in READ_ELSEWHERE):
            return
        for table in (_NO_EFFECT, _CHANGES_WHAT_RUNS):
            for known, instead in table:
                if _is_at_or_below(dotted, known):
                    if table is _NO_EFFECT:
                        self._ignored[key, source] = instead
                    else:
                        mistakes.append(Mistake(f"{key} has no effect here", ("from", source), ("instead", instead)))
                    return

    @property
    def notes(self) -> list[str]:
        """One note about all that has no effect; none when there is nothing."""
        facts = [(key, f"{source}: {instead}") for (key, source), instead in self._ignored.items()]
        return [Mistake("settings of Hydra's own have no effect here", *facts).render()] if facts else []

    def answer(self, cfg: DictConfig) -> Callable[[str], Any]:
        """The resolver behind `${hydra:...}`. Raises NoMeaning for what is not known here."""

        def value(path: str) -> Any:
            task = [word for word in self.words if not word.lstrip("+~").startswith(("hydra.", "hydra/"))]
            known = {
                "job": {
                    "name": OmegaConf.select(cfg, "experiment_name"), "num": self.number, "id": RUN_ID, "config_name": self.config_name,
                    "override_dirname": ",".join(sorted(task)),
                },
                "run": {"dir": "outputs"},
                "runtime": {
                    "output_dir": "outputs", "cwd": os.getcwd(), "version": HYDRA_VERSION, "choices": self.choices,
                },
                "overrides": {"task": task, "hydra": []},
            }  # fmt: skip
            found: Any = known
            for part in path.strip().split("."):
                found = found.get(part) if isinstance(found, dict) else None
            if path.startswith("job.env_set."):  # asked for by name: they may be made of other values of Hydra's
                found = OmegaConf.select(cfg, "env.variables." + path.removeprefix("job.env_set."))
            choices = "runtime.choices."
            found = self.choices.get(path.removeprefix(choices)) if path.startswith(choices) else found
            if found is None:
                raise NoMeaning(path)
            return OmegaConf.create(found) if isinstance(found, (dict, list)) else found

        return value


def take(config: DictConfig) -> None:
    """Take Hydra's settings out of a file's config, and put what has the same meaning here where it belongs.

    Of a key that both have ours counts. In `hydra.sweeper.params` a list is one value, as in Hydra.
    """
    hydra = config.pop("hydra")
    if not isinstance(hydra, DictConfig):
        return
    for theirs, ours in OURS.items():
        value = OmegaConf.select(hydra, ".".join(theirs[1:]))
        if value is not None:
            _put(config, ".".join(ours), OmegaConf.to_container(value, resolve=False) if OmegaConf.is_config(value) else value)
    params = OmegaConf.select(hydra, ".".join(SPACE[1:]))
    if isinstance(params, DictConfig):
        given = cast(dict[str, Any], OmegaConf.to_container(params, resolve=False))
        _put(config, "sweep.space", {str(key).lstrip("+"): [value] if isinstance(value, (list, dict)) else value
                                     for key, value in given.items()})  # fmt: skip


def _put(config: DictConfig, key: str, value: Any) -> None:
    """Put a value into a file's config, where its own does not stand; a mapping is added to."""
    own = OmegaConf.select(config, key)
    if isinstance(value, dict):
        known = OmegaConf.to_container(own, resolve=False) if isinstance(own, DictConfig) else {}
        OmegaConf.update(config, key, {**value, **cast(dict[str, Any], known)}, merge=False, force_add=True)
    elif own is None:
        OmegaConf.update(config, key, value, force_add=True)


def lines_with_ours(lines: Mapping[tuple[str, ...], int]) -> dict[tuple[str, ...], int]:
    """The lines of a file's keys, with those that `take` puts elsewhere."""
    given = {path[3:]: line for path, line in lines.items() if path[:3] == SPACE and len(path) > 3}
    moved = {("sweep", "space", path[0].lstrip("+"), *path[1:]): line for path, line in given.items()}
    same = {(*OURS[path[:3]], *path[3:]): line for path, line in lines.items() if path[:3] in OURS}
    return {**moved, **same, **lines}


def of_ours(override: Override) -> Override | None:
    """An override of a setting that has the same meaning here, as one of ours; None for any other."""
    path = tuple(override.key_or_group.split("."))
    ours = OURS.get(path[:3])
    if ours is None or override.is_delete():
        return None
    return replace(override, key_or_group=".".join((*ours, *path[3:])), type=OverrideType.FORCE_ADD)


def why_not(path: str) -> str:
    """What to write instead of `${hydra:PATH}`."""
    meanings = (
        "job.name, job.num, job.id, job.override_dirname, job.env_set.NAME, run.dir, runtime.output_dir, runtime.cwd, "
        "runtime.choices.GROUP, overrides.task"
    )
    near = {"sweep.dir": "runtime.output_dir", "runtime.dir": "runtime.output_dir"}.get(path)
    if near:
        return f"${{hydra:{near}}}"
    key = f"hydra.{path}"
    instead = next((text for known, text in (*_NO_EFFECT, *_CHANGES_WHAT_RUNS[:-1]) if _is_at_or_below(key, known)), "")
    return instead or f"a value of your own, or one of {meanings}"


def _is_at_or_below(key: str, known: str) -> bool:
    return key == known or key.startswith(f"{known}.") or (known == "hydra" and key.startswith("hydra"))

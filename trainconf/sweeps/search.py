"""What a sweep searches, from its settings: the space, where its points come from, when a trial is stopped, when the search ends.

The settings are the node `sweep` of a composed config, or of a sweep's record; both give the same search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.util import find_spec

from trainconf.composition.plain.expressions import read_expression
from trainconf.errors import ConfigError, Mistake
from trainconf.search.conditions import ConditionError
from trainconf.search.draws import MAX_SEED
from trainconf.search.expressions import Numbers
from trainconf.search.policies import Asha, Bandit, Judge, Median, Policy, Truncation
from trainconf.search.progress import Limits
from trainconf.search.reading import SpaceReader
from trainconf.search.samplers import LISTED_SIZE, GridSampler, NothingLeftError, PointSource, RandomSampler, Sieve, SobolSampler
from trainconf.search.space import Point, Space, key_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_GP_RUNS = 100  # up to which Gaussian processes find the best points of smooth spaces
EXTRAS = {"optuna": "sweeps", "scipy": "sweeps", "cmaes": "sweeps", "torch": "gp", "numpy": "sweeps"}
SAMPLES = 100  # points at which exclusions are tried


def wrong_expressions(settings: Mapping[str, Any], source: Callable[[str], str]) -> list[Mistake]:
    """What is wrong with the expressions that config files give a space, however overrides complete it."""
    if not (settings.get("space") or settings.get("zip")):
        return []
    reader = SpaceReader(read_expression, source)
    reader.space(settings.get("space") or {}, settings.get("zip") or {}, ())
    return reader.mistakes


class Search:
    """A search as its settings describe it.

    space_spec: key to expression, as text, list or mapping; it takes the place of `settings["space"]`. source: where a setting of a dotted
    key was written. `mistakes` holds what is wrong, `warnings` what is probably meant otherwise. `seed` is of everything that is drawn.
    """

    def __init__(
        self, settings: Mapping[str, Any], metric: Mapping[str, Any], space_spec: Mapping[str, Any], seed: int,
        source: Callable[[str], str] = lambda key: "",
    ) -> None:
        self.settings = settings
        self.kind = str(settings["kind"])
        self.metric: str | None = metric.get("name")
        self.goal = str(metric.get("goal") or "maximize")
        self.seed = seed
        self.space_spec = dict(space_spec)
        self._source = source
        reader = SpaceReader(read_expression, source)
        self.space: Space = reader.space(self.space_spec, settings.get("zip") or {}, settings.get("exclude") or ())
        self.first: list[Point] = reader.points("sweep.first", settings.get("first") or (), list(reader.keys))
        self.mistakes: list[Mistake] = reader.mistakes
        self.warnings = reader.warnings
        self.resumed_outputs: list[str] = list(settings.get("resumed_outputs") or ())  # of the runs that the first points go on with
        self.repeat_key: str | None = settings.get("repeat_key")
        self.repeats = int(settings.get("repeats") or 1)
        self.repeat_values: list[Any] = list(settings.get("repeat_values") or ())  # empty: 0, 1, 2, ...
        self._check()

    def record(self) -> dict[str, Any]:
        """What `of_record` needs, for the sweep's record."""
        metric = {"name": self.metric, "goal": self.goal}
        search = {"settings": self.settings, "space": self.space_spec, "seed": self.seed, "metric": metric}
        return {"is_watched": self.is_watched, "search": search}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Search:
        """The search of a recorded sweep. Raises KeyError, TypeError for a record that has none."""
        found = record["search"]
        return cls(found["settings"], found["metric"], found["space"], int(found["seed"]))

    def go_on_with(self, points: list[Point], outputs: list[str]) -> None:
        """Let the first trials have the values of runs, and find what those have written."""
        self.first, self.resumed_outputs = [*points, *self.first], outputs
        self.settings = {**self.settings, "first": self.first, "resumed_outputs": outputs}
        if self.kind == "grid" and not self.mistakes:
            self._check_grid()

    @property
    def policy(self) -> Mapping[str, Any]:
        """The settings of the stopping policy; empty without one."""
        found = self.settings.get("policy")
        return found if isinstance(found, Mapping) and found.get("kind") not in (None, "none") else {}

    @property
    def needs_metric(self) -> bool:
        """Whether trials are compared while the search goes on."""
        return bool(self.policy) or self.kind == "bayes" or self.settings.get("target") is not None

    @property
    def is_watched(self) -> bool:
        """Whether a controller must watch the trials; else all of them can be handed over at once."""
        limits = ("target", "max_failed_runs", "max_duration_minutes")
        return self.kind == "bayes" or bool(self.policy) or any(self.settings.get(name) is not None for name in limits)

    @property
    def total(self) -> int:
        """Trials in all, at most: as configured, and of a space that has an end as many as it has."""
        return min(int(known) for known in (self.settings.get("max_total_runs"), self.most) if known is not None)

    @property
    def point_count(self) -> int:
        """Points in all, at most; each is tried as often as configured."""
        return self.total // self.repeats

    @property
    def most(self) -> int | None:
        """Trials of each point of the space, and of what `first` has besides; None where there is no end to them."""
        size = self.space.size
        return None if size is None else (size + self._besides()) * self.repeats

    def _besides(self) -> int:
        """How many points of `first` are none of the space, or one that stands before. Raises ConditionError."""
        if not self.first:
            return 0
        from trainconf.search.bayes import is_within

        return len(self.first) - len({key_of(point) for point in self.first if is_within(self.space, point)})

    def limits(self, concurrent: int) -> Limits:
        """What ends the search; `concurrent` trials at a time."""
        return Limits(
            max_total_runs=self.total, max_concurrent_runs=concurrent, max_failed_runs=self.settings.get("max_failed_runs"),
            max_duration_minutes=self.settings.get("max_duration_minutes"),
            target=self.settings.get("target"), repeats=self.repeats, metric=(self.metric or "") if self.needs_metric else "",
        )

    def points(self) -> PointSource:
        """Where the points come from. Raises ConfigError when a package that it needs is missing."""
        try:
            return PointSource(self._sampler(), self.first)
        except ImportError as error:
            missing = (error.name or "optuna").partition(".")[0]
            chosen = "sweep" if missing == "optuna" else "sweep.rule" if self.kind == "random" else "sweep.sampler"
            value = self.kind if chosen == "sweep" else self.settings.get(chosen.partition(".")[2])
            hint = f"pip install 'trainconf[{EXTRAS.get(missing, 'sweeps')}]'"
            raise ConfigError(f"{chosen}={value} needs the package {missing}", *self._written_at(chosen), hint=hint) from error

    @property
    def suits_gp(self) -> bool:
        """Whether `sweep.sampler=gp` is there and would probably find better points than the sampler that was chosen."""
        is_tpe = self.kind == "bayes" and self.settings.get("sampler") == "tpe"
        return is_tpe and self.total <= MAX_GP_RUNS and not self.space.has_conditions and find_spec("torch") is not None

    def _sampler(self) -> Any:
        if self.kind == "grid":
            return GridSampler(self.space, seed=self.seed, is_shuffled=bool(self.settings.get("shuffle")), had=self.first)
        if self.kind == "random":
            sobol = self.settings.get("rule") == "sobol"
            return (SobolSampler if sobol else RandomSampler)(self.space, self.seed, had=self.first)
        from trainconf.search.bayes import BayesSampler

        return BayesSampler(self.space, self.seed, str(self.settings.get("sampler") or "tpe"), self.goal, first_count=len(self.first))

    def judge(self) -> Judge | None:
        """Who decides which trials are stopped; None without a policy."""
        return judge_of(self.policy, self.goal)

    def with_policy(self, settings: Mapping[str, Any]) -> Search:
        """The same search with another policy, from now on."""
        metric = {"name": self.metric, "goal": self.goal}
        return Search({**self.settings, "policy": dict(settings)}, metric, self.space_spec, self.seed, self._source)

    def as_changed(self, lines: Iterable[Mapping[str, Any]]) -> Search:
        """The search as the lines of its journal have changed it."""
        changes = [line["settings"] for line in lines if line["deed"] == "policy"]
        return self.with_policy(changes[-1]) if changes else self

    def values_of(self, values: Point, repeat: int, point: int) -> Point:
        """The values of one trial: its point's, the repeat's own, and the outputs that it goes on with."""
        own: Point = {self.repeat_key: self.repeat_values[repeat] if self.repeat_values else repeat} if self.repeat_key else {}
        if point < len(self.resumed_outputs):
            own["inputs.resume_from"] = self.resumed_outputs[point]  # to the job TRAINCONF_RESUME_FROM
            if self.settings.get("resume_param"):
                own[f"params.{self.settings['resume_param']}"] = "{inputs.resume_from}"
        return {**values, **own}

    # ------------------------------------------------------------ mistakes

    def _check(self) -> None:
        if not self.space.axes and not self.mistakes:
            self.wrong("sweep.space", "the search space is empty", hint="give a key an expression: 'params.lr=log_interval(0.001, 1)'")
        if self.settings.get("max_total_runs") is None:
            self.wrong("sweep.max_total_runs", f"sweep={self.kind} needs sweep.max_total_runs", hint="sweep.max_total_runs=20")
        if self.kind == "grid":
            self._check_grid()
        if self.needs_metric and not self.metric:
            what = f"sweep/policy={self.policy['kind']}" if self.policy else "sweep=bayes" if self.kind == "bayes" else "sweep.target"
            self.wrong("metric.name", f"{what} compares trials by a metric, and metric.name is null",
                        hint="metric.name=val_loss metric.goal=minimize")
        if self.seed > MAX_SEED:
            self.wrong("sweep.seed", f"sweep.seed is {self.seed}", ("allowed", f"0 to {MAX_SEED}"))
        total = self.settings.get("max_total_runs")
        if self.repeats > 1 and total is not None and int(total) % self.repeats and self.kind != "grid":
            self.warnings.append(f"sweep.max_total_runs={total} is no multiple of sweep.repeats={self.repeats}: the last point has "
                                 f"{int(total) % self.repeats} of its {self.repeats} trials")
        if self.repeats > 1 and not self.repeat_key:
            self.warnings.append("sweep.repeats without sweep.repeat_key: the trials of a point differ in nothing but their number")
        count = len(self.repeat_values)
        if count not in (0, self.repeats):
            self.wrong("sweep.repeat_values", f"sweep.repeat_values has {count} values, and sweep.repeats is {self.repeats}",
                        hint=f"sweep.repeats={count}")
        if count and not self.repeat_key:
            self.wrong("sweep.repeat_values", "sweep.repeat_values needs sweep.repeat_key", hint="sweep.repeat_key=params.seed")
        if self.repeat_key and self.repeat_key in self.space.key_names():
            self.wrong("sweep.repeat_key", f"{self.repeat_key} is in the search space, and is the key of repeats",
                        hint="leave it out of the space")
        if self.kind == "bayes" and self.settings.get("sampler") == "gp" and self.space.has_conditions:
            self.wrong("sweep.sampler", "Gaussian processes cannot search a space with conditional keys", ("allowed", "tpe, cmaes"))
        if self.settings.get("resume_from") and self.kind != "bayes" and not self.policy:
            self.wrong("sweep.resume_from", f"sweep={self.kind} without a policy has no use for what other sweeps have found",
                       hint="sweep=bayes learns from their points; sweep/policy=median compares with what their trials have logged")
        self._check_policy()
        if not self.mistakes:
            self._check_exclusions()

    def _check_exclusions(self) -> None:
        """Whether anything is left of the space, and every exclusion can be answered, at points as they are drawn."""
        try:
            sampler = GridSampler(self.space) if self.kind == "grid" else RandomSampler(self.space, self.seed)
            sampler.ask(0)
            for number in range(SAMPLES if self.space.exclusions else 0):
                self.space.excludes(self.space.draw(0, number))
            for point in self.first:
                self.space.excludes(point)
        except NothingLeftError as error:
            self.wrong("sweep.exclude", "the search space has no point", ("because", error.reason))
        except ConditionError as error:
            self.wrong("sweep.exclude", f"sweep.exclude: {error}", hint="compare a key only with values of its own type")

    def _check_grid(self) -> None:
        endless = [name for name, expression in self.space.expressions() if isinstance(expression, Numbers) and expression.count is None]
        for name in endless:
            self.wrong(f"sweep.space.{name}", f"{name} is given an interval, and a grid needs values to list",
                        hint=f"list them: {name}=1,2,3 or {name}=range(1,4); or search by chance: sweep=random sweep.max_total_runs=20")
        size, limit = self.space.size, self.settings.get("max_total_runs")
        if size is None or limit is None or self.settings.get("allow_partial"):
            return
        with suppress(ConditionError):
            if size * self.repeats > int(limit) and self.space.exclusions and size <= LISTED_SIZE:
                size = sum(1 for _ in Sieve(self.space).left())
            size += self._besides()
        if size * self.repeats > int(limit):
            axes = " x ".join(f"{axis.key} ({axis.size})" for axis in self.space.axes)
            source = self._source("sweep.max_total_runs") or "default"
            allowed = f"{limit} (sweep.max_total_runs, {source})"
            self.wrong("", f"this grid has {size * self.repeats} runs", ("allowed", allowed), ("axes", axes),
                       hint="sweep.allow_partial=true runs so many of them")

    def _check_policy(self) -> None:
        policy = self.policy
        if policy.get("kind") != "bandit":
            return
        given = [name for name in ("slack_factor", "slack_amount") if policy.get(name) is not None]
        if len(given) != 1:
            what = "both are given" if given else "none is given"
            key = f"sweep.policy.{given[0]}" if given else "sweep.policy"
            self.wrong(key, f"sweep/policy=bandit needs slack_factor or slack_amount, and {what}",
                        hint="sweep.policy.slack_amount=null" if given else "sweep.policy.slack_factor=0.1")

    def wrong(self, key: str, what: str, *facts: tuple[str, str], hint: str = "") -> None:
        """Note a mistake, and where the setting of that key was written."""
        self.mistakes.append(Mistake(what, *self._written_at(key), *facts, hint=hint))

    def written_at(self, key: str) -> str:
        """Where the values of a key of the trials were written; "" where that is not known, and of values that were typed one by one."""
        if key == self.repeat_key:
            return self._source("sweep.repeat_key")
        spec = self.space_spec.get(key)
        if isinstance(spec, str) and (self.settings.get("space") or {}).get(key) != spec:
            is_drawn = any(axis.key == key and isinstance(axis.expression, Numbers) for axis in self.space.axes)
            return f"command line: {key}={spec}" if is_drawn else ""
        source = self._source(f"sweep.space.{key}") if spec is not None else ""
        return "" if source == "default" else source

    def _written_at(self, key: str) -> list[tuple[str, str]]:
        """Where the setting of a key was written, as a fact of a mistake; nothing for a default."""
        source = self._source(key) if key else ""
        return [("from", source)] if source not in ("", "default") else []


def judge_of(settings: Mapping[str, Any], goal: str) -> Judge | None:
    """Who decides by a policy of these settings; None without one."""
    if settings.get("kind") in (None, "none"):
        return None
    names = {
        "bandit": (Bandit, ("slack_factor", "slack_amount", "evaluation_interval", "delay_evaluation")),
        "median": (Median, ("min_trials", "evaluation_interval", "delay_evaluation")),
        "truncation": (Truncation, ("truncation_percentage", "evaluation_interval", "delay_evaluation")),
        "asha": (Asha, ("reduction_factor", "min_intervals", "max_intervals")),
    }
    make, fields = names[str(settings["kind"])]
    policy: Policy = make(**{name: settings[name] for name in fields})
    return Judge(policy, goal, counts_steps=settings.get("unit") == "step")

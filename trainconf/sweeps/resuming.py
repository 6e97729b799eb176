"""Takes over a sweep whose controller is gone, from its folder alone: goes on, extends it, runs trials again."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from trainconf import launchers
from trainconf.composition.plain.words import written
from trainconf.errors import ConfigError, Mistake, UserError
from trainconf.files import FileLock, read_lines
from trainconf.history import events
from trainconf.history.record import read_mapping, why_unreadable
from trainconf.launchers.protocol import Launcher, RunHandle
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.reporter import Reporter
from trainconf.resolve.run_config import RunConfig
from trainconf.resolve.settings import nearest
from trainconf.sweeps import journal
from trainconf.sweeps.controlled import Controlled
from trainconf.sweeps.hands import Feeding, Watching
from trainconf.sweeps.presence import acquire
from trainconf.sweeps.search import Search
from trainconf.sweeps.searching import controller, feeding
from trainconf.sweeps.trials import ABSENT, SharedRecord, base_of, has_bases, value_at

CHANGEABLE = ("max_total_runs", "max_concurrent_runs", "max_failed_runs", "max_duration_minutes", "target")
NUMBERS = {"target": "a number", "max_duration_minutes": "a number above 0"}  # the others are whole
NEEDED = ("max_total_runs", "max_concurrent_runs")  # null is no limit of the others
POLICY = "policy"
COMPUTE, DURATION = "compute", "max_run_duration_seconds"  # what a trial may use
OF_THE_SWEEP = tuple(f"{COMPUTE}.{name}" for name in ("target", "slots", "lease_dir", "pack"))  # not of a trial
ALLOWED = (*(f"sweep.{name}" for name in CHANGEABLE), f"sweep/{POLICY}", f"sweep.{POLICY}.SETTING", f"{COMPUTE}.SETTING", DURATION)
_CHANGES = ("pause", "resume", "close", "budget", POLICY, COMPUTE)
RETRIES = {"failed": ("Failed",), "canceled": ("Canceled",), "lost": ("Lost",), "all": ("Failed", "Canceled", "Lost")}


class ResumedSweep(Controlled):
    """A sweep that is controlled by this process from now on. See `batch.Sweep`, whose face it has."""

    reused_count = 0
    not_looked_at = ""
    unsent_count = 0
    has_started = True

    def __init__(
        self, home: RunPaths, workspace: WorkspacePaths, reporter: Reporter, *, job_id: str = "", patience_s: float = 0.0,
        held: FileLock | None = None,
    ) -> None:  # fmt: skip
        """Raises UserError for a folder that is no search, StorageError for a damaged journal or when somebody else controls it.

        job_id: of the scheduler's job that this process is. Whoever controls the sweep now has `patience_s` to end. held: the
        controller's lock, if whoever has started this process has passed it on.
        """
        self.paths = home
        self._workspace = workspace
        self._reporter = reporter
        self._record = read_mapping(home.sweep)
        self._search = search_of(home, self._record)
        self._lock = acquire(home, job_id, patience_s, held)
        self._earlier_s = self._lock.earlier_s

    @property
    def sweep_id(self) -> str:
        """The id of the sweep."""
        return self.paths.run_id

    @property
    def config(self) -> RunConfig:
        """What `submit` says: this command waits, and shows no output."""
        return RunConfig({"submit": {"detach": False, "stream": True, "reuse": False}})

    @property
    def metric(self) -> Any:
        """Name and goal."""
        return {"name": self._search.metric, "goal": self._search.goal}

    @property
    def total(self) -> int:
        """Trials in all."""
        return self._controller.progress.limits.max_total_runs if self._controller is not None else self._search.total

    @property
    def max_concurrent_runs(self) -> int:
        """Trials in flight."""
        return int(self._record.get("max_concurrent_runs") or 1)

    def prepare(self, reporter: Reporter) -> None:
        """Nothing to do: everything was prepared when the sweep began."""

    def start(self, changes: Mapping[str, Any] | None = None, retry: str = "") -> None:
        """Go on. `changes` are what `checked` takes; `retry` says which ended trials run again, of RETRIES.

        Raises ConfigError, StorageError, LaunchError.
        """
        try:
            self._start(checked(changes or {}, self._search, self.paths, self._workspace), retry)
        except BaseException:
            self._let_go()
            raise

    def go_on(self) -> bool:
        """Control it as the controller before did, which may have been this one in an earlier life; False when it has ended meanwhile.

        What others have asked for since, a cancellation too, is heard afterwards. Raises StorageError, LaunchError.
        """
        try:
            deeds = [line.get("deed") for line in read_lines(self.paths.journal) if isinstance(line, dict)]
            if deeds[-1:] == ["end"] and not journal.has_requests(self.paths):
                self._let_go()
                return False
            self._take_over({}, "")
        except Exception:  # an interruption keeps the lock: see `leave`
            self._let_go()
            raise
        return True

    def leave(self, reason: str) -> None:
        """Say why this controller goes before the sweep has ended."""
        assert self._lock is not None
        self._lock.leave(reason)

    def _start(self, changes: Mapping[str, Any], retry: str) -> None:
        assert self._lock is not None
        withdraw_cancellation(self.paths, self._lock.taken_ns)
        self._take_over(changes, retry, is_reopened=True)

    def _take_over(self, changes: Mapping[str, Any], retry: str, *, is_reopened: bool = False) -> None:
        log = journal.Journal(self.paths)  # first of all: nothing is begun on a damaged one
        try:
            self._control(log, changes, retry, is_reopened=is_reopened)
        except BaseException:
            if self._controller is None:
                log.close()
            raise

    def _control(self, log: journal.Journal, changes: Mapping[str, Any], retry: str, *, is_reopened: bool) -> None:
        has_shared, has_all = has_bases(self.paths), self._is_handed_over(log)
        if not has_all and not has_shared and (changes.get("max_total_runs") or self._record.get("has_controller")):
            raise UserError(f"{self.sweep_id} can have no further trial: what trials share was not recorded", ("from", self.paths.sweep))
        hands = Watching(self.paths, self._feeding) if has_all else self._feeding()
        if is_reopened:
            count = len(log.lines)
            self._write_down(log, changes, is_retry=bool(retry))
            if any(line["deed"] == COMPUTE for line in log.lines[count:]):
                hands.renew()
        points = self._search.points() if has_shared else None
        self._controller = controller(log, self.paths, self._search, hands, at_a_time=self.max_concurrent_runs, points=points,
                                      has_all=has_all, earlier_s=self._earlier_s)
        if retry:
            self._controller.again(RETRIES[retry])

    def _feeding(self) -> Feeding:
        return feeding(self.paths, self._workspace, self._reporter)

    def _is_handed_over(self, log: journal.Journal) -> bool:
        """Whether all trials were given to an agent or a scheduler, which still has some."""
        if not journal.is_handed_over(self.paths) or self._record.get("has_controller") or self._has_lost_agent():
            return False
        runs: dict[int, list[str]] = {}
        for line in log.lines:
            if line["deed"] in ("ask", "reuse", "again"):
                runs[line["number"]] = line["run"]
            elif line["deed"] == "told":
                runs.pop(line["number"], None)
        open_runs = (journal.paths_of(self.paths, run) for run in runs.values())
        return any(events.exists(run) and (events.last(run) or {}).get("state") not in events.TERMINAL for run in open_runs)

    def _has_lost_agent(self) -> bool:
        """Whether one agent had the trials, and is gone, as after a restart of the machine: those that wait need another one."""
        launcher = launchers.of_run(self.paths)
        has_one = type(launcher).open_pool is not Launcher.open_pool
        return has_one and launcher.state(RunHandle(self.paths)).status == "NotResponding"

    def _write_down(self, log: journal.Journal, changes: Mapping[str, Any], *, is_retry: bool) -> None:
        """Open the sweep again, in its journal: what was asked for before, and nobody heard, comes before that, what was later after it."""
        assert self._lock is not None
        for asked in journal.take_requests(self.paths, self._lock.taken_ns):
            facts = {key: value for key, value in asked.items() if key != "time"}
            heard: dict[str, Any] = next((line for line in reversed(log.lines) if line["deed"] in _CHANGES), {})
            if asked["deed"] in _CHANGES and not facts.items() <= heard.items():  # or whoever heard it was killed before it removed it
                log.lines.append(log.write(**facts))
        log.lines.append(log.write("resume", **({"is_retry": True} if is_retry else {})))
        for deed, facts in deeds_of(changes):
            log.lines.append(log.write(deed, **facts))

    def cancel(self, *, force: bool) -> None:
        """End all trials."""
        events.request_cancel(self.paths, force=force)


def withdraw_cancellation(home: RunPaths, until_ns: float = math.inf) -> None:
    """Forget that somebody wanted the sweep to end, before that time since the epoch. Raises OSError."""
    for force in (False, True):
        path = home.cancel_request(force=force)
        with suppress(FileNotFoundError):
            if os.stat(path).st_mtime_ns < until_ns:
                os.unlink(path)


def config_of(home: RunPaths) -> RunConfig:
    """The config that the trials of a sweep share. Raises UserError where none was recorded."""
    for paths in (base_of(home, 0), *(entry.paths for entry in journal.read(home)[:1])):
        config = read_mapping(paths.record).get("config")
        if isinstance(config, dict) and {"compute", "sweep"} <= config.keys():
            return RunConfig(config)
    raise UserError(f"what the trials of {home.run_id} share was not recorded", ("from", home.sweep))


def search_of(home: RunPaths, record: Mapping[str, Any]) -> Search:
    """The search that a sweep's record describes. Raises UserError for a plain grid, and for a record that is damaged."""
    try:
        return Search.of_record(record)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        if "search" in record or not record:
            why = repr(error) if record else f"it {why_unreadable(home.sweep)}"
            raise UserError(f"the record of {home.run_id} is damaged", ("from", home.sweep), ("because", why),
                            hint="restore the file from a copy; its trials are runs like any others") from error
        lacking = [entry for entry in journal.read(home) if not events.exists(entry.paths)]
        facts = [("never made", f"{len(lacking)} of its trials: whoever submitted it was ended")] if lacking else []
        failed = f"`trainconf rerun --where 'sweep == \"{home.run_id}\" and status == Failed'` runs its failed trials again"
        again = "the same command with submit.reuse=true runs them alone" if lacking else failed
        raise UserError(f"{home.run_id} is a plain grid, which needs no controller", ("from", home.sweep), *facts, hint=again) from error


def _fits(name: str, value: Any) -> bool:
    if value is None:
        return name not in NEEDED
    is_number = type(value) in (int, float) and math.isfinite(value)
    if name in NUMBERS:
        return is_number and (name == "target" or value > 0)
    return type(value) is int and value >= 1


def checked(changes: Mapping[str, Any], search: Search, home: RunPaths, workspace: WorkspacePaths) -> dict[str, Any]:
    """New limits as numbers, under POLICY what the journal tells of a new policy, and under COMPUTE settings of it: see `deeds_of`.

    changes: CHANGEABLE, `sweep/policy`, settings of the policy, and of what a trial may use. Raises ConfigError for what would change the
    trials themselves.
    """
    mistakes: list[Mistake] = []
    found: dict[str, Any] = {}
    of_policy = {key: value for key, value in changes.items() if key == f"sweep/{POLICY}" or key.startswith(f"sweep.{POLICY}.")}
    if of_policy:
        now = search.as_changed(line for line in read_lines(home.journal) if isinstance(line, dict) and line.get("deed") == POLICY)
        try:
            policy = _changed_policy(of_policy, now, workspace)
            is_new = policy["settings"] != now.policy and (now.policy or policy["settings"]["kind"] != "none")
            found.update({POLICY: policy} if is_new else {})
        except ConfigError as error:
            mistakes += error.mistakes
    of_compute = {key: value for key, value in changes.items() if is_of_compute(key) and key not in search.space_spec}
    if of_compute:
        try:
            _check_compute(of_compute, search, home, workspace)
            found[COMPUTE] = of_compute
        except ConfigError as error:
            mistakes += error.mistakes
    for key, value in changes.items():
        name = key.removeprefix("sweep.")
        if key in of_policy or key in of_compute:
            continue
        known = [f"sweep.{each}" for each in (*search.settings, "seed")]
        if name not in CHANGEABLE and key.startswith("sweep.") and ".".join(key.split(".")[:2]) not in known:
            near = nearest(key, known)
            mistakes.append(Mistake(f"{key} is not a setting", *([("nearest", near)] if near else []), ("allowed", ", ".join(ALLOWED))))
        elif name not in CHANGEABLE:
            before = _since_it_began(key, search, home)
            facts = [("since it began", str(before)), ("asked for now", str(value))] if before is not ABSENT else []
            mistakes.append(Mistake(
                f"{key} cannot be changed in a sweep that has begun", *facts,
                ("allowed", ", ".join(ALLOWED)),
                hint=f"start another sweep, which can learn from this one: sweep.resume_from=[{home.run_id}]",
            ))
        elif not _fits(name, value):
            shown = "null" if value is None else repr(value)
            mistakes.append(Mistake(f"{key} cannot be {shown}", ("allowed", NUMBERS.get(name, "integer >= 1"))))
        else:
            found[name] = value
    made = sum(isinstance(line, dict) and line.get("deed") == "ask" for line in read_lines(home.journal))
    if found.get("max_total_runs", made) < made:
        mistakes.append(Mistake(
            f"sweep.max_total_runs cannot be {found['max_total_runs']}: {home.run_id} has {made} trials already",
            ("allowed", f"integer >= {made}"), hint=f"`trainconf sweep stop {home.run_id}` starts no further trial",
        ))
    if found.get("max_total_runs", made) > made and not has_bases(home):
        mistakes.append(Mistake(f"{home.run_id} can have no further trial: what trials share was not recorded", ("from", home.sweep)))
    if search.most is not None and found.get("max_total_runs"):
        found["max_total_runs"] = min(found["max_total_runs"], search.most)
    if mistakes:
        raise ConfigError(mistakes)
    return found


def is_of_compute(key: str) -> bool:
    """Whether a setting says what a trial may use, and not what it is."""
    return key == DURATION or (key.startswith(f"{COMPUTE}.") and key not in OF_THE_SWEEP)


def _check_compute(settings: Mapping[str, Any], search: Search, home: RunPaths, workspace: WorkspacePaths) -> None:
    """Raise ConfigError for settings that no further trial can have."""
    from trainconf.submission.submit import check

    if not has_bases(home):
        raise ConfigError(f"{', '.join(settings)} cannot be changed: what the trials of {home.run_id} share was not recorded",
                          ("from", home.sweep))
    shared = SharedRecord(home, workspace, search, {**journal.compute_settings(home), **settings})
    resolved, _ = shared.resolved(0, search.space.draw(0, 0), 0)
    check(resolved, workspace, launchers.of_run(home))


def _since_it_began(key: str, search: Search, home: RunPaths) -> Any:
    """What a key of the config has been, its expression where it is searched; ABSENT where that is not known."""
    found, searched = read_mapping(base_of(home, 0).record), key.removeprefix("sweep.space.")
    choices: Any = found.get("choices")
    if searched in search.space_spec:
        return search.space_spec[searched]
    if isinstance(choices, dict) and key in choices:
        return choices[key]
    config = found.get("config")
    return value_at(key, {**(config if isinstance(config, dict) else {}), "sweep": {**search.settings, "seed": search.seed}})


def deeds_of(changes: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The lines of a journal that changes become: limits, another policy, and what a trial may use."""
    limits = {name: value for name, value in changes.items() if name not in (POLICY, COMPUTE)}
    return [
        *([("budget", limits)] if limits else []), *([(POLICY, changes[POLICY])] if POLICY in changes else []),
        *([(COMPUTE, {"settings": changes[COMPUTE]})] if COMPUTE in changes else []),
    ]  # fmt: skip


def _changed_policy(words: Mapping[str, Any], search: Search, workspace: WorkspacePaths) -> dict[str, Any]:
    """What the journal tells of a policy that differs by these words. Raises ConfigError with all mistakes."""
    from trainconf.composition.cache import compose

    now = dict(search.policy)
    kept = {} if f"sweep/{POLICY}" in words else {
        f"sweep/{POLICY}": now.pop("kind", "none"), **{f"sweep.{POLICY}.{key}": value for key, value in now.items()}
    }  # fmt: skip
    given = {"experiment": "adhoc", "sweep": search.kind, **kept, **words}
    settings = compose([f"{key}={written(value)}" for key, value in given.items()], workspace).config["sweep"][POLICY]
    changed, known = search.with_policy(settings), {mistake.render() for mistake in search.mistakes}
    mistakes = [mistake for mistake in changed.mistakes if mistake.render() not in known]
    if mistakes:
        raise ConfigError(mistakes)
    return {"settings": dict(settings), "metric": (changed.metric or "") if changed.needs_metric else ""}

"""The controller with hands that do not always reach: a target that takes no trial now, and one that hears of no cancellation."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from trainconf import files
from trainconf.errors import LaunchError
from trainconf.history import events
from trainconf.paths import RunPaths
from trainconf.search import grammar
from trainconf.search.progress import Limits, Progress, Trial
from trainconf.search.samplers import PointSource, RandomSampler
from trainconf.search.space import Axis, Space
from trainconf.sweeps import controller as module
from trainconf.sweeps.controller import Controller
from trainconf.sweeps.hands import NotNowError
from trainconf.sweeps.journal import Entry, Journal, ask, paths_of, request
from trainconf.sweeps.search import judge_of
from trainconf.sweeps.watching import Log, TrialWatch


class Hands:
    """Makes runs as folders with events; `refusals` and `silences` are how often it does not."""

    def __init__(self, home: RunPaths, *, refusals: int = 0, silences: int = 0) -> None:
        self.home = home
        self.refusals = refusals
        self.silences = silences
        self.is_full = False
        self.asked: list[str] = []
        self.reasons: list[str] = []
        self.holds: set[int] | None = None  # trials that are held in the queue; None: there is no queue

    def entry(self, line: dict[str, Any]) -> Entry:
        return Entry(line["number"], line["values"], [], paths_of(self.home, ["x", f"s_{line['number']}"]))

    def again(self, trial: Trial) -> RunPaths:
        return paths_of(self.home, ["x", f"s_{trial.number}.{trial.attempt + 1}"])

    def renew(self) -> None:
        self.asked.append("renew")

    def has(self, trial: Trial) -> bool:
        return events.exists(paths_of(self.home, trial.run))

    def start(self, trial: Trial) -> None:
        self.asked.append("start")
        if self.refusals:
            self.refusals -= 1
            raise NotNowError("Slurm does not answer", is_full=self.is_full)
        paths = paths_of(self.home, trial.run)
        if self.has(trial):
            return
        os.makedirs(paths.run_dir)
        events.append(paths, "Completed", exit_code=0, reason="")

    def cancel(self, trial: Trial, reason: str, *, force: bool) -> None:
        self.asked.append("cancel")
        self.reasons.append(reason)
        if self.silences:
            self.silences -= 1
            raise LaunchError("Slurm does not answer")
        events.append(paths_of(self.home, trial.run), "Canceled", exit_code=None, reason="")

    def begin_to_feed(self, running: Iterable[Trial]) -> list[Trial]:
        return []

    def gives_again(self, trial: Trial) -> bool:
        return False

    def can_hold(self) -> bool:
        return self.holds is not None

    def hold(self, trials: Sequence[Trial], *, is_held: bool) -> None:
        if self.silences:
            self.silences -= 1
            raise LaunchError("Slurm does not answer")
        assert self.holds is not None
        numbers = {trial.number for trial in trials}
        self.holds = self.holds | numbers if is_held else self.holds - numbers

    def close(self, state: str, reason: str) -> None:
        self.asked.append(state)


@pytest.fixture
def home(tmp_path: Path) -> RunPaths:
    folder = tmp_path / "runs" / "x" / "s"
    folder.mkdir(parents=True)
    return RunPaths(str(folder))


def made(home: RunPaths, hands: Hands, total: int = 1) -> Controller:
    points = PointSource(RandomSampler(Space((Axis("a", grammar.uniform(0, 1)),)), 1), [])
    progress = Progress(points, Limits(max_total_runs=total, max_concurrent_runs=1), "maximize")
    found = Controller(home, Journal(home), progress, None, hands, metric=None, value="best")
    found.take_over()
    return found


def told(controller: Controller) -> list[tuple[str, str]]:
    return [(trial.state, trial.reason) for trial in controller.progress.trials]


def test_a_trial_that_is_not_taken_now_is_started_later(home: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    controller = made(home, Hands(home, refusals=3))
    for _ in range(6):
        controller.step()
    assert told(controller) == [("Completed", "")]
    assert controller.is_done


def test_a_trial_that_is_never_taken_fails_with_the_reason(home: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(module, "PATIENCE_SECONDS", -1.0)
    controller = made(home, Hands(home, refusals=100))
    controller.step()
    assert told(controller) == [("Failed", "Slurm does not answer")]


def test_a_trial_that_its_scheduler_has_no_room_for_waits_as_long_as_that_takes(home: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(module, "PATIENCE_SECONDS", -1.0)
    hands = Hands(home, refusals=3)
    hands.is_full = True
    controller = made(home, hands)
    for _ in range(6):
        controller.step()
    assert told(controller) == [("Completed", "")]


def test_a_trial_that_was_not_taken_is_not_started_after_a_cancellation(home: RunPaths) -> None:
    hands = Hands(home, refusals=100)
    controller = made(home, hands)
    controller.step()
    events.request_cancel(home)
    controller.step()
    assert told(controller) == [("Canceled", f"{events.why_canceled(home)}, for the whole sweep, before it began")]
    assert hands.asked == ["start"]
    assert controller.is_done


def test_a_trial_that_a_cancellation_ends_while_it_is_looked_at_makes_room_for_no_other(
    home: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = made(home, Hands(home), total=2)
    controller.step()
    poll = TrialWatch.poll

    def poll_of_a_cancelled_one(watch: TrialWatch) -> list[Log]:
        events.request_cancel(home)
        return poll(watch)

    monkeypatch.setattr(TrialWatch, "poll", poll_of_a_cancelled_one)
    controller.step()
    assert (controller.is_canceled, len(controller.progress.trials)) == (True, 1)


def test_a_cancellation_that_nobody_hears_is_sent_again(home: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    hands = Hands(home, silences=2)
    controller = made(home, hands)
    controller.step()
    trial = controller.progress.trials[0]
    os.truncate(paths_of(home, trial.run).events, 0)
    events.append(paths_of(home, trial.run), "Running")
    trial.state = ""
    controller.progress.running[0] = trial
    controller.progress.closed = "its time is over"
    controller._cancel(trial, force=False)
    for _ in range(4):
        controller._try_again()
    assert hands.asked.count("cancel") == 3
    assert hands.reasons == ["its sweep was stopped: its time is over"] * 3, "each time with the reason"
    assert (events.last(paths_of(home, trial.run)) or {})["state"] == "Canceled"


def test_trials_that_were_all_asked_for_and_never_handed_over_start_as_many_at_a_time_as_may(home: RunPaths) -> None:
    hands = Hands(home)
    ask(home, (hands.entry({"number": number, "values": {"a": 0.5}}) for number in range(3)))
    controller = made(home, hands, total=3)
    seen = [hands.asked.count("start")]
    while not controller.is_done:
        controller.step()
        seen.append(hands.asked.count("start"))
    assert seen[0] == 1
    assert seen[-1] == 3
    assert all(later - before <= 1 for before, later in itertools.pairwise(seen))
    assert [state for state, _ in told(controller)] == ["Completed"] * 3


def test_trials_that_run_again_start_as_many_at_a_time_as_may_and_those_that_the_policy_stopped_do_not(home: RunPaths) -> None:
    hands = Hands(home)
    ask(home, (hands.entry({"number": number, "values": {"a": 0.5}}) for number in range(5)))
    log = Journal(home)
    log.write("stop", number=4, interval=1, own=0.1, bound=0.2, compared=1)
    for number, state in enumerate(["Failed", "Canceled", "Lost", "Completed", "Canceled"]):
        log.write("told", number=number, state=state, value=None)
    log.close()
    controller = made(home, hands, total=5)
    controller.again(("Failed", "Canceled", "Lost"))
    seen = [hands.asked.count("start")]
    while not controller.is_done:
        assert len(controller.progress.running) - len(controller._untaken) <= 1
        controller.step()
        seen.append(hands.asked.count("start"))
    assert (seen[0], seen[-1]) == (1, 3)
    assert all(later - before <= 1 for before, later in itertools.pairwise(seen))
    assert [state for state, _ in told(controller)] == ["Completed"] * 4 + ["Canceled"]
    assert [trial.attempt for trial in controller.progress.trials] == [2, 2, 2, 1, 1]


def test_trials_that_ended_while_nobody_was_there_are_told_in_the_order_of_their_ends(home: RunPaths) -> None:
    hands = Hands(home)
    ask(home, (hands.entry({"number": number, "values": {"a": 0.5}}) for number in range(3)))
    for number in (2, 0, 1):
        paths = paths_of(home, ["x", f"s_{number}"])
        os.makedirs(paths.run_dir)
        events.append(paths, "Completed", exit_code=0, reason="")
        time.sleep(0.002)
    controller = made(home, hands, total=3)
    assert [line["number"] for line in files.read_lines(home.journal) if line["deed"] == "told"] == [2, 0, 1]
    assert sorted(watch.number for watch in controller.step()) == [0, 1, 2]


def test_a_search_whose_trials_have_all_ended_is_not_paused(home: RunPaths) -> None:
    controller = made(home, Hands(home))
    request(home, "pause")
    while not controller.is_done:
        controller.step()
    assert controller.progress.is_paused
    assert controller.finish()[0] == "Canceled"
    again = made(home, Hands(home))
    again._write("resume")
    again.step()
    request(home, "pause")
    again.step()
    assert again.is_done
    assert again.finish()[0] == "Completed"


def test_a_policy_that_is_asked_for_twice_is_written_once(home: RunPaths) -> None:
    controller = made(home, Hands(home))
    settings = {"kind": "bandit", "slack_factor": None, "slack_amount": 0.3, "evaluation_interval": 1, "delay_evaluation": 2, "unit": "log"}
    for _ in range(2):  # whoever hears the first is killed before it is removed
        request(home, "policy", settings=settings, metric="score")
    controller.step()
    assert [line["settings"] for line in files.read_lines(home.journal) if line["deed"] == "policy"] == [settings]
    assert controller.judge is not None
    assert controller.progress.limits.metric == "score"


LAX = {"kind": "bandit", "slack_factor": None, "slack_amount": 0.3, "evaluation_interval": 1, "delay_evaluation": 2, "unit": "log"}


@pytest.fixture
def agent(home: RunPaths) -> Iterator[Callable[..., RunPaths]]:
    """Makes the run of a trial that goes on and has logged some values of `score`."""
    locks = []

    def make(number: int | str, values: Sequence[float], state: str = "Running", **facts: Any) -> RunPaths:
        paths = paths_of(home, ["x", f"s_{number}"])
        os.makedirs(paths.run_dir)
        locks.append(files.FileLock(paths.lock))
        locks[-1].acquire()
        events.append(paths, state, **facts)
        with open(paths.metrics, "w") as stream:
            for value in values:
                stream.write(json.dumps({"name": "score", "value": value}) + "\n")
        return paths

    yield make
    for lock in locks:
        lock.release()


def watching(home: RunPaths, hands: Hands, total: int, policy: dict[str, Any] | None) -> Controller:
    """A controller of trials that were all asked for before."""
    if not os.path.exists(home.journal):
        ask(home, (hands.entry({"number": number, "values": {"a": 0.5}}) for number in range(total)))
    progress = Progress(PointSource(None, []), Limits(max_total_runs=total, max_concurrent_runs=total), "maximize")
    judge = None if policy is None else judge_of(policy, "maximize")
    found = Controller(home, Journal(home), progress, judge, hands, metric="score", value="best")
    found.take_over()
    return found


def stops(home: RunPaths) -> list[tuple[int, int, int]]:
    lines = [line for line in files.read_lines(home.journal) if line["deed"] == "stop"]
    return [(line["number"], line["interval"], line["compared"]) for line in lines]


@pytest.mark.parametrize("values", list(itertools.permutations([[0.9] * 4, [0.1] * 6, [0.8] * 2])))
def test_whoever_takes_over_reads_every_trial_before_it_judges_one(
    home: RunPaths, agent: Callable[..., RunPaths], values: tuple[list[float], ...]
) -> None:
    for number, logged in enumerate(values):
        agent(number, logged)
    watching(home, Hands(home), 3, LAX)
    assert stops(home) == [(values.index([0.1] * 6), 2, 2)]


def test_a_new_policy_of_a_running_search_reads_every_trial_before_it_judges_one(home: RunPaths, agent: Callable[..., RunPaths]) -> None:
    agent(0, [0.1] * 3)
    agent(1, [0.9] * 3)
    controller = watching(home, Hands(home), 2, None)
    request(home, "policy", settings=LAX, metric="score")
    controller.step()
    assert stops(home) == [(0, 2, 1)]


def test_a_look_reads_every_trial_before_it_judges_one(home: RunPaths, agent: Callable[..., RunPaths]) -> None:
    runs = [agent(number, []) for number in range(2)]
    controller = watching(home, Hands(home), 2, LAX)
    for paths, value in zip(runs, (0.1, 0.9), strict=True):
        with open(paths.metrics, "a") as stream:
            stream.write(f'{{"name": "score", "value": {value}}}\n' * 2)
    controller.step()
    assert stops(home) == [(0, 2, 1)]


@pytest.mark.parametrize("facts", [{"waiting_for": "requeue"}, {"waiting_for": "retry"}, {"waiting_for": "slot", "attempt": 2}])
def test_a_trial_that_waits_to_go_on_is_compared_with(home: RunPaths, agent: Callable[..., RunPaths], facts: dict[str, Any]) -> None:
    agent(0, [0.1] * 3)
    agent(1, [0.9] * 3, "Queued", **facts)
    watching(home, Hands(home), 2, LAX)
    assert stops(home) == [(0, 2, 1)]


def test_a_trial_that_runs_again_is_judged_by_its_new_run_alone(home: RunPaths, agent: Callable[..., RunPaths]) -> None:
    agent(0, [0.5] * 3)
    events.append(agent(1, [0.9] * 3), "Failed", exit_code=1, reason="")
    controller = watching(home, Hands(home), 2, LAX)
    assert stops(home) == [(0, 2, 1)]
    agent("1.2", [0.1] * 3)
    controller.again(["Failed"])
    controller.step()
    assert stops(home) == [(0, 2, 1), (1, 2, 1)]


# -- a pause holds what waits in a scheduler's queue ----------------------------------------------------------------------------------


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RETRY_SECONDS", "LOOK_SECONDS"):
        monkeypatch.setattr(f"trainconf.sweeps.hands.{name}", 0.0)
    monkeypatch.setattr("trainconf.sweeps.watching.LOOK_SECONDS", 0.0)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)


def deeds(home: RunPaths) -> list[str]:
    return [line["deed"] for line in files.read_lines(home.journal) if line["deed"] not in ("ask", "told")]


def queue(home: RunPaths) -> Hands:
    hands = Hands(home)
    hands.holds = set()
    return hands


@pytest.mark.usefixtures("_at_once")
def test_a_pause_holds_what_waits_and_ends_when_nothing_runs_and_a_resume_lets_it_go(
    home: RunPaths, agent: Callable[..., RunPaths]
) -> None:
    runs, hands = [agent(number, [], "Running" if number == 0 else "NotStarted") for number in range(3)], queue(home)
    controller = watching(home, hands, 3, None)
    request(home, "pause")
    controller.step()
    assert hands.holds == {1, 2}
    assert not controller.is_done, "trial 0 goes on"
    events.append(runs[0], "Completed", exit_code=0, reason="")
    controller.step()
    assert controller.is_done
    assert controller.finish() == ("Canceled", module.PAUSED)
    assert deeds(home) == ["pause", "hold", "end"]
    again = watching(home, hands, 3, None)
    assert again.is_paused
    again._write("resume")
    again.step()
    assert hands.holds == set()
    assert not again.is_done
    assert deeds(home)[3:] == ["resume", "release"]
    for paths in runs[1:]:
        events.append(paths, "Completed", exit_code=0, reason="")
    again.step()
    assert again.is_done
    assert again.finish()[0] == "Completed"


@pytest.mark.usefixtures("_at_once")
def test_whoever_takes_over_a_paused_search_holds_what_was_to_be_held_and_what_a_resume_leaves_is_let_go(
    home: RunPaths, agent: Callable[..., RunPaths]
) -> None:
    for number in range(3):
        agent(number, [], "Running" if number == 0 else "NotStarted")
    whole = watching(home, queue(home), 3, None)
    for deed in ("pause", "resume", "pause"):
        request(home, deed)
        whole.step()
        whole.step()
    with open(home.journal, "rb") as stream:
        lines = stream.readlines()
    asked = sum(b'"deed":"ask"' in line for line in lines)
    assert len(lines) == asked + 6  # pause hold resume release pause hold
    for kept in range(asked, len(lines) + 1):
        for was_held in (set[int](), {1}, {1, 2}):  # killed before the deed, in the middle of it, after it
            with open(home.journal, "wb") as stream:
                stream.writelines(lines[:kept])
            names = [json.loads(line)["deed"] for line in lines[asked:kept]]
            hands = queue(home)
            hands.holds = was_held if "hold" in names and names[-1] != "release" else set()
            controller = watching(home, hands, 3, None)
            controller.step()
            is_paused = [name for name in names if name in ("pause", "resume")][-1:] == ["pause"]
            assert hands.holds == ({1, 2} if is_paused else set()), (names, was_held)
            request(home, "resume")
            controller.step()
            assert hands.holds == set(), (names, was_held)


@pytest.mark.usefixtures("_at_once")
def test_a_pause_that_nobody_hears_is_told_again_and_so_is_its_end(home: RunPaths, agent: Callable[..., RunPaths]) -> None:
    agent(0, [], "NotStarted")
    hands = queue(home)
    controller = watching(home, hands, 1, None)
    for deed, held in (("pause", {0}), ("resume", set[int]())):
        hands.silences = 2
        request(home, deed)
        for _ in range(2):
            controller.step()
            assert not controller.is_done, "it is not held yet"
        controller.step()
        assert hands.holds == held
    assert deeds(home) == ["pause", "hold", "resume", "release"]


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("state", ["requeue", "retry"])
def test_a_trial_that_has_run_before_is_not_held(home: RunPaths, agent: Callable[..., RunPaths], state: str) -> None:
    agent(0, [0.1], "Queued", waiting_for=state)
    hands = queue(home)
    controller = watching(home, hands, 1, None)
    request(home, "pause")
    controller.step()
    assert (hands.holds, controller.is_done) == (set(), False)


def test_a_trial_that_was_not_taken_is_not_started_while_the_search_is_paused(home: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    hands = Hands(home, refusals=1)
    controller = made(home, hands)
    controller.step()
    request(home, "pause")
    controller.step()
    assert hands.asked == ["start"]
    assert controller.is_done
    assert controller.finish() == ("Canceled", module.PAUSED)
    again = made(home, hands)
    assert hands.asked == ["start", "Canceled"], "nor by whoever takes over"
    again._write("resume")
    again.step()
    again.step()
    assert [state for state, _ in told(again)] == ["Completed"]

"""A sweep has one controller at a time, from before it can be found."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell, wait_for
from trainconf import files
from trainconf.control.results.asking import ask_for
from trainconf.control.runs import stop_sweep
from trainconf.errors import StorageError
from trainconf.files import is_locked
from trainconf.paths import RunPaths
from trainconf.sweeps import batch, journal, searching
from trainconf.sweeps.controlled import Controlled
from trainconf.sweeps.controller import Controller
from trainconf.sweeps.presence import acquire, hold, presence

Here = Callable[..., Answer]
SCRIPT = """
import os, sys, time
from trainconf import Run
lr, gate = (sys.argv[sys.argv.index(name) + 1] for name in ("--lr", "--gate"))
Run.get_context().log("loss", float(lr))
give_up_at = time.monotonic() + 300
while not os.path.exists(gate) and time.monotonic() < give_up_at:
    time.sleep(0.02)
"""
POLICY = ["sweep/policy=bandit", "sweep.policy.slack_amount=9"]


@pytest.fixture(autouse=True)
def _script(workspace: Shell) -> None:
    workspace.write("train.py", SCRIPT)


def words(workspace: Shell, *more: str, kind: str = "random") -> list[str]:
    search = [f"sweep={kind}", "sweep.max_total_runs=2", "+params.lr=uniform(0, 1)", f"+params.gate={workspace.root}/gate"]
    return ["-m", *workspace.script("metric.name=loss", *search, *more)]


def home_of(workspace: Shell) -> RunPaths:
    (found,) = workspace.root.glob("runs/*/*/sweep.json")
    return RunPaths(str(found.parent))


@pytest.mark.parametrize(("kind", "more"), [
    ("random", []), ("random", POLICY), ("random", [*POLICY, "sweep.controller=detached"]),
    ("bayes", []), ("bayes", ["sweep.controller=detached"]),
])  # fmt: skip
def test_nobody_else_controls_a_sweep_while_it_is_made(
    here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch, kind: str, more: list[str]
) -> None:
    if kind == "bayes":
        pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    (workspace.root / "gate").write_text("")
    refused = []

    def write_atomic(path: str, text: str) -> None:
        """A second controller comes as soon as the sweep can be found."""
        files.write_atomic(path, text)
        if path.endswith("sweep.json"):
            with pytest.raises(StorageError, match="the sweep has a controller"):
                acquire(RunPaths(os.path.dirname(path)))
            answer = here("sweep", "resume", os.path.basename(os.path.dirname(path)))
            told = "was told" if more or kind == "bayes" else "the sweep has a controller"
            assert told in answer.err, answer
            refused.append(path)

    for module in (batch, searching):
        monkeypatch.setattr(module, "write_atomic", write_atomic)
    assert here(*words(workspace, *more, kind=kind)).code == 0
    assert refused
    wait_for(lambda: json.loads(here("sweep", "show", "last", "--json").out)["status"] == "Completed")
    wait_for(lambda: not is_locked(home_of(workspace).controller_lock))


@pytest.mark.parametrize("place", [["sweep.controller=detached"], ["submit.detach=true"]])
def test_a_controller_of_its_own_has_the_sweep_when_the_command_returns(here: Here, workspace: Shell, place: list[str]) -> None:
    assert here(*words(workspace, *POLICY, *place)).code == 0
    home = home_of(workspace)
    assert is_locked(home.controller_lock)
    assert json.loads(here("sweep", "show", "last", "--json").out)["status"] in ("Starting", "Running")
    wait_for(lambda: presence(home) is not None)
    answer = here("sweep", "retry", "last", "--detach")
    assert (answer.code, "the sweep has a controller" in answer.err) == (2, True), answer
    (workspace.root / "gate").write_text("")
    assert here("wait", "last").code == 0
    assert list(files.read_lines(home.journal))[-1]["deed"] == "end", "whoever waits waits for the controller, too"


def test_a_stop_waits_for_whoever_makes_a_sweep_that_nobody_will_control(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", "")
    assert here("-m", *workspace.script("sweep=random", "sweep.max_total_runs=1", "+params.lr=uniform(0, 1)")).code == 0
    home = RunPaths(str(next(workspace.root.glob("runs/*/*/sweep.json")).parent))
    lock = hold(home)
    makes = threading.Timer(0.3, lock.release)
    makes.start()
    assert not stop_sweep(home)
    makes.join()
    assert json.loads(Path(home.journal).read_text().splitlines()[-1])["deed"] == "close", "a request would be heard by nobody"
    assert not journal.has_requests(home)


def test_a_sweep_that_is_resumed_in_a_process_of_its_own_has_a_controller_at_once(here: Here, workspace: Shell) -> None:
    child = workspace.start(*words(workspace, *POLICY))
    wait_for(lambda: len(list(workspace.root.glob("runs/*/*_?/metrics.jsonl"))) == 2 and presence(home_of(workspace)) is not None)
    child.kill()  # all trials are handed over, and it controls them
    child.communicate()
    home = home_of(workspace)
    assert not is_locked(home.controller_lock)
    assert here("sweep", "resume", "last", "--detach").code == 0
    assert is_locked(home.controller_lock)
    found = presence(home)
    assert found is not None
    assert found.pid != child.pid, "not whoever was there before"
    wait_for(lambda: (now := presence(home)) is not None and now.pid != os.getpid())
    (workspace.root / "gate").write_text("")
    assert here("wait", "last").code == 0
    assert json.loads(here("sweep", "show", "last", "--json").out)["status"] == "Completed"


def test_a_controller_of_its_own_that_is_killed_lets_go(here: Here, workspace: Shell) -> None:
    assert here(*words(workspace, *POLICY, "sweep.controller=detached")).code == 0
    home = home_of(workspace)
    wait_for(lambda: presence(home) is not None)
    found = presence(home)
    assert found is not None
    os.kill(found.pid, signal.SIGKILL)
    wait_for(lambda: not is_locked(home.controller_lock))
    wait_for(lambda: json.loads(here("sweep", "show", "last", "--json").out)["status"] == "NoController")
    (workspace.root / "gate").write_text("")
    assert here("sweep", "resume", "last").code == 0


def test_a_controller_hears_while_its_sampler_has_no_answer(here: Here, workspace: Shell) -> None:
    """Importing torch takes seconds, and a Gaussian process long for a point: trials are ended meanwhile, and the sweep is."""
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    child = workspace.start(*words(workspace, "sweep.max_total_runs=12", "sweep.max_concurrent_runs=2", kind="bayes"))
    children = f"/proc/{child.pid}/task/{child.pid}/children"

    def sampler() -> list[int]:
        return list(filter(is_sampler, map(int, Path(children).read_text().split())))

    wait_for(lambda: sampler() and list(workspace.root.glob("runs/*/*/sweep.json")))
    (pid,) = sampler()
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: list(workspace.root.glob("runs/*/*/sweep.json")))
    (workspace.root / "gate").write_text("")
    wait_for(lambda: list(workspace.root.glob("runs/*/*/sweep.json")))  # a sampler is there before the sweep is
    wait_for(lambda: sum(line["deed"] == "told" for line in files.read_lines(home_of(workspace).journal)) == 10)
    assert here("sweep", "cancel", "last").code == 0
    child.communicate(timeout=300)
    assert json.loads(here("sweep", "show", "last", "--json").out)["status"] == "Canceled"
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: not is_sampler(pid))


def is_sampler(pid: int) -> bool:
    try:
        return b"search/apart.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("moment", ["before it says that it ends", "before it looks once more", "after it has looked"])
def test_a_resume_that_comes_while_a_paused_controller_ends_is_heard(
    here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    mark, finish, heard = Controlled._mark, Controller.finish, list[bool]()
    asks = threading.Thread(target=lambda: heard.append(ask_for(home_of(workspace), "resume")))

    def ask_at(now: str) -> None:
        if now == moment and asks.ident is None:
            asks.start()
            wait_for(lambda: heard or journal.has_requests(home_of(workspace)))

    def mark_and_ask(self: Controlled, *, is_ending: bool) -> None:
        if is_ending:
            ask_at("before it says that it ends")
        mark(self, is_ending=is_ending)
        if is_ending:
            ask_at("before it looks once more")

    def ask_and_finish(self: Controller) -> tuple[str, str]:
        ask_at("after it has looked")
        return finish(self)

    def pause() -> None:
        wait_for(lambda: len(list(workspace.root.glob("runs/*/*_?/metrics.jsonl"))) == 2)
        ask_for(home_of(workspace), "pause")
        wait_for(lambda: not journal.has_requests(home_of(workspace)))
        (workspace.root / "gate").write_text("")

    monkeypatch.setattr(Controlled, "_mark", mark_and_ask)
    monkeypatch.setattr(Controller, "finish", ask_and_finish)
    pauses = threading.Thread(target=pause)
    pauses.start()
    answer = here(*words(workspace, "sweep.max_total_runs=3", "compute.slots=2", kind="bayes"))
    pauses.join()
    asks.join()
    home = home_of(workspace)
    assert not journal.has_requests(home)
    told = [line["deed"] for line in files.read_lines(home.journal)]
    if moment == "after it has looked":
        assert (answer.code, heard) == (130, [False]), answer
        assert told[-2:] == ["end", "resume"], "whoever asks has written it down: nobody controls the sweep"
        assert here("sweep", "resume", "last").code == 0
    else:
        assert (answer.code, heard) == (0, [True]), answer
        assert (told.count("end"), told.count("ask")) == (1, 3)
    assert json.loads(here("sweep", "show", "last", "--json").out)["status"] == "Completed"

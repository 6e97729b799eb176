"""A run that was submitted: waited for, asked, ended, run again; from threads, coroutines, and when the wait is interrupted."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import trainconf
from tests.conftest import wait_for
from trainconf import Experiment, Run, ScriptRunConfig, SubmittedRun, SweepRun, Workspace
from trainconf.errors import ConfigError, RunFailedError, RunNotFoundError, UserError, WaitTimeoutError

SCRIPT = """\
import sys, time
from trainconf import Run
run = Run.get_context()
for step in range(3):
    run.log("loss", 1 / (step + 1), step)
open("outputs/model.txt", "w").write("weights")
sys.stdout.buffer.write("caf\\u00e9 \\xff\\n".encode("latin-1"))
if "--fail" in sys.argv:
    raise SystemExit(3)
if "--sleep" in sys.argv:
    time.sleep(60)
"""


@pytest.fixture
def experiment(ws: Workspace, tmp_path: Path) -> Experiment:
    (tmp_path / "train.py").write_text(SCRIPT)
    return Experiment(ws, "first")


def config(*arguments: Any, **named: Any) -> ScriptRunConfig:
    return ScriptRunConfig(".", "train.py", list(arguments), environment="current", **named)


def test_a_run_is_waited_for_and_told(experiment: Experiment, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = experiment.submit(config(params={"lr": 0.1}, metric=("loss", "minimize"), tags={"a": "1"}), tags={"b": 2}, display_name="mine")
    details = run.wait_for_completion(show_output=True, wait_post_processing=True)
    shown = capfd.readouterr()
    assert shown.out == "caf\\xe9 \\xff\n"
    assert shown.err.splitlines()[-1].startswith("Completed in ")
    assert (details["status"], details["params"], details["display_name"]) == ("Completed", {"lr": 0.1}, "mine")
    assert run.get_tags() == {"a": "1", "b": "2"}
    assert run.get_metrics() == {"loss": [1.0, 0.5, 1 / 3]}
    assert run.metrics == {"loss": 1 / 3}
    assert run.get_file_names() == ["logs/agent.log", "logs/std_log.txt", "outputs/model.txt"]
    assert Path(run.download_file("outputs/model.txt", tmp_path / "here")).read_text() == "weights"
    assert run.get_details_with_logs()["log_files"]["logs/std_log.txt"] == "caf\\xe9 \\xff\n"
    assert [os.path.basename(path) for path in run.get_all_logs(tmp_path / "logs")] == ["agent.log", "std_log.txt"]
    assert isinstance(run, Run)
    assert run.get_portal_url() == f"file://{run.run_dir}"


def test_a_run_that_failed_raises_with_its_last_lines(experiment: Experiment) -> None:
    run = experiment.submit(config("--fail"))
    with pytest.raises(RunFailedError, match="exit code 3") as raised:
        run.wait_for_completion()
    assert raised.value.run_exit_code == 3
    assert "caf" in str(raised.value)
    assert run.wait_for_completion(raise_on_error=False)["exit_code"] == 3


def test_a_wait_ends_in_time_and_leaves_the_run_going_on(experiment: Experiment, capfd: pytest.CaptureFixture[str]) -> None:
    run = experiment.submit(config("--sleep"))
    for show in (False, True):
        with pytest.raises(WaitTimeoutError, match="it goes on"):
            run.wait_for_completion(show_output=show, timeout=0.2)
    assert run.status == "Running"
    run.cancel(force=True)
    assert run.wait_for_completion()["status"] == "Canceled"


def test_an_interrupted_wait_says_that_the_run_goes_on(experiment: Experiment, capfd: pytest.CaptureFixture[str]) -> None:
    run = experiment.submit(config("--sleep"))
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run.wait_for_completion()
    assert f"{run.id} goes on" in capfd.readouterr().err
    assert run.get_status() == "Running"
    run.cancel(force=True)
    run.wait_for_completion()


def test_waiting_changes_nothing_of_later_waits(experiment: Experiment) -> None:
    first = experiment.submit(config())
    first.wait_for_completion(wait_post_processing=True)
    second = experiment.submit(config())
    assert [run.wait_for_completion()["status"] for run in (first, second, first)] == ["Completed"] * 3


def test_output_goes_to_what_stands_for_standard_output_now(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    class Cell:
        """What a notebook has: a stream without a descriptor."""

        def __init__(self) -> None:
            self.texts: list[str] = []

        def write(self, text: str) -> None:
            self.texts.append(text)

        def flush(self) -> None:
            pass

    out, err = Cell(), Cell()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    experiment.submit(config()).wait_for_completion(show_output=True)
    assert "".join(out.texts).startswith("caf")
    assert "Completed in" in "".join(err.texts)


def test_runs_are_awaited_together_and_a_cancelled_await_leaves_them(experiment: Experiment) -> None:
    async def wait() -> list[str]:
        waiting = [experiment.submit(config()) for _ in range(3)]
        found = [details["status"] for details in await asyncio.gather(*waiting)]
        run = experiment.submit(config("--sleep"))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(run, 0.3)
        found.append(run.status)
        run.cancel(force=True)
        return [*found, (await run)["status"]]

    assert asyncio.run(wait()) == ["Completed", "Completed", "Completed", "Running", "Canceled"]


def test_an_awaited_run_that_failed_raises(experiment: Experiment) -> None:
    async def wait() -> None:
        await experiment.submit(config("--fail"))

    with pytest.raises(RunFailedError):
        asyncio.run(wait())


def test_threads_submit_at_once_and_no_agent_is_left_unreaped(experiment: Experiment) -> None:
    found: list[SubmittedRun] = []
    before = zombies()  # what other tests of this process have left
    threads = [threading.Thread(target=lambda: found.append(experiment.submit(config()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({run.id for run in found}) == 8
    assert {run.wait_for_completion(wait_post_processing=True)["status"] for run in found} == {"Completed"}
    wait_for(lambda: found[0].status and not zombies() - before)  # an agent ends a moment after it has let go


def zombies() -> set[str]:
    """The children of this process that have ended and that nobody has waited for."""

    def read(path: str) -> str:
        with suppress(OSError):  # a thread, or a process, that has gone meanwhile
            return Path(path).read_text()
        return ""

    children = [pid for task in os.listdir("/proc/self/task") for pid in read(f"/proc/self/task/{task}/children").split()]
    return {pid for pid in children if read(f"/proc/{pid}/stat").rpartition(")")[2].split()[:1] == ["Z"]}


def test_a_process_forked_after_the_import_submits(experiment: Experiment) -> None:
    experiment.submit(config())
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if experiment.submit(config()).wait_for_completion()["status"] == "Completed" else 1
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_run_goes_on_when_the_process_that_submitted_it_has_ended(ws: Workspace, experiment: Experiment) -> None:
    program = (
        "from trainconf import *\n"
        "run = Experiment(Workspace(), 'first').submit(ScriptRunConfig('.', command=['sleep', '1'], environment='current'))\n"
        "print(run.id)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert Run.get(ws, done.stdout.strip()).wait_for_completion()["status"] == "Completed"


def test_a_run_is_run_again_and_has_children(experiment: Experiment) -> None:
    run = experiment.submit(config(params={"lr": 0.1}))
    run.wait_for_completion()
    again = run.rerun("params.lr=0.2")
    child = run.submit_child(config(), tags={"fold": "1"})
    assert again.wait_for_completion()["params"] == {"lr": 0.2}
    assert child.wait_for_completion()["parent"] == run.id
    assert (child.parent, run.parent) == (run, None)
    assert run.get_children() == [child]
    assert run.get_children(tags={"fold": "2"}) == []
    assert run.get_children(tags="fold", status="Completed") == [child]
    assert list(run.get_metrics(recursive=True)) == [run.id, child.id]


def test_a_run_that_failed_is_resumed_in_its_directory(experiment: Experiment) -> None:
    run = experiment.submit(config("--fail"))
    run.wait_for_completion(raise_on_error=False)
    again = run.resume()
    assert again == run
    assert again.wait_for_completion(raise_on_error=False)["attempt"] == 2


def test_its_code_is_put_back(experiment: Experiment, tmp_path: Path) -> None:
    run = experiment.submit(config())
    (tmp_path / "train.py").write_text("changed")
    folder = run.restore_snapshot(path=tmp_path / "then")
    assert (Path(folder) / "train.py").read_text() == SCRIPT
    run.wait_for_completion()


def test_only_its_script_ends_a_submitted_run(experiment: Experiment) -> None:
    run = experiment.submit(config())
    for end in (run.complete, run.fail):
        with pytest.raises(UserError, match="ends as its script ends"):
            end()
    run.wait_for_completion()


def test_a_sweep_is_a_run_with_children(experiment: Experiment, capfd: pytest.CaptureFixture[str]) -> None:
    sweep = experiment.submit_sweep(config(params={"lr": 0.1}, metric=("loss", "minimize")), "params.lr=1,2", tags={"s": "1"})
    details = sweep.wait_for_completion(show_output=True)
    assert details["status"] == "Completed"
    assert details["total"] == 2
    assert "trial 1: Completed, loss 0.333333  params.lr=2" in capfd.readouterr().out
    children = sweep.get_children()
    assert [child.params["lr"] for child in children] == [1, 2]
    assert [child.parent for child in children] == [sweep, sweep]
    assert list(sweep.get_metrics().values()) == [{"loss": [1.0, 0.5, 1 / 3]}] * 2
    assert isinstance(trainconf.Workspace(sweep.workspace.root).get_run(sweep.id), SweepRun)
    assert list(experiment.get_runs()) == [sweep]
    assert list(experiment.get_runs(type="sweep")) == [sweep]
    assert list(experiment.get_runs(include_children=True, type="script")) == children[::-1]


def test_words_that_vary_are_for_a_sweep(experiment: Experiment) -> None:
    with pytest.raises(ConfigError, match="several values"):
        experiment.submit(config(params={"lr": 0.1}, overrides=["params.lr=1,2"]))


def test_runs_are_found(experiment: Experiment) -> None:
    first, second = experiment.submit(config(tags={"team": "a"})), experiment.submit(config("--fail"))
    for run in (first, second):
        run.wait_for_completion(raise_on_error=False)
    first.add_properties({"data": "v1"})
    assert list(experiment.get_runs()) == list(Run.list(experiment)) == [second, first]
    assert list(experiment.get_runs(tags={"team": "a"})) == list(experiment.get_runs(tags="team")) == [first]
    assert list(experiment.get_runs(properties={"data": "v1"})) == [first]
    assert list(experiment.get_runs(where="status == 'Failed'")) == [second]
    assert list(experiment.get_runs(sort="created", limit=1)) == [first]
    assert list(experiment.get_runs("sweep")) == []
    with pytest.raises(UserError, match="nonsense"):
        list(experiment.get_runs(where="nonsense =="))


def test_an_archived_experiment_is_left_out_until_it_is_back(experiment: Experiment) -> None:
    run = experiment.submit(config())
    run.wait_for_completion()
    experiment.archive()
    assert (list(experiment.get_runs()), list(experiment.get_runs(archived=True))) == ([], [run])
    experiment.reactivate()
    assert list(experiment.get_runs()) == [run]


def test_a_run_of_another_workspace_is_refused(experiment: Experiment, ws: Workspace, tmp_path_factory: pytest.TempPathFactory) -> None:
    run = experiment.submit(config())
    other = Workspace.create(tmp_path_factory.mktemp("other"))
    with pytest.raises(UserError, match="another workspace"):
        SubmittedRun.get(other, run.run_dir)
    with pytest.raises(RunNotFoundError):
        SubmittedRun.get(other, run.id)
    with pytest.raises(UserError, match=r"workspace cannot be.*[\s\S]*run_id cannot be"):
        SubmittedRun.get(str(tmp_path_factory), 3)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"the parent is a run of another workspace[\s\S]*test_run.py"):
        Experiment(other, "tried").submit(config(), parent=run)
    assert not os.path.exists(os.path.join(other.root, "runs"))
    assert SubmittedRun.get(ws, run.id) == run
    run.wait_for_completion()


def test_outside_any_run_a_child_is_a_run_without_a_parent(
    experiment: Experiment, ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline = Run.get_context()
    child = offline.submit_child(config())
    assert child in offline.get_children()
    assert Run.get(ws, child.id).parent is None
    child.wait_for_completion()  # type: ignore[attr-defined]


def test_a_job_that_waits_for_what_waits_for_its_slot_is_told(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    places = ["compute.slots=1", f"compute.lease_dir={tmp_path / 'leases'}"]
    first = experiment.submit(ScriptRunConfig(".", command=["sleep", "30"], environment="current", overrides=places))
    while first.status != "Running":
        time.sleep(0.02)
    second = experiment.submit(ScriptRunConfig(".", command=["true"], environment="current", overrides=places))
    monkeypatch.setenv("TRAINCONF_RUN_DIR", first.run_dir)
    with pytest.raises(WaitTimeoutError):
        second.wait_for_completion(timeout=1.1)
    assert f"note: {second.id} waits for a slot" in capfd.readouterr().err
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(second._awaited(), 2.5))
    assert f"note: {second.id} waits for a slot" in capfd.readouterr().err
    first.cancel()
    assert second.wait_for_completion()["status"] == "Completed"


def test_a_wrong_expression_is_told_with_the_line_that_asks(experiment: Experiment) -> None:
    for arguments in ({"where": "params.lr >"}, {"sort": "-"}):
        with pytest.raises(UserError, match=rf"test_run.py:\d+, {next(iter(arguments))}"):
            list(experiment.get_runs(**arguments))  # type: ignore[arg-type]


def test_wrong_calls_are_named_with_their_line(experiment: Experiment, ws: Workspace) -> None:
    for call, names in (
        (lambda: experiment.submit("train.py", tags=3), ["config", "tags"]),  # type: ignore[arg-type]
        (lambda: Experiment("ws", "a b"), ["workspace", "name"]),  # type: ignore[arg-type]
        (lambda: Experiment(ws, "../up"), ["name"]),
        (lambda: experiment.submit(config(), parent="x"), ["parent"]),  # type: ignore[arg-type]
        (lambda: experiment.get_runs(where=3, limit=0, tags=3), ["where", "limit", "tags"]),  # type: ignore[arg-type]
    ):
        with pytest.raises(UserError) as raised:
            call()
        assert [name for name in names if f" {name} " not in str(raised.value)] == []
        assert f"{os.path.abspath(__file__)}:" in str(raised.value)


def test_the_time_between_two_looks_is_no_wait(experiment: Experiment) -> None:
    run = experiment.submit(config())
    run.wait_for_completion()
    began = time.monotonic()
    for _ in range(20):
        run.wait_for_completion()
    assert time.monotonic() - began < 20  # each would be half a minute by the schedule of the original

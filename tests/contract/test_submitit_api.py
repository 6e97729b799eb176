"""submitit's API over trainconf: what its users call, on each target, and the part of its own tests that speaks of any executor."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

submitit = pytest.importorskip("submitit")
from submitit import helpers  # noqa: E402
from submitit.core import utils  # noqa: E402
from submitit.local import local, test_local  # noqa: E402

from tests.conftest import wait_for  # noqa: E402
from trainconf.compat.submitit.environment import _Handler  # noqa: E402
from trainconf.compat.submitit.executor import TrainconfExecutor  # noqa: E402
from trainconf.compat.submitit.job import TrainconfJob  # noqa: E402
from trainconf.errors import RunNotFoundError, UserError  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The executor's folder, inside a workspace that is the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".trainconf").mkdir()
    return tmp_path / "log_test"


def executor_in(folder: Path, **parameters: Any) -> Any:
    """An executor as users make it."""
    executor = submitit.AutoExecutor(folder=folder, cluster="trainconf")
    executor.update_parameters(**parameters)
    return executor


def test_a_call_is_a_run_and_gives_its_result(folder: Path) -> None:
    job = executor_in(folder, name="adder", timeout_min=5, trainconf_tags={"kind": "sum"}).submit(lambda a, b: a + b, 1, b=2)
    assert job.result() == 3
    assert (job.state, job.exception(), job.done()) == ("COMPLETED", None, True)
    record = (job.run_dir / "run.json").read_text()
    assert '"adder"' in record
    assert '"kind"' in record
    assert job.submission().kwargs == {"b": 2}


def test_an_array_is_one_sweep_in_its_order(folder: Path) -> None:
    jobs = executor_in(folder).map_array(lambda a, b: a * b, [1, 2, 3], [4, 5, 6])
    assert [job.result() for job in jobs] == [4, 10, 18]
    assert len({job.job_id.rpartition("_")[0] for job in jobs}) == 1
    assert [job.job_id.rpartition("_")[2] for job in jobs] == ["0", "1", "2"]


def test_a_batch_is_submitted_at_its_end(folder: Path) -> None:
    executor = executor_in(folder)
    with executor.batch():
        jobs = [executor.submit(pow, 2, exponent) for exponent in range(3)]
        with pytest.raises(AttributeError, match="batch"):
            assert jobs[0].job_id
    assert [job.result() for job in jobs] == [1, 2, 4]


def test_another_process_finds_the_job_by_its_id(folder: Path) -> None:
    job = executor_in(folder).submit(pow, 2, 5)
    assert TrainconfJob(folder, job.job_id).result() == 32
    assert pickle.loads(pickle.dumps(job)).result() == 32
    with pytest.raises(RunNotFoundError, match="no job nothing-1 was submitted with this folder"):
        TrainconfJob(folder, "nothing-1").result()


def test_a_job_that_raises_tells_its_traceback(folder: Path) -> None:
    job = executor_in(folder).submit(int, "seven")
    assert isinstance(job.exception(), utils.FailedJobError)
    with pytest.raises(utils.FailedJobError, match="invalid literal for int"):
        job.result()
    assert job.state == "FAILED"


def test_a_job_that_is_cancelled_ends_without_a_result(folder: Path) -> None:
    job = executor_in(folder).submit(time.sleep, 60)
    job.cancel()
    assert job.state == "CANCELLED"
    with pytest.raises(utils.UncompletedJobError):
        job.result()


def test_ranks_know_their_places(folder: Path) -> None:
    def place() -> tuple[int, int, int, int]:
        found = submitit.JobEnvironment()
        return found.global_rank, found.local_rank, found.num_tasks, found.num_nodes

    assert executor_in(folder, tasks_per_node=2).submit(place).results() == [(0, 0, 2, 1), (1, 1, 2, 1)]


class Counter(helpers.Checkpointable):
    """Counts, and is told to stop once; a checkpoint keeps how far it was."""

    def __init__(self) -> None:
        self.begun = 0

    def __call__(self) -> int:
        self.begun += 1
        if self.begun == 1:
            print("counting", flush=True)
            time.sleep(60)
        return self.begun


@pytest.mark.parametrize("tasks", [1, 2])
def test_a_function_that_is_told_of_its_time_limit_goes_on_from_its_checkpoint(folder: Path, tasks: int) -> None:
    executor = TrainconfExecutor(folder)  # AutoExecutor takes whole minutes only
    executor.update_parameters(timeout_min=8 / 60, signal_delay_s=4, tasks_per_node=tasks)
    assert executor.submit(Counter()).results() == [2] * tasks


def test_a_rank_that_is_told_after_rank_0_has_kept_its_checkpoint_goes_on_from_it(tmp_path: Path) -> None:
    left = []
    call = tmp_path / "call.pkl"
    call.write_text("begun from")
    rank = SimpleNamespace(global_rank=1, _requeue=lambda countdown: sys.exit(left.append(countdown)))
    handler = _Handler(rank, SimpleNamespace(submitted_pickle=call), SimpleNamespace(_timeout_countdown=3))
    (tmp_path / "checkpoint").write_text("rank 0 was told before")
    (tmp_path / "checkpoint").replace(call)
    with pytest.raises(SystemExit):
        handler.again(signal.SIGUSR2)
    assert left == [2]


def test_a_function_without_checkpoint_fails_at_its_time_limit(folder: Path) -> None:
    executor = TrainconfExecutor(folder)
    executor.update_parameters(timeout_min=4 / 60, signal_delay_s=2)
    job = executor.submit(time.sleep, 60)
    with pytest.raises(utils.FailedJobError, match="timed-out and not checkpointable"):
        job.result()


def test_what_code_and_call_were_is_recorded(folder: Path) -> None:
    Path("model.py").write_text("def train(): return 'first'\n")
    code = "import model, submitit; print(submitit.AutoExecutor(folder='log_test', cluster='trainconf').submit(model.train).job_id)"
    job_id = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    Path("model.py").write_text("def train(): return 'second'\n")
    job = TrainconfJob(folder, job_id)
    assert job.result() == "first"
    assert (job.run_dir / "code" / "model.py").read_text() == "def train(): return 'first'\n"
    assert not (job.run_dir / "code" / "log_test").exists() or not list((job.run_dir / "code" / "log_test").glob("*.pkl"))
    params = json.loads((job.run_dir / "params.json").read_text())
    assert params["function"] == "model.train"


@pytest.mark.parametrize("started", [".", "elsewhere"])
def test_modules_beside_the_script_are_imported_wherever_it_is_started(folder: Path, started: str) -> None:
    root = folder.parent
    (root / "src").mkdir()
    (root / started).mkdir(exist_ok=True)
    (root / "src" / "model.py").write_text("def train(): return __file__\n")
    script = "import model, submitit; print(submitit.AutoExecutor(folder='logs', cluster='trainconf').submit(model.train).result())"
    (root / "src" / "main.py").write_text(script)
    command = [sys.executable, str(root / "src" / "main.py")]
    found = subprocess.run(command, cwd=root / started, check=True, capture_output=True, text=True).stdout.strip()
    assert found.endswith("/code/src/model.py" if started == "." else f"{root}/src/model.py")


@pytest.mark.parametrize("name", ["with %j/x", "a folder", "."])
def test_any_folder_does(folder: Path, name: str) -> None:
    executor = executor_in(folder.parent / name)
    assert executor.submit(pow, 2, 2).result() == 4
    code = executor.submit(os.getcwd).result()
    assert not [path for path in Path(code).rglob("*") if path.suffix == ".pkl"]


def test_a_file_of_ignored_names_that_is_somebodys_own_stays_and_its_lacking_lines_are_named(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    theirs = folder.parent / ".trainconfignore"
    theirs.write_text("*.ckpt\ncalls-*/\n")
    assert executor_in(folder.parent).submit(pow, 2, 2).result() == 4
    assert theirs.read_text() == "*.ckpt\ncalls-*/\n"
    assert "lacks the lines *_submitted.pkl* *_result.pkl*" in caplog.text


def test_what_has_no_result_says_why(folder: Path) -> None:
    died, odd = executor_in(folder).map_array(lambda call: call(), [lambda: os._exit(7), lambda: (value for value in "ab")])
    with pytest.raises(utils.UncompletedJobError, match="state: FAILED"):
        died.result()
    with pytest.raises(utils.UncompletedJobError, match="cannot pickle 'generator' object"):
        odd.result()


def test_asyncio_waits_for_jobs(folder: Path) -> None:
    jobs = executor_in(folder).map_array(pow, [2, 3], [2, 2])

    async def results() -> list[int]:
        return [await job.awaitable().result() for job in jobs]

    assert asyncio.run(results()) == [4, 9]
    assert sorted(job.result() for job in helpers.as_completed(jobs)) == [4, 9]


def test_a_job_ends_with_its_object_where_that_is_wished(folder: Path) -> None:
    job_id = executor_in(folder).submit(time.sleep, 60).cancel_at_deletion().job_id
    gc.collect()
    wait_for(lambda: TrainconfJob(folder, job_id).state == "CANCELLED")


def test_a_mistake_names_the_line_of_the_program(folder: Path) -> None:
    with pytest.raises(UserError, match=r"from +\S*test_submitit_api.py:\d+"):
        executor_in(folder, nodes=2).submit(pow, 2, 2)
    with pytest.raises(UserError, match="there is no such workspace"):
        submitit.AutoExecutor(folder=folder, cluster="trainconf", trainconf_workspace=folder / "nowhere")
    (folder.parent / "a file").touch()
    with pytest.raises(UserError, match="the calls cannot be written"):
        executor_in(folder.parent / "a file" / "x").submit(pow, 2, 2)


def test_all_mistakes_of_parameters_are_told_at_once(folder: Path) -> None:
    executor = TrainconfExecutor(folder)
    with pytest.raises(UserError) as caught:
        executor.update_parameters(timeout="1", cpus_per_task="2", computes="slurm")
    told = str(caught.value)
    assert "no parameter timeout" in told
    assert "cpus_per_task is '2'" in told
    assert "did you mean compute?" in told


def test_setup_lines_come_before_the_call_and_may_end_the_job(folder: Path) -> None:
    executor = executor_in(folder, trainconf_setup=["export GREETING='hello there'"])
    assert executor.submit(os.getenv, "GREETING").result() == "hello there"
    failed = executor_in(folder, trainconf_setup=["false"]).submit(os.getenv, "GREETING")
    with pytest.raises(utils.UncompletedJobError):
        failed.result()


# Not those that look at its process, nor the one in which ranks go on when another has failed.
OF_ANY_EXECUTOR = [
    test_local.test_local_map_array, test_local.test_local_submit_array, test_local.test_local_error,
    test_local.test_pickle_output_from_main, test_local.test_stdout, test_local.test_requeuing, test_local.test_custom_checkpoint,
]  # fmt: skip


@pytest.mark.parametrize("test", OF_ANY_EXECUTOR, ids=lambda test: test.__name__)
def test_submitits_own_tests_pass(test: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "LocalExecutor", TrainconfExecutor)
    test(folder)


@pytest.mark.slurm
def test_on_slurm(folder: Path) -> None:
    executor = executor_in(folder, trainconf_compute="slurm", timeout_min=5)
    assert executor.submit(pow, 2, 3).result() == 8
    assert [job.result() for job in executor.map_array(pow, [2, 3], [2, 2])] == [4, 9]


@pytest.mark.slurm
def test_ranks_on_two_nodes_of_slurm(folder: Path) -> None:
    def place() -> tuple[int, int, int]:
        found = submitit.JobEnvironment()
        return found.global_rank, found.node, found.num_nodes

    executor = executor_in(folder, trainconf_compute="slurm", nodes=2, tasks_per_node=1)
    assert executor.submit(place).results() == [(0, 0, 2), (1, 1, 2)]


@pytest.mark.slurm
def test_a_job_that_slurm_requeues_goes_on_from_its_checkpoint(folder: Path) -> None:
    job = executor_in(folder, trainconf_compute="slurm").submit(Counter())
    wait_for(lambda: "counting" in (job.stdout() or ""))
    events = [json.loads(line) for line in (job.run_dir / "events.jsonl").read_text().splitlines()]
    job_id = next(event["scheduler"]["job_id"] for event in events if "scheduler" in event)
    subprocess.run(["scontrol", "requeue", str(job_id)], check=True)
    assert job.result() == 2


@pytest.mark.docker
@pytest.mark.network
def test_in_a_container(folder: Path, docker_settings: list[str]) -> None:
    if any(word.startswith("env.python.version") for word in docker_settings):
        pytest.skip("a pickle is read by the Python that wrote it, and the base image has another")
    executor = executor_in(folder, trainconf_compute="docker", trainconf_overrides=docker_settings)
    assert executor.submit(pow, 2, 3).result() == 8
    job = executor.submit(lambda: submitit.JobEnvironment().job_id)
    assert job.result() == job.job_id
    assert "docker" in (job.run_dir / "run.json").read_text()

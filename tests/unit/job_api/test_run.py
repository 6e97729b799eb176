"""`Run` as a script sees it: in a run, outside of one, in threads and forks, with anything one may log."""

from __future__ import annotations

import ast
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from trainconf.history.metrics import file_of_this_machine, files_of
from trainconf.job_api import Run
from trainconf.paths import RunPaths

ROOT = Path(__file__).parents[3]


class Scalar:
    """What numpy scalars and tensors of one element have in common."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def item(self) -> Any:
        if isinstance(self.value, list):
            raise ValueError("only one element tensors can be converted to Python scalars")
        return self.value


@pytest.fixture
def run(tmp_path: Path) -> Run:
    params = tmp_path / "params.json"
    params.write_text('{"lr": 0.1, "optim": {"name": "sgd"}}')
    variables = {"TRAINCONF_RUN_DIR": str(tmp_path), "TRAINCONF_RUN_ID": "exp-1", "TRAINCONF_EXPERIMENT": "exp",
                 "TRAINCONF_PARAMS": str(params), "TRAINCONF_ATTEMPT": "2"}  # fmt: skip
    return Run(variables)


def metrics(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(run.run_dir, "metrics.jsonl").read_text().splitlines() if line]


def test_each_machine_of_a_shared_disk_has_a_file_of_its_own(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = RunPaths(run.run_dir)
    os.mkdir(paths.metrics_folder)
    for host in ("node1", "node2.site", "../../odd host"):
        uname = os.uname()
        monkeypatch.setattr(os, "uname", lambda: os.uname_result((uname[0], host, *uname[2:])))  # noqa: B023 (asked at once)
        Run({"TRAINCONF_RUN_DIR": run.run_dir, "TRAINCONF_METRICS": paths.metrics_folder}).log("host", host)
        assert json.loads(Path(file_of_this_machine(paths)).read_text())["value"] == host
    assert sorted(os.listdir(paths.metrics_folder)) == [".._.._odd_host.jsonl", "node1.jsonl", "node2.site.jsonl"]
    assert not os.path.exists(paths.metrics)
    assert len(files_of(paths)) == 3


def test_the_folder_of_another_run_is_not_written_to(run: Run, tmp_path: Path) -> None:
    outer = tmp_path / "outer/metrics"
    outer.mkdir(parents=True)
    Run({"TRAINCONF_RUN_DIR": run.run_dir, "TRAINCONF_METRICS": str(outer)}).log("loss", 1)
    assert (len(metrics(run)), os.listdir(outer)) == (1, [])


def test_what_is_logged_from_another_machine_has_a_file_of_its_own(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    events = Path(run.run_dir, "events.jsonl")
    events.write_text('{"state": "Running", "agent": {"pid": 1, "host": "node1"}}\n')
    uname = os.uname()
    for host in ("node1", "node2"):
        monkeypatch.setattr(os, "uname", lambda: os.uname_result((uname[0], host, *uname[2:])))  # noqa: B023 (asked at once)
        fetched = Run({"TRAINCONF_RUN_DIR": run.run_dir})
        fetched.log("host", host)
        fetched.tag("host", host)
        fetched.flush()
    folder = RunPaths(run.run_dir).metrics_folder
    assert (sorted(os.listdir(folder)), len(metrics(run))) == (["node2.jsonl", "node2.records"], 1)
    assert Run({"TRAINCONF_RUN_DIR": run.run_dir}).get_metrics() == {"host": ["node1", "node2"]}
    monkeypatch.setenv("TRAINCONF_RUN_DIR", run.run_dir)
    job = Run()  # of the job itself, which goes on with its file
    job.log("host", "job")
    job.flush()
    assert len(metrics(run)) == 2


def test_a_run_knows_what_it_is(run: Run) -> None:
    assert (run.id, run.experiment, run.attempt, run.params["optim"]) == ("exp-1", "exp", 2, {"name": "sgd"})


@pytest.mark.parametrize(
    ("value", "kept"),
    [(1, 1), (0.5, 0.5), (True, True), ("text", "text"), (None, None), (Scalar(2.5), 2.5), (Scalar(3), 3), (math.inf, math.inf)],
)
def test_numbers_texts_and_scalars_are_kept(run: Run, value: Any, kept: Any) -> None:
    run.log("m", value, step=7)
    (line,) = metrics(run)
    assert (line["name"], line["value"], line["step"]) == ("m", kept, 7)
    assert type(line["value"]) is type(kept)


def test_nan_is_kept(run: Run) -> None:
    run.log("m", float("nan"))
    assert math.isnan(metrics(run)[0]["value"])
    assert metrics(run)[0]["step"] is None


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, (1,), Scalar([1, 2])])
def test_several_values_are_refused_with_the_metrics_name(run: Run, value: Any) -> None:
    with pytest.raises(TypeError, match=r"'loss'.*one by one"):
        run.log("loss", value)
    assert not os.path.exists(os.path.join(run.run_dir, "metrics.jsonl"))


def test_a_step_is_a_whole_number(run: Run) -> None:
    run.log("m", 1, step=Scalar(4.0))  # type: ignore[arg-type]
    assert metrics(run)[0]["step"] == 4
    with pytest.raises(TypeError, match="step of metric 'm'"):
        run.log("m", 1, step=1.5)  # type: ignore[arg-type]


def test_a_metric_needs_a_name(run: Run) -> None:
    with pytest.raises(TypeError, match="name of a metric"):
        run.log("", 1)


def test_outside_of_a_run_it_prints(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run({})
    run.log("loss", 0.5, step=3)
    run.log("note", "done")
    assert capsys.readouterr().out == "loss = 0.5 (step 3)\nnote = done\n"
    assert (run.id, run.run_dir, run.params, run.attempt) == ("", "", {}, 1)


def test_threads_and_forks_never_mix_lines(run: Run) -> None:
    def work(who: int) -> None:
        for n in range(200):
            run.log(f"m{who}", n, step=n)

    pids = []
    for who in range(2):
        pid = os.fork()
        if pid == 0:
            work(10 + who)
            os._exit(0)
        pids.append(pid)
    threads = [threading.Thread(target=work, args=(who,)) for who in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0
    lines = metrics(run)
    assert len(lines) == 1000
    for name in ("m0", "m1", "m2", "m10", "m11"):
        assert [line["value"] for line in lines if line["name"] == name] == list(range(200))


def test_a_torn_last_line_is_closed_first(run: Run) -> None:
    path = Path(run.run_dir, "metrics.jsonl")
    path.write_text('{"name": "torn')
    run.log("m", 1)
    assert json.loads(path.read_text().splitlines()[1])["value"] == 1


def test_a_folder_that_refuses_is_told_once_and_ends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run({"TRAINCONF_RUN_DIR": str(tmp_path / "gone")})
    run.log("m", 1)
    run.log("m", 2)
    told = capsys.readouterr()
    assert told.err.count("metrics cannot be recorded") == 1
    assert told.out == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_told_once_and_ends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.symlink("/dev/full", tmp_path / "metrics.jsonl")
    run = Run({"TRAINCONF_RUN_DIR": str(tmp_path)})
    run.log("m", 1)
    run.log("m", 2)
    assert capsys.readouterr().err.count("No space left") == 1


@pytest.mark.parametrize("path", [ROOT / "trainconf/__init__.py", *sorted((ROOT / "trainconf/job_api").rglob("*.py"))], ids=str)
def test_what_runs_in_a_job_is_python_3_8(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 8))


def test_the_client_imports_nothing_heavy() -> None:
    code = "import sys; from trainconf import Run; print(*sorted(name for name in sys.modules if 'trainconf' in name))"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    found = done.stdout.split()
    assert {name for name in found if not name.startswith("trainconf.job_api")} == {"trainconf"}
    assert not {"trainconf.job_api.interactive", "trainconf.job_api.charts", "trainconf.job_api.files"} & {*found}


@hypothesis.given(
    name=strategies.text(min_size=1), step=strategies.none() | strategies.integers(),
    value=strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | strategies.text(),
)  # fmt: skip
def test_a_line_is_what_the_standard_library_would_write(name: str, value: object, step: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Run({"TRAINCONF_RUN_DIR": folder, "TRAINCONF_RUN_ID": "r"}).log(name, value, step=step)
        (line,) = Path(folder, "metrics.jsonl").read_text().splitlines()
    head, comma, rest = line.partition(",")
    assert head.startswith('{"time":"20')
    assert comma + rest == "," + json.dumps({"name": name, "value": value, "step": step}, separators=(",", ":"))[1:]

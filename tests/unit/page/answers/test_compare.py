"""Compare says which parts differ, and shows only what does; what is damaged or gone is named, and the rest is compared."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from trainconf import files
from trainconf.errors import UserError
from trainconf.page.answers import compare
from trainconf.page.app import ANSWER_BYTES
from trainconf.page.wire import encode
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.snapshot import SnapshotStore

from ...history.build import make_run, time_text, write_json
from .conftest import Ask

A, B = "digits-20261123-0532-aaaa", "digits-20261123-0532-bbbb"


def snapshot_of(workspace: WorkspacePaths, tmp_path: Path, **texts: str) -> str:
    source = tmp_path / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    for name, text in texts.items():
        (source / f"{name}.py").write_text(text)
    return SnapshotStore(workspace.snapshots).take(str(source), max_mb=1, max_files=10).id


def run(workspace: WorkspacePaths, run_id: str, snapshot: str = "", params: dict[str, Any] | None = None, **facts: Any) -> RunPaths:
    params = params or {}
    hashes = {part: f"{part} of all" for part in ("environment", "compute", "distributed")}
    hashes |= {"code": snapshot, "params": repr(sorted(params.items()))}
    origins = {f"params.{key}": f"conf/experiment/toy.yaml:{line}" for line, key in enumerate(params, 10)}
    paths = make_run(workspace, run_id, **{"hashes": hashes, "params": params, "config": {"params": params}, "origins": origins, **facts})
    write_json(paths.spec, {"code": {"snapshot": snapshot or "cd" * 32, "script": "train.py"}})
    return paths


def log(paths: RunPaths, name: str, *values: Any) -> None:
    for step, value in enumerate(values):
        files.append_line(paths.metrics, {"time": time_text(step), "name": name, "value": value, "step": step})


def parts(found: dict[str, Any]) -> dict[str, str]:
    return {each["part"]: each["state"] for each in found["parts"]}


def keys(section: dict[str, Any]) -> list[str]:
    return [row["key"] for row in section["rows"]]


def test_only_what_differs_is_shown_with_what_set_it(ask: Ask, workspace: WorkspacePaths) -> None:
    run(workspace, A, "e" * 64, {"lr": 0.1, "seed": 1, "layers": 2})
    run(workspace, B, "e" * 64, {"lr": 0.5, "seed": 2, "layers": 2})
    found = ask(compare.compare, runs=f"{A},{B}")
    assert keys(found["params"]) == ["lr", "seed"]
    assert found["params"]["rows"][0]["cells"] == [[0.1, "conf/experiment/toy.yaml:10"], [0.5, "conf/experiment/toy.yaml:10"]]
    assert [row["folded"] for row in found["params"]["rows"]] == [None, "seed"]
    assert parts(found) == {
        "params": "differ", "code": "same", "data": "same", "environment": "same", "compute": "same", "distributed": "same",
        "config": "same",
    }  # fmt: skip
    assert found["words"] == "differ: 2 params; same: code, data, environment, compute, distributed, config"
    everything = ask(compare.compare, runs=f"{A},{B}", all="1")
    assert keys(everything["params"]) == ["layers", "lr", "seed"]


def test_code_is_compared_file_by_file_and_line_by_line(ask: Ask, workspace: WorkspacePaths, tmp_path: Path) -> None:
    run(workspace, A, snapshot_of(workspace, tmp_path, train="one\ntwo\n", gone="x\n"))
    run(workspace, B, snapshot_of(workspace, tmp_path, train="one\n--- two\nthree\n", new="y"))
    found = ask(compare.compare, runs=f"{A},{B}")
    assert parts(found)["code"] == "differ"
    (of,) = found["code"]["of"]
    assert [(file["path"], file["kind"], file["added"], file["removed"]) for file in of["files"]] == [
        ("gone.py", "removed", 0, 1), ("new.py", "added", 1, 0), ("train.py", "changed", 2, 1),
    ]  # fmt: skip
    lines = ask(compare.code, runs=f"{A},{B}", path="train.py")["hunks"]
    assert [(hunk["path"], hunk["lines"]) for hunk in lines] == [
        ("train.py", [[" ", 1, 1, "one"], ["-", 2, None, "two"], ["+", None, 2, "--- two"], ["+", None, 3, "three"]])
    ]
    assert ask(compare.code, runs=f"{A},{B}", path="new.py")["hunks"][0]["lines"] == [
        ["+", None, 1, "y"], ["\\", None, None, "No newline at end of file"],
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"neither has 'strange\.py'"):
        ask(compare.code, runs=f"{A},{B}", path="strange.py")


@pytest.mark.parametrize(("goal", "best", "at"), [("maximize", 0.9, 1), ("minimize", 0.2, 2)])
def test_the_best_value_is_told_with_its_step_and_where_a_metric_broke(
    ask: Ask, workspace: WorkspacePaths, goal: str, best: float, at: int
) -> None:
    metric = {"name": "score", "goal": goal}
    log(run(workspace, A, metric=metric), "score", 0.5, 0.9, 0.2, 0.6)
    log(run(workspace, B, metric=metric), "score", 0.5, "NaN", 0.5)
    (row,) = ask(compare.compare, runs=f"{A},{B}")["metrics"]["rows"]
    first, second = row["cells"]
    assert (first["best"], first["best_at"], first["last"], first["nan_at"]) == (best, at, 0.6, None)
    assert (second["best"], second["best_at"]) == (0.5, 0)
    assert row["best"] == 0


def test_trials_that_are_compared_by_their_last_values_are_so_here(ask: Ask, workspace: WorkspacePaths) -> None:
    metric = {"name": "score", "goal": "maximize"}
    log(run(workspace, A, metric=metric, parent="s"), "score", 0.9, 0.2)
    log(run(workspace, B, metric=metric, parent="s"), "score", 0.5, 0.6, "NaN")
    write_json(run(workspace, "s").sweep, {"value": "last"})
    (row,) = ask(compare.compare, runs=f"{A},{B}")["metrics"]["rows"]
    assert [(cell["best"], cell["best_at"]) for cell in row["cells"]] == [(0.2, 1), (0.6, 1)]
    assert row["best"] == 1


def test_what_was_really_installed_is_compared(ask: Ask, workspace: WorkspacePaths) -> None:
    for run_id, text in ((A, "# python 3.11.7\nnumpy==1.26\ntorch==2.1\n"), (B, "# python 3.11.7\nnumpy==2.0\nextra==1\n")):
        Path(run(workspace, run_id).environment_lock).write_text(text)
    found = ask(compare.compare, runs=f"{A},{B}")["packages"]["rows"]
    assert {row["key"]: [cell and cell[0] for cell in row["cells"]] for row in found} == {
        "extra": [None, "1"], "numpy": ["1.26", "2.0"], "torch": ["2.1", None],
    }  # fmt: skip


def test_a_run_that_is_gone_is_named_and_the_others_are_compared(ask: Ask, workspace: WorkspacePaths) -> None:
    for run_id in (A, B):
        run(workspace, run_id)
    found = ask(compare.compare, runs=f"{A},gone,{B}")
    assert [each["id"] for each in found["runs"]] == [A, B]
    assert [each["id"] for each in found["missing"]] == ["gone"]


def test_damaged_and_old_records_cost_what_they_held(ask: Ask, workspace: WorkspacePaths) -> None:
    """Runs without code, environment, hashes, origins; and one whose files hold nothing of use."""
    old = make_run(workspace, A)
    os.unlink(old.spec)
    broken = make_run(workspace, B)
    for path in (broken.record, broken.spec, broken.environment_lock):
        Path(path).write_bytes(b"[1, \xff")
    found = ask(compare.compare, runs=f"{A},{B}")
    assert "run.json is no JSON" in found["damage"][B]
    assert parts(found)["code"] == "unknown"
    assert found["code"]["of"][0]["trouble"] == "of one of the runs it is not recorded which code it had"
    assert keys(found["params"]) == ["lr", "optim.name"]


def test_a_thousand_metrics_are_cut_counted_and_searched(ask: Ask, workspace: WorkspacePaths) -> None:
    for run_id, value in ((A, 1.0), (B, 2.0)):
        paths = run(workspace, run_id)
        names = [f"m{number:04}" for number in range(1000)]
        files.append_lines(paths.metrics, [{"time": time_text(0), "name": name, "value": value, "step": 0} for name in names])
    found = ask(compare.compare, runs=f"{A},{B}")["metrics"]
    assert (len(found["rows"]), found["more"]) == (compare.MOST_ROWS, 1000 - compare.MOST_ROWS)
    found = ask(compare.compare, runs=f"{A},{B}", search="M0999")["metrics"]
    assert (keys(found), found["more"]) == (["m0999"], 0)


def test_fifty_runs_in_which_all_differs_are_an_answer_that_may_be_sent(ask: Ask, workspace: WorkspacePaths) -> None:
    ids = [f"digits-20261123-0532-{number:04}" for number in range(50)]
    for number, run_id in enumerate(ids):
        paths = run(workspace, run_id, f"{number:064}", {f"param_number_{key}": number + key / 7 for key in range(300)})
        names = [f"metric/number/{name}" for name in range(300)]
        files.append_lines(paths.metrics, [{"time": time_text(0), "name": name, "value": number / 7, "step": 0} for name in names])
        Path(paths.environment_lock).write_text("".join(f"package-{name}=={number}\n" for name in range(300)))
    found = ask(compare.compare, runs=",".join(ids))
    assert len(encode(found)) < ANSWER_BYTES
    assert (len(found["params"]["rows"]), found["params"]["more"]) == (40, 260)


@pytest.mark.parametrize("names", ["", A, f"{A},{A}", f"{A},gone", f"{A},../{B}", f"{A},/etc"])
def test_fewer_than_two_runs_are_no_comparison_and_a_path_is_no_run(ask: Ask, workspace: WorkspacePaths, names: str) -> None:
    run(workspace, A)
    with pytest.raises(UserError, match="at least two runs are needed"):
        ask(compare.compare, runs=names)


def test_more_than_fifty_are_refused(ask: Ask) -> None:
    with pytest.raises(UserError, match="51 runs are too many"):
        ask(compare.compare, runs=",".join(f"r{number}" for number in range(51)))

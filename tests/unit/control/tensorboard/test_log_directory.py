from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from trainconf import files
from trainconf.control.tensorboard import log_directory
from trainconf.control.tensorboard.log_directory import LogDirectory, named
from trainconf.errors import StorageError, UserError
from trainconf.history import events
from trainconf.history.event_files import encode
from trainconf.job_api import Run
from trainconf.paths import RunPaths, WorkspacePaths

from ...history.build import make_run

pytest.importorskip("tensorboard")


def read(folder: str) -> dict[str, list[tuple[int, float]]]:
    """The scalars of a folder as TensorBoard reads them, by its run and tag; a run's first HParams summaries as `hparams`."""
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

    multiplexer = EventMultiplexer(size_guidance={}, tensor_size_guidance={"scalars": 0})
    multiplexer.AddRunsFromDirectory(folder)
    multiplexer.Reload()
    found: dict[str, list[tuple[int, float]]] = {}
    for run in multiplexer.Runs():
        accumulator: Any = multiplexer.GetAccumulator(run)
        for tag in accumulator.PluginTagToContent("scalars") if "scalars" in accumulator.ActivePlugins() else ():
            found[f"{run}:{tag}"] = [(each.step, float(each.tensor_proto.float_val[0])) for each in accumulator.Tensors(tag)]
    return found


def hparams(folder: str, run: str) -> dict[str, Any]:
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    multiplexer = EventMultiplexer()
    multiplexer.AddRunsFromDirectory(folder)
    multiplexer.Reload()
    content = multiplexer.GetAccumulator(run).PluginTagToContent("hparams")
    return {tag.rpartition("/")[2]: HParamsPluginData.FromString(data) for tag, data in content.items()}


def log(paths: RunPaths, name: str, *points: tuple[int | None, object]) -> None:
    for step, value in points:
        Run({"TRAINCONF_RUN_DIR": paths.run_dir}).log(name, value, step)


def trace(folder: str, name: str, *points: tuple[int, float], at: float = 1.8e9) -> None:
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/events.out.tfevents.1800000000.host.1", "ab") as stream:
        stream.write(encode.header(at) + encode.scalars(name, [(at + place, step, value) for place, (step, value) in enumerate(points)]))


def test_runs_are_named_by_what_differs(workspace: WorkspacePaths) -> None:
    runs = [
        make_run(workspace, "r-1", params={"optim": {"lr": 0.1}, "depth": 3, "seed": 1}),
        make_run(workspace, "r-2", params={"optim": {"lr": 0.2}, "depth": 3, "seed": 1}),
        make_run(workspace, "r-3", params={"optim": {"lr": 0.2}, "depth": 3, "seed": 1}, display_name="again/\n.."),
        make_run(workspace, "r-4", params={"optim": {"lr": 0.1}, "depth": 3, "seed": 1}),
        make_run(workspace, "r-5", params={"depth": 3, "seed": 1}),
    ]
    assert [name for _, name in named([*runs, runs[0]])] == ["lr=0.1 r-1", "lr=0.2", "again__.. lr=0.2", "lr=0.1 r-4", "r-5"]
    assert [name for _, name in named(runs[:1])] == ["r-1"]
    other = make_run(workspace, "o-1", "other", params={"optim": {"lr": 0.1}, "depth": 3, "seed": 1})
    assert [name for _, name in named([runs[0], other])] == ["digits/r-1", "other/o-1"]


def test_names_of_folders_stay_short_and_apart(workspace: WorkspacePaths) -> None:
    runs = [make_run(workspace, f"r-{number}", params={"text": "é" * 300 + str(number), "LR": number % 2}) for number in range(2)]
    names = [name for _, name in named(runs)]
    assert len(set(names)) == 2
    assert all(len(os.fsencode(name)) < 200 for name in names)


def test_what_is_logged_is_followed_until_the_end(workspace: WorkspacePaths, tmp_path: Path) -> None:
    paths = make_run(workspace, states=("NotStarted", "Queued"), params={"lr": 0.5, "name": "a b", "on": True, "layers": [1, 2]})
    os.makedirs(paths.job_logs)
    logs = LogDirectory(str(tmp_path / "logs"), named([paths]))
    logs.update()
    log(paths, "accuracy", (10, 0.5), (20, 0.75))
    log(paths, "loss", (None, 0.5), (None, 0.25))
    log(paths, "phase", (1, "warm-up"))
    trace(paths.job_logs, "grad", (1, 0.5))
    trace(f"{paths.job_logs}/validation", "loss", (1, 0.25))
    Path(paths.system()).write_text('{"time":"2026-11-28T10:00:00.000000Z","host":"a","cpu_percent":12.5}\n')
    logs.update()
    log(paths, "accuracy", (30, 0.875))
    logs.update()
    run = paths.run_id
    expected = {
        f"{run}:accuracy": [(10, 0.5), (20, 0.75), (30, 0.875)], f"{run}:loss": [(0, 0.5), (1, 0.25)], f"{run}:grad": [(1, 0.5)],
        f"{run}/validation:loss": [(1, 0.25)], f"{run}:system/cpu_percent": [(0, 12.5)],
    }  # fmt: skip
    assert read(str(tmp_path / "logs")) == expected
    info = hparams(str(tmp_path / "logs"), run)
    start = info["session_start_info"].session_start_info
    assert start.hparams["lr"].number_value == 0.5
    assert (start.hparams["name"].string_value, start.hparams["on"].bool_value) == ("a b", True)
    assert start.hparams["layers"].string_value == "[1, 2]"
    assert "session_end_info" not in info
    os.rename(f"{paths.job_logs}/validation", f"{paths.logs}/validation")  # as the agent does at the end
    os.rename(f"{paths.job_logs}/events.out.tfevents.1800000000.host.1", f"{paths.logs}/events.out.tfevents.1800000000.host.1")
    events.append(paths, "Failed", exit_code=3, reason="")
    logs.update()
    logs.update()
    assert read(str(tmp_path / "logs")) == expected
    assert hparams(str(tmp_path / "logs"), run)["session_end_info"].session_end_info.status == encode.FAILURE


def test_a_name_in_the_script_s_own_files_is_not_shown_twice(workspace: WorkspacePaths, tmp_path: Path) -> None:
    paths = make_run(workspace)
    trace(paths.logs, "loss", (1, 0.5))
    log(paths, "loss", (1, 0.5))
    logs = LogDirectory(str(tmp_path / "logs"), named([paths]))
    logs.update()
    assert read(str(tmp_path / "logs")) == {f"{paths.run_id}:loss": [(1, 0.5)]}


def test_an_export_has_each_step_once_and_needs_the_runs_no_more(workspace: WorkspacePaths, tmp_path: Path) -> None:
    paths = make_run(workspace, params={"lr": 0.5})
    log(paths, "loss", (1, 0.5), (2, 0.25), (1, 0.75))
    trace(paths.logs, "loss", (1, 9.0))
    trace(f"{paths.logs}/train", "loss", (3, 0.5), (1, 0.25))
    trace(f"{paths.logs}/train", "loss", (3, 0.125), at=1.8e9 + 100)
    target = tmp_path / "out" / "export"
    log_directory.export(named([paths]), str(target))
    os.rename(paths.run_dir, f"{paths.run_dir} gone")
    run = paths.run_id
    assert read(str(target)) == {f"{run}:loss": [(1, 0.75), (2, 0.25)], f"{run}/train:loss": [(1, 0.25), (3, 0.125)]}
    assert hparams(str(target), run)["session_end_info"].session_end_info.status == encode.SUCCESS
    assert os.listdir(target.parent) == ["export"]


def test_an_export_never_writes_into_what_is_there(workspace: WorkspacePaths, tmp_path: Path) -> None:
    shown = named([make_run(workspace)])
    (tmp_path / "empty").mkdir()
    log_directory.export(shown, str(tmp_path / "empty"))
    for taken in (tmp_path / "empty", tmp_path / "link", tmp_path / "file"):
        if taken.name == "link":
            taken.symlink_to(tmp_path / "nowhere")
        elif taken.name == "file":
            taken.write_text("mine")
        with pytest.raises(UserError, match="something already"):
            log_directory.export(shown, str(taken))
    assert (tmp_path / "file").read_text() == "mine"


def test_a_full_disk_leaves_nothing_of_an_export(workspace: WorkspacePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = make_run(workspace)
    log(paths, "loss", (1, 0.5))

    def full(path: str, data: bytes) -> None:
        with open(path, "ab") as stream:
            stream.write(data[:10])
        files.write_all(os.open("/dev/full", os.O_WRONLY), data)

    monkeypatch.setattr(log_directory, "_append", full)
    with pytest.raises(StorageError, match="could not be written"):
        log_directory.export(named([paths]), str(tmp_path / "out" / "export"))
    assert os.listdir(tmp_path / "out") == []

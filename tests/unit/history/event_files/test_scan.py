from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from trainconf.history import metrics, record, series
from trainconf.history.event_files import encode, scan
from trainconf.history.index import rows
from trainconf.launchers.states import StatePoller
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.sweeps.watching import TrialWatch

from ..build import make_run

WRITTEN = Path(__file__).parent / "written"
NAME = "events.out.tfevents.1800000000.host.1.0"


@pytest.fixture
def run(workspace: WorkspacePaths) -> RunPaths:
    paths = make_run(workspace, states=("NotStarted", "Queued", "Running"))
    os.makedirs(paths.job_logs)
    return paths


def log(folder: str, tag: str, *points: tuple[int, float], at: float = 1.8e9, name: str = NAME) -> str:
    """Append scalars to an event file, a second apart."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    with open(path, "ab") as stream:
        stream.write(encode.scalars(tag, [(at + place, step, value) for place, (step, value) in enumerate(points)]))
    return path


def new(paths: RunPaths, cursor: metrics.Cursor) -> list[tuple[str, str, int, float]]:
    return [(entry["folder"], entry["name"], entry["step"], entry["value"]) for entry in metrics.read_since(paths, cursor)]


def test_scalars_are_metrics_each_once(run: RunPaths) -> None:
    cursor = metrics.Cursor()
    assert new(run, cursor) == []
    log(run.job_logs, "loss", (1, 0.5), (2, 0.25))
    assert new(run, cursor) == [("", "loss", 1, 0.5), ("", "loss", 2, 0.25)]
    assert new(run, cursor) == []
    log(run.job_logs, "loss", (3, 0.125), at=1.8e9 + 2)
    log(f"{run.job_logs}/deeper/still", "accuracy", (3, 0.75))
    assert sorted(new(run, cursor)) == [("", "loss", 3, 0.125), ("deeper/still", "accuracy", 3, 0.75)]
    assert metrics.summarise(run).values == {"loss": 0.125, "accuracy": 0.75}


def test_nothing_is_read_twice_when_the_logs_move_at_the_end(run: RunPaths) -> None:
    log(f"{run.job_logs}/tb", "loss", (1, 0.5))
    cursor, before = metrics.Cursor(), metrics.summarise(run)
    assert len(new(run, cursor)) == 1
    os.rename(f"{run.job_logs}/tb", f"{run.logs}/tb")
    log(f"{run.logs}/tb", "loss", (2, 0.25), at=1.8e9 + 1)
    assert new(run, cursor) == [("tb", "loss", 2, 0.25)]
    assert metrics.summarise(run, before).values == {"loss": 0.25}


def test_a_name_in_several_folders_is_told_with_each(run: RunPaths) -> None:
    log(f"{run.job_logs}/train", "epoch_loss", (1, 0.5))
    log(f"{run.job_logs}/validation", "epoch_loss", (1, 0.7), at=1.8e9 + 1)
    log(f"{run.job_logs}/train", "lr", (1, 0.1))
    values = metrics.summarise(run).values
    assert values == {"epoch_loss": 0.7, "train/epoch_loss": 0.5, "validation/epoch_loss": 0.7, "lr": 0.1}
    entries = metrics.read_since(run, metrics.Cursor())
    assert [entry["value"] for entry in entries if metrics.is_called(entry, "train/epoch_loss")] == [0.5]
    assert len([entry for entry in entries if metrics.is_called(entry, "epoch_loss")]) == 2


def test_a_name_in_logs_itself_is_that_and_no_other_folder_s(run: RunPaths) -> None:
    log(f"{run.job_logs}/aside", "loss", (1, 0.7), at=1.8e9 + 1)
    log(run.job_logs, "loss", (1, 0.5))
    assert metrics.summarise(run).values == {"loss": 0.5, "aside/loss": 0.7}
    entries = metrics.read_since(run, metrics.Cursor())
    assert [entry["value"] for entry in entries if metrics.is_called(entry, "loss")] == [0.5]
    assert [entry["value"] for entry in entries if metrics.is_called(entry, "aside/loss")] == [0.7]


def test_what_run_log_says_counts_where_both_log_a_name(run: RunPaths) -> None:
    log(run.job_logs, "loss", (1, 0.5), (2, 0.4))
    with open(run.metrics, "a") as stream:
        stream.write('{"time":"2020-01-01T00:00:00.000000Z","name":"loss","value":0.45,"step":2}\n')
    assert metrics.summarise(run).values == {"loss": 0.45}
    assert [entry["value"] for entry in metrics.read_since(run, metrics.Cursor())] == [0.45]


def test_the_later_of_two_writers_in_one_folder_counts(run: RunPaths) -> None:
    log(run.job_logs, "loss", (50, 0.3), at=1.8e9 + 100, name="events.out.tfevents.1800000100")
    log(run.job_logs, "loss", (99, 0.5))
    assert metrics.summarise(run).values == {"loss": 0.3}


def test_a_writer_that_begins_again_at_a_step_voids_what_was_written_for_later_ones(run: RunPaths) -> None:
    shutil.copy(WRITTEN / "torch_purge.tfevents", f"{run.job_logs}/events.out.tfevents.1.0")
    before = metrics.summarise(run)
    assert before.values == {"loss": 100.0}
    with open(f"{run.job_logs}/events.out.tfevents.2.0", "wb") as stream:
        stream.write((WRITTEN / "torch_purge_2.tfevents").read_bytes()[:170])  # nothing is logged yet
    assert metrics.summarise(run, before).values == metrics.summarise(run).values == {"loss": 50.0}
    shutil.copy(WRITTEN / "torch_purge_2.tfevents", f"{run.job_logs}/events.out.tfevents.2.0")
    assert metrics.summarise(run, before).values == {"loss": 61.0}
    steps: list[int] = []
    scan.read(run, {}, lambda file, tag, found, *_: steps.extend(found))
    assert steps == [*range(60)]


def test_a_change_of_an_event_file_shows_in_the_fingerprint(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainconf.files.RACY_NS", -(10**18))
    path = log(f"{run.logs}/tb", "loss", (1, 0.5))
    before = rows.fingerprint(run)
    assert rows.fingerprint(run) == before
    log(f"{run.logs}/tb", "loss", (2, 0.5))
    changed = rows.fingerprint(run)
    assert changed != before
    os.unlink(path)
    assert rows.fingerprint(run) != changed


def test_what_cannot_be_read_is_told(run: RunPaths) -> None:
    path = log(run.job_logs, "loss", (1, 0.5), (2, 0.4), (3, 0.3))
    assert record.details(run)["damage"] == []
    with open(path, "r+b") as stream:
        stream.seek(-6, os.SEEK_END)
        stream.write(b"?")
    before = metrics.summarise(run)
    assert before.damage == ["logs/events.out.tfevents.1800000000.host.1.0: 1 event passed over, damaged or none of TensorBoard's"]
    size = os.path.getsize(path)
    with open(path, "ab") as stream:
        stream.write(b"x" * 100)
    assert metrics.summarise(run, before).damage[1:] == [f"logs/{NAME}: cannot be read from byte {size} on"]
    assert len(record.details(run)["damage"]) == 2
    assert record.details(run)["metrics"] == {"loss": 0.4}


def test_what_a_script_puts_there_does_no_harm(run: RunPaths, tmp_path: Path) -> None:
    log(str(tmp_path), "secret", (1, 0.5))
    os.symlink(tmp_path, f"{run.job_logs}/link")
    os.symlink(tmp_path / NAME, f"{run.job_logs}/{NAME}.link")
    os.mkfifo(f"{run.job_logs}/tfevents.fifo")
    os.mkdir(f"{run.job_logs}/tfevents.folder")
    Path(f"{run.job_logs}/tfevents.text").write_text("no event file")
    log(f"{run.job_logs}/a 'quoted' folder\n", "x\ny", (1, 0.5))
    assert metrics.summarise(run).values == {"x\ny": 0.5}
    shutil.rmtree(run.job_logs)
    os.symlink(tmp_path, run.job_logs)
    assert metrics.summarise(run).values == {}


def test_a_file_that_went_or_was_replaced_counts_no_more(run: RunPaths) -> None:
    path = log(run.job_logs, "loss", (1, 0.5))
    before = metrics.summarise(run)
    os.unlink(path)
    log(run.job_logs, "other", (1, 0.5), (2, 0.6), (3, 0.7))
    assert metrics.summarise(run, before).values == {"other": 0.7}
    os.unlink(path)
    assert metrics.summarise(run, before).values == {}


def test_a_search_sees_what_an_event_file_has_within_half_a_second(run: RunPaths) -> None:
    watch = TrialWatch(1, [], run, "validation/loss", StatePoller())
    assert watch.poll() == []
    log(f"{run.job_logs}/validation", "loss", (3, 0.5))
    log(f"{run.job_logs}/train", "loss", (3, 0.25))
    until = time.monotonic() + 0.5
    found: list[tuple[float, int | None]] = []
    while not found and time.monotonic() < until:
        found = watch.poll()
        time.sleep(0.01)
    assert found == [(0.5, 3)]
    assert watch.names == {"loss"}


def test_each_folder_has_a_series_of_its_own_beside_that_of_run_log(run: RunPaths) -> None:
    log(f"{run.job_logs}/train", "loss", (1, 0.5), (2, 0.4))
    log(f"{run.job_logs}/train", "loss", (2, 0.3), (3, 0.2), at=1.8e9 + 100, name="events.out.tfevents.1800000100")
    log(run.job_logs, "loss", (1, 0.7))
    with open(run.metrics, "a") as stream:
        stream.write('{"time":"2020-01-01T00:00:00.000000Z","name":"loss","value":0.45,"step":2}\n')
    found = {(each.name, each.source): [*zip(each.steps, each.values, strict=True)] for each in series.of_run(run)}
    assert found == {
        ("loss", "log"): [(2, 0.45)], ("loss", "logs"): [(1, 0.7)], ("loss", "logs/train"): [(1, 0.5), (2, 0.3), (3, 0.2)],
    }  # fmt: skip
    assert [each.source for each in series.of_run(run, lambda name: name == "train/loss")] == ["logs/train"]
    assert [each.source for each in series.of_run(run, lambda name: name == "loss")] == ["log", "logs", "logs/train"]

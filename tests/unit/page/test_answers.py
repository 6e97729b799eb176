"""What the addresses answer, on runs as they lie on the disk."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.history.build import make_run
from trainconf import files
from trainconf.cli.history import ls
from trainconf.control import labels
from trainconf.history import events
from trainconf.page import routes
from trainconf.page.app import ANSWER_BYTES
from trainconf.page.request import Request
from trainconf.page.site import Site
from trainconf.page.wire import encode
from trainconf.paths import WorkspacePaths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Ask = Callable[..., Any]


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspacePaths:
    return WorkspacePaths(str(tmp_path))


@pytest.fixture
def ask(workspace: WorkspacePaths) -> Iterator[Ask]:
    """Asks for a path, as the server does once it has let somebody in."""
    site = Site(workspace)
    site.begin()

    def answer(path: str, **query: str) -> Any:
        route, params = routes.find("GET", path.encode())
        found = route.answer(Request(site, params, query))
        return answer(path, **query) if isinstance(found, dict) and "reading" in found else found  # the index is being made

    yield answer
    site.close()


def log_values(path: str, name: str, values: list[float], first: int = 0) -> None:
    files.append_lines(path, [
        {"time": events.text(1_800_000_000 + step), "name": name, "value": value, "step": step} for step, value in enumerate(values, first)
    ])  # fmt: skip


def test_a_table_is_filtered_sorted_and_counted(workspace: WorkspacePaths, ask: Ask) -> None:
    for number in range(5):
        make_run(workspace, f"run-{number}", at=number, metrics={"val_accuracy": number / 10}, params={"lr": number})
    asked = {"filter": "params.lr>=1 run", "sort": "metrics.val_accuracy", "order": "asc", "columns": "params.lr"}
    found = ask("/api/runs", limit="2", offset="1", **asked)
    assert (found["total"], found["matching"], found["offset"]) == (5, 4, 1)
    assert [(row["id"], row["values"]) for row in found["rows"]] == [("run-2", {"params.lr": 2}), ("run-3", {"params.lr": 3})]
    assert found["rows"][0]["metric"] == {"name": "val_accuracy", "goal": "maximize", "best": 0.2, "at": 0, "last": 0.2}
    assert list(found["rows"][0]["spark"]) == [0.2]


def test_what_is_exported_is_what_the_filter_shows(workspace: WorkspacePaths, ask: Ask) -> None:
    for number in range(3):
        make_run(workspace, f"run-{number}", at=number, metrics={"val_accuracy": number / 10}, params={"lr": number})
    asked = {"filter": "params.lr>=1 run", "sort": "metrics.val_accuracy", "columns": "run,metrics.val_accuracy:max"}
    made = ask("/api/export", view="runs", format="csv", **asked)
    lines = os.pread(made.fd, made.size, 0).decode().splitlines()
    os.close(made.fd)
    assert [line.split(",")[0] for line in lines[1:]] == ["run-2", "run-1"]
    assert lines[1].endswith("0.2")


def test_a_filter_that_finds_nothing_tells_which_part_is_to_blame(workspace: WorkspacePaths, ask: Ask) -> None:
    make_run(workspace, "a", params={"lr": 1})
    found = ask("/api/runs", filter="status:Completed params.lr>7")
    assert found["matching"] == 0
    assert found["without"] == [{"words": "status:Completed", "matching": 0}, {"words": "params.lr>7", "matching": 1}]


def test_a_column_of_any_name_is_shown_and_one_that_no_run_has_is_told(workspace: WorkspacePaths, ask: Ask) -> None:
    make_run(workspace, "a", metrics={"train/loss-x": 3.0})
    found = ask("/api/runs", columns="metrics.train/loss-x,params.gone,metrics.train/loss-x:max", sort="metrics.train/loss-x")
    assert found["rows"][0]["values"] == {"metrics.train/loss-x": 3.0, "metrics.train/loss-x:max": 3.0}
    assert found["unknown"] == ["params.gone"]
    names = {column["name"]: column for column in ask("/api/columns", search="train")["columns"]}
    assert names["metrics.train/loss-x"] == {"name": "metrics.train/loss-x", "kind": "metric", "runs": 1}


def test_a_damaged_run_is_named_and_the_others_are_shown(workspace: WorkspacePaths, ask: Ask) -> None:
    make_run(workspace, "good")
    damaged = make_run(workspace, "damaged")
    with open(damaged.record, "w") as stream:
        stream.write("{")
    rows = {row["id"]: row for row in ask("/api/runs")["rows"]}
    assert rows["good"]["damage"] is None
    assert "run.json" in rows["damaged"]["damage"]
    assert "run.json" in " ".join(ask("/api/runs/damaged")["warnings"])


def test_a_run_is_told_with_its_attempts_logs_and_metrics(workspace: WorkspacePaths, ask: Ask) -> None:
    paths = make_run(workspace, "one", log=b"hello\n", choices={"compute": "local"})
    log_values(paths.metrics, "loss", [3.0, 1.0, 2.0])
    found = ask("/api/runs/one")
    assert found["metrics"] == [{"name": "loss", "count": 3, "last": 2.0, "min": 1.0, "max": 3.0, "source": "log"}]
    assert found["log_files"][0] == {"rank": 0, "path": "logs/std_log.txt", "size_bytes": 6}
    assert [(each["attempt"], each["state"]) for each in found["attempts"]] == [(1, "Completed")]
    assert found["command"] == "python train.py --lr 0.1"
    assert found["choices"] == {"compute": "local"}


def test_a_curve_has_every_attempt_as_a_piece_and_goes_on_where_the_stream_begins(workspace: WorkspacePaths, ask: Ask) -> None:
    paths = make_run(workspace, "one")
    log_values(paths.metrics, "loss", [5.0, 4.0, float("nan"), 3.0])
    log_values(paths.metrics, "loss", [2.0, 1.0], first=2)
    found = ask("/api/series", runs="one", names="loss,gone", smooth="0.5")
    told = [(curve["piece"], curve["x"], curve["last"]) for curve in found["series"]]
    assert told == [(0, [0, 1, 3], [5.0, 4.0, 3.0]), (1, [2, 3], [2.0, 1.0])]
    assert [mark["x"] for mark in found["series"][0]["marks"]] == [2]
    assert len(found["series"][0]["smooth"]) == 3
    assert found["cursors"] == {"one": os.path.getsize(paths.metrics)}
    relative = ask("/api/series", runs="one", names="loss", x="time", **{"from": "1800000001", "to": "1800000001"})
    assert [curve["count"] for curve in relative["series"]] == [1, 0]


def test_a_name_with_a_comma_is_one_name(workspace: WorkspacePaths, ask: Ask) -> None:
    paths = make_run(workspace, "one")
    for name, value in (("top,1 %", 0.5), ("top", 0.25)):
        log_values(paths.metrics, name, [value])
    found = ask("/api/series", runs="one", names="top%2C1 %25,top")
    assert [(curve["name"], curve["last"]) for curve in found["series"]] == [("top,1 %", [0.5]), ("top", [0.25])]
    assert ask("/api/runs", columns="metrics.top%2C1 %25")["rows"][0]["values"] == {"metrics.top,1 %": 0.5}


def test_points_are_read_on_and_again_when_their_file_was_cut_or_replaced(workspace: WorkspacePaths, ask: Ask) -> None:
    paths = make_run(workspace, "one")
    log_values(paths.metrics, "loss", [1.0])
    assert ask("/api/series", runs="one", names="loss")["series"][0]["last"] == [1.0]
    log_values(paths.metrics, "loss", [2.0], first=1)
    assert ask("/api/series", runs="one", names="loss")["series"][0]["last"] == [1.0, 2.0]
    os.truncate(paths.metrics, 0)
    log_values(paths.metrics, "loss", [9.0])
    assert ask("/api/series", runs="one", names="loss")["series"][0]["last"] == [9.0]


def test_many_points_are_kept_beside_the_runs_and_what_is_damaged_there_is_read_again(workspace: WorkspacePaths, ask: Ask) -> None:
    from trainconf.control.curves.written import Written

    paths = make_run(workspace, "one")
    log_values(paths.metrics, "loss", [float(step) for step in range(20_000)])
    first = Written(paths, workspace.cache)
    first.read_on()
    first.keep()
    total = first.total
    del first  # the file is this one's alone
    again = Written(paths, workspace.cache)
    again.load()
    assert again.total == total == os.path.getsize(paths.metrics)
    log_values(paths.metrics, "loss", [7.0], first=20_000)
    again.read_on()
    whole = again.series()["loss"].whole()
    assert len(again.series()["loss"]) == len(whole) == 20_001
    assert whole.times[3] == 1_800_000_003
    del again
    _, kept = sorted(os.listdir(workspace.cache))
    os.truncate(os.path.join(workspace.cache, kept), 200_000)
    damaged = Written(paths, workspace.cache)
    damaged.load()
    assert damaged.total == 0
    damaged.read_on()
    assert damaged.series()["loss"].whole().values == whole.values


def test_a_log_is_answered_from_its_end_and_a_missing_one_is_empty(workspace: WorkspacePaths, ask: Ask) -> None:
    make_run(workspace, "one", log=b"one\ntwo\nthree\n")
    assert ask("/api/runs/one/log", size="8") == {
        "rank": "0", "start": 8, "end": 14, "size_bytes": 14, "text": "three\n", "at_start": False,
    }  # fmt: skip
    assert [ask("/api/runs/one/log", size="12", lines=lines)["start"] for lines in ("1", "2", "3", "0")] == [8, 4, 4, 8]
    assert ask("/api/runs/one/log", rank="7")["text"] == ""
    assert ask("/api/runs/one/log", find="TWO", **{"from": "0"})["match"] == {"start": 4, "end": 7}
    assert ask("/api/runs/one/log/first-error")["start"] is None


def test_a_run_that_was_deleted_is_not_found_and_the_table_goes_on(workspace: WorkspacePaths, ask: Ask) -> None:
    from trainconf.errors import RunNotFoundError

    paths = make_run(workspace, "one")
    make_run(workspace, "two")
    assert len(ask("/api/runs")["rows"]) == 2
    shutil.rmtree(paths.run_dir)
    assert [row["id"] for row in ask("/api/runs")["rows"]] == ["two"]
    for path in ("/api/runs/one", "/api/runs/one/log"):
        with pytest.raises(RunNotFoundError):
            ask(path)


def test_an_answer_is_json_whatever_was_logged(workspace: WorkspacePaths, ask: Ask) -> None:
    from trainconf.page.wire import encode

    make_run(workspace, "one", metrics={"val_accuracy": float("nan")})
    assert json.loads(encode(ask("/api/runs")))["rows"][0]["metric"]["last"] == "NaN"


@pytest.mark.parametrize(("query", "ids"), [
    ({}, "3210"), ({"filter": "RUN-1"}, "1"), ({"filter": "run status:Completed,Failed params.lr>=1"}, "321"),
    ({"filter": "tag:paper"}, "32"),
    ({"filter": "tag:paper=\"it's\" note-3"}, "3"), ({"filter": "params.lr > 0 and params.lr < 3"}, "21"), ({"archived": "1"}, "4"),
    ({"filter": "run", "sort": "metrics.val_accuracy:max", "order": "asc"}, "0123"), ({"sort": "params.lr"}, "3210"),
    ({"filter": "nothing"}, ""), ({"filter": "'run-2' experiment:digits"}, "2"),
])  # fmt: skip
def test_the_command_of_a_table_lists_its_runs_in_its_order(
    workspace: WorkspacePaths, ask: Ask, query: dict[str, str], ids: str, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for number in range(5):
        run = make_run(workspace, f"run-{number}", "digits", at=number, metrics={"val_accuracy": number / 10}, params={"lr": number})
        labels.note([run], f"Note-{number}")
        labels.tag([run], {"paper": "it's"} if number > 1 else {})
        labels.archive([run], archived=number == 4)
    found = ask("/api/runs", **query)
    assert [row["id"] for row in found["rows"]] == [f"run-{number}" for number in ids]
    monkeypatch.chdir(workspace.root)
    program, verb, *words = shlex.split(found["command"])
    assert (program, verb) == ("trainconf", "ls")
    assert ls.run([*words, "--json"]) == 0
    assert [row["run_id"] for row in json.loads(capfd.readouterr().out)] == [row["id"] for row in found["rows"]]


@pytest.mark.parametrize(("runs", "steps", "query"), [
    (40, range(400), {"names": "loss", "buckets": "250"}), (3, range(3000), {"names": "loss,a,b,c,d,e", "buckets": "1000"}),
    (1, [step for _ in range(30) for step in range(1000)], {"names": "loss,a", "buckets": "1000"}),  # each epoch counts from 0
    (40, range(400), {"names": "loss,a", "buckets": "250", "group": "std", "but": "lr"}),
    (40, range(400), {"names": "loss,a", "buckets": "250", "group": "std"}),
])  # fmt: skip
def test_the_curves_that_a_screen_asks_for_are_an_answer_that_may_be_sent(
    workspace: WorkspacePaths, ask: Ask, runs: int, steps: list[int], query: dict[str, str]
) -> None:
    values = [(step * 37 % 101) / 7 * 1e-5 for step in range(len(steps))]
    for number in range(runs):
        paths = make_run(workspace, f"run-{number}", params={"lr": number})
        for name in query["names"].split(","):
            files.append_lines(paths.metrics, [
                {"time": events.text(1_800_000_000 + at / 7), "name": name, "value": value, "step": step}
                for at, (step, value) in enumerate(zip(steps, values, strict=True))
            ])  # fmt: skip
    found = ask("/api/series", runs=",".join(f"run-{number}" for number in range(runs)), smooth="0.9", **query)
    assert len(encode(found)) < ANSWER_BYTES
    groups = len(found.get("groups", range(runs)))
    for name in query["names"].split(","):
        own = [each for each in found["series"] if each["name"] == name]
        assert len({each["run"] for each in own}) == groups
        assert sum(each["count"] for each in own) == groups * len(steps)
        assert max(max(each["max"]) for each in own) == pytest.approx(max(values))

"""`ls` as people see it: the columns it chooses, how they fit a terminal, CSV, groups, and the table that changes."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pyte
import pytest

from trainconf.cli.screen import tables
from trainconf.cli.table.runs import split
from trainconf.history import events
from trainconf.paths import WorkspacePaths
from trainconf.sweeps import journal

from ...history.build import make_run
from ..conftest import ROOT, Verb

LONG = "a_long_name_of_a_param"


@pytest.fixture
def runs(workspace: WorkspacePaths) -> WorkspacePaths:
    """Three runs of one experiment with params that differ and some that do not."""
    for number in range(3):
        params = {"lr": 0.1 * (number + 1), "same": 7, "optim": {"name": ("sgd", "adam")[number % 2]}, LONG: "x" * 30 + str(number)}
        make_run(workspace, f"digits-{number}", at=number * 1_000_000, params=params, metrics={"val_accuracy": 0.5 + number / 10})
    failed = make_run(workspace, "digits-bad", at=9_000_000, states=("NotStarted", "Queued", "Running"), params={"lr": 9, "same": 7})
    events.append(failed, "Failed", exit_code=1, reason="rank 0 ended with exit code 1, and this is a reason that is long")
    return workspace


def on_terminal(workspace: WorkspacePaths, columns: int, *words: str, until: str = "") -> list[str]:
    """What a terminal of so many columns shows of `ls` when it has ended; it is interrupted once `until` is shown."""
    ours, theirs = pty.openpty()
    screen = pyte.Screen(columns, 40)
    stream = pyte.ByteStream(screen)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    argv = [sys.executable, "-m", "trainconf", "ls", *words]
    env = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(argv, cwd=workspace.root, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    end = time.monotonic() + 300
    while time.monotonic() < end:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                stream.feed(os.read(ours, 65536))
            except OSError:
                break
        if until and until in "\n".join(screen.display):
            child.send_signal(signal.SIGINT)
            until = ""
    assert child.wait(300) == 0
    os.close(ours)
    return [line.rstrip() for line in screen.display if line.strip()]


def test_the_params_that_differ_and_the_metric_are_columns_and_failures_have_their_reason(runs: WorkspacePaths, verb: Verb) -> None:
    lines = verb("ls").out.splitlines()
    expected = ["run", "status", "experiment", "created", "(UTC)", "duration", "val_accuracy", "lr", "optim.name", LONG, "reason"]
    assert lines[0].split() == expected
    assert lines[1].startswith("digits-bad  Failed")
    assert lines[1].endswith("this is a reason that is long")
    assert lines[2].split()[-3:] == ["0.3", "sgd", "x" * 30 + "2"]


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_a_table_fits_the_terminal_and_names_what_it_leaves_out(runs: WorkspacePaths, columns: int) -> None:
    lines = on_terminal(runs, columns)
    assert lines[0].startswith("run         status     ")
    assert [line.split()[0] for line in lines[1:5]] == ["digits-bad", "digits-2", "digits-1", "digits-0"]  # none was wrapped
    said = "".join(lines[5:]).replace(" ", "")
    assert "val_accuracy" in lines[0]
    for name in ("created (UTC)", LONG):
        assert name in lines[0] or name.replace(" ", "") in said
    assert ("noroom" in said) == (columns < 200)
    assert "reason" in lines[0] or columns < 60


def test_columns_are_chosen_in_order_and_as_expressions(runs: WorkspacePaths, verb: Verb) -> None:
    said = verb("ls", "--columns", "params.lr*2, run,max(metrics.val_accuracy),status", "--where", "params.lr < 0.25")
    lines = said.out.splitlines()
    assert lines[0].split() == ["params.lr*2", "run", "max(metrics.val_accuracy)", "status"]
    assert lines[1].split() == ["0.4", "digits-1", "0.6", "Completed"]
    objects = json.loads(verb("ls", "--columns", "run,params.lr", "--json", "--limit", "1").out)
    assert objects == [{"run": "digits-bad", "params.lr": 9}]


def test_changed_shows_only_what_differs(runs: WorkspacePaths, verb: Verb) -> None:
    header = verb("ls", "--changed", "--status", "Completed").out.splitlines()[0]
    assert header.split() == ["run", "val_accuracy", "lr", "optim.name", LONG]
    rows = list(csv.DictReader(io.StringIO(verb("ls", "--changed", "--csv").out)))
    assert "params.lr" in rows[0]
    assert "params.same" not in rows[0]


def test_csv_has_every_param_metric_and_tag(workspace: WorkspacePaths, verb: Verb) -> None:
    make_run(workspace, "one", params={"a": [1, 2], "b": {"c": "x,\n\"y\""}}, metrics={"loss": 0.25}, tags={"owner": "me"})
    make_run(workspace, "two", at=1, params={"d": True}, metrics={"acc": float("nan")})
    for words in ((), ("--limit", "0")):
        rows = list(csv.DictReader(io.StringIO(verb("ls", "--csv", *words).out)))
        assert [row["run_id"] for row in rows] == ["two", "one"]
        assert rows[1]["params.a"] == "[1,2]"
        assert rows[1]["params.b.c"] == 'x,\\n"y"'
        assert (rows[1]["metrics.loss"], rows[1]["tags.owner"], rows[0]["params.d"], rows[0]["params.a"]) == ("0.25", "me", "True", "")


def test_all_runs_come_with_limit_0_in_every_form(runs: WorkspacePaths, verb: Verb) -> None:
    assert len(verb("ls", "--limit", "0").out.splitlines()) == 5
    assert len(json.loads(verb("ls", "--limit", "0", "--json").out)) == 4
    assert verb("ls", "--json").out == verb("ls", "--limit", "0", "--json").out
    assert verb("ls", "--json", "--where", "params.lr > 99").out == "[]\n"


RAW = 81559 * 2**20


@pytest.mark.parametrize("words", [
    ("ls",), ("ls", "--columns", "run,max(metrics.memory_bytes)"), ("ls", "--group", "experiment"), ("show", "one"), ("metrics", "one"),
    ("metrics", "one", "memory_bytes", "--table"), ("compare", "one", "two"),
    ("sweep", "show", "s"), ("sweep", "ls"), ("sweep", "best", "s"),
], ids=" ".join)  # fmt: skip
def test_a_person_reads_bytes_in_a_unit_and_a_program_reads_them_raw(workspace: WorkspacePaths, verb: Verb, words: tuple[str, ...]) -> None:
    metric = {"name": "memory_bytes", "goal": "maximize"}
    made = [make_run(workspace, name, metric=metric, metrics={"memory_bytes": value}) for name, value in (("one", RAW), ("two", 1))]
    home = make_run(workspace, "s", "iris", states=("Running", "Completed"), parent="of nobody")
    with open(home.sweep, "w") as stream:
        json.dump({"sweep_id": "s", "metric": metric}, stream)
    journal.ask(home, [journal.Entry(number, {}, [], paths) for number, paths in enumerate(made)])
    said = verb(*words)
    assert "79.65 GiB" in said.out + said.err
    assert str(RAW) not in said.out + said.err
    raw = {"--json": ("ls", "show", "metrics", "compare", "sweep"), "--csv": ("ls", "metrics", "compare")}
    for flag, verbs in raw.items():
        if words[0] in verbs and words[:2] != ("sweep", "best") and "--table" not in words:
            assert str(RAW) in verb(*words, flag).out


def test_groups_have_counts_and_the_best(workspace: WorkspacePaths, verb: Verb) -> None:
    for number in range(3):
        make_run(workspace, f"sweep-1_{number}", at=number, parent="sweep-1", metrics={"val_accuracy": number / 10})
    make_run(workspace, "bad", "iris", at=9, states=("NotStarted", "Failed"), exit_code=1, parent="sweep-1")
    make_run(workspace, "alone", at=10)
    lines = verb("ls", "--group", "sweep").out.splitlines()
    assert lines[1].split()[:4] == ["alone", "1", "1", "Completed"]
    assert lines[2].startswith("sweep-1       4     3 Completed, 1 Failed  val_accuracy 0.2  sweep-1_2")
    found = json.loads(verb("ls", "--group", "experiment", "--json").out)
    assert [(each["name"], each["runs"], each["best"]) for each in found] == [
        ("digits", 4, {"run_id": "sweep-1_2", "value": 0.2}), ("iris", 1, None),
    ]  # fmt: skip
    assert verb("ls", "--group", "sweep", "--csv").out.splitlines()[0].startswith("name,kind,experiment_name,runs")


@pytest.mark.parametrize(("words", "said"), [
    (("--group", "sweep", "--sort", "age"), "--group does not go with --sort"),
    (("--changed", "--json"), "--changed chooses columns by itself"),
    (("--csv", "--json"), "not allowed with"),
    (("--watch",), "--watch needs a terminal"),
    (("--group", "day"), "invalid choice"),
    (("--sort", "-metrics.los"), "there is no metric 'los'"),
    (("--columns", "runn"), "nearest  run"),
    (("--where", "params.lr >"), "--where"),
    (("--where", "params.same == 'x'"), "params.same holds numbers, never texts"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused_before_anything_is_printed(
    runs: WorkspacePaths, verb: Verb, words: tuple[str, ...], said: str
) -> None:
    answer = verb("ls", *words)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


def test_a_condition_that_no_run_meets_is_no_failure(runs: WorkspacePaths, verb: Verb) -> None:
    answer = verb("ls", "--where", "params.lr > 99")
    assert (answer.code, answer.out) == (0, "")
    assert "no runs with where params.lr > 99" in answer.err


def test_a_damaged_run_is_named_and_the_others_are_found(runs: WorkspacePaths, verb: Verb) -> None:
    Path(runs.run("digits", "digits-1").record).write_text("{")
    answer = verb("ls", "--sort", "-metrics.val_accuracy")
    assert "digits-1 is damaged" in answer.err
    assert "digits-2" in answer.out
    assert "digits-1" in answer.out


def test_the_table_that_changes_ends_with_ctrl_c_and_leaves_the_last_one(runs: WorkspacePaths) -> None:
    lines = on_terminal(runs, 100, "--watch", "--where", "params.lr < 1", until="digits-0")
    assert [line.split()[0] for line in lines[:4]] == ["run", "digits-2", "digits-1", "digits-0"]


def test_reading_for_long_is_told_once_where_nobody_watches(runs: WorkspacePaths, monkeypatch: pytest.MonkeyPatch, verb: Verb) -> None:
    monkeypatch.setattr("trainconf.cli.screen.waits.FIRST_S", 0.0)
    monkeypatch.setattr("trainconf.cli.screen.waits.EVERY_S", 0.0)
    told = verb("ls", "--reindex").err.splitlines()
    assert told[0] == "reading runs into the index"
    assert told[1].startswith("reading runs into the index: done in ")
    assert len([line for line in told if line.startswith("reading")]) == 2


@pytest.mark.parametrize(("text", "expected"), [
    ("run, status", ["run", "status"]), ("max(metrics.a),b", ["max(metrics.a)", "b"]), ('params["a,b"],x', ['params["a,b"]', "x"]),
    (" , ", []),
])  # fmt: skip
def test_expressions_are_split_at_commas_that_stand_between_them(text: str, expected: list[str]) -> None:
    assert split(text) == expected


def test_narrow_columns_come_first_and_what_is_needed_always() -> None:
    def column(width: int, **more: Any) -> tables.Column:
        return tables.Column("x" * width, **more)

    columns = [column(10, is_needed=True), column(30), column(5), column(40, is_cut=True), column(8)]
    assert tables.fitting(columns, 45) == ([0, 2, 3, 4], [1])
    assert columns[3].widest == 45 - 10 - 5 - 8 - 6
    assert tables.fitting([column(50, is_needed=True), column(5)], 20) == ([0], [1])
    assert tables.fitting(columns, None) == ([0, 1, 2, 3, 4], [])


def test_before_many_runs_are_read_the_newest_are_told_at_once(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainconf.control import history

    for number in range(3):
        make_run(workspace, f"digits-2026112{number}-0532-aaa{3 - number}")
    make_run(workspace, "foreign", "a-20991231")
    assert history.first_answer(workspace, 2) == []
    monkeypatch.setattr(history, "MANY_UNREAD", 4)
    newest = [row.fields["run_id"] for row in history.first_answer(workspace, 2)]
    assert newest == ["digits-20261122-0532-aaa1", "digits-20261121-0532-aaa2"]
    assert len(history.ls(workspace)) == 4
    assert history.first_answer(workspace, 2) == []  # there is an index now


def test_ls_without_words_is_ls_with_every_default(runs: WorkspacePaths, verb: Verb) -> None:
    assert verb("ls").out == verb("ls", "--limit", "50").out

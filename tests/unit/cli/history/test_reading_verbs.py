"""ls, show, logs, wait and cancel on runs that were made by hand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from trainconf import files
from trainconf.history import events, liveness
from trainconf.paths import WorkspacePaths

from ...history.build import make_run, write_json
from ..conftest import ROOT, Verb, start

SECOND = 1_000_000
SLOW = {
    "hydra", "omegaconf", "yaml", "dataclasses", "typing", "pathlib", "tempfile", "logging", "subprocess", "secrets", "importlib.metadata",
}  # fmt: skip
QUEUED = ("NotStarted", "Queued")


def test_ls_shows_the_newest_first_with_the_metric(workspace: WorkspacePaths, verb: Verb) -> None:
    make_run(workspace, "run-1", metrics={"val_accuracy": 0.9312345678, "loss": 3.0})
    make_run(workspace, "run-2", at=SECOND, states=("NotStarted", "Running", "Failed"), exit_code=3)
    said = verb("ls")
    header, second, first = said.out.splitlines()
    assert header.split() == ["run", "status", "experiment", "created", "(UTC)", "duration", "val_accuracy"]
    assert second.split()[:3] == ["run-2", "Failed", "digits"]
    assert first.split()[-2:] == ["2.0s", "0.931235"]
    assert (said.code, said.err) == (0, "")


def test_ls_names_the_metric_in_each_row_when_experiments_differ(workspace: WorkspacePaths, verb: Verb) -> None:
    make_run(workspace, "run-1", metrics={"val_accuracy": 0.5})
    make_run(workspace, "run-2", "iris", metrics={"loss": 3.0}, metric={"name": "loss"})
    out = verb("ls").out
    assert "val_accuracy 0.5\n" in out
    assert "loss 3\n" in out


def test_ls_prints_json_for_other_programs(workspace: WorkspacePaths, verb: Verb) -> None:
    make_run(workspace, "run-1", metrics={"loss": float("nan")})
    found = json.loads(verb("ls", "--json").out)
    assert [run["run_id"] for run in found] == ["run-1"]
    assert found[0]["metrics"] == {"loss": "NaN"}
    assert found[0]["created"].endswith("Z")
    assert json.loads(verb("ls", "none", "--json").out) == []


def test_ls_narrows_limits_and_says_what_it_left_out(workspace: WorkspacePaths, verb: Verb) -> None:
    for number in range(3):
        make_run(workspace, f"run-{number}", at=number * SECOND)
    said = verb("ls", "--limit", "2")
    assert "run-0" not in said.out
    assert "latest 2" in said.err
    assert "run-0" in verb("ls", "--limit", "0").out
    assert "run-0" in verb("ls", "digits", "--status", "completed").out
    assert verb("ls", "--experiment", "digits", "--status", "Failed").out == ""


def test_ls_of_nothing_says_so_and_is_no_failure(workspace: WorkspacePaths, verb: Verb) -> None:
    said = verb("ls")
    assert (said.code, said.out) == (0, "")
    assert "no runs yet" in said.err
    assert "no runs with experiment x and status Failed" in verb("ls", "x", "--status", "failed").err
    assert os.listdir(workspace.root) == ["conf"]


@pytest.mark.parametrize(
    "words", [("--limit", "-1"), ("--limit", "x"), ("--status", "Done"), ("a", "--experiment", "b"), ("--jso",), ("a", "b")]
)
def test_ls_refuses_what_it_does_not_know(workspace: WorkspacePaths, verb: Verb, words: tuple[str, ...]) -> None:
    said = verb("ls", *words)
    assert (said.code, said.out) == (2, "")
    assert "usage" in said.err
    assert "Traceback" not in said.err


def test_ls_reindex_reads_every_run_again(workspace: WorkspacePaths, verb: Verb) -> None:
    paths = make_run(workspace)
    verb("ls")
    files.append_line(paths.metrics, {"name": "val_accuracy", "value": 0.25})
    said = verb("ls", "--reindex")
    assert "0.25" in said.out
    assert "read 1 runs again" in said.err


def test_show_tells_everything(workspace: WorkspacePaths, verb: Verb) -> None:
    paths = make_run(workspace, metrics={"loss": 0.25}, display_name="a\x1b[31mname", log=b"12345")
    write_json(paths.git, {"repository": "https://host/x", "branch": "main", "commit": "abc", "dirty": True, "untracked_count": 2})
    with open(os.path.join(paths.outputs, "model.npz"), "wb") as stream:
        stream.write(b"x" * 1500)
    out = verb("show", "last").out
    for words in (
        "Completed", "experiment    digits", "python train.py --lr 0.1", "optim.name  sgd", "loss  0.25", "who  me", "https://host/x",
        "untracked   2", "47.68 MiB", "outputs/model.npz", "1.5 kB", "a\\x1b[31mname", "minimal",
    ):  # fmt: skip
        assert words in out
    assert "\x1b" not in out


def test_show_gives_the_reason_of_a_lost_run(workspace: WorkspacePaths, verb: Verb) -> None:
    make_run(workspace, states=QUEUED, agent={**liveness.identity(), "boot_id": "before"})
    out = verb("show", "last").out
    assert "NotResponding" in out
    assert "machine was restarted" in out


def test_show_prints_one_json_object(workspace: WorkspacePaths, verb: Verb) -> None:
    make_run(workspace)
    found = json.loads(verb("show", "digits", "--json").out)
    assert found["spec"]["code"]["script"] == "train.py"
    assert found["status"] == "Completed"


def test_show_origin_prints_where_each_value_came_from(workspace: WorkspacePaths, verb: Verb) -> None:
    make_run(workspace, config={"params": {"lr": 0.1}, "retries": 0}, origins={"params.lr": "command line: params.lr=0.1"})
    said = verb("show", "last", "--origin")
    assert said.out.splitlines() == ["params.lr = 0.1  <- command line: params.lr=0.1", "retries = 0      <- default"]
    assert json.loads(verb("show", "last", "--origin", "--json").out)["config"] == {"params": {"lr": 0.1}, "retries": 0}


def test_show_origin_of_a_run_without_them_says_so(workspace: WorkspacePaths, verb: Verb) -> None:
    make_run(workspace)
    said = verb("show", "last", "--origin")
    assert (said.code, said.out) == (1, "")
    assert "no recorded origins" in said.err


@pytest.mark.parametrize("name", ["show", "logs", "wait", "cancel"])
def test_an_unknown_run_is_a_user_s_mistake(workspace: WorkspacePaths, verb: Verb, name: str) -> None:
    make_run(workspace, "digits-1")
    said = verb(name, "digist-1")
    assert (said.code, said.out) == (2, "")
    assert "nearest" in said.err
    assert "digits-1" in said.err
    assert "hint: `trainconf ls`" in said.err


def test_logs_copies_bytes_as_they_are(workspace: WorkspacePaths) -> None:
    data = bytes(range(256)) * 1000
    paths = make_run(workspace, log=data)
    with open(paths.log(1), "wb") as stream:
        stream.write(b"rank one")
    with open(paths.agent_log, "wb") as stream:
        stream.write(b"agent")
    assert start("logs", "last").communicate() == (data, b"")
    assert start("logs", "last", "--rank", "1").communicate()[0] == b"rank one"
    assert start("logs", "last", "--agent").communicate()[0] == b"agent"
    assert b"ranks are 0, 1" in start("logs", "last", "--rank", "7").communicate()[1]


def test_logs_follow_prints_what_comes_and_ends_with_the_run(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, states=QUEUED, log=b"one\n")
    with files.FileLock(paths.lock):
        process = start("logs", "-f", "last")
        assert process.stdout is not None
        assert process.stdout.readline() == b"one\n"
        with open(paths.log(0), "ab") as stream:
            stream.write(b"two")
            stream.flush()
            assert process.stdout.read(3) == b"two"
            stream.write(b" three")
        events.append(paths, "Failed", exit_code=3)
        assert process.communicate() == (b" three", b"")
        assert process.returncode == 0


def test_logs_follow_ends_quietly_when_interrupted_or_unread(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, states=QUEUED, log=b"one\n")
    with files.FileLock(paths.lock):
        process = start("logs", "-f", "last")
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.communicate() == (b"", b"")
        assert process.returncode == 130
        process = start("logs", "-f", "last")
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait() == 141
        assert process.stderr.read() == b""
        process.stderr.close()


def test_logs_follow_of_a_lost_run_says_so(workspace: WorkspacePaths, verb: Verb) -> None:
    make_run(workspace, states=QUEUED, log=b"so far")
    said = verb("logs", "-f", "last")
    assert (said.code, said.out) == (1, "so far")
    assert "NotResponding" in said.err


def test_wait_ends_with_the_first_exit_code_that_is_not_zero(workspace: WorkspacePaths, verb: Verb) -> None:
    for name, code in (("good", 0), ("bad", 3), ("worse", 4)):
        make_run(workspace, name, states=("NotStarted", "Completed" if code == 0 else "Failed"), exit_code=code)
    assert verb("wait", "good").code == 0
    said = verb("wait", "good", "bad", "worse")
    assert said.code == 3
    assert "worse Failed" in said.err


def test_wait_for_a_lost_run_ends_with_words(workspace: WorkspacePaths, verb: Verb) -> None:
    make_run(workspace, states=QUEUED)
    said = verb("wait", "last")
    assert said.code == 1
    assert "NotResponding: the submitter was ended" in said.err


def test_wait_gives_up_after_its_time_limit(workspace: WorkspacePaths, verb: Verb) -> None:
    paths = make_run(workspace, states=QUEUED)
    with files.FileLock(paths.lock):
        said = verb("wait", "last", "--timeout", "0.05")
    assert said.code == 124
    assert "Queued" in said.err


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon"])
def test_wait_refuses_a_time_limit_that_is_none(workspace: WorkspacePaths, verb: Verb, text: str) -> None:
    make_run(workspace)
    assert verb("wait", "last", "--timeout", text).code == 2


def test_cancel_of_an_ended_run_changes_nothing_and_is_no_failure(workspace: WorkspacePaths, verb: Verb) -> None:
    paths = make_run(workspace)
    before = events.read(paths)
    said = verb("cancel", "last")
    assert said.code == 0
    assert "had already ended: Completed" in said.err
    assert events.read(paths) == before


def test_cancel_of_a_lost_run_ends_it_for_good(workspace: WorkspacePaths, verb: Verb) -> None:
    paths = make_run(workspace, states=QUEUED, agent={**liveness.identity(), "boot_id": "before"})
    said = verb("cancel", "last")
    assert said.code == 0
    assert "Canceled" in said.err
    assert liveness.state_of(paths).status == "Canceled"


def test_cancel_with_one_wrong_name_touches_nothing(workspace: WorkspacePaths, verb: Verb) -> None:
    paths = make_run(workspace, states=QUEUED)
    before = events.read(paths)
    assert verb("cancel", paths.run_id, "nonsense").code == 2
    assert events.read(paths) == before


def test_cancel_for_an_unknown_launcher_is_told_and_the_others_go_on(workspace: WorkspacePaths, verb: Verb) -> None:
    strange = make_run(workspace, "strange", states=QUEUED)
    write_json(strange.plan, {"target": "moon"})
    other = make_run(workspace, "other", states=QUEUED)
    said = verb("cancel", "strange", "other")
    assert said.code == 1
    assert "moon" in said.err
    assert liveness.state_of(other).status == "Canceled"


@pytest.mark.parametrize("words", [["ls"], ["show", "last"], ["logs", "last"], ["wait", "last"], ["--help"], ["ls", "--help"]])
def test_reading_loads_neither_hydra_nor_slow_modules(workspace: WorkspacePaths, words: list[str]) -> None:
    make_run(workspace, log=b"x")
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom trainconf.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        f"print('\\nloaded', sorted({SLOW!r} & set(sys.modules)))"
    )
    # -S: what the .pth files of the test environment import is not ours
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, *words], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["loaded []"], done.stderr


def test_show_draws_the_course_of_each_metric(workspace: WorkspacePaths, verb: Verb) -> None:
    paths = make_run(workspace, metrics={"loss": 8.0})
    for step in range(1, 8):
        files.append_line(paths.metrics, {"name": "loss", "value": 8.0 - step, "step": step})
    files.append_line(paths.metrics, {"name": "once", "value": 123.0, "step": 1})
    files.append_line(paths.metrics, {"name": "text", "value": "good", "step": 1})
    lines = [line.split() for line in verb("show", "last").out.splitlines()]
    for row in (["loss", "1", "█▇▆▅▄▃▂▁"], ["once", "123"], ["text", "good"]):
        assert row in lines


@pytest.mark.parametrize(("logged", "told"), [
    ({"f1": 1.0, "accuracy": 0.5}, "no metric 'val_accuracy' was logged; there were accuracy, f1"),
    ({"loss": 1.0}, "no metric 'val_accuracy' was logged; there was loss"),
    ({}, "no metric 'val_accuracy' was logged; there was none at all"),
    ({"val_accuracy": 0.5, "f1": 1.0}, ""),
])  # fmt: skip
def test_show_says_what_was_logged_when_the_metric_was_not(
    workspace: WorkspacePaths, verb: Verb, logged: dict[str, float], told: str
) -> None:  # fmt: skip
    make_run(workspace, "ended", metrics=logged)
    make_run(workspace, "failed", states=("NotStarted", "Failed"))
    out = verb("show", "ended").out
    assert told in out if told else "no metric" not in out
    assert "no metric" not in verb("show", "failed").out

"""The logs of several runs and sweeps, their last lines, those that match, and those of what failed."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from trainconf import files
from trainconf.history import events
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.sweeps import journal

from ...history.build import make_run, write_json
from ..conftest import Verb

LINES = b"".join(b"epoch %d\n" % number for number in range(5))


def sweep_of(workspace: WorkspacePaths, *ends: str, status: str = "Completed") -> RunPaths:
    home = make_run(workspace, "s", states=("Running", status))
    write_json(home.sweep, {"sweep_id": "s"})
    for number, end in enumerate(ends):
        log = b"%d " % number + LINES
        trial = make_run(workspace, f"s_{number}", at=number, states=("NotStarted", "Running", end), parent="s", log=log)
        files.append_line(home.trials, {"run_dir": trial.run_dir})
        journal.ask(home, [journal.Entry(number, {}, [f"params.a={number}"], trial)])
    return home


def test_the_last_lines_and_those_that_match(workspace: WorkspacePaths, verb: Verb) -> None:
    make_run(workspace, "a", log=LINES + b"end")
    assert verb("logs", "a", "--tail", "2").out == "epoch 4\nend\n"
    assert verb("logs", "a", "-n", "0").out == ""
    assert verb("logs", "a", "--grep", "[13]$").out == "epoch 1\nepoch 3\n"
    assert verb("logs", "a", "--grep", "epoch", "--tail", "1").out == "epoch 4\n"
    assert verb("logs", "a", "--grep", "^$").out == ""


def test_several_runs_and_the_trials_of_a_sweep_say_whose_each_line_is(workspace: WorkspacePaths, verb: Verb) -> None:
    sweep_of(workspace, "Completed", "Completed")
    make_run(workspace, "other", log=b"words\n")
    assert verb("logs", "s", "--tail", "1").out == "[trial 0] epoch 4\n[trial 1] epoch 4\n"
    assert verb("logs", "s:1", "--tail", "1").out == "epoch 4\n"
    assert verb("logs", "other", "s:0", "--tail", "1").out == "[other] words\n[s_0]   epoch 4\n"
    assert verb("logs", "other", "s", "--grep", "0 epoch|words").out == "[other] words\n[s_0]   0 epoch 0\n"


def test_following_a_sweep_shows_trials_that_begin_later_and_ends_with_it(workspace: WorkspacePaths, verb: Verb) -> None:
    home = sweep_of(workspace, "Running", status="Running")
    trial = workspace.run("digits", "s_0")
    home_lock, lock = files.FileLock(home.lock), files.FileLock(trial.lock)
    home_lock.acquire()
    lock.acquire()

    def go_on() -> None:
        time.sleep(0.3)
        events.append(trial, "Failed", exit_code=3, reason="exit code 3")
        later = make_run(workspace, "s_1", log=b"later\n")
        journal.ask(home, [journal.Entry(1, {}, [], later)])
        time.sleep(0.3)
        events.append(home, "Completed")
        lock.release()
        home_lock.release()

    thread = threading.Thread(target=go_on)
    thread.start()
    said = verb("logs", "-f", "s", "--tail", "1")
    thread.join()
    assert (said.code, said.out) == (0, "[trial 0] epoch 4\n[trial 1] later\n")
    assert said.err == "s_0 Failed: exit code 3\n"


def test_what_failed_is_shown_with_its_last_lines_and_where_to_read_more(workspace: WorkspacePaths, verb: Verb) -> None:
    sweep_of(workspace, "Completed", "Failed", "Failed")
    make_run(workspace, "iris-1", "iris", states=("NotStarted", "Failed"), log=b"no data\n", at=9)
    assert verb("logs", "s", "--failed", "--tail", "1").out.splitlines() == [
        "s_1 Failed", "  epoch 4", "  more: trainconf logs s_1",
        "s_2 Failed", "  (the same last lines as s_1)", "  more: trainconf logs s_2",
    ]  # fmt: skip
    assert verb("logs", "iris", "--failed").out.splitlines() == ["iris-1 Failed", "  no data", "  more: trainconf logs iris-1"]
    assert [line for line in verb("logs", "--failed").out.splitlines() if line[0] != " "] == ["iris-1 Failed", "s_2 Failed", "s_1 Failed"]
    said = verb("logs", "s:0", "--failed")
    assert (said.code, said.out, said.err) == (0, "", "none of 1 runs has failed\n")


def test_since_goes_by_the_times_in_the_lines_and_says_where_there_are_none(workspace: WorkspacePaths, verb: Verb) -> None:
    now = time.time()
    stamps = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 60 * ago)) for ago in (90, 40, 5)]
    make_run(workspace, "timed", log="".join(f"{stamp} step\n" for stamp in stamps).encode())
    assert verb("logs", "timed", "--since", "1h").out == f"{stamps[1]} step\n{stamps[2]} step\n"
    assert verb("logs", "timed", "--since", stamps[2].removesuffix("Z")).out == f"{stamps[2]} step\n"
    assert verb("logs", "timed", "--since", "1h", "--tail", "1").out == f"{stamps[2]} step\n"
    silent = make_run(workspace, "silent", log=LINES)
    said = verb("logs", "silent", "--since", "1h")
    assert said.out == LINES.decode()
    assert "hold no times" in said.err
    os.utime(silent.log(0), (now - 9999, now - 9999))
    said = verb("logs", "silent", "--since", "1h")
    assert (said.out, said.err) == ("", "")


@pytest.mark.parametrize("words", [
    (), ("a", "--tail", "-1"), ("a", "--since", "soon"), ("a", "--since", ""), ("a", "--since", "inf"), ("a", "--grep", "["),
    ("nobody", "a"), ("a", "--failed", "-f"), ("a", "--failed", "--grep", "x"), ("a", "--failed", "--rank", "0"),
    ("nobody", "--failed"), ("../a", "--failed"),
])  # fmt: skip
def test_what_makes_no_sense_is_a_mistake(workspace: WorkspacePaths, verb: Verb, words: tuple[str, ...]) -> None:
    make_run(workspace, "a")
    said = verb("logs", *words)
    assert (said.code, said.out) == (2, "")
    assert "Traceback" not in said.err


def test_a_log_that_is_a_fifo_or_a_link_is_not_read(workspace: WorkspacePaths, verb: Verb, tmp_path: Path) -> None:
    paths = make_run(workspace, "a")
    os.unlink(paths.log(0))
    os.symlink("/etc/passwd", paths.log(0))
    for words in (("logs", "a", "--tail", "3"), ("logs", "a", "--grep", "root")):
        assert "root" not in verb(*words).out

"""What a person is told who waits for a run at the terminal."""

from __future__ import annotations

import json
import os
import re
import time

from tests.conftest import Shell, wait_for
from trainconf.history import liveness


def is_alive(pid: int) -> bool:
    try:
        return bool(liveness.is_alive(liveness.identity(pid)))
    except ProcessLookupError:
        return False


def test_every_failed_attempt_is_told_with_what_follows(shell: Shell) -> None:
    shell.write("train.py", "raise SystemExit(3)\n")
    answer = shell(*shell.script("retries=2", "retry_backoff_seconds=0.2"))
    assert answer.code == 3
    assert "exit code 3; attempt 2 starts in 0.2 s\nexit code 3; attempt 3 starts in 0.4 s\nmore: trainconf logs adhoc-" in answer.err
    assert answer.err.endswith(" s: exit code 3\n")


def test_a_run_that_was_removed_while_it_ran_is_not_responding_and_its_agent_does_not_stay(shell: Shell) -> None:
    agent = shell.home / "agent"  # its log goes with the rest
    job = f"import os, shutil\nopen({str(agent)!r}, 'w').write(str(os.getppid()))\nshutil.rmtree(os.environ['TRAINCONF_RUN_DIR'])\n"
    shell.write("train.py", job)
    answer = shell(*shell.script())
    assert answer.code == 1
    assert answer.err.endswith("NotResponding: its events.jsonl was removed\n")
    deadline = time.monotonic() + 300
    pid = int(agent.read_text())
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(pid)


def test_output_that_cannot_be_shown_is_told_and_the_run_decides_all_the_same(shell: Shell) -> None:
    shell.write("train.py", "print('words')\nraise SystemExit(5)\n")
    with open("/dev/full", "wb") as full:
        answer = shell(*shell.script(), before=lambda: os.dup2(full.fileno(), 1))
    assert answer.code == 5
    assert "the output cannot be shown: No space left on device; the run goes on" in answer.err


def test_a_run_goes_on_when_nobody_reads_its_output_any_more_and_that_is_told(shell: Shell) -> None:
    shell.write("train.py", "import time\nprint('words', flush=True)\ntime.sleep(0.5)\nopen('outputs/end', 'w').close()\n")
    reader, writer = os.pipe()
    os.close(reader)
    answer = shell(*shell.script(), before=lambda: os.dup2(writer, 1))
    os.close(writer)
    assert answer.code == 141
    assert "Broken pipe; the run goes on" in answer.err
    assert shell("wait", "last").code == 0


def test_a_run_that_was_started_with_all_its_channels_closed_is_a_run(shell: Shell) -> None:
    shell.write("train.py", "print('words')\n")
    answer = shell(*shell.script(), before=lambda: os.closerange(0, 3))
    assert answer.code == 0
    (run_dir,) = shell.run_dirs()
    assert (run_dir / "logs/std_log.txt").read_text() == "words\n"


def test_without_a_home_the_first_run_of_a_folder_leaves_only_itself_in_runs(shell: Shell) -> None:
    shell.write("train.py", "from trainconf import Run\nRun.get_context().log('loss', 1)\n")
    assert shell(*shell.script(), env={"HOME": "/proc", "XDG_CACHE_HOME": ""}).code == 0
    (run_dir,) = shell.run_dirs()
    assert (run_dir / "metrics.jsonl").exists()


def test_when_another_rank_fails_its_last_words_come_after_the_output_of_rank_0(shell: Shell) -> None:
    shell.write(
        "train.py",
        "import os, pathlib, time\n"
        "rank = os.environ['RANK']\n"
        "print('rank', rank, flush=True)\n"
        "logs = [pathlib.Path('../logs', name) for name in ('std_log.txt', 'std_log_rank_1.txt')]\n"  # beside code/, where it runs
        "while rank == '2' and not all(log.exists() and log.read_text() for log in logs): time.sleep(0.01)\n"
        "assert rank != '2', 'bad batch'\n"
        "time.sleep(600)\n",
    )
    answer = shell(*shell.script("distributed=pytorch", "distributed.process_count=3"))
    assert (answer.code, answer.out) == (1, "rank 0\n")
    _, heading, *words, more, end = answer.err.splitlines()
    assert heading == "rank 2 failed: exit code 1; the last lines of its output, logs/std_log_rank_2.txt:"
    assert (words[0], words[-1]) == ("  rank 2", "  AssertionError: bad batch")
    assert more.startswith("  more: trainconf logs adhoc-")
    assert more.endswith(" --rank 2")
    assert re.fullmatch(r"Failed in \d+\.\d s: rank 2: exit code 1", end)
    assert "distributed  pytorch, 3 processes on 1 node\n" in shell("show", "last").out
    assert json.loads(shell("show", "last", "--json").out)["events"][-1]["rank"] == 2
    everything = shell("logs", "last", "--all").out.splitlines()
    assert everything[:3] == ["[rank 0] rank 0", "[rank 1] rank 1", "[rank 2] rank 2"]
    assert everything[-1] == "[rank 2] AssertionError: bad batch"


def test_show_of_a_run_that_waits_says_who_holds_its_slot(shell: Shell) -> None:
    shell.write("train.py", "import time\ntime.sleep(60)\n")
    words = ("compute.slots=1", "submit.detach=true")
    holder = shell(*shell.script(*words)).out.strip()
    wait_for(lambda: "Running" in shell("show", holder).out)
    waiting = shell(*shell.script(*words)).out.strip()
    wait_for(lambda: "waits for" in shell("show", waiting).out)
    (line,) = [line for line in shell("show", waiting).out.splitlines() if "waits for" in line]
    assert f"a slot of this machine, place 1 in the queue, held by slot-0: {holder} (pid " in line
    assert shell("cancel", holder, waiting).code == 0
    assert "waits for" not in shell("show", waiting).out

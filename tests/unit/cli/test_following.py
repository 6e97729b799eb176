"""What a person is told who waits for a run at the terminal."""

from __future__ import annotations

import time

from tests.conftest import Shell
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
    assert "exit code 3; attempt 2 starts in 0.2s\nexit code 3; attempt 3 starts in 0.4s\nFailed, exit code 3" in answer.err


def test_a_run_that_was_removed_while_it_ran_is_not_responding_and_its_agent_does_not_stay(shell: Shell) -> None:
    shell.write("train.py", "import os, shutil\nprint(os.getppid(), flush=True)\nshutil.rmtree(os.environ['TRAINCONF_RUN_DIR'])\n")
    answer = shell(*shell.script())
    assert answer.code == 1
    assert answer.err.endswith("NotResponding, its events.jsonl was removed\n")
    deadline = time.monotonic() + 60
    while is_alive(int(answer.out)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(int(answer.out))

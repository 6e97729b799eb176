"""Ends of attempts in words and codes, and what they consumed."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest

from trainconf.agent import outcome


def ended(action: str) -> int:
    """The wait status of a process that did that."""
    pid = os.fork()
    if pid == 0:
        if action.startswith("exit"):
            os._exit(int(action.split()[1]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), signal.Signals[action])
    return os.waitpid(pid, 0)[1]


def test_an_exit_code_is_kept() -> None:
    end = outcome.failure(ended("exit 3"), 0, 1, 0)
    assert (end.state, end.exit_code, end.reason, end.rank, end.may_retry) == ("Failed", 3, "exit code 3", 0, True)


def test_a_signal_is_128_more_and_named() -> None:
    end = outcome.failure(ended("SIGTRAP"), 2, 4, 0)
    assert (end.exit_code, end.reason) == (133, "rank 2: killed by SIGTRAP")


def test_a_kill_says_whether_the_kernel_ran_out_of_memory() -> None:
    status = ended("SIGKILL")
    assert "out-of-memory killer ended a process at that time" in outcome.failure(status, 0, 1, 1).reason
    assert "memory" not in outcome.failure(status, 0, 1, 0).reason
    assert "more memory than Slurm gave it" in outcome.failure(ended("exit 1"), 0, 1, 1, 1).reason


def test_the_kernels_count_of_memory_kills_is_read() -> None:
    lines = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    assert outcome.count_oom_kills() == int(lines["oom_kill"])


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (FileNotFoundError(2, "No such file", "prog"), 127, "'prog' was not found on PATH (/a:/b)"),
        (PermissionError(13, "denied", "prog"), 126, "is not executable"),
        (OSError(8, "Exec format error", "prog"), 126, "Exec format error"),
        (FileNotFoundError(2, "No such file", "/the/cwd"), 126, "working directory '/the/cwd'"),
        (OSError(28, "No space left on device", "/the/log"), 126, "log file '/the/log' cannot be used: No space left"),
    ],
)
def test_what_could_not_start_is_told_so_that_it_can_be_mended(error: OSError, code: int, words: str) -> None:
    end = outcome.cannot_start(error, ["prog"], "/the/cwd", "/the/log", {"PATH": "/a:/b"})
    assert (end.exit_code, end.may_retry) == (code, False)
    assert words in end.reason


def test_a_script_whose_interpreter_is_missing_is_not_called_missing_itself(tmp_path: Path) -> None:
    script = tmp_path / "job.sh"
    script.write_text("#!/no/such/interpreter\n")
    end = outcome.cannot_start(FileNotFoundError(2, "No such file", "./job.sh"), ["./job.sh"], str(tmp_path), "/log", {})
    assert "interpreter its first line names does not exist" in end.reason

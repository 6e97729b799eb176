"""The command of a container, run here by this machine's `sh`: it needs no container to be right or wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainconf.engine import job_shell


class Job:
    """A shell that runs the command, in a process group of its own as the engine's init process would have it."""

    def __init__(self, folder: Path, argv: list[str], text: bytes, environ: dict[str, str] | None = None) -> None:
        self.log, self.usage = folder / "log", folder / "usage"
        self.log.touch()
        self.child = subprocess.Popen(
            job_shell.command(str(self.log), str(self.usage), argv), stdin=subprocess.PIPE, start_new_session=True,
            executable=shutil.which("sh", path=(environ or {}).get("PATH")), env={"PATH": os.environ["PATH"], **(environ or {})},
        )  # fmt: skip
        assert self.child.stdin is not None
        self.child.stdin.write(text)
        self.child.stdin.close()

    def code(self) -> int:
        return self.child.wait(300)


def run(folder: Path, argv: list[str], text: bytes | None = None, environ: dict[str, str] | None = None) -> tuple[int, str]:
    job = Job(folder, argv, job_shell.variables_text({}) if text is None else text, environ)
    return job.code(), job.log.read_text()


# No surrogates but those that stand for undecodable bytes, and no NUL, which no variable can hold.
VALUES = st.binary(max_size=40).map(lambda value: os.fsdecode(value.replace(b"\0", b"")))


@given(values=st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True).map("V_".__add__), VALUES, max_size=4))
def test_every_value_arrives_as_it_is(values: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        job = Job(Path(folder), ["env", "-0"], job_shell.variables_text(values))
        assert job.code() == 0
        lines = os.fsdecode(job.log.read_bytes()).split("\0")
    assert dict(line.split("=", 1) for line in lines if line.startswith("V_")) == values


@pytest.mark.parametrize("shell", ["bash", "dash"])
@pytest.mark.parametrize("value", ["7", "a b'x"])
def test_whatever_name_a_shell_uses_itself_arrives_or_is_refused(tmp_path: Path, shell: str, value: str) -> None:
    """All names that bash knows of itself, sent at once; in an image `sh` may be any of the shells."""
    program, bash = shutil.which(shell), shutil.which("bash")
    if program is None or bash is None:
        pytest.skip(f"there is no {shell} here, or no bash to list the names")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to(program)
    known = subprocess.run([bash, "-c", "compgen -v"], capture_output=True, text=True, check=True).stdout.split()
    values = dict.fromkeys([*known, "BASH_ENV", "ENV", "OPTARG", "CDPATH", "FUNCNEST", "SRANDOM", "EPOCHSECONDS"], value)
    refused = {name for name in values if not job_shell.can_export(name)}
    assert {"UID", "EUID", "PPID", "OPTIND", "SHELLOPTS"} <= refused
    sent = {name: values[name] for name in values.keys() - refused - {"PATH"}}
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    environ = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    ended, log = run(tmp_path, [sys.executable, "-I", "-c", code], job_shell.variables_text(sent), environ)
    assert ended == 0, log
    got = json.loads(log)
    assert {name: got.get(name) for name in sent} == sent


@pytest.mark.parametrize("text", [b"", b"export A='1'\n", b"export A='1", b"export A='1'\n# who"])
def test_nothing_runs_when_the_variables_did_not_arrive_whole(tmp_path: Path, text: bytes) -> None:
    assert run(tmp_path, ["touch", str(tmp_path / "ran")], text) == (job_shell.NOT_STARTED, "")
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "usage").exists()


def test_nothing_runs_when_the_log_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    words = job_shell.command(str(tmp_path / "no" / "log"), str(tmp_path / "usage"), ["touch", str(tmp_path / "ran")])
    assert subprocess.run(words, input=job_shell.variables_text({})).returncode == job_shell.NOT_STARTED
    assert not (tmp_path / "ran").exists()


def test_a_builtin_of_the_shell_is_not_taken_for_a_program(tmp_path: Path) -> None:
    code, log = run(tmp_path, ["exit", "3"])
    assert (code, "not found" in log) == (127, True)


def test_a_program_that_is_not_there_or_cannot_be_executed_is_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x")
    code, log = run(tmp_path, ["no such"])
    assert (code, "no such" in log) == (127, True)
    code, log = run(tmp_path, [str(tmp_path / "text")])
    assert (code, "Permission denied" in log.split("no such")[-1]) == (126, True)


def test_output_is_appended_and_arguments_are_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("before\n")
    words = ["a b", "", "$(x)", "'", '"', "\n", "*", "-e"]
    code, log = run(tmp_path, [sys.executable, "-c", "import sys; print(sys.argv[1:])", *words])
    assert (code, log) == (0, f"before\n{words}\n")


def test_the_jobs_input_is_empty_and_its_signals_are_as_they_were(tmp_path: Path) -> None:
    ignored = "import signal, sys\nprint(repr(sys.stdin.read()), [s for s in range(1, 32) if signal.getsignal(s) == signal.SIG_IGN])"
    before = subprocess.run([sys.executable, "-c", ignored], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout
    assert run(tmp_path, [sys.executable, "-c", ignored]) == (0, before)


def test_a_signal_reaches_the_job_and_its_own_code_is_what_counts(tmp_path: Path) -> None:
    code = "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(7))\nprint('up', flush=True)\ntime.sleep(30)"
    job = Job(tmp_path, [sys.executable, "-c", code], job_shell.variables_text({}))
    while "up" not in job.log.read_text():
        time.sleep(0.01)
    os.killpg(job.child.pid, signal.SIGTERM)
    assert job.code() == 7
    assert job.usage.exists()


def test_a_job_ended_by_a_signal_is_128_and_its_number(tmp_path: Path) -> None:
    assert run(tmp_path, ["sh", "-c", "kill -9 $$"])[0] == 137


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGTERM, signal.SIGKILL])
def test_the_log_of_a_job_ended_by_a_signal_holds_what_the_job_said_and_no_more(tmp_path: Path, number: int) -> None:
    code, log = run(tmp_path, ["sh", "-c", f"echo out; echo err >&2; kill -{number:d} $$"])
    assert (code, log) == (128 + number, "out\nerr\n")


def test_a_folder_is_no_program(tmp_path: Path) -> None:
    job = Job(tmp_path, [str(tmp_path)], job_shell.variables_text({}))
    assert job.code() == 126
    assert job_shell.says(job.usage.read_text(), job_shell.CANNOT_START)


def test_the_job_has_the_umask_it_is_sent_and_no_further_open_file(tmp_path: Path) -> None:
    code = "import os; print(oct(os.umask(0)), sorted(os.listdir('/proc/self/fd'))[:-1])"
    assert run(tmp_path, [sys.executable, "-c", code], job_shell.variables_text({}, "077")) == (0, "0o77 ['0', '1', '2']\n")


def test_usage_is_read_from_either_kind_of_cgroup() -> None:
    assert job_shell.read_usage("cpuacct.usage 1500000000\nmemory.max_usage_in_bytes 4096\n") == (1.5, 4096)
    assert job_shell.read_usage("cpu.stat usage_usec 2500000\nmemory.peak 8192\n") == (2.5, 8192)
    assert job_shell.read_usage("") == (None, None)
    assert job_shell.read_usage("memory.peak max\nnonsense\n") == (None, None)
    assert job_shell.read_oom_kills("cpu.stat usage_usec 2\noom_kill 3\n") == 3
    assert job_shell.read_oom_kills("oom_kill x\noom_kills 2\n") == 0


@pytest.mark.parametrize(
    ("name", "can"),
    [("A_1", True), ("_A", True), ("_", False), ("UID", False), ("1A", False), ("a.b", False), ("a-b", False), ("", False), ("é", False)],
)
def test_a_shell_can_export_what_is_an_identifier_and_not_its_own(name: str, can: bool) -> None:
    assert job_shell.can_export(name) is can

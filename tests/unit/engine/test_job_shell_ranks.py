"""The commands of containers with several ranks, run here by shells of this machine; with MPI by a stand-in for mpirun."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainconf.engine import job_shell

SHELLS = ("sh", "bash")
# As the real ones do: a session for each process, its rank in a variable, and an end of all with the first that fails.
MPIRUN = f"""#!{sys.executable}
import os, subprocess, sys, time
count = int(sys.argv[sys.argv.index("-n") + 1])
words = sys.argv[sys.argv.index("-n") + 2:]
print("mpirun", sys.argv[1:-len(words) - 2], flush=True)
ranks = [subprocess.Popen(words, env={{**os.environ, "PMI_RANK": str(rank)}}, start_new_session=True) for rank in range(count)]
while True:
    codes = [rank.poll() for rank in ranks]
    if any(codes):
        [rank.kill() for rank in ranks]
        sys.exit(next(filter(None, codes)))
    if None not in codes:
        sys.exit(0)
    time.sleep(0.01)
"""


class Node:
    """A shell that runs several ranks, in a process group of its own as the engine's init process would have it."""

    def __init__(
        self, folder: Path, program: list[str], *, count: int = 3, shell: str = "sh", mpirun: list[str] | None = None, path: str = "",
    ) -> None:  # fmt: skip
        self.folder, self.count, self.mpirun = folder, count, mpirun
        for rank in range(count):
            self.log(rank).touch()
        files = str(self.log(0)), str(folder / "usage"), str(folder / "ends"), range(count)
        words = job_shell.ranks_command(*files, program) if mpirun is None else job_shell.mpi_command(*files, mpirun, program)
        ranks = [(rank, str(self.log(rank)), {"RANK": str(rank), "OWN": f"it's\n{rank}"}) for rank in range(count)]
        environ = {"PATH": path or f"{folder}:{os.environ['PATH']}"}
        argv = [shutil.which(shell) or shell, *words[1:]]
        self.child = subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True, env=environ)
        assert self.child.stdin is not None
        self.child.stdin.write(job_shell.variables_text({"COMMON": "a b", "IFS": "0"}, ranks=ranks))
        self.child.stdin.close()

    def log(self, rank: int) -> Path:
        return self.folder / f"log {rank}"

    def code(self) -> int:
        return self.child.wait(300)

    def ends(self) -> list[tuple[int, int, bool]]:
        return job_shell.read_ends((self.folder / "ends").read_text())

    def tell(self) -> None:
        """SIGTERM, as the engine's init process sends it: with mpirun to the shell alone."""
        if self.mpirun is None:
            os.killpg(self.child.pid, signal.SIGTERM)
        else:
            self.child.terminate()

    def wait_for(self, word: str) -> None:
        end = time.monotonic() + 300
        while not all(word in self.log(rank).read_text() for rank in range(self.count)):
            assert time.monotonic() < end, [self.log(rank).read_text() for rank in range(self.count)]
            time.sleep(0.01)


def script(text: str) -> list[str]:
    return ["sh", "-c", text]


@pytest.fixture(params=["ranks", "mpi"])
def mpirun(request: pytest.FixtureRequest, tmp_path: Path) -> list[str] | None:
    if request.param == "ranks":
        return None
    (tmp_path / "mpirun").write_text(MPIRUN)
    (tmp_path / "mpirun").chmod(0o755)
    return ["mpirun"]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_rank_has_its_own_variables_and_log_and_nothing_of_the_shells(tmp_path: Path, mpirun: list[str] | None, shell: str) -> None:
    code = "import os; print([os.environ[n] for n in ('RANK', 'OWN', 'COMMON')], [n for n in os.environ if 'TRAINCONF' in n])"
    node = Node(tmp_path, [sys.executable, "-c", code], shell=shell, mpirun=mpirun)
    assert node.code() == 0, node.log(0).read_text()
    for rank in range(3):
        assert node.log(rank).read_text().splitlines()[-1] == f"""['{rank}', "it's\\n{rank}", 'a b'] []"""
    assert sorted(node.ends()) == [(rank, 0, True) for rank in range(3)]


@pytest.mark.parametrize("shell", SHELLS)
def test_signals_are_in_the_ranks_as_they_were(tmp_path: Path, shell: str) -> None:
    ignored = "import os, signal, sys\nprint([s for s in range(1, 32) if signal.getsignal(s) == signal.SIG_IGN], sys.stdin.read())"
    before = subprocess.run([sys.executable, "-c", ignored], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout
    node = Node(tmp_path, [sys.executable, "-c", ignored], shell=shell)
    assert node.code() == 0
    assert [node.log(rank).read_text() for rank in range(3)] == [before] * 3


@pytest.mark.parametrize("shell", SHELLS)
def test_the_first_that_fails_gives_its_code_while_the_others_go_on(tmp_path: Path, mpirun: list[str] | None, shell: str) -> None:
    text = "echo up; case $RANK in 1) sleep 0.2; exit 7;; 2) exit 0;; esac; until [ -e go ]; do sleep 0.02; done; exit 3"
    node = Node(tmp_path, script(f"cd {tmp_path}; {text}"), shell=shell, mpirun=mpirun)
    end = time.monotonic() + 300
    while len(node.ends()) < 2 if (tmp_path / "ends").exists() else True:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert node.ends() == [(2, 0, True), (1, 7, True)]
    (tmp_path / "go").touch()
    assert node.code() == 7
    assert node.ends()[-1] == (0, 3, True)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_signal_reaches_every_rank_once_and_each_may_take_its_time(tmp_path: Path, mpirun: list[str] | None, shell: str) -> None:
    code = """
import os, signal, sys, time
rank, told = int(os.environ["RANK"]), []
signal.signal(15, lambda *_: told.append(1))
print("up", flush=True)
while not told: time.sleep(0.01)
time.sleep(0.2 * rank)
print("told", len(told))
sys.exit(rank)
"""
    node = Node(tmp_path, [sys.executable, "-c", code], shell=shell, mpirun=mpirun)
    node.wait_for("up")
    node.tell()
    node.wait_for("told 1")
    assert node.code() == 1
    assert node.ends() == [(0, 0, True), (1, 1, True), (2, 2, True)]
    assert job_shell.says((tmp_path / "usage").read_text(), job_shell.GOT_SIGTERM)


def test_a_program_that_is_not_there_is_told_from_one_that_ends_so(tmp_path: Path, mpirun: list[str] | None) -> None:
    node = Node(tmp_path, ["no such"], count=2, mpirun=mpirun)
    assert (node.code(), sorted(node.ends())) == (127, [(0, 127, False), (1, 127, False)])
    assert all("no such" in node.log(rank).read_text() for rank in range(2))
    (tmp_path / "ends").unlink()
    node = Node(tmp_path, script("exit 127"), count=2, mpirun=mpirun)
    assert (node.code(), sorted(node.ends())) == (127, [(0, 127, True), (1, 127, True)])


def test_a_rank_whose_end_nobody_could_write_down_is_no_success(tmp_path: Path) -> None:
    node = Node(tmp_path, script("if [ $RANK = 0 ]; then kill -9 $PPID; fi"), count=2)
    assert node.code() == job_shell.NOT_STARTED
    assert (tmp_path / "usage").exists()


def test_mpirun_may_be_called_mpiexec_and_must_be_there(tmp_path: Path) -> None:
    node = Node(tmp_path, ["true"], mpirun=["trainconf-no-such-mpirun"])
    assert (node.code(), job_shell.says((tmp_path / "usage").read_text(), job_shell.NO_MPIRUN)) == (127, True)
    (tmp_path / "ends").unlink()
    (tmp_path / "mpiexec").write_text(MPIRUN)
    (tmp_path / "mpiexec").chmod(0o755)
    for tool in ("sh", "cat", "sleep", "true"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or tool)
    node = Node(tmp_path, ["true"], mpirun=["mpirun", "--quiet", "a b"], path=str(tmp_path))
    assert node.code() == 0
    assert "mpirun ['--quiet', 'a b']" in node.log(0).read_text()


def test_an_mpirun_that_fails_by_itself_gives_its_code(tmp_path: Path) -> None:
    (tmp_path / "mpirun").write_text("#!/bin/sh\necho no slots\nexit 9\n")
    (tmp_path / "mpirun").chmod(0o755)
    node = Node(tmp_path, ["true"], mpirun=["mpirun"])
    assert (node.code(), node.ends(), node.log(0).read_text()) == (9, [], "no slots\n")
    assert job_shell.read_mpirun((tmp_path / "usage").read_text()) == 9


def test_a_line_that_is_not_whole_yet_is_not_read() -> None:
    assert job_shell.read_ends("0 began 17\n- told -\n1 0\n0 127 cannot_start\n2 1") == [(1, 0, True), (0, 127, False)]

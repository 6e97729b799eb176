"""What all tests share: the flag that rewrites golden files, and a workspace for each test to run trainconf in."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.testbed.cluster import cluster, slurm_cluster
from tests.testbed.engine import docker_base_image, docker_engine, docker_settings
from tests.testbed.marks import pytest_itemcollected
from trainconf.agent.signals import FREED_SIGNAL, WAKE_SIGNAL

__all__ = ["cluster", "docker_base_image", "docker_engine", "docker_settings", "pytest_itemcollected", "slurm_cluster"]

ROOT = Path(__file__).parents[1]
KEPT = ("PATH", "LANG", "TMPDIR", "DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "SLURM_CONF")  # a test's home says none of it
OF_TERMINALS = ("CI", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR")

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as a shell starts `pytest &`: what a test starts would ignore it, too
    signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("no clock", parent=hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("no clock")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--refresh-golden", action="store_true", help="write tests/golden anew from what is made today")


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until the condition holds, at most two minutes. Raises AssertionError."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")


class Answer:
    """The exit code and the output of a command; undecodable bytes are surrogates."""

    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code = code
        self.out = os.fsdecode(out)
        self.err = os.fsdecode(err)

    @property
    def told(self) -> dict[str, dict[str, str]]:
        """The mistakes on standard error: the facts of each by label, `hint` among them, by the first line of the mistake.

        Whatever does not have the form of a mistake is an AssertionError.
        """
        found: dict[str, dict[str, str]] = {}
        for block in re.split(r"\n\n(?!hint: )", self.err.rstrip("\n")):
            said, _, hint = block.partition("\n\nhint: ")
            what, *lines = said.split("\n")
            assert re.match(r"\S", what), f"no sentence: {block!r}"
            facts: dict[str, str] = {"hint": hint} if hint else {}
            label = ""
            for line in lines:
                match = re.fullmatch(r"  (\S.*?)  +(.*)|   +(\S.*)", line)
                assert match, f"no fact: {line!r}"
                label = match[1] or label
                facts[label] = match[2] if match[1] else f"{facts[label]}\n{match[3]}"
            found[what] = facts
        return found

    def __repr__(self) -> str:
        return f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Shell:
    """A folder and a home of its own, and trainconf started there as a user would."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root = root
        self.home = home
        self.python = sys.executable
        self.leases = home / "leases"
        kept = {name: value for name, value in os.environ.items() if name in KEPT}
        self.env = kept | {
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            "COLUMNS": "200",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@b",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@b",
        }

    def start(
        self, *words: str, cwd: Path | str | None = None, env: dict[str, str] | None = None, before: Callable[[], object] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start trainconf as a process of its own."""
        return subprocess.Popen(
            [self.python, "-m", "trainconf", *words],
            cwd=cwd or self.root,
            env=self.env | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=before,  # noqa: PLW1509 (no threads here)
        )

    def __call__(
        self, *words: str, cwd: Path | str | None = None, env: dict[str, str] | None = None, before: Callable[[], object] | None = None
    ) -> Answer:
        """Run trainconf to its end."""
        child = self.start(*words, cwd=cwd, env=env, before=before)
        out, err = child.communicate(timeout=300)
        return Answer(child.returncode, out, err)

    def script(self, *words: str) -> list[str]:
        """The overrides for a run of `train.py` in the Python of the tests, with slots of its own."""
        return ["experiment=adhoc", "script=train.py", "env=current", f"compute.lease_dir={self.leases}", "compute.slots=4", *words]

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run_dirs(self) -> list[Path]:
        """Every folder below runs/<experiment>/, half-made ones included, oldest name first."""
        return sorted(self.root.glob("runs/*/*"))

    def tree(self) -> dict[str, bytes]:
        """The content of every file of the workspace, without trainconf's own state, by path."""
        found = {}
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name != ".trainconf"]
            for name in [*names, *folders]:
                path = os.path.join(folder, name)
                is_file = os.path.isfile(path) and not os.path.islink(path)
                found[os.path.relpath(path, self.root)] = Path(path).read_bytes() if is_file else b"(folder or link)"
        return found


@pytest.fixture(autouse=True)
def _same_terminal_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """In CI as on a desk: what the environment says of terminals is what the test says."""
    for name in OF_TERMINALS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def open_tmp_path() -> Iterator[Path]:
    """An empty folder that every user of the machine can reach: each start of pytest closes those of all others."""
    with tempfile.TemporaryDirectory(prefix="trainconf-test-") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """An empty folder and home; `shell(...)` runs trainconf there, in a process of its own."""
    (tmp_path / "work space").mkdir()
    (tmp_path / "home").mkdir()
    return Shell(tmp_path / "work space", tmp_path / "home")


@pytest.fixture
def workspace(shell: Shell) -> Shell:
    """A folder with `train.py`, which prints its arguments."""
    shell.write("train.py", "import sys\nprint(sys.argv[1:])\n")
    return shell


@pytest.fixture
def here(workspace: Shell, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Answer]]:
    """`here(...)` runs trainconf in this process, in the folder of `workspace`. It is faster than `shell`."""
    from trainconf.cli.main import main

    for name in list(os.environ):
        if name not in workspace.env and not name.startswith(("PYTEST", "COV")):
            monkeypatch.delenv(name)
    for name, value in workspace.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(workspace.root)

    def run(*words: str) -> Answer:
        capfd.readouterr()
        code = main(words)
        told = capfd.readouterr()
        return Answer(code, os.fsencode(told.out), os.fsencode(told.err))

    yield run
    shutil.rmtree(workspace.root, ignore_errors=True)


@pytest.fixture
def agents_signals() -> Iterator[set[int]]:
    """Blocked, as in an agent. Ignored besides: a thread of pytest-xdist does not block them, and they would end it."""
    signals: set[int] = {WAKE_SIGNAL, FREED_SIGNAL}
    for number in signals:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    yield signals
    while signal.sigtimedwait(signals, 0.02):
        pass
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trainconf.cli.main import main
from trainconf.paths import WorkspacePaths

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = b"a b'\"\n%d$(touch x)\xff\xc3\xa5"

Verb = Callable[..., "Said"]


class Said:
    """What a verb ended with and printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkspacePaths:
    """An empty workspace at a hostile path, and the current folder."""
    root = os.path.join(str(tmp_path), os.fsdecode(HOSTILE))
    os.makedirs(os.path.join(root, "conf", "experiment"))
    monkeypatch.chdir(root)
    return WorkspacePaths(root)


@pytest.fixture
def verb(capfd: pytest.CaptureFixture[str]) -> Verb:
    """Run a verb in this process, through the front door."""

    def run(*words: str) -> Said:
        capfd.readouterr()
        code = main(words)
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return run


def start(*words: str, **options: object) -> subprocess.Popen[bytes]:
    """Run a verb in a process of its own."""
    argv = [sys.executable, "-m", "trainconf", *words]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, **options)  # type: ignore[call-overload,no-any-return]

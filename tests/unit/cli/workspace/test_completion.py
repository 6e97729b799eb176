"""What shells complete, asked as they ask: by the line up to the cursor; and in real shells, where they are installed."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainconf.cli.verbs import VERBS
from trainconf.cli.workspace.completion import candidates, split
from trainconf.history.index.index import Index
from trainconf.paths import WorkspacePaths

from ...history.build import make_run
from ..conftest import ROOT, Verb


@pytest.fixture
def runs(workspace: WorkspacePaths) -> WorkspacePaths:
    """Two runs in the index, and an experiment of the workspace's own."""
    make_run(workspace, "digits-1", metrics={"val_accuracy": 0.5, "a-b": 1.0}, params={"lr": 0.1, "width": 3})
    make_run(workspace, "iris-1", "iris", metrics={"val_loss": 1.0}, params={"lr": 0.2})
    with Index(workspace) as index:
        index.latest()
    Path(workspace.conf, "experiment", "mine.yaml").write_text("# @package _global_\n")
    return workspace


@pytest.mark.parametrize(("line", "expected"), [
    ("trainconf lo", ["logs"]),
    ("trainconf --ver", ["--version"]),
    ("trainconf experiment=mi", ["experiment=mine"]),
    ("trainconf -m compute=local,do", ["compute=local,docker"]),
    ("trainconf params.l", ["params.lr="]),
    ("trainconf snapshot.max_m", ["snapshot.max_mb="]),
    ("trainconf compute.max_req", ["compute.max_requeues="]),
    ("trainconf show ir", ["iris-1"]),
    ("trainconf wait digits-1 la", ["last"]),
    ("trainconf rerun digits-1 params.w", ["params.width="]),
    ("trainconf ls i", ["iris"]),
    ("trainconf ls --experiment d", ["digits"]),
    ("trainconf ls --status Fa", ["Failed"]),
    ("trainconf ls --whe", ["--where"]),
    ("trainconf ls --where metrics.val_a", ["metrics.val_accuracy"]),
    ("trainconf ls --where 'metrics.val_loss < 1 and params.w", ["metrics.val_loss < 1 and params.width"]),
    ('trainconf ls --where "tags.who == \'me\' and me', None),
    ("trainconf ls --where 'params.opt == \"ad", []),
    ("trainconf ls --where 'metrics", ["metrics.val_accuracy", 'metrics["a-b"]', "metrics.val_loss"]),
    ("trainconf ls --sort -metrics.val_l", ["-metrics.val_loss"]),
    ("trainconf ls --columns=run,dur", ["--columns=run,duration"]),
    ("trainconf sweep pa", ["pause"]),
    ("trainconf env bu", ["build"]),
    ("trainconf completion z", ["zsh"]),
    ("trainconf nonsense x", []),
    ("trainconf", []),
    ("", []),
    ("trainconf ls --where 'metrics.\x00\udcffzz", []),
])  # fmt: skip
def test_a_line_is_completed_with_what_there_is(runs: WorkspacePaths, line: str, expected: list[str] | None) -> None:
    words, _ = split(line)
    found = [each for each in candidates(words) if each.startswith(words[-1])]
    assert expected is None or found == expected


@pytest.mark.parametrize(("line", "expected"), [
    ("trainconf experiment=train -- mod", ["model=", "model._target_=", "model.layers=", "model.width="]),
    ("trainconf -m experiment=train -- model=vit,r", ["model=vit,resnet"]),
    ("trainconf plan experiment=train -- ++optimizer.l", ["++optimizer.lr="]),
    ("trainconf rerun digits-1 -- optimizer.n", ["optimizer.name="]),
    ("trainconf experiment=digits -- mod", []),
])  # fmt: skip
def test_what_follows_the_dashes_is_completed_with_what_the_app_has(runs: WorkspacePaths, line: str, expected: list[str]) -> None:
    shutil.copytree(ROOT / "tests" / "projects" / "hydra_template", runs.root, dirs_exist_ok=True)
    record = Path(runs.run("digits", "digits-1").record)
    record.write_text(json.dumps({**json.loads(record.read_text()), "overrides": ["experiment=train", "--", "model=vit"]}))
    words, _ = split(line)
    assert [each for each in candidates(words) if each.startswith(words[-1])] == expected


def test_every_verb_is_completed(runs: WorkspacePaths) -> None:
    assert candidates(["trainconf", ""]) == [*VERBS]
    for name in VERBS:
        assert all("\n" not in each for each in candidates(["trainconf", name, ""]))
        assert "--help" in candidates(["trainconf", name, "--"]) or name == "completion"


@pytest.mark.parametrize(("line", "words", "is_quoted"), [
    ("a b", ["a", "b"], False), ("a b ", ["a", "b", ""], False), ("a 'b c", ["a", "b c"], True), ('a "b \\" c', ["a", 'b " c'], True),
    ("a b\\ c", ["a", "b c"], False), ("a 'b'\"c\" d", ["a", "bc", "d"], False), ("   ", [""], False),
])  # fmt: skip
def test_a_line_is_split_as_a_shell_does(line: str, words: list[str], is_quoted: bool) -> None:
    assert split(line) == (words, is_quoted)


@pytest.mark.parametrize("line", ["trainconf show ", "trainconf ls --where 'met", "trainconf compute=", "trainconf no --", "\udcff '"])
def test_nothing_is_ever_said_on_standard_error(tmp_path: Path, line: str) -> None:
    for prepare in (lambda: None, lambda: (tmp_path / "runs").write_text(""), lambda: (tmp_path / ".trainconf").write_text("")):
        prepare()
        argv = [sys.executable, "-m", "trainconf", "completion", "--answer", "bash", line]
        done = subprocess.run(argv, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"")
    assert not (tmp_path / ".trainconf" / "index.sqlite").exists()  # who only completes makes none


def test_an_unknown_shell_is_answered_with_those_there_are(verb: Verb) -> None:
    said = verb("completion", "tcsh")
    assert said.code == 2
    assert "bash" in said.err


STARTS = {
    "bash": ["--noprofile", "--norc", "-i"], "zsh": ["-f", "-i"], "fish": ["--no-config", "-i"],
}  # fmt: skip
LOADS = {
    "bash": 'eval "$(trainconf completion bash)"', "zsh": 'autoload -Uz compinit; compinit -u -D; eval "$(trainconf completion zsh)"',
    "fish": "trainconf completion fish | source",
}  # fmt: skip


@pytest.mark.parametrize("shell", LOADS)
def test_a_real_shell_completes_as_somebody_types(runs: WorkspacePaths, tmp_path: Path, shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "trainconf").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m trainconf "$@"\n')
    (folder / "trainconf").chmod(0o755)
    homes = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(tmp_path))
    term = "xterm" if shell == "fish" else "dumb"
    env = {**os.environ, **homes, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "TERM": term, "INPUTRC": "/dev/null"}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(runs.root)
        os.execve(program, [program, *STARTS[shell]], env)
    try:
        _type(terminal, f"{LOADS[shell]}; echo load''ed\r", "loaded")
        for typed, completed in (
            ("trainconf sho\tiri\t", r"trainconf show iris-1"),
            ("trainconf ls --where 'metrics.val_loss > 0 and params.wid\t", r"metrics.val_loss > 0 and params.width"),
            ("trainconf experiment=min\t", r"experiment=mine"),
        ):
            shown = _type(terminal, typed, completed)
            assert "Traceback" not in shown
            _type(terminal, "\x15", "")  # away with the line
    finally:
        os.close(terminal)
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def _type(terminal: int, text: str, expected: str) -> str:
    """Type, a tab at a time as a person does, until the screen has what is expected."""
    shown = ""
    end = time.monotonic() + 300
    for part in re.split(r"(?<=\t)", text):
        os.write(terminal, part.encode())
        quiet = time.monotonic() + (2 if part.endswith("\t") else 0.5)
        while time.monotonic() < min(end, quiet):
            if select.select([terminal], [], [], 0.05)[0]:
                shown += os.read(terminal, 65536).decode("utf-8", "replace")
            if expected and expected in _plain(shown):
                return shown
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 65536).decode("utf-8", "replace")
        if expected in _plain(shown):
            return shown
    raise AssertionError(f"{expected!r} was not completed: {_plain(shown)!r}")


def _plain(shown: str) -> str:
    """What a screen shows, without what steers it."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x07|\x1b\][^\x07]*\x07", "", shown)
    return re.sub(r".\x08", "", text)

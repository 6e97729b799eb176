"""A recorded run is frozen as it would have been at its submission, and may be committed alone."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell

Here = Callable[..., Answer]


def hash_in(path: Path) -> str:
    found = re.search(r'^file_hash: "?(\w+)"?$', path.read_text(), re.MULTILINE)
    assert found
    return found[1]


def git(root: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", root, *words], check=True, capture_output=True, text=True).stdout


EXPERIMENT = """# @package _global_
defaults:
  - _self_
experiment_name: mine
script: train.py
params: {lr: 0.1, twice: "${params.lr}-${params.lr}"}
inputs: {data: data}
tags: {who: me}
metric: {name: loss, goal: minimize}
"""


@pytest.mark.parametrize("words", [[], ["params.lr=0.3", "retries=2"], ["display_name='a b'", "+tags.x=y", "submit.detach=false"]])
@pytest.mark.parametrize("has_git", [True, False])
def test_the_file_is_the_one_that_freezing_at_submission_writes(here: Here, workspace: Shell, words: list[str], has_git: bool) -> None:
    workspace.write("conf/experiment/mine.yaml", EXPERIMENT)
    workspace.write("conf/local.yaml", "compute: {slots: 3}\n")
    workspace.write("data", "x")
    if has_git:
        git(workspace.root, "init", "-q")
        git(workspace.root, "add", "-A")
        git(workspace.root, "commit", "-qm", "one")
    overrides = ["experiment=mine", "env=current", *words]
    assert here("freeze", *overrides, "-o", "then.yaml").code == 0
    assert here(*overrides).code == 0
    workspace.write("train.py", "raise SystemExit('other code')\n")
    assert here("freeze", "last", "-o", "run.yaml").code == 0
    assert hash_in(workspace.root / "run.yaml") == hash_in(workspace.root / "then.yaml")
    assert here("run", "run.yaml").code == 0
    assert here("freeze", "--check", "run.yaml").code == 1  # the code of today is another


def test_from_a_folder_below_and_with_another_primary_config(here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.write("conf/other.yaml", "defaults: [config, _self_]\nretries: 1\n")
    workspace.write("sub/data", "x")
    (workspace.root / ".trainconf").mkdir()
    monkeypatch.chdir(workspace.root / "sub")
    words = ["experiment=adhoc", "script=train.py", f"source_directory={workspace.root}", "env=current", "+inputs.data=data"]
    words += ["-cn", "other"]
    assert here("freeze", *words, "-o", "../then.yaml").code == 0
    assert here(*words).code == 0
    monkeypatch.chdir(workspace.root)
    assert here("freeze", "last", "-o", "run.yaml").code == 0
    assert hash_in(workspace.root / "run.yaml") == hash_in(workspace.root / "then.yaml")


def test_its_code_is_pinned_and_must_be_found(here: Here, workspace: Shell) -> None:
    here(*workspace.script())
    assert here("freeze", "last", "-o", "run.yaml").code == 0
    assert "run.yaml" in str([path.read_text() for path in (workspace.root / ".trainconf/snapshots/pins").iterdir()])
    workspace.write("train.py", "other\n")
    shutil.rmtree(workspace.root / ".trainconf" / "snapshots")
    said = here("freeze", "last", "-o", "again.yaml")
    assert said.code == 2
    assert "the code of this run was not found" in said.err
    assert not (workspace.root / "again.yaml").exists()


def test_a_trial_of_a_sweep_is_frozen_by_its_place(here: Here, workspace: Shell) -> None:
    here("-m", *workspace.script("+params.lr=1,2"))
    sweep = min(path.name for path in workspace.run_dirs())
    assert here("freeze", f"{sweep}:1", "-o", "best.yaml").code == 0
    assert here("run", "best.yaml").out == "['--lr', '2']\n"
    assert here("freeze", "--check", "best.yaml").code == 0


def test_a_run_and_overrides_together_are_refused(here: Here, workspace: Shell) -> None:
    here(*workspace.script())
    said = here("freeze", "last", "params.lr=1", "-o", "x.yaml")
    assert (said.code, "trainconf rerun last" in said.err) == (2, True)
    assert here("freeze", "nothing", "-o", "x.yaml").code == 2
    assert not (workspace.root / "x.yaml").exists()


def test_the_commit_has_the_file_alone(here: Here, workspace: Shell) -> None:
    git(workspace.root, "init", "-q")
    workspace.write("other", "x")
    git(workspace.root, "add", "other")
    here(*workspace.script())
    said = here("freeze", "last", "-o", "run.yaml", "--commit", "-m", "the best")
    assert said.code == 0
    assert "committed as" in said.err
    assert git(workspace.root, "show", "--format=%s", "--name-only", "HEAD") == "the best\n\nrun.yaml\n"
    assert git(workspace.root, "diff", "--cached", "--name-only") == "other\n"


def test_where_nothing_could_be_committed_nothing_is_frozen(here: Here, workspace: Shell) -> None:
    here(*workspace.script())
    said = here("freeze", "last", "-o", "run.yaml", "--commit")
    assert (said.code, "no git repository" in said.err) == (2, True)
    assert not (workspace.root / "run.yaml").exists()
    assert here("freeze", "last", "--commit").code == 2
    assert here("freeze", "last", "-o", "run.yaml", "-m", "x").code == 2

"""Frozen runs whose recipe names a folder of the workspace."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Answer, Shell
from tests.unit.environments.recipe.test_contents import package


def test_a_frozen_file_with_a_local_folder_runs_in_a_clone_and_after_changes(
    here: Callable[..., Answer], workspace: Shell, tmp_path: Path
) -> None:
    package(workspace.root)
    workspace.write("train.py", "import ours; print('value', ours.value)\n")
    workspace.write(".gitignore", "runs/\n.trainconf/\nconf/local.yaml\n")
    workspace.write("conf/env/own.yaml", 'defaults:\n  - /schema/env/recipe@_here_\n  - _self_\nname: own\nrequirements: ["-e ."]\n')
    words = ["experiment=adhoc", "script=train.py", "env=own", f"compute.lease_dir={workspace.leases}", "compute.slots=4"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=workspace.root, env=workspace.env, check=True)
    frozen = here("freeze", *words, "-o", "a.yaml")
    assert frozen.code == 0, frozen
    assert here("freeze", "--check", "a.yaml").code == 0, "the frozen file itself changes nothing"
    workspace.write("conf/local.yaml", "{}\n")
    assert here("freeze", "--check", "a.yaml").code == 0
    clone = Shell(tmp_path / "clone", workspace.home)
    subprocess.run(["git", "clone", "-q", workspace.root, clone.root], env=workspace.env, check=True)
    (clone.root / "a.yaml").write_text((workspace.root / "a.yaml").read_text())
    clone.write("src/ours/__init__.py", "value = 2\n")  # the working tree is another one: the code is found in git
    assert "\n  file .: " in clone("freeze", "--check", "a.yaml").out
    for shell in (clone, workspace):
        answer = shell("run", "a.yaml")
        assert answer.code == 0, answer
        assert "value 1" in answer.out + answer.err

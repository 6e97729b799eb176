"""A job of MPI processes is judged by the environment that it will have, not by the machine that submits it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Answer, Shell

RECIPE = "defaults:\n  - /schema/env/recipe@_here_\n  - _self_\nname: ours\n"
WORDS = ["experiment=adhoc", "script=train.py", "env=ours", "distributed=mpi", "distributed.process_count=2", "compute.slots=4"]


def bare_path(folder: Path) -> dict[str, str]:
    """A PATH with a shell and what scripts need, and no mpirun."""
    folder.mkdir()
    for name in ("sh", "env", "dirname", "realpath", "cat"):
        (folder / name).symlink_to(str(shutil.which(name)))
    return {"PATH": str(folder)}


def test_an_environment_that_is_yet_to_be_built_may_bring_mpirun(here: Callable[..., Answer], workspace: Shell, tmp_path: Path) -> None:
    workspace.write("train.py", "")
    workspace.write("conf/env/ours.yaml", RECIPE)
    words = [*WORDS, f"compute.lease_dir={workspace.leases}"]
    first = workspace(*words, env=bare_path(tmp_path / "bin"))
    assert first.code == 2, first
    assert "distributed=mpi, but no mpirun is on the job's PATH" in first.err
    built = [path for path in (workspace.root / ".trainconf" / "envs").iterdir() if path.name != ".locks"]
    assert len(built) == 1, "it was refused before its environment was made"
    assert not workspace.run_dirs()
    mpirun = built[0] / "bin" / "mpirun"
    mpirun.write_text("#!/bin/sh\necho mpirun of the environment >&2\nexit 7\n")
    mpirun.chmod(0o755)
    second = workspace(*words, env={"PATH": str(tmp_path / "bin")})
    assert "mpirun ended with exit code 7" in second.err, second

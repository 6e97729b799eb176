"""`-m` with compute=docker: the same words, in containers."""

from __future__ import annotations

import pytest

from tests.conftest import Shell


@pytest.mark.docker
def test_a_grid_runs_in_containers(workspace: Shell, docker_base_image: str) -> None:
    words = workspace.script("compute=docker", f"env.docker.image={docker_base_image}", "+params.lr=1,2,3")
    answer = workspace("-m", *words)
    assert answer.code == 0, answer
    logs = sorted(path.read_text() for path in workspace.root.glob("runs/adhoc/*/logs/std_log.txt"))
    assert logs == [f"['--lr', '{n}']\n" for n in (1, 2, 3)]

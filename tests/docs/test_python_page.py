"""docs/python.md is one program: its blocks run in order, as a file of a user's, in an empty folder."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text()
NEEDS = re.compile(r"# needs: (\w+)")


def blocks() -> list[tuple[str, int]]:
    """Each block of Python, and the line of the page on which it begins."""
    found = re.finditer(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [(match[1], PAGE.count("\n", 0, match.start()) + 2) for match in found]


def hold(folder: Path, having: str = "") -> str:
    """Run the blocks that need nothing but `having`; what they print."""
    program = ""
    for text, line in blocks():
        file = re.match(r"# file: (\S+)\n", text)
        if file:
            (folder / file[1]).write_text(text)
        elif {match[1] for match in NEEDS.finditer(text)} <= {having}:
            program += "\n" * (line - 1 - program.count("\n")) + text  # so that a traceback names lines of the page
    (folder / "submit.py").write_text(program)
    done = subprocess.run([sys.executable, "submit.py"], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_every_block_runs(tmp_path: Path) -> None:
    shown = hold(tmp_path)
    for line in ("epoch 2  loss 0.500", "{'loss': [1.0, ", "ScriptRunConfig: compute_target cannot be 3", "is still Running after 0.5 s",
                 "Canceled", "trial 2: Completed, loss"):  # fmt: skip
        assert line in shown
    origins = re.search(r"^    later wins:.*?overrides of submit\.py:9$", PAGE, re.MULTILINE | re.DOTALL)
    assert origins, "the page shows what `print(config)` prints"
    for line in origins[0].splitlines():
        words = line.strip().partition("  <- ")[0]
        assert words == "..." or words in shown


@pytest.mark.slow
@pytest.mark.slurm
def test_every_block_runs_on_slurm(tmp_path: Path, slurm_cluster: object) -> None:
    hold(tmp_path, "slurm")


@pytest.mark.slow
@pytest.mark.docker
def test_every_block_runs_in_docker(tmp_path: Path, docker_base_image: str) -> None:
    hold(tmp_path, "docker")


@pytest.mark.slow
def test_every_block_runs_with_pandas(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    assert "metrics.loss" in hold(tmp_path, "pandas")

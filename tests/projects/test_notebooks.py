"""The notebooks of docs/notebooks run from the first cell to the last, in an empty folder, and are kept without their outputs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shell
from tests.projects.jupyter import KERNEL, ROOT, jupyter_python, settle

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
EXECUTE = Path(__file__).parent / "scripts" / "execute.py"
# What a notebook must have shown, in its order: a regular expression of the text, or of the HTML, of one output.
SHOWN = {
    "1-first-run": [
        r"run first-.*Completed", r"\('Completed', \{.*'accuracy'", r"\[1\.\d+,\s", "lr was 0.3", r"adhoc-\S+.*Completed", "first",
    ],
    "2-sweep-and-best": [r"sweep tuned-", r"'Completed'", r"\{'batch': 16, 'lr': 0\.8\}", r"params\.lr=0\.8", r"0\.8, 16\)\]", "Completed"],
    "3-compare-and-plot": [r"comparison.*3 runs", r"params|arguments", r"arguments", r"'0\.05': ", r"\(\d, \["],
    "4-from-azure-ml": ["trained", r"learning rate", r"run from-azure-ml-.*Completed", r"comparison.*2 runs"],
}


def test_the_notebooks_are_these() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(SHOWN)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_what_it_has_shown(path: Path) -> None:
    found = json.loads(path.read_text())
    assert [cell for cell in found["cells"] if cell.get("outputs") or cell.get("execution_count")] == []
    assert set(found["metadata"]) == {"kernelspec", "language_info"}


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_to_its_end_and_shows_what_it_says(path: Path, shell: Shell) -> None:
    python = jupyter_python()
    settle(shell.root, shell.home / "leases")
    shutil.copy(path, shell.root)
    env = shell.env | {"JUPYTER_DATA_DIR": str(shell.home / "data"), "JUPYTER_RUNTIME_DIR": str(shell.home / "runtime")}
    del env["PYTHONWARNINGS"]
    words = [os.fspath(python), os.fspath(EXECUTE), KERNEL, os.fspath(shell.root / path.name)]
    done = subprocess.run(words, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout).values()
    assert found["failure"] == ""
    shown = [text for outputs in found["outputs"] for output in outputs for text in output.values()]
    told = [text for output in zip(found["cells"], found["outputs"], strict=True) for text in codes(*output)]
    assert told == []
    assert missing(SHOWN[path.stem], shown) == [], shown


def codes(source: str, outputs: list[dict[str, str]]) -> list[str]:
    """The exit codes of commands that went wrong. That of `diff` says that something differs, as diff(1) has it."""
    if source.startswith("%trainconf diff"):
        return []
    return [text for output in outputs for text in output.values() if re.search(r"^exit code \d+$", text, re.MULTILINE)]


def missing(wanted: list[str], shown: list[Any]) -> list[str]:
    """Those expressions that no output has."""
    return [pattern for pattern in wanted if not any(re.search(pattern, text, re.DOTALL) for text in shown)]

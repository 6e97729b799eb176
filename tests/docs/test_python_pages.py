"""The Python blocks of the pages about Python run as they stand, one after the other, in a workspace of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TRAIN = """\
import argparse
from trainconf import Run
parser = argparse.ArgumentParser()
parser.add_argument("--learning-rate", type=float, default=0.1)
parser.add_argument("--layers", type=int, default=1)
args = parser.parse_args()
run = Run.get_context()
for step in range(8):
    run.log("accuracy", 1 - abs(args.learning_rate - 0.3) - 0.1 / (step + 1), step=step)
"""
PAGES = ["python-environments.md", "python-sweeps.md"]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(TRAIN)
    names: dict[str, object] = {"__name__": "page"}
    blocks = BLOCK.findall((DOCS / page).read_text())
    assert blocks
    for number, block in enumerate(blocks):
        exec(compile(block, f"<block {number} of {page}>", "exec"), names)

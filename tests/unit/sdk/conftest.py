"""A workspace of a test's own, which is the current folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainconf import Workspace


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with a script `train.py`, in the folder `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("import sys\nprint('arguments', sys.argv[1:])\n")
    return Workspace.create()

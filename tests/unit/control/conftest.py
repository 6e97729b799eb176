from __future__ import annotations

from pathlib import Path

import pytest

from trainconf.paths import WorkspacePaths


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkspacePaths:
    """An empty workspace, and the current folder."""
    monkeypatch.chdir(tmp_path)
    return WorkspacePaths(str(tmp_path))

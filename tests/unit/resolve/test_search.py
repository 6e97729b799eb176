"""How a config file is called in messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainconf.paths import WorkspacePaths
from trainconf.resolve import search


def test_a_shipped_file_is_called_shipped_also_when_trainconf_is_installed_inside_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / ".venv/trainconf/_shipped"
    monkeypatch.setattr(search, "packaged", lambda *names: str(installed.joinpath(*names)))
    workspace = WorkspacePaths(str(tmp_path))
    assert search.label(str(installed / "conf/env/minimal.yaml"), workspace) == "shipped conf/env/minimal.yaml"
    assert search.label(str(tmp_path / "conf/env/mine.yaml"), workspace) == "conf/env/mine.yaml"
    assert search.label(str(tmp_path / "more/env/mine.yaml"), workspace) == "more/env/mine.yaml"
    assert search.label("/elsewhere/mine.yaml", workspace) == "/elsewhere/mine.yaml"


def test_in_trainconfs_own_repository_its_files_are_the_workspaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "packaged", lambda *names: str(tmp_path.joinpath(*names)))
    assert search.label(str(tmp_path / "conf/env/minimal.yaml"), WorkspacePaths(str(tmp_path))) == "conf/env/minimal.yaml"

"""What the tests of `import azureml` share: an empty workspace, which is the current folder, and no run around the process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainconf.compat.azureml import said
from trainconf.compat.azureml.workspace import Workspace


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The workspace."""
    root = tmp_path / "it's a workspace"
    (root / "conf" / "experiment").mkdir(parents=True)
    monkeypatch.chdir(root)
    for name in [name for name in os.environ if name.startswith("TRAINCONF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(said, "_TOLD", set())
    return Workspace.from_config()

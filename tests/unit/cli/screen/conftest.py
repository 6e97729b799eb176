from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A folder and a home of its own, and trainconf started there."""
    found = Shell(tmp_path / "work", tmp_path / "home")
    found.root.mkdir()
    found.home.mkdir()
    return found

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainconf.paths import WorkspacePaths

# A folder name with everything a shell, a table or a decoder could trip over.
HOSTILE = b"a b'\"\n%d$(touch x)\xff\xc3\xa5"


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspacePaths:
    """An empty workspace whose path is hostile."""
    root = os.path.join(str(tmp_path), os.fsdecode(HOSTILE))
    os.mkdir(root)
    return WorkspacePaths(root)

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.editor.client import Editor

PLAIN = """\
# @package _global_
# One experiment
defaults:
  - _self_
experiment_name: plain
source_directory: src
script: train.py
params:
  lr: 0.5  # 😀 step
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace with an experiment that is right."""
    (tmp_path / "conf/experiment").mkdir(parents=True)
    (tmp_path / "conf/experiment/plain.yaml").write_text(PLAIN)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/train.py").write_text("")
    return tmp_path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """A connection that the tests of a module share, each with a workspace of its own."""
    with Editor(tmp_path_factory.mktemp("editor")) as started:
        yield started


@pytest.fixture
def editor(server: Editor, folder: Path) -> Iterator[Editor]:
    server.folder = folder
    yield server
    server.close_all()

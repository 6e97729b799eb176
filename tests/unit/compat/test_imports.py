"""Where a job of another tool's program imports from."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

import pytest

from trainconf.compat import imports


def test_the_runs_copy_comes_first_and_folders_elsewhere_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, copy, other = (tmp_path / name for name in ("source", "copy", "other"))
    for folder in (source / "src", copy, other):
        folder.mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(source / "src"), str(other), str(source), "", str(tmp_path / "nothing"), *sys.path])
    places = imports.of(str(source))
    monkeypatch.setattr(sys, "path", ["job"])
    monkeypatch.chdir(copy)
    imports.take(places)
    assert sys.path[:3] == [str(copy / "src"), str(copy), "job"]
    assert str(other) in sys.path[3:]
    assert not [path for path in sys.path if path.startswith(str(source))]


def test_packages_of_the_submitting_python_do_not_travel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = tmp_path / ".venv" / "lib" / "site-packages"
    packages.mkdir(parents=True)
    library = sysconfig.get_path("stdlib")
    monkeypatch.setattr(sys, "path", [str(packages), library, os.path.join(library, "lib-dynload"), str(tmp_path)])
    assert imports.of(str(tmp_path))["path"] == [str(tmp_path)]

"""Local requirements: what belongs to a folder, and that what is installed is what pip makes of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainconf.environments.recipe import contents

BACKEND = """\
import os, sys, zipfile
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "ours-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as archive:
        for folder, folders, files in os.walk("src", followlinks=True):
            for file in files:
                path = os.path.join(folder, file)
                archive.write(path, os.path.relpath(path, "src"))
        archive.writestr("ours-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: ours\\nVersion: 1.0\\n")
        archive.writestr("ours-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: ours\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr("ours-1.0.dist-info/RECORD", "")
    return name
def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return build_wheel(wheel_directory)
"""
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "ours"\nversion = "1.0"\n'


def package(folder: Path) -> Path:
    """A package that a backend of its own turns into a wheel of everything below src/, with no index."""
    for name, text in {"backend.py": BACKEND, "pyproject.toml": PYPROJECT, "src/ours/__init__.py": "value = 1\n"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("name", [
    "build/__init__.py", "dist/__init__.py", "runs/a.py", "logs/a.py", "outputs/a.py", "src/ours/.hidden/data", "src/ours/.data",
    "conf/main.yaml",
])  # fmt: skip
def test_every_file_of_a_package_is_part_of_it(tmp_path: Path, name: str) -> None:
    folder = package(tmp_path / "ours")
    before = contents.digest(str(folder))
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("one")
    one = contents.digest(str(folder))
    (folder / name).write_text("two")
    assert len({before, one, contents.digest(str(folder))}) == 3


@pytest.mark.parametrize("name", [
    "frozen.lock", "any name", "conf/local.yaml", ".git/index", "runs/x/1/spec.json", ".trainconf/x", "ignored.txt", "ignored/a.py",
    "build/lib/x.py", "dist/ours-1.0.tar.gz", "ours.egg-info/PKG-INFO", "src/ours/__pycache__/a.pyc", ".venv/pyvenv.cfg",
])  # fmt: skip
def test_what_is_no_part_of_a_package_changes_nothing(tmp_path: Path, name: str) -> None:
    folder = package(tmp_path / "ours")
    (folder / ".trainconf").mkdir()
    (folder / ".gitignore").write_text("ignored*\n")
    before = contents.digest(str(folder))
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("# trainconf frozen run\nx: 1\n" if name in ("frozen.lock", "any name") else "x")
    assert contents.digest(str(folder)) == before
    contents.copy(str(folder), str(tmp_path / "copy"))
    assert not (tmp_path / "copy" / name).exists() or name.startswith(".git")
    assert contents.digest(str(tmp_path / "copy"), is_copy=True) == before


@pytest.mark.parametrize(("start", "is_part"), [
    (b"\xef\xbb\xbf# trainconf frozen run\r\n", False), (b"# trainconf frozen run\r\n", False), (b"# trainconf frozen run", False),
    (b"# trainconf frozen runs, explained\n", True), (b" # trainconf frozen run\n", True),
])  # fmt: skip
def test_a_frozen_run_is_known_here_as_in_a_snapshot(tmp_path: Path, start: bytes, is_part: bool) -> None:
    folder = package(tmp_path / "ours")
    before = contents.digest(str(folder))
    (folder / "notes").write_bytes(start)
    assert (contents.digest(str(folder)) != before) is is_part


def test_links_are_what_they_lead_to_and_a_circle_ends(tmp_path: Path) -> None:
    folder = package(tmp_path / "ours")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "a.py").write_text("one")
    (folder / "src" / "ours" / "absolute.py").symlink_to(tmp_path / "shared" / "a.py")
    (folder / "src" / "ours" / "relative.py").symlink_to("../../../shared/a.py")
    (folder / "src" / "ours" / "folder").symlink_to("../../../shared")
    (folder / "src" / "ours" / "inside.py").symlink_to("__init__.py")
    (folder / "src" / "ours" / "circle").symlink_to(folder)
    (folder / "src" / "ours" / "nowhere").symlink_to("/nonexistent")
    one = contents.digest(str(folder))
    contents.copy(str(folder), str(tmp_path / "else" / "copy"))
    assert (tmp_path / "else" / "copy" / "src" / "ours" / "folder" / "a.py").read_text() == "one"
    assert (tmp_path / "else" / "copy" / "src" / "ours" / "relative.py").read_text() == "one"
    assert os.readlink(tmp_path / "else" / "copy" / "src" / "ours" / "inside.py") == "__init__.py"
    assert contents.digest(str(tmp_path / "else" / "copy"), is_copy=True) == one
    (tmp_path / "shared" / "a.py").write_text("two")
    assert contents.digest(str(folder)) != one

"""The folder on a job's path: trainconf and nothing else, wherever it may be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainconf.errors import StorageError
from trainconf.launchers.job import import_path


def importable(path: str) -> str:
    code = "import os, sys; from trainconf import Run; print(os.listdir(sys.path[1]))"
    env = {**os.environ, "PYTHONPATH": path}
    return subprocess.run([sys.executable, "-S", "-c", code], env=env, capture_output=True, text=True, check=True).stdout.strip()


def test_it_holds_trainconf_and_nothing_else(tmp_path: Path) -> None:
    path = import_path.folder({"XDG_CACHE_HOME": str(tmp_path / "cache")}, str(tmp_path / "state"))
    assert path.startswith(str(tmp_path / "cache"))
    assert importable(path) == "['trainconf']"
    assert import_path.folder({"XDG_CACHE_HOME": str(tmp_path / "cache")}, "") == path


def test_home_is_used_where_no_cache_is_named(tmp_path: Path) -> None:
    assert import_path.folder({"HOME": str(tmp_path)}, "").startswith(str(tmp_path / ".cache"))


@pytest.mark.parametrize("home", ["", "/proc/none", "relative", "/tmp/with:colon"])
def test_where_the_cache_cannot_serve_the_workspace_does(tmp_path: Path, home: str) -> None:
    path = import_path.folder({"HOME": home}, str(tmp_path / "it's here"))
    assert path.startswith(str(tmp_path / "it's here"))
    assert importable(path) == "['trainconf']"


def test_a_colon_everywhere_leaves_the_temporary_folder() -> None:
    path = import_path.folder({"HOME": "/a:b"}, "/c:d")
    assert path.startswith(f"/tmp/trainconf-jobpath-{os.getuid()}/")
    assert importable(path) == "['trainconf']"


def test_a_folder_others_may_write_to_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "cache" / "trainconf" / "jobpath").mkdir(parents=True)
    (tmp_path / "cache" / "trainconf" / "jobpath").chmod(0o777)
    path = import_path.folder({"XDG_CACHE_HOME": str(tmp_path / "cache")}, str(tmp_path / "state"))
    assert path.startswith(str(tmp_path / "state"))


def test_a_link_to_another_package_is_not_followed(tmp_path: Path) -> None:
    environ = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    path = Path(import_path.folder(environ, ""))
    (path / "trainconf").unlink()
    (path / "trainconf").symlink_to("/elsewhere")
    assert import_path.folder(environ, str(tmp_path / "state")).startswith(str(tmp_path / "state"))


def test_when_nowhere_is_left_all_refusals_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_path, "_places", lambda *_: iter(["/proc/a", "/proc/b"]))
    with pytest.raises(StorageError) as error:
        import_path.folder({}, "")
    assert str(error.value).count("tried") == 2

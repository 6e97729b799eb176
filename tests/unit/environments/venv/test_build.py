"""Building: once, whole or not at all, and what is left when it fails. Real installers, wheels made by hand, no index."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from trainconf.environments import identity
from trainconf.environments.lock import lock
from trainconf.environments.removal import leftovers, remove_leftover
from trainconf.environments.store import ls, show
from trainconf.errors import BuildError, EnvironmentRecipeError, StorageError
from trainconf.files import FileLock, is_locked
from trainconf.paths import RunPaths, packaged
from trainconf.reporter import SILENT, Lines

from ..conftest import Starter, Workspace, both_installers, make_wheel

DEMO = "./demo-1.0-py3-none-any.whl"
ENSURE = """
import sys
from trainconf.environments import EnvironmentRequest, ensure, read_recipe
from trainconf.paths import WorkspacePaths
from trainconf.reporter import Lines
root = sys.argv[1]
spec = read_recipe({"requirements": sys.argv[2:]}, root, [])
print("ready", flush=True)
prepared = ensure(EnvironmentRequest(spec, WorkspacePaths(root), "test", Lines(lambda line: print(line, flush=True))))
print("built" if prepared.built else "reused", flush=True)
"""
# A source package whose build waits until a file appears: a build that can be caught in the middle.
SLOW_BACKEND = """
import os, time
def build_wheel(*_, **__):
    open({started!r}, "w").close()
    while not os.path.exists({go!r}):
        time.sleep(0.02)
    raise SystemExit("the build was let go")
"""


@pytest.fixture
def slow_package(workspace: Workspace) -> Path:
    package = Path(workspace.root, "slow")
    package.mkdir()
    (package / "pyproject.toml").write_text("[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n")
    names = {"started": str(package.parent / "started"), "go": str(package.parent / "go")}
    (package / "backend.py").write_text(SLOW_BACKEND.format(**names))
    return package


def wait_for(path: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while not os.path.exists(path):
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@both_installers
def test_a_venv_is_built_once_works_after_its_move_and_is_reused(workspace: Workspace, installer: str) -> None:
    spec = workspace.resolve(requirements=[DEMO])
    prepared = workspace.ensure(spec)
    folder = os.path.join(workspace.paths.envs, identity(spec)[:12])
    assert prepared.built
    assert prepared.python == os.path.join(folder, "bin", "python")
    assert f"with {installer}" in workspace.reported[0]
    told = subprocess.run([os.path.join(folder, "bin", "demo-hello")], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == ascii(folder)
    assert prepared.lock_text.startswith(f"# python {sys.version.split()[0]}\ndemo==1.0\n")
    again = workspace.ensure(spec, "another name")
    assert (again.built, again.python, again.lock_text) == (False, prepared.python, prepared.lock_text)
    assert workspace.left() == [os.path.basename(folder)]


HOSTILE = ["a b", "quo'te\"s", "new\nline", "100%", "$(touch x)", "é"]
NO_TEXT = os.fsdecode(b"\xff\xfe")  # is built in another folder


@pytest.mark.parametrize(("name", "installer"), [
    *((name, "uv") for name in HOSTILE), ("".join(HOSTILE), "pip"), (NO_TEXT, "uv"), (NO_TEXT, "pip"),
    *(pytest.param(name, "pip", marks=pytest.mark.nightly) for name in HOSTILE),
], indirect=["installer"])  # fmt: skip
def test_any_folder_name_will_do(tmp_path: Path, name: str, installer: str) -> None:
    root = tmp_path / name
    make_wheel(root)
    workspace = Workspace(str(root))
    prepared = workspace.ensure(workspace.resolve(requirements=[DEMO]))
    folder = os.path.dirname(os.path.dirname(prepared.python))
    for command in ([prepared.python, "-c", "import demo; demo.main()"], [os.path.join(folder, "bin", "demo-hello")]):
        assert subprocess.run(command, capture_output=True, check=True).stdout.decode().strip() == ascii(folder)
    assert workspace.left() == [os.path.basename(folder)]


def test_local_content_decides_and_what_changed_after_the_spec_is_refused(workspace: Workspace) -> None:
    spec = workspace.resolve(requirements=[DEMO])
    make_wheel(Path(workspace.root), code="def main(): print('changed')\n")
    with pytest.raises(EnvironmentRecipeError, match="has changed since"):
        workspace.ensure(spec)
    assert workspace.left() == []
    assert identity(workspace.resolve(requirements=[DEMO])) != identity(spec)
    os.unlink(os.path.join(workspace.root, DEMO))
    with pytest.raises(EnvironmentRecipeError, match="is gone"):
        workspace.ensure(spec)


def test_constraints_and_find_links_reach_the_installer(workspace: Workspace, installer: str) -> None:
    make_wheel(Path(workspace.root, "wheels"), "dep", "1.0")
    make_wheel(Path(workspace.root, "wheels"), "dep", "2.0")
    make_wheel(Path(workspace.root, "wheels"), "top", "1.0", requires="dep")
    Path(workspace.root, "limits.txt").write_text("dep<2\n")
    prepared = workspace.ensure(workspace.resolve(requirements=["--find-links wheels", "top", "-c limits.txt"]))
    assert "dep==1.0\n" in prepared.lock_text


def test_a_recipe_without_requirements_is_a_bare_python(workspace: Workspace) -> None:
    prepared = workspace.ensure(workspace.resolve())
    assert prepared.lock_text == f"# python {sys.version.split()[0]}\n"


def test_an_unresolvable_requirement_is_told_in_the_installers_words_and_leaves_nothing(workspace: Workspace, installer: str) -> None:
    spec = workspace.resolve(requirements=["no-such-package-anywhere==9"])
    with pytest.raises(BuildError, match=r"it said(?s:.*)no-such-package-anywhere") as caught:
        workspace.ensure(spec)
    assert caught.value.exit_code == 2
    assert any("no-such-package-anywhere" in line for line in workspace.reported)  # live, too
    assert workspace.left() == []


def test_an_index_that_cannot_be_reached_is_told(workspace: Workspace, installer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("UV_OFFLINE")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # nobody listens there
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(BuildError, match=r"127.0.0.1:9|onnection|reachable"):
        workspace.ensure(workspace.resolve(requirements=["no-such-package-anywhere"]))
    assert workspace.left() == []


def test_a_python_that_is_not_installed_is_told_and_leaves_nothing(workspace: Workspace) -> None:
    with pytest.raises(EnvironmentRecipeError, match=r"no Python 3\.98"):
        workspace.ensure(workspace.resolve(python={"version": "3.98"}))
    assert workspace.left() == []


def test_six_processes_at_once_build_once(workspace: Workspace, start: Starter) -> None:
    started = [start(ENSURE, workspace.root, DEMO) for _ in range(6)]
    said = [process.communicate(timeout=300)[0].decode() for process in started]
    assert sorted(text.splitlines()[-1] for text in said) == ["built", *["reused"] * 5]
    assert len(workspace.left()) == 1


def test_a_build_killed_midway_is_never_believed(workspace: Workspace, slow_package: Path, start: Starter) -> None:
    process = start(ENSURE, workspace.root, "./slow")
    wait_for(os.path.join(workspace.root, "started"), process)
    process.send_signal(signal.SIGKILL)
    with process:
        process.wait()
    (key,) = [name.partition(".")[0] for name in workspace.left()]
    held = os.path.join(workspace.paths.envs, ".locks", key)
    assert is_locked(held)  # the orphaned installer holds it on: nobody clears the folder away under its feet
    assert leftovers(workspace.paths) == []
    spec = workspace.resolve(requirements=["./slow"])
    threading.Timer(0.2, Path(workspace.root, "go").touch).start()
    with pytest.raises(BuildError):
        workspace.ensure(spec)
    assert "another run is building" in workspace.reported[0]
    assert workspace.left() == []


def test_leftovers_are_swept_and_whole_environments_stay(workspace: Workspace) -> None:
    workspace.ensure(workspace.resolve(requirements=[DEMO]))
    (whole,) = workspace.left()
    left = ["aaaaaaaaaaaa.building", "bbbbbbbbbbbb.removing", "cccccccccccc"]
    for name in ("aaaaaaaaaaaa.building/env", "bbbbbbbbbbbb.removing", "cccccccccccc/bin"):
        os.makedirs(os.path.join(workspace.paths.envs, name))
    assert leftovers(workspace.paths) == left
    assert all(remove_leftover(workspace.paths, name) for name in left)
    assert workspace.left() == [whole]


def test_only_names_that_builds_give_are_leftovers_and_no_links(workspace: Workspace, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "file").touch()
    os.makedirs(workspace.paths.envs)
    os.symlink(theirs, os.path.join(workspace.paths.envs, "aaaaaaaaaaaa"))
    os.symlink(theirs, os.path.join(workspace.paths.envs, "aaaaaaaaaaaa.building"))
    for name in ("notes", "aaaaaaaaaaaa.old", "aaaaaaaaaaa", "AAAAAAAAAAAA", "bbbbbbbbbbbb.building.x", ".building"):
        os.makedirs(os.path.join(workspace.paths.envs, name))
    Path(workspace.paths.envs, "cccccccccccc").touch()
    there = sorted(os.listdir(workspace.paths.envs))
    assert leftovers(workspace.paths) == []
    assert not any(remove_leftover(workspace.paths, name) for name in there)
    assert sorted(set(os.listdir(workspace.paths.envs)) - {".locks"}) == there
    assert (theirs / "file").exists()


def test_ctrl_c_during_a_build_leaves_neither_files_nor_processes(workspace: Workspace, slow_package: Path, start: Starter) -> None:
    process = start(ENSURE, workspace.root, "./slow")
    wait_for(os.path.join(workspace.root, "started"), process)
    (key,) = [name.partition(".")[0] for name in workspace.left()]
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=300)[0].decode()
    assert "KeyboardInterrupt" in said
    assert workspace.left() == []
    assert not is_locked(os.path.join(workspace.paths.envs, ".locks", key))  # whoever lives would hold it


def test_a_base_python_that_vanished_is_noticed_and_the_environment_made_anew(workspace: Workspace) -> None:
    prepared = workspace.ensure(workspace.resolve(requirements=[DEMO]))
    os.unlink(prepared.python)
    os.symlink("/nowhere/python3", prepared.python)
    assert ls(workspace.paths) == []
    assert workspace.ensure(workspace.resolve(requirements=[DEMO])).built


def test_a_patch_release_in_place_of_the_base_python_is_recorded(workspace: Workspace) -> None:
    spec = workspace.resolve(requirements=[DEMO])
    workspace.ensure(spec)
    account_file = Path(workspace.paths.envs, identity(spec)[:12], "trainconf-environment.json")
    account = json.loads(account_file.read_text())
    older = ".".join([*account["python"].split(".")[:2], "0"])
    account_file.write_text(json.dumps(account | {"python": older, "base": [1, 1]}))
    prepared = workspace.ensure(spec)
    assert not prepared.built
    assert prepared.lock_text.startswith(f"# python {sys.version.split()[0]}\n")
    account_file.write_text(json.dumps(account | {"python": "3.9.1", "base": [1, 1]}))
    assert workspace.ensure(spec).built


def test_what_was_installed_by_hand_is_recorded_and_said(workspace: Workspace) -> None:
    spec = workspace.resolve(requirements=[DEMO])
    python = workspace.ensure(spec).python
    next(Path(python).parent.parent.glob("lib/*/site-packages")).joinpath("extra-7.0.dist-info").mkdir()
    workspace.reported.clear()
    assert "extra==7.0" in workspace.ensure(spec).lock_text
    assert "changed by hand" in workspace.reported[0]


def test_environments_are_shown_by_hash_or_name_and_removed(workspace: Workspace) -> None:
    workspace.ensure(workspace.resolve(requirements=[DEMO]), "one")
    workspace.ensure(workspace.resolve(), "one")
    newest, oldest = ls(workspace.paths)
    with pytest.raises(EnvironmentRecipeError, match="2 environments answer"):
        show(workspace.paths, "one")
    with pytest.raises(EnvironmentRecipeError, match="no environment answers"):
        show(workspace.paths, "")
    assert show(workspace.paths, oldest.hash[:8]).packages()[0] == "demo==1.0"
    assert workspace.rm(newest.hash) == newest.hash
    assert workspace.left() == [oldest.hash]
    assert show(workspace.paths, "one").hash == oldest.hash


def test_an_environment_tells_its_size_and_when_it_was_used_last(workspace: Workspace) -> None:
    spec = workspace.resolve(requirements=[DEMO])
    workspace.ensure(spec)
    (built,) = ls(workspace.paths)
    use = os.path.join(workspace.paths.envs, ".locks", f"{built.hash}.use")
    os.utime(use, (1_700_000_000, 1_700_000_000))
    assert built.last_used == 1_700_000_000
    workspace.ensure(spec)
    assert built.last_used > 1_700_000_000
    before, own = built.disk_bytes()
    os.link(os.path.join(built.folder, "pyvenv.cfg"), os.path.join(workspace.root, "shared"))
    Path(built.folder, "big").write_bytes(bytes(1_000_000))
    total, own_now = built.disk_bytes()
    assert total - before > 999_000
    assert 0 < own_now - own < total - before  # what has a second name elsewhere frees nothing


def test_an_environment_in_use_is_not_removed(workspace: Workspace) -> None:
    prepared = workspace.ensure(workspace.resolve(requirements=[DEMO]))
    run = RunPaths(os.path.join(workspace.paths.runs, "digits", "digits-1"))
    os.makedirs(run.run_dir)
    Path(run.plan).write_text(json.dumps({"ranks": [{"argv": [prepared.python, "train.py"]}]}))
    held = FileLock(run.lock)
    held.acquire()
    with pytest.raises(EnvironmentRecipeError, match=r"in use(?s:.*)digits-1"):
        workspace.rm("test")
    held.release()
    del prepared
    workspace.rm("test")
    assert workspace.left() == []


def test_a_recipe_is_pinned_with_local_paths_as_they_were(workspace: Workspace, installer: str) -> None:
    make_wheel(Path(workspace.root, "wheels"), "dep", "1.0")
    make_wheel(Path(workspace.root), "top", "1.0", requires="dep>=0.5")
    env = {"name": "mine", "requirements": ["--find-links ./wheels", "./top-1.0-py3-none-any.whl"]}
    text = lock(env, workspace.root, reporter=Lines(workspace.reported.append))
    assert sorted(text.splitlines()[1:]) == ["--find-links ./wheels", "./top-1.0-py3-none-any.whl", "dep==1.0"]
    Path(workspace.root, "mine.lock.txt").write_text(text)
    prepared = workspace.ensure(workspace.resolve(requirements_file="mine.lock.txt"))
    assert {"dep==1.0", "top==1.0"} <= set(prepared.lock_text.splitlines())


def test_only_recipes_can_be_pinned(workspace: Workspace) -> None:
    with pytest.raises(EnvironmentRecipeError, match="nothing to pin"):
        lock({"python": {"user_managed_dependencies": True}}, workspace.root, reporter=SILENT)
    with pytest.raises(EnvironmentRecipeError, match="does not exist"):
        lock({"requirements_file": "absent"}, workspace.root, reporter=SILENT)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk")
def test_a_full_disk_is_told_and_leaves_nothing(small_disk: Path, installer: str) -> None:
    make_wheel(small_disk, code="# " + os.urandom(1_200_000).hex())
    workspace = Workspace(str(small_disk))
    spec = workspace.resolve(requirements=[DEMO])
    with pytest.raises((BuildError, StorageError), match=r"(?s)No space left.*free some space"):
        workspace.ensure(spec)
    assert workspace.left() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk")
def test_a_read_only_disk_is_told(small_disk: Path) -> None:
    make_wheel(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    workspace = Workspace(str(small_disk))
    with pytest.raises(StorageError, match="mounted read-only"):
        workspace.ensure(workspace.resolve(requirements=[DEMO]))


def test_another_version_of_python_is_found_and_built_on(workspace: Workspace, installer: str) -> None:
    from trainconf.environments.recipe.interpreter import find_version

    here = ".".join(map(str, sys.version_info[:2]))
    others = [version for version in ("3.10", "3.12", "3.13", "3.14") if version != here]
    for version in others:
        try:
            find_version(version, workspace.paths.cache)
        except EnvironmentRecipeError:
            continue
        prepared = workspace.ensure(workspace.resolve(requirements=[DEMO], python={"version": version}))
        assert prepared.lock_text.startswith(f"# python {version}.")
        return
    pytest.skip("no second Python on this machine")


@pytest.mark.network
def test_the_default_environment_installs_and_imports(workspace: Workspace) -> None:
    recipe = yaml.safe_load(Path(packaged("conf", "env", "minimal.yaml")).read_text())
    prepared = workspace.ensure(workspace.resolve(requirements=recipe["requirements"]))
    assert "numpy==" in prepared.lock_text
    subprocess.run([prepared.python, "-c", "import numpy; assert numpy.ones(3).sum() == 3"], check=True)


def test_an_environment_is_not_removed_between_being_handed_out_and_the_plan_of_its_run(workspace: Workspace) -> None:
    spec = workspace.resolve(requirements=["./demo-1.0-py3-none-any.whl"])
    ready = workspace.ensure(spec)
    again = workspace.ensure(spec)
    name = os.path.basename(os.path.dirname(os.path.dirname(ready.python)))
    del ready
    with pytest.raises(EnvironmentRecipeError, match="handed to a run"):
        workspace.rm(name)
    assert os.path.exists(again.python)
    del again
    assert workspace.rm(name) == name
    assert workspace.ensure(spec).built

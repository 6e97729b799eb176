"""Resolving: interpreters, versions, what a spec holds, and what its identity depends on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainconf.environments import identity
from trainconf.environments.recipe.interpreter import find_version, fits, inspect
from trainconf.errors import EnvironmentRecipeError
from trainconf.fast.records import replace
from trainconf.process import processes

from ..conftest import Workspace

MANAGED = {"requirements": ["numpy==2.3.5"]}


def user_managed(path: str | None = None, **rest: object) -> dict[str, object]:
    return {"python": {"user_managed_dependencies": True, "interpreter_path": path, **rest}}


def make_venv(folder: Path) -> str:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return str(folder / "bin" / "python")


def script(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_the_current_python_is_the_venvs_and_its_packages_are_what_it_has(workspace: Workspace) -> None:
    spec = workspace.resolve(**user_managed())
    assert (spec.kind, spec.interpreter, spec.python) == ("current", "", sys.version.split()[0])
    prepared = workspace.ensure(spec)
    assert prepared.python == sys.executable
    assert not prepared.built
    listed = subprocess.run([sys.executable, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True).stdout
    frozen = sorted(line.lower().replace("_", "-").replace(".", "-") for line in listed.splitlines() if "==" in line)
    assert [line.replace(".", "-") for line in prepared.lock_text.splitlines()[1:]] == frozen
    assert prepared.lock_text.startswith(f"# python {spec.python}\n")


def test_another_interpreter_is_asked_once_then_only_its_folders_are_read(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    python = make_venv(Path(workspace.root, "own venv"))
    os.mkdir(workspace.paths.state)
    asked: list[str] = []
    run = processes.run
    monkeypatch.setattr(processes, "run", lambda argv, **rest: (asked.append(argv[0]), run(argv, **rest))[1])
    bare = workspace.resolve(**user_managed("own venv/bin/python"))
    site = next(Path(workspace.root, "own venv").glob("lib/*/site-packages"))
    (site / "demo_pkg-1.0.dist-info").mkdir()
    (site / "Old.Pkg-2.0-py3.11.egg-info").write_text("")
    (site / "dev.egg-info").mkdir()
    (site / "dev.egg-info" / "PKG-INFO").write_text("Name: dev\nVersion: 3.0\n")
    (site / "~emo_pkg-0.9.dist-info").mkdir()
    spec = workspace.resolve(**user_managed("own venv/bin/python"))
    assert asked == [python]
    assert spec.software_id != bare.software_id
    prepared = workspace.ensure(spec)
    assert prepared.python == python
    assert prepared.lock_text.splitlines()[1:] == ["demo-pkg==1.0", "dev==3.0", "old-pkg==2.0"]
    os.utime(python, ns=(1, 1))  # the base Python's file has another time now
    with pytest.raises(EnvironmentRecipeError, match="not the set that was recorded"):
        workspace.ensure(bare)


def test_a_wrapper_is_asked_every_time_because_its_file_does_not_tell_what_it_starts(workspace: Workspace) -> None:
    os.mkdir(workspace.paths.state)
    wrapper = script(Path(workspace.root, "wrapper"), f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    inspect(wrapper, workspace.paths.cache)
    assert not os.path.exists(workspace.paths.cache)


def test_a_dry_run_in_a_folder_that_is_no_workspace_leaves_nothing(workspace: Workspace) -> None:
    before = sorted(os.listdir(workspace.root))
    workspace.resolve(**user_managed(sys.executable))
    workspace.resolve(**MANAGED)
    assert sorted(os.listdir(workspace.root)) == before


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("bin/nowhere", "the interpreter does not exist"), ("no-such-program", "there is no program no-such-program on PATH"),
        ("plain", "may not be executed"), ("ls", "is not a working Python"), ("/bin/true", "is not a working Python"),
        ("wheels", "the interpreter is a folder"), ("text", "is not a working Python"), ("liar", "is not a working Python"),
    ],
)
def test_what_is_no_interpreter_is_told(workspace: Workspace, named: str, sentence: str) -> None:
    root = Path(workspace.root)
    (root / "plain").write_text("x")
    (root / "wheels").mkdir()
    script(root / "text", "no shebang and no program\n")
    script(root / "liar", "#!/bin/sh\necho 3.11\n")
    path = named if named in ("ls", "no-such-program") or "/" in named else f"./{named}"
    assert sentence in workspace.wrong(**user_managed(path))
    assert sentence in workspace.wrong(python={"interpreter_path": path})


def test_the_python_inside_a_named_folder_is_suggested(workspace: Workspace) -> None:
    make_venv(Path(workspace.root, "v"))
    assert "hint: its Python is ./v/bin/python" in workspace.wrong(**user_managed("./v"))


def test_a_recipe_beside_user_managed_dependencies_is_told_key_by_key(workspace: Workspace) -> None:
    told = workspace.wrong(**user_managed(), requirements=["x"], requirements_file="absent.txt", pyproject="p", conda_file="c")
    for key in ("requirements", "requirements_file", "pyproject", "conda_file"):
        assert f"env.{key} would not be installed" in told


@pytest.mark.parametrize(
    ("version", "sentence"),
    [("three", "not a version"), ("3", "not a version"), ("3.1", 'write "3.10" in quotes'), ("2.7", "not a version")],
)
def test_a_bad_version_is_told(workspace: Workspace, version: str, sentence: str) -> None:
    assert sentence in workspace.wrong(python={"version": version})


def test_a_version_that_the_interpreter_is_not_is_told(workspace: Workspace) -> None:
    assert "not the 3.9 that was asked for" in workspace.wrong(python={"version": "3.9", "interpreter_path": sys.executable})
    assert "not the 3.9 that was asked for" in workspace.wrong(**user_managed(version="3.9"))


def test_versions_are_compared_part_by_part() -> None:
    assert fits("3.11.7", "3.11")
    assert not fits("3.11.17", "3.11.1")
    assert not fits("3.1.0", "3.11")


def test_a_version_that_is_not_installed_is_answered_with_those_that_are(workspace: Workspace) -> None:
    with pytest.raises(EnvironmentRecipeError, match=r"no Python 3\.98(?s:.*)installed +(?s:.*)3\.\d+\.\d+  /"):
        find_version("3.98", workspace.paths.cache)
    found = find_version(".".join(map(str, sys.version_info[:2])), workspace.paths.cache)
    assert fits(inspect(found, "").version, ".".join(map(str, sys.version_info[:2])))


def test_identity_is_what_was_asked_for_and_neither_names_nor_variables(workspace: Workspace) -> None:
    spec = workspace.resolve(**MANAGED)
    assert identity(workspace.resolve(**MANAGED, name="other", variables={"A": "1"})) == identity(spec)
    assert spec.python == ".".join(map(str, sys.version_info[:2]))
    for changed in (replace(spec, python="3.9"), replace(spec, requirements=()), replace(spec, files=(("./x", "0"),))):
        assert identity(changed) != identity(spec)


def test_a_variable_that_no_process_can_have_is_told_and_a_secret_stays_symbolic(workspace: Workspace) -> None:
    assert workspace.wrong(variables={"A=B": "1", "C": "\0"}).count("cannot be an environment variable") == 2
    assert workspace.resolve(variables={"T": "${secret:TOKEN}"}).variables == (("T", "${secret:TOKEN}"),)


def test_a_user_site_or_path_file_that_appears_later_is_seen(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "user"))
    monkeypatch.delenv("PYTHONNOUSERSITE", raising=False)
    os.mkdir(workspace.paths.state)
    python = os.path.realpath(sys.executable)
    before = workspace.resolve(**user_managed(python))
    site = tmp_path / "user" / "lib" / f"python3.{sys.version_info[1]}" / "site-packages"
    (site / "evil-9.9.dist-info").mkdir(parents=True)
    with_user_site = workspace.resolve(**user_managed(python))
    assert with_user_site.software_id != before.software_id
    (tmp_path / "more" / "worse-1.0.dist-info").mkdir(parents=True)
    (site / "more.pth").write_text(f"{tmp_path}/more\n")
    with_path_file = workspace.resolve(**user_managed(python))
    assert len({spec.software_id for spec in (before, with_user_site, with_path_file)}) == 3


def test_what_lies_in_front_is_what_is_recorded(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("front", "behind"):
        (tmp_path / folder / f"demo-{len(folder)}.dist-info").mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}/front:relative:{tmp_path}/behind:")
    lock = workspace.ensure(workspace.resolve(**user_managed())).lock_text
    assert [line for line in lock.splitlines() if line.startswith("demo==")] == ["demo==5"]
    assert "# PYTHONPATH relative\n" in lock


def test_a_shim_is_looked_through_and_a_wrapper_is_not(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "shims").mkdir()
    shim = script(tmp_path / "shims" / "python3", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    wrapper = script(tmp_path / "python3", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    assert inspect(shim, "").path == sys.executable
    assert inspect(wrapper, "").path == wrapper

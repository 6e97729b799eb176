"""The software that a job sees is that of its environment, whatever the submitter's shell says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell
from trainconf.launchers.job.env import input_variable

LOOK = """\
import json, os, subprocess, sys
import trainconf
def ask(*words):
    return subprocess.run(words, capture_output=True, text=True).stdout.strip()
code = "import os, sys; print(os.path.realpath(sys.prefix))"
seen = {
    "prefix": os.path.realpath(sys.prefix), "python": ask("python", "-c", code), "python3": ask("python3", "-c", code),
    "variables": dict(os.environ), "user_site": __import__("site").ENABLE_USER_SITE, "tool": ask("sh", "-c", "our-tool"),
}
try:
    import intruder
    seen["intruder"] = intruder.__file__
except ImportError:
    seen["intruder"] = None
json.dump(seen, open("outputs/seen.json", "w"))
"""


@pytest.fixture
def intruders(tmp_path: Path) -> dict[str, str]:
    """Variables of a shell that would put other software into every Python."""
    lib = tmp_path / "intruders"
    version = "python" + ".".join(map(str, sys.version_info[:2]))
    site = lib / "user" / "lib" / version / "site-packages"
    site.mkdir(parents=True)
    for folder in (lib, site):
        (folder / "intruder.py").write_text("")
        (folder / "evil-9.9.dist-info").mkdir()
    (lib / "sitecustomize.py").write_text("import builtins; builtins.intruded = True")
    (lib / "startup.py").write_text("raise SystemExit(9)")
    return {
        "PYTHONPATH": f"{lib}{os.pathsep}{Path(__file__).parents[4]}", "PYTHONUSERBASE": str(lib / "user"), "PYTHONSAFEPATH": "1",
        "PYTHONSTARTUP": str(lib / "startup.py"), "VIRTUAL_ENV": str(lib), "CONDA_PREFIX": str(lib),
    }  # fmt: skip


def seen_by(workspace: Shell) -> dict[str, object]:
    found: dict[str, object] = json.loads((workspace.run_dirs()[-1] / "outputs" / "seen.json").read_text())
    return found


def bare(workspace: Shell, *words: str) -> list[str]:
    """Words for a run in an environment that holds nothing."""
    workspace.write("conf/env/bare.yaml", "defaults:\n  - /schema/env/recipe@_here_\n  - _self_\nname: bare\n")
    return ["experiment=adhoc", "script=train.py", "env=bare", f"compute.lease_dir={workspace.leases}", "compute.slots=4", *words]


def test_a_managed_environment_sees_nothing_of_the_submitters_python(
    here: Callable[..., Answer], workspace: Shell, intruders: dict[str, str]
) -> None:
    workspace.write("train.py", LOOK)
    workspace.write("beside.py", "")
    answer = workspace(*bare(workspace), env=intruders)
    assert answer.code == 0, answer
    seen = seen_by(workspace)
    env = next(path for path in (workspace.root / ".trainconf" / "envs").iterdir() if path.name != ".locks")
    assert {seen["prefix"], seen["python"], seen["python3"]} == {str(env)}
    assert seen["intruder"] is None
    assert seen["user_site"] is False
    kept = set(intruders) & set(seen["variables"])  # type: ignore[call-overload]
    assert kept == {"PYTHONPATH"}
    assert "evil" not in (workspace.run_dirs()[-1] / "environment.lock").read_text()


def test_what_env_variables_asks_for_is_not_taken_away(here: Callable[..., Answer], workspace: Shell) -> None:
    workspace.write("train.py", LOOK)
    (workspace.root / "lib").mkdir()
    workspace.write("lib/intruder.py", "")
    variables = {"PYTHONPATH": f"{workspace.root}/lib", "VIRTUAL_ENV": "/mine"}
    answer = here(*bare(workspace, *(f"+env.variables.{name}={value}" for name, value in variables.items())))
    assert answer.code == 0, answer
    seen = seen_by(workspace)
    assert seen["intruder"] == f"{workspace.root}/lib/intruder.py"
    assert seen["variables"]["VIRTUAL_ENV"] == "/mine"  # type: ignore[index]


@pytest.mark.parametrize("name", ["a:b", "c d", "e'f"])
def test_its_programs_are_found_whatever_the_workspace_is_called(workspace: Shell, tmp_path: Path, name: str) -> None:
    root = tmp_path / name / "ws"
    root.mkdir(parents=True)
    moved = Shell(root, workspace.home)
    moved.write("train.py", LOOK)
    answer = moved(*bare(moved))
    assert answer.code == 0, answer
    seen = seen_by(moved)
    assert seen["python"] == seen["python3"] == seen["prefix"]
    assert str(seen["prefix"]).startswith(str(root))


def own_python(folder: Path) -> Path:
    """A venv of the user's own, with a program beside its Python."""
    plain = folder.with_name("made")  # venv refuses to work where PATH cannot lead
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", plain], check=True)
    plain.rename(folder)
    (folder / "bin" / "our-tool").write_text("#!/bin/sh\necho ours\n")
    (folder / "bin" / "our-tool").chmod(0o755)
    return folder / "bin" / "python"


@pytest.mark.parametrize("place", ["own", "own:colon"])
def test_a_named_interpreter_is_what_commands_and_scripts_start(workspace: Shell, tmp_path: Path, place: str) -> None:
    python = own_python(tmp_path / place)
    workspace.write("train.py", LOOK)
    words = [*workspace.script("command=[python,train.py]", "script=null"), f"env.python.interpreter_path={python}"]
    answer = workspace(*words, env={"VIRTUAL_ENV": "/other", "CONDA_PREFIX": "/other"})
    assert answer.code == 0, answer
    seen = seen_by(workspace)
    assert {seen["prefix"], seen["python"], seen["python3"]} == {str(tmp_path / place)}
    assert seen["tool"] == "ours"
    assert not {"VIRTUAL_ENV", "CONDA_PREFIX"} & set(seen["variables"])  # type: ignore[call-overload]


def test_an_interpreter_of_another_name_is_found_as_python(workspace: Shell, tmp_path: Path) -> None:
    python = own_python(tmp_path / "own")
    for name in ("python", "python3"):
        (python.parent / name).unlink()
    (python.parent / "our-python").symlink_to(os.path.realpath(sys.executable))
    workspace.write("train.py", LOOK)
    answer = workspace(*workspace.script(), f"env.python.interpreter_path={python.parent / 'our-python'}")
    assert answer.code == 0, answer
    seen = seen_by(workspace)
    assert {seen["prefix"], seen["python"], seen["python3"]} == {str(tmp_path / "own")}


def test_the_submitting_python_is_first_though_no_shell_has_activated_it(workspace: Shell) -> None:
    workspace.write("train.py", LOOK)
    answer = workspace(*workspace.script("command=[python,train.py]", "script=null"), env={"PATH": "/usr/bin:/bin"})
    assert answer.code == 0, answer
    seen = seen_by(workspace)
    assert {seen["prefix"], seen["python"], seen["python3"]} == {os.path.realpath(sys.prefix)}


def test_programs_of_the_system_stay_behind_those_of_the_user(workspace: Shell, tmp_path: Path) -> None:
    """A Python of /usr/bin is found as `python`; what else lies there is not moved in front of the user's own folders."""
    if not os.access("/usr/bin/python3", os.X_OK):
        pytest.skip("this machine has no /usr/bin/python3")
    tool = tmp_path / "mine" / "env"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho mine\n")
    tool.chmod(0o755)
    command = "command='env > outputs/tool; python -c \"import sys; print(sys.executable)\" > outputs/python'"
    path = f"{tool.parent}:{os.environ['PATH']}"
    answer = workspace(*workspace.script("script=null", command), "env.python.interpreter_path=/usr/bin/python3", env={"PATH": path})
    assert answer.code == 0, answer
    outputs = workspace.run_dirs()[-1] / "outputs"
    assert (outputs / "tool").read_text() == "mine\n"
    assert (outputs / "python").read_text() == "/usr/bin/python3\n"


def test_the_pythonpath_of_a_user_managed_python_is_recorded_and_reaches_the_job(workspace: Shell, intruders: dict[str, str]) -> None:
    workspace.write("train.py", LOOK)
    answer = workspace(*workspace.script(), env={"PYTHONPATH": intruders["PYTHONPATH"]})
    assert answer.code == 0, answer
    seen, lock = seen_by(workspace), (workspace.run_dirs()[-1] / "environment.lock").read_text()
    assert seen["intruder"]
    assert "evil==9.9\n" in lock
    assert f"# PYTHONPATH {Path(str(seen['intruder'])).parent}\n" in lock
    clean = workspace(*workspace.script())
    assert clean.code == 0, clean
    assert sorted("evil" in (run / "environment.lock").read_text() for run in workspace.run_dirs()) == [False, True]
    assert len({json.loads((run / "spec.json").read_text())["spec_hash"] for run in workspace.run_dirs()}) == 2


def test_a_python_told_to_ignore_the_shell_has_jobs_that_do_as_well(workspace: Shell, intruders: dict[str, str]) -> None:
    workspace.write("train.py", LOOK)
    root = str(Path(__file__).parents[4])
    code = f"import sys; sys.path.insert(0, {root!r}); from trainconf.__main__ import main; sys.exit(main())"
    words = [sys.executable, "-E", "-s", "-c", code]
    done = subprocess.run([*words, *workspace.script()], cwd=workspace.root, env=workspace.env | intruders, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen = seen_by(workspace)
    assert seen["intruder"] is None
    assert "evil" not in (workspace.run_dirs()[-1] / "environment.lock").read_text()


def test_names_of_inputs_become_names_of_variables() -> None:
    assert input_variable("train-set.2") == "TRAINCONF_INPUT_TRAIN_SET_2"

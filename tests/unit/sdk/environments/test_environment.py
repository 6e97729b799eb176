"""Environment: what each way to make one says, and what it says to a run."""

from __future__ import annotations

import copy
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from trainconf import (
    CondaDependencies,
    ContainerRegistry,
    DockerBuildContext,
    DockerSection,
    Environment,
    PythonSection,
    RunConfiguration,
    ScriptRunConfig,
    Workspace,
)  # fmt: skip
from trainconf.environments.image import fetch
from trainconf.errors import UserError
from trainconf.sdk.environments.conda import submitting_python
from trainconf.sdk.submission.request import request

PYTHON = {"version": submitting_python()}


def tree(environment: Environment) -> dict[str, Any]:
    words, values = environment._layer()
    assert words == ["env=bare"]
    return dict(values["env"])


def test_one_that_says_nothing_is_a_bare_python_of_the_version_that_submits() -> None:
    assert tree(Environment("x")) == {"name": "x", "python": PYTHON}


def test_user_managed_is_the_python_that_submits_or_the_one_named() -> None:
    mine = Environment("mine")
    mine.python.user_managed_dependencies = True
    assert tree(mine) == {"name": "mine", "python": {"user_managed_dependencies": True}}
    mine.python.interpreter_path = "/opt/conda/bin/python"
    assert tree(mine)["python"] == {"user_managed_dependencies": True, "interpreter_path": "/opt/conda/bin/python"}


def test_a_requirements_file_is_read_with_what_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "pkg").mkdir()
    (tmp_path / "sub" / "req.txt").write_text(
        "# ours\nnumpy==2.3.5 \\\n  --hash=sha256:00\n-r more.txt\n./pkg\n-e ./pkg\n--pre\n\n"
        "six; python_version < '3'\nsix; python_version > '3'\n"
    )
    found = Environment.from_pip_requirements("x", Path("sub", "req.txt"), pip_version="25.0")
    assert tree(found) == {"name": "x", "python": PYTHON, "requirements": [
        "--pre", "numpy==2.3.5 --hash=sha256:00", f"-r {tmp_path}/sub/more.txt", f"{tmp_path}/pkg", f"-e {tmp_path}/pkg",
        "six; python_version < '3'", "six; python_version > '3'", "pip==25.0",
    ]}  # fmt: skip


def test_a_conda_file_is_read_and_says_its_python_and_variables(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text("dependencies: [python=3.10, numpy=2.1, {pip: [a==1]}]\nvariables: {A: 1}\n")
    found = Environment.from_conda_specification("x", tmp_path / "c.yml")
    assert tree(found) == {
        "name": "x", "python": {"version": "3.10"}, "requirements": ["numpy==2.1.*", "a==1"], "variables": {"A": "1"},
    }  # fmt: skip
    (tmp_path / "c.yml").write_text("dependencies: [python=3.10, openmpi, cudatoolkit]\n")
    with pytest.raises(UserError, match=r"openmpi needs conda[\s\S]*cudatoolkit needs conda"):
        Environment.from_conda_specification("x", tmp_path / "c.yml")


def test_an_image_is_used_as_it_is_or_has_packages_installed_on_it(tmp_path: Path) -> None:
    (tmp_path / "req.txt").write_text("a==1\n")
    (tmp_path / "c.yml").write_text("dependencies: [python=3.11, {pip: [b]}]\n")
    assert tree(Environment.from_docker_image("x", "python:3.11-slim")) == {"name": "x", "docker": {"image": "python:3.11-slim"}}
    registry = ContainerRegistry("registry.example:5000")
    assert tree(Environment.from_docker_image("x", "team/x:1", registry))["docker"] == {"image": "registry.example:5000/team/x:1"}
    assert tree(Environment.from_docker_image("x", "other.example/x:1", registry))["docker"] == {"image": "other.example/x:1"}
    on_top = Environment.from_docker_image("x", "python:3.11-slim", pip_requirements=tmp_path / "req.txt")
    assert tree(on_top) == {"name": "x", "requirements": ["a==1"], "docker": {"base_image": "python:3.11-slim"}}
    on_top = Environment.from_docker_image("x", "python:3.11-slim", conda_specification=tmp_path / "c.yml")
    assert tree(on_top)["python"] == {"version": "3.11"}
    with pytest.raises(UserError, match="conda_specification and pip_requirements are both given"):
        Environment.from_docker_image("x", "y", None, tmp_path / "c.yml", tmp_path / "req.txt")


def test_a_dockerfile_is_a_path_or_a_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Dockerfile").write_text("FROM x\n")
    (tmp_path / "req.txt").write_text("a==1\n")
    assert tree(Environment.from_dockerfile("x", "Dockerfile"))["docker"] == {"dockerfile": f"{tmp_path}/Dockerfile"}
    text = "FROM python:3.11-slim\nRUN true\n"
    found = Environment.from_dockerfile("x", text, pip_requirements="req.txt")
    assert tree(found) == {"name": "x", "requirements": ["a==1"], "docker": {"dockerfile": text}}
    with pytest.raises(UserError, match="base_dockerfile is no file"):
        Environment.from_dockerfile("x", "absent")


def test_a_build_context_is_a_folder_with_its_dockerfile(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "ctx").mkdir()
    (tmp_path / "ctx" / "gpu.Dockerfile").write_text("FROM x\n")
    context = DockerBuildContext.from_local_directory(ws, "ctx", "gpu.Dockerfile")
    found = Environment.from_docker_build_context("x", context)
    assert tree(found)["docker"] == {"dockerfile": f"{tmp_path}/ctx/gpu.Dockerfile", "build_context": f"{tmp_path}/ctx"}
    with pytest.raises(UserError, match="no such Dockerfile"):
        DockerBuildContext.from_local_directory(ws, tmp_path / "ctx")
    with pytest.raises(UserError, match="is no folder"):
        DockerBuildContext.from_local_directory(ws, tmp_path / "absent")
    with pytest.raises(UserError, match="build_context cannot be 'ctx'"):
        Environment.from_docker_build_context("x", "ctx")  # type: ignore[arg-type]


def test_what_an_image_is_made_of_is_one_thing(caplog: pytest.LogCaptureFixture) -> None:
    section = DockerSection(base_image="a")
    with caplog.at_level(logging.WARNING):
        section.base_dockerfile = "FROM b\nRUN true"
    assert section.base_image is None
    assert section.base_dockerfile == "FROM b\nRUN true"
    assert "docker.base_dockerfile says what the image is now; docker.base_image is cleared" in caplog.text
    caplog.clear()
    section.base_image = None
    section.base_image = "c"
    assert section.base_image == "c"
    assert section.base_dockerfile is None
    assert len(caplog.records) == 1
    with pytest.raises(UserError, match="both say what the image is"):
        DockerSection(base_image="a", base_dockerfile="FROM b\n")


def test_credentials_of_a_registry_are_for_this_process_and_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_logins", {})
    registry = ContainerRegistry("registry.example", "ada", "s3cret")
    found = Environment.from_docker_image("x", "team/x", registry)
    assert "s3cret" not in f"{registry!r} {found!r} {found._layer()} {found.docker!r}"
    assert fetch._logins == {"registry.example": ("ada", "s3cret")}
    with pytest.raises(UserError) as error:
        ContainerRegistry("https://registry.example", password=["s3cret"])  # type: ignore[arg-type]
    assert "s3cret" not in error.value.render()
    assert "leave out https://" in error.value.render()


def test_a_conda_environment_of_this_machine_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONDA_PREFIX", "CONDA_EXE", "MAMBA_EXE", "CONDA_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MAMBA_ROOT_PREFIX", str(tmp_path / "root"))
    for folder in ("root", "root/envs/vision", "elsewhere/other"):
        (tmp_path / folder / "conda-meta").mkdir(parents=True)
        (tmp_path / folder / "bin").mkdir()
        (tmp_path / folder / "bin" / "python").write_text("")
    (tmp_path / "root" / "envs" / "no-conda").mkdir()
    (tmp_path / ".conda").mkdir()
    (tmp_path / ".conda" / "environments.txt").write_text(f"{tmp_path}/elsewhere/other\n{tmp_path}/gone\n")
    for name, folder in (("vision", "root/envs/vision"), ("base", "root"), ("other", "elsewhere/other"), (f"{tmp_path}/root", "root")):
        found = Environment.from_existing_conda_environment("mine", name)
        assert tree(found)["python"] == {"user_managed_dependencies": True, "interpreter_path": str(tmp_path / folder / "bin" / "python")}
    for name in ("no-conda", "gone", str(tmp_path / "absent")):
        with pytest.raises(UserError, match="this machine has no conda environment") as error:
            Environment.from_existing_conda_environment("mine", name)
        assert "vision  " in error.value.render()


def test_a_clone_is_another_environment() -> None:
    one = Environment("one")
    one.python.conda_dependencies = CondaDependencies.create(pip_packages=["a"])
    one.environment_variables["A"] = "1"
    one.docker.base_image = "x"
    two = one.clone("two")
    assert tree(two) == {**tree(one), "name": "two"}
    two.python.conda_dependencies.add_pip_package("b")
    two.environment_variables["A"] = "2"
    two.docker.base_image = None
    assert tree(one) == {"name": "one", "requirements": ["a"], "variables": {"A": "1"}, "docker": {"base_image": "x"}}
    assert copy.deepcopy(one) == one
    for name in ("", None, 3):
        with pytest.raises(UserError, match="new_name cannot be"):
            one.clone(name)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("python", "3.11", "python cannot be '3.11'"), ("docker", None, "docker cannot be None"), ("pyhton", 1, "did you mean 'python'?"),
        ("environment_variables", ["A"], "a dict of texts"), ("environment_variables", {"A=B": "1"}, "a name without `=`"),
        ("spark", {}, "Environment.spark has no meaning here"), ("inferencing_stack_version", "latest", "has no meaning here"),
        ("name", "other", "clone"), ("version", "2", "register"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_told_at_its_line_and_changes_nothing(name: str, value: object, words: str) -> None:
    found = Environment("x")
    before = tree(found)
    with pytest.raises(UserError, match=words.replace("?", r"\?")) as error:
        setattr(found, name, value)
    assert "test_environment.py:" in error.value.render()
    assert tree(found) == before


@pytest.mark.parametrize("name", [None, "", 3, ["x"], b"x"])
def test_a_name_is_a_text(name: object) -> None:
    with pytest.raises(UserError, match="name cannot be"):
        Environment(name)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"user_managed_dependencies": "yes"}, "user_managed_dependencies cannot be 'yes'"), ({"interpreter_path": 3}, "interpreter_path"),
        ({"conda_dependencies": ["numpy"]}, "conda_dependencies cannot be"), ({"conda_dependencies_file": 3}, "conda_dependencies_file"),
    ],
)  # fmt: skip
def test_a_wrong_python_section_is_told(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        PythonSection(**given)


def test_variables_that_a_program_has_changed_are_checked_when_it_is_used() -> None:
    found = Environment("x")
    found.environment_variables["A"] = ["1"]  # type: ignore[assignment]
    with pytest.raises(UserError, match=r"environment_variables\['A'\] cannot be"):
        found._layer()


def test_an_environment_of_a_run_configuration_counts_once_it_was_changed(ws: Workspace) -> None:
    run_config = RunConfiguration()
    config = ScriptRunConfig(".", "train.py", run_config=run_config)
    assert [word for word in request(config, ws).overrides if word.startswith("env=")] == []
    run_config.environment.docker.enabled = True
    words = request(config, ws).overrides
    assert "compute=docker" in words
    assert [word for word in words if word.startswith("env=")] == []
    run_config.environment.python.user_managed_dependencies = True
    run_config.environment.docker.enabled = False
    assert "env=bare" in request(config, ws).overrides


def test_an_image_or_the_older_switch_brings_a_container(ws: Workspace) -> None:
    image = Environment.from_docker_image("x", "python:3.11-slim")
    assert "compute=docker" in request(ScriptRunConfig(".", "train.py", environment=image), ws).overrides
    older = Environment("x")
    older.docker.enabled = True
    older.docker.shm_size = "4g"
    older.docker.arguments = ["--ipc=host"]
    asked = request(ScriptRunConfig(".", "train.py", environment=older, compute_target="local"), ws)
    assert "compute=docker" in asked.overrides
    values = [layer.values.get("compute", {}) for layer in asked.layers]
    assert [found.get("shm_size_gib") for found in values if found] == [4.0]
    assert "'ipc_mode': 'host'" in repr(values)
    image.docker.enabled = False
    with pytest.raises(UserError, match="the environment is an image, and use_docker is False"):
        request(ScriptRunConfig(".", "train.py", environment=image), ws)


def test_what_azure_mls_sdk_has_saved_is_read(tmp_path: Path) -> None:
    saved = {
        "name": "theirs", "version": "3", "environmentVariables": {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE", "A": "1"},
        "python": {"userManagedDependencies": False, "interpreterPath": "python", "condaDependencies": {
            "channels": ["conda-forge"], "dependencies": ["python=3.10", "scikit-learn", {"pip": ["azureml-defaults", "a==1"]}]}},
        "docker": {"baseImage": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:1", "enabled": False},
    }  # fmt: skip
    (tmp_path / "azureml_environment.json").write_text(json.dumps(saved))
    found = Environment.load_from_directory(tmp_path)
    assert tree(found) == {
        "name": "theirs", "python": {"version": "3.10"}, "requirements": ["scikit-learn", "a==1"], "variables": {"A": "1"},
    }  # fmt: skip


def test_one_that_was_saved_is_loaded_as_it_was(tmp_path: Path) -> None:
    one = Environment("one")
    one.python.conda_dependencies = CondaDependencies.create(pip_packages=["a==1"], python_version="3.12")
    one.environment_variables["A"] = "\\${x} '${y}'\n2"
    one.docker.base_dockerfile = "ARG BASE=x\nFROM ${BASE}\n"
    one.save_to_directory(tmp_path / "saved")
    assert Environment.load_from_directory(tmp_path / "saved") == one
    with pytest.raises(FileExistsError, match="overwrite=True"):
        one.save_to_directory(tmp_path / "saved")
    one.environment_variables["A"] = "new"
    one.save_to_directory(tmp_path / "saved", overwrite=True)
    assert Environment.load_from_directory(str(tmp_path / "saved")).environment_variables == {"A": "new"}
    with pytest.raises(FileNotFoundError, match="holds no environment"):
        Environment.load_from_directory(tmp_path)

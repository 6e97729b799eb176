"""Environments by name: versions and labels in conf/env/, which the command line takes as well; shipped and curated ones."""

from __future__ import annotations

import logging
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Shell
from trainconf import CondaDependencies, Environment, Workspace
from trainconf.control.compose import ComposeRequest, compose
from trainconf.errors import UserError

ENV = Path("conf", "env")


def vision(*packages: str, name: str = "vision") -> Environment:
    found = Environment(name)
    found.python.conda_dependencies = CondaDependencies.create(pip_packages=list(packages))
    return found


def requirements(ws: Workspace, choice: str) -> list[str]:
    return list(compose(ComposeRequest([f"env={choice}"]), ws._paths).config["env"]["requirements"])


def test_each_change_is_a_version_and_the_same_again_is_none(ws: Workspace) -> None:
    assert vision("a").register(ws).version == "1"
    assert vision("a").register(ws).version == "1"
    assert vision("a", "b").register(ws).version == "2"
    assert vision("a").register(ws).version == "3"
    assert Environment.versions(ws, "vision") == ["1", "2", "3"]
    assert [requirements(ws, choice) for choice in ("vision", "vision/1", "vision/2")] == [["a"], ["a"], ["a", "b"]]
    assert Environment.get(ws, "vision").version == "3"
    assert Environment.get(ws, "vision", version=2).python.conda_dependencies.pip_packages == ["a", "b"]
    assert Environment.get(ws, "vision", "2") == vision("a", "b")


def test_a_label_leads_to_a_version(ws: Workspace) -> None:
    vision("a").register(ws)
    vision("b").register(ws)
    Environment.label(ws, "vision", 1, ["stable", "paper"])
    assert Environment.get(ws, "vision", label="stable").version == "1"
    assert requirements(ws, "vision/paper") == ["a"]
    Environment.label(ws, "vision", "2", "stable")
    assert Environment.get(ws, "vision", label="stable")._layer() == (["env=vision/stable"], {})
    assert requirements(ws, "vision/stable") == ["b"]
    assert Environment.get(ws, "vision", label="latest").version == "2"


def test_one_that_was_not_changed_is_the_choice_alone_and_else_its_values(ws: Workspace) -> None:
    vision("a").register(ws)
    found = Environment.get(ws, "vision")
    assert found._layer() == (["env=vision"], {})
    assert found.environment_variables == {}  # looked at
    assert found._layer() == (["env=vision"], {})
    found.environment_variables["A"] = "1"
    assert found._layer()[0] == ["env=bare"]
    assert found._layer()[1]["env"]["requirements"] == ["a"]


def test_what_a_file_of_conf_env_says_is_in_the_environment(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / ENV).mkdir(parents=True)
    (tmp_path / "req.txt").write_text("x\n")
    (tmp_path / ENV / "own.yaml").write_text(
        "defaults: [/schema/env/recipe@_here_, _self_]\nname: own\nrequirements_file: req.txt\nrequirements: [--pre, y]\n"
        "variables: {A: '1'}\ndocker: {dockerfile: 'FROM x', build: {args: {B: '2'}, network: host}}\n"
    )
    own = Environment.get(ws, "own")
    assert own.docker.base_dockerfile == "FROM x"
    changed = own.clone("changed")
    changed.environment_variables["A"] = "2"
    assert changed._layer()[1]["env"] == {
        "name": "changed", "requirements_file": "req.txt", "requirements": ["--pre", "y"], "variables": {"A": "2"},
        "docker": {"dockerfile": "FROM x", "build": {"args": {"B": "2"}}},
    }  # fmt: skip
    with pytest.raises(UserError, match="env=own was written by hand"):
        own.register(ws)


def test_a_choice_in_a_folder_has_that_in_its_name(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / ENV / "team").mkdir(parents=True)
    (tmp_path / ENV / "team" / "own.yaml").write_text("defaults: [/schema/env/recipe@_here_, _self_]\nname: own\nrequirements: [y]\n")
    found = Environment.get(ws, "team/own")
    assert found._layer() == (["env=team/own"], {})
    assert found.python.conda_dependencies.pip_packages == ["y"]
    with pytest.raises(UserError, match="there is no environment 'team/other'"):
        Environment.get(ws, "team/other")


def test_paths_of_the_workspace_are_recorded_relative_to_it(ws: Workspace, tmp_path: Path) -> None:
    for name in ("pkg", "ctx"):
        (tmp_path / name).mkdir()
    (tmp_path / "ctx" / "Dockerfile").write_text("FROM x\n")
    (tmp_path / "a b").mkdir()
    (tmp_path / "req.txt").write_text("-r more.txt\n./pkg\n-e ./pkg\n./a b\n-r a b/more.txt\nsix\n")
    (tmp_path / "more.txt").write_text("")
    Environment.from_pip_requirements("vision", "req.txt").register(ws)
    assert requirements(ws, "vision") == ["-r more.txt", "./pkg", "-e ./pkg", "./a b", "-r a b/more.txt", "six"]
    Environment.from_dockerfile("file", "ctx/Dockerfile").register(ws)
    assert compose(ComposeRequest(["env=file"]), ws._paths).config["env"]["docker"]["dockerfile"] == "ctx/Dockerfile"


def test_texts_arrive_in_a_config_as_they_are(ws: Workspace) -> None:
    one = vision()
    values = {"A": "${x}", "B": "\\${x}", "C": "a\\\\${x} ${y}", "D": "on", "E": "3.10", "F": "${secret:TOKEN}", "G": "two\nlines: ${z}\n"}
    one.environment_variables = values
    one.register(ws)
    assert compose(ComposeRequest(["env=vision"]), ws._paths).config["env"]["variables"] == values
    assert Environment.get(ws, "vision").environment_variables == values


def test_two_that_register_at_the_same_time_get_two_versions(ws: Workspace) -> None:
    found: list[str | None] = []
    threads = [threading.Thread(target=lambda n=n: found.append(vision(f"p{n}").register(ws).version)) for n in range(4)]
    vision("first").register(ws)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, found)) == ["2", "3", "4", "5"]
    assert {requirements(ws, f"vision/{version}")[0] for version in found} == {"p0", "p1", "p2", "p3"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("AzureML-Mine", "one of Azure ML's own"), ("Microsoft-x", "one of Azure ML's own"), ("minimal", "ship with trainconf"),
        ("a/b", "name cannot be 'a/b'"), ("-a", "name cannot be"), ("a b", "name cannot be"), ("../x", "name cannot be"),
        (".hidden", "name cannot be"),
    ],
)  # fmt: skip
def test_a_name_that_cannot_be_registered_is_told_and_nothing_is_written(name: str, words: str, ws: Workspace, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words):
        vision("a", name=name).register(ws)
    assert not (tmp_path / "conf").exists()


def test_what_is_not_there_is_told_with_what_there_is(ws: Workspace) -> None:
    vision("a").register(ws)
    Environment.label(ws, "vision", 1, "stable")
    calls: list[tuple[Callable[[], object], str]] = [
        (lambda: Environment.get(ws, "vison"), "did you mean 'vision'"),
        (lambda: Environment.get(ws, "AzureML-VowpalWabbit-8.8"), "AzureML-Minimal"),
        (lambda: Environment.get(ws, "vision", version=7), "versions  1"),
        (lambda: Environment.get(ws, "vision", label="best"), "labels    stable"),
        (lambda: Environment.get(ws, "vision", 1, "stable"), "both given"),
        (lambda: Environment.get(ws, 3), "name cannot be 3"),  # type: ignore[arg-type]
        (lambda: Environment.get("ws", "vision"), "workspace cannot be 'ws'"),  # type: ignore[arg-type]
        (lambda: Environment.get(ws, "vision", True), "version cannot be True"),
        (lambda: Environment.label(ws, "vision", 9, "x"), "no version 9"),
        (lambda: Environment.label(ws, "vision", 1, ["2"]), "a label cannot be '2'"),
        (lambda: Environment.label(ws, "vision", 1, "latest"), "newest"),
        (lambda: Environment.label(ws, "vision", 1, []), "labels cannot be"),
        (lambda: Environment.list(None), "workspace cannot be"),  # type: ignore[arg-type]
        (lambda: vision().register("."), "workspace cannot be"),  # type: ignore[arg-type]
    ]
    for call, words in calls:
        with pytest.raises(UserError) as error:
            call()
        assert words in error.value.render(), words
        assert "test_registry.py:" in error.value.render()


@pytest.mark.parametrize(
    ("name", "choice"),
    [
        ("AzureML-Minimal", "minimal"), ("AzureML-Tutorial", "sklearn"), ("AzureML-sklearn-0.24-ubuntu18.04-py37-cpu", "sklearn"),
        ("AzureML-Scikit-learn-0.20.3", "sklearn"), ("sklearn-1.5", "sklearn"), ("AzureML-PyTorch-1.6-GPU", "pytorch"),
        ("AzureML-pytorch-1.10-ubuntu18.04-py38-cuda11-gpu", "pytorch"), ("acpt-pytorch-2.2-cuda12.1", "pytorch"),
        ("AzureML-ACPT-pytorch-1.13-py38-cuda11.7-gpu", "pytorch"), ("AzureML-TensorFlow-2.3-CPU", "tensorflow"),
        ("tensorflow-2.16-cuda12", "tensorflow"),
    ],
)  # fmt: skip
def test_a_curated_name_stands_for_one_of_ours_and_says_so(name: str, choice: str, ws: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = Environment.get(workspace=ws, name=name)
    assert found._layer() == ([f"env={choice}"], {})
    assert f"{name} stands for env={choice} here" in caplog.text


def test_packages_can_be_added_to_a_clone_of_a_shipped_one(ws: Workspace) -> None:
    found = Environment.get(ws, "AzureML-Minimal").clone("mine")
    found.python.conda_dependencies.add_pip_package("pandas==2.3.3")
    lines = found._layer()[1]["env"]["requirements"]
    assert [line.split("==")[0] for line in lines] == ["numpy", "numpy", "pandas"]
    assert not any("--hash" in line or line.startswith("-r") for line in lines)


def test_all_of_them_are_listed(ws: Workspace) -> None:
    vision("a").register(ws)
    Environment.label(ws, "vision", 1, "stable")
    found = Environment.list(ws)
    assert {"vision", "minimal", "sklearn", "current", "AzureML-Minimal", "AzureML-Tutorial"} <= set(found)
    assert "1" not in found
    assert found["vision"].version == "1"
    assert "scikit-learn" in found["AzureML-Tutorial"].python.conda_dependencies.serialize_to_string()


def test_the_command_line_takes_what_was_registered(shell: Shell) -> None:
    (shell.root / "make.py").write_text(
        "from trainconf import Environment, Workspace\nws = Workspace.create()\ne = Environment('mine')\n"
        "e.environment_variables = {'A': '${x}'}\ne.register(ws)\nEnvironment.label(ws, 'mine', 1, 'stable')\n"
    )
    done = subprocess.run([shell.python, "make.py"], cwd=shell.root, env=shell.env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for choice in ("mine", "mine/1", "mine/stable"):
        answer = shell("config", f"env={choice}")
        assert answer.code == 0, answer
        assert 'name: "mine"' in answer.out


def test_a_wheel_is_taken_into_the_workspace(ws: Workspace, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    wheel = outside / "demo-1.0-py3-none-any.whl"
    wheel.write_bytes(b"1")
    assert Environment.add_private_pip_wheel(ws, wheel) == "./wheels/demo-1.0-py3-none-any.whl"
    assert Environment.add_private_pip_wheel(ws, str(wheel)) == "./wheels/demo-1.0-py3-none-any.whl"
    wheel.write_bytes(b"2")
    with pytest.raises(UserError, match="another wheel of that name"):
        Environment.add_private_pip_wheel(ws, wheel)
    assert Environment.add_private_pip_wheel(ws, wheel, exist_ok=True) == "./wheels/demo-1.0-py3-none-any.whl"
    assert (tmp_path / "wheels" / wheel.name).read_bytes() == b"2"
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / wheel.name).write_bytes(b"3")
    assert Environment.add_private_pip_wheel(ws, tmp_path / "dist" / wheel.name) == "./dist/demo-1.0-py3-none-any.whl"
    packages = CondaDependencies.create(pip_packages=["demo==0.9"])
    packages.add_pip_package("./dist/demo-1.0-py3-none-any.whl")
    assert packages.requirements == [f"{tmp_path}/dist/demo-1.0-py3-none-any.whl"]
    (outside / "demo.whl").write_bytes(b"")
    absent = outside / "absent-1-py3-none-any.whl"
    for path, words in ((absent, "does not exist"), (outside / "demo.whl", "not the name of a wheel"), (3, "file_path")):
        with pytest.raises(UserError, match=words):
            Environment.add_private_pip_wheel(ws, path)  # type: ignore[arg-type]

"""Extras and dependency groups of a pyproject file: what is taken, and each mistake with what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainconf.environments import identity

from ..conftest import Workspace

TEXT = """
[project]
name = "My.Proj"
dependencies = ["numpy>=2"]

[project.optional-dependencies]
train = ["lightning", "numpy>=2"]
Data_Sets = ["datasets"]
all = ["my-proj[train, data-sets]", "rich"]
loop = ["my_proj[loop]", "tqdm"]

[dependency-groups]
test = ["pytest"]
dev = ["ruff", {include-group = "Test"}, "my-proj[train]"]
one = [{include-group = "two"}]
two = [{include-group = "one"}, "late"]
bad = [{include-group = "tset"}]
odd = [{from = "test"}, 3]
plain = "pytest"
"""


@pytest.fixture
def project(workspace: Workspace) -> Workspace:
    Path(workspace.root, "pyproject.toml").write_text(TEXT)
    return workspace


@pytest.mark.parametrize(
    ("extras", "groups", "expected"),
    [
        ([], [], ["numpy>=2"]),
        (["train"], [], ["numpy>=2", "lightning"]),
        (["data.sets"], [], ["numpy>=2", "datasets"]),
        (["all"], [], ["numpy>=2", "lightning", "datasets", "rich"]),
        (["loop"], [], ["numpy>=2", "tqdm"]),
        ([], ["dev"], ["numpy>=2", "ruff", "pytest", "lightning"]),
        (["train"], ["DEV", "test"], ["numpy>=2", "lightning", "ruff", "pytest"]),
    ],
)
def test_extras_and_groups_are_added_once_each_in_order(
    project: Workspace, extras: list[str], groups: list[str], expected: list[str]
) -> None:
    spec = project.resolve(pyproject="pyproject.toml", pyproject_extras=extras, pyproject_groups=groups)
    assert list(spec.requirements) == expected


def test_the_identity_is_that_of_the_content(project: Workspace) -> None:
    before = project.resolve(pyproject="pyproject.toml", pyproject_groups=["test"])
    assert identity(before) == identity(project.resolve(requirements=["numpy>=2", "pytest"]))
    Path(project.root, "pyproject.toml").write_text(TEXT.replace('"ruff"', '"ruff>=1"'))
    assert project.resolve(pyproject="pyproject.toml", pyproject_groups=["test"]) == before
    Path(project.root, "pyproject.toml").write_text(TEXT.replace('"pytest"', '"pytest>=8"'))
    assert identity(project.resolve(pyproject="pyproject.toml", pyproject_groups=["test"])) != identity(before)


@pytest.mark.parametrize(
    ("extras", "groups", "parts"),
    [
        (["trian"], [], ["no extra 'trian'", "env.pyproject_extras", "nearest  train", "train, Data_Sets, all, loop"]),
        (["dev"], [], ["no extra 'dev'", "env.pyproject_groups=[dev]"]),
        ([], ["train"], ["no dependency group 'train'", "env.pyproject_extras=[train]"]),
        ([], ["one"], ["includes itself", "one -> two -> one"]),
        ([], ["bad"], ["no dependency group 'tset'", "dependency-groups.bad", "nearest  test"]),
        ([], ["odd"], ["{'from': 'test'} is no requirement", "3 is no requirement", "dependency-groups.odd"]),
        ([], ["plain"], ["dependency-groups.plain is no list"]),
        (["nope", "nix"], ["none"], ["'nope'", "'nix'", "'none'"]),
    ],
)
def test_what_cannot_be_taken_is_told(project: Workspace, extras: list[str], groups: list[str], parts: list[str]) -> None:
    told = project.wrong(pyproject="pyproject.toml", pyproject_extras=extras, pyproject_groups=groups)
    for part in parts:
        assert part in told


def test_groups_need_no_project_and_names_need_a_file(workspace: Workspace) -> None:
    Path(workspace.root, "groups.toml").write_text('[dependency-groups]\ntrain = ["torch"]\n')
    assert workspace.resolve(pyproject="groups.toml", pyproject_groups=["train"]).requirements == ("torch",)
    assert "none: the file has none" in workspace.wrong(pyproject="groups.toml", pyproject_extras=["train"])
    told = workspace.wrong(pyproject_extras=["train"], pyproject_groups=["dev"])
    assert "env.pyproject_extras is about" in told
    assert "env.pyproject_groups is about" in told


def test_extras_that_a_build_works_out_are_refused(workspace: Workspace) -> None:
    Path(workspace.root, "p.toml").write_text('[project]\nname = "x"\ndependencies = []\ndynamic = ["optional-dependencies"]\n')
    assert "project.dynamic" in workspace.wrong(pyproject="p.toml", pyproject_extras=["train"])


def test_a_redirected_requirement_of_a_group_is_refused_as_one_of_the_project(workspace: Workspace) -> None:
    text = '[project]\nname = "x"\ndependencies = []\n[dependency-groups]\ndev = ["lib"]\n[tool.uv.sources]\nlib = {path = "../lib"}\n'
    Path(workspace.root, "p.toml").write_text(text)
    assert workspace.resolve(pyproject="p.toml").requirements == ()
    assert "tool.uv.sources" in workspace.wrong(pyproject="p.toml", pyproject_groups=["dev"])

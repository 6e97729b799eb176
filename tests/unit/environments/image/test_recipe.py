"""Recipes of images, build contexts and layers: what needs no engine."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from trainconf.environments import identity, read_recipe
from trainconf.environments.image import context as build_context
from trainconf.environments.image import layers as image_layers
from trainconf.environments.image.fetch import registry_of
from trainconf.environments.image.find import tag_of
from trainconf.errors import Mistake
from trainconf.spec import EnvironmentSpec

from ..conftest import Workspace


def spec_of(root: str, **env: Any) -> EnvironmentSpec:
    mistakes: list[Mistake] = []
    spec = read_recipe(env, root, mistakes, as_image=True)
    assert [mistake.render() for mistake in mistakes] == []
    return spec


def wrong(root: str, *, as_image: bool = True, **env: Any) -> str:
    mistakes: list[Mistake] = []
    read_recipe(env, root, mistakes, as_image=as_image)
    return "\n\n".join(mistake.render() for mistake in mistakes)


@pytest.mark.parametrize(
    ("env", "base", "python"),
    [
        ({}, "python:3.11-slim", "3.11"),
        ({"python": {"version": "3.12.1"}}, "python:3.12.1-slim", "3.12.1"),
        ({"docker": {"base_image": "registry.example:5000/team/cuda:12"}}, "registry.example:5000/team/cuda:12", ""),
    ],
)
def test_the_base_image_is_the_one_named_or_a_slim_python(workspace: Workspace, env: dict[str, Any], base: str, python: str) -> None:
    spec = spec_of(workspace.root, **env)
    assert (spec.kind, spec.base_image, spec.python) == ("image", base, python)


@pytest.mark.parametrize(
    ("name", "can"),
    [("localhost/x", True), ("host:5000/a", True), ("Reg.Example/a/b:1", True), ("a_b/c", True), ("UPPER/x", False), ("a//b", False)],
)
def test_only_what_an_engine_takes_for_a_name_names_an_image(workspace: Workspace, name: str, can: bool) -> None:
    if can:
        assert spec_of(workspace.root, docker={"base_image": name}).base_image == name
    else:
        assert f"{name!r} cannot be the name of an image" in wrong(workspace.root, docker={"base_image": name})


def test_all_mistakes_of_an_image_are_told_at_once(workspace: Workspace) -> None:
    told = wrong(
        workspace.root, requirements=["numpy"], python={"interpreter_path": "bin/python"},
        docker={"image": "Upper:1", "base_image": "python:3", "build_context": "ctx"},
    )
    for part in ("2 settings say what", "is for a Dockerfile", "'Upper:1' cannot be", "env.requirements would not", "absolute path"):
        assert part in told


def test_a_user_managed_environment_is_no_image(workspace: Workspace) -> None:
    told = wrong(workspace.root, python={"user_managed_dependencies": True})
    assert "which no container has" in told
    assert "env.docker.image=" in told


def test_a_secret_in_a_build_argument_is_refused(workspace: Workspace) -> None:
    Path(workspace.root, "Dockerfile").write_text("FROM x\n")
    told = wrong(workspace.root, docker={"dockerfile": "Dockerfile", "build": {"args": {"TOKEN": "${secret:TOKEN}"}}})
    assert "would stay in the image's history: TOKEN" in told


@pytest.mark.parametrize(("key", "what"), [("dockerfile", "the Dockerfile does not"), ("build_context", "the build context does not")])
def test_a_missing_file_of_an_image_is_told(workspace: Workspace, key: str, what: str) -> None:
    Path(workspace.root, "Dockerfile").write_text("FROM x\n")
    assert what in wrong(workspace.root, docker={"dockerfile": "Dockerfile", key: "nowhere"})


@pytest.mark.parametrize("text", ["FROM python:3.11-slim", "# ours\nARG BASE=python:3.11\nFROM ${BASE}\nRUN true\n", "  from scratch"])
def test_a_dockerfile_may_be_written_out(workspace: Workspace, text: str) -> None:
    spec = spec_of(workspace.root, docker={"dockerfile": text})
    assert (spec.dockerfile, spec.files) == (text, ())
    assert identity(spec) != identity(spec_of(workspace.root, docker={"dockerfile": text + "\nRUN id"}))
    Path(workspace.root, "ctx").mkdir()
    [(name, _)] = spec_of(workspace.root, docker={"dockerfile": text, "build_context": "ctx"}).files
    assert name == "build_context:ctx"


def test_the_text_of_a_dockerfile_has_a_from(workspace: Workspace) -> None:
    assert "the Dockerfile has no FROM" in wrong(workspace.root, docker={"dockerfile": "RUN true\nRUN fromage x\n"})
    assert "the Dockerfile does not exist" in wrong(workspace.root, docker={"dockerfile": "FROMAGE"})


@pytest.mark.parametrize("key", ["image", "dockerfile", "build_context"])
def test_what_a_target_without_images_would_ignore_is_refused(workspace: Workspace, key: str) -> None:
    assert f"env.docker.{key} would be ignored" in wrong(workspace.root, as_image=False, docker={key: "x"})


def test_a_base_image_is_no_concern_of_a_venv(workspace: Workspace) -> None:
    assert wrong(workspace.root, as_image=False, docker={"base_image": "python:3.11"}) == ""


def test_everything_that_decides_an_image_is_in_its_identity(workspace: Workspace) -> None:
    Path(workspace.root, "Dockerfile").write_text("FROM x\n")
    Path(workspace.root, "ctx").mkdir()
    Path(workspace.root, "ctx", "file").write_text("1")
    docker = {"dockerfile": "Dockerfile", "build_context": "ctx", "build": {"args": {"A": "1"}}}
    seen = {identity(spec_of(workspace.root, docker=docker))}
    for change in (
        lambda: docker["build"].update(args={"A": "2"}),  # type: ignore[attr-defined]
        lambda: Path(workspace.root, "Dockerfile").write_text("FROM y\n"),
        lambda: Path(workspace.root, "ctx", "file").write_text("2"),
        lambda: Path(workspace.root, "ctx", "file").chmod(0o755),
        lambda: Path(workspace.root, "ctx", "file").rename(Path(workspace.root, "ctx", "other")),
        lambda: Path(workspace.root, "ctx", "folder").mkdir(),
    ):
        change()
        seen.add(identity(spec_of(workspace.root, docker=docker)))
    assert len(seen) == 7


def test_how_an_image_is_built_here_is_not_in_its_identity(workspace: Workspace) -> None:
    plain = spec_of(workspace.root)
    there = spec_of(workspace.root, docker={"build": {"network": "host", "ca_file": "x", "pip_config": "y", "args": {"A": "1"}}})
    assert there == plain


def test_a_venv_and_an_image_of_one_recipe_are_two_environments(workspace: Workspace) -> None:
    image = spec_of(workspace.root)
    venv = read_recipe({"python": {"version": "3.11"}}, workspace.root, [])
    assert identity(image) != identity(venv)


CONTEXT = (
    "a.txt", "b.py", "data/big.bin", "data/keep.txt", "data/deep/er/x.txt", "docs/a.md", "docs/README.md", "space name", "new\nline",
    "$(x)", "per%cent", "[odd]",
)


@pytest.mark.parametrize(
    "rules",
    [
        "", "*.py", "data", "data/*\n!data/keep.txt", "**/*.md\n!docs/README.md", "/a.txt\n# comment\n\n  docs/  ", "*\n!data",
        "d?ta/deep", "**/er", "[ab].*",
        "data/**/x.txt", "!a.txt", "space name", "./docs", "docs/../a.txt", "new*",
    ],
)
def test_an_ignore_file_means_what_it_means_to_docker(tmp_path: Path, rules: str) -> None:
    from docker.utils.build import exclude_paths

    for name in CONTEXT:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / ".dockerignore").write_text(rules)
    patterns = [line.strip() for line in rules.splitlines() if line.strip() and not line.startswith("#")]
    theirs = {name for name in exclude_paths(str(tmp_path), patterns) if not (tmp_path / name).is_dir()}
    ours = {name for name, *_ in build_context.members(str(tmp_path)) if not (tmp_path / name).is_dir()}
    assert ours - {".dockerignore"} == theirs - {".dockerignore", "Dockerfile"}


def test_a_backslash_takes_the_meaning_from_a_character(tmp_path: Path) -> None:
    for name in ("[odd]", "o"):
        (tmp_path / name).touch()
    (tmp_path / ".dockerignore").write_text("\\[odd\\]\n")
    assert [name for name, *_ in build_context.members(str(tmp_path))] == [".dockerignore", "o"]


def test_an_archive_is_the_same_in_every_clone(tmp_path: Path) -> None:
    archives, digests = [], []
    for number, mode in enumerate((0o600, 0o664)):
        folder = tmp_path / str(number)
        (folder / "sub" / ".git").mkdir(parents=True)
        (folder / ".trainconf").mkdir()
        (folder / "sub" / "file").write_text("x")
        (folder / "sub" / "file").chmod(mode)
        (folder / "link").symlink_to("sub/file")
        os.link(folder / "sub" / "file", folder / "second")
        stream = io.BytesIO()
        assert build_context.write_archive(stream, b"FROM x\n", str(folder)) == 2
        archives.append(stream.getvalue())
        digests.append(build_context.digest(str(folder)))
    assert archives[0] == archives[1]
    assert digests[0] == digests[1]
    with tarfile.open(fileobj=io.BytesIO(archives[0])) as archive:
        assert sorted(archive.getnames()) == [".dockerignore", ".trainconf.Dockerfile", "link", "second", "sub", "sub/file"]


def test_a_pipe_in_a_build_context_is_told(workspace: Workspace) -> None:
    Path(workspace.root, "Dockerfile").write_text("FROM x\n")
    Path(workspace.root, "ctx").mkdir()
    os.mkfifo(Path(workspace.root, "ctx", "pipe"))
    assert "pipe is neither file, folder nor link" in wrong(workspace.root, docker={"dockerfile": "Dockerfile", "build_context": "ctx"})


def item(name: str, version: str = "1.0", requires: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "version": version, "requires_dist": list(requires)}
    hashes = {"archive_info": {"hashes": {"sha256": "00"}}}
    return {"metadata": metadata, "download_info": {"url": f"https://index.example/{name}.whl", **hashes}, "is_direct": False} | more


def layers(lines: list[str], *items: dict[str, Any]) -> list[list[str]]:
    report = image_layers.read_report({"install": items})
    found = image_layers.layers(lines, report, {"python_version": "3.11", "sys_platform": "linux"})
    return [[distribution.line for distribution in layer] for layer in found]


def test_a_layer_is_what_a_line_brings_in_the_versions_of_all() -> None:
    items = (item("beta"), item("Gam_ma", "2.0", ("beta",)), item("alpha", "1.0", ("beta>=1", "win; sys_platform == 'win32'")), item("win"))
    found = layers(["alpha", "--no-index", "gam.ma>1", "beta==1.0"], *items)
    assert found == [["alpha==1.0", "beta==1.0"], ["gam-ma==2.0"], ["win==1.0"]]


def test_an_extra_brings_what_it_asks_for() -> None:
    items = (item("alpha", requires=("beta; extra == 'fast'",)), item("beta"), item("zeta"))
    assert layers(["zeta", "alpha[fast]"], *items) == [["zeta==1.0"], ["alpha==1.0", "beta==1.0"]]


def test_many_lines_come_to_a_few_layers_and_lose_nothing() -> None:
    names = [f"p{number}" for number in range(30)]
    found = layers(names, *(item(name) for name in names))
    assert len(found) == image_layers.LAYERS_MAX
    assert [line for layer in found for line in layer] == [f"{name}==1.0" for name in names]


def test_a_local_requirement_is_installed_from_its_copy() -> None:
    url = "file:///mnt/trainconf/build/sources/0/d%20e-1.0-py3-none-any.whl"
    local = item("d-e", download_info={"url": url}, is_direct=True)
    found = image_layers.read_report({"install": [local]})
    assert image_layers.texts(found) == {"plain.txt": "./sources/0/d e-1.0-py3-none-any.whl\n"}
    assert image_layers.pin(found[0], [("./my wheels/d e-1.0-py3-none-any.whl", "0")]) == "./my wheels/d e-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("name", "repository"), [("minimal", "trainconf/minimal"), ("My Env/ü", "trainconf/my-env"), ("ü", "trainconf/custom")]
)
def test_any_name_of_an_environment_gives_the_name_of_an_image(name: str, repository: str) -> None:
    assert tag_of(name, "0123456789abcdef") == f"{repository}:0123456789ab"


@pytest.mark.parametrize(
    ("reference", "registry"),
    [("python:3.11", "docker.io"), ("team/x", "docker.io"), ("ghcr.io/a/b:1", "ghcr.io"), ("localhost/a", "localhost"), ("h:5/a", "h:5")],
)
def test_a_reference_tells_its_registry(reference: str, registry: str) -> None:
    assert registry_of(reference) == registry

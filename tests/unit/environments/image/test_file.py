"""Images that are files: what is recorded of them, and what is refused before anything is submitted."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from trainconf import environments, files
from trainconf.environments.image.file import image_now
from trainconf.environments.recipe import file_tree
from trainconf.errors import EnvironmentRecipeError, Mistake
from trainconf.paths import WorkspacePaths
from trainconf.reporter import Lines
from trainconf.spec import EnvironmentSpec


@pytest.fixture
def root(tmp_path: Path) -> str:
    """A workspace with an image file of old, and the folder of an unpacked one."""
    (tmp_path / "w" / ".trainconf").mkdir(parents=True)
    (tmp_path / "w" / "torch.sif").write_bytes(b"image")
    (tmp_path / "w" / "unpacked" / "bin").mkdir(parents=True)
    return str(tmp_path / "w")


def spec_of(root: str, image: str, **env: Any) -> EnvironmentSpec:
    mistakes: list[Mistake] = []
    spec = environments.read_recipe({"docker": {"image": image}, **env}, root, mistakes, from_file=True)
    assert [mistake.render() for mistake in mistakes] == []
    return spec


def wrong(root: str, image: str, docker: dict[str, str] | None = None, **env: Any) -> str:
    mistakes: list[Mistake] = []
    environments.read_recipe({"docker": {"image": image, **(docker or {})}, **env}, root, mistakes, from_file=True)
    return "\n\n".join(mistake.render() for mistake in mistakes)


def test_a_file_is_recorded_by_its_place_in_the_workspace_and_its_content(root: str) -> None:
    spec = spec_of(root, "torch.sif", variables={"A": "1"}, python={"interpreter_path": "/opt/python"})
    digest = hashlib.sha256(b"image").hexdigest()
    assert (spec.kind, spec.image, spec.software_id) == ("image", "./torch.sif", f"sha256:{digest}")
    assert (spec.interpreter, spec.variables) == ("/opt/python", (("A", "1"),))
    assert spec_of(root, os.path.join(root, "torch.sif")) == spec_of(root, "./torch.sif")


def test_a_file_elsewhere_keeps_its_absolute_path(root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "x.sqsh").write_bytes(b"x")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert spec_of(root, "~/x.sqsh").image == str(tmp_path / "home" / "x.sqsh")


def test_a_file_with_other_content_is_another_environment(root: str) -> None:
    before = spec_of(root, "torch.sif")
    Path(root, "torch.sif").write_bytes(b"other")
    assert image_now(before, root).software_id == f"sha256:{hashlib.sha256(b'other').hexdigest()}"


def test_the_bytes_are_read_once_and_again_when_the_file_changes(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "RACY_NS", -(10**13))  # the file need not have lain there for long
    read: list[str] = []
    digest = file_tree.file_digest
    monkeypatch.setattr(file_tree, "file_digest", lambda path: (read.append(path), digest(path))[1])
    first = spec_of(root, "torch.sif")
    assert spec_of(root, "torch.sif") == first
    assert len(read) == 1
    Path(root, "torch.sif").write_bytes(b"other")
    assert spec_of(root, "torch.sif") != first
    assert len(read) == 2


def test_what_was_written_just_now_is_not_believed_the_next_time(root: str) -> None:
    spec_of(root, "torch.sif")
    assert not os.path.exists(os.path.join(WorkspacePaths(root).cache, "image_files.json"))


@pytest.mark.parametrize("text", ["[1", "[]", '{"PATH": 5}'])
def test_a_broken_cache_is_no_cache(root: str, text: str) -> None:
    os.makedirs(WorkspacePaths(root).cache)
    Path(WorkspacePaths(root).cache, "image_files.json").write_text(text.replace("PATH", os.path.join(root, "torch.sif")))
    assert spec_of(root, "torch.sif").software_id


def test_a_file_whose_bytes_cannot_be_had_is_refused_and_never_taken_for_a_folder(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: str) -> str:
        raise OSError(5, "Input/output error", path)

    monkeypatch.setattr(file_tree, "file_digest", fail)
    assert "the image cannot be read: Input/output error" in wrong(root, "torch.sif")


def test_a_folder_has_no_id_and_is_never_the_same_as_before(root: str) -> None:
    spec = spec_of(root, "unpacked")
    assert (spec.image, spec.software_id) == ("./unpacked", "")
    assert not environments.is_known(spec)
    assert environments.is_known(spec_of(root, "torch.sif"))
    told: list[str] = []
    prepared = environments.ensure(environments.EnvironmentRequest(spec, WorkspacePaths(root), "n", Lines(told.append)))
    assert (prepared.python, prepared.image) == ("python", os.path.join(root, "unpacked"))
    assert "no run in it counts as the same as another" in told[0]


@pytest.mark.parametrize(
    ("image", "told"),
    [
        ("gone.sif", "the image does not exist"), ("/no/where", "the image does not exist"),
        ("pytorch/pytorch:2.6.0", "'pytorch/pytorch:2.6.0' names one in a registry"),
        (".", "the folder is no unpacked image: it has no bin"),
    ],
)  # fmt: skip
def test_what_is_no_image_here_is_refused(root: str, image: str, told: str) -> None:
    assert told in wrong(root, image)


def test_a_recipe_beside_a_finished_image_is_refused_setting_by_setting(root: str) -> None:
    told = wrong(root, "torch.sif", {"dockerfile": "Dockerfile", "base_image": "x"}, requirements=["numpy"])
    assert "env.requirements would not be installed: the image is used as it is" in told
    assert "env.docker.dockerfile and env.docker.image both say" in told
    assert "env.docker.base_image and env.docker.image both say" in told


def test_an_image_that_is_gone_is_told_when_its_run_is_run_again(root: str) -> None:
    spec = spec_of(root, "torch.sif")
    os.unlink(os.path.join(root, "torch.sif"))
    with pytest.raises(EnvironmentRecipeError, match="the image does not exist"):
        image_now(spec, root)

"""Files of a run are copied whole or not at all, never through a link, and nowhere else than where they were wanted."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from trainconf.paths import RunPaths, WorkspacePaths

from ...history.build import make_run
from ..conftest import Verb, start


@pytest.fixture
def trained(workspace: WorkspacePaths) -> RunPaths:
    """A run with outputs/model.bin, outputs/a/model.bin, outputs/b/deep/x.pt, and links that lead elsewhere."""
    paths = make_run(workspace, "r", log=b"words\n")
    outputs = Path(paths.outputs)
    for name in ("model.bin", "a/model.bin", "b/deep/x.pt"):
        (outputs / name).parent.mkdir(parents=True, exist_ok=True)
        (outputs / name).write_bytes(name.encode())
    (outputs / "model.bin").chmod(0o755)
    os.utime(outputs / "model.bin", ns=(10**18, 10**18))
    (outputs / "passwd").symlink_to("/etc/passwd")
    (outputs / "etc").symlink_to("/etc")
    os.mkfifo(outputs / "fifo")
    return paths


def tree(folder: Path | str) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


@pytest.mark.parametrize(("wanted", "destination", "found"), [
    ("outputs/model.bin", "new.bin", {"new.bin": "model.bin"}), ("./outputs//model.bin", "deep/new/", {"deep/new/model.bin": "model.bin"}),
    ("outputs/a", "d", {"d/a/model.bin": "a/model.bin"}), ("outputs/*/model.bin", "d", {"d/a/model.bin": "a/model.bin"}),
    ("outputs/**/*.pt", ".", {"b/deep/x.pt": "b/deep/x.pt"}), ("outputs/b*", ".", {"b/deep/x.pt": "b/deep/x.pt"}),
    ("outputs/**/model.bin", "d", {"d/model.bin": "model.bin", "d/a/model.bin": "a/model.bin"}),
    ("logs/std_log.txt", "l", {"l": "words\n"}),
])  # fmt: skip
def test_a_file_a_folder_or_a_glob(
    trained: RunPaths, verb: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, destination: str, found: dict[str, str]
) -> None:  # fmt: skip
    here = tmp_path / "here"
    here.mkdir()
    trained_dir = trained.run_dir
    monkeypatch.chdir(trained.workspace.root)
    said = verb("download", trained_dir, wanted, os.path.join(here, destination))
    assert said.code == 0, said.err
    assert tree(here) == found
    assert len(said.out.splitlines()) == len(found)
    assert os.listdir(tmp_path / "here") == [sorted(found)[0].split("/")[0]]  # nothing is left beside


def test_permissions_and_times_are_kept(trained: RunPaths, verb: Verb) -> None:
    assert verb("download", "r", "outputs/model.bin", "m").code == 0
    info = os.stat("m")
    assert (info.st_mode & 0o777, info.st_mtime_ns) == (0o755, 10**18)


def test_links_and_what_is_no_file_are_passed_over_and_told(trained: RunPaths, verb: Verb) -> None:
    said = verb("download", "r", "outputs", "d")
    assert said.code == 1
    assert set(tree("d")) == {"outputs/model.bin", "outputs/a/model.bin", "outputs/b/deep/x.pt"}
    for name in ("outputs/passwd", "outputs/etc", "outputs/fifo"):
        assert f"{name} was passed over" in said.err
    for wanted in ("outputs/passwd", "outputs/fifo"):
        said = verb("download", "r", wanted, "x")
        assert (said.code, os.path.lexists("x")) == (2, False)
    assert verb("download", "r", "outputs/etc/passwd", "x").code == 2


def test_nothing_is_written_over_without_force(trained: RunPaths, verb: Verb) -> None:
    os.makedirs("d/a")
    Path("d/a/model.bin").write_text("mine")
    said = verb("download", "r", "outputs/**/*.*", "d")
    assert said.code == 2
    assert "d/a/model.bin" in said.err
    assert tree("d") == {"a/model.bin": "mine"}
    assert verb("download", "r", "outputs/**/*.*", "d", "--force").code == 0
    assert tree("d")["a/model.bin"] == "a/model.bin"


def test_a_link_at_the_destination_leads_nowhere_else(trained: RunPaths, verb: Verb, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    os.mkdir("d")
    os.symlink(elsewhere, "d/a")
    os.symlink(elsewhere / "victim", "d/model.bin")
    for words in ([], ["--force"]):
        assert verb("download", "r", "outputs/**/model.bin", "d", *words).code == 2
    assert verb("download", "r", "outputs/model.bin", "d", "--force").code == 0
    assert (os.listdir(elsewhere), os.path.islink("d/model.bin")) == ([], False)


@pytest.mark.parametrize("wanted", ["outputs/modle.bin", "..", "../*", "/etc/passwd", "", "outputs/[", "outputs/nothing/*"])
def test_what_is_not_there_is_a_mistake_with_what_is_nearest(trained: RunPaths, verb: Verb, wanted: str) -> None:
    said = verb("download", "r", wanted, "d")
    assert (said.code, os.path.exists("d")) == (2, False)
    if wanted == "outputs/modle.bin":
        assert "nearest  outputs/model.bin" in said.err


def test_a_disk_without_room_keeps_nothing_half_made(trained: RunPaths, verb: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device", "x")

    os.mkdir("d")
    for name in ("os.utime", "os.statvfs"):
        with monkeypatch.context() as patch:
            patch.setattr(name, full)
            said = verb("download", "r", "outputs/**/model.bin", "d/new")
        assert said.code == 2
        assert "No space left" in said.err
        assert os.listdir("d") == []


def test_the_outputs_of_a_run_that_goes_on_are_those_of_its_working_directory(workspace: WorkspacePaths, verb: Verb) -> None:
    paths = make_run(workspace, "r", states=("NotStarted", "Running"))
    os.rmdir(paths.outputs)
    os.mkdir(paths.job_outputs)
    os.symlink("code/outputs", paths.outputs)
    Path(paths.job_outputs, "model.bin").write_text("so far")
    assert verb("download", "r", "outputs/model.bin", "m").code == 0
    assert Path("m").read_text() == "so far"


def test_open_prints_the_folder_and_has_the_desktop_show_it(
    trained: RunPaths, verb: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert start("open", "r").communicate() == (os.fsencode(trained.run_dir) + b"\n", b"")
    program = tmp_path / "bin" / "xdg-open"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > "{tmp_path}/shown"\n')
    program.chmod(0o755)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    assert verb("open", "r").code == 0
    subprocess.run(["sh", "-c", f'until test -s "{tmp_path}/shown"; do sleep 0.05; done'], timeout=20, check=True)
    assert (tmp_path / "shown").read_bytes() == os.fsencode(trained.run_dir)
    monkeypatch.setenv("PATH", "/nowhere")
    assert "no xdg-open" in verb("open", "r").err

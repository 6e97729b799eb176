from __future__ import annotations

import json
import os

import pytest

from trainconf import files
from trainconf.control.workspace import doctor
from trainconf.paths import WorkspacePaths
from trainconf.process import Completed, Processes

from ..conftest import Verb


class Answering(Processes):
    """Answers every program alike."""

    def __init__(self, returncode: int, stdout: bytes = b"", stderr: bytes = b"", *, found: bool = True) -> None:
        self.answer = Completed([], returncode, stdout, stderr, found=found)

    def run(self, argv, **options):  # type: ignore[no-untyped-def]
        return self.answer


def test_a_healthy_machine_is_told_line_by_line_and_left_clean(workspace: WorkspacePaths, verb: Verb) -> None:
    said = verb("doctor")
    assert (said.code, said.err) == (0, "")
    for name in ("python", "hydra", "uv", "git", "disk", "locks", "processes", "gpus", "docker", "slurm"):
        assert sum(line.split()[1] == name for line in said.out.splitlines()) == 1
    assert os.listdir(workspace.root) == ["conf"]
    assert {check["verdict"] for check in json.loads(verb("doctor", "--json").out)} <= {"ok", "missing"}


@pytest.mark.parametrize("check", [doctor.git, doctor.slurm])
def test_what_is_missing_is_told_and_breaks_nothing(check: doctor.Check) -> None:
    for answer in (Answering(127, found=False), Answering(1, stderr=b"cannot reach the daemon")):
        found = check(answer)  # type: ignore[operator]
        assert found.ok is None
        assert found.verdict == "missing"
        assert found.meaning
    assert check(Answering(0, b"version 1")).ok is True  # type: ignore[operator]


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("unix:///no/where.sock", "there is no container engine (address unix:///no/where.sock, from DOCKER_HOST)"),
        ("tcp://10.0.0.5:2375", "the container engine at tcp://10.0.0.5:2375 is on another machine, or may be (from DOCKER_HOST)"),
    ],
)
def test_an_engine_that_cannot_be_used_is_told_with_its_address(host: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    found = doctor.docker()
    assert (found.verdict, found.detail) == ("missing", told)
    assert found.meaning.startswith("compute=docker cannot be used; ")


@pytest.mark.docker
def test_the_engine_is_told_with_its_address_and_kind(docker_engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", docker_engine)
    found = doctor.docker()
    assert found.verdict == "ok"
    assert f"at {docker_engine} (DOCKER_HOST), runs " in found.detail


def test_a_folder_that_cannot_be_written_is_broken() -> None:
    found = doctor.disk("/proc")
    assert found.verdict == "broken"
    assert doctor.locks("/proc").verdict == "broken"


def test_locks_that_only_pretend_are_found_out(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.locks(str(tmp_path)).ok is True

    def pretend(self: files.FileLock, *, blocking: bool = True) -> bool:
        with open(self.path, "a"):
            return True

    monkeypatch.setattr(files.FileLock, "acquire", pretend)
    found = doctor.locks(str(tmp_path))
    assert found.verdict == "broken"
    assert os.listdir(str(tmp_path)) == []


def test_gpus_are_those_the_outer_world_left_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-abc")
    assert doctor.gpus(Answering(1)).detail == "2, GPU-abc (by CUDA_VISIBLE_DEVICES)"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert doctor.gpus(Answering(1)).ok is None


def test_something_broken_ends_with_code_one(workspace: WorkspacePaths, verb: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "hydra", lambda: doctor.Check("hydra", False, "hydra-core is not installed"))
    said = verb("doctor")
    assert said.code == 1
    assert "broken   hydra" in said.out

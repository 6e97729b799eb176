"""Folders and disks that refuse or are strangely named: a whole day's work in each, or a message and nothing half-made."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bad_input.test_asked_wrongly import ADHOC, without_roots_powers
from tests.conftest import Shell

HOSTILE = [
    b"with space",
    b"quote'\"`",
    b"new\nline",
    b"100%s",
    b"$(touch x) ${HOME}",
    b"\xff\xfe not UTF-8",
    b"-dash",
    b"a=b,c",
    b"[x]*?",
    "åö\u2028\U0001f600".encode(),
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_days_work_in_a_folder_of_any_name(name: bytes, workspace: Shell) -> None:
    root = Path(os.fsdecode(os.path.join(os.fsencode(workspace.root), name)))
    root.mkdir()
    strange = os.fsdecode(b"data " + name)
    (root / strange).write_text("1")
    (root / "train.py").write_text("import os, sys\nprint(sys.argv[1:])\nprint(ascii(sorted(os.listdir('.'))))\nos.mkdir('outputs/x')\n")
    words = workspace.script("+params.lr=0.1", "metric.name=loss")

    done = workspace(*words, cwd=root)
    assert done.code == 0, done
    assert done.out.splitlines()[0] == "['--lr', '0.1']"
    assert ascii(strange) in done.out
    run_id = json.loads(workspace("show", "last", "--json", cwd=root).out)["run_id"]
    assert json.loads(workspace("ls", "--json", cwd=root).out)[0]["status"] == "Completed"
    assert workspace("logs", run_id, cwd=root).out == done.out
    assert workspace("rerun", run_id, "params.lr=0.2", cwd=root).out.splitlines()[0] == "['--lr', '0.2']"
    lock = os.fsdecode(name.lstrip(b"-") + b".lock.yaml")
    frozen = workspace("freeze", *words, "-o", lock, cwd=root)
    assert frozen.code == 0, frozen
    checked = workspace("freeze", "--check", lock, cwd=root)
    assert checked.code == 0, checked
    again = workspace("run", lock, cwd=root)
    assert (again.code, again.out) == (0, done.out), again
    assert not (root / "x").exists()


@pytest.fixture
def small_disk(workspace: Shell) -> Iterator[Callable[[str], None]]:
    """Mounts a small disk on a folder of the workspace."""
    if os.getuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted: list[Path] = []

    def mount(name: str, options: str = "size=64k") -> None:
        folder = workspace.root / name
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> None:
    """Leave no byte free on a disk."""
    with open(folder / "ballast", "wb", buffering=0) as stream:
        try:
            while stream.write(b"x" * 4096):
                pass
        except OSError:
            return


@pytest.mark.parametrize("disk", ["runs", ".trainconf"])
def test_a_full_disk_is_told_and_nothing_half_made_is_left(disk: str, small_disk: Callable[[str], None], workspace: Shell) -> None:
    small_disk(disk)
    fill(workspace.root / disk)
    before = workspace.tree()
    answer = workspace(*ADHOC)
    assert answer.code == 2, answer
    assert "No space left" in answer.err or "disk is full" in answer.err, answer
    assert "Traceback" not in answer.err
    assert workspace.run_dirs() == []
    assert workspace.tree() == before
    assert list(workspace.root.rglob("*.tmp*")) == []


def test_a_sweep_on_a_full_disk_starts_nothing(small_disk: Callable[[str], None], workspace: Shell) -> None:
    small_disk("runs")
    fill(workspace.root / "runs")
    answer = workspace("-m", *ADHOC, "+params.x=1,2")
    assert answer.code == 2, answer
    assert workspace.run_dirs() == []


@pytest.mark.parametrize("folder", ["runs", "."])
def test_a_read_only_folder_is_told(folder: str, workspace: Shell) -> None:
    (workspace.root / folder).mkdir(exist_ok=True)
    (workspace.root / folder).chmod(0o555)
    try:
        answer = workspace(*ADHOC, before=without_roots_powers)
    finally:
        (workspace.root / folder).chmod(0o755)
    assert answer.code == 2, answer
    assert "Permission denied" in answer.err
    assert "Traceback" not in answer.err
    assert workspace.run_dirs() == []


def test_a_read_only_disk_is_told(small_disk: Callable[..., None], workspace: Shell) -> None:
    small_disk("runs", "ro,size=64k")
    answer = workspace(*ADHOC)
    assert answer.code == 2, answer
    assert "read-only" in answer.err.lower()
    assert workspace.run_dirs() == []


def test_what_was_recorded_can_be_read_on_a_read_only_disk(workspace: Shell) -> None:
    assert workspace(*workspace.script("+params.lr=0.1")).code == 0
    shutil.rmtree(workspace.root / ".trainconf")
    for path in (workspace.root, workspace.root / "runs"):
        path.chmod(0o555)
    try:
        answers = [workspace(*words, before=without_roots_powers) for words in (["ls"], ["show", "last"], ["logs", "last"])]
    finally:
        for path in (workspace.root, workspace.root / "runs"):
            path.chmod(0o755)
    assert [answer.code for answer in answers] == [0, 0, 0], answers


def test_a_file_in_the_way_of_the_runs_folder_is_told(workspace: Shell) -> None:
    workspace.write("runs", "in the way")
    answer = workspace(*ADHOC)
    assert answer.code == 2, answer
    assert "Traceback" not in answer.err
    assert str(workspace.root / "runs") in answer.err

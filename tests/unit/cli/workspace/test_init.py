"""`trainconf init`: what it adds, what it keeps, and that a failure leaves nothing."""

from __future__ import annotations

import filecmp
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from trainconf import paths
from trainconf.cli.workspace import init
from trainconf.control.workspace.init import make_workspace
from trainconf.errors import StorageError, UserError

HOSTILE = [b"with space", b"quote'\"", b"new\nline", b"100%s", b"$(touch x)", b"\xff\xfe", b"-dash"]


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, and its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def init_with_file_limit(folder: Path, limit_bytes: int) -> subprocess.CompletedProcess[str]:
    """Run the verb in a process that may not write a file longer than `limit_bytes`, as on a disk that fills up."""

    def restrict() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    code = "import sys; from trainconf.cli.main import main; sys.exit(main(['init', sys.argv[1]]))"
    return subprocess.run([sys.executable, "-B", "-c", code, str(folder)], preexec_fn=restrict, capture_output=True, text=True)


def test_an_empty_folder_gets_examples_their_config_machine_facts_and_ignore_rules(tmp_path: Path) -> None:
    assert init.run([str(tmp_path)]) == 0
    made = tree(tmp_path)
    assert set(made) >= {".gitignore", "conf/local.yaml", "conf/experiment/digits.yaml", "projects/digits/train.py"}
    assert made[".gitignore"] == b"runs/\n.trainconf/\nconf/local.yaml\n"


def test_in_the_project_of_a_hydra_app_its_conf_stays_the_apps(tmp_path: Path) -> None:
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "config.yaml").write_text("defaults:\n  - experiment: a\n  - _self_\n")
    (tmp_path / "train.py").write_text("print(1)\n")
    before = tree(tmp_path)
    assert init.run([str(tmp_path)]) == 0
    assert init.run([str(tmp_path), "--script", str(tmp_path / "train.py")]) == 0
    assert init.run([str(tmp_path), "--group", "model=a"]) == 0
    made = tree(tmp_path)
    added = {"conf/trainconf/local.yaml", "conf/trainconf/experiment/train.yaml", "conf/trainconf/model/a.yaml"}
    assert set(made) - set(before) == {".gitignore", *added}
    assert made[".gitignore"] == b"runs/\n.trainconf/\nconf/trainconf/local.yaml\n"
    assert {name: made[name] for name in before} == before


def test_every_shipped_project_arrives_unchanged_with_its_experiment(tmp_path: Path) -> None:
    make_workspace(str(tmp_path))
    shipped = paths.packaged("projects")
    assert sorted(os.listdir(shipped)) == sorted(os.listdir(tmp_path / "projects"))
    for project in os.listdir(shipped):
        source = os.path.join(shipped, project)
        names = [name for name in os.listdir(source) if os.path.isfile(os.path.join(source, name))]
        assert filecmp.cmpfiles(source, tmp_path / "projects" / project, names, shallow=False) == (names, [], [])
        experiment = f"experiment/{project}.yaml"
        assert filecmp.cmp(paths.packaged("conf", experiment), tmp_path / "conf" / experiment, shallow=False)


def test_the_machine_facts_are_all_comments_so_they_change_nothing(tmp_path: Path) -> None:
    make_workspace(str(tmp_path))
    lines = (tmp_path / "conf/local.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert [line for line in lines if line and not line.startswith("#")] == []


def test_a_file_that_exists_is_kept_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "conf/experiment/digits.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    (tmp_path / "conf/local.yaml").symlink_to("nowhere.yaml")
    assert init.run([str(tmp_path)]) == 0
    assert mine.read_text() == "mine"
    assert os.readlink(tmp_path / "conf/local.yaml") == "nowhere.yaml"
    assert not (tmp_path / "conf/nowhere.yaml").exists()
    told = capsys.readouterr()
    assert "kept  conf/experiment/digits.yaml" in told.err
    assert "kept  conf/local.yaml" in told.err
    assert "made  projects/digits/train.py" in told.err
    assert told.out == ""


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    first = make_workspace(str(tmp_path))
    before = tree(tmp_path)
    second = make_workspace(str(tmp_path))
    assert tree(tmp_path) == before
    assert second.made == []
    assert sorted(second.kept) == sorted(first.made)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"*.pyc", b"*.pyc\nruns/\n.trainconf/\nconf/local.yaml\n"),
        (b"/runs/\n.trainconf\n", b"/runs/\n.trainconf\nconf/local.yaml\n"),
        (b"\xff\xfe\nruns/ \nconf/local.yaml\n.trainconf/\n", b"\xff\xfe\nruns/ \nconf/local.yaml\n.trainconf/\n"),
        (b"", b"runs/\n.trainconf/\nconf/local.yaml\n"),
    ],
)
def test_ignore_rules_are_completed_and_otherwise_left_alone(tmp_path: Path, before: bytes, after: bytes) -> None:
    ignore = tmp_path / ".gitignore"
    ignore.write_bytes(before)
    ignore.chmod(0o600)
    make_workspace(str(tmp_path))
    assert ignore.read_bytes() == after
    assert ignore.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", HOSTILE)
def test_any_folder_name_will_do_and_missing_parents_are_made(tmp_path: Path, name: bytes) -> None:
    folder = os.fsencode(tmp_path) + b"/new/" + name
    assert init.run(["--", os.fsdecode(folder)]) == 0
    assert os.path.isfile(folder + b"/projects/digits/train.py")
    assert os.listdir(os.fsencode(tmp_path)) == [b"new"]


def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "parent" / "workspace"
    done = init_with_file_limit(folder, 10_000)  # less than the example's data
    assert done.returncode == 2, done.stderr
    assert "cannot be made a workspace" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_ignore_rules_that_could_be_written_only_in_part_are_taken_back(tmp_path: Path) -> None:
    old = b"# a long file\n" * 8000
    (tmp_path / ".gitignore").write_bytes(old)
    done = init_with_file_limit(tmp_path, len(old) + 5)
    assert done.returncode == 2, done.stderr
    assert tree(tmp_path) == {".gitignore": old}
    assert not (tmp_path / "conf").exists()


@pytest.mark.parametrize("in_the_way", ["conf", "projects", ".gitignore"])
def test_something_of_another_kind_in_the_way_is_told_and_nothing_made(tmp_path: Path, in_the_way: str) -> None:
    obstacle = tmp_path / in_the_way
    if in_the_way == ".gitignore":
        obstacle.mkdir()
    else:
        obstacle.write_text("a file")
    with pytest.raises(StorageError) as caught:
        make_workspace(str(tmp_path))
    assert in_the_way in caught.value.render()
    assert [path.name for path in tmp_path.rglob("*")] == [in_the_way]


def test_a_wrong_word_is_a_mistake_of_the_user_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--forse"):
        init.run([str(tmp_path / "new"), "--forse"])
    assert list(tmp_path.iterdir()) == []


def test_it_loads_no_hydra(tmp_path: Path) -> None:
    code = "import sys; from trainconf.cli.workspace import init; init.run([sys.argv[1]]); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not {"hydra", "omegaconf", "yaml"} & set(done.stdout.split())

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.snapshot import SnapshotStore, hash_tree

from ...history.build import make_run, write_json
from ..conftest import Verb

A, B = "digits-20261123-0530-aaaa", "digits-20261123-0531-bbbb"
IDENTITY = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "a@b"}


def fill(folder: Path, files: dict[str, bytes | None]) -> None:
    """Write files; a name that ends with a slash is a folder, and None removes."""
    for name, content in files.items():
        path = folder / name
        if content is None:
            path.unlink()
        elif name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def recorded(workspace: WorkspacePaths, run_id: str, source: Path, **more: Any) -> RunPaths:
    """A run whose code is the folder as it is now."""
    git = more.pop("git", {})
    snapshot = SnapshotStore(workspace.snapshots).take(str(source), max_mb=300, max_files=1000, allow_keys=())
    paths = make_run(workspace, run_id, source_directory=str(source), **more)
    software = {"kind": "venv", "image": "", "requirements": []}
    write_json(paths.spec, {"code": {"snapshot": snapshot.id, "script": "train.py"}, "environment": software})
    write_json(paths.git, git)
    with open(paths.environment_lock, "w") as stream:
        stream.write("# python 3.11.7\nnumpy==2.3.5\n")
    return paths


@pytest.fixture
def source(workspace: WorkspacePaths) -> Path:
    folder = Path(workspace.root) / "src"
    fill(folder, {"train.py": b"one\ntwo\nthree\n", "lib/util.py": b"x = 1\n" * 30, "run.sh": b"#!/bin/sh\n"})
    fill(folder, {"data.bin": b"\0\1\2", "old.txt": b"old\n"})
    return folder


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", folder, *words], env={**os.environ, **IDENTITY}, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_every_kind_of_change_of_the_code_is_told(workspace: WorkspacePaths, source: Path, verb: Verb) -> None:
    recorded(workspace, A, source)
    (source / "lib/util.py").rename(source / "lib/tools.py")
    (source / "run.sh").chmod(0o755)
    fill(source, {"train.py": b"one\n2\nthree\n", "data.bin": b"\0\1\3", "old.txt": None, "new.txt": b"new"})
    fill(source, {"big.txt": b"z\n" * 600_000, "empty/": b""})
    (source / "link").symlink_to("train.py")
    recorded(workspace, B, source)
    said = verb("diff", A, B)
    assert said.code == 1
    listed = said.out.partition("\ncode, ")[2].partition("\n\ndiff --git")[0].splitlines()
    assert listed[0] == "9 files, +3 -2"
    assert [" ".join(line.split()) for line in listed[1:]] == [
        "A big.txt too large to compare line by line", "M data.bin binary, 3 B -> 3 B", "A empty", "R lib/util.py -> lib/tools.py +0 -0",
        "A link +1 -0", "A new.txt +1 -0", "D old.txt +0 -1", "m run.sh +0 -0, mode 100644 -> 100755", "M train.py +1 -1",
    ]  # fmt: skip
    assert "\n-two\n+2\n" in said.out
    assert "zzz" not in said.out


def test_stat_has_no_lines_and_a_path_narrows_it(workspace: WorkspacePaths, source: Path, verb: Verb) -> None:
    recorded(workspace, A, source)
    fill(source, {"train.py": b"one\n2\n", "lib/util.py": b"", "lib2/x.py": b"new\n"})
    recorded(workspace, B, source)
    assert "@@" not in verb("diff", A, B, "--stat").out
    said = verb("diff", A, B, "--path", "lib/", "--path", "./train.py")
    assert "train.py" in said.out
    assert "lib2" not in said.out
    said = verb("diff", A, B, "--path", "trian.py", "--path", "nothing")
    assert said.code == 2
    assert "neither has 'trian.py'" in said.err
    assert "nearest  train.py" in said.err
    assert "neither has 'nothing'" in said.err


def test_the_patch_turns_one_tree_into_the_other(workspace: WorkspacePaths, source: Path, tmp_path: Path) -> None:
    stems = ("plain", "with space", "quo\"te", "back\\slash", "tab\there", "nl\nhere", "é", "-dash")
    names: dict[str, bytes | None] = {f"{stem}.txt": f"{stem}\n".encode() * 20 for stem in stems}
    fill(source, names)
    first = recorded(workspace, A, source)
    fill(source, {name: (content or b"") + b"\x1b[31m\xff\r\n" for name, content in names.items()})
    fill(source, {"old.txt": None, "made \xe5.py": b"no newline at the end"})
    (source / "run.sh").chmod(0o755)
    (source / "link").symlink_to("nowhere")
    recorded(workspace, B, source)
    argv = [sys.executable, "-m", "trainconf", "diff", A, B, "--patch"]
    done = subprocess.run(argv, cwd=workspace.root, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}, capture_output=True)
    assert (done.returncode, done.stderr) == (1, b"")
    dest = tmp_path / "again"
    store = SnapshotStore(workspace.snapshots)
    with open(first.spec) as stream:
        store.materialize(json.load(stream)["code"]["snapshot"], str(dest))
    subprocess.run(["git", "-C", dest, "apply", "--whitespace=nowarn", "-"], input=done.stdout, check=True)
    assert hash_tree(str(dest)) == hash_tree(str(source))


def test_nothing_in_the_code_steers_the_terminal(workspace: WorkspacePaths, source: Path, verb: Verb) -> None:
    recorded(workspace, A, source, params={"a\x1b[31m": 1})
    fill(source, {"evil\x1b[31m\n.py": b"\x1b]0;title\x07\n\xe2\x80\xae\n", "train.py": b"\x9b\n"})
    recorded(workspace, B, source, params={"a\x1b[31m": "\x1b[2J\n"})
    said = verb("diff", A, B)
    assert said.code == 1
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(said.out)


def test_values_are_told_with_where_they_came_from(workspace: WorkspacePaths, source: Path, verb: Verb) -> None:
    config = {"params": {"lr": 0.1}, "retries": 0, "compute": {"cpus": 1}}
    origins = {"params.lr": "conf/experiment/digits.yaml:10", "retries": "default", "compute.cpus": "default"}
    recorded(workspace, A, source, params={"lr": 0.1, "gone": 1}, config=config, origins=origins, metrics={"val_accuracy": 0.5})
    later = {**config, "params": {"lr": 0.2}, "retries": 3}
    origins = {**origins, "params.lr": "command line: params.lr=0.2", "retries": "conf/local.yaml:2"}
    recorded(workspace, B, source, params={"lr": 0.2}, config=later, origins=origins, metrics={"val_accuracy": 0.75})
    lines = [" ".join(line.split()) for line in verb("diff", A, B).out.splitlines()]
    assert "lr 0.1 -> 0.2 (conf/experiment/digits.yaml:10 -> command line)" in lines
    assert "gone 1 -> null" in lines
    assert "val_accuracy 0.5 -> 0.75 (+0.25)" in lines
    assert "retries 0 -> 3 (default -> conf/local.yaml:2)" in lines
    assert not any(line.startswith("compute.cpus") for line in lines)


def test_packages_that_came_went_and_changed(workspace: WorkspacePaths, source: Path, verb: Verb) -> None:
    first, second = recorded(workspace, A, source), recorded(workspace, B, source)
    Path(first.environment_lock).write_text("# image repo:1 sha256:aa\n# python 3.11.7\nnumpy==2.3.5\nOld_Pkg==1\nsame==1\nfile:///x\n")
    Path(second.environment_lock).write_text("# image repo:1 sha256:bb\n# python 3.12.1\nnumpy==2.4.0\nnew[extra]==2 ; python_version > '3'\nsame==1\nfile:///x\n")
    said = verb("diff", A, B)
    assert said.code == 1
    assert said.out.partition("packages\n")[2].split("\n") == [
        "  ~ image repo:1 sha256:aa -> repo:1 sha256:bb",
        "  + new 2", "  ~ numpy 2.3.5 -> 2.4.0", "  - old-pkg 1", "  ~ python 3.11.7 -> 3.12.1", "",
    ]  # fmt: skip


def test_the_exit_code_is_that_of_diff(workspace: WorkspacePaths, source: Path, verb: Verb) -> None:
    recorded(workspace, A, source, metrics={"val_accuracy": 0.5})
    recorded(workspace, B, source, metrics={"val_accuracy": 0.6})
    assert (said := verb("diff", A, B)).code == 0  # metrics are what came of it
    assert "the same ran" in said.err
    assert (said := verb("diff", A)).code == 0
    assert (said.out, said.err) == ("", f"the code of {A} and that of today are equal\n")
    assert (said := verb("diff", A, B, "--patch")).code == 0
    assert (said.out, said.err) == ("", "the code of both is equal\n")
    fill(source, {"train.py": b"changed\n"})
    assert (said := verb("diff", A)).code == 1
    assert "+changed" in said.out
    assert verb("diff", A, "nobody").code == 2


def test_the_help_says_what_the_exit_codes_mean(verb: Verb, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        verb("diff", "--help")
    assert "diff(1)" in capfd.readouterr().out


def test_json_has_it_all(workspace: WorkspacePaths, source: Path, verb: Verb) -> None:
    recorded(workspace, A, source, params={"lr": 1})
    fill(source, {"train.py": b"one\n"})
    recorded(workspace, B, source, params={"lr": 2})
    found = json.loads(verb("diff", A, B, "--json").out)
    assert found["different"] is True
    assert found["params"]["lr"] == {"old": 1, "new": 2, "old_origin": None, "new_origin": None}
    assert found["code"]["files"][0]["removed_lines"] == 2
    assert "-two" in found["code"]["patch"]
    assert found["commits"] is None
    assert json.loads(verb("diff", A, "--json").out)["files"][0]["path"] == "train.py"


def test_commits_of_both_sides_are_told(
    workspace: WorkspacePaths, source: Path, verb: Verb, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(source, "init", "-q", "-b", "main")
    fill(source, {".gitignore": b"runs\n"})
    git(source, "add", "-A")
    git(source, "commit", "-qm", "base")
    git(source, "checkout", "-qb", "side")
    git(source, "commit", "-q", "--allow-empty", "-m", "on \x1b[31mside\n\nbody")
    here = git(source, "rev-parse", "HEAD")
    git(source, "checkout", "-q", "main")
    git(source, "commit", "-q", "--allow-empty", "-m", "on main")
    there = git(source, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", "/nowhere")  # as git sets it for a hook
    recorded(workspace, A, source, git={"commit": here, "root": str(source)})
    recorded(workspace, B, source, git={"commit": there, "root": str(source)})
    lines = verb("diff", A, B).out.splitlines()
    assert [line.split("  ")[-1] for line in lines if line.startswith(("  + ", "  - "))] == ["on \\x1b[31mside", "on main"]
    assert any(line.startswith(f"  + {there[:12]}  ") and "  Ada  " in line for line in lines)


@pytest.mark.parametrize("trouble", ["gone", "shallow", "fsmonitor", "no GitPython", "no git", "foreign commit"])
def test_what_is_not_known_of_commits_is_said_and_the_rest_is_told(
    workspace: WorkspacePaths, source: Path, verb: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    git(source, "init", "-q")
    for number in range(3):
        git(source, "commit", "-q", "--allow-empty", "-m", f"number {number}")
    first, last = git(source, "rev-parse", "HEAD~2"), git(source, "rev-parse", "HEAD")
    root, said_of_it = source, ""
    if trouble == "gone":
        root, said_of_it = tmp_path / "nowhere", "there is no repository any more"
    elif trouble == "shallow":
        subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{source}", tmp_path / "shallow"], check=True)
        root, said_of_it = tmp_path / "shallow", "shallow"
    elif trouble == "fsmonitor":
        (tmp_path / "run").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (tmp_path / "run").chmod(0o755)
        git(source, "config", "core.fsmonitor", str(tmp_path / "run"))
        git(source, "config", "core.hooksPath", str(tmp_path))
        said_of_it = "number 1"
    elif trouble == "no GitPython":
        monkeypatch.setitem(sys.modules, "git", None)
        said_of_it = "pip install 'trainconf[git]'"
    elif trouble == "no git":
        monkeypatch.setenv("PATH", str(tmp_path))
        said_of_it = "it"
    else:
        first, said_of_it = "ab" * 20, "abababababab is not in the clone"
    recorded(workspace, A, source, params={"lr": 1}, git={"commit": first, "root": str(root)})
    recorded(workspace, B, source, params={"lr": 2}, git={"commit": last, "root": str(root)})
    (tmp_path / "ran").unlink(missing_ok=True)
    said = verb("diff", A, B)
    assert said.code == 1
    assert said_of_it in said.out.partition("commits")[2]
    assert "lr  1 -> 2" in said.out
    assert not (tmp_path / "ran").exists()


def test_without_git_the_files_are_named(
    workspace: WorkspacePaths, source: Path, verb: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(workspace, A, source)
    fill(source, {"train.py": b"changed\n"})
    recorded(workspace, B, source)
    monkeypatch.setenv("PATH", str(tmp_path))
    said = verb("diff", A, B)
    assert said.code == 1
    assert "M  train.py" in said.out
    assert "git is not installed" in said.err


def test_a_snapshot_that_was_removed_and_a_damaged_run_cost_only_themselves(workspace: WorkspacePaths, source: Path, verb: Verb) -> None:
    first = recorded(workspace, A, source, params={"lr": 1})
    second = recorded(workspace, B, source, params={"lr": 2})
    write_json(first.spec, {"code": {"snapshot": "cd" * 32}})
    said = verb("diff", A, B)
    assert said.code == 1
    assert "lr  1 -> 2" in said.out
    assert "no snapshot cdcd" in said.err
    write_json(first.record, json.loads(Path(second.record).read_text()))
    write_json(first.spec, {**json.loads(Path(second.spec).read_text()), "code": {"snapshot": "cd" * 32}})
    assert verb("diff", A, B).code == 2  # nothing differs, and whether the code does cannot be told
    for damaged in (second.spec, second.record, second.git, second.environment_lock, second.metrics):
        Path(damaged).write_bytes(b"\xff{[")
    assert verb("diff", A, B).code == 1
    assert verb("diff", B).code == 2

"""Frozen files: the same run anywhere its code can be found, a check that says what differs, and a message for whatever is wrong."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell

Here = Callable[..., Answer]


def git(folder: Path, shell: Shell, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, env=shell.env, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(workspace: Shell) -> Shell:
    """A committed workspace with an experiment in a folder of its own."""
    workspace.write(".gitignore", "runs/\n.trainconf/\n")
    workspace.write("code/train.py", "import sys\nprint('first', sys.argv[1:])\n")
    workspace.write("code/tool.sh", "#!/bin/sh\n").chmod(0o755)
    workspace.write(
        "conf/experiment/mine.yaml",
        "# @package _global_\ndefaults:\n  - override /env: current\n  - _self_\nexperiment_name: mine\nsource_directory: code\n"
        f"script: train.py\nparams: {{lr: 0.1}}\ncompute: {{lease_dir: '{workspace.leases}'}}\n",
    )
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        git(workspace.root, workspace, *words)
    return workspace


@pytest.fixture
def frozen(repository: Shell) -> Path:
    """Its lock file, committed."""
    answer = repository("freeze", "experiment=mine", "params.lr=0.5", "-o", "mine.lock.yaml")
    assert answer.code == 0, answer
    git(repository.root, repository, "add", ".")
    git(repository.root, repository, "commit", "-qm", "freeze")
    return repository.root / "mine.lock.yaml"


@pytest.fixture
def clone(frozen: Path, repository: Shell, tmp_path: Path) -> Path:
    """A fresh clone elsewhere, without any store."""
    git(tmp_path, repository, "clone", "-q", str(repository.root), "a clone")
    return tmp_path / "a clone"


RUN_OF_THEN = "first ['--lr', '0.5']\n"


def test_a_fresh_clone_finds_the_code_in_its_working_tree(clone: Path, repository: Shell) -> None:
    answer = repository("run", "mine.lock.yaml", cwd=clone)
    assert (answer.code, answer.out) == (0, RUN_OF_THEN), answer
    assert "found in the working tree" in answer.err


def test_an_input_inside_the_workspace_is_the_clones_own(repository: Shell, tmp_path: Path) -> None:
    repository.write("code/train.py", "import os\nprint(os.environ['TRAINCONF_INPUT_DATA'])\n")
    repository.write("data/numbers.csv", "1")
    assert repository("freeze", "experiment=mine", "+inputs.data=data/numbers.csv", "-o", "mine.lock.yaml").code == 0
    git(repository.root, repository, "add", ".")
    git(repository.root, repository, "commit", "-qm", "freeze")
    git(tmp_path, repository, "clone", "-q", str(repository.root), "clone")
    assert repository("freeze", "--check", "mine.lock.yaml", cwd=tmp_path / "clone").code == 0
    answer = repository("run", "mine.lock.yaml", cwd=tmp_path / "clone")
    assert (answer.code, answer.out) == (0, f"{tmp_path / 'clone/data/numbers.csv'}\n"), answer


def test_a_check_reads_the_words_from_the_folder_they_were_typed_in(repository: Shell) -> None:
    data = repository.write("sub/data.csv", "1")
    words = ["experiment=mine", "+inputs.data=data.csv"]
    assert repository("freeze", *words, "-o", "../mine.lock.yaml", cwd=data.parent).code == 0
    for folder in (repository.root, data.parent):
        answer = repository("freeze", "--check", str(repository.root / "mine.lock.yaml"), cwd=folder)
        assert answer.code == 0, answer


@pytest.mark.parametrize("part", ["overrides", "choices", "origins", "config", "code_from"])
def test_a_part_that_is_damaged_is_named(part: str, frozen: Path, repository: Shell) -> None:
    frozen.write_text(re.sub(rf"^{part}:(.*\n)(  .*\n)*", f"{part}: 5\n", of_version_1(frozen.read_text()), flags=re.MULTILINE))
    answer = repository("run", "mine.lock.yaml")
    assert (answer.code, list(answer.told)) == (2, [f"{part} is missing or damaged"]), answer


def test_what_an_export_would_leave_out_or_change_is_found_in_git_all_the_same(repository: Shell, tmp_path: Path) -> None:
    repository.write("code/.gitattributes", "tool.sh export-ignore\nnote.txt export-subst\n")
    repository.write("code/note.txt", "$Format:%H$\n")
    git(repository.root, repository, "add", ".")
    git(repository.root, repository, "commit", "-qm", "attributes")
    assert "no commit holds" not in repository("freeze", "experiment=mine", "-o", "mine.lock.yaml").err
    git(repository.root, repository, "add", ".")
    git(repository.root, repository, "commit", "-qm", "freeze")
    git(tmp_path, repository, "clone", "-q", str(repository.root), "clone")
    (tmp_path / "clone/code/train.py").write_text("print('second')\n")
    answer = repository("run", "mine.lock.yaml", cwd=tmp_path / "clone")
    assert (answer.code, answer.out) == (0, "first ['--lr', '0.1']\n"), answer
    assert "found in git" in answer.err


def test_a_clone_that_moved_on_finds_the_code_in_git(clone: Path, repository: Shell) -> None:
    (clone / "code/train.py").write_text("print('second')\n")
    git(clone, repository, "commit", "-qam", "second")
    answer = repository("run", "mine.lock.yaml", cwd=clone)
    assert (answer.code, answer.out) == (0, RUN_OF_THEN), answer
    assert "found in git" in answer.err
    assert (clone / "code/train.py").read_text() == "print('second')\n"
    shutil.rmtree(clone / "code")
    assert repository("run", "mine.lock.yaml", cwd=clone).out == RUN_OF_THEN


def test_the_store_that_froze_it_runs_it_whatever_became_of_the_tree(frozen: Path, repository: Shell) -> None:
    repository.write("code/train.py", "print('second')\n")
    answer = repository("run", "mine.lock.yaml")
    assert (answer.code, answer.out) == (0, RUN_OF_THEN), answer
    assert "found in the store" in answer.err


def test_code_that_is_nowhere_is_told_with_the_three_ways_out(clone: Path, repository: Shell) -> None:
    (clone / "code/train.py").write_text("print('second')\n")
    shutil.rmtree(clone / ".git")
    answer = repository("run", "mine.lock.yaml", cwd=clone)
    assert answer.code == 2, answer
    facts = answer.told["the code of this run was not found"]
    assert set(facts) >= {"from", "snapshot", "store", "working tree", "git", "hint"}
    assert "fetch commit" in facts["hint"]
    assert not (clone / "runs").exists()


def test_uncommitted_code_is_said_to_run_here_only(repository: Shell, tmp_path: Path) -> None:
    repository.write("code/train.py", "print('changed')\n")
    answer = repository("freeze", "experiment=mine", "-o", "mine.lock.yaml")
    assert "only this snapshot store can run the file" in answer.err
    assert "only the snapshot store that froze it" in (repository.root / "mine.lock.yaml").read_text()
    assert repository("run", "mine.lock.yaml").out == "changed\n"
    git(tmp_path, repository, "clone", "-q", str(repository.root), "a clone")
    shutil.copy(repository.root / "mine.lock.yaml", tmp_path / "a clone")
    assert repository("run", "mine.lock.yaml", cwd=tmp_path / "a clone").code == 2


def test_committing_the_file_beside_the_code_does_not_change_the_code(repository: Shell) -> None:
    for _ in range(2):
        assert repository("freeze", "experiment=mine", "-o", "code/mine.lock.yaml").code == 0
        assert repository("freeze", "--check", "code/mine.lock.yaml").code == 0


def test_check_is_content_with_what_would_run_today(frozen: Path, repository: Shell, clone: Path) -> None:
    answer = repository("freeze", "--check", "mine.lock.yaml")
    assert (answer.code, answer.out) == (0, ""), answer
    assert repository("freeze", "--check", "mine.lock.yaml", cwd=clone).code == 0


def test_check_says_part_by_part_what_differs(frozen: Path, repository: Shell) -> None:
    repository.write("code/train.py", "print('second')\n")
    experiment = repository.root / "conf/experiment/mine.yaml"
    experiment.write_text(
        experiment.read_text().replace("{lr: 0.1}", "{lr: 0.1, epochs: 3}").replace("compute: {", "compute: {cpus: 2, slots: 2, ")
    )
    answer = repository("freeze", "--check", "mine.lock.yaml")
    assert answer.code == 1, answer
    lines = answer.out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == ["code differs", "params differs", "compute differs"]
    assert any(line.startswith("  epochs: null -> 3") and "conf/experiment/mine.yaml:" in line for line in lines)
    assert any(re.fullmatch(r"  cpus: 1 -> 2  \(conf/experiment/mine.yaml:\d+\)", line) for line in lines)
    assert "  changed  train.py" in lines


def test_a_file_to_standard_output_is_the_same_file(repository: Shell) -> None:
    repository("freeze", "experiment=mine", "-o", "a.lock.yaml")
    out = repository("freeze", "experiment=mine").out
    written = (repository.root / "a.lock.yaml").read_text()
    assert [line for line in out.splitlines() if "frozen 20" not in line] == [
        line for line in written.splitlines() if "frozen 20" not in line
    ]


def test_a_person_can_read_it(frozen: Path) -> None:
    text = frozen.read_text()
    assert text.startswith("# ")
    assert "script: train.py" in text
    assert "lr: 0.5" in text
    assert '"command line: params.lr=0.5"' in text
    assert str(frozen.parent) not in text


def of_version_1(text: str) -> str:
    """The file as trainconf 0.1 wrote it: only its spec had a hash."""
    return re.sub(r"^file_hash: .*\n", "", text.replace("frozen_version: 2", "frozen_version: 1"), flags=re.MULTILINE)


def in_config(old: str, new: str) -> Callable[[str], str]:
    """A change in the last place that has the text, which is the config."""
    return lambda text: text[::-1].replace(old[::-1], new[::-1], 1)[::-1]


def replaced(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


EDITED = "the file does not have the hash that is written in it: it was edited by hand"
DISAGREE = "its config and its spec do not agree: it was edited by hand"
WRONG: dict[str, tuple[Callable[[str], str], str]] = {
    "a param": (replaced("lr: 0.5", "lr: 0.6"), "the spec does not have the hash .*"),
    "the script": (replaced("script: train.py", "script: other.py"), "the spec does not have the hash .*"),
    "the params of the config": (in_config("lr: 0.5", "lr: 0.6"), EDITED),
    "the name": (in_config("experiment_name: adhoc", "experiment_name: other"), EDITED),
    "a name that leads out": (in_config("experiment_name: adhoc", "experiment_name: ../../.."), EDITED),
    "the retries": (in_config("retries: 0", "retries: 1"), EDITED),
    "the words": (replaced("+params.lr=0.5", "+params.lr=0.6"), EDITED),
    "the commit": (replaced("only_in_store: true", "only_in_store: false"), EDITED),
    "no hash": (lambda text: re.sub("file_hash: .*", "", text), EDITED),
    "params of version 1": (lambda text: in_config("lr: 0.5", "lr: 0.6")(of_version_1(text)), DISAGREE),
    "compute of version 1": (lambda text: in_config("cpus: 1", "cpus: 2")(of_version_1(text)), DISAGREE),
    "nodes of version 1": (lambda text: in_config("node_count: 1", "node_count: 2")(of_version_1(text)), DISAGREE),
    "a setting of version 1": (lambda text: in_config("retries: 0", "retriez: 0")(of_version_1(text)), ".*retriez.*|.*damaged.*"),
    "an older version": (replaced("frozen_version: 2", "frozen_version: 1"), EDITED),
    "a key twice": (replaced("config_name:", "config_name: other\nconfig_name:"), "the frozen file is not YAML any more"),
    "a key of the config twice": (in_config("retries: 0", "retries: 7\n  retries: 0"), "the frozen file is not YAML any more"),
    "another run behind it": (lambda text: text + text, "the frozen file is not YAML any more"),
    "a newer file": (replaced("frozen_version: 2", "frozen_version: 3"), "frozen_version 3 is not one this trainconf can read"),
    "a newer spec": (replaced("schema_version: 5", "schema_version: 6"), "spec version 6 is not one this trainconf can read"),
    "no version": (replaced("frozen_version: 2\n", ""), "frozen_version None is not one this trainconf can read"),
    "no spec": (lambda text: text.split("\n")[0] + "\nfrozen_version: 1\n", "spec version None is not one.*"),
    "no YAML": (lambda text: text + "\n\t{", "the frozen file is not YAML any more"),
    "aliases": (lambda text: text + "x: &x [1]\ny: [*x, *x]\n", "a frozen file has no aliases, and this one has"),
    "merge marks": (replaced("frozen_version: 2", "<<<<<<< HEAD\nfrozen_version: 2"), "the frozen file is not YAML any more"),
    "a list": (lambda text: text.split("\n")[0] + "\n- 1\n", "the frozen file is empty"),
    "nothing": (lambda text: "", "this is not a frozen run"),
    "another file": (lambda text: "a: 1\n", "this is not a frozen run"),
    "binary": (lambda text: "\udcff\udcfe", "the frozen file cannot be read"),
    "a cut": (lambda text: text[: len(text) // 2], ".*"),
}


@pytest.mark.parametrize("verb", [["run"], ["freeze", "--check"]], ids=["run", "check"])
@pytest.mark.parametrize("case", WRONG)
def test_a_file_that_is_not_what_was_frozen_is_refused(case: str, verb: list[str], here: Here, workspace: Shell) -> None:
    import re

    damage, sentence = WRONG[case]
    here("freeze", *workspace.script("+params.lr=0.5"), "-o", "a.lock.yaml")
    path = workspace.root / "a.lock.yaml"
    path.write_bytes(os.fsencode(damage(path.read_text())))
    answer = here(*verb, "a.lock.yaml")
    assert (answer.code, answer.out) == (2, ""), answer
    assert re.fullmatch(sentence, next(iter(answer.told))), answer
    assert workspace.run_dirs() == []


@pytest.mark.parametrize("name", ["nope.yaml", ".", "notes.txt"])
def test_what_is_no_frozen_file_is_told(name: str, here: Here, workspace: Shell) -> None:
    workspace.write("notes.txt", "notes")
    for verb in (["run"], ["freeze", "--check"]):
        answer = here(*verb, name)
        assert (answer.code, len(answer.told)) == (2, 1), answer


def test_check_takes_the_file_alone(here: Here, workspace: Shell) -> None:
    answer = here("freeze", "--check", "a.lock.yaml", "params.lr=1")
    assert list(answer.told) == ["freeze --check takes the file alone; the file has its own overrides"]


def test_a_place_that_cannot_be_written_is_told(here: Here, workspace: Shell) -> None:
    answer = here("freeze", *workspace.script(), "-o", "no/such/folder/a.lock.yaml")
    assert (answer.code, list(answer.told)) == (2, ["the frozen file cannot be written"]), answer
    assert not list(workspace.root.rglob("*.tmp"))


def test_a_folder_is_no_place_for_it_and_leaves_no_pin(here: Here, workspace: Shell) -> None:
    (workspace.root / "locks").mkdir()
    answer = here("freeze", *workspace.script(), "-o", "locks")
    assert (answer.code, list(answer.told)) == (2, ["the frozen file cannot be written"]), answer
    assert list(workspace.root.glob(".trainconf/snapshots/pins/*")) == []


def test_without_git_it_is_not_claimed_that_no_commit_holds_the_code(repository: Shell, frozen: Path, tmp_path: Path) -> None:
    without = {**repository.env, "PATH": str(tmp_path)}
    told = repository("freeze", "experiment=mine", "-o", "other.lock.yaml", env=without).err
    assert "it is not known whether a commit holds this code (git is not installed)" in told
    shutil.rmtree(repository.root / ".trainconf")
    repository.write("code/train.py", "print('second')\n")
    facts = repository("run", "mine.lock.yaml", env=without).told["the code of this run was not found"]
    assert (facts["git"], "fetch commit" in facts["hint"]) == ("git is not installed", False)
    assert "not in this store, and git is not installed" in repository("freeze", "--check", "mine.lock.yaml", env=without).out


def test_words_with_every_sort_of_character_survive(here: Here, workspace: Shell) -> None:
    words = workspace.script("+params.text='\U0001f600 é \\${x} # : \"'", "+params.e=1e-5", "+params.n=[null,{a:yes}]", "+tags.t='no'")
    assert here("freeze", *words, "-o", "a.lock.yaml").code == 0
    assert here("freeze", "--check", "a.lock.yaml").code == 0
    once, again = here(*words), here("run", "a.lock.yaml")
    assert (again.code, again.out) == (0, once.out), again
    first, second = [(run_dir / "spec.json").read_bytes() for run_dir in workspace.run_dirs()]
    assert first == second


def test_code_that_travels_though_git_ignores_it_is_said_to_run_here_only(repository: Shell, tmp_path: Path) -> None:
    repository.write(".gitignore", "runs/\n.trainconf/\n*.bin\n")
    repository.write("code/.amlignore", "")  # takes the place of .gitignore
    git(repository.root, repository, "add", ".")
    git(repository.root, repository, "commit", "-qm", "ignore")
    assert "only this" not in repository("freeze", "experiment=mine", "-o", "a.lock.yaml").err
    repository.write("code/weights.bin", "1")
    assert git(repository.root, repository, "status", "--porcelain") == "?? a.lock.yaml\n"
    assert "only this snapshot store can run the file" in repository("freeze", "experiment=mine", "-o", "a.lock.yaml").err
    (repository.root / "code/weights.bin").unlink()
    (repository.root / "a.lock.yaml").unlink()
    (repository.root / "code/empty").mkdir()
    told = repository("freeze", "experiment=mine", "-o", f"{tmp_path}/a.lock.yaml").err
    assert "though all is committed: a file that git ignores, or an empty folder, is part of it" in told

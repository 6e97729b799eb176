"""`freeze --check`: files and values that differ, each with its origin; and nothing that a stranger's file names is started."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.conftest import Answer, Shell
from tests.unit.environments.conftest import make_wheel

from .test_frozen import git

Here = Callable[..., Answer]


@pytest.fixture
def frozen(here: Here, workspace: Shell) -> Here:
    """A frozen file of a tree with a file of each kind."""
    workspace.write(".trainconfignore", "conf/\ndata*\n")
    workspace.write("b.txt", "one\ntwo\n")
    workspace.write("gone.txt", "old\n")
    workspace.write("tool.sh", "#!/bin/sh\n").chmod(0o755)
    (workspace.root / "link").symlink_to("b.txt")
    assert here("freeze", *workspace.script("+params.lr=0.5"), "-o", "a.lock").code == 0
    return here


def test_each_path_that_differs_is_named_with_its_mode(frozen: Here, workspace: Shell) -> None:
    workspace.write("b.txt", "one\nthree\n")
    workspace.write("new\tname\n", "new\n")
    (workspace.root / "gone.txt").unlink()
    (workspace.root / "tool.sh").chmod(0o644)
    (workspace.root / "link").unlink()
    workspace.write("link", "b.txt")
    (workspace.root / "empty").mkdir()
    answer = frozen("freeze", "--check", "a.lock")
    assert answer.code == 1
    assert answer.out.splitlines() == [
        "code differs", "  changed  b.txt", "  added    empty", "  removed  gone.txt", "  changed  link  (link -> file)",
        "  added    new\\tname\\n", "  mode     tool.sh  (not executable any more)",
    ]  # fmt: skip


def test_the_text_is_compared_on_request(frozen: Here, workspace: Shell) -> None:
    workspace.write("b.txt", "one\n\tthree")
    workspace.write("big.bin", "\0" * 3_000_000)
    (workspace.root / "gone.txt").unlink()
    answer = frozen("freeze", "--check", "a.lock", "--diff")
    paths, diff = answer.out.split("\n\n")
    assert paths.splitlines()[1:] == ["  changed  b.txt", "  added    big.bin", "  removed  gone.txt"]
    told = [line for line in diff.splitlines() if not line.startswith(("diff --git ", "index ", "deleted file mode "))]
    assert told == [
        "--- a/b.txt", "+++ b/b.txt", "@@ -1,2 +1,2 @@", " one", "-two", "+\tthree", "\\ No newline at end of file",
        "--- a/gone.txt", "+++ /dev/null", "@@ -1 +0,0 @@", "-old", "big.bin: too large to compare line by line",
    ]  # fmt: skip
    assert frozen("freeze", "--diff", *workspace.script()).code == 2


def test_a_renewed_lock_is_told_in_short_and_the_file_runs_by_the_old_one(here: Here, workspace: Shell) -> None:
    workspace.write(".trainconfignore", "conf/\nwheels/\n")
    right = hashlib.sha256(make_wheel(workspace.root / "wheels").read_bytes()).hexdigest()
    recipe = workspace.write("conf/env/own.lock.txt", f"demo==1.0 --hash=sha256:{'0' * 64} --hash=sha256:{right}\n")
    words = workspace.script("env=minimal", "env.requirements=['--no-index', '--find-links ./wheels', '-r conf/env/own.lock.txt']")
    assert here("freeze", *words, "-o", "a.lock").code == 0
    recipe.write_text(recipe.read_text().replace(right, "1" * 64))
    answer = here("freeze", "--check", "a.lock")
    told = re.findall(r'"demo==1.0 --hash=... \(2, together (\w{12})\)"', answer.out)
    assert len(set(told)) == 2
    assert right not in answer.out
    answer = here("run", "a.lock")
    assert answer.code == 0, answer
    assert "another file than the one that was locked" in here(*words).err


def test_every_value_that_differs_has_its_origin(frozen: Here, workspace: Shell) -> None:
    workspace.write("data", "1")
    workspace.write(
        "conf/experiment/adhoc.yaml",
        "# @package _global_\ndefaults:\n  - _self_\nexperiment_name: adhoc\nparams: {layers: [1]}\ngrace_seconds: 3\n"
        "arguments: [a]\ninputs: {x: data}\nenv: {variables: {A: b}}\nscript: train.py\n",
    )
    answer = frozen("freeze", "--check", "a.lock")
    lines = answer.out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        "code differs", "params differs", "environment differs", "compute differs"
    ]  # fmt: skip
    for line in (line for line in lines if line.startswith(" ")):
        assert "(conf/experiment/adhoc.yaml:" in line, line
    assert any("variables.A: null -> \"b\"" in line for line in lines)
    assert any("inputs.x: null -> \"data\"" in line for line in lines)


def test_a_value_that_has_its_default_again_tells_where_it_was_from(here: Here, workspace: Shell) -> None:
    workspace.write(".trainconfignore", "conf/\n")
    experiment = "# @package _global_\nexperiment_name: mine\nscript: train.py\n"
    workspace.write("conf/experiment/mine.yaml", experiment + "grace_seconds: 3\n")
    assert here("freeze", "experiment=mine", "env=current", "-o", "a.lock").code == 0
    workspace.write("conf/experiment/mine.yaml", experiment)
    assert here("freeze", "--check", "a.lock").out.splitlines() == [
        "compute differs", "  grace_seconds: 3.0 -> 10.0  (default now; then conf/experiment/mine.yaml:4)"
    ]  # fmt: skip


def test_a_clone_compares_with_the_recorded_commit_and_writes_nothing(workspace: Shell) -> None:
    workspace.write(".gitignore", ".trainconf/\nruns/\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        git(workspace.root, workspace, *words)
    assert workspace("freeze", *workspace.script(), "-o", "a.lock").code == 0
    clone = workspace.home / "clone"
    git(workspace.home, workspace, "clone", "-q", str(workspace.root), str(clone))
    (clone / "a.lock").write_bytes((workspace.root / "a.lock").read_bytes())
    (clone / "train.py").write_text("print('changed')\n")
    answer = workspace("freeze", "--check", "a.lock", "--diff", cwd=clone)
    assert answer.code == 1
    assert "  changed  train.py" in answer.out
    assert "+print('changed')" in answer.out
    assert not (clone / ".trainconf").exists()
    subprocess.run(["rm", "-rf", clone / ".git"], check=True)
    answer = workspace("freeze", "--check", "a.lock", cwd=clone)
    assert (answer.code, "no path can be named" in answer.out) == (1, True), answer


@pytest.mark.parametrize("word", ["./evil", "evil", "{root}/evil"])
def test_a_check_of_a_strangers_file_starts_nothing_that_it_names(word: str, here: Here, workspace: Shell) -> None:
    here("freeze", *workspace.script(f"env.python.interpreter_path={sys.executable}"), "-o", "mine.lock")
    assert here("freeze", "--check", "mine.lock").code == 0, "it was frozen here"
    workspace.write("evil", "#!/bin/sh\ntouch owned\nexec python3 \"$@\"\n").chmod(0o755)
    workspace.env["PATH"] = f"{workspace.root}:{workspace.env['PATH']}"
    from .test_strangers_files import forged

    named = word.format(root=workspace.root)
    forged(
        workspace.root / "mine.lock",
        lambda body: body.update(overrides=[*body["overrides"][:-1], f"env.python.interpreter_path={named}"]),
    )
    answer = workspace("freeze", "--check", "mine.lock")
    assert (answer.code, "environment was not compared" in answer.err) == (1, True), answer
    assert not (workspace.root / "owned").exists()
    workspace("freeze", "--check", "mine.lock", "--trust")
    assert (workspace.root / "owned").exists()

"""`trainconf train.py --lr 0.1`: a script as it stands, in a folder that nothing was prepared in."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Shell

SCRIPT = "import os, sys, helper\nprint(sys.argv[1:], os.path.basename(os.getcwd()))\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Shell:
    for name in ("folder", "home"):
        (tmp_path / name).mkdir()
    return Shell(tmp_path / "folder", tmp_path / "home")


def run_json(workspace: Shell) -> dict[str, object]:
    found: dict[str, object] = json.loads((workspace.run_dirs()[-1] / "run.json").read_text())
    return found


def test_it_runs_with_its_own_words_and_they_are_params(workspace: Shell) -> None:
    workspace.write("src/train.py", SCRIPT)
    workspace.write("src/helper.py", "")
    answer = workspace("src/train.py", "--lr", "0.1", "--help", "--name", "a 'b\n${x}")
    assert answer.code == 0, answer
    assert answer.out.strip() == str(["--help", "--lr", "0.1", "--name", "a 'b\n${x}"]) + " code"
    recorded = run_json(workspace)
    assert recorded["experiment_name"] == "train"
    assert recorded["params"] == {"lr": 0.1, "help": True, "name": "a 'b\n${x}"}
    assert "params.lr" in str(recorded["origins"])
    assert workspace("rerun", "last", "params.lr=0.5", "params.help=false").out.startswith("['--lr', '0.5', '--name'")


@pytest.mark.parametrize("script", ["./-dash/train.py", "./-train.py", "./lr=0.1/train.py", "a b/'q\n\"$HOME.py"])
def test_its_path_may_look_like_something_else(script: str, workspace: Shell) -> None:
    workspace.write(script, "import sys; print(sys.argv[1:])")
    answer = workspace(script, "--lr", "0.1")
    assert (answer.code, answer.out) == (0, "['--lr', '0.1']\n"), answer
    assert workspace("rerun", "last", "params.lr=0.2").out == "['--lr', '0.2']\n"


@pytest.mark.parametrize("words", [
    ["train.py", "--help"], ["train.py", "--lr", "3", "-h"], ["run", "train.py", "--help"], ["plan", "train.py", "--help"],
    ["-m", "compute.slots=1,2", "train.py", "--lr", "1,2", "--help"], ["submit.detach=true", "env=minimal", "train.py", "--help"],
])  # fmt: skip
def test_its_help_is_shown_and_nothing_is_recorded(words: list[str], workspace: Shell) -> None:
    workspace.write("train.py", "import argparse\np = argparse.ArgumentParser()\np.add_argument('--lr', help='step size')\np.parse_args()")
    answer = workspace(*words)
    assert answer.code == 0, answer
    assert answer.out.startswith("usage: train.py [-h] [--lr LR]"), answer
    assert "step size" in answer.out
    assert "`trainconf --help`" in answer.err
    assert list(workspace.tree()) == ["train.py"]


def test_a_metric_that_it_only_prints_is_told_with_the_words_that_read_it(workspace: Shell) -> None:
    workspace.write("train.py", "import sys; print('accuracy =', float(sys.argv[2]) / 2)")
    word = r"+stdout_metrics.accuracy='accuracy[\s:=]+([-+0-9.eE]+)'"
    one, several = ["train.py", "--lr", "0.1"], ["-m", "train.py", "--lr", "0.1,0.3"]
    for words, best in ((one, "accuracy 0.05"), (several, "best: trial 1, accuracy 0.15")):
        answer = workspace("metric.name=accuracy", *words)
        assert f'hint: it prints accuracy; to have that as a metric: "{word}"' in answer.err.splitlines(), answer
        answer = workspace("metric.name=accuracy", word, *words)
        assert best in answer.err, answer
        assert "hint" not in answer.err
    assert "hint" not in workspace("metric.name=auc", "train.py", "--lr", "1").err


def test_input_that_is_piped_to_it_is_not_lost_without_a_word(workspace: Shell) -> None:
    workspace.write("train.py", "import sys; print(repr(sys.stdin.read()))")
    (workspace.root / "empty").write_text("")
    reader, writer = os.pipe()  # nobody has written to it yet, as in CI
    with open(workspace.root / "train.py") as file, open(workspace.root / "empty") as empty, open(reader) as silent:
        for stdin, is_told in ((file, True), (empty, False), (silent, False), (subprocess.DEVNULL, False)):
            words = [workspace.python, "-m", "trainconf", "train.py"]
            done = subprocess.run(words, stdin=stdin, cwd=workspace.root, env=workspace.env, capture_output=True, text=True, timeout=120)
            assert (done.returncode, done.stdout) == (0, "''\n")
            assert ("note: a run reads nothing from standard input" in done.stderr) is is_told
        os.write(writer, b"1")
        done = subprocess.run(words, stdin=silent, cwd=workspace.root, env=workspace.env, capture_output=True, text=True, timeout=120)
        assert "note: a run reads nothing from standard input" in done.stderr
        os.close(writer)


def test_its_help_ends_with_its_own_code(workspace: Shell) -> None:
    workspace.write("train.py", "import no_such_module")
    answer = workspace("train.py", "--help")
    assert (answer.code, workspace.run_dirs()) == (1, [])
    assert "no_such_module" in answer.out


def test_what_stands_before_it_is_ours(workspace: Shell) -> None:
    workspace.write("train.py", "import sys; print(sys.argv[1:])")
    assert workspace("tags={a: b}", "+tags.c=d", "train.py", "tags.a=x").code == 2  # a mapping is added, as elsewhere
    answer = workspace("run", "--detach", "+tags.c=d", "train.py", "tags.a=x", "--cfg", "job")
    assert answer.code == 0
    assert workspace("wait", answer.out.strip()).code == 0
    assert run_json(workspace)["tags"] == {"c": "d"}
    assert workspace("logs", "last").out.strip() == "['tags.a=x', '--cfg', 'job']"


def test_a_sweep_varies_its_words(workspace: Shell) -> None:
    workspace.write("train.py", "import sys; print(sys.argv[1:])")
    answer = workspace("-m", "train.py", "data.csv", "--opt", "sgd,adam", "--lr", "0.1", "--n-estimators", "5,6")
    assert answer.code == 0, answer
    commands = sorted(path.read_text() for path in workspace.root.glob("runs/*/*/logs/std_log.txt"))
    assert commands == [f"{['data.csv', '--lr', '0.1', '--n-estimators', n, '--opt', opt]}\n" for n in "56" for opt in ("adam", "sgd")]


def test_it_is_planned_composed_and_frozen_like_an_experiment(workspace: Shell) -> None:
    workspace.write("train.py", "import sys; print(sys.argv[1:])")
    assert "train.py --lr 0.1" in workspace("plan", "train.py", "--lr", "0.1").out
    for count, told in ((9, False), (12, True)):
        answer = workspace("plan", "-m", "train.py", "--lr", ",".join(map(str, range(count))))
        assert ("these are the first 10 of 12 trials" in answer.err) is told

    assert "lr: 0.1" in workspace("config", "train.py", "--lr", "0.1").out
    assert workspace("freeze", "-o", "frozen.yaml", "train.py", "--lr", "0.1").code == 0
    assert workspace("run", "frozen.yaml").out.strip() == "['--lr', '0.1']"
    assert workspace("freeze", "--check", "frozen.yaml").code == 0


def test_a_script_of_another_folder_runs_from_there(workspace: Shell) -> None:
    workspace.write("elsewhere/train it.py", SCRIPT)
    workspace.write("elsewhere/helper.py", "")
    (workspace.root / "here").mkdir()
    answer = workspace("../elsewhere/train it.py", cwd=workspace.root / "here")
    assert answer.code == 0, answer
    assert (workspace.root / "here/runs/train_it").is_dir()

"""What is typed in the first hour: each mistake is answered with the very command to type."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Shell
from trainconf.cli import mistyped
from trainconf.cli.arguments.script import misplaced
from trainconf.cli.main import main
from trainconf.cli.verbs import VERBS

# What is typed, and the command that the answer has.
TYPED = {
    "status": "trainconf ls",
    "list --json": "trainconf ls --json",
    "history": "trainconf ls",
    "experiments": "trainconf ls",
    "info last": "trainconf show last",
    "best": "trainconf show best",
    "log last": "trainconf logs last",
    "tail -f last": "trainconf logs -f last",
    "stop last": "trainconf cancel last",
    "kill last": "trainconf cancel last",
    "delete last": "trainconf rm last",
    "retry last": "trainconf rerun last",
    "continue last": "trainconf resume last",
    "plot last": "trainconf metrics last",
    "tb": "trainconf tensorboard",
    "queue": "trainconf watch",
    "fetch last": "trainconf download last",
    "dry-run experiment=mine": "trainconf plan experiment=mine",
    "validate": "trainconf check",
    "new": "trainconf init",
    "install": "trainconf env build",
    "envs": "trainconf env ls",
    "clean": "trainconf gc",
    "mv last x": "trainconf rename last x",
    "sweeps": "trainconf sweep ls",
    "help": "trainconf --help",
    "version": "trainconf --version",
    "submit": "trainconf experiment=NAME",
    "train": "trainconf train.py",
    "./train": "trainconf ./train.py",
    "train --lr 1": "trainconf experiment=NAME",
    "torchrun --nproc-per-node=4 train.py --lr 1": "trainconf distributed=pytorch distributed.process_count_per_node=4 train.py --lr 1",
    "accelerate launch --num_processes 3 train.py": "trainconf distributed=pytorch distributed.process_count_per_node=3 train.py",
    "deepspeed train.py": "trainconf distributed=pytorch distributed.process_count_per_node=2 train.py",
    "mpirun -np 4 python train.py": "trainconf distributed=mpi distributed.process_count_per_node=4 train.py",
    "uv run train.py --lr 1": "trainconf train.py --lr 1",
    "uv run python train.py": "trainconf train.py",
    "sbatch --partition gpu go.sh": "trainconf experiment=adhoc env=current compute=slurm 'command=[bash,go.sh]'",
    "srun -N 2 python train.py": "trainconf compute=slurm train.py",
    "mlflow run . -P lr=1": "docs/coming-from.md",
    "guild run train.py": "trainconf train.py",
    "book.ipynb": "jupyter nbconvert --to script book.ipynb` makes one, then `trainconf book.py`",
    "init train.py": "trainconf init --script train.py",
    "init --script trian.py": "train.py",
    "submit experiment=mine params.lr=1": "trainconf experiment=mine params.lr=1",
    "launch train.py": "trainconf train.py",
    "tune": "trainconf -m params.lr=0.1,0.2",
    "run experiment=mine": "trainconf experiment=mine",
    "mine params.lr=1": "trainconf experiment=mine params.lr=1",
    "mine.yaml": "trainconf experiment=mine",
    "go.sh": "trainconf experiment=adhoc env=current 'command=[bash,go.sh]'",
    "go.sh 1 a": "trainconf experiment=adhoc env=current 'command=[bash,go.sh,\"1\",a]'",
    "data.csv": "trainconf train.py data.csv",
    "python train.py --lr 0.1": "`trainconf train.py --lr 0.1`",
    "python3.11 -m pkg --lr 0.1": "trainconf experiment=adhoc env=current 'command=[python,-m,pkg,--lr,\"0.1\"]'",
    "pkg": "trainconf experiment=adhoc env=current 'command=[python,-m,pkg]'",
    "-m pkg --lr 0.1": "trainconf experiment=adhoc env=current 'command=[python,-m,pkg,--lr,\"0.1\"]'",
    "-m pkg.__main__ a": "trainconf experiment=adhoc env=current 'command=[python,-m,pkg.__main__,a]'",
    "-m mine params.lr=0.1,0.2": "trainconf experiment=mine params.lr=0.1,0.2 -m",
    "trian.py": "train.py",
    "params.lr = 0.1": "trainconf params.lr=0.1",
    "experiment=mine params.lr = 0.1": "trainconf experiment=mine params.lr=0.1",
    "experiment=mine --n-estimators 5": "trainconf experiment=mine params.n_estimators=5",
    "experiment=mine --lr=0.5": "trainconf experiment=mine params.lr=0.5",
    "experiment=mine --params.lr=1": "trainconf experiment=mine params.lr=1",
    "experiment=mine --dropout 0.5": "trainconf experiment=mine +params.dropout=0.5",
    "experiment=mine --slots 4": "trainconf experiment=mine compute.slots=4",
    "experiment=mine --detach": "submit.detach=true",
    "experiment=mine --dry-run": "trainconf plan",
    "experiment=mine --gpus 2": "trainconf experiment=mine compute.gpus=2",
    "experiment=mine --cpus=3": "trainconf experiment=mine compute.cpus=3",
    "experiment=mine compute=gpu": "compute.gpus=1",
    "experiment=mine compute=k8s": "conf/compute/k8s.yaml",
    "experiment=mine compute=[a,b]": "choose one: compute=docker, or run each with -m: `trainconf -m compute=a,b`",
    "experiment=mine env=[curent,minimal]": "choose one: env=current, or run each with -m",
    "experiment=mine compute=local,docker": "add -m to run each of them, or choose one: compute=local",
    "experiment=mine sweep/policy=asha,median": "choose one: sweep/policy=asha",
    "experiment=mine params.lr=1,2": "write one value: 'params.lr=[1,2]' (a list)",
    "experiment=mine env=conda": "env=bare env.conda_file=environment.yml",
    "experiment=mine env=venv": "env=current",
    "experiment=mine env=docker": "compute=docker",
    "experiment=mine distributed=ddp": "distributed=pytorch",
    "-m experiment=mine params.lr=1,2 sweep=optuna": "sweep=bayes",
    "-m experiment=mine params.lr=1,2 sweep/policy=hyperband": "sweep/policy=asha",
    "experiment=train": "`trainconf train.py` runs the script as it stands, `trainconf init --script train.py` makes it an experiment",
    "experiment=conf/experiment/mine.yaml": "experiment=mine",
    "experiment=": "experiment=CHOICE",
    "-V": "trainconf --version",
    "nosuch.py": "folder  ",
    "show": "`trainconf show last`",
    "logs": "`trainconf logs last`",
    "cancel": "`trainconf cancel last`",
    "sweep best": "`trainconf sweep best last`; `trainconf sweep ls`",
    "rm": "`last` is the newest run",
    "experiment=digits": "`trainconf train.py` runs a script of yours; `trainconf init --examples`",
    "quicly": "trainconf --help",
    "experiment=mine params.lrr=1": "params.lr",
}

MINE = """\
# @package _global_
defaults:
  - override /env: current
script: train.py
experiment_name: mine
params: {lr: 0.1, n_estimators: 3}
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    made = Shell(tmp_path_factory.mktemp("a folder"), tmp_path_factory.mktemp("home"))
    made.write("train.py", "pass")
    made.write("go.sh", "echo hello")
    made.write("data.csv", "1,2")
    made.write("book.ipynb", "{}")
    made.write("pkg/__main__.py", "pass")
    made.write("conf/experiment/mine.yaml", MINE)
    return made


@pytest.mark.parametrize("typed", TYPED)
def test_a_newcomers_mistake_is_answered_with_what_to_type(
    typed: str, workspace: Shell, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workspace.root)
    assert main(typed.split()) == 2
    assert TYPED[typed] in capfd.readouterr().err
    assert not workspace.run_dirs()


@pytest.mark.parametrize(("words", "told"), [
    (["ls"], "no workspace was found"), (["sweep", "ls"], "trainconf -m key=a,b"), (["env", "ls"], "trainconf env build env=NAME"),
    (["snapshot", "ls"], "each run takes one"), (["sweep", "ls", "--archived"], "no sweep is archived"),
])  # fmt: skip
def test_a_list_of_nothing_says_so(words: list[str], told: str, shell: Shell) -> None:
    answer = shell(*words)
    assert (answer.code, answer.out) == (0, "")
    assert told in answer.err


def test_what_elsewhere_is_called_otherwise_is_no_verb_of_ours() -> None:
    assert not {*mistyped.MEANT, *mistyped.STARTS, *mistyped.SEARCHES} & set(VERBS)
    assert {command.split()[0] for command in mistyped.MEANT.values() if not command.startswith("-")} <= set(VERBS)


@pytest.mark.parametrize(("module", "package"), [("nosuch_module", "nosuch_module"), ("sklearn.nosuch", "scikit-learn")])
def test_an_import_that_fails_names_what_to_install(module: str, package: str, workspace: Shell) -> None:
    workspace.write("imports.py", f"raise ModuleNotFoundError(\"No module named '{module}'\")")
    for words in (["imports.py"], ["submit.stream=false", "imports.py"]):
        answer = workspace(*words)
        assert answer.code == 1
        assert f"`python -m pip install {package}`" in answer.err


# A script, the files beside it, and the hint after its failure.
ADVICE = {
    "a module of the folder above": ("pkg/train.py", "import pkg.model", "+env.variables.PYTHONPATH=."),
    "a package in src": ("src/mine/train.py", "import mine.model", "+env.variables.PYTHONPATH=src"),
    "a relative import": ("pkg/train.py", "from . import model", "command=[python,-m,pkg.train]"),
    "an option as another tool has it": (
        "option.py", "import sys; sys.exit('option.py: error: unrecognized arguments: lr=0.1 model.depth=3')", "--lr 0.1 --model.depth 3",
    ),
    "a question": ("ask.py", "input('name? ')", "nobody answers input() in a run"),
}


@pytest.mark.parametrize("case", ADVICE)
def test_a_failure_that_is_no_fault_of_the_scripts_says_what_to_do(case: str, shell: Shell) -> None:
    del shell.env["PYTHONWARNINGS"]  # Python warns of a relative import, and then raises the error that users see
    script, code, advice = ADVICE[case]
    shell.write(script, code)
    for beside in ("pkg/__init__.py", "pkg/model.py", "src/mine/__init__.py", "src/mine/model.py"):
        shell.write(beside, "")
    answer = shell(f"compute.lease_dir={shell.leases}", script)
    assert answer.code == 1
    hint = next((line for line in answer.err.splitlines() if line.startswith("hint: ")), "")
    assert advice in hint, answer
    if advice.startswith("+"):
        assert shell(f"compute.lease_dir={shell.leases}", advice, script).code == 0


def test_a_run_from_the_root_of_all_folders_is_refused(shell: Shell) -> None:
    script = shell.write("train.py", "pass")
    answer = shell("plan", str(script), cwd="/")
    assert answer.code == 2
    assert "the whole file system would be recorded as the code" in answer.told
    assert "change into the project's folder" in answer.err


def test_a_tree_that_nobody_has_meant_to_copy_is_told(shell: Shell) -> None:
    shell.write("train.py", "pass")
    words = f"compute.lease_dir={shell.leases}", "train.py"
    assert "note" not in shell(*words).err
    for number in range(10_000):
        shell.write(f"data/{number % 100}/{number}", "")
    answer = shell(*words)
    assert f"note: each run gets a copy of 10001 files of {shell.root}; is that the project?" in answer.err, answer
    shell.write(".trainconfignore", "/data/\n")
    assert "note" not in shell(*words).err


def test_a_submodule_that_is_not_checked_out_is_what_is_missing(shell: Shell, tmp_path: Path) -> None:
    def git(folder: Path, *words: str) -> None:
        subprocess.run(["git", "-c", "protocol.file.allow=always", *words], cwd=folder, env=shell.env, check=True, capture_output=True)

    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "helper.py").write_text("")
    git(tmp_path / "beside", "init")
    for words in (["add", "."], ["commit", "-m", "x"]):
        git(tmp_path / "beside", *words)
    git(shell.root, "init")
    git(shell.root, "submodule", "add", str(tmp_path / "beside"), "vendor/helper")
    shell.write("train.py", "import sys; sys.path.insert(0, 'vendor/helper'); import helper")
    for words in (["add", "."], ["commit", "-m", "x"], ["submodule", "deinit", "-f", "vendor/helper"]):
        git(shell.root, *words)
    script = f"compute.lease_dir={shell.leases}", "train.py"
    answer = shell(*script)
    assert answer.code == 1
    assert "hint: vendor/helper of the repository is not checked out: `git submodule update --init` does it" in answer.err
    git(shell.root, "submodule", "update", "--init")
    assert shell(*script).code == 0


def test_a_file_that_an_ignore_file_leaves_out_is_told_and_how_it_travels(shell: Shell) -> None:
    script = f"compute.lease_dir={shell.leases}", "train.py"
    shell.write("train.py", "print(open('data/a.csv').read())")
    assert "hint" not in shell(*script).err  # it is nowhere
    shell.write("data/a.csv", "1,2")
    shell.write(".gitignore", "data/\n")
    answer = shell(*script)
    assert answer.code == 1
    assert "hint: data/a.csv is in the project, and .gitignore keeps it out" in answer.err
    assert "`!/data/`" in answer.err
    shell.write(".trainconfignore", "!/data/\n")
    assert shell(*script).code == 0


def test_modules_that_are_imported_from_the_source_directory_are_told(shell: Shell, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", python.parent.parent], check=True)
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    shell.write("src/mine.py", "print('the copy' if 'runs' in __file__ else 'the folder')")
    shell.write("train.py", "import mine")
    (site / "tests.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")) + f"\n{shell.root / 'src'}\n")
    shell.python = str(python)
    words = f"compute.lease_dir={shell.leases}", "train.py"
    answer = shell(*words)
    assert answer.out == "the folder\n"
    assert f"note: modules are imported from {shell.root / 'src'}" in answer.err
    assert "+env.variables.PYTHONPATH=src takes that" in answer.err
    answer = shell("+env.variables.PYTHONPATH=src", *words)
    assert answer.out == "the copy\n"
    assert "note" not in answer.err
    shell.write("src/beside.py", "import mine")  # Python looks in the folder of the script first
    answer = shell(words[0], "src/beside.py")
    assert answer.out == "the copy\n"
    assert "note" not in answer.err


# Words behind a script, and the note on them; "" for a script's own.
BEHIND = {
    "compute=slurm": "trainconf compute=slurm train.py",
    "--lr 0.1 submit.detach=true": "trainconf submit.detach=true train.py --lr 0.1",
    "-m --lr 0.1,0.2": "trainconf -m train.py --lr 0.1,0.2",
    "-- --lr 0.1": "trainconf train.py --lr 0.1",
    "--lr 0.1 model=vit": "",
    "--steps 3 -m": "",
}


@pytest.mark.parametrize("words", BEHIND)
def test_words_of_ours_behind_a_script_are_told(words: str) -> None:
    note = misplaced("train.py", words.split())
    assert note.endswith(BEHIND[words]) if BEHIND[words] else not note


def test_a_run_answers_to_its_last_letters_and_its_newest_to_last(shell: Shell) -> None:
    shell.write("train.py", "")
    ids = [shell(f"compute.lease_dir={shell.leases}", "submit.detach=true", "train.py").out.strip() for _ in range(2)]
    assert shell("wait", *ids).code == 0
    for run_id in ids:
        assert shell("show", run_id.rpartition("-")[2]).out.startswith(run_id)
    assert "`last` is the newest run" in shell("show", "latest").err
    (shell.root / "below").mkdir()
    assert "../train.py" in shell("train.py", cwd=shell.root / "below").err


def test_another_python_than_the_active_one_is_told(shell: Shell) -> None:
    shell.write("train.py", "")
    words = (f"compute.lease_dir={shell.leases}", "train.py")
    assert "note" not in shell(*words, env={"VIRTUAL_ENV": sys.prefix}).err
    assert "note" not in shell(*words, env={"CONDA_PREFIX": "/opt/conda", "CONDA_DEFAULT_ENV": "base"}).err
    for variables in ({"VIRTUAL_ENV": "/opt/mine"}, {"CONDA_PREFIX": "/opt/mine", "CONDA_DEFAULT_ENV": "mine"}):
        told = shell(*words, env=variables).err
        assert f"note: env=current is the Python of trainconf, {sys.executable}; " in told
        assert "env.python.interpreter_path=/opt/mine/bin/python" in told
    named = f"env.python.interpreter_path={sys.executable}"
    assert "note" not in shell(named, *words, env={"VIRTUAL_ENV": "/opt/mine"}).err


def test_a_module_of_ones_own_is_not_to_be_installed(workspace: Shell) -> None:
    workspace.write("helpers.py", "")
    workspace.write("imports.py", "raise ModuleNotFoundError(\"No module named 'helpers.more'\")")
    assert "pip install" not in workspace("imports.py").err


def test_a_bare_command_offers_the_experiments_there_are_or_says_where_it_looked(shell: Shell) -> None:
    shell.write("train.py", "")
    for words in ((), ("plan",), ("compute.slots=4",)):
        told = shell(*words)
        assert told.code == 2
        facts = told.told.get("no workspace was found")
        assert facts, told
        assert facts["searched"].split(", ")[:2] == [str(shell.root), str(shell.root.parent)]
        assert facts["searched"].endswith(", /")
    assert "no workspace was found" in shell("ls").err
    shell.write("conf/experiment/one.yaml", "# @package _global_\nexperiment_name: one\nscript: train.py\n")
    shell.write("conf/experiment/two.yaml", "# @package _global_\nexperiment_name: two\nscript: train.py\n")
    told = shell()
    assert told.told["no experiment was named"]["experiments"] == "one, two"
    assert told.told["no experiment was named"]["hint"] == "`trainconf experiment=one` runs one"
    assert "no experiment was named" not in shell("experiment=digits").err

"""What somebody meant who typed a word or a flag that is none of ours: the very command to type."""

from __future__ import annotations

import difflib
import os
import re
import shlex

from trainconf.cli.verbs import VERBS
from trainconf.errors import Mistake, TrainconfError, UserError
from trainconf.paths import find_workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

# What a verb is called elsewhere. What follows the blank is the command here.
_ELSEWHERE = """
ls: list status history runs experiments jobs ps
show: info describe inspect get details result results
show best: best
logs: log tail cat output stdout
cancel: stop kill abort terminate end scancel
rm: remove delete del
rerun: retry restart repeat reproduce replay again
resume: continue
metrics: plot curves chart charts
tensorboard: tb board
watch: top queue squeue nvidia-smi slots
download: export fetch pull copy cp artifacts outputs
plan: dry-run dryrun preview
check: validate lint verify test
init: new create quickstart setup
env build: build install
env ls: envs environments
gc: clean prune cleanup
tag: label
note: comment
rename: mv
open: cd path where
sweep ls: sweeps
doctor: diagnose
--help: help verbs commands
--version: version
"""
MEANT = {word: line.partition(":")[0] for line in _ELSEWHERE.strip().splitlines() for word in line.partition(":")[2].split()}
STARTS = ("submit", "start", "train", "launch", "exec", "execute", "go")
RANKS = {"torchrun": "pytorch", "accelerate": "pytorch", "deepspeed": "pytorch", "mpirun": "mpi", "mpiexec": "mpi"}
RUNNERS = ("uv", "poetry", "pipenv", "pixi", "conda", "rye", "hatch")  # `uv run train.py`
TRACKERS = ("mlflow", "guild", "dvc", "wandb", "clearml", "az")
_COUNT = re.compile(r"--?(?:nproc[-_]per[-_]node|num[-_](?:processes|gpus)|np?)[= ](\d+)")
SEARCHES = ("multirun", "search", "tune", "hpo", "optimize", "grid")
_PYTHON = re.compile(r"python[0-9.]*")
_PLAIN = re.compile(r"[A-Za-z./-][A-Za-z0-9_./-]*", re.ASCII)  # in a list of Hydra's grammar
_RUN_IT = "`trainconf experiment=NAME` or `trainconf train.py` starts a run; `trainconf --help` lists the experiments"
_FLAGS = {
    "--detach": "submit.detach=true", "-d": "submit.detach=true", "--background": "submit.detach=true", "--reuse": "submit.reuse=true",
    "--dry-run": "trainconf plan", "--dryrun": "trainconf plan", "--name": "display_name=NAME", "--resume": "trainconf resume RUN",
    "--partition": "compute.partition=NAME", "-p": "compute.partition=NAME",
    "--docker": "compute=docker", "--slurm": "compute=slurm", "--config": "experiment=NAME", "-c": "experiment=NAME",
    "-V": "trainconf --version", "--verbose": "trainconf logs -f RUN", "-v": "trainconf logs -f RUN",
}  # fmt: skip


def word_error(words: Sequence[str], script: Sequence[str] = ()) -> UserError:
    """For a first word, or one after -m, that is neither a verb nor an override. script: a script that follows, and its own words."""
    where = ("from", "command line")
    if words[0] == "-m":
        if _module(words):
            return _no_module([*words, *script])
        words = [*words[1:], "-m"]
    word, rest = words[0], [*words[1:], *script]
    if rest[:1] == ["="]:
        return blank_error(words)
    if hint := _of_another_program(words, script):
        return UserError(f"{word!r} is not a verb: trainconf takes its place", where, hint=hint)
    if word in STARTS and not rest:
        for hint in _named(word, rest):
            return UserError(f"{word!r} is not a verb", where, hint=hint)
    if word in STARTS:
        is_whole = any("=" in each or each.endswith(".py") for each in rest)
        return UserError(f"{word!r} is not a verb: without one, a run is started", where, hint=_typed(rest) if is_whole else _RUN_IT)
    if word in SEARCHES:
        return UserError(f"{word!r} is not a verb", where, hint="`trainconf -m params.lr=0.1,0.2` tries each value")
    if word in MEANT:
        meant = MEANT[word]
        text = "" if meant.startswith("-") else f": {VERBS[meant.split()[0]][1]}"
        return UserError(f"{word!r} is not a verb", where, hint=f"{_typed([*meant.split(), *rest])}{text}")
    if _PYTHON.fullmatch(os.path.basename(word)):
        hint = _typed(rest) if script else _command(["python", *rest])
        return UserError(f"{word!r} is not a verb: trainconf takes its place", where, hint=hint)
    facts = [where, *(("nearest", near) for near in difflib.get_close_matches(word, VERBS, n=1))]
    for hint in _named(word, rest):
        return UserError(f"{word!r} is not a verb", *facts, hint=hint)
    return UserError(Mistake(
        f"{word!r} is neither a verb nor an override", *facts,
        ("allowed", f"{', '.join(VERBS)}; or key=value; or a script, train.py"), hint="`trainconf --help` tells what each does",
    ))


def _of_another_program(words: Sequence[str], script: Sequence[str]) -> str:
    """What to type instead of a program that starts scripts, `torchrun --nproc-per-node 2 train.py`; "" for another word."""
    word = words[0]
    ours = [each for each in words[1:] if "=" in each and not each.startswith("-")]
    run = list(script) or ["experiment=NAME"]
    if word in RANKS:
        count = _COUNT.search(" ".join(words))
        return _typed([*ours, f"distributed={RANKS[word]}", f"distributed.process_count_per_node={count[1] if count else 2}", *run])
    if word in ("sbatch", "srun"):
        file = next((each for each in words[1:] if os.path.isfile(each)), "")
        if file and not script:
            return _command(["bash", file], "compute=slurm")
        return _typed([*ours, "compute=slurm", *run])
    if word in RUNNERS and script and words[1:2] == ["run"]:
        return f"{_typed(run)}; `env=NAME` before the script chooses its software"
    if word in TRACKERS:
        return f"{_typed(script or ['train.py'])} runs a script; what other words of {word} are here stands in docs/coming-from.md"
    return ""


def blank_error(words: Sequence[str]) -> UserError:
    """For blanks around the = of an override."""
    return UserError("an override has blanks around its =", ("from", "command line"), hint=_typed([*_joined(words)]))


def flag_error(flag: str, words: Sequence[str]) -> UserError:
    """For a flag that is none of a submission's. `words` are all that were typed."""
    name, equals, value = flag.partition("=")
    if _module(words):
        return _no_module(words)
    hint = "a value that starts with - belongs after its key: key=-1"
    if name in _FLAGS:
        hint = f"instead: {_FLAGS[name]}"
    elif name.startswith("--") and name[2:3].isalpha():
        at = list(words).index(flag)
        follows = words[at + 1] if not equals and at + 1 < len(words) and _is_value(words[at + 1]) else None
        given = value if equals else "true" if follows is None else follows
        others = [*words[:at], *words[at + (1 if follows is None else 2) :]]
        hint = f"a value of ours is an override: {_typed([*others, f'{_key(name[2:], others)}={given}'])}"
    return UserError(f"there is no flag {name}", ("from", "command line"),
                     ("allowed", "-m, --config-dir, --config-name, --cfg, --resolve, --package, --info, --help, --version"), hint=hint)


def _module(words: Sequence[str]) -> bool:
    """Whether, as after `python`, -m is followed by the name of a module of this folder, and no override is there."""
    at = list(words).index("-m") if "-m" in words else len(words)
    module = words[at + 1].replace(".", os.sep) if at + 1 < len(words) else ""
    if any("=" in word for word in words):
        return False
    return os.path.isfile(f"{module}.py") or os.path.isfile(os.path.join(module, "__main__.py"))


def _no_module(words: Sequence[str]) -> UserError:
    at = list(words).index("-m")
    return UserError("-m is for sweeps here, and runs no module", ("from", "command line"), hint=_command(["python", *words[at:]]))


def _command(words: Sequence[str], *ours: str) -> str:
    """The command for a program that is no script."""
    from trainconf.launchers.job.argv import hydra_value

    shown = [word if _PLAIN.fullmatch(word) else hydra_value(word) if set(word) & set('"$\\') else f'"{word}"' for word in words]
    return _typed(["experiment=adhoc", "env=current", *ours, f"command=[{','.join(shown)}]"])


def _is_value(word: str) -> bool:
    return "=" not in word and (not word.startswith("-") or word[1:2].isdigit())


def _key(name: str, others: Sequence[str]) -> str:
    """The setting that a flag's name means: a param of what is composed without it, a setting, or a new param."""
    from trainconf.control.compose import ComposeRequest, compose
    from trainconf.resolve.origins import leaves

    plain = name.replace("-", "_")
    try:
        config = compose(ComposeRequest([word for word in others if not word.startswith("-")]), find_workspace(os.getcwd())).config
    except TrainconfError:
        config = {}
    keys = [key for key, _ in leaves(config)]
    for wanted in (name, plain, f"params.{name}", f"params.{plain}"):
        if wanted in keys:
            return wanted
    ends = [key for key in keys if key.replace("-", "_").endswith(f".{plain}")]
    near = difflib.get_close_matches(f"params.{plain}", [key for key in keys if key.startswith("params.")], n=1, cutoff=0.8)
    return next(iter([*ends, *near]), f"+params.{plain.removeprefix('params.')}")


def _named(word: str, rest: Sequence[str]) -> Iterator[str]:
    """What a word names that is no verb: an experiment, a file, a run."""
    from trainconf.resolve.search import config_dirs, groups

    try:
        workspace = find_workspace(os.getcwd())
        experiments = groups(config_dirs(workspace)).get("experiment", [])
    except (TrainconfError, OSError):
        return
    name = word.removesuffix(".yaml")
    if name in experiments:
        yield f"to run the experiment: {_typed([f'experiment={name}', *rest])}"
    elif os.path.isfile(f"{word}.py"):
        yield f"to run the script: {_typed([f'{word}.py', *rest])}"
    elif word.endswith(".ipynb") and os.path.isfile(word):
        made = word.removesuffix(".ipynb") + ".py"
        yield f"a notebook is no script: `jupyter nbconvert --to script {shlex.quote(word)}` makes one, then {_typed([made, *rest])}"
    elif os.path.isfile(word):
        with open(word, "rb") as stream:
            is_frozen = stream.readline().startswith(b"# trainconf frozen run")
        if is_frozen:
            yield f"to run it: {_typed(['run', word])}"
        elif word.endswith((".sh", ".bash")) or os.access(word, os.X_OK):
            program = ["bash", word] if word.endswith("sh") else [os.path.join(os.curdir, word)]
            yield f"to run it: {_command([*program, *rest])}"
        else:
            yield "it is a file; a run is given it as an argument: `trainconf train.py " + f"{shlex.quote(word)}`"
    elif os.path.isfile(os.path.join(word, "__main__.py")):
        yield f"to run the package: {_command(['python', '-m', word.strip(os.sep).replace(os.sep, '.'), *rest])}"
    elif os.path.isdir(os.path.join(workspace.root, "runs", *word.split("-")[:1])) and len(word.split("-")) > 2:
        yield f"to see a run: {_typed(['show', word])}"


def _joined(words: Sequence[str]) -> Iterator[str]:
    """`a = 1` as `a=1`."""
    rest = list(words)
    while rest:
        if rest[1:2] == ["="] and len(rest) > 2:
            yield f"{rest[0]}={rest[2]}"
            del rest[:3]
        else:
            yield rest.pop(0)


def _typed(words: Sequence[Any]) -> str:
    return f"`trainconf {shlex.join(words)}`"

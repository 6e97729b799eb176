"""Mistakes in a user's own config files: told with the file and the line, exit code 2, no traceback, nothing left behind."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.conftest import Answer, Shell

GLOBAL = "# @package _global_\n"
MINE = f"{GLOBAL}experiment_name: mine\nscript: train.py\n"
EXPERIMENT, LOCAL = "conf/experiment/mine.yaml", "conf/local.yaml"
WORDS = ("experiment=mine", "env=current")
NAME = {"experiment_name has no value"}


def defaults(*entries: str) -> str:
    """A whole experiment with such a defaults list."""
    return MINE.replace("experiment_name", "defaults:\n" + "".join(f"- {entry}\n" for entry in (*entries, "_self_")) + "experiment_name")



# files; the first lines of all mistakes; the `from` of the first of them
FILES: dict[str, tuple[dict[str, str | bytes], set[str], str]] = {
    "binary junk": ({EXPERIMENT: b"\x00\x01\xff\xfe"}, {"a config file cannot be read"}, EXPERIMENT),
    "no mapping": ({EXPERIMENT: GLOBAL + "- 1\n"}, {"a config file holds no mapping"}, f"{EXPERIMENT}:2"),
    "mere text": ({EXPERIMENT: "text"}, {"a config file holds no mapping"}, f"{EXPERIMENT}:1"),
    "a list within itself": ({EXPERIMENT: MINE + "params: &x\n  a: [*x]\n"}, {"a config file is nested without end"}, EXPERIMENT),
    "very deep nesting": (
        {EXPERIMENT: MINE + f"params: {{a: {'[' * 3000}{']' * 3000}}}\n"},
        {"a config file is nested without end"},
        EXPERIMENT,
    ),
    "a conda file that is no YAML": (
        {EXPERIMENT: MINE + "env:\n  conda_file: conda.yml\n", "conda.yml": "a: [\n"},
        {"the conda file is not YAML"},
        "conda.yml:2",
    ),
    "a key twice": ({EXPERIMENT: MINE + "script: b.py\n"}, {"a config file is not YAML as Hydra reads it"}, f"{EXPERIMENT}:4"),
    "a tab": ({EXPERIMENT: MINE + "\tparams: 1\n"}, {"a config file is not YAML as Hydra reads it"}, f"{EXPERIMENT}:4"),
    "two documents": ({EXPERIMENT: MINE + "---\na: 1\n"}, {"a config file is not YAML as Hydra reads it"}, f"{EXPERIMENT}:4"),
    "a Python object": (
        {EXPERIMENT: MINE + "params:\n  x: !!python/object/apply:os.system [echo]\n"},
        {"a config file is not YAML as Hydra reads it"},
        f"{EXPERIMENT}:5",
    ),
    "an interpolation cut short": (
        {EXPERIMENT: MINE + "params:\n  x: ${oc.env:HOME\n"},
        {"a config file holds what a config cannot"},
        f"{EXPERIMENT}:5",
    ),
    "no package line": ({EXPERIMENT: "script: train.py\n"}, {f"{EXPERIMENT} does not begin with `# @package _global_`"}, f"{EXPERIMENT}:1"),
    "a package line that is not first": (
        {EXPERIMENT: "# mine\n" + MINE},
        {f"{EXPERIMENT} does not begin with `# @package _global_`"},
        f"{EXPERIMENT}:3",
    ),
    "a package misspelt": ({EXPERIMENT: MINE.replace("_global_", "nope")}, {"nope is not a setting", *NAME}, f"{EXPERIMENT}:2"),
    "a package without a name": ({EXPERIMENT: "# @package\na: 1\n"}, {"a config file's header cannot be read"}, f"{EXPERIMENT}:1"),
    "a file of a group that is no setting": (
        {EXPERIMENT: defaults("/model: a"), "conf/model/a.yaml": "x: 1\n"},
        {"conf/model/a.yaml does not begin with `# @package _global_`"},
        "conf/model/a.yaml:1",
    ),
    "override forgotten": ({EXPERIMENT: defaults("/compute: docker")}, {"compute is chosen twice"}, f"{EXPERIMENT}:3"),
    "a slash forgotten after override": (
        {EXPERIMENT: defaults("override compute: docker")}, {"there is no group experiment/compute"}, f"{EXPERIMENT}:3",
    ),
    "a slash forgotten": ({EXPERIMENT: defaults("env: current")}, {"there is no group experiment/env"}, f"{EXPERIMENT}:3"),
    "an override of what nobody chooses": (
        {EXPERIMENT: defaults("override /model: x"), "conf/model/x.yaml": "# @package params.model\nx: 1\n"},
        {"model is overridden, and no defaults list chooses it"},
        f"{EXPERIMENT}:3",
    ),
    "an override that is not last": (
        {EXPERIMENT: defaults("override /env: current", "/compute@params.c: local")},
        {"overrides must be at the end of a defaults list"},
        f"{EXPERIMENT}:3",
    ),
    "an override before a list": (
        {EXPERIMENT: defaults("override /env: current", "/compute@params.c: [local]")},
        {"overrides must be at the end of a defaults list"},
        f"{EXPERIMENT}:3",
    ),
    "a choice that must be made": (
        {EXPERIMENT: defaults("/compute@params.c: ???")}, {"compute@params.c has no choice yet"}, f"{EXPERIMENT}:3",
    ),
    "an unknown choice in a list": (
        {EXPERIMENT: defaults("/compute@params.c: [local, mars]")}, {"'mars' is not a choice of compute"}, f"{EXPERIMENT}:3",
    ),
    "an unknown choice in a nested group": (
        {
            EXPERIMENT: defaults("/model@params.m: a"), "conf/model/a.yaml": "defaults:\n- _self_\n- o/p: sgd\n",
            "conf/model/o/p/x.yaml": "x: 1",
        },
        {"'sgd' is not a choice of model/o/p"},
        "conf/model/a.yaml:3",
    ),
    "an unknown choice that an unused file has, too": (
        {
            EXPERIMENT: defaults("override /compute: mars"), "conf/experiment/a.yaml": defaults("override /compute: mars"),
            "conf/aa.yaml": defaults("compute: mars"),
        },
        {"'mars' is not a choice of compute"},
        f"{EXPERIMENT}:3",
    ),
    "a defaults list with _self_ twice": ({EXPERIMENT: defaults("_self_")}, {"Duplicate _self_ defined in experiment/mine"}, EXPERIMENT),
    "a billion aliases": (
        {EXPERIMENT: MINE + "params:\n" + "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else '1'] * 9)}]\n" for n in range(12))},
        {"a config file's aliases stand for too many values"},
        EXPERIMENT,
    ),
    "a billion merges": (
        {EXPERIMENT: MINE + "params:\n" + "".join(
            f"  a{n}: &a{n} {{{', '.join(f'k{i}: *a{n - 1}' if n else f'k{i}: 1' for i in range(9))}}}\n" for n in range(12)
        )},
        {"a config file's aliases stand for too many values"},
        EXPERIMENT,
    ),
    "an unknown choice of another group": (
        {EXPERIMENT: MINE.replace("experiment_name", "defaults:\n  - override /compute: mars\n  - _self_\nexperiment_name")},
        {"'mars' is not a choice of compute"},
        f"{EXPERIMENT}:3",
    ),
    "an unknown group": ({EXPERIMENT: GLOBAL + "defaults:\n  - /planet: mars\n"}, {"there is no config group planet"}, f"{EXPERIMENT}:3"),
    "a primary config that names a missing one": (
        {"conf/config.yaml": "defaults:\n  - nope\n", EXPERIMENT: MINE},
        {"there is no config named 'nope'"},
        "conf/config.yaml:2",
    ),
    "a defaults list that is none": (
        {EXPERIMENT: GLOBAL + "defaults: 3\n"},
        {"Invalid defaults list in 'experiment/mine', .*"},
        "conf/experiment/mine.yaml",
    ),
    "a file that includes itself": (
        {EXPERIMENT: GLOBAL + "defaults:\n  - mine\n"},
        {"a defaults list includes itself without end"},
        "one of experiment=mine env=current",
    ),
    "unknown keys": (
        {EXPERIMENT: MINE + "scrpt: a\ncompute:\n  cpuz: 2\n"},
        {"scrpt is not a setting", "compute.cpuz is not a setting"},
        f"{EXPERIMENT}:4",
    ),
    "out of range": ({EXPERIMENT: MINE + "compute:\n  cpus: 0\n"}, {"compute.cpus cannot be 0"}, f"{EXPERIMENT}:5"),
    "a list for a group": ({EXPERIMENT: MINE + "compute: [1]\n"}, {"compute is a group of settings, not a value"}, f"{EXPERIMENT}:4"),
    "nothing for a group": ({EXPERIMENT: MINE + "compute: null\n"}, {"compute has no choice, and a run needs one"}, ".*"),
    "unresolved in a list": ({EXPERIMENT: MINE + "params:\n  a: [1, '${x.y}']\n"}, {"params.a does not resolve"}, f"{EXPERIMENT}:5"),
    "a value still to be given": ({EXPERIMENT: MINE + "params:\n  a: ???\n"}, {"params.a has no value"}, f"{EXPERIMENT}:5"),
    "keys with dots": (
        {EXPERIMENT: MINE, LOCAL: GLOBAL + "compute.slots: 2\nenv.docker.build.network: host\n"},
        {"compute.slots is one name in a file, dots and all", "env.docker.build.network is one name in a file, dots and all"},
        f"{LOCAL}:[23]",
    ),
    "machine facts with a wrong key": (
        {EXPERIMENT: MINE, LOCAL: GLOBAL + "compute:\n  slotz: 3\n"},
        {"compute.slotz is not a setting"},
        f"{LOCAL}:3",
    ),
    "machine facts of a wrong type": (
        {EXPERIMENT: MINE, LOCAL: GLOBAL + "# a\n\ncompute:\n  slots: many\n"},
        {"compute.slots cannot be 'many'"},
        f"{LOCAL}:5",
    ),
    "a choice without its schema": (
        {EXPERIMENT: MINE, "conf/compute/big.yaml": "cpus: 2\n"},
        {"compute=big does not say its target"},
        "conf/compute/big.yaml:1",
    ),
    "a wrong value in a choice without its schema": (
        {EXPERIMENT: MINE, "conf/env/own.yaml": "requirements: 3\n"},
        {"env.requirements cannot be 3"},
        "conf/env/own.yaml:1",
    ),
    "a primary config of a Hydra app": (
        {EXPERIMENT: MINE, "conf/config.yaml": "defaults:\n  - db: mysql\n  - _self_\nx: 1\n", "conf/db/mysql.yaml": "name: mysql\n"},
        {"this primary config does not hold trainconf's settings"},
        "conf/config.yaml",
    ),
    "a primary config of something else": (
        {EXPERIMENT: MINE, "conf/config.yaml": "x: 1\n"},
        {"this primary config does not hold trainconf's settings"},
        "conf/config.yaml",
    ),
}
CHOOSE = {
    "a conda file that is no YAML": "env=bare", "a choice without its schema": "compute=big",
    "a wrong value in a choice without its schema": "env=own",
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_a_mistake_in_a_file_is_told_with_its_place(case: str, here: Callable[..., Answer], workspace: Shell) -> None:
    files, sentences, source = FILES[case]
    for name, content in files.items():
        workspace.write(name, "").write_bytes(content if isinstance(content, bytes) else content.encode())
    words = [] if case == "a primary config of something else" else WORDS
    before = workspace.tree()
    answer = here(*words, *([CHOOSE[case]] if case in CHOOSE else []))
    assert answer.code == 2, answer
    assert answer.out == ""
    assert len(answer.told) == len(sentences), answer
    for sentence in sentences:
        assert any(re.fullmatch(sentence, what) for what in answer.told), answer
    if source:
        assert re.fullmatch(source, next(iter(answer.told.values()))["from"]), answer
    assert workspace.tree() == before
    assert not (workspace.root / ".trainconf").exists()


def test_keys_and_values_of_every_kind_that_json_has_run(here: Callable[..., Answer], workspace: Shell) -> None:
    workspace.write(EXPERIMENT, MINE + "params:\n  a.b: 2\n  'c d': [1, null, {x: y}]\n  '': 0x1F\n  y: yes\n  e: 1e5\n  t: '1:30'\n")
    answer = here(*WORDS, f"compute.lease_dir={workspace.leases}", "argument_style=none")
    assert answer.code == 0, answer


@pytest.mark.parametrize("value", ["{1: 2}", "{true: 2}", "!!binary aGk=", ".nan"])
def test_values_that_json_lacks_are_refused(value: str, here: Callable[..., Answer], workspace: Shell) -> None:
    workspace.write(EXPERIMENT, MINE + f"params:\n  x: {value}\n")
    answer = here(*WORDS)
    assert answer.code == 2, answer
    assert "Traceback" not in answer.err
    assert workspace.run_dirs() == []


def test_a_resolver_of_hydra_reads_the_same_folders(here: Callable[..., Answer], workspace: Shell) -> None:
    workspace.write(EXPERIMENT, MINE + "params:\n  job: ${hydra:runtime.choices.experiment}\n")
    answer = here(*WORDS, f"compute.lease_dir={workspace.leases}")
    assert (answer.code, answer.out) == (0, "['--job', 'mine']\n"), answer


def test_a_file_with_tabs_is_read_as_hydra_reads_it(here: Callable[..., Answer], workspace: Shell) -> None:
    workspace.write(EXPERIMENT, MINE + "params:\n  a: \t\n")
    answer, hydras = here("config", *WORDS), workspace("--cfg", "job", *WORDS)
    assert (answer.code == 0) is (hydras.code == 0), answer
    if answer.code:  # OmegaConf 2.4 has a reader that takes them
        assert answer.told["a config file is not YAML as Hydra reads it"]["from"] == f"{EXPERIMENT}:5"

"""What a user may ask wrongly: each mistake is told in one form, ends with exit code 2, and leaves the folder as it was."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable

import pytest

from tests.conftest import Answer, Shell

Here = Callable[..., Answer]

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2  # linux/prctl.h, linux/capability.h
ADHOC = ("experiment=adhoc", "env=current", "script=train.py")

# words after ADHOC; the first line as a pattern; facts that must be told, each by a pattern
MISTAKES: dict[str, tuple[list[str], str, dict[str, str]]] = {
    "an unknown choice": (
        ["env=minmal"],
        "'minmal' is not a choice of env",
        {"from": "command line: env=minmal", "nearest": "env=minimal", "allowed": "bare, current, minimal, .*"},
    ),
    "an unknown choice with nothing near": (["compute=mars"], "'mars' is not a choice of compute", {"allowed": "docker, local, slurm"}),
    "a group without its choice": (["~compute"], "compute has no choice, and a run needs one", {"from": "command line: ~compute"}),
    "an unknown key": (
        ["compute.cpuz=2"],
        "compute.cpuz is not a setting",
        {
            "from": "command line: compute.cpuz=2",
            "nearest": r"compute.cpus \(integer >= 1, now 1 by default\)",
            "hint": "`trainconf config compute=local` lists.*",
        },
    ),
    "a key of another choice": (
        ["distributed=pytorch", "distributed.worker_count=2"],
        "distributed.worker_count is not a setting of distributed=pytorch",
        {"from": "command line: distributed.worker_count=2", "belongs to": "distributed=tensorflow"},
    ),
    "an unknown key at the top": (["grace_secnds=2"], "grace_secnds is not a setting", {"nearest": "grace_seconds .*"}),
    "a key nobody reads": (["+metric.x=1"], "metric.x is not a setting", {"from": r"command line: \+metric.x=1", "hint": ".*params.*"}),
    "a param that is not there": (["params.lr=1"], "params has no 'lr'", {"hint": r".*\+params.lr=1"}),
    "a wrong type": (["compute.cpus=two"], "compute.cpus cannot be 'two'", {"allowed": "integer >= 1", "meaning": "slots .*"}),
    "a list for a text": (["display_name=[a]"], r"display_name cannot be \['a'\]", {"allowed": "text, or null"}),
    "a tag that is no text": (
        ["+tags.a=[1]"],
        r"tags.a cannot be \[1\]",
        {"from": r"command line: \+tags.a=\[1\]", "allowed": ".*mapping of text"},
    ),
    "null for what must be": (["experiment_name=null"], "experiment_name cannot be null", {"allowed": "text"}),
    "a value for a group of settings": (["submit=true"], "submit is a group of settings, not a value", {"allowed": "submit.detach, .*"}),
    "out of range": (["compute.cpus=0"], "compute.cpus cannot be 0", {"from": "command line: .*", "allowed": "integer >= 1"}),
    "a number that is none": (["grace_seconds=nan"], "grace_seconds cannot be nan", {"allowed": "number >= 0"}),
    "a param JSON cannot hold": (["+params.x=1e400"], "params.x cannot be inf", {"allowed": ".*finite.*"}),
    "not one of the words": (["metric.goal=big"], "metric.goal cannot be 'big'", {"allowed": "maximize or minimize"}),
    "a number too long to read": (["+params.x=" + "9" * 5000], ".*4300 digits.*", {"from": r"command line: \+params.x=9.*"}),
    "a setting removed": (["~params"], "params is a setting, and a setting cannot be removed", {"from": "command line: ~params"}),
    "processes that cannot be divided": (
        ["compute=slurm", "distributed=pytorch", "distributed.process_count=3", "distributed.node_count=2"],
        "process_count=3 cannot be divided by distributed.node_count=2",
        {"from": "command line: distributed.process_count=3", "allowed": "2 or 4", "hint": ".*process_count_per_node.*"},
    ),
    "two counts that differ": (
        ["distributed=pytorch", "distributed.process_count=4", "distributed.process_count_per_node=2"],
        "process_count=4 is not process_count_per_node=2 on 1 node",
        {"allowed": "process_count=2, or one of the two alone"},
    ),
    "more processes than any run has": (
        ["distributed=pytorch", "distributed.process_count=999999999"],
        "999999999 processes are more than a run can have",
        {"from": "command line: distributed.process_count=999999999", "allowed": "up to 65536"},
    ),
    "fewer workers than nodes": (
        ["compute=slurm", "distributed=tensorflow", "distributed.node_count=2"],
        "2 nodes are too many for 1 worker",
        {"from": "command line: distributed.node_count=2", "allowed": "1"},
    ),
    "a missing script": (
        ["script=trane.py"],
        "the script 'trane.py' does not exist",
        {"from": "command line: .*", "there are": "train.py"},
    ),
    "an empty script": (["script="], "the script '' is not a file", {"there are": "train.py"}),
    "a script outside": (
        ["script=/etc/hostname"],
        "the script '/etc/hostname' is outside the source directory.*",
        {"script": "/etc/hostname"},
    ),
    "nothing to run": (["script=null"], "there is nothing to run", {"allowed": "script=.*command=.*"}),
    "script and command": (
        ["command=[ls]"],
        "script and command are both given.*",
        {"script": "train.py from command line: script=train.py", "command": r".* from command line: command=\[ls\]"},
    ),
    "an empty command": (["script=null", "command=[]"], r"command cannot be \[\]", {"allowed": "a list such as .*"}),
    "a style without params": (
        ["argument_style=argparse"],
        "argument_style=argparse is asked for, and there are no params.*",
        {"from": "command line: argument_style=argparse", "hint": r".*\+params.*"},
    ),
    "an interpolation of nothing": (
        ["+params.x=${nosuch.key}"],
        "params.x does not resolve",
        {"from": r"command line: \+params.x=\$\{nosuch.key\}", "value": r"\$\{nosuch.key\}", "because": ".*nosuch.key.*"},
    ),
    "an interpolation of itself": (["+params.x=${params.x}"], "params.x does not resolve", {"because": ".*"}),
    "an unset variable": (["+params.x=${oc.env:NO_SUCH}"], "params.x does not resolve", {"because": ".*NO_SUCH.*"}),
    "an unknown resolver": (["+params.x=${nope:1}"], "params.x does not resolve", {"because": ".*nope.*"}),
    "an unset secret": (
        ["+env.variables.T=${secret:MY_SECRET}"],
        "the secret MY_SECRET is not set",
        {"from": "env.variables.T", "looked in": "the environment, then .*secrets.env", "hint": "export MY_SECRET.*0600.*"},
    ),
    "a secret in a param": (["+params.t=${secret:A}"], "params.t holds a secret.*", {"allowed": "secrets in env.variables.*"}),
    "a credential read as a value": (
        ["+params.t=${oc.env:MY_API_TOKEN}"],
        "params.t would write the value of MY_API_TOKEN.*",
        {"from": r"command line: .*", "hint": r".*\$\{secret:MY_API_TOKEN\}.*"},
    ),
    "a variable whose name is another value": (
        ["+params.n=MY_API_TOKEN", '+params.t="${oc.env:${params.n}}"'],
        "params.t would write the value of MY_API_TOKEN.*",
        {"from": r"command line: .*", "hint": r".*\$\{secret:MY_API_TOKEN\}.*"},
    ),
    "a folder of leases that depends on where one stands": (
        ["compute.lease_dir=leases"],
        "compute.lease_dir=leases would be another folder.*",
        {"from": "command line: compute.lease_dir=leases", "allowed": "an absolute path.*"},
    ),
    "an interpreter that is not there": (
        ["env.python.interpreter_path=/no/python"],
        "the interpreter does not exist",
        {"from": "command line: env.python.interpreter_path=/no/python", "looked at": "/no/python"},
    ),
    "an interpreter that is no Python": (
        ["env.python.interpreter_path=/bin/true"],
        "the interpreter is not a working Python",
        {"hint": ".*"},
    ),
    "a tree over the guard": (
        ["snapshot.max_mb=0.00001"],
        "the snapshot would be .*, more than snapshot.max_mb=1e-05",
        {"largest": ".*'train.py'", "hint": ".*snapshot.max_mb=.*"},
    ),
    "a missing source directory": (["source_directory=/no/dir"], "source_directory does not exist", {"path": "/no/dir"}),
    "a missing input": (["+inputs.data=/no/data"], "the input data does not exist", {"path": "/no/data"}),
    "an argument that names no input": (["arguments=['{inputs.q}']"], r"\{inputs.q\} names no input", {"allowed": "there are no inputs"}),
    "a pattern that is none": (["+stdout_metrics.l='('"], "stdout_metrics.l is not a regular expression", {"because": ".*"}),
    "a pattern without its group": (["+stdout_metrics.l=abc"], "stdout_metrics.l has 0 groups", {"allowed": r"exactly one .*"}),
    "a name that is a path": (["experiment_name=../x"], "experiment_name cannot be '../x'", {"allowed": "a letter or digit.*"}),
    "more slots than there are": (
        ["compute.slots=2", "compute.cpus=3"],
        "compute.cpus=3, but this machine has 2 slots.*",
        {"allowed": "1 to 2"},
    ),
    "the target of another choice": (
        ["compute=docker", "compute.target=local"],
        "compute.target=local does not go with compute=docker, which has other settings",
        {"from": "command line: compute.target=local", "hint": "choose it with compute=local"},
    ),
    "a target nobody launches": (["compute.target=mars"], "compute.target=mars is not a launcher", {"allowed": "docker, local, slurm"}),
    "a word without a value": (
        ["compute.cpus"],
        "'compute.cpus' is not an override",
        {"because": "it has no =", "allowed": "key=value, .*", "hint": "give it a value: compute.cpus=VALUE; .*"},
    ),
    "a value without a key": (["=3"], "'=3' is not an override", {"because": "it names no key"}),
    "a lone tilde": (["~"], "'~' is not an override", {"because": "it names no key"}),
    "a sign the grammar lacks": (["params={a"], "'params={a' is not an override", {"because": ".+"}),
    "a mapping set where it must be added": (
        ["tags={a: b}"],
        "tags does not hold all of these yet",
        {"from": "command line: tags={a: b}", "hint": r"to add what is new: '\+tags={a: b}'"},
    ),
    "a text with a sign of the grammar's": (
        ["+params.x=it's&more"], ".* is not an override",
        {"because": """character 13, "'", cannot stand there without quotes""",
         "hint": r"""to give it as a text: '\+params\.x="it'"'"'s&more"'"""},
    ),
    "a value with another =": (
        ["+params.x=a=b"], ".* is not an override", {"because": "= needs quotes there", "hint": r"""to .*'\+params\.x="a=b"'"""},
    ),
    "a list without its end": (["+params.x=[1,"], ".* is not an override", {"because": r"\[1, is not finished, or needs quotes"}),
    "a key the grammar lacks": (["+params.'a b'=1"], ".* is not an override", {"because": """its key has "'"; a key has .*"""}),
    "a group misspelt": (["evn=current"], "evn is neither a config group nor a setting", {"nearest": "env=current"}),
    "several values for one run": (["+params.x=1,2"], "params.x was given several values, and this is a single run", {"hint": "add -m .*"}),
    "a setting of Hydra's own": (["hydra.launcher.x=1"], "hydra.launcher.x has no effect.*", {"from": "command line: hydra.launcher.x=1"}),
    "a package that is not there": (
        ["experiment@x=adhoc"],
        "experiment@x is not chosen yet, so it cannot be overridden",
        {"from": "command line: experiment@x=adhoc"},
    ),
    "a group forced in": (["++experiment=adhoc"], "force-add of config groups.*", {"from": r"command line: \+\+experiment=adhoc"}),
    "a missing config folder": (["--config-dir=/no/dir"], "--config-dir does not name a folder", {"path": "/no/dir"}),
    "a missing primary config": (
        ["--config-name=nope"],
        "there is no config named 'nope'",
        {"from": "command line: --config-name.*", "allowed": "config"},
    ),
    "an unknown flag": (["--nosuch"], "there is no flag --nosuch", {"allowed": "-m, .*"}),
    "a grid over an interval": (["-m", "+params.x=interval(0,1)"], r".*params.x is given an interval.*", {"hint": "list them: .*"}),
    "a grid with a wrong value": (["-m", "+params.x=1,2", "retries=0,-1"], "retries cannot be -1", {"from": "command line: retries=-1"}),
    "a grid over what all its runs share": (
        ["-m", "+params.x=1,2", "sweep.max_concurrent_runs=2,3"],
        "sweep.max_concurrent_runs is one for the whole sweep",
        {"from": "command line: sweep.max_concurrent_runs=2, .*=3", "hint": "give it one value"},
    ),
    "a grid with a wrong choice": (
        ["-m", "compute=local,mars"],
        "'mars' is not a choice of compute",
        {"from": "command line: compute=mars"},
    ),
    "a grid without a value": (
        ["-m", "+params.x=range(0,0)"],
        r"params.x: range\(0,0\) has no value: the stop, 0, is not one of its values",
        {"from": "command line: .*"},
    ),
    "a grid with a missing script": (
        ["-m", "script=train.py,trane.py"],
        "the script 'trane.py' does not exist",
        {"from": "command line: script=trane.py"},
    ),
    "a grid too large": (
        ["-m", "+params.x=1,2,3", "sweep.max_total_runs=2"],
        "this grid has 3 runs",
        {"allowed": "2 .*", "axes": r".*\(3\)"},
    ),
}


def assert_told(answer: Answer, what: str, facts: dict[str, str]) -> None:
    """The answer is one mistake of this kind, in the form all mistakes have, and nothing else."""
    assert answer.code == 2, answer
    assert answer.out == ""
    assert "Traceback" not in answer.err
    assert len(answer.told) == 1, answer
    first, said = next(iter(answer.told.items()))
    assert re.fullmatch(what, first), answer
    for label, pattern in facts.items():
        assert re.fullmatch(pattern, said.get(label, ""), re.DOTALL), f"{label}: {answer}"


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_told_and_leaves_nothing(case: str, here: Here, workspace: Shell) -> None:
    words, what, facts = MISTAKES[case]
    before = workspace.tree()
    assert_told(here(*ADHOC, *words), what, facts)
    assert workspace.tree() == before
    assert list(workspace.root.rglob("*.tmp")) == []


@pytest.mark.parametrize("case", ["an unknown choice", "a missing script", "an unset secret", "a tree over the guard", "a setting removed"])
def test_a_process_of_its_own_answers_the_same(case: str, workspace: Shell) -> None:
    words, what, facts = MISTAKES[case]
    assert_told(workspace(*ADHOC, *words), what, facts)
    assert workspace.run_dirs() == []


def test_every_mistake_is_told_at_once(here: Here, workspace: Shell) -> None:
    answer = here(*ADHOC, "compute.cpuz=2", "retries=-1", "+params.x=${nope}", "metric.goal=big", "~submit")
    assert answer.code == 2
    assert set(answer.told) == {
        "compute.cpuz is not a setting",
        "retries cannot be -1",
        "params.x does not resolve",
        "metric.goal cannot be 'big'",
        "submit is a setting, and a setting cannot be removed",
    }


def test_a_mistyped_verb_is_answered_with_the_nearest(here: Here) -> None:
    assert_told(here("freez"), "'freez' is neither a verb nor an override", {"nearest": "freeze", "allowed": "init, .*"})


def test_a_look_at_a_config_makes_no_workspace_of_the_folder(here: Here, workspace: Shell) -> None:
    for words in (["config"], ["plan", *ADHOC], ["ls"], ["--help"], ["env", "ls"], ["snapshot", "ls"], ["freeze", "--check", "nope.yaml"]):
        here(*words)
        assert os.listdir(workspace.root) == ["train.py"], words


@pytest.mark.parametrize("name", ["nosuch", "", "adhoc", ".", "/no/run", "$(x)\n%s"])
@pytest.mark.parametrize("verb", ["show", "logs", "wait", "cancel", "rerun"])
def test_an_unknown_run_is_told_by_every_verb(verb: str, name: str, here: Here, workspace: Shell) -> None:
    answer = here(verb, "--", name)
    assert answer.code == 2, answer
    assert len(answer.told) == 1
    assert os.listdir(workspace.root) == ["train.py"]


def test_an_ambiguous_run_id_is_answered_with_the_candidates(here: Here, workspace: Shell) -> None:
    for number in (1, 2):
        here(*workspace.script(f"+params.n={number}"))
    answer = here("show", "adhoc-")
    assert_told(answer, "adhoc- could be any of several runs", {"candidates": "adhoc-.*\nadhoc-.*", "hint": "give more of the id"})


def test_a_wrong_recipe_is_told_with_its_origin_also_where_nothing_is_run(workspace: Shell) -> None:
    answer = workspace("env", "build", "env=current", "env.python.interpreter_path=/no/python")
    assert_told(answer, "the interpreter does not exist", {"from": "command line: env.python.interpreter_path=/no/python"})


def test_full_error_shows_the_traceback_to_whoever_asks(workspace: Shell) -> None:
    answer = workspace(*ADHOC, "compute=mars", env={"TRAINCONF_FULL_ERROR": "1"})
    assert "Traceback" in answer.err
    assert "ConfigError" in answer.err
    assert answer.code == 2


def without_roots_powers() -> None:
    """Let file permissions bind this process and its children, even where it is root."""
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails, and is not needed, for anybody else


def test_an_unreadable_source_file_is_named(workspace: Shell) -> None:
    workspace.write("data/private.bin", "x").chmod(0)
    answer = workspace(*ADHOC, before=without_roots_powers)
    assert answer.code == 2, answer
    assert "data/private.bin" in answer.err
    assert workspace.run_dirs() == []


def test_an_unreadable_config_file_is_named(workspace: Shell) -> None:
    workspace.write("conf/experiment/mine.yaml", "# @package _global_\nscript: train.py\n").chmod(0)
    answer = workspace("experiment=mine", before=without_roots_powers)
    assert_told(answer, "a config file cannot be read", {"from": "conf/experiment/mine.yaml", "because": ".*"})


def test_a_value_below_an_interpolation_that_is_no_mapping_is_told(here: Here, workspace: Shell) -> None:
    before = workspace.tree()
    answer = here(*ADHOC, "params=${experiment_name}", "params.lr=1")
    assert (answer.code, answer.out, len(answer.told)) == (2, "", 2), answer
    assert answer.told["params has no 'lr'"]["from"] == "command line: params.lr=1"
    assert workspace.tree() == before


@pytest.mark.parametrize("key", ["params", "arguments", "tags", "env.requirements"])
def test_an_interpolation_does_not_put_a_text_where_a_container_belongs(key: str, here: Here, workspace: Shell) -> None:
    before = workspace.tree()
    word = f"{key}=${{experiment_name}}"
    answer = here(*ADHOC, word)
    assert (answer.code, answer.out, len(answer.told)) == (2, "", 1), answer
    ((what, facts),) = answer.told.items()
    assert what.startswith(f"{key} "), what
    assert facts["from"] == f"command line: {word}"
    assert workspace.tree() == before

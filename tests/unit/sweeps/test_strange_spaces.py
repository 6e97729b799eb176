"""Spaces that somebody has mistyped, texts that a shell or a line would take apart, and journals that somebody has cut."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell

Here = Callable[..., Answer]
SEARCH = ("sweep=random", "sweep.max_total_runs=3", "sweep.seed=1", "metric.name=loss")
FILE = """# @package _global_
experiment_name: x
script: train.py
sweep:
  space:
    nosuch.key: uniform(0, 1)
    compute.cpus: uniform(0, 5)
    parms.lr: [1, 2]
"""


def test_a_value_that_the_schema_refuses_is_told_where_its_expression_stands(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", "")
    workspace.write("conf/experiment/x.yaml", FILE)
    answer = here("plan", "-m", "experiment=x", *SEARCH)
    assert answer.code == 2
    for place, what in enumerate(("nosuch.key is not a setting", "compute.cpus cannot be 0.0", "parms.lr is not a setting"), 6):
        assert answer.err.count(what) == 1, "of each key that there is not once"
        (mistake,) = [part for part in answer.err.split("\n\n") if part.startswith(what)]
        assert f"conf/experiment/x.yaml:{place}" in mistake
    assert "command line: " not in answer.err, "nobody has typed a value"
    answer = here("plan", "-m", *workspace.script(*SEARCH, "compute.cpus=uniform(0,5)"))
    assert "from     command line: compute.cpus=uniform(0,5)\n" in answer.err
    answer = here("plan", "-m", *workspace.script(*SEARCH, "params.a=uniform(0,1)"))
    assert ("command line: params.a=uniform(0,1)" in answer.err, "'+params.a=uniform(0,1)'" in answer.err) == (True, True), answer
    assert "given  sweep: random,grid" in here("plan", "-m", *workspace.script(*SEARCH, "sweep=random,grid")).err
    answer = here("plan", "-m", *workspace.script(*SEARCH, "+params.a=1,2", "sweep.repeats=3", "sweep.repeat_key=nosuch.key"))
    assert "from  command line: sweep.repeat_key=nosuch.key\n" in answer.err


def test_a_total_that_leaves_a_point_without_some_of_its_repeats_is_told(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", "")
    said = "sweep.max_total_runs=3 is no multiple of sweep.repeats=2: the last point has 1 of its 2 trials"
    answer = here("plan", "-m", *workspace.script(*SEARCH, "+params.a=uniform(0,1)", "sweep.repeats=2"))
    assert (answer.code, said in answer.err) == (0, True), answer
    assert "no multiple" not in here("plan", "-m", *workspace.script(*SEARCH, "+params.a=uniform(0,1)", "sweep.repeats=3")).err


@pytest.mark.parametrize(("kind", "code", "told"), [
    ("grid sweep.max_total_runs=3", 0, "trials    3, "), ("grid sweep.max_total_runs=2", 2, "this grid has 3 runs"),
    ("random sweep.max_total_runs=9", 0, "trials    3, "), ("bayes sweep.max_total_runs=9", 0, "trials      3, "),
])
def test_points_that_are_excluded_count_for_no_total(here: Here, workspace: Shell, kind: str, code: int, told: str) -> None:
    if "bayes" in kind:
        pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    search = [f"sweep={kind.split()[0]}", *kind.split()[1:], "+params.a=range(6)", 'sweep.exclude=["params.a > 2"]', "metric.name=loss"]
    answer = here("plan", "-m", *workspace.script(*search))
    assert (answer.code, told in answer.out + answer.err) == (code, True), answer
    assert "further trials" not in answer.err


@pytest.mark.parametrize(("first", "count"), [("[{params.a: 9}]", 4), ("[{params.a: 1},{params.a: 1}]", 4), ("[{params.a: 1}]", 3)])
def test_what_comes_first_takes_no_point_of_a_grid_its_place(here: Here, workspace: Shell, first: str, count: int) -> None:
    search = ["sweep=grid", "+params.a=0,1,2", f"sweep.first={first}", "metric.name=loss"]
    answer = here("plan", "-m", *workspace.script(*search), "--json")
    assert answer.code == 0, answer
    points = [trial["params.a"] for trial in json.loads(answer.out)["trials"]]
    assert (len(points), {0, 1, 2} - set(points)) == (count, set())
    answer = here("plan", "-m", *workspace.script(*search, "sweep.max_total_runs=3"))
    assert (answer.code, f"this grid has {count} runs" in answer.err) == ((0, False) if count == 3 else (2, True)), answer


def test_the_words_of_the_best_trial_are_a_shells_and_its_line_is_one(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", "from trainconf import Run\nRun.get_context().log('loss', 1.0)\n")
    workspace.write("conf/experiment/x.yaml", "# @package _global_\nexperiment_name: x\nscript: train.py\nsweep:\n  space:\n"
                    "    params.a: [\"it's\\na \\\"b\\\"\"]\n")
    answer = here("-m", "experiment=x", "env=current", "sweep=grid", "metric.name=loss", "+params.b=1,2")
    assert answer.code == 0, answer
    (line,) = [line for line in answer.err.splitlines() if line.startswith("best: ")]
    assert line.endswith("_0")
    words = shlex.split(here("sweep", "best", "last", "--words").out)
    assert len(words) == 2
    assert here("experiment=x", "env=current", *words).code == 0
    runs = [json.loads(path.read_text())["params"] for path in workspace.root.glob("runs/x/*/run.json")]
    assert runs.count({"a": 'it\'s\na "b"', "b": 1}) == 2


@pytest.mark.parametrize("lost", ["the last lines", "all"])
def test_a_trial_that_the_journal_has_lost_is_never_taken_for_another_one(here: Here, workspace: Shell, lost: str) -> None:
    workspace.write("train.py", "from trainconf import Run\nRun.get_context().log('loss', 1.0)\n")
    search = [*SEARCH, "+params.a=uniform(0,1)", "sweep.target=-9", "metric.goal=minimize"]
    assert here("-m", *workspace.script(*search)).code == 0
    (journal,) = workspace.root.glob("runs/*/*/journal.jsonl")
    home = journal.parent
    (Path(f"{home}_3")).mkdir()
    for name in ("run.json", "events.jsonl"):
        (Path(f"{home}_3") / name).write_bytes((Path(f"{home}_0") / name).read_bytes())
    if lost == "all":
        journal.write_text("")
    answer = here("sweep", "extend", "last", "sweep.max_total_runs=4")
    assert answer.code == 2
    assert f"{home.name}_3 is there already with other values, and the sweep's journal does not know it" in answer.err
    assert f"sweep.resume_from=[{home.name}]" in answer.err


def test_json_has_no_number_that_json_does_not_know(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", "import sys, time\nfrom trainconf import Run\nvalue = float(sys.argv[2])\n"
                    "Run.get_context().log('loss', value)\ntime.sleep(600 if value != value else 0)\n")
    policy = ["sweep/policy=median", "sweep.policy.min_trials=1", "sweep.policy.delay_evaluation=1", "sweep.max_concurrent_runs=1"]
    assert here("-m", *workspace.script(*policy, "metric.name=loss", "metric.goal=minimize", "+params.a=1.5,'nan'")).code == 0
    for verb in ("show last", "ls"):
        found = json.loads(here("sweep", *verb.split(), "--json").out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        assert verb == "ls" or found["trials"][1]["stop"]["own"] == "Infinity"

"""Searches that begin with what earlier sweeps have found, or with the values and outputs of runs."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shell
from tests.unit.sweeps.test_searches import Here
from trainconf.search import grammar
from trainconf.search.bayes import BayesSampler, is_within
from trainconf.search.conditions import Condition
from trainconf.search.expressions import Choice, Option
from trainconf.search.progress import Limits, Progress
from trainconf.search.samplers import PointSource
from trainconf.search.space import Axis, Exclusion, Point, Space, Zip

SCRIPT = """
import argparse, math, os
from trainconf import Run
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
lr = parser.parse_args().lr
before = os.environ.get("TRAINCONF_RESUME_FROM")
open("outputs/model.txt", "w").write(f"{lr} after " + (open(os.path.join(before, "model.txt")).read() if before else "nothing"))
if lr > 0.5:
    raise SystemExit(3)
for epoch in range(6):
    Run.get_context().log("loss", math.nan if epoch == 1 else (math.log10(lr) + 2) ** 2 + 1 / (epoch + 1), step=epoch)
"""
LR = "+params.lr=log_interval(1e-5, 1)"


@pytest.fixture(autouse=True)
def _script(workspace: Shell) -> None:
    workspace.write("train.py", SCRIPT)


def words(workspace: Shell, *more: str, total: int = 4) -> list[str]:
    return ["-m", *workspace.script("metric.name=loss", "metric.goal=minimize", f"sweep.max_total_runs={total}", "sweep.seed=7", *more)]


def sweeps(workspace: Shell) -> list[Path]:
    found = [path for path in workspace.run_dirs() if (path / "sweep.json").exists()]
    return sorted(found, key=lambda path: str(json.loads((path / "sweep.json").read_text())["created"]))


def lines(sweep: Path, deed: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (sweep / "journal.jsonl").read_text().splitlines()]
    return [line for line in found if line["deed"] == deed]


def test_bayes_knows_the_points_of_earlier_sweeps_also_when_those_are_gone(here: Here, workspace: Shell) -> None:
    assert here(*words(workspace, LR.replace("log_interval(1e-5, 1)", "0.00001,0.001,0.01,0.1,0.2,0.9"), total=6)).code == 1  # 0.9 fails
    (grid,) = sweeps(workspace)
    here("-m", *workspace.script("metric.name=loss", "metric.goal=minimize", "sweep=random", "sweep.max_total_runs=8", LR))
    earlier = [path.name for path in sweeps(workspace)]
    narrow = "+params.lr=log_interval(1e-4, 1)"
    planned = here("plan", *words(workspace, "sweep=bayes", narrow, f"sweep.resume_from=[{','.join(earlier)}]"))
    assert f"{grid.name}: 5 points; left out: 1 outside the space" in planned.out, planned
    answer = here(*words(workspace, "sweep=bayes", narrow, f"sweep.resume_from=[{','.join(earlier)}]", total=2))
    assert answer.code == 0, answer
    newest = sweeps(workspace)[-1]
    known = lines(newest, "earlier")
    values = {line["values"]["params.lr"]: line["value"] for line in known if line["sweep"] == grid.name}
    worth = {lr: pytest.approx((math.log10(lr) + 2) ** 2 + 1 / 6) for lr in (0.001, 0.01, 0.1, 0.2)}
    assert values == {**worth, 0.9: None}
    for name in earlier:
        for path in newest.parent.glob(f"{name}*"):
            shutil.rmtree(path)
    assert here("sweep", "extend", newest.name, "sweep.max_total_runs=3").code == 0
    assert len(lines(newest, "ask")) == 3


def test_a_policy_compares_with_what_earlier_trials_have_logged(here: Here, workspace: Shell) -> None:
    assert here(*words(workspace, "+params.lr=0.009,0.01,0.011", total=3)).code == 0
    (grid,) = sweeps(workspace)
    policy = ["sweep/policy=median", "sweep.policy.min_trials=3", "sweep.policy.delay_evaluation=1", "sweep.max_concurrent_runs=1"]
    workspace.write("train.py", SCRIPT + "    import time; time.sleep(0.3)\n")
    bad = "+params.lr=log_interval(1e-6, 2e-6)"
    answer = here(*words(workspace, "sweep=random", bad, *policy, f"sweep.resume_from=[{grid.name}]", total=1))
    newest = sweeps(workspace)[-1]
    assert [len(line["logs"]) for line in lines(newest, "logs")] == [6, 6, 6]
    assert lines(newest, "logs")[0]["logs"][1] == [None, 1]
    (stop,) = lines(newest, "stop")
    assert stop["compared"] == 3, answer


def test_a_run_lends_its_values_and_its_outputs_to_the_first_trial(here: Here, workspace: Shell) -> None:
    assert here(*workspace.script("+params.lr=0.03")).code == 0
    (run,) = workspace.run_dirs()
    first = [f"sweep.resume_child_runs=[{run.name}]", "sweep.first=[{params.lr: 0.04}]"]
    answer = here(*words(workspace, "sweep=random", LR, *first, total=3))
    assert answer.code == 0, answer
    (home,) = sweeps(workspace)
    assert [line["values"]["params.lr"] for line in lines(home, "ask")][:2] == [0.03, 0.04]
    wrote = [(home.parent / f"{home.name}_{number}" / "outputs" / "model.txt").read_text() for number in range(2)]
    assert wrote == ["0.03 after 0.03 after nothing", "0.04 after nothing"]
    assert here("sweep", "extend", home.name, "sweep.max_total_runs=4").code == 0
    assert "env.variables" not in (home / "journal.jsonl").read_text()


@pytest.mark.parametrize(("more", "told"), [
    (["sweep=bayes", "sweep.resume_from=[nobody]"], ["there is no run 'nobody'", "command line: sweep.resume_from"]),
    (["sweep=bayes", "sweep.resume_from=[a,b,c,d,e,f]"], ["sweep.resume_from has 6 names", "up to 5"]),
    (["sweep=bayes", "sweep.resume_from=[SWEEP,SWEEP]"], [" twice", "command line: sweep.resume_from"]),
    (["sweep=random", "sweep.resume_from=[SWEEP]"], ["without a policy has no use", "sweep=bayes"]),
    (["sweep=bayes", "metric.name=acc", "sweep.resume_from=[SWEEP]"], ["by another metric", "there  minimize loss", "here   minimize acc"]),
    (["sweep=random", "sweep.resume_child_runs=[nobody]", "sweep.resume_from=[nobody]"],
     ["sweep.resume_from=[n", "sweep.resume_child_runs=[n", "no use"]),
    (["sweep=random", "sweep.resume_child_runs=[OTHER]"], ["has none of the keys of the space", "params.lr"]),
    (["sweep=random", "sweep.resume_child_runs=[SWEEP_0]"], ["has no outputs to go on with"]),
])  # fmt: skip
def test_what_cannot_be_gone_on_with_is_told(here: Here, workspace: Shell, more: list[str], told: list[str]) -> None:
    here(*workspace.script("script=other.py")) if workspace.write("other.py", "") else None
    here(*words(workspace, "+params.lr=0.1,0.2"))
    (home,) = sweeps(workspace)
    shutil.rmtree(home.parent / f"{home.name}_0" / "outputs")
    (other,) = [path for path in workspace.run_dirs() if not path.name.startswith(home.name)]
    before = workspace.run_dirs()
    answer = here(*words(workspace, LR, *(word.replace("SWEEP", home.name).replace("OTHER", other.name) for word in more)))
    assert answer.code == 2, answer
    assert all(text in answer.err for text in told), answer
    assert workspace.run_dirs() == before


SPACE = Space(
    (
        Axis("lr", grammar.log_interval(0.01, 1)),
        Axis("opt", Choice((Option("sgd", (("momentum", grammar.uniform(0, 1)),)), Option("adam")))),
        Axis("size", Zip("size", ({"width": 1, "depth": 2}, {"width": 3, "depth": 4}))),
    ),
    (Exclusion(condition=Condition("lr > 0.5 and width == 3")),),
)
ZIPPED = {"width": 1, "depth": 2}


@pytest.mark.parametrize(("point", "is_in"), [
    ({"lr": 0.1, "opt": "adam", **ZIPPED}, True),
    ({"lr": 0.1, "opt": "sgd", "momentum": 0.5, **ZIPPED}, True),
    ({"lr": 2.0, "opt": "adam", **ZIPPED}, False),  # beyond a bound
    ({"lr": 0.1, "opt": "rms", **ZIPPED}, False),  # a choice there is not
    ({"lr": 0.1, "opt": "sgd", **ZIPPED}, False),  # without a conditional key
    ({"lr": 0.1, "opt": "adam", "momentum": 0.5, **ZIPPED}, False),  # with one that is not its own
    ({"lr": 0.1, "opt": "adam", "width": 1, "depth": 4}, False),  # rows mixed
    ({"lr": 0.9, "opt": "adam", "width": 3, "depth": 4}, False),  # excluded
    ({"lr": "fast", "opt": "adam", **ZIPPED}, False),
    ({"opt": "adam", **ZIPPED}, False),
])  # fmt: skip
def test_a_point_is_within_a_space_with_all_its_keys_and_no_others(point: Point, is_in: bool) -> None:
    assert is_within(SPACE, point) is is_in


def test_what_is_known_takes_the_place_of_random_points() -> None:
    """A search that knows ten points begins with what the sampler proposes, which is near the best of them."""
    space = Space((Axis("x", grammar.uniform(0, 1)),))

    def first(known: int) -> float:
        source = PointSource(BayesSampler(space, 3, "tpe", "minimize"), [])
        progress = Progress(source, Limits(max_total_runs=9, max_concurrent_runs=1), "minimize")
        for place in range(known):
            x = place * 7 % 40 / 40
            progress.take({"deed": "earlier", "sweep": "s", "values": {"x": x}, "value": None if place == 4 else (x - 0.2) ** 2})
        line = progress.next_ask()
        assert line is not None
        return float(line["values"]["x"])

    assert first(0) == first(9) == space.draw(3, 0)["x"]
    assert first(30) != first(0)
    assert abs(first(30) - 0.2) < 0.1

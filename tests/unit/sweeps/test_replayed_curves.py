"""Trials that log known learning curves, as processes of their own: they are stopped exactly where an independent program stops them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.conftest import Answer, Shell
from tests.unit.search import oracle
from tests.unit.search.test_policies import STOPS

SCRIPT = """
import json, os, sys, time
from trainconf import Run

values = json.load(open("curves.json"))[int(sys.argv[sys.argv.index("--curve") + 1])]
interval, delay = int(os.environ["INTERVAL"]), int(os.environ["DELAY"])
folder, number = os.environ["TRAINCONF_RUN_DIR"].rsplit("_", 1)
journal = open(folder + "/journal.jsonl")
judged = 0


def listen():
    global judged
    for line in journal:
        line = json.loads(line)
        if line["deed"] == "stop" and line["number"] == int(number):
            time.sleep(60)  # SIGTERM is on its way
        elif line["deed"] == "judged":
            judged = max(judged, line["intervals"].get(number, 0))


run = Run.get_context()
for n, value in enumerate(values, 1):
    run.log("score", value)
    while n >= delay and n % interval == 0 and judged < n:  # so that nothing is logged that the independent program does not have
        listen()
        time.sleep(0.002)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "interval", "words"), [
    ("truncation 50 %, interval 5", 5, ["sweep/policy=truncation", "sweep.policy.truncation_percentage=50"]),
    pytest.param("median", 1, ["sweep/policy=median"], marks=pytest.mark.nightly),
    pytest.param("bandit, factor 0.1", 1, ["sweep/policy=bandit", "sweep.policy.slack_factor=0.1"], marks=pytest.mark.nightly),
])  # fmt: skip
def test_real_trials_stop_where_the_formulas_do(
    here: Callable[..., Answer], workspace: Shell, policy: str, interval: int, words: list[str],
) -> None:  # fmt: skip
    workspace.write("train.py", SCRIPT)
    workspace.write("curves.json", json.dumps([values for values, _ in oracle.curves(0)]))
    search = ["metric.name=score", "metric.goal=maximize", "sweep.max_total_runs=60", "sweep.max_concurrent_runs=1", *words]
    answer = here(
        "-m", *workspace.script(*search),
        f"sweep.policy.evaluation_interval={interval}", "sweep.policy.delay_evaluation=5", "+params.curve=range(60)", "grace_seconds=1",
        f"+env.variables.INTERVAL='{interval}'", "+env.variables.DELAY='5'",
    )  # fmt: skip
    assert answer.code == 0, answer
    found = json.loads(here("sweep", "show", "last", "--json").out)
    stops = {trial["number"]: trial["stop"]["interval"] for trial in found["trials"] if trial["stop"]}
    assert stops == STOPS[policy, 1]
    assert {trial["status"] for trial in found["trials"] if trial["number"] in stops} == {"Canceled"}
    assert {trial["status"] for trial in found["trials"] if trial["number"] not in stops} == {"Completed"}
    assert found["decisions"] == sum(len(range(5, stops.get(number, 27) + 1, interval)) for number in range(60))

"""Start-up of the reading verbs over many recorded runs, as ratios to `python -c pass`.

    python -m benchmarks.listing [--check] [--runs 100000] [--rounds 15]

Each run has 20 params and 15 metrics. Rows are interleaved; medians of whole processes; the ratio is the median of the ratios of each
round. The workspace is made in a temporary folder first (a few minutes for 100,000 runs), and removed afterwards.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from functools import partial

from benchmarks.rounds import Limit, Report, interleaved, parser, timed

PYTHON = "python -c pass"
WHERE = "params.p0 < 0.5 and metrics.val_accuracy > 0.9"
VERBS = ("--help", "ls --json", "ls exp1 --status Failed", "show ID", "logs ID")
REBUILD, MEMORY, COMPLETION = "rebuild of the index, per 100,000 runs", "memory of that", "completion within --where"
LIMITS = [
    *(Limit(f"trainconf {words}", 4, PYTHON) for words in VERBS),
    Limit("trainconf ls", 3, PYTHON), Limit("trainconf ls --where", 12, PYTHON), Limit("trainconf ls --sort", 12, PYTHON),
    Limit(REBUILD, 15), Limit(MEMORY, 150), Limit(COMPLETION, 4, PYTHON),  # 60 ms where Python takes 15
]  # fmt: skip
EXPERIMENTS, PARAMS, METRICS = 4, 20, 15
MAIN = "import sys; from trainconf.__main__ import main; sys.exit(main())"  # what the console script does


def make_runs(root: str, count: int) -> str:
    """`count` finished runs with the files a listing reads; the id of the last."""
    os.makedirs(os.path.join(root, "conf", "experiment"))
    run_id, chance = "", random.Random(7)
    for number in range(count):
        experiment = f"exp{number % EXPERIMENTS}"
        created = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1_700_000_000 + number)) + ".000000Z"
        run_id = f"{experiment}-{created[:10].replace('-', '')}-{number:06d}"
        run_dir = os.path.join(root, "runs", experiment, run_id)
        os.makedirs(os.path.join(run_dir, "logs"))
        params = {f"p{place}": chance.choice((chance.random(), chance.randrange(100), "adam")) for place in range(PARAMS)}
        record = {
            "run_id": run_id, "experiment_name": experiment, "display_name": None, "tags": {}, "created": created, "spec_hash": "ab" * 32,
            "env": "minimal", "compute": "local", "distributed": "none", "params": params,
            "metric": {"name": "val_accuracy", "goal": "maximize"}, "parent": None, "lock": os.path.join(run_dir, "agent.lock"),
        }  # fmt: skip
        events = [{"time": created, "state": state, "attempt": 1} for state in ("NotStarted", "Queued", "Running", "Finalizing")]
        events.append({"time": created, "state": "Completed", "attempt": 1, "exit_code": 0, "reason": ""})
        names = ["val_accuracy", *(f"m{place}" for place in range(1, METRICS))]
        metrics = [{"time": created, "name": name, "value": chance.random(), "step": step} for step in range(3) for name in names]
        _write(run_dir, "run.json", json.dumps(record))
        _write(run_dir, "events.jsonl", "".join(json.dumps(event) + "\n" for event in events))
        _write(run_dir, "metrics.jsonl", "".join(json.dumps(metric, separators=(",", ":")) + "\n" for metric in metrics))
        _write(run_dir, os.path.join("logs", "std_log.txt"), "epoch 1\n" * 100)
    return run_id


def _write(folder: str, name: str, text: str) -> None:
    with open(os.path.join(folder, name), "w") as stream:
        stream.write(text)


def main() -> int:
    words = parser(__doc__, rounds=15)
    words.add_argument("--runs", type=int, default=100_000)
    asked = words.parse_args()
    report = Report(*LIMITS)
    root = tempfile.mkdtemp(prefix="trainconf-listing-")
    try:
        run_id = make_runs(root, asked.runs)
        verb = [sys.executable, "-c", MAIN]
        commands = {
            PYTHON: [sys.executable, "-c", "pass"],
            "trainconf --help": [*verb, "--help"],
            "trainconf ls": [*verb, "ls"],
            "trainconf ls --json": [*verb, "ls", "--json"],
            "trainconf ls --where": [*verb, "ls", "--where", WHERE],
            "trainconf ls --sort": [*verb, "ls", "--sort", "-metrics.val_accuracy"],
            "trainconf ls --group sweep": [*verb, "ls", "--group", "sweep"],
            COMPLETION: [*verb, "completion", "--answer", "bash", "trainconf ls --where 'metrics.val_a"],
            "trainconf ls exp1 --status Failed": [*verb, "ls", "exp1", "--status", "Failed"],
            "trainconf show last": [*verb, "show", "last"],
            "trainconf show ID": [*verb, "show", run_id],
            "trainconf logs ID": [*verb, "logs", run_id],
        }
        time.sleep(2.1)  # folders that changed a moment ago are rightly not trusted
        print(f"{asked.runs} runs of {PARAMS} params and {METRICS} metrics")
        report.figure(REBUILD, timed(commands["trainconf ls"], root) * 100_000 / asked.runs, "s")
        report.figure(MEMORY, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, "MB")
        rows = {name: partial(timed, command, root) for name, command in commands.items()}
        report.rows(interleaved(rows, asked.rounds), PYTHON)
    finally:
        shutil.rmtree(root)
    return report.code(check=asked.check)


if __name__ == "__main__":
    sys.exit(main())

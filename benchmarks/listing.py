"""Start-up of the reading verbs over many recorded runs, as ratios to `python -c pass`.

    python benchmarks/listing.py [RUNS] [ROUNDS]        default: 100000 runs, 15 rounds

Rows are interleaved; medians of whole processes; the ratio is the median of the ratios of each round. The workspace is made in a
temporary folder first (about a minute for 100,000 runs), and removed afterwards.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RUNS_DEFAULT = 100_000
EXPERIMENTS = 4
MAIN = "import sys; from trainconf.__main__ import main; sys.exit(main())"  # what the console script does


def make_runs(root: str, count: int) -> str:
    """`count` finished runs with the files a listing reads; the id of the last."""
    os.makedirs(os.path.join(root, "conf", "experiment"))
    run_id = ""
    for number in range(count):
        experiment = f"exp{number % EXPERIMENTS}"
        created = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1_700_000_000 + number)) + ".000000Z"
        run_id = f"{experiment}-{created[:10].replace('-', '')}-{number:06d}"
        run_dir = os.path.join(root, "runs", experiment, run_id)
        os.makedirs(os.path.join(run_dir, "logs"))
        record = {
            "run_id": run_id, "experiment_name": experiment, "display_name": None, "tags": {}, "created": created, "spec_hash": "ab" * 32,
            "env": "minimal", "compute": "local", "distributed": "none", "params": {"lr": number / 1000, "epochs": 10, "batch_size": 32},
            "metric": {"name": "val_accuracy", "goal": "maximize"}, "parent": None, "lock": os.path.join(run_dir, "agent.lock"),
        }  # fmt: skip
        events = [{"time": created, "state": state, "attempt": 1} for state in ("NotStarted", "Queued", "Running", "Finalizing")]
        events.append({"time": created, "state": "Completed", "attempt": 1, "exit_code": 0, "reason": ""})
        metrics = [{"time": created, "name": "val_accuracy", "value": number / count, "step": step} for step in range(3)]
        _write(run_dir, "run.json", json.dumps(record))
        _write(run_dir, "events.jsonl", "".join(json.dumps(event) + "\n" for event in events))
        _write(run_dir, "metrics.jsonl", "".join(json.dumps(metric) + "\n" for metric in metrics))
        _write(run_dir, os.path.join("logs", "std_log.txt"), "epoch 1\n" * 100)
    return run_id


def _write(folder: str, name: str, text: str) -> None:
    with open(os.path.join(folder, name), "w") as stream:
        stream.write(text)


def timed(argv: list[str], cwd: str) -> float:
    """Wall seconds of a process, from its start to its end."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {"PYTHONPATH": ROOT}
    begin = time.perf_counter()
    subprocess.run(argv, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, env=env)
    return time.perf_counter() - begin


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS_DEFAULT
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 15
    root = tempfile.mkdtemp(prefix="trainconf-listing-")
    try:
        run_id = make_runs(root, count)
        verb = [sys.executable, "-c", MAIN]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "trainconf --help": [*verb, "--help"],
            "trainconf ls": [*verb, "ls"],
            "trainconf ls --json": [*verb, "ls", "--json"],
            "trainconf ls exp1 --status Failed": [*verb, "ls", "exp1", "--status", "Failed"],
            "trainconf show last": [*verb, "show", "last"],
            "trainconf show ID": [*verb, "show", run_id],
            "trainconf logs ID": [*verb, "logs", run_id],
        }
        time.sleep(2.1)  # folders that changed a moment ago are rightly not trusted
        print(f"{count} runs; first ls, which reads them all: {timed(commands['trainconf ls'], root):.2f} s")
        for command in commands.values():
            timed(command, root)
        seen: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                seen[name].append(timed(command, root))
        base = seen["python -c pass"]
        for name, times in seen.items():
            ratio = statistics.median(own / floor for own, floor in zip(times, base, strict=True))
            print(f"{name:<36} {statistics.median(times) * 1000:6.1f} ms  {ratio:5.2f}x")
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()

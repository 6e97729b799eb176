"""Python against the command line: a submission, a listing, a table, an import.

    python -m benchmarks.python.runs [--check] [--rounds 15] [--runs 100000]

Submissions are of a no-op run, by one process that has done each before: what the command line does once its modules are there
(`control.submit` with words), and what a program does (`ScriptRunConfig` and `Experiment.submit`). They are timed from the call to its
return, and the run is waited for between them. Listings are whole processes, over the runs of benchmarks/listing.py.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial

from benchmarks.listing import MAIN, make_runs
from benchmarks.noop_run import make_project
from benchmarks.rounds import Limit, Report, environment, interleaved, parser, timed

WORDS, PROGRAM, CHANGED_WORDS, CHANGED_PROGRAM = "words", "program", "words, changed", "program, changed"
LS, GET_RUNS = "trainconf ls --json --limit 0", "get_runs()"
PASS, IMPORT = "python -c pass", "python -c 'import trainconf'"
TABLE, ADDED = "to_pandas, per 10,000 runs", "import trainconf, over a bare start"
LIMITS = [
    Limit(PROGRAM, 1.05, WORDS), Limit(CHANGED_PROGRAM, 1.05, CHANGED_WORDS), Limit(GET_RUNS, 1.2, LS), Limit(TABLE, 1), Limit(ADDED, 5),
]  # fmt: skip
TABLE_RUNS = 10_000  # of an experiment
LISTING = (
    "from trainconf import Workspace\n"
    "print(sum(1 for experiment in Workspace().experiments.values() for run in experiment.get_runs(include_children=True)))"
)
PANDAS = (
    "import time, pandas\nfrom trainconf import Experiment, Workspace\nexperiment = Experiment(Workspace(), 'exp0')\n"
    "experiment.to_pandas(where='params.p0 < 0')\nbegin = time.perf_counter()\ntable = experiment.to_pandas()\n"
    "print(time.perf_counter() - begin, len(table))"
)


def submissions(folder: str, rounds: int) -> dict[str, list[float]]:
    """Seconds of each way to submit, interleaved."""
    from trainconf import Experiment, ScriptRunConfig, Workspace
    from trainconf.control.compose import ComposeRequest
    from trainconf.control.submit import submit
    from trainconf.history.follow import wait

    make_project(folder)
    os.chdir(folder)
    workspace = Workspace.create()
    experiment = Experiment(workspace, "adhoc")
    lr = iter(range(1, 1_000_000))

    def words(value: float) -> float:
        begin = time.perf_counter()
        submitted = submit(ComposeRequest(["experiment=adhoc", "script=train.py", "env=current", f"+params.lr={value}"]), workspace._paths)
        seconds = time.perf_counter() - begin
        wait(submitted.paths)
        return seconds

    def program(value: float) -> float:
        begin = time.perf_counter()
        run = experiment.submit(ScriptRunConfig(".", "train.py", environment="current", params={"lr": value}))
        seconds = time.perf_counter() - begin
        run.wait_for_completion()
        return seconds

    time.sleep(2.2)  # files written a moment ago are rightly not trusted by any cache
    return interleaved({
        WORDS: lambda: words(0.1), PROGRAM: lambda: program(0.1),
        CHANGED_WORDS: lambda: words(next(lr)), CHANGED_PROGRAM: lambda: program(next(lr)),
    }, rounds)  # fmt: skip


def main() -> int:
    words = parser(__doc__, rounds=15)
    words.add_argument("--runs", type=int, default=100_000)
    asked = words.parse_args()
    report = Report(*LIMITS)
    here = os.getcwd()
    root = tempfile.mkdtemp(prefix="trainconf-sdk-")
    try:
        report.rows(submissions(os.path.join(root, "project"), asked.rounds), WORDS)
        os.chdir(here)
        listed = os.path.join(root, "listed")
        make_runs(listed, asked.runs)
        time.sleep(2.1)
        commands = {
            PASS: [sys.executable, "-c", "pass"], IMPORT: [sys.executable, "-c", "import trainconf"],
            LS: [sys.executable, "-c", MAIN, "ls", "--json", "--limit", "0"], GET_RUNS: [sys.executable, "-c", LISTING],
        }  # fmt: skip
        timed(commands[LS], listed)  # makes the index
        seen = interleaved({name: partial(timed, command, listed) for name, command in commands.items()}, min(asked.rounds, 7))
        report.rows(seen, PASS)
        report.figure(ADDED, (statistics.median(seen[IMPORT]) - statistics.median(seen[PASS])) * 1000, "ms")
        told = [subprocess.run([sys.executable, "-c", PANDAS], cwd=listed, check=True, capture_output=True, text=True, env=environment())
                for _ in range(3)]  # fmt: skip
        seconds, count = statistics.median(float(each.stdout.split()[0]) for each in told), int(told[0].stdout.split()[1])
        report.figure(TABLE, seconds * TABLE_RUNS / count, "s", f"{count} rows")
    finally:
        os.chdir(here)
        shutil.rmtree(root)
    return report.code(check=asked.check)


if __name__ == "__main__":
    sys.exit(main())

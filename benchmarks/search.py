"""Searches: 50 short trials on two slots against `xargs -P2` of the bare script, how busy two slots are, and what a controller costs.

Beside them stands what people write by hand: a loop of Optuna's that starts the script and keeps nothing.

    python -m benchmarks.search [--check] [--rounds 3] [--many 10000]

Needs the extra `sweeps`. A trial prints its loss, which the agent reads: a search by worth needs one. `--many` runs a search of so many
trials, which takes minutes: its memory, its CPU for each trial, and how long it takes to take it over.
"""

from __future__ import annotations

import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.rounds import Limit, Report, environment, interleaved, parser, timed

RUNS = 50
NAPS = 40
KINDS = ("random", "bayes")
WATCHED = 12
ASKS = 1000
LIMITS = [
    Limit("sweep=random", 1.5, "xargs -P2"), Limit("sweep=bayes", 2.0, "xargs -P2"),
    *(Limit(f"time of two slots not used, sweep={kind}", 8) for kind in KINDS),
    Limit(f"watching {WATCHED} trials, of a core", 3), Limit("from a logged line to SIGTERM", 0.5), Limit(f"{ASKS} asks of tpe", 30),
]
SCRIPT = "import sys\nprint('loss', sys.argv[-1])\n"
LOOP = f"""
import subprocess, sys
import optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
def objective(trial):
    lr = trial.suggest_float("lr", 1e-4, 1, log=True)
    return float(subprocess.run([sys.executable, "train.py", str(lr)], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[-1])
study = optuna.create_study(sampler=optuna.samplers.TPESampler(multivariate=True, warn_independent_sampling=False))
study.optimize(objective, n_trials={RUNS}, n_jobs=2)
"""
NAP = "import os, time\ntime.sleep({naps}[int(os.environ['TRAINCONF_RUN_ID'].rpartition('_')[2])])\n" + SCRIPT
LOGS = """
import os, signal, sys, time
from trainconf import Run
logged = 0.0
def stop(*_):
    open("outputs/delay", "w").write(str(time.time() - logged))
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
for _ in range({count}):
    logged = time.time()
    Run.get_context().log("loss", int(os.environ["TRAINCONF_RUN_ID"].rpartition("_")[2]))
    time.sleep(0.5)
"""


def search(project: str, kind: str, total: int, *more: str, script: str = "train.py", slots: int = 2) -> list[str]:
    return [
        sys.executable, "-m", "trainconf", "-m", "experiment=adhoc", f"script={script}", "env=current", f"compute.slots={slots}",
        f"compute.lease_dir={os.path.dirname(project)}/leases", f"sweep={kind}", f"sweep.max_total_runs={total}", "metric.name=loss",
        "metric.goal=minimize", "+params.lr=log_interval(0.0001, 1)", *more,
    ]  # fmt: skip


def measured(argv: list[str], project: str, of: float, to: float) -> float:
    """The share of a core, in per cent, that a command uses between two moments of its life, in seconds."""
    child = subprocess.Popen(argv, cwd=project, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(of)
    before = cpu_seconds(child.pid)
    time.sleep(to - of)
    share = 100 * (cpu_seconds(child.pid) - before) / (to - of)
    child.wait()
    return share


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def seconds_of_asks() -> float:
    """The CPU time of asking tpe for points of five keys, each told before the next is asked for."""
    from trainconf.search import grammar
    from trainconf.search.bayes import BayesSampler
    from trainconf.search.space import Axis, Space

    axes = [Axis(f"x{number}", grammar.log_interval(1e-5, 1)) for number in range(3)]
    space = Space((*axes, Axis("width", grammar.interval(8, 256, is_int=True)), Axis("opt", grammar.choice("sgd", "adam", "lion"))))
    sampler, begin = BayesSampler(space, 1, "tpe", "minimize"), time.process_time()
    for number in range(ASKS):
        point = sampler.ask(number)
        sampler.add(number, point)
        sampler.tell(number, sum(point[f"x{number}"] for number in range(3)) + point["width"] / 256)
    return time.process_time() - begin


def many(project: str, count: int, report: Report) -> None:
    """A search of so many trials that do nothing, with a limit, so that a controller watches them."""
    words = ["script=null", "command=[/bin/true]", "sweep.max_failed_runs=100", "+params.width=randint(1000)", "+params.opt=a,b,c"]
    used = []
    for total in (count // 10, count):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        timed([*search(project, "random", total, *words, slots=8)], project)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        used.append(1000 * cpu / total)
        report.figure(f"a search of {total}: CPU of the client, a trial", used[-1], "ms")
    report.figure(f"a search of {count}: memory of the client", after.ru_maxrss / 1024, "MiB", "at most 120")
    code = (
        "import sys, time\nfrom trainconf.control.sweeps.resume import resume\nfrom trainconf.control.runs import find_sweep\n"
        "from trainconf.paths import find_workspace\nw = find_workspace('.')\ns = find_sweep(w, 'last')\nb = time.perf_counter()\n"
        "r = resume(s, w)\nprint(time.perf_counter() - b)\nr.has_ended()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project, env=environment(), capture_output=True, text=True, check=True)
    report.figure(f"taking over a search of {count}", float(done.stdout), "s", "at most 1.5")


def main() -> int:
    args = parser(__doc__, rounds=3)
    args.add_argument("--many", type=int, default=0, metavar="TRIALS", help="run a search of so many trials too")
    asked = args.parse_args()
    report = Report(*LIMITS)
    rng = random.Random(7)
    naps = [round(rng.uniform(0.2, 1.5), 3) for _ in range(NAPS)]
    with tempfile.TemporaryDirectory(prefix="trainconf-bench-") as folder:
        project = os.path.join(folder, "project")  # the leases lie beside it: a trial does not copy them with its code
        os.mkdir(project)
        for name, text in (("train.py", SCRIPT), ("nap.py", NAP.format(naps=naps)), ("logs.py", LOGS.format(count=16))):
            Path(project, name).write_text(text)
        reads = r"+stdout_metrics.loss='loss (\S+)'"
        bare = f"seq {RUNS} | xargs -P2 -I@ '{sys.executable}' train.py --lr @"
        rows = {"xargs -P2": lambda: timed(["sh", "-c", bare], project)}
        rows["optuna loop"] = lambda: timed([sys.executable, "-W", "ignore", "-c", LOOP], project)
        for kind in KINDS:
            rows[f"sweep={kind}"] = lambda kind=kind: timed(search(project, kind, RUNS, reads), project)  # type: ignore[misc]
        report.rows(interleaved(rows, asked.rounds), "xargs -P2")
        bare = f"seq 0 {NAPS - 1} | xargs -P2 -I@ env TRAINCONF_RUN_ID=_@ '{sys.executable}' nap.py --lr 1"
        wall = timed(["sh", "-c", bare], project)
        report.figure("time of two slots not used, xargs -P2", 100 - 100 * sum(naps) / 2 / wall, "%")
        for kind in KINDS:
            wall = timed(search(project, kind, NAPS, reads, script="nap.py"), project)
            report.figure(f"time of two slots not used, sweep={kind}", 100 - 100 * sum(naps) / 2 / wall, "%")
        policy = ["sweep/policy=median", "sweep.policy.delay_evaluation=100"]
        share = measured(search(project, "random", WATCHED, *policy, script="logs.py", slots=WATCHED), project, 3, 7)
        report.figure(f"watching {WATCHED} trials, of a core", share, "%")
        policy = ["sweep/policy=bandit", "sweep.policy.slack_amount=0.5", "sweep.policy.delay_evaluation=2"]
        timed(search(project, "random", 6, *policy, script="logs.py", slots=6), project)
        delays = [float(path.read_text()) for path in Path(project).glob("runs/adhoc/*/outputs/delay")]
        report.figure("from a logged line to SIGTERM", max(delays), "s", f"median {statistics.median(delays):.3f}")
        report.figure(f"{ASKS} asks of tpe", seconds_of_asks(), "s")
        if asked.many:
            many(project, asked.many, report)
    return report.code(check=asked.check)


if __name__ == "__main__":
    sys.exit(main())

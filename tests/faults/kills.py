"""Kills the controller of a search at every line of its journal, and checks that it goes on as if nothing had been.

    python -m tests.faults.kills one two all          each scene, at every point
    python -m tests.faults.kills one --only due:7     one point

A controller is a fork of this process that kills itself at a point: `written:K` right after line K of the journal, `due:K` before that
line and after everything that came before it, `torn:K` in the middle of it, `made:N` when trial N has its folder and nobody has it,
`sent:N` when a scheduler has it and its answer is lost, `recorded` and `asked` before and after the list of a sweep whose trials are
known, `resumed:K` as `written:K` and then, of the controller that takes over, once more at its first line. `extended:K`, `changed:K`
(which gives it another policy as well) and `retried:K` are of a search that has ended: its next controller is killed at its line K, and
the same command is given again. Trials wait until the
next controller is there, so that it finds them running.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from trainconf.cli.main import main
from trainconf.files import is_locked
from trainconf.launchers.slurm import submission
from trainconf.search import bayes
from trainconf.sweeps import journal
from trainconf.sweeps.journal import Journal
from trainconf.sweeps.trials import TrialMaker

TOTAL = 4
NOTHING_FOLLOWS = ("judged", "told")  # lines without a deed: the next is due right after them
SETTLE_SECONDS = 60.0
SCRIPT = '''
"""Even trials are good and end when they may; odd ones are bad and run until the policy stops them."""
import os, signal, sys, time
from trainconf import Run

def left(*_):
    note("-")
    os._exit(143)

def note(mark):
    with open("outputs/notes", "a") as stream:
        stream.write(f"{mark}{time.time()}\\n")

lr, gate = float(sys.argv[sys.argv.index("--lr") + 1]), sys.argv[sys.argv.index("--gate") + 1]
os.makedirs("outputs", exist_ok=True)
note("+")
signal.signal(signal.SIGTERM, left)
trial = os.environ["TRAINCONF_RUN_ID"].rpartition("_")[2]
number = int(trial.partition(".")[0])
run = Run.get_context()
for n in range(40 if number % 2 == 0 else 3000):
    run.log("score", (3 - lr if number % 2 == 0 else lr) - n / 100)
    time.sleep(0 if number % 2 == 0 else 0.02)
give_up_at = time.monotonic() + 300
is_seen = os.path.exists(os.path.join(os.path.dirname(gate), "train.py"))  # not from inside a container
while is_seen and not os.path.exists(gate) and time.monotonic() < give_up_at:
    time.sleep(0.02)
note("-")
sys.exit(3 if trial == "2" and "FAILS" in os.environ else 0)
'''
POLICY = ["sweep/policy=bandit", "sweep.policy.slack_amount=0.5", "sweep.policy.evaluation_interval=4", "sweep.policy.delay_evaluation=4"]
SCENES = {
    "one": ["sweep=bayes", "sweep.max_concurrent_runs=1"],  # each trial follows from the ends of all before it
    "two": ["sweep=bayes", "sweep.max_concurrent_runs=2"],
    "all": ["sweep=random", "sweep.max_concurrent_runs=2"],  # handed over at once, then watched
}


class Kills:
    """A workspace at `root` for one scene; `words` say where its trials run."""

    def __init__(self, root: str, scene: str, words: list[str]) -> None:
        self.root = root
        self.scene = scene
        self.gate = os.path.join(root, "gate")
        self._seen: set[str] = set()
        os.makedirs(root, exist_ok=True)
        with open(os.path.join(root, "train.py"), "w") as stream:
            stream.write(SCRIPT)
        slots = [] if "compute=slurm" in words else [f"compute.lease_dir={root}.leases", "compute.slots=2"]
        self.words = [
            "-m", "experiment=adhoc", "script=train.py", "env=current", *slots,
            "metric.name=score", "metric.goal=maximize", f"sweep.max_total_runs={TOTAL}", "sweep.seed=7", "grace_seconds=5",
            "+params.lr=uniform(0, 1)", f"+params.gate={self.gate}", *POLICY, *SCENES[scene], *words,
        ]  # fmt: skip
        self.expected = self._unbroken()

    def _unbroken(self) -> list[dict[str, Any]]:
        self._open()
        code = self._wait(self._start(self.words))
        home = self._home()
        assert code == 0, f"the unbroken search ended with {code}: {self.told()}"
        self.line_count = len(lines(home))
        wrong = list(self._wrong(home, None))
        assert not wrong, wrong
        return lines(home)

    def points(self) -> Iterator[str]:
        """Every point of the scene, in order."""
        if self.scene == "all":
            yield from ("recorded", "asked")
        first = TOTAL + 1 if self.scene == "all" else 1  # the list of trials is one write
        for number in range(first, self.line_count + 1):
            deed = self.expected[number - 2]["deed"] if number > 1 else ""
            if deed not in NOTHING_FOLLOWS:
                yield f"due:{number}"
            yield from (f"torn:{number}", f"written:{number}", f"resumed:{number}")
        for number in range(TOTAL):
            yield from (f"made:{number}", f"sent:{number}")
        for number in range(1, 6):
            yield from (f"extended:{number}", f"changed:{number}", f"retried:{number}")

    def run(self, point: str) -> list[str]:
        """What is wrong after a kill at that point; nothing when the search ended before it."""
        self._open()
        kind, _, number = point.partition(":")
        if kind in ("extended", "changed", "retried"):
            return list(self._run_later(kind, f"written:{number}"))
        code = self._wait(self._start(self.words, point))
        if code != -signal.SIGKILL:
            self._home()
            return [] if code == 0 else [f"the controller ended with {code}: {self.told()}"]
        home = self._home()
        if point.startswith("resumed:"):
            self._wait(self._start(["sweep", "resume", os.path.basename(home)], "written:1"))
        child = self._start(["sweep", "resume", os.path.basename(home)])
        taken = time.monotonic() + SETTLE_SECONDS
        while not is_locked(os.path.join(home, "controller.lock")) and not _has_ended(child) and time.monotonic() < taken:
            time.sleep(0.01)
        time.sleep(0.1)
        self._open()
        return list(self._wrong(home, self._wait(child)))

    def _run_later(self, kind: str, point: str) -> Iterator[str]:
        """What is wrong when a search that has ended goes on and its controller is killed."""
        self._wait(self._start([*self.words, *(["+env.variables.FAILS=once"] if kind == "retried" else [])]))
        home = self._home()
        sweep = os.path.basename(home)
        words = ["sweep", "retry", sweep] if kind == "retried" else ["sweep", "extend", sweep, f"sweep.max_total_runs={TOTAL + 1}"]
        words += ["sweep.policy.slack_amount=0.75"] if kind == "changed" else []
        self._wait(self._start(words, point))
        self._open()
        code = self._wait(self._start(words))
        if [line["settings"]["slack_amount"] for line in lines(home) if line["deed"] == "policy"] != [0.75] * (kind == "changed"):
            yield "the policy was changed otherwise"
        if kind != "retried":
            yield from self._wrong(home, code, TOTAL + 1)
            return
        states = {name: lines(os.path.join(os.path.dirname(home), name), "events.jsonl")[-1]["state"] for name in self._trials(home)}
        wanted = {f"{sweep}_{number}": "Canceled" if number % 2 else "Completed" for number in range(TOTAL)}
        if code or states != {**wanted, f"{sweep}_2": "Failed", f"{sweep}_2.2": "Completed"}:
            yield f"after a retry, {code}: {states}, {self.told()}"

    @staticmethod
    def _trials(home: str) -> list[str]:
        return sorted(name for name in os.listdir(os.path.dirname(home)) if name.startswith(f"{os.path.basename(home)}_"))

    def _wrong(self, home: str, code: int | None, total: int = TOTAL) -> Iterator[str]:
        sweep = os.path.basename(home)
        if code:
            yield f"the controller that took over ended with {code}: {self.told()}"
        found = lines(home)
        asks = [line for line in found if line["deed"] == "ask"]
        if [line["number"] for line in asks] != list(range(total)):
            yield f"the numbers are {[line['number'] for line in asks]}"
        if code is not None:
            before = [line["values"] for line in self.expected if line["deed"] == "ask"]
            if [line["values"] for line in asks[:TOTAL]] != before:
                yield f"the points are {[line['values'] for line in asks]}, without a kill {before}"
        told = Counter(line["number"] for line in found if line["deed"] == "told")
        if told != Counter(range(total)):
            yield f"told were {dict(told)}"
        stops = [line["number"] for line in found if line["deed"] == "stop"]
        if sorted(stops) != [number for number in range(total) if number % 2]:
            yield f"stopped were {stops}"
        if (found[-1]["deed"], found[-1].get("state")) != ("end", "Completed"):
            yield f"the last line is {found[-1]}"
        if self._trials(home) != [f"{sweep}_{number}" for number in range(total)]:
            yield f"the folders are {self._trials(home)}"
        for name in self._trials(home):
            yield from self._wrong_trial(os.path.join(os.path.dirname(home), name))

    def _wrong_trial(self, folder: str) -> Iterator[str]:
        name = os.path.basename(folder)
        state = lines(folder, "events.jsonl")[-1]["state"]
        if state != ("Canceled" if int(name.rpartition("_")[2]) % 2 else "Completed"):
            yield f"{name} is {state}"
        with contextlib.suppress(OSError):
            notes = read(os.path.join(folder, "outputs", "notes")).splitlines()
            if [note[0] for note in notes] != ["+", "-"]:
                yield f"{name} was carried out like this: {notes}"
            return
        yield f"{name} never began"

    # ------------------------------------------------------------ processes

    def _start(self, words: list[str], point: str = "") -> int:
        """A fork that carries out a command, in a session of its own."""
        child = os.fork()
        if child:
            return child
        os.setsid()
        os.chdir(self.root)
        output = os.open(f"{self.root}.told", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for fd in (1, 2):
            os.dup2(output, fd)
        bayes.STARTUP_COUNT = 2
        arm(point, self.gate)
        code = 1
        try:
            code = main(words)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _wait(self, child: int) -> int:
        give_up_at = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < give_up_at:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return 124

    def _open(self) -> None:
        with open(self.gate, "w"):
            pass

    def _home(self) -> str:
        """The folder of the sweep that is new."""
        runs = os.path.join(self.root, "runs", "adhoc")
        assert os.path.isdir(runs), self.told()
        found = {name for name in os.listdir(runs) if os.path.exists(os.path.join(runs, name, "sweep.json"))} - self._seen
        assert len(found) == 1, f"new sweeps: {found}"
        self._seen |= found
        return os.path.join(runs, *found)

    def told(self) -> str:
        """What the latest command has printed."""
        return read(f"{self.root}.told")[-2000:]


def arm(point: str, gate: str) -> None:
    """Have this process kill itself at a point."""
    kind, _, text = point.partition(":")
    number = int(text or 0)

    def strike() -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(gate)  # what runs goes on running
        os.kill(os.getpid(), signal.SIGKILL)

    def patch(owner: Any, name: str, *, before: Callable[[int], bool], after: Callable[[int], bool]) -> None:
        real, counts = getattr(owner, name), iter(range(1 << 30))

        def call(*args: Any, **known: Any) -> Any:
            count = next(counts)
            if before(count):
                strike()
            found = real(*args, **known)
            if after(count):
                strike()
            return found

        setattr(owner, name, call)

    def never(count: int) -> bool:
        return False

    def is_it(count: int) -> bool:
        return count == number

    def is_line(count: int) -> bool:
        return count == number - 1

    if kind in ("written", "resumed", "due"):
        patch(Journal, "write", before=is_line if kind == "due" else never, after=never if kind == "due" else is_line)
    elif kind == "torn":
        real, counts = Journal.write, iter(range(1, 1 << 30))

        def torn(self: Journal, deed: str, **facts: Any) -> dict[str, Any]:
            if next(counts) == number:
                os.write(self._fd, f'{{"deed": "{deed}", "num'.encode())
                strike()
            return real(self, deed, **facts)

        Journal.write = torn  # type: ignore[method-assign]
    elif kind == "made":
        patch(TrialMaker, "make", before=never, after=is_it)
    elif kind == "sent":
        patch(submission, "send", before=never, after=is_it)
    elif kind in ("recorded", "asked"):
        patch(journal, "ask", before=is_it if kind == "recorded" else never, after=is_it if kind == "asked" else never)


def _has_ended(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def lines(folder: str, name: str = "journal.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in read(os.path.join(folder, name)).splitlines()]


def read(path: str) -> str:
    with open(path) as stream:
        return stream.read()


def run(scene: str, root: str, words: list[str], kinds: list[str], only: list[str]) -> int:
    """Print a line for each point that went wrong; how many did."""
    kills = Kills(root, scene, words)
    wrong = 0
    points = only or [point for point in kills.points() if not kinds or point.partition(":")[0] in kinds]
    for point in points:
        begin = time.monotonic()
        found = kills.run(point)
        wrong += bool(found)
        print(f"{scene} {point}  {time.monotonic() - begin:.1f} s", *(found or ["ok"]), sep="\n   " if found else "  ", flush=True)
    print(f"{scene}: {len(points)} points, {wrong} went wrong", flush=True)
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="+", choices=SCENES)
    parser.add_argument("--only", action="append", default=[], help="this point; may be given several times")
    parser.add_argument("--kinds", default="", help="of points, with commas")
    parser.add_argument("--root", default="")
    parser.add_argument("--word", action="append", default=[], help="an override, such as compute=slurm")
    asked = parser.parse_args()
    root = asked.root or tempfile.mkdtemp(prefix="trainconf-kills-")
    kinds = asked.kinds.split(",") if asked.kinds else []
    sys.exit(sum(run(scene, os.path.join(root, scene), asked.word, kinds, asked.only) for scene in asked.scenes) > 0)

"""Random walks of verbs and kills over small sweeps, drawn from a seed, and the checks that must hold at the end.

    python -m tests.faults.walks --walks 150 --seed 7          each on a sweep of its own
    python -m tests.faults.walks --seed 7 --only 42            that walk once more
    python -m tests.faults.walks --word compute=docker ...     in containers

A walk starts a sweep, does three to eight deeds at random moments, makes the sweep go on as long as it can, and then looks at everything.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from tests.faults.place import FINAL, Place, events, read, until
from trainconf.errors import TrainconfError
from trainconf.files import is_locked
from trainconf.paths import RunPaths
from trainconf.sweeps.journal import Journal
from trainconf.sweeps.presence import presence

SETTLE_SECONDS = 60.0
SCRIPT = '''
"""Logs three values within 0.05 to 0.5 s; a fifth of the trials fails."""
import os, sys, time
from trainconf import Run

def note(mark):
    with open("outputs/notes", "a") as stream:
        stream.write(mark)

os.makedirs("outputs", exist_ok=True)
note("+")
x = float(sys.argv[sys.argv.index("--x") + 1])
for step in (1, 2, 3):
    Run.get_context().log("score", x * step / 3)
    time.sleep((0.05 + 0.45 * (x * 13 % 1)) / 3)
note("-")
sys.exit(3 if x * 29 % 1 < 0.2 else 0)
'''
POLICY = ["sweep/policy=bandit", "sweep.policy.slack_amount=0.2", "sweep.policy.delay_evaluation=1"]
GRID = "params.x=0.1,0.23,0.38,0.47,0.61,0.74"
X = "params.x=uniform(0, 1)"
KINDS = {
    "plain": [GRID],
    "grid": ["sweep=grid", "sweep.max_failed_runs=9", GRID],
    "random": ["sweep=random", X],
    "policed": ["sweep=random", *POLICY, X],
    "bayes": ["sweep=bayes", X],
}
DEEDS = {
    "pause": 3, "resume": 4, "stop": 1, "cancel": 1, "cancel trial": 2, "extend": 4, "extend and wait": 1, "retry": 3,
    "kill controller": 3, "kill agent": 2, "wait": 2,
}  # fmt: skip


class Walk:
    """Walk `number` of a seed. `wrong` lists what went wrong, `told` what was done."""

    def __init__(self, place: Place, seed: int, number: int, words: Sequence[str] = ()) -> None:
        self.draw = random.Random(f"{seed}/{number}")
        self.number = number
        self.kind = self.draw.choice(list(KINDS))
        self.place = place
        self.words = list(words)
        self.wrong: list[str] = []
        self.told: list[str] = []
        self._begun_at = time.monotonic()
        self._commands: list[tuple[list[str], subprocess.Popen[str]]] = []
        self._total = 6

    def __str__(self) -> str:
        return "\n   ".join([f"{self.number}: {self.kind}", *self.told])

    # ------------------------------------------------------------ the walk

    def run(self) -> None:
        """Walk, and check everything."""
        place = self.place
        place.before = set(place.folders())
        at_a_time = self.draw.choice((1, 2, 3))
        total = [] if self.kind in ("plain", "grid") else [f"sweep.max_total_runs={self._total}"]
        place_of = self.draw.choice(([], ["submit.detach=true"]))
        words = [f"sweep.max_concurrent_runs={at_a_time}", f"sweep.seed={self.number}", *total, *place_of, *self.words, *KINDS[self.kind]]
        self._begin("-m", *place.base, *words)
        if not until(self._is_there, SETTLE_SECONDS):
            self.wrong.append(f"there is no sweep: {self._reap()}")
            return
        self.home = RunPaths(next(found for found in self._new() if os.path.exists(os.path.join(found, "sweep.json"))))
        self.sweep = self.home.run_id
        pause_s = self.draw.choice((0.0, 0.3, 1.0))
        for _ in range(self.draw.randint(3, 8)):
            time.sleep(pause_s * self.draw.random() ** 2)
            self._do(self.draw.choices(list(DEEDS), list(DEEDS.values()))[0])
        code = self._go_on()
        self._reap()
        self._check(code)

    def _new(self) -> list[str]:
        return [found for found in self.place.folders() if found not in self.place.before]

    def _is_there(self) -> bool:
        return any(os.path.exists(os.path.join(found, "sweep.json")) for found in self._new())

    def _tell(self, text: str) -> None:
        self.told.append(f"{time.monotonic() - self._begun_at:5.2f}  {text}")

    def _begin(self, *words: str) -> None:
        """Start a command that may wait for the sweep, and do not wait for it."""
        self._tell(f"$ {' '.join(words)} &")
        self._commands.append((list(words), self.place.start(*words)))

    def _call(self, *words: str) -> subprocess.CompletedProcess[str]:
        done = self.place.call(*words)
        said = (done.stderr.strip().splitlines() or [""])[0]
        self._tell(f"$ {' '.join(words)}: {done.returncode} {said}")
        return done

    def _do(self, deed: str) -> None:
        if deed in ("pause", "stop", "cancel"):
            self._call("sweep", deed, self.sweep)
            if deed == "cancel" and not until(lambda: self._shown()["status"] != "Paused", SETTLE_SECONDS):
                self.wrong.append("it is cancelled, and Paused")
        elif deed == "cancel trial":
            self._call("cancel", f"{self.sweep}:{self.draw.randint(0, 6)}")
        elif deed == "wait":
            self._call("wait", self.sweep, "--timeout", "0.3")
        elif deed in ("resume", "extend", "retry"):
            words = ["sweep", deed, self.sweep]
            if deed == "extend":
                self._total += self.draw.randint(1, 3)
                words.append(f"sweep.max_total_runs={self._total}")
            elif deed == "retry":
                words += ["--only", "all"]
            if self.draw.random() < 0.7:
                self._call(*words, "--detach")
            else:
                self._begin(*words)
        elif deed == "extend and wait":
            self._extend_and_wait()
        else:
            self._kill(deed)

    def _extend_and_wait(self) -> None:
        """Whoever has asked for more and then waits is told of the end when there is more, or when there can be none."""
        self._total += 1
        if self._call("sweep", "extend", self.sweep, f"sweep.max_total_runs={self._total}", "--detach").returncode:
            return
        code = self._call("wait", self.sweep, "--timeout", str(SETTLE_SECONDS)).returncode
        asked = sum(line["deed"] == "ask" for line in self._lines())
        if code == 0 and asked < self._total and self.kind != "grid":
            self.wrong.append(f"extended to {self._total}, waited for with 0, and there are {asked}")
        if code == 124:
            self.wrong.append("it does not end after an extension")

    def _kill(self, deed: str) -> None:
        pids = []
        if deed == "kill agent":
            pids = [event["agent"]["pid"] for event in events(self.home.run_dir) if isinstance(event.get("agent"), dict)][-1:]
            pids = [pid for pid in pids if pid in self.place.agents()]
        elif (controller := presence(self.home)) is not None and controller.is_here:
            pids = [controller.pid]
        elif self._commands[0][1].poll() is None:
            pids = [self._commands[0][1].pid]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._tell(f"{deed}: {pids}")

    def _go_on(self) -> int:
        """Make the sweep go on as long as it can; what waiting for it ends with."""
        code = 0
        for _ in range(5):
            state = self._shown()["status"]
            if state in FINAL or (state == "NotResponding" and self.kind == "plain"):
                break
            if state != "Running" and self._call("sweep", "resume", self.sweep, "--detach").returncode and self.kind != "plain":
                self.wrong.append(f"it is {state} and cannot be resumed")
            code = self._call("wait", self.sweep, "--timeout", str(SETTLE_SECONDS)).returncode
            if code == 124:
                self.wrong.append(f"it does not end: {self._shown()['status']}")
                self._call("sweep", "cancel", self.sweep, "--force")
        return self._call("wait", self.sweep, "--timeout", str(SETTLE_SECONDS)).returncode

    def _reap(self) -> str:
        """End of all commands; what they have said."""
        said = ""
        for words, child in self._commands:
            try:
                _, err = child.communicate(timeout=SETTLE_SECONDS)
            except subprocess.TimeoutExpired:
                self.wrong.append(f"{' '.join(words)} does not end")
                os.killpg(child.pid, signal.SIGKILL)
                _, err = child.communicate()
            self._tell(f"{' '.join(words[:2])} & ended with {child.returncode}")
            if "Traceback" in err:
                self.wrong.append(f"a traceback of {' '.join(words)}: {err}")
            said += err
        return said

    # ------------------------------------------------------------ what must hold

    def _shown(self) -> dict[str, Any]:
        done = self.place.call("sweep", "show", self.sweep, "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def _lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in read(self.home.journal).split(b"\n")[:-1]]

    def _check(self, code: int) -> None:
        if not until(lambda: not (self.place.agents() or self.place.living() or is_locked(self.home.controller_lock)), 20):
            self.wrong.append(f"left behind: agents {self.place.agents()}, jobs {self.place.living()}, {presence(self.home)}")
        try:
            Journal(self.home, is_only_read=True)
        except TrainconfError as error:
            self.wrong.append(f"the journal: {error}")
            return
        log = self.home.controller_log
        if os.path.exists(log) and b"Traceback" in read(log):
            self.wrong.append(f"a traceback of a controller: {read(log).decode()}")
        lines, shown = self._lines(), self._shown()
        self.wrong += self._wrong_numbers(lines, shown)
        self.wrong += self._wrong_end(lines, shown, code)
        for trial in shown["trials"]:
            self.wrong += self._wrong_trial(lines, trial)
        self.wrong += self._wrong_best(shown)

    def _wrong_numbers(self, lines: list[dict[str, Any]], shown: dict[str, Any]) -> Iterator[str]:
        asked = [line["number"] for line in lines if line["deed"] == "ask"]
        if asked != list(range(len(asked))):
            yield f"the numbers are {asked}"
        if [trial["number"] for trial in shown["trials"]] != asked or shown["total"] < len(asked):
            yield f"shown are {shown['total']}: {[trial['number'] for trial in shown['trials']]}, asked for were {asked}"
        again = Counter(line["number"] for line in lines if line["deed"] == "again")
        wanted = {f"{self.sweep}_{n}" for n in asked} | {f"{self.sweep}_{n}.{k + 2}" for n in again for k in range(again[n])}
        found = {os.path.basename(each) for each in self._new()} - {self.sweep}
        if not found <= wanted:
            yield f"nobody has asked for {found - wanted}"
        told = Counter(line["number"] for line in lines if line["deed"] == "told")
        if any(told[number] > 1 + again[number] for number in asked):
            yield f"told were {dict(told)}, again {dict(again)}"

    def _wrong_end(self, lines: list[dict[str, Any]], shown: dict[str, Any], code: int) -> Iterator[str]:
        state, statuses = shown["status"], [trial["status"] for trial in shown["trials"]]
        if state not in (FINAL if self.kind != "plain" else (*FINAL, "NotResponding")):
            yield f"it is {state} at the end"
        end = next((line for line in reversed(lines) if line["deed"] not in ("judged",)), {"deed": "ask"})
        if end["deed"] == "end" and end["state"] != state:
            yield f"it is {state}, and its journal says {end}"
        if self.kind == "bayes" and end["deed"] != "end":
            yield f"the last line is {end}"
        if self.kind == "plain":
            wanted = 130 if state == "Canceled" else 0 if statuses == ["Completed"] * 6 else 1
        else:
            wanted = {"Completed": 0, "Failed": 1, "Canceled": 130}.get(state, 1)
        if code != wanted:
            yield f"wait ended with {code}, and it is {state}: {Counter(statuses)}, {shown['failure']!r}"
        is_whole = not any(line["deed"] in ("close", "stop") for line in lines)
        totals = [line["max_total_runs"] for line in lines if line["deed"] == "budget"]
        if state == "Completed" and is_whole and self.kind not in ("plain", "grid") and len(statuses) != max([6, *totals]):
            yield f"it has {len(statuses)} trials, and is to have {max([6, *totals])}"

    def _wrong_trial(self, lines: list[dict[str, Any]], trial: dict[str, Any]) -> Iterator[str]:
        number, status = trial["number"], trial["status"]
        runs = [line["run"][1] for line in lines if line["deed"] in ("ask", "reuse", "again") and line["number"] == number]
        if trial["run_id"] not in (None, runs[-1]):
            yield f"trial {number} is shown as {trial['run_id']}, and is {runs[-1]}"
        for run in runs:
            folder = os.path.join(os.path.dirname(self.home.run_dir), run)
            history = events(folder)
            ends = [event["state"] for event in history if event["state"] in FINAL]
            notes = ""
            with contextlib.suppress(OSError):
                notes = read(os.path.join(folder, "outputs", "notes")).decode()
            if notes not in ("", "+", "+-"):
                yield f"{run} was carried out like this: {notes}"
            if len(ends) > 1:
                yield f"{run} has ended as {ends}"
            if ends == ["Completed"] and notes != "+-":
                yield f"{run} is Completed, and did {notes!r}"
            if notes == "+-" and "Completed" not in ends and run == runs[-1] and status == "Completed":
                yield f"{run} is told as {status}, and has {ends}"
        if status not in (*FINAL, "NotResponding", "Lost", "NotStarted"):
            yield f"trial {number} is {status} at the end"

    def _wrong_best(self, shown: dict[str, Any]) -> Iterator[str]:
        values: dict[int, float] = {}
        for trial in shown["trials"]:
            if trial["run_id"] is None:
                continue
            path = os.path.join(os.path.dirname(self.home.run_dir), trial["run_id"], "metrics.jsonl")
            with contextlib.suppress(OSError):
                logged = [json.loads(line) for line in read(path).split(b"\n")[:-1]]
                scores = [line["value"] for line in logged if line["name"] == "score"]
                if scores:
                    values[trial["number"]] = max(scores)
            if trial["value"] != values.get(trial["number"]):
                yield f"trial {trial['number']} is worth {trial['value']}, and has logged {values.get(trial['number'])}"
        best = min(values, key=lambda number: (-values[number], number), default=None)
        found = None if shown["best"] is None else shown["best"]["number"]
        if found != best:
            yield f"the best is said to be {found}, and is {best}: {values}"


def place_at(root: str) -> Place:
    place = Place(root, slots=3)
    place.write("src/job.py", SCRIPT)
    experiment = read(os.path.join(root, "conf/experiment/faults.yaml")).decode()
    experiment = experiment.replace("{do: work, x: 0}", "{x: 0.5}") + "metric: {name: score, goal: maximize}\n"
    place.write("conf/experiment/faults.yaml", experiment)
    return place


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--walks", type=int, default=150)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="this walk alone")
    parser.add_argument("--word", action="append", default=[], help="an override, such as compute=docker")
    asked = parser.parse_args()
    work, wrong = tempfile.mkdtemp(prefix="trainconf-walks-"), 0
    for number in range(asked.first, asked.walks) if asked.only is None else [asked.only]:
        walk = Walk(place_at(os.path.join(work, str(number))), asked.seed, number, asked.word)
        try:
            walk.run()
        except AssertionError as error:
            walk.wrong.append(str(error))
        print(*([walk, "WRONG", *walk.wrong] if walk.wrong else [f"{number}: {walk.kind}  ok"]), sep="\n   ", flush=True)
        wrong += bool(walk.wrong)
        if not walk.wrong:
            shutil.rmtree(walk.place.root, ignore_errors=True)
    print(f"{wrong} walks went wrong; seed {asked.seed}, {work}")
    sys.exit(wrong > 0)

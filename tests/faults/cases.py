"""One fault at one moment, drawn from a seed, and the checks that must hold afterwards.

    python -m tests.faults --cases 200 --seed 7          as `make faults`
    python -m tests.faults --seed 7 --only 42            that case once more
"""

from __future__ import annotations

import glob
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.place import CODES, FINAL, Place, events, kill, until

# Words, and what a run of them ends with when neither its agent nor its job is touched; None where the case ends it.
SCENES: dict[str, tuple[list[str], tuple[str, int] | None]] = {
    "plain": (["params.do=work"], ("Completed", 0)),
    "detached": (["params.do=work", "submit.detach=true"], ("Completed", 0)),
    "retried": (["params.do=fail", "retries=2"], ("Failed", 3)),
    "limited": (["params.do=deaf", "max_run_duration_seconds=0.5"], ("Failed", 124)),
    "forks": (["params.do=fork"], ("Completed", 0)),
    "bare": (["params.do=bare"], ("Completed", 0)),
    "long": (["params.do=long", "submit.detach=true"], None),
    "sweep": (["-m", "params.do=work", "params.x=1,2,3,4"], ("Completed", 0)),
}
VICTIMS = ("submitter", "agent", "agent", "job", "verb", "all")
SIGNALS = ("KILL", "KILL", "KILL", "TERM", "INT", "HUP", "STOP")
VERBS = (["ls"], ["show", "last"], ["cancel", "last"], ["wait", "last", "--timeout", "1"], ["gc"], ["ls", "--reindex"])
CLOCKS = ("+3600s", "-86400s", "+0 x10", "@1970-01-02 00:00:00", "@2100-01-01 00:00:00")
FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), "")
SETTLE_SECONDS = 60.0


class Case:
    """Case `number` of a seed. `wrong` lists what went wrong."""

    def __init__(self, place: Place, seed: int, number: int) -> None:
        draw = random.Random(f"{seed}/{number}")
        self.place = place
        self.number = number
        self.scene = draw.choice(list(SCENES))
        self.victim = draw.choice(VICTIMS)
        self.signal = draw.choice(SIGNALS)
        self.verb = draw.choice(VERBS)
        self.event = draw.randint(1, 5)
        self.pause_s = draw.random() * 0.3 if draw.random() < 0.5 else 0.0
        self.clock = draw.choice(CLOCKS) if FAKETIME and draw.random() < 0.15 else ""
        self.hit: set[str] = set()
        self.wrong: list[str] = []

    def __str__(self) -> str:
        what = " ".join(self.verb) if self.victim == "verb" else self.victim
        return f"{self.number}: {self.scene}, {self.signal} to {what} {self.pause_s:.3f} s after event {self.event} {self.clock}".rstrip()

    def run(self) -> None:
        """Cause the fault and check everything."""
        place = self.place
        place.before = set(place.folders())
        place.write("src/number.py", f"number = {self.number}\n")
        words, ends_with = SCENES[self.scene]
        words = [*words[:1], *place.base, *words[1:]] if words[0] == "-m" else [*place.base, *words]
        with self._other_clock():
            submitter = place.start(*words)
        until(lambda: submitter.poll() is not None or self._event_count() >= self.event, 5)
        time.sleep(self.pause_s)
        self._strike(submitter)
        try:
            _, err = submitter.communicate(timeout=SETTLE_SECONDS)
        except subprocess.TimeoutExpired:
            self.wrong.append(f"the submitter does not end; agents {place.agents()}, jobs {place.living()}")
            os.killpg(submitter.pid, signal.SIGKILL)
            _, err = submitter.communicate()
        if "Traceback" in err:
            self.wrong.append(f"a traceback of the submitter: {err}")
        self._settle()
        self._check_ends(submitter.returncode, ends_with)
        self._check_words()
        self._end_all()
        self._check_peace()

    @contextmanager
    def _other_clock(self) -> Iterator[None]:
        env = self.place.env
        if self.clock:
            self.place.env = {**env, "LD_PRELOAD": FAKETIME, "FAKETIME": self.clock, "FAKETIME_DONT_RESET": "1"}
        yield
        self.place.env = env

    def _event_count(self) -> int:
        return sum(len(events(run_dir)) for run_dir in self.place.folders() if run_dir not in self.place.before)

    def _strike(self, submitter: subprocess.Popen[str]) -> None:
        place, victims = self.place, []
        if self.victim == "verb":
            verb = place.start(*self.verb)
            time.sleep(0.05 + self.pause_s / 2)
            victims = [("verb", verb.pid)]
        elif self.victim in ("agent", "job"):
            of_kind = place.agents if self.victim == "agent" else place.living
            until(of_kind, 1)
            victims = [(self.victim, pid) for pid in of_kind()[-1:]]
        else:
            victims = [("submitter", submitter.pid)]
            victims += [("agent", pid) for pid in place.agents()] if self.victim == "all" else []
        for name, pid in victims:
            kill([pid], getattr(signal, f"SIG{self.signal}"))
            self.hit.add(name)
        if self.signal == "STOP":
            time.sleep(0.3)
            kill([pid for _, pid in victims], signal.SIGCONT)
        if self.victim == "verb":
            _, err = verb.communicate(timeout=SETTLE_SECONDS)
            if "Traceback" in err:
                self.wrong.append(f"a traceback of {self.verb}: {err}")

    def _settle(self) -> None:
        """Wait until nothing changes any more by itself. A run that has ended must have no process left meanwhile."""

        def is_settled() -> bool:
            rows = self.place.rows()
            for run_dir in self.place.new_runs():
                if run_dir not in rows:
                    self.wrong.append(f"{run_dir} is not listed")
                elif rows[run_dir]["status"] in FINAL and self.place.living(os.path.basename(run_dir)):
                    self.wrong.append(f"{run_dir} is {rows[run_dir]['status']}, and its processes live")
            return bool(self.wrong) or all(rows[d]["status"] in (*FINAL, "NotResponding") for d in self.place.new_runs())

        until(is_settled, 1 if self.scene == "long" else SETTLE_SECONDS)

    def _check_ends(self, code: int, ends_with: tuple[str, int] | None) -> None:
        rows = self.place.rows()
        asked_to_end = self.hit & {"agent", "job"} or (self.verb[0] == "cancel" and "verb" in self.hit)
        asked_to_end = asked_to_end or ("submitter" in self.hit and self.signal in ("TERM", "INT"))
        for run_dir in self.place.new_runs():
            history, row = events(run_dir), rows[run_dir]
            if sum(event["state"] in FINAL for event in history) > 1:
                self.wrong.append(f"{run_dir} ended twice: {history}")
            began = any("agent" in event for event in history)
            if ends_with and began and not asked_to_end and (row["status"], row["exit_code"]) != ends_with:
                self.wrong.append(f"{run_dir} ended as {row['status']}, {row['exit_code']}, and not as {ends_with}: {history[-1]}")
        runs = self.place.new_runs()
        if len(runs) == 1 and not self.hit & {"submitter"} and self.scene not in ("detached", "long", "sweep"):
            row = rows[runs[0]]
            if code != CODES.get(row["status"], row["exit_code"] or 1):
                self.wrong.append(f"the submitter ended with {code}, and the run is {row['status']}, {row['exit_code']}")

    def _check_words(self) -> None:
        """`show` must say rightly whether a run without an agent still has processes. It has none where its watchdog lives."""
        for run_dir in self.place.new_runs():
            if self.place.rows()[run_dir]["status"] == "NotResponding":
                before = bool(self.place.living(os.path.basename(run_dir)))
                told = "still runs" in self.place.call("show", os.path.basename(run_dir)).stdout
                if before and self.victim != "all":
                    self.wrong.append(f"{run_dir}: its agent alone was ended, and its job lives")
                if told != before == bool(self.place.living(os.path.basename(run_dir))):
                    self.wrong.append(f"{run_dir}: told that it {'still runs' if told else 'does not run'}, and it is otherwise")

    def _end_all(self) -> None:
        rows = self.place.rows()
        open_runs = [os.path.basename(d) for d in self.place.new_runs() if rows[d]["status"] not in FINAL]
        if open_runs:
            done = self.place.call("cancel", *open_runs)
            if done.returncode:
                self.wrong.append(f"cancel ended with {done.returncode}: {done.stderr}")
        if not until(lambda: all(self.place.rows()[d]["status"] in FINAL for d in self.place.new_runs()), SETTLE_SECONDS):
            self.wrong.append(f"not over after cancel: {open_runs}")

    def _check_peace(self) -> None:
        place = self.place
        if not until(lambda: not (place.agents() or place.living() or place.leases_held()), 5):
            self.wrong.append(f"left behind: agents {place.agents()}, jobs {place.living()}, leases {place.leases_held()}")
            kill(place.living() + place.agents(), signal.SIGKILL)
        if place.rows() != place.rows("--reindex"):
            self.wrong.append("ls says something else than a fresh index")
        done = place.call(*place.base)
        if done.returncode:
            self.wrong.append(f"the next run ends with {done.returncode}: {done.stderr}")

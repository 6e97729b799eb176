"""A workspace for faults, and checks of its processes, locks and files that do not use trainconf's own code."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FINAL = ("Completed", "Failed", "Canceled")
CODES = {"Completed": 0, "Canceled": 130}
EXPERIMENT = """\
# @package _global_
defaults:
  - override /env: current
  - _self_
experiment_name: faults
source_directory: src
script: job.py
params: {do: work, x: 0}
retry_backoff_seconds: 0.1
grace_seconds: 1
"""
JOB = '''\
"""A job that does what --do says, and marks whatever it starts by its command line."""
import os, signal, subprocess, sys, time
from trainconf import Run

do, mark = sys.argv[sys.argv.index("--do") + 1], os.environ["FAULTS_MARK"]
SLEEP = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"


def start(**how):
    return subprocess.Popen([sys.executable, "-S", "-c", SLEEP, mark], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **how)


def work(seconds):
    end, step = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        Run.get_context().log("loss", 1 / (step + 1), step=step)
        time.sleep(0.01)
        step += 1


if do == "fork":
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            start()
        os._exit(0)
    os.wait()
if do == "bare":
    start(env={}, start_new_session=True)
if do == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    start(start_new_session=True)
if do in ("deaf", "long"):
    time.sleep(300)
work(0.3)
sys.exit(3 if do == "fail" else 0)
'''


class Place:
    """A workspace at `root` in which trainconf is run."""

    def __init__(self, root: str, *, slots: int = 2, leases: str = "") -> None:
        self.root = root
        self.leases = leases or f"{root}.leases"
        for folder in ("conf/experiment", "src"):
            os.makedirs(os.path.join(root, folder), exist_ok=True)
        self.write("conf/experiment/faults.yaml", EXPERIMENT)
        self.write("src/job.py", JOB)
        self.base = ["experiment=faults", f"compute.slots={slots}", f"compute.lease_dir={self.leases}"]
        self.env = {**os.environ, "FAULTS_MARK": root, "PYTHONPATH": ROOT, "PYTHONDONTWRITEBYTECODE": "1"}
        self.env.pop("TRAINCONF_FULL_ERROR", None)
        self.before: set[str] = set()

    def write(self, name: str, text: str) -> None:
        with open(os.path.join(self.root, name), "w", encoding="utf-8") as stream:
            stream.write(text)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start trainconf in a session of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "trainconf", *words], cwd=self.root, env=self.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def call(self, *words: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run trainconf to its end. Raises AssertionError when it prints a traceback or does not end."""
        child = self.start(*words)
        try:
            out, err = child.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            raise AssertionError(f"{words} does not end: {child.communicate()}") from None
        assert "Traceback" not in err, f"{words}: {err}"
        return subprocess.CompletedProcess(words, child.returncode, out, err)

    def rows(self, *words: str) -> dict[str, dict[str, Any]]:
        """What `ls` says, by run directory."""
        done = self.call("ls", "--json", "--limit", "0", *words)
        assert done.returncode == 0, done.stderr
        return {row["run_dir"]: row for row in json.loads(done.stdout)}

    def folders(self) -> list[str]:
        """The folders of all runs and sweeps, half-made ones included."""
        runs = os.path.join(self.root, "runs", "faults")
        return sorted(os.path.join(runs, name) for name in (os.listdir(runs) if os.path.isdir(runs) else []))

    def new_runs(self) -> list[str]:
        """The runs of the present case."""
        return [d for d in self.folders() if d not in self.before and events(d) and not os.path.exists(os.path.join(d, "sweep.json"))]

    def agents(self) -> list[int]:
        """Agents and their watchdogs."""
        return [pid for pid, (words, _) in self._processes().items() if any(word.endswith("agent/__main__.py") for word in words)]

    def living(self, run_id: str = "") -> list[int]:
        """The processes of jobs. With a run id, only those that have it in their environment; else also those without any variable."""
        carry = b"TRAINCONF_RUN_ID=" + run_id.encode()
        marked = f"TRAINCONF_RUN_DIR={self.root}/".encode()
        found = []
        for pid, (words, environ) in self._processes().items():
            is_job = any(each.startswith(marked) for each in environ) and any(each == carry or not run_id for each in environ)
            if is_job or (not run_id and words[-1:] == [self.root]):
                found.append(pid)
        return found

    def _processes(self) -> dict[int, tuple[list[str], list[bytes]]]:
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = read(f"/proc/{pid}/cmdline").decode("utf-8", "replace").split("\0")[:-1]
                environ = read(f"/proc/{pid}/environ").split(b"\0")
            except OSError:
                continue
            if words and (any(word.startswith(self.root) for word in words) or f"FAULTS_MARK={self.root}".encode() in environ):
                found[int(pid)] = (words, environ)
        return found

    def leases_held(self) -> list[str]:
        held = []
        for folder, _, names in os.walk(self.leases):
            for name in names:
                fd = os.open(os.path.join(folder, name), os.O_RDONLY)
                try:
                    fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    held.append(name)
                finally:
                    os.close(fd)
        return held


def read(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def events(run_dir: str) -> list[dict[str, Any]]:
    """The events of a run, without a torn last line."""
    found = []
    try:
        lines = read(os.path.join(run_dir, "events.jsonl")).split(b"\n")
    except OSError:
        return []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return [each for each in found if isinstance(each, dict) and "state" in each]


def until(condition: Callable[[], object], seconds: float) -> bool:
    """Wait until the condition holds, at most `seconds`; whether it does."""
    give_up_at = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.02)
    return True


def kill(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue

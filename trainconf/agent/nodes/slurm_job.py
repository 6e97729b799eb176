"""The Slurm job that this agent runs in: who it is, why it is being ended, and back into the queue with it.

Asks the controller only when a signal came or a rank was killed or is one of several nodes, once, and never for longer than a moment; and
when a job begins that is given trials.
Knows the output of Slurm 22.05 to 25.05 (scontrol(1), sbatch(1)).
"""

from __future__ import annotations

import os
import time

from trainconf.agent.log import say
from trainconf.agent.outcome import TIME_LIMIT_CODE, Outcome
from trainconf.agent.processes.ranks import find_program
from trainconf.agent.signals import signal
from trainconf.fast.records import replace
from trainconf.fast.spawn import spawn
from trainconf.fast.stdlib import read_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import FileIO
    from typing import Any

    from trainconf.agent.plan import Batch

ANSWER_SECONDS = 3.0  # well within KillWait, which is 30 by default
ASK_AGAIN_SECONDS = (0.1, 0.4, 1.0)  # after a question that was refused: a busy controller is back in a moment
REQUEUE_SECONDS = 60.0  # a controller that requeues may be busy with many
SAME_CAUSE_SECONDS, SAME_CAUSE_LOOKS = 0.1, 10
WARNING_SLACK_SECONDS = 65.0  # sbatch(1) on --signal: it may come up to 60 seconds early
REQUEUED_STATES = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT")
STATES_AT_WORK = ("RUNNING", "SIGNALING")  # the second until Slurm knows that its signal has arrived
KILLED_CODES = (128 + signal.SIGKILL, 128 + signal.SIGTERM)
LAST_WORDS_BYTES = 4096
POLL_SECONDS = 0.01
_ENDED = rb"\*\*\* JOB %b ON \S+ CANCELLED AT \S+ DUE TO ([A-Z ]+)"
_UNITS = (86400, 3600, 60, 1)


class SlurmJob:
    """A job of Slurm's; see `SchedulerJob`."""

    def __init__(self, environ: Mapping[str, str], batch: Batch, grace_seconds: float) -> None:
        array = environ.get("SLURM_ARRAY_JOB_ID")
        self.job_id = f"{array}_{environ['SLURM_ARRAY_TASK_ID']}" if array else environ["SLURM_JOB_ID"]
        self.job_number = environ["SLURM_JOB_ID"]  # a task of an array has one of its own
        self.restarts = int(environ.get("SLURM_RESTART_COUNT", "0"))
        self.cluster = environ.get("SLURM_CLUSTER_NAME", "")
        self.nodes = environ.get("SLURM_JOB_NODELIST", "")
        self.grace_seconds = grace_seconds
        self.may_requeue = batch.requeue != "never"
        self.max_timeouts = batch.max_requeues if batch.requeue == "always" else 0
        self._lead_seconds = batch.lead_seconds or 0.0
        self._is_of_several_nodes = batch.nodes > 1

    def identity(self) -> dict[str, Any]:
        """What events tell of it."""
        return {"kind": "slurm", "job_id": self.job_id, "cluster": self.cluster, "restarts": self.restarts, "nodes": self.nodes}

    def ends_with_us(self, groups_path: str = "/proc/self/cgroup") -> bool:
        """Whether Slurm ends every process of the job when this one is gone, for it follows them by control group and not by descent.

        Only version 1 tells: there nobody but proctrack/cgroup uses the freezer. In version 2 the group may be there for limits alone.
        """
        try:
            groups = [line.split(b":", 2) for line in read_bytes(groups_path).splitlines()]
        except OSError:
            return False
        ours = b"/job_%b/" % self.job_number.encode()
        return any(b"freezer" in controllers.split(b",") and ours in path for _, controllers, path in groups)

    def time_left_s(self) -> float | None:
        """Until Slurm says that the job's time is nearly up; None for a job without a limit, and when nobody answers."""
        facts = self._ask()
        run, limit = seconds(facts.get("RunTime", "")), seconds(facts.get("TimeLimit", ""))
        return None if run is None or limit is None else limit - run - self._lead_seconds

    def why_ending(self, number: str) -> Outcome:
        """What the signal `number` means, by what Slurm's own process beside us has printed, or else by the controller's answer."""
        cause = _last_words(self.job_number)
        return self._explained(number, cause, {} if cause else self._ask())

    def _explained(self, number: str, cause: str, facts: dict[str, str]) -> Outcome:
        state = facts.get("JobState", "")
        if cause == "JOB REQUEUE" or self._is_requeued(facts):
            return self._interrupted("Canceled", None, "the job was requeued in Slurm", continues=True)
        if cause == "PREEMPTION" or facts.get("PreemptTime", "None") != "None" or state == "PREEMPTED":
            return self._interrupted("Canceled", None, "the job was preempted by Slurm")
        if cause == "TIME LIMIT" or state == "TIMEOUT" or self._time_is_up(facts):
            limit = seconds((facts or self._ask()).get("TimeLimit", ""))
            reason = "time limit of Slurm's" + ("" if limit is None else f": {limit:g} s")
            return Outcome("Failed", TIME_LIMIT_CODE, reason, may_requeue=self.max_timeouts > 0, is_out_of_time=True)
        if cause.startswith("NODE FAILURE") or state == "NODE_FAIL":
            return self._interrupted("Failed", 1, f"a node of the job failed: {self._failed_nodes() or 'Slurm does not say which'}")
        if state in ("CANCELLED", "COMPLETING"):
            return Outcome("Canceled", None, "the job was canceled with scancel")
        return Outcome("Canceled", None, f"the agent was told to stop ({number})")

    def or_its_cause(self, end: Outcome) -> Outcome:
        """A failure; or, when Slurm is just ending the job and reached its processes before it reached us, that.

        On another node that may be long before, and a killed rank may have been killed by Slurm: there its controller tells, which knows
        of an end before it sends a signal. A job at work is not asked how much time it has left: its rank has failed by itself.
        """
        for _ in range(SAME_CAUSE_LOOKS):
            if signal.SIGTERM in signal.sigpending():
                return _with_code(self.why_ending("SIGTERM"), end)
            time.sleep(SAME_CAUSE_SECONDS / SAME_CAUSE_LOOKS)
        if self._is_of_several_nodes or end.exit_code in KILLED_CODES:
            facts = self._ask()
            if facts.get("JobState", "RUNNING") not in STATES_AT_WORK:
                return _with_code(self._explained("SIGTERM", _last_words(self.job_number), facts), end)
        return end

    def _interrupted(self, state: str, exit_code: int | None, reason: str, *, continues: bool = False) -> Outcome:
        return Outcome(state, exit_code, reason, may_requeue=continues or self.may_requeue)

    def _is_requeued(self, facts: Mapping[str, str]) -> bool:
        """While a requeued job is being ended it is COMPLETING; that it will start once more tells it from a canceled one."""
        return facts.get("JobState") in REQUEUED_STATES or int(facts.get("Restarts", "0")) > self.restarts

    def _time_is_up(self, facts: Mapping[str, str]) -> bool:
        """Whether the time limit is why: reached, or so near that the signal of sbatch's --signal is due."""
        run, limit = seconds(facts.get("RunTime", "")), seconds(facts.get("TimeLimit", ""))
        lead = self._lead_seconds + WARNING_SLACK_SECONDS if self._lead_seconds and facts.get("JobState") in STATES_AT_WORK else 1.0
        return run is not None and limit is not None and limit - run <= lead

    def _failed_nodes(self) -> str:
        question = ["sinfo", "--noheader", "--Node", f"--nodes={self.nodes}", "--states=down,fail,unknown", "--format=%N"]
        return ", ".join(dict.fromkeys(ask(question, ANSWER_SECONDS)[1].split()))

    def _ask(self) -> dict[str, str]:
        """The job as the controller has it; empty when it does not answer, also when it is asked again."""
        import re

        for pause_s in (*ASK_AGAIN_SECONDS, 0.0):
            code, printed = ask(["scontrol", "show", "job", "--oneliner", self.job_id], ANSWER_SECONDS)
            if code == 0:
                return dict(re.findall(r"(?:^|\s)([A-Za-z/:]+)=(\S*)", printed))
            say(f"scontrol, asked for job {self.job_id}, ended with code {code}: {printed.strip()}")
            if code == TIME_LIMIT_CODE:
                break  # it has been waited for
            time.sleep(pause_s)
        return {}

    def requeue(self) -> str:
        """Put the job back into the queue, unless it is there; why it could not be, or nothing. Slurm ends this agent then."""
        if self._is_requeued(self._ask()):
            return ""
        code, printed = ask(["scontrol", "requeue", self.job_id], REQUEUE_SECONDS)
        return "" if code == 0 else printed.strip().rpartition("\n")[2] or f"scontrol requeue ended with code {code}"


def _with_code(cause: Outcome, end: Outcome) -> Outcome:
    return cause if cause.exit_code is not None else replace(cause, exit_code=end.exit_code)


def ask(argv: list[str], timeout_s: float, env: Mapping[str, str] = os.environ) -> tuple[int, str]:
    """Exit code of a program, and what it printed on both channels. The main loop waits, so it is never taken for a rank."""
    reading, writing = os.pipe()
    nothing = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    with open(reading, "rb", buffering=0) as output:
        try:
            pid = spawn(find_program(argv[0], env), argv, env, (nothing, writing, writing), new_session=False)
        except OSError as error:
            return 127, f"{argv[0]}: {error.strerror}"
        finally:
            os.close(writing)
            os.close(nothing)
        os.set_blocking(reading, False)
        return _wait_for(pid, output, argv, timeout_s)


def _wait_for(pid: int, output: FileIO, argv: list[str], timeout_s: float) -> tuple[int, str]:
    """Polls, for no older kernel can wait with a limit for a process and its output."""
    give_up_at = time.monotonic() + timeout_s
    printed = b""
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        printed += output.read() or b""  # afterwards: what it printed before its end is there
        if ended:
            return os.waitstatus_to_exitcode(status), printed.decode("utf-8", "replace")
        if time.monotonic() >= give_up_at:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return TIME_LIMIT_CODE, f"{' '.join(argv[:2])} did not answer for {timeout_s:g} s"
        time.sleep(POLL_SECONDS)


def seconds(text: str) -> float | None:
    """A length of time as Slurm prints it, [days-]hours:minutes:seconds; None for UNLIMITED and the like."""
    import re

    match = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", text)
    return None if match is None else float(sum(int(part or 0) * unit for part, unit in zip(match.groups(), _UNITS, strict=True)))


def _last_words(job_number: str) -> str:
    """Why Slurm ends the job, as its process beside us has just written into our standard error; empty when that gives no reason."""
    import re

    try:
        size = os.fstat(2).st_size
        with open("/proc/self/fd/2", "rb") as stream:
            stream.seek(max(0, size - LAST_WORDS_BYTES))
            found = re.findall(_ENDED % re.escape(job_number.encode()), stream.read())
    except (OSError, ValueError):
        return ""
    return found[-1].decode("ascii", "replace").strip() if found else ""

"""The rank group of processes: one per rank, each in a session of its own, with its log file as standard output and error.

The child gets the file itself; nothing stands between the job and its log.
"""

from __future__ import annotations

import os

from trainconf import files
from trainconf.agent import outcome
from trainconf.agent.log import say
from trainconf.agent.outcome import Outcome, Usage
from trainconf.agent.processes import tree
from trainconf.agent.rank_group import Ended, Left, Started
from trainconf.agent.signals import signal
from trainconf.fast.records import replace
from trainconf.fast.spawn import spawn
from trainconf.history import liveness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from trainconf.agent.leases.claim import Claim
    from trainconf.agent.plan import Plan, RankPlan
    from trainconf.agent.rank_group import News
    from trainconf.agent.rendezvous.local import Rendezvous
    from trainconf.paths import RunPaths

DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
POLL_SECONDS = 0.1  # while processes that are not our children are being ended
KILL_AGAIN_SECONDS = 0.02


class ProcessRanks:
    """Ranks that are processes of this machine; see `trainconf.agent.rank_group.RankGroup`."""

    deadline = None  # whatever happens comes with a signal

    def __init__(
        self, paths: RunPaths, plan: Plan, living_ranks: set[int], *, gets_orphans: bool, rendezvous: Rendezvous | None = None,
        has_all_of_run: bool = True, claim: Claim | None = None,
    ) -> None:  # fmt: skip
        self.usage = Usage()
        self._paths = paths
        self._plan = plan
        self._living_ranks = living_ranks  # of all runs of this agent; kept by all rank groups
        self._gets_orphans = gets_orphans
        self._rendezvous = rendezvous
        self._claim = claim  # what it holds is held by the ranks, too: for one that outlives both the agent and its watchdog
        self._mark = paths.run_dir if has_all_of_run else None  # by which processes of the run are this group's
        # Each rank is srun, and the run's id is carried only by the processes of its step, which Slurm has made a container for.
        self._are_steps = plan.batch is not None and plan.batch.container == "pyxis"
        self._ranks: dict[int, int] = {}  # living ranks by pid
        self._pids: set[int] = set()  # of this attempt, ended ones included
        self._signaled: set[int] = set()  # processes that got SIGTERM
        self._news: list[News] = []
        self._oom_kills = self._oom_kills_of_job = 0

    @property
    def is_empty(self) -> bool:
        return not self._ranks

    def start(self, attempt: int, gpus: Sequence[str]) -> None:
        self.usage, self._pids, self._signaled = Usage(), set(), set()
        self.usage.is_known = not self._are_steps
        self._oom_kills = outcome.count_oom_kills(age_s=outcome.LONGEST_AGE_SECONDS)
        self._oom_kills_of_job = outcome.count_oom_kills_of_job()
        try:
            places = {} if self._rendezvous is None else self._rendezvous.variables()
        except OSError as error:
            self._news.append(Ended(Outcome("Failed", 1, f"the ranks have nowhere to meet: {error.strerror or error}")))
            return
        failed = None
        for rank in self._plan.ranks:
            failed = self._start_rank(rank, environment(self._plan, rank, attempt, gpus, places.get(rank.rank, {})))
            if failed is not None:
                break
        if self._ranks:
            self._news.append(Started([self._record(pid) for pid in self._ranks]))
        if failed is not None:
            self._news.append(Ended(failed, failed.rank))

    def _start_rank(self, rank: RankPlan, env: Mapping[str, str]) -> Outcome | None:
        """Start one process; why it could not be started, if so."""
        number, argv, cwd, log = rank.rank, list(rank.argv), self._plan.cwd, self._paths.log(rank.rank)
        try:
            pid = start(argv, env, cwd, log, () if self._claim is None else self._claim.held)
        except OSError as error:
            failed = outcome.cannot_start(error, argv, cwd, log, env)
        except ValueError as error:  # a NUL, or a character that this system's encoding does not have
            failed = Outcome("Failed", outcome.NOT_EXECUTABLE_CODE, f"{argv[0]!r} cannot be executed: {error}")
        else:
            self._ranks[pid] = number
            self._pids.add(pid)
            self._living_ranks.add(pid)
            return None
        return replace(failed, rank=number)

    def _record(self, pid: int) -> dict[str, int]:
        return {"rank": self._ranks[pid], "pid": pid, "start_ticks": liveness.start_ticks(pid)}

    def news(self) -> Iterator[News]:
        while self._news:
            yield self._news.pop(0)

    def end(self, *, kill: bool, is_recorded: bool) -> float | None:
        """SIGTERM once to each process, also to those that were forked meanwhile; SIGKILL to all there are."""
        left = self._processes() if self._ranks else self._survivors()
        if not self._ranks and not left:
            return None
        if self._are_steps:
            left = self._inside(left, kill=kill)
        if kill:
            tree.send(left, signal.SIGKILL)
            self._signaled |= left
            return KILL_AGAIN_SECONDS
        tree.send(left - self._signaled, signal.SIGTERM)
        self._signaled |= left
        return POLL_SECONDS

    def _inside(self, left: set[int], *, kill: bool) -> set[int]:
        """Those in the containers of steps. On SIGKILL srun goes away and its step does not end. On SIGTERM srun has everything killed,
        also what puts the container away: it gets that only while nothing has run in its step."""
        inside = {pid for pid in left if tree.session_of(pid) not in self._pids}
        if kill and not inside and not self._signaled:
            tree.send(self._ranks, signal.SIGTERM)
            self._signaled |= self._ranks.keys()
        return inside

    def has_leftovers(self) -> bool:
        left = self._survivors()
        if left:
            say(f"{self._paths.run_id}: the script has ended; ending the processes it left behind: {sorted(left)}")
            count = sum(tree.session_of(pid) not in (0, *self._pids) for pid in left)  # the others are helpers, nothing of use is lost
            if count and not self._are_steps:
                what = "a process was" if count == 1 else f"{count} processes were"
                self._news.append(Left(f"{what} left running in the background, and ended with the run"))
        return bool(left)

    def child_ended(self, pid: int, status: int, rusage: Any) -> None:
        self.usage.add(rusage)
        rank = self._ranks.pop(pid, None)
        if rank is not None:
            self._living_ranks.discard(pid)
            oom_kills_of_job = outcome.count_oom_kills_of_job() - self._oom_kills_of_job
            end = outcome.success(oom_kills_of_job)
            if status != 0:
                oom_kills = outcome.count_oom_kills() - self._oom_kills
                end = outcome.failure(status, rank, len(self._pids), oom_kills, oom_kills_of_job)
            self._news.append(Ended(end, rank))

    def has_process(self, pid: int) -> bool:
        return pid in self._ranks

    def has_session(self, session: int) -> bool:
        return session in self._pids

    def _processes(self) -> set[int]:
        other_runs = self._living_ranks - self._ranks.keys()
        return tree.processes_of_run(self._mark, self._pids, with_orphans=not other_runs)

    def _survivors(self) -> set[int]:
        """Living processes of the run once its ranks have ended; all of /proc is searched only if there can be any."""
        children = tree.children() if self._gets_orphans else None
        if children is not None and children <= self._living_ranks and not self._are_steps:
            return set()
        return self._processes()


def environment(
    plan: Plan, rank: RankPlan, attempt: int, gpus: Sequence[str], place: Mapping[str, str]
) -> dict[str, str]:
    """The variables of one rank; `place` is where it meets the others. CUDA_VISIBLE_DEVICES is touched only to narrow it down."""
    environ: Mapping[str, str] = os.environ
    if plan.batch is not None:
        from trainconf.distributed import slurm_variables

        environ = slurm_variables.corrected(environ, rank.env, plan.batch.nodes, is_mpi=plan.mpi is not None)
    env = {**inherited(plan, {**environ, **place}), **rank.env, "TRAINCONF_ATTEMPT": str(attempt)}
    if gpus:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    if rank.gpu_share is not None and env.get("CUDA_VISIBLE_DEVICES"):
        from trainconf.distributed.gpus import gpus_seen

        env["CUDA_VISIBLE_DEVICES"] = ",".join(gpus_seen(env["CUDA_VISIBLE_DEVICES"].split(","), rank.gpu_share))
    return env


def inherited(plan: Plan, environ: Mapping[str, str]) -> dict[str, str]:
    """What every rank has of `environ`, with the job's own variables, and a PATH that finds the programs of its environment first.

    A PATH that the job itself asks for is the one it gets.
    """
    env = {name: value for name, value in environ.items() if name not in plan.not_inherited}
    env |= plan.env
    if "PATH" not in plan.env and plan.first_on_path:
        env["PATH"] = ":".join([*plan.first_on_path, env.get("PATH", DEFAULT_PATH)])
    return env


def start(argv: list[str], env: Mapping[str, str], cwd: str, log: str, keep: Sequence[int] = ()) -> int:
    """Start one process, which keeps the descriptors `keep`; its pid.

    Raises OSError: no such program, not executable, no such folder, log not writable.
    """
    os.chdir(cwd)  # posix_spawn(3) has no working directory
    log_fd, nothing = files.open_regular(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), -1
    try:
        nothing = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        return spawn(find_program(argv[0], env), argv, env, (nothing, log_fd, log_fd), keep=keep)
    finally:
        os.close(log_fd)
        if nothing >= 0:
            os.close(nothing)
        os.chdir("/")


def find_program(name: str, env: Mapping[str, str]) -> str:
    """The file that `name` means on the job's own PATH, as execvp(3) searches.

    Raises FileNotFoundError, or PermissionError when only files that are not executable were found.
    """
    if "/" in name:
        return name
    denied = False
    for folder in env.get("PATH", DEFAULT_PATH).split(":"):
        path = os.path.join(folder or ".", name)
        if os.path.isfile(path):
            if os.access(path, os.X_OK):
                return path
            denied = True
    raise PermissionError(13, "not executable", name) if denied else FileNotFoundError(2, "not found", name)

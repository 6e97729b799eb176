"""The agent's main loop: it sleeps in the kernel until a signal comes or something is due, and never polls.

    SIGCHLD           a process has ended             SIGTERM, SIGINT   cancel everything, gracefully
    SIGUSR1           there is something to read:     SIGQUIT           cancel everything, at once
                      CancelRequested, more trials    SIGUSR2, SIGIO    a place in the queue moved up, a lease came free

All of them stay blocked and are taken one by one with sigtimedwait(2), so no handler ever runs in the middle of anything.
Exit code 0: everything is recorded. 1: something could not be; agent.log says what.
"""

from __future__ import annotations

import os
import sys
import time

from trainconf import files
from trainconf.agent import pool as pools
from trainconf.agent.journal import Journal
from trainconf.agent.log import say
from trainconf.agent.outcome import Outcome, signal_name
from trainconf.agent.plan import JOB_ID_VARIABLES
from trainconf.agent.signals import GO_FD, LOCK_FD, SIGNALS, WAKE_SIGNAL, signal
from trainconf.history import events, liveness
from trainconf.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from trainconf.agent.nodes.scheduler_job import SchedulerJob
    from trainconf.agent.processes.watchdog import Watchdog

STOP_SIGNALS: dict[int, bool] = {signal.SIGTERM: False, signal.SIGINT: False, signal.SIGQUIT: True}  # the value: kill at once
LOCK_PATIENCE_SECONDS = 30.0  # with a submitter that is still at it
SAME_SIGNAL_SECONDS = 1.0  # within which a signal to every process of a job comes to us and, through the watchdog, once more
LONGEST_SLEEP_SECONDS = 86400.0  # there are numbers that the system takes for no time


def main(folder: str, *part: str) -> NoReturn:
    """Carry out the run, or the sweep, in `folder`, and leave the process.

    `part` is `--node` for what this node has to do of a run, `--mpi` to start its MPI processes, `--rank` beside one of these, or `--task
    OFFSET` for one trial of a sweep: that with the number OFFSET + SLURM_ARRAY_TASK_ID in its list. With `--pool` the folder is that of a
    job which is given trials of a sweep. With `--wait` it gets ready, and begins when its submitter has made the run.
    """
    code = 1
    try:
        code = _carry_out(RunPaths(os.path.abspath(folder)), part)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        os._exit(code)  # nothing is buffered; taking the interpreter down would only keep the lock for longer


def _carry_out(home: RunPaths, part: tuple[str, ...]) -> int:
    if part and part[0] in ("--node", "--mpi", "--rank"):
        return _part(part[0])(home)
    sweep = None
    if part[:1] == ("--task",):
        sweep = home
        home = pools.trial_at(home, int(part[1]) + int(os.environ["SLURM_ARRAY_TASK_ID"]))
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    for number in (signal.SIGCHLD, signal.SIGUSR1):  # a batch script ignores the latter until we can take it
        signal.signal(number, signal.SIG_DFL)
    waits = part == ("--wait",)
    if not _adopt_lock(home, last_fd=GO_FD if waits else LOCK_FD):
        say(f"another agent holds {home.lock!r}")
        return 1
    os.chdir("/")
    job = None if waits else _job(home)
    watchdog = _watchdog(job)
    if waits and not _may_begin():
        return 0
    if part == ("--pool",):
        return _carry_out_given(home, job, watchdog)
    if os.path.exists(home.sweep):
        return _carry_out_sweep(home, job, watchdog)
    pool = pools.Pool(pools.OneRun(home), job, watchdog)
    _serve(pool, None)
    if job is None:
        return int(pool.lost_events)
    pool.requeue()
    code = pool.exit_code()
    if sweep is not None:
        pools.end_sweep(sweep)
        if pools.has_unsent(sweep):
            _send_on(sweep, code)
    return code


def _part(name: str) -> Callable[[RunPaths], int]:
    """What is not the run's own agent, but a part of its work."""
    if name == "--node":
        from trainconf.agent.nodes.worker import carry_out
    elif name == "--mpi":
        from trainconf.agent.mpi.start import carry_out
    else:
        from trainconf.agent.mpi.rank import carry_out
    return carry_out


def _job(home: RunPaths) -> SchedulerJob | None:
    if not any(name in os.environ for name in JOB_ID_VARIABLES.values()):
        return None
    from trainconf.agent.nodes.scheduler_job import job_here

    return job_here(home.plan, os.environ)


def _watchdog(job: SchedulerJob | None) -> Watchdog | None:
    """Where a scheduler ends all processes of its job by itself, there is none: its fork is a tenth of a short task's time."""
    if job is not None and job.ends_with_us():
        return None
    from trainconf.agent.processes.watchdog import start_watchdog

    return start_watchdog() if job is None else start_watchdog(job.grace_seconds, ends_with_watchdog=True)


def _send_on(sweep: RunPaths, code: int) -> None:
    """Become what sends the trials for which there is room now, and ends with this code; the run is over, and its lock is let go."""
    from trainconf.fast.spawn import own_command

    try:
        os.execv(sys.executable, [*own_command("launchers/slurm/send_on.py"), sweep.run_dir, str(code)])
    except OSError as error:
        say(f"the rest of the sweep cannot be sent: {error}")


def _carry_out_sweep(home: RunPaths, job: SchedulerJob | None, watchdog: Watchdog | None) -> int:
    """A sweep's own events say which agent its trials have, and how it ended."""
    journal = Journal(home)
    scheduler = {} if job is None else {"scheduler": job.identity()}
    journal.add("Running", 1, agent=liveness.identity(), **scheduler)
    trials = pools.Trials(home)
    pool = pools.Pool(trials, job, watchdog)
    pool.read_cancel_request()
    canceled = _serve(pool, home)
    if pool.is_interrupted:
        journal.add("Queued", 1, waiting_for="requeue", reason="its job was interrupted by Slurm")
        pool.requeue()
    elif canceled:
        journal.add("Canceled", 1, exit_code=None, reason=events.why_canceled(home))
    elif trials.end is not None:
        state = str(trials.end.get("state") or "Completed")
        code = {"Completed": 0, "Failed": 1}.get(state)
        journal.add(state, 1, exit_code=code, reason=str(trials.end.get("reason") or ""))
    else:
        why = f"its controller was ended; `trainconf sweep resume {home.run_id}` goes on" if trials.limit == pools.NO_LIMIT else (
            "its submitter was ended before it had handed over all trials"
        )
        journal.add("Failed", 1, exit_code=1, reason=why)
    return int(pool.lost_events or bool(journal.unwritten))


def _carry_out_given(home: RunPaths, job: SchedulerJob | None, watchdog: Watchdog | None) -> int:
    """The trials that are put into the folder of this job, which others take for given up once its last event is final."""
    from trainconf.agent.nodes.pool_job import GivenTrials

    latest = events.last(home)
    if job is None or latest is None or latest["state"] in events.TERMINAL:
        say("nothing is carried out here: the job was given up before it began")
        return int(job is None)
    journal = Journal(home)
    journal.add("Running", 1, agent=liveness.identity(), scheduler=job.identity())
    pool = pools.Pool(GivenTrials(home, job.time_left_s(), lambda: journal.add("Finalizing", 1)), job, watchdog)
    _serve(pool, None)
    if pool.is_interrupted:
        journal.add("Queued", 1, waiting_for="requeue", reason="the job was interrupted by Slurm")
    if not pool.requeue():
        journal.add("Completed", 1, exit_code=0, reason="nothing was left to do")
    return int(pool.lost_events or bool(journal.unwritten))


def _serve(pool: pools.Pool, sweep: RunPaths | None) -> bool:
    """Run the pool until it is done; whether it was cancelled as a whole."""
    canceled = _sweep_canceled(pool, sweep)
    stopped: dict[int, float] = {}
    pool.fill()
    while not pool.is_done():
        number = _next_signal(pool.deadline())
        if number is not None and number in STOP_SIGNALS:
            if time.monotonic() < stopped.get(number, 0.0) + SAME_SIGNAL_SECONDS:
                continue
            canceled, stopped[number] = True, time.monotonic()
            pool.stop_all(_why_stopped(pool, number), force=STOP_SIGNALS[number])
        elif number == signal.SIGUSR1:
            canceled = _sweep_canceled(pool, sweep) or canceled
            pool.read_cancel_request()
        elif number == WAKE_SIGNAL:
            pool.feed.read_on()
        pool.reap()
        pool.tick()
        pool.fill()
    return canceled


def _next_signal(deadline: float | None) -> int | None:
    """Sleep until a signal comes, or until `deadline` by the monotonic clock: None."""
    if deadline is None:
        return signal.sigwaitinfo(SIGNALS).si_signo
    info = signal.sigtimedwait(SIGNALS, min(max(0.0, deadline - time.monotonic()), LONGEST_SLEEP_SECONDS))
    return None if info is None else info.si_signo


def _why_stopped(pool: pools.Pool, number: int) -> Outcome:
    name = signal_name(number)
    if pool.job is None:
        return Outcome("Canceled", None, f"the agent was told to stop ({name})")
    if pool.watchdog is not None and pool.watchdog.is_gone:  # the process that the scheduler knows
        return Outcome("Failed", 1, "the watchdog of its agent was killed")
    return pool.job.why_ending(name)


def _sweep_canceled(pool: pools.Pool, sweep: RunPaths | None) -> bool:
    request = events.cancel_request(sweep) if sweep is not None else None
    if sweep is None or request is None:
        return False
    pool.stop_all(Outcome("Canceled", None, f"{events.why_canceled(sweep)}, for the whole sweep"), force=bool(request.get("force")))
    return True


def _may_begin() -> bool:
    """Wait for the submitter; False when it has given up, or was killed."""
    try:
        return bool(os.read(GO_FD, 1))
    finally:
        os.close(GO_FD)


def _adopt_lock(home: RunPaths, last_fd: int) -> bool:
    """Keep the lock that the submitter left open for us, or take it when started by hand; close whatever else came along.

    A flock belongs to the open file, so there is no moment without a holder. A descriptor inherited from the submitter's
    shell, such as a pipe, would keep its other end waiting for as long as the run lasts.
    """
    for name in os.listdir("/proc/self/fd"):
        if int(name) > last_fd:
            _close(int(name))
        elif int(name) > LOCK_FD:
            os.set_inheritable(int(name), False)
    if _is_lock(LOCK_FD, home.lock):
        os.set_inheritable(LOCK_FD, False)
        return True
    _close(LOCK_FD)
    lock = files.FileLock(home.lock)
    give_up = time.monotonic() + LOCK_PATIENCE_SECONDS
    while not lock.acquire(blocking=False):  # a scheduler may start us before the submitter has recorded that it has the job
        if time.monotonic() >= give_up:
            return False
        time.sleep(0.01)
    return True


def _is_lock(fd: int, path: str) -> bool:
    """Whether a descriptor is open on that file."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except OSError:
        return False


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:
        return  # it was not open, or was the one that listed the folder

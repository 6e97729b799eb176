"""compute=slurm: what is sent is sent once, and a state is honest whatever Slurm says, or does not say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.testbed.cluster import Cluster
from trainconf.errors import LaunchError
from trainconf.files import FileLock, write_atomic
from trainconf.history import events, follow, liveness
from trainconf.launchers.protocol import RunHandle
from trainconf.launchers.slurm.commands import Controller
from trainconf.launchers.slurm.launcher import SlurmLauncher
from trainconf.launchers.slurm.queue_cache import QueueCache
from trainconf.launchers.slurm.reconcile import reconcile_jobs
from trainconf.launchers.states import states_of
from trainconf.paths import RunPaths
from trainconf.process import Completed, Processes
from trainconf.testing.runs import is_running, last, make_job, make_run_dir, output, shell, states, submit, unique_sleep, wait_until

pytestmark = pytest.mark.slurm
LATER = {"sbatch": {"begin": "now+1hour"}}


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path)


@pytest.fixture
def launcher(slurm_cluster: Cluster) -> SlurmLauncher:
    return SlurmLauncher()


class Counting(Processes):
    """Runs programs, and remembers their names."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def run(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, input: bytes | None = None, timeout_s: float | None = None
    ) -> Completed:
        self.names.append(argv[0])
        return super().run(argv, env=env, input=input, timeout_s=timeout_s)


def job_id(handle: RunHandle) -> str:
    return str(liveness.scheduler_of(handle.paths)["job_id"])


def jobs_named(name: str) -> list[str]:
    done = subprocess.run(["squeue", "--noheader", "--states=all", f"--name={name}", "--format=%i"], stdout=subprocess.PIPE, text=True)
    return done.stdout.split()


def sbatch_that(tmp_path: Path, text: str) -> dict[str, str]:
    """An environment in which sbatch is this."""
    real = subprocess.run(["sh", "-c", "command -v sbatch"], stdout=subprocess.PIPE, text=True).stdout.strip()
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sbatch").write_text(f"#!/bin/sh\nreal={real}\n{text}\n")
    (folder / "sbatch").chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


# -- sent once --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["exit 1", "echo Socket timed out on send/recv operation >&2; exit 1", "exit 0"])
def test_a_lost_reply_is_looked_up_and_never_makes_a_second_job(answer: str, root: str, tmp_path: Path, slurm_cluster: Cluster) -> None:
    launcher = SlurmLauncher(sbatch_that(tmp_path, f'"$real" "$@" >/dev/null; {answer}'))
    job = make_job(root, shell("echo ran"))
    handle = submit(launcher, job)
    assert launcher.wait(handle).status == "Completed"
    assert jobs_named(job.run_id) == [job_id(handle)]


def test_a_job_that_never_arrived_is_sent_again(root: str, tmp_path: Path, slurm_cluster: Cluster) -> None:
    refuse = f"touch {tmp_path}/tried; echo Unable to contact slurm controller >&2; exit 1"
    once = f'test -e {tmp_path}/tried || {{ {refuse}; }}; exec "$real" "$@"'
    launcher = SlurmLauncher(sbatch_that(tmp_path, once))
    job = make_job(root, shell("echo ran"))
    assert launcher.wait(submit(launcher, job)).status == "Completed"
    assert len(jobs_named(job.run_id)) == 1


def test_what_a_wrapper_prints_around_the_reply_is_no_matter(root: str, tmp_path: Path, slurm_cluster: Cluster) -> None:
    launcher = SlurmLauncher(sbatch_that(tmp_path, 'echo Welcome to the cluster; "$real" "$@"; echo "see you"'))
    assert launcher.wait(submit(launcher, make_job(root, shell("true")))).status == "Completed"


def test_when_nobody_answers_at_all_the_run_is_found_by_its_comment_later(
    root: str, tmp_path: Path, slurm_cluster: Cluster, launcher: SlurmLauncher
) -> None:
    environ = sbatch_that(tmp_path, f'"$real" "$@" >/dev/null; touch {tmp_path}/sent; exit 1')
    mute = tmp_path / "bin" / "squeue"
    mute.write_text("#!/bin/sh\nexit 1\n")
    mute.chmod(0o755)
    handle = submit(SlurmLauncher(environ), make_job(root, shell("true"), compute=LATER))
    assert "Slurm has not answered" in last(handle)["reason"]
    assert job_id(handle) == "None"
    assert "waits in Slurm: BeginTime" in launcher.state(handle).reason
    launcher.cancel(handle)
    assert launcher.wait(handle).status == "Canceled"


def test_a_submitter_killed_before_it_could_note_the_number_loses_nothing(root: str, launcher: SlurmLauncher) -> None:
    job = make_job(root, shell("true"), compute=LATER)
    handle = submit(launcher, job)
    history = Path(job.paths.events).read_text().splitlines()
    Path(job.paths.events).write_text(history[0] + "\n")
    assert launcher.state(handle).status == "Queued"
    launcher.cancel(handle)
    assert launcher.wait(handle).status == "Canceled"


def test_a_job_starts_with_no_mark_of_the_job_it_was_submitted_from(root: str, slurm_cluster: Cluster) -> None:
    left = {"SLURM_JOB_ID": "1", "SLURM_CPU_BIND": "quiet,mask_cpu:0x1", "SLURM_CPUS_PER_TASK": "9", "SBATCH_PARTITION": "nope",
            "SLURM_MEM_PER_NODE": "7", "PMI_RANK": "3", "RANK": "7", "CUDA_VISIBLE_DEVICES": "5", "TRAINCONF_ATTEMPT": "4"}  # fmt: skip
    launcher = SlurmLauncher({**os.environ, **left, "MINE": "kept"})
    handle = submit(launcher, make_job(root, ["env", "-0"]))
    assert launcher.wait(handle).status == "Completed"
    env = dict(line.split("=", 1) for line in output(handle).split("\0") if "=" in line)
    assert {name: env.get(name) for name in left if env.get(name) == left[name]} == {}
    assert (env["SLURM_JOB_ID"], env["MINE"], env.get("RANK")) == (job_id(handle), "kept", None)
    assert env["SLURM_CONF"] == slurm_cluster.conf


def test_a_run_can_be_submitted_from_inside_an_allocation(root: str, launcher: SlurmLauncher) -> None:
    code = (
        "from trainconf.testing.runs import *; from trainconf.launchers.slurm.launcher import SlurmLauncher; "
        f"submit(SlurmLauncher(), make_job({root!r}, shell('echo inner $SLURM_CPUS_PER_TASK'), run_id='inner'))"
    )
    outer = make_job(root, [sys.executable, "-c", code], run_id="outer", compute={"cpus_per_task": 2}, env={"PYTHONPATH": os.getcwd()})
    handle = submit(launcher, outer)
    assert launcher.wait(handle).status == "Completed", output(handle)
    (found,) = [path for path in Path(root, "runs", "exp").iterdir() if path.name.startswith("inner")]
    inside = RunHandle(RunPaths(str(found)))
    assert launcher.wait(inside).status == "Completed"
    assert output(inside) == "inner 1\n"


# -- how it ended, when the job could not say ---------------------------------------------------------------------------------


def up(launcher: SlurmLauncher, root: str, **wishes: object) -> RunHandle:
    handle = submit(launcher, make_job(root, shell("echo up; exec sleep 600"), **wishes))  # type: ignore[arg-type]
    wait_until(lambda: last(handle)["state"] == "Running" and output(handle) == "up\n", "the job")
    return handle


def test_scancel_from_outside_is_canceled(root: str, launcher: SlurmLauncher) -> None:
    handle = submit(launcher, make_job(root, shell("true"), compute=LATER))
    subprocess.run(["scancel", job_id(handle)], check=True)
    assert launcher.wait(handle).status == "Canceled"
    assert "canceled in Slurm" in last(handle)["reason"]
    assert follow.exit_code(launcher.state(handle)) == 130


def kill_agent(handle: RunHandle) -> None:
    """Agent and watchdog at once: neither sees the other end. A pid in the job's own namespace says nothing here; words do."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path("/proc", entry, "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(handle.paths.run_dir) in words and any(word.endswith(b"agent/__main__.py") for word in words):
            os.kill(int(entry), signal.SIGSTOP)
            found.append(int(entry))
    for pid in found:
        os.kill(pid, signal.SIGKILL)


def test_an_agent_that_was_killed_is_failed_with_slurms_word_recorded_once_and_for_all(root: str, launcher: SlurmLauncher) -> None:
    handle = up(launcher, root)
    kill_agent(handle)
    state = launcher.wait(handle)
    assert (state.status, state.event["exit_code"]) == ("Failed", 137)
    assert "by signal 9, before its agent could record" in state.reason
    assert "node" in state.reason
    assert states(handle)[-1] == "Failed"
    assert liveness.state_of(handle.paths).reason == state.reason


GREEDY = "x = bytearray(600_000_000); x[::4096] = b'x' * len(x[::4096]); __import__('time').sleep(20)"


def counts_memory(slurm_cluster: Cluster) -> bool:
    """Whether the kernel minds the memory of jobs there; else Slurm itself does (tests/testbed/slurm/with-cgroups.conf)."""
    return "task/cgroup" in slurm_cluster.ask("scontrol", "show", "config")


def test_too_much_memory_is_called_so(root: str, slurm_cluster: Cluster, launcher: SlurmLauncher) -> None:
    """The script's child is killed for it, and the script passes on its code, as a shell does."""
    handle = submit(launcher, make_job(root, shell(f'{sys.executable} -c "{GREEDY}"; exit $?'), compute={"mem_gib": 0.1}))
    state = launcher.wait(handle)
    assert (state.status, state.event["exit_code"]) == ("Failed", 137)
    if counts_memory(slurm_cluster):
        assert state.reason.startswith("exit code 137; the kernel's out-of-memory killer ended a process of the job: it used more memory")
    else:
        assert "and Slurm gave it 0.10 GiB (compute.mem_gib)" in state.reason


def test_too_much_memory_that_also_ended_the_agent_is_called_so(root: str, slurm_cluster: Cluster, launcher: SlurmLauncher) -> None:
    text = f'{sys.executable} -c "{GREEDY}"; kill -9 $PPID; sleep 600'
    state = launcher.wait(submit(launcher, make_job(root, shell(text), compute={"mem_gib": 0.1})))
    assert (state.status, state.event["exit_code"]) == ("Failed", 137)
    assert "memory" in state.reason
    assert "(compute.mem_gib)" in state.reason


@pytest.mark.slurm(cluster="bare")
def test_what_outlives_agent_and_guard_is_told_and_ended_by_cancel(root: str, launcher: SlurmLauncher) -> None:
    left = unique_sleep()
    handle = submit(launcher, make_job(root, shell(f"setsid -f {left}; exec {left}")))
    wait_until(lambda: last(handle)["state"] == "Running" and is_running(left), "the job")
    kill_agent(handle)
    state = launcher.wait(handle)
    assert state.status == "NotResponding"
    assert "is over in Slurm, but the run still runs here as pid" in state.reason
    launcher.cancel(handle)
    assert not is_running(left)
    assert launcher.wait(handle).status == "Canceled"
    assert "Failed" not in states(handle)


@pytest.mark.slurm(cluster="bare")
def test_too_much_memory_is_called_so_where_slurm_itself_watches_it(root: str, slurm_cluster: Cluster, launcher: SlurmLauncher) -> None:
    state = launcher.wait(submit(launcher, make_job(root, [sys.executable, "-c", GREEDY], compute={"mem_gib": 0.1})))
    assert (state.status, state.event["exit_code"]) == ("Failed", 137)
    assert "on bare1 because it used 0." in state.reason
    assert "and Slurm gave it 0.10 GiB (compute.mem_gib)" in state.reason


@pytest.mark.slurm(cluster="bare")
def test_without_accounting_a_forgotten_job_is_not_responding_and_never_failed(root: str, launcher: SlurmLauncher) -> None:
    handle = up(launcher, root)
    kill_agent(handle)
    wait_until(lambda: not jobs_named(handle.paths.run_id), "Slurm to forget it")
    wait_until(lambda: liveness.state_of(handle.paths).scheduler is not None, "the agent's watchdog to let go of the run")
    clock = Clock()
    queue = QueueCache(Controller(os.environ), handle.paths.workspace, clock)
    recorded = liveness.state_of(handle.paths)
    assert reconcile_jobs(queue, [(handle.paths, recorded)])[0].status == "Running"  # it may have been asked too early
    clock.seconds += 60
    (state,) = reconcile_jobs(queue, [(handle.paths, recorded)])
    assert state.status == "NotResponding"
    assert "no accounting tells how it ended" in state.reason
    assert states(handle)[-1] == "Running"


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.seconds = time.time()

    def __call__(self) -> float:
        return self.seconds


# -- when Slurm is not there ---------------------------------------------------------------------------------------------------


def test_while_the_controller_is_away_a_run_is_as_recorded_and_then_goes_on(
    root: str, slurm_cluster: Cluster, launcher: SlurmLauncher
) -> None:
    waiting = submit(launcher, make_job(root, shell("true"), run_id="waiting", compute={"sbatch": {"begin": "now+5"}}))
    running = up(launcher, root)
    slurm_cluster.daemon("stop", "slurmctld")
    state = SlurmLauncher().state(waiting)
    assert (state.status, state.reason[:39]) == ("Queued", "as recorded; Slurm does not answer sinc")
    assert SlurmLauncher().state(running).status == "Running"
    with pytest.raises(LaunchError, match="could not be told"):
        launcher.cancel(running)
    assert launcher.state(running).status == "CancelRequested"
    slurm_cluster.daemon("start", "slurmctld")
    assert launcher.wait(waiting).status == "Completed"
    launcher.cancel(running)
    assert launcher.wait(running).status == "Canceled"


def test_without_the_database_runs_go_on(root: str, slurm_cluster: Cluster, launcher: SlurmLauncher) -> None:
    slurm_cluster.daemon("stop", "slurmdbd")
    handle = submit(launcher, make_job(root, shell("exit 3")))
    assert launcher.wait(handle).status == "Failed"
    assert last(handle)["exit_code"] == 3
    waiting = submit(launcher, make_job(root, shell("true"), compute=LATER))
    assert "BeginTime" in launcher.state(waiting).reason
    launcher.cancel(waiting)
    assert launcher.wait(waiting).status == "Canceled"


# -- what it costs an administrator --------------------------------------------------------------------------------------------


def test_a_thousand_watched_runs_make_a_few_calls_a_minute(root: str, slurm_cluster: Cluster) -> None:
    array = subprocess.run(
        ["sbatch", "--parsable", "--hold", "--array=0-999", "--job-name=sweep", "--comment=trainconf sweep 0",
         "--output=/dev/null", "--wrap=true"],
        stdout=subprocess.PIPE, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    try:
        runs = []
        for number in range(1000):
            job = make_job(root, shell("true"), run_id=f"sweep_{number}")
            make_run_dir(job)
            events.append(job.paths, "Queued", scheduler={"kind": "slurm", "job_id": f"{array}_{number}", "conf": slurm_cluster.conf})
            runs.append(job.paths)
        counting, clock = Counting(), Clock()
        watchers = [QueueCache(Controller(os.environ, counting, slurm_cluster.conf), runs[0].workspace, clock) for _ in range(5)]
        recorded = [(paths, liveness.state_of(paths)) for paths in runs]
        per_minute = []
        for _ in range(5):
            before = len(counting.names)
            for _ in range(60):
                clock.seconds += 1
                for number, queue in enumerate(watchers):
                    some = recorded[number * 200 : number * 200 + 200]
                    queue.refresh((str(state.scheduler["job_id"]) for _, state in some if state.scheduler), {os.getuid()})
            per_minute.append(len(counting.names) - before)
        assert set(counting.names) == {"squeue"}
        assert per_minute[0] <= 12
        assert max(per_minute[2:]) <= 2
        (state,) = reconcile_jobs(watchers[0], recorded[:1])
        assert "is held in Slurm" in state.reason
    finally:
        subprocess.run(["scancel", array], check=True)


def test_a_lost_agent_is_asked_about_at_once_and_then_ever_more_seldom(root: str, slurm_cluster: Cluster, launcher: SlurmLauncher) -> None:
    """Its job waits here, as one does that Slurm is still ending: no answer is the last."""
    handle = submit(launcher, make_job(root, shell("true"), compute=LATER))
    try:
        counting, clock = Counting(), Clock()
        queue = QueueCache(Controller(os.environ, counting, slurm_cluster.conf), handle.paths.workspace, clock)
        reconcile_jobs(queue, [(handle.paths, liveness.state_of(handle.paths))])
        events.append(handle.paths, "Running")
        asked_at = []
        for tick in range(120):
            clock.seconds += 0.5
            before = len(counting.names)
            reconcile_jobs(queue, [(handle.paths, liveness.state_of(handle.paths))])
            asked_at += [tick / 2] * (len(counting.names) - before)
        assert asked_at[0] == 0
        assert len([at for at in asked_at if at <= 5]) <= 5
        assert len(asked_at) <= 10
    finally:
        launcher.cancel(handle)


def test_readers_of_a_workspace_ask_once_for_all_its_runs(root: str, slurm_cluster: Cluster, launcher: SlurmLauncher) -> None:
    handles = [submit(launcher, make_job(root, shell("true"), compute=LATER)) for _ in range(3)]
    try:
        counting = Counting()
        found = SlurmLauncher(os.environ, counting).reconcile([(handle.paths, liveness.state_of(handle.paths)) for handle in handles])
        assert [state.reason.partition(": ")[2] for state in found] == ["BeginTime"] * 3
        assert counting.names == ["squeue"]
        assert [state.status for state in states_of([handle.paths for handle in handles])] == ["Queued"] * 3
    finally:
        for handle in handles:
            launcher.cancel(handle)


def test_a_final_event_is_noticed_within_a_quarter_of_a_second(root: str, slurm_cluster: Cluster, launcher: SlurmLauncher) -> None:
    """Nobody asks Slurm meanwhile: the look at the events is what is timed, and its longest pause is known."""
    job = make_job(root, shell("true"))
    make_run_dir(job)
    write_atomic(job.paths.plan, json.dumps(launcher.plan(job).to_dict()))
    with FileLock(job.paths.lock):
        events.append(job.paths, "Running")
    assert follow.IDLE_PAUSE_S < 0.25
    pid = os.fork()
    if pid == 0:
        time.sleep(0.8)
        events.append(job.paths, "Completed", exit_code=0)
        os._exit(0)
    assert launcher.wait(RunHandle(job.paths)).status == "Completed"
    os.waitpid(pid, 0)


@pytest.mark.slow
def test_a_node_that_dies_is_named_and_the_run_is_failed(root: str, slurm_cluster: Cluster, launcher: SlurmLauncher) -> None:
    handle = up(launcher, root, compute={"sbatch": {"nodelist": "node3"}})
    slurm_cluster.lose("node3")
    state = launcher.wait(handle)
    assert state.status == "Failed"
    assert "node3" in state.reason
    assert states(handle)[-1] == "Failed"

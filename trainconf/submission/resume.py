"""Makes an ended run begin anew: its next attempt, in its own directory with what it has written, by the same spec.

What is on the disk at each moment is an ended run or a submitted one. The line in events.jsonl with which the run begins anew is written
last, just before its launcher gets it; a launch that fails is followed by the end of before.
"""

from __future__ import annotations

import os
from typing import Any

from trainconf import files, launchers
from trainconf.agent import job_folders
from trainconf.errors import ConfigError, Mistake, RunNotFoundError, StorageError, TrainconfError, UserError
from trainconf.files import FileLock
from trainconf.history import events, liveness
from trainconf.launchers import states
from trainconf.launchers.protocol import LaunchPlan, RunHandle
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.process import interruptions_held
from trainconf.reporter import Reporter
from trainconf.snapshot import SnapshotStore
from trainconf.spec import RunSpec
from trainconf.submission.code import find_code
from trainconf.submission.drift import of_specs
from trainconf.submission.inputs import with_digests
from trainconf.submission.replay import from_run
from trainconf.submission.submit import Prepared, Submitted, make_job, prepare, prepared_spec, record_in_index


def resume(paths: RunPaths, overrides: list[str], workspace: WorkspacePaths, reporter: Reporter) -> Submitted:
    """Submit the next attempt of a run that failed, was cancelled, or lost its agent. `overrides` say how to follow it: `submit.`.

    Raises UserError for a run that completed, goes on, or would not be the same; and as `submit` does. The run is then as it was.
    """
    _check_state(paths, reporter)
    lock = FileLock(paths.lock)
    try:
        if not liveness.hold_ended(paths, lock):
            what = f"{paths.run_id} is just being resumed, or removed, by another process"
            raise UserError(what, hint=f"`trainconf show {paths.run_id}`")
        if not _is_the_run_s(lock):
            raise RunNotFoundError(f"{paths.run_id} was removed just now", ("path", paths.run_dir))
        before = events.last(paths) or {}
        _refuse_completed(paths, before.get("state"))  # another process may have resumed it meanwhile
        return _resume(paths, overrides, workspace, reporter, lock, before)
    except OSError as error:
        raise StorageError.from_os_error(error, "the run's folder cannot be written") from error
    finally:
        lock.release()


def _resume(
    paths: RunPaths, overrides: list[str], workspace: WorkspacePaths, reporter: Reporter, lock: FileLock, before: dict[str, Any]
) -> Submitted:  # fmt: skip
    resolved, git = from_run(paths, overrides, workspace, reporter)
    if not os.path.lexists(paths.code):
        find_code(resolved.spec.code.snapshot, resolved.source_directory, git, workspace, paths.spec)
    prepared = prepare(resolved, workspace, reporter)
    resolved = with_digests(resolved, workspace, reporter)
    _check_spec(paths, prepared_spec(resolved, prepared))
    history = events.read_all(paths)
    attempt = 1 + max((event["attempt"] for event in history if event["state"] == "Starting"), default=0)
    job = make_job(resolved, prepared_spec(resolved, prepared), paths, workspace, prepared.environment, prepared.secrets)
    plan = prepared.launcher.again(prepared.launcher.plan(job), 1 + sum(events.RESUMED in event for event in history))
    if not os.path.lexists(paths.code):
        SnapshotStore(workspace.snapshots).materialize(resolved.spec.code.snapshot, paths.code)
    _own_lock(paths)
    job_folders.take_back(paths)
    output_start = _size(paths.log(0))
    try:
        with interruptions_held():
            handle = _launch(paths, prepared, plan, lock, attempt)
    except BaseException as error:
        _take_back(paths, before, error)
        raise
    record_in_index(workspace, paths)
    return Submitted(paths, resolved.config.submit, plan, prepared.launcher, agent_pid=handle.agent_pid, output_start=output_start)


def _launch(paths: RunPaths, prepared: Prepared, plan: LaunchPlan, lock: FileLock, attempt: int) -> RunHandle:
    """Let the run begin anew. The requests to cancel of before go first: the new agent would hear of them."""
    for force in (True, False):
        if os.path.lexists(request := paths.cancel_request(force=force)):
            os.unlink(request)
    events.append(paths, "NotStarted", attempt, **{events.RESUMED: {"by": events.requester()}})
    return prepared.launcher.submit(plan, lock, prepared.secrets)


def _take_back(paths: RunPaths, before: dict[str, Any], error: BaseException) -> None:
    """The launch has failed: the run ends again as it had ended before."""
    latest = events.last(paths)
    if latest is None or events.RESUMED not in latest:
        job_folders.put_away_later(paths, before["state"])
        return  # nothing was recorded, or it has begun
    why = error.mistakes[0].what if isinstance(error, TrainconfError) else type(error).__name__
    reason = f"it could not be resumed: {why}; before: {before.get('reason') or 'no reason'}"
    facts = {"exit_code": before.get("exit_code"), "reason": reason, **job_folders.put_away_later(paths, before["state"])}
    events.append(paths, before["state"], before["attempt"], **facts)


def _check_state(paths: RunPaths, reporter: Reporter) -> None:
    """Raise UserError for a run that has nothing to go on with. What is left of a lost one is ended."""
    state = states.state_of(paths)
    if state.status == "NotResponding":
        reporter.info(f"{paths.run_id} is NotResponding: {state.reason}; what is left of it is ended first")
        launchers.of_run(paths).cancel(RunHandle(paths))
        state = states.state_of(paths)
    _refuse_completed(paths, state.status)
    if not state.is_final:
        raise UserError(f"{paths.run_id} is {state.status}, and a run that goes on cannot be resumed",
                        *([("reason", state.reason)] if state.reason else []), ("path", paths.run_dir),
                        hint=f"`trainconf wait {paths.run_id}`, or `trainconf cancel {paths.run_id}` first")
    if (home := _sweep_of(paths)) is not None and not _has_ended(home):
        raise UserError(f"{paths.run_id} is a trial of {home.run_id}, which goes on", ("path", paths.run_dir),
                        hint=f"`trainconf sweep retry {home.run_id}` runs its failed trials again")


def _refuse_completed(paths: RunPaths, status: str | None) -> None:
    if status == "Completed":
        raise UserError(f"{paths.run_id} is Completed: it has nothing to go on with", ("path", paths.run_dir),
                        hint=f"`trainconf rerun {paths.run_id}` runs it again, as a new run")


def _sweep_of(paths: RunPaths) -> RunPaths | None:
    parent = files.read_json(paths.record, liveness.RECORD_BYTES).get("parent") if os.path.exists(paths.record) else None
    if not isinstance(parent, str) or os.path.basename(parent) != parent:
        return None
    home = RunPaths(os.path.join(os.path.dirname(paths.run_dir), parent))
    return home if os.path.exists(home.sweep) else None


def _has_ended(sweep: RunPaths) -> bool:
    return states.state_of(sweep).is_final and not files.is_locked(sweep.controller_lock) and not files.is_locked(sweep.lock)


def _is_the_run_s(lock: FileLock) -> bool:
    """Whether the lock that we have is in the run's folder still, which `rm` renames."""
    try:
        return os.path.samestat(os.fstat(lock.fd), os.stat(lock.path))
    except FileNotFoundError:
        return False


def _check_spec(paths: RunPaths, spec: RunSpec) -> None:
    """Raise ConfigError when what would run now is not what ran: an input, the software or an image has changed."""
    then = RunSpec.from_dict(files.read_json(paths.spec), paths.spec)
    if then.spec_hash == spec.spec_hash:
        return
    raise ConfigError(Mistake(
        f"{paths.run_id} would not be the same run any more", ("differs", "\n".join(of_specs(then, spec)) or "the spec"),
        hint=f"`trainconf rerun {paths.run_id}` makes a new run of it, which says what it ran with",
    ))


def _own_lock(paths: RunPaths) -> None:
    """From now on the run has an agent of its own: a trial had its sweep's. Raises OSError, ValueError."""
    record = files.read_json(paths.record, liveness.RECORD_BYTES)
    if record.get("lock") != paths.lock:
        files.write_atomic(paths.record, files.dumps({**record, "lock": paths.lock}))


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0

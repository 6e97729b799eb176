"""From a resolved config to a submitted run. What a run needs is prepared first, so that a mistake leaves nothing behind.

`prepare` does what many runs of one sweep share; `create` makes one run's directory; `submit` is both and the launch.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from functools import lru_cache

from trainconf import environments, launchers
from trainconf.errors import ConfigError, EnvironmentRecipeError, StorageError
from trainconf.fast.records import Record, replace
from trainconf.files import FileLock
from trainconf.launchers.protocol import Job, RunHandle
from trainconf.limits import MONITOR_INTERVAL_SECONDS
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.process import interruptions_held
from trainconf.reporter import SILENT
from trainconf.resolve import secrets
from trainconf.resolve.resolver import Resolved
from trainconf.snapshot import SnapshotStore
from trainconf.submission.git_facts import GitFactsLater
from trainconf.submission.inputs import not_looked_at, tell_leaving_links, with_digests
from trainconf.submission.record import with_run_id, write_run
from trainconf.submission.run_id import claim_run_dir, remove_run_dir

MANY_FILES = 10_000  # of a tree that nobody has meant to copy for each run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trainconf.environments import Prepared as PreparedEnvironment
    from trainconf.environments import Software
    from trainconf.launchers.protocol import Launcher, LaunchPlan
    from trainconf.reporter import Reporter
    from trainconf.resolve.run_config import RunConfig
    from trainconf.schema import SubmitConfig
    from trainconf.snapshot.blobs.opened import OpenSnapshot
    from trainconf.spec import CodeSpec, RunSpec


class Prepared(Record):
    """What the runs of one submission share: the code, the software, the secrets' values, and who launches."""

    store: SnapshotStore
    snapshot_id: str
    environment: PreparedEnvironment
    git: GitFactsLater
    launcher: Launcher
    secrets: dict[str, str]


class Submitted(Record):
    """A run that was handed over. Without a plan it is one that completed before and is returned instead.

    `options` say whether to detach and to stream. `not_looked_at` says which inputs may differ from that run's.
    `output_start` is how much of the output earlier attempts wrote, in bytes.
    """

    paths: RunPaths
    options: SubmitConfig
    plan: LaunchPlan | None = None
    launcher: Launcher | None = None
    agent_pid: int | None = None
    not_looked_at: str = ""
    output_start: int = 0

    def cancel(self, *, force: bool = False) -> None:
        """Ask for the end of the run; nothing to do for one that completed before."""
        if self.launcher is not None:
            self.launcher.cancel(RunHandle(self.paths), force=force)


def take_snapshot(resolved: Resolved, workspace: WorkspacePaths, reporter: Reporter) -> str:
    """Record the source tree; its id. A spec that names its snapshot already keeps it. Raises SnapshotError, StorageError."""
    if resolved.spec.code.snapshot:
        return resolved.spec.code.snapshot
    guards = resolved.config.snapshot
    store = SnapshotStore(workspace.snapshots)
    snapshot = store.take(
        resolved.source_directory, max_mb=guards.max_mb, max_files=guards.max_files, allow_keys=guards.allow_keys,
        reporter=reporter,
    )
    if snapshot.file_count > MANY_FILES:
        reporter.info(f"note: each run gets a copy of {snapshot.file_count} files of {resolved.source_directory}; is that the project? "
                      ".gitignore and .trainconfignore leave out what is data (docs/recipes.md)")  # fmt: skip
    for path in snapshot.leaving_links:
        reporter.info(f"note: {path} links out of the source directory; the link travels, what it names does not")
    for path in snapshot.skipped:
        reporter.info(f"note: {path} is neither file, folder nor link; it does not travel")
    return str(snapshot.id)


def prepare(resolved: Resolved, workspace: WorkspacePaths, reporter: Reporter) -> Prepared:
    """Everything that can fail before a run exists: launcher, secrets, snapshot, git, environment."""
    git = GitFactsLater(resolved.source_directory)  # first, for git takes longest
    launcher = launchers.get(resolved.spec.compute.target)
    check(resolved, workspace, launcher)
    if resolved.spec.code.inputs and (launcher.needs_image or resolved.spec.environment.image):
        tell_leaving_links(resolved.spec.code, workspace, reporter)
    variables = resolved.spec.environment.variables
    known = secrets.look_up(variables, os.environ, secrets.default_file())
    reporter.redact(known.values())
    snapshot_id = take_snapshot(resolved, workspace, reporter)
    with _recorded_code(resolved, workspace, snapshot_id) as code:
        environment = _built_in_job(resolved, workspace) or environments.ensure(environments.EnvironmentRequest(
            resolved.spec.environment, workspace, resolved.config.env.name, reporter,
            image_build=vars(resolved.config.env.docker.build), recorded_code=code,
        ))
    if resolved.spec.environment.kind == "current" and not resolved.spec.environment.interpreter:
        from trainconf.environments.recipe.interpreter import imported_from, taken_for_another

        if note := taken_for_another():
            reporter.info(f"note: {note}")
        folder = imported_from(resolved.source_directory)
        inside = os.path.relpath(folder or os.curdir, os.path.realpath(resolved.source_directory))
        first = os.path.dirname(resolved.spec.code.script) or os.curdir  # where Python looks before all else
        if folder and inside != first and "PYTHONPATH" not in dict(variables):
            reporter.info(f"note: modules are imported from {folder}, where they may change, and not from the run's own copy: "
                          f"+env.variables.PYTHONPATH={inside} takes that")
    if resolved.spec.code.script and not environment.python:
        named = resolved.spec.environment.image or environment.image
        raise EnvironmentRecipeError(
            f"image {named} has no Python to run {resolved.spec.code.script} with",
            ("looked for", "python, python3"),
            hint="name its interpreter with env.python.interpreter_path, or run a command: command=[...]",
        )
    return Prepared(SnapshotStore(workspace.snapshots), snapshot_id, environment, git, launcher, secrets.fill(variables, known))


@contextmanager
def _recorded_code(resolved: Resolved, workspace: WorkspacePaths, snapshot_id: str) -> Iterator[Callable[[], str]]:
    """What it gives makes a workspace that holds the recorded code, for as long as the block lasts; empty text when that is elsewhere."""
    with ExitStack() as made:

        def make() -> str:
            inside = os.path.relpath(resolved.source_directory, workspace.root)
            if inside.split(os.sep)[0] == os.pardir:
                return ""
            from tempfile import TemporaryDirectory

            root = os.path.join(made.enter_context(TemporaryDirectory(prefix="trainconf-code-")), "workspace")
            folder = os.path.normpath(os.path.join(root, inside))
            os.makedirs(os.path.dirname(folder), exist_ok=True)
            SnapshotStore(workspace.snapshots).materialize(snapshot_id, folder)
            return root

        yield make


def _built_in_job(resolved: Resolved, workspace: WorkspacePaths) -> PreparedEnvironment | None:
    """The environment that is still missing, where the job shall build it."""
    if resolved.config.compute.build != "job":
        return None
    return environments.ensure_later(software_of(resolved, workspace))


def software_of(resolved: Resolved, workspace: WorkspacePaths) -> environments.EnvironmentRequest:
    """The environment that a resolved config asks for."""
    return environments.EnvironmentRequest(resolved.spec.environment, workspace, resolved.config.env.name)


def prepared_spec(resolved: Resolved, prepared: Prepared) -> RunSpec:
    """The spec of a resolved config, now that its code has a name and an image that had to be fetched has its id."""
    spec = spec_with_code(resolved, prepared.snapshot_id)
    if not spec.environment.image or spec.environment.software_id or environments.is_file(spec.environment):
        return spec
    return replace(spec, environment=replace(spec.environment, software_id=prepared.environment.image))


def spec_with_code(resolved: Resolved, snapshot_id: str) -> RunSpec:
    """The spec of a resolved config, now that its code has a name."""
    return replace(resolved.spec, code=_named(resolved.spec.code, snapshot_id))


@lru_cache(maxsize=8)  # trials of a sweep share it
def _named(code: CodeSpec, snapshot_id: str) -> CodeSpec:
    return replace(code, snapshot=snapshot_id)


def make_job(
    resolved: Resolved, spec: RunSpec, paths: RunPaths, workspace: WorkspacePaths, software: Software, secret_values: dict[str, str]
) -> Job:
    """One run for a launcher; the inputs of its spec are paths of this machine."""
    if spec.code.inputs:
        inputs = tuple((name, os.path.join(workspace.root, path)) for name, path in spec.code.inputs)
        spec = replace(spec, code=replace(spec.code, inputs=inputs))
    spec = with_run_id(spec, paths.run_id)
    plain = {name: value for name, value in spec.environment.variables if not secrets.is_reference(value)}
    config = resolved.config
    return Job(
        spec=spec, paths=paths, experiment_name=resolved.experiment_name, python=software.python, image=software.image,
        env=plain, secrets=secret_values, retries=config.retries, retry_backoff_seconds=config.retry_backoff_seconds,
        stdout_metrics=config.stdout_metrics, monitor_interval_seconds=_monitor_interval_s(config),
        compute=config.tree["compute"], distributed=config.tree["distributed"],
    )


def _monitor_interval_s(config: RunConfig) -> float:
    """A frozen file may be older than this setting."""
    return float(config.tree.get("monitor", {}).get("interval_seconds", MONITOR_INTERVAL_SECONDS))


def code_of(resolved: Resolved, prepared: Prepared) -> OpenSnapshot:
    """The snapshot, opened for the folders of one run or of many; to be closed. Raises SnapshotError, StorageError."""
    return prepared.store.opened(prepared.snapshot_id)


def create(
    resolved: Resolved, prepared: Prepared, code: OpenSnapshot, workspace: WorkspacePaths, *, run_id: str = "",
    parent: str | None = None, lock_path: str = "", durable: bool = True, reporter: Reporter = SILENT,
) -> tuple[RunPaths, LaunchPlan, FileLock]:
    """Make one run's directory, whole or not at all. The returned lock is held: a run whose lock is free has no owner.

    `lock_path` names the lock of a sweep, which owns all its trials; the returned lock is then not held. Whoever makes many runs
    syncs the disk once for all of them, and not each (`durable`).
    Raises StorageError.
    """
    spec = prepared_spec(resolved, prepared)
    lock = FileLock(lock_path)
    try:
        paths = claim_run_dir(workspace, resolved.experiment_name, run_id)
        try:
            if not lock_path:
                lock = FileLock(paths.lock)
                lock.acquire()
                with interruptions_held():  # or nobody would know of what was begun
                    prepared.launcher.get_ready(paths, lock, prepared.secrets)
            job = make_job(resolved, spec, paths, workspace, prepared.environment, prepared.secrets)
            plan = prepared.launcher.plan(job)
            code.materialize(paths.code, reporter)
            write_run(paths, resolved, spec, prepared.environment.lock_text, prepared.git.get(), parent, lock.path, durable=durable)
        except BaseException:
            prepared.launcher.give_up()
            lock.release()
            remove_run_dir(paths)
            raise
    except OSError as error:
        raise StorageError.from_os_error(error, "the run's folder cannot be written") from error
    return paths, plan, lock


def submit(resolved: Resolved, workspace: WorkspacePaths, reporter: Reporter, *, parent: str | None = None) -> Submitted:
    """Submit one run and return as soon as its agent has it. Raises UserError kinds, BuildError, LaunchError.

    parent: the id of the run it is below.

    An interruption leaves nothing: before the agent has the run its folder is removed, afterwards the run is cancelled.
    """
    prepared = prepare(resolved, workspace, reporter)
    resolved = with_digests(resolved, workspace, reporter)
    if resolved.config.submit.reuse:
        found = find_completed(workspace, prepared_spec(resolved, prepared))
        if found is not None:
            return Submitted(found, resolved.config.submit, not_looked_at=not_looked_at(resolved.spec))
    with code_of(resolved, prepared) as code:
        paths, plan, lock = create(resolved, prepared, code, workspace, parent=parent, reporter=reporter)
    handle = None
    try:
        with interruptions_held():  # in the middle of a launch nobody could say whether there is an agent to cancel
            handle = prepared.launcher.submit(plan, lock, prepared.secrets)
        record_in_index(workspace, paths)
    except BaseException as error:
        if handle is None:
            prepared.launcher.give_up()
            remove_run_dir(paths)
        elif isinstance(error, KeyboardInterrupt):
            prepared.launcher.cancel(handle)
        raise
    finally:
        lock.release()
    return Submitted(paths, resolved.config.submit, plan, prepared.launcher, agent_pid=handle.agent_pid)


def record_in_index(workspace: WorkspacePaths, paths: RunPaths) -> None:
    """Add the run to the index. The index is a shortcut: it finds the run by itself when this fails."""
    from trainconf.history.index.index import Index  # sqlite is 5 ms, and the agent is on its way meanwhile

    Index(workspace).add(paths)


def find_completed(workspace: WorkspacePaths, spec: RunSpec) -> RunPaths | None:
    """The newest completed run with this spec; None without one, or where equal specs need not mean equal software."""
    if not environments.is_known(spec.environment):
        return None
    from trainconf.history.index.index import Index

    with Index(workspace) as index:
        return index.completed(spec.spec_hash)


def check(resolved: Resolved, workspace: WorkspacePaths, launcher: Launcher) -> None:
    """Ask the launcher whether it could carry the run out, before anything is made for it. Raises ConfigError."""
    software = environments.Software(sys.executable)
    if resolved.spec.environment.kind != "image":  # what is not built yet is not there, and may bring what the job needs
        software, _ = environments.locate(software_of(resolved, workspace))
    try:
        _plan_only(resolved, workspace, "", software, launcher)
    except ConfigError as error:
        for mistake in error.mistakes:
            resolved.composed.locate(mistake)
        raise ConfigError(error.mistakes) from error


def plan_only(resolved: Resolved, workspace: WorkspacePaths, snapshot_id: str, software: Software) -> tuple[RunSpec, LaunchPlan]:
    """The spec and the plan a submission would send, for a run id that is only shown; nothing is written."""
    return _plan_only(resolved, workspace, snapshot_id, software, launchers.get(resolved.spec.compute.target))


def _plan_only(
    resolved: Resolved, workspace: WorkspacePaths, snapshot_id: str, software: Software, launcher: Launcher
) -> tuple[RunSpec, LaunchPlan]:  # fmt: skip
    spec = spec_with_code(resolved, snapshot_id)
    paths = workspace.run(resolved.experiment_name, f"{resolved.experiment_name}-<time>-<id>")
    values = dict.fromkeys((name for name, value in spec.environment.variables if secrets.is_reference(value)), "")
    return spec, launcher.plan(make_job(resolved, spec, paths, workspace, software, values))

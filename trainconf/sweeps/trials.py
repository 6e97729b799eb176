"""Makes the runs of a sweep's trials: what they share is prepared once, then each gets its directory."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from trainconf import launchers
from trainconf.errors import ConfigError
from trainconf.files import dumps
from trainconf.git.state import GitFacts
from trainconf.launchers.protocol import Launcher, LaunchPlan
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.reporter import Reporter
from trainconf.resolve.resolver import Resolved
from trainconf.snapshot.blobs.opened import OpenSnapshot
from trainconf.spec import RunSpec
from trainconf.submission.inputs import with_digests
from trainconf.submission.submit import Prepared, check, code_of, create, find_completed, prepare, prepared_spec, spec_with_code


class TrialMaker:
    """Makes runs for as long as it is open. `secrets` are the values that any of them needs."""

    def __init__(self, workspace: WorkspacePaths, reporter: Reporter) -> None:
        self.workspace = workspace
        self.secrets: dict[str, str] = {}
        self._reporter = reporter
        self._launchers: dict[str, Launcher] = {}  # one each: what it has found out about its target holds for all trials
        self._prepared: dict[Any, Prepared] = {}
        self._opened: dict[Any, OpenSnapshot] = {}
        self._digests: dict[str, str] = {}
        self._stack = ExitStack()

    def prepare(self, resolved: Resolved) -> Resolved:
        """Everything that can fail before a trial's directory is made; what would run, with the digests of its inputs.

        Raises UserError kinds, BuildError.
        """
        target, key = resolved.spec.compute.target, _shared(resolved)
        if target not in self._launchers:
            self._launchers[target] = launchers.get(target)
        check(resolved, self.workspace, self._launchers[target])
        if key not in self._prepared:
            self._prepared[key] = prepare(resolved, self.workspace, self._reporter)
        for name, value in self._prepared[key].secrets.items():
            if self.secrets.setdefault(name, value) != value:
                raise ConfigError(
                    f"{name} holds different secrets in different trials", ("allowed", "one secret per variable and sweep"),
                    hint="run the trials one by one, or give each secret a variable of its own",
                )
        return with_digests(resolved, self.workspace, self._reporter, self._digests)

    def completed(self, resolved: Resolved) -> RunPaths | None:
        """A run with the same spec that completed before."""
        return find_completed(self.workspace, spec_with_code(resolved, self._prepared[_shared(resolved)].snapshot_id))

    def make(self, resolved: Resolved, run_id: str, sweep_id: str, lock_path: str) -> tuple[RunPaths, LaunchPlan]:
        """Make the directory of a trial that was prepared, whole or not at all; its paths and the plan to be carried out.

        lock_path: the lock of whoever carries out all trials; empty where each has its own. Raises StorageError, FileExistsError.
        """
        key = _shared(resolved)
        if key not in self._opened:
            self._opened[key] = self._stack.enter_context(code_of(resolved, self._prepared[key]))
        paths, plan, lock = create(
            resolved, self._prepared[key], self._opened[key], self.workspace, run_id=run_id, parent=sweep_id, lock_path=lock_path,
            durable=False,
        )
        lock.release()
        return paths, plan

    def recorded(self, resolved: Resolved) -> tuple[RunSpec, str, GitFacts | None]:
        """What a run's record says of a trial that was prepared: its spec, its software line by line, and what git says."""
        prepared = self._prepared[_shared(resolved)]
        return prepared_spec(resolved, prepared), prepared.environment.lock_text, prepared.git.get()

    def close(self) -> None:
        """Let go of the snapshots. May be called twice."""
        self._opened.clear()
        self._stack.close()


def _shared(resolved: Resolved) -> tuple[Any, ...]:
    """What two trials must agree on to share their code, software and secrets."""
    guards = resolved.config.tree["snapshot"]
    return (resolved.source_directory, resolved.spec.environment, resolved.spec.compute.target, dumps(guards))

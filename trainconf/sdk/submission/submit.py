"""Submits what a `ScriptRunConfig` says: a run, or a sweep where its overrides vary."""

from __future__ import annotations

from typing import cast

from trainconf.control import submit as control
from trainconf.fast import spawn
from trainconf.sdk.run import SubmittedRun, of
from trainconf.sdk.runs.talk import Talk
from trainconf.sdk.submission.request import request
from trainconf.sdk.sweep_run import SweepRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainconf import ScriptRunConfig, Workspace
    from trainconf.sdk.submission.request import Part


def submit(workspace: Workspace, config: ScriptRunConfig, *more: Part, parent: str | None = None) -> SubmittedRun:
    """Submit one run, below the run `parent` if one is named. Raises UserError kinds, BuildError, LaunchError."""
    spawn.reap()
    submitted = control.submit(request(config, workspace, more), workspace._paths, Talk(), parent=parent)
    return SubmittedRun(workspace, submitted.paths, agent_pid=submitted.agent_pid)


def submit_sweep(workspace: Workspace, config: ScriptRunConfig, words: Sequence[str], *more: Part) -> SweepRun:
    """Submit a sweep, which a process of its own controls; `words` say what varies. Raises UserError kinds, BuildError, LaunchError."""
    from trainconf.control.sweeps import steer

    asked = request(config, workspace, more, words)
    return cast(SweepRun, of(workspace, steer.submit(asked, workspace._paths, Talk())))

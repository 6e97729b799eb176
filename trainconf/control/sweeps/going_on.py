"""Makes a sweep go on beside whoever asks, a program or a page, which does not control it: as `trainconf sweep resume` and `extend` do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainconf.control.results import asking
from trainconf.control.results.sweep import is_paused_grid
from trainconf.control.results.whereabouts import controller_now, was_begun_as
from trainconf.control.sweeps.resume import change_of, resume_as_job, resume_detached
from trainconf.control.sweeps.resume import check as check_changes
from trainconf.control.sweeps.standing import check_extension, nothing_to_resume
from trainconf.errors import UserError
from trainconf.fast.tuples import NamedTuple
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.sweeps import places

CONTROLLER = "sweep.controller="


class WentOn(NamedTuple):
    """What became of it: whether anything was done, and in words what, or why nothing."""

    is_done: bool
    words: str


def check(sweep: RunPaths, workspace: WorkspacePaths, verb: str, words: Sequence[str], source: str) -> dict[str, Any]:
    """The changes that words such as `sweep.max_total_runs=60` say. Raises UserError, which tells the source, and ConfigError."""
    changes = dict(change_of(word, source) for word in words)
    if changes:
        check_changes(sweep, workspace, changes)
        if verb == "extend":
            check_extension(sweep, changes, workspace)
    return changes


def go_on(sweep: RunPaths, workspace: WorkspacePaths, verb: str, words: Sequence[str], source: str) -> WentOn:
    """Have a sweep controlled by a process of its own, or by a job where that was so from the beginning, or a word asks for it.

    verb, words: those of `trainconf sweep VERB`. Raises UserError, ConfigError, StorageError, LaunchError.
    """
    asked = [word.removeprefix(CONTROLLER) for word in words if word.startswith(CONTROLLER)]
    words = [word for word in words if not word.startswith(CONTROLLER)]
    if asked and asked[-1] not in (places.DETACHED, places.JOB):
        raise UserError(f"{CONTROLLER}{asked[-1]} is no place for a sweep that goes on beside", ("from", source),
                        ("allowed", f"{places.DETACHED}, {places.JOB}"))
    if verb == "resume" and not words and is_paused_grid(sweep):
        asking.ask_for(sweep, verb)
        return WentOn(True, "its trials that wait in the queue may begin")
    changes = check(sweep, workspace, verb, words, source)
    if nothing := nothing_to_resume(sweep, changes, workspace):
        return WentOn(False, nothing)
    place = asked[-1] if asked else was_begun_as(sweep)
    if place == places.JOB and not controller_now(sweep).is_here:
        return WentOn(True, f"job {resume_as_job(sweep, workspace, changes) or 'whose number is not known yet'} controls it")
    was_told = resume_detached(sweep, workspace, verb, words)
    return WentOn(True, "its controller was told" if was_told else "it goes on; a process of its own controls it")

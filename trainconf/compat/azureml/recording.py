"""A submit script run without submitting: what it asks for is noted, and its runs answer what needs no run.

A script that waits, tags, prints an id or asks for a status goes on. Where it asks a run for results it ends, for nothing ran.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

from trainconf.control import submit as submissions
from trainconf.control.compose import resolve
from trainconf.control.sweeps import steer
from trainconf.job_api import Run
from trainconf.sdk.experiment import Experiment
from trainconf.sdk.place import caller
from trainconf.sdk.run import SubmittedRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trainconf.control.compose import ComposeRequest
    from trainconf.paths import WorkspacePaths

# What a run answers that was not submitted: what it is, and what a script does with it on its way to further submissions.
_FACTS: dict[str, Any] = {
    "status": "NotStarted", "number": 1, "type": "script", "tags": {}, "properties": {}, "display_name": None, "description": None,
    "parent": None,
}  # fmt: skip
_CALLS: dict[str, Any] = {
    "get_status": "NotStarted", "get_details": {"status": "NotStarted"}, "get_detailed_status": {"status": "NotStarted"},
    "wait_for_completion": {}, "get_tags": {}, "get_properties": {}, "get_portal_url": "", "get_children": [], "get_file_names": [],
    "tag": None, "set_tags": None, "remove_tags": None, "add_properties": None, "cancel": None, "complete": None, "flush": None,
}  # fmt: skip


class Asked:
    """One submission that was asked for. place: the line that asked."""

    def __init__(self, request: ComposeRequest, place: str, *, is_sweep: bool) -> None:
        self.request = request
        self.place = place
        self.is_sweep = is_sweep


class NothingRan(BaseException):
    """A script asks a run that was not submitted for its results. No `except Exception` of the script takes it."""

    def __init__(self, name: str, place: str) -> None:
        super().__init__(name)
        self.name = name
        self.place = place


class NotedRun(Run):
    """Stands for a run, or a sweep, that was noted instead of submitted."""

    def __init__(self, experiment: Experiment, number: int, kind: type[SubmittedRun]) -> None:
        name = f"not-submitted-{number}"
        noted = {"experiment": experiment, "workspace": experiment.workspace, "id": name, "run_id": name, "name": name}
        self.__dict__.update(_noted=noted, _kind=kind)

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return object.__getattribute__(self, name)
        noted = object.__getattribute__(self, "__dict__")["_noted"]
        if name in noted:
            return noted[name]
        if name in _FACTS:
            return _FACTS[name]
        if name in _CALLS:
            return lambda *args, **rest: _CALLS[name]
        found = getattr(object.__getattribute__(self, "_kind"), name)  # AttributeError, as the run itself would say
        if callable(found):
            return _Results(name)
        raise NothingRan(name, caller())

    def __setattr__(self, name: str, value: Any) -> None:
        """A display name or a description that a script gives a run is left out."""

    def __enter__(self) -> NotedRun:
        return self

    def __exit__(self, *error: Any) -> None:
        return None

    def __str__(self) -> str:
        return str(self._noted["id"])

    __repr__ = __str__


class _Results:
    """A call for results."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *args: Any, **rest: Any) -> Any:
        raise NothingRan(self._name, caller())


class _Noted(BaseException):
    """Carries what would have been submitted to where the script gets its run."""

    def __init__(self, request: ComposeRequest, *, is_sweep: bool) -> None:
        super().__init__()
        self.request = request
        self.is_sweep = is_sweep


@contextmanager
def recording() -> Iterator[list[Asked]]:
    """While it is open, every submission of this process is noted instead of made."""
    asked: list[Asked] = []
    saved = submissions.submit, steer.submit, Experiment.submit, Experiment.submit_sweep
    submissions.submit, steer.submit = _noting(is_sweep=False), _noting(is_sweep=True)
    Experiment.submit = _answered(Experiment.submit, asked)  # type: ignore[method-assign]
    Experiment.submit_sweep = _answered(Experiment.submit_sweep, asked)  # type: ignore[method-assign]
    try:
        yield asked
    finally:
        submissions.submit, steer.submit = saved[:2]
        Experiment.submit, Experiment.submit_sweep = saved[2:]  # type: ignore[method-assign]


def _noting(*, is_sweep: bool) -> Callable[..., Any]:
    """In the place of what submits. What submitting would refuse is refused."""

    def submit(request: ComposeRequest, workspace: WorkspacePaths, *rest: Any, **more: Any) -> Any:
        steer.compose(request, workspace) if is_sweep else resolve(request, workspace)
        raise _Noted(request, is_sweep=is_sweep)

    return submit


def _answered(call: Callable[..., Any], asked: list[Asked]) -> Callable[..., Any]:
    """A call of an experiment that submits, and whose run is one that was noted."""

    def submit(experiment: Experiment, *args: Any, **more: Any) -> Run:
        place = caller()
        try:
            found: Run = call(experiment, *args, **more)
        except _Noted as noted:
            asked.append(Asked(noted.request, place, is_sweep=noted.is_sweep))
            return NotedRun(experiment, len(asked), _kind_of(noted))
        return found

    return submit


def _kind_of(noted: _Noted) -> type[SubmittedRun]:
    """The class of the run that a script would have got."""
    from trainconf.sdk.hyperdrive.run import HyperDriveRun

    return HyperDriveRun if noted.is_sweep else SubmittedRun

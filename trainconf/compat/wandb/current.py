"""The run that `wandb.log` and its like mean, and what stands for it before `wandb.init`."""

from __future__ import annotations

import sys

from trainconf.compat.wandb.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, List

_runs: List[Any] = []  # those that are not finished, the newest last
_had_one: List[bool] = []


def run() -> Any:
    """The run, None before `init` and after `finish`."""
    return _runs[-1] if _runs else None


def begin(new: Any) -> None:
    vars(sys.modules.get("wandb", sys)).pop("config", None)  # what a script has put in its place before
    _runs.append(new)
    _had_one.append(True)


def end(finished: Any) -> None:
    if finished in _runs:
        _runs.remove(finished)


def had_one() -> bool:
    return bool(_had_one)


def config() -> Any:
    return _runs[-1].config if _runs else BeforeInit("config")


def summary() -> Any:
    return _runs[-1].summary if _runs else BeforeInit("summary")


class BeforeInit:
    """`config` or `summary` of a script that took it before `init`: that of the run once there is one, until then each use raises Error."""

    def __init__(self, what: str) -> None:
        self.__dict__["_what"] = what

    def _of_run(self) -> Any:
        if not _runs:
            raise Error("wandb.%s: call wandb.init() first" % self._what)
        return getattr(_runs[-1], self._what)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._of_run(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._of_run()[name] = value

    def __getitem__(self, name: str) -> Any:
        return self._of_run()[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._of_run()[name] = value

    def __contains__(self, name: object) -> bool:
        return bool(_runs) and name in self._of_run()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._of_run())

    def __len__(self) -> int:
        return len(self._of_run()) if _runs else 0

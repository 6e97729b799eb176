"""`wandb.Settings`, and the lines that integrations print."""

from __future__ import annotations

from trainconf.compat.tracking.notes import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator


class Settings:
    """Takes every setting. Those that `init` has, too, count: project, run_name, mode, and so on."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        self.__dict__.update(settings)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None

    def update(self, *args: Any, **settings: Any) -> None:
        self.__dict__.update(settings)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.__dict__.items())

    def keys(self) -> Any:
        return self.__dict__.keys()

    def __getitem__(self, name: str) -> Any:
        return self.__dict__[name]


def termlog(string: Any = "", *args: Any, **options: Any) -> None:
    if string:
        say(str(string))


def termwarn(string: Any = "", *args: Any, **options: Any) -> None:
    say("warning: %s" % string)


def termerror(string: Any = "", *args: Any, **options: Any) -> None:
    say("error: %s" % string)


def termsetup(*args: Any, **options: Any) -> None:
    return None

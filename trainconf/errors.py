"""Every mistake and failure trainconf reports, and the one shape in which it is told.

    TrainconfError                 exit code 1: our fault, or the machine's
    ├── BuildError                 an environment could not be made (exit code 2: the recipe is the user's)
    ├── LaunchError                a run could not be started or reached
    ├── RunFailedError             a run that Python waited for has failed
    ├── WaitTimeoutError           a run that Python waited for goes on longer (also a TimeoutError)
    └── UserError                  exit code 2: a user's mistake, found before anything ran
        ├── ConfigError            what was asked for cannot be composed or makes no sense
        │   └── NoRoomError        a scheduler takes no more jobs of this user just now
        ├── SecretError            a secret is unset, badly kept, or used where it would be saved
        ├── SnapshotError          the source tree cannot be recorded as it stands
        ├── EnvironmentRecipeError the recipe of an environment is wrong
        ├── FrozenFileError        a frozen file cannot be read, or what it names cannot be found
        ├── ContainerEngineError   no container engine can be used: not there, no permission, too old, on another machine
        ├── RunNotFoundError       no run, or more than one, answers to that name
        └── StorageError           the disk is full, read-only or otherwise refuses

An error is one or more `Mistake`s: what is wrong, labelled facts (where it came from, what is allowed), and a hint.
This module must not import anything of trainconf.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Mistake:
    """One thing that is wrong: a sentence, labelled facts below it, and what to do about it."""

    __slots__ = ("facts", "hint", "what")

    def __init__(self, what: str, *facts: tuple[str, str], hint: str = "") -> None:
        self.what = what
        self.facts = facts
        self.hint = hint

    def render(self) -> str:
        """The mistake as text: `what`, one aligned line per fact, and `hint:` after a blank line."""
        width = max((len(label) for label, _ in self.facts), default=0)
        lines = [self.what]
        for label, text in self.facts:
            first, *rest = text.splitlines() or [""]
            lines.append(f"  {label:<{width}}  {first}")
            lines.extend(f"  {'':<{width}}  {line}" for line in rest)
        if self.hint:
            lines += ["", f"hint: {self.hint}"]
        return "\n".join(lines)


class TrainconfError(Exception):
    """Base of all errors that are told to the user without a traceback.

    `mistakes` is never empty. `exit_code` is what the command line ends with.
    """

    exit_code = 1

    def __init__(self, what: str | Mistake | Iterable[Mistake], *facts: tuple[str, str], hint: str = "") -> None:
        if isinstance(what, str):
            self.mistakes: Sequence[Mistake] = (Mistake(what, *facts, hint=hint),)
        elif isinstance(what, Mistake):
            self.mistakes = (what,)
        else:
            self.mistakes = tuple(what)
        super().__init__(self.render())

    def render(self) -> str:
        """All mistakes, a blank line between them."""
        return "\n\n".join(mistake.render() for mistake in self.mistakes)


class BuildError(TrainconfError):
    """An environment could not be built; the facts hold the installer's last lines."""

    exit_code = 2


class LaunchError(TrainconfError):
    """A run could not be started, or its agent could not be reached."""


class RunFailedError(TrainconfError):
    """A run that a program waited for has failed, or has lost its agent. `run_exit_code` is what a command would end with."""

    def __init__(self, what: str, *facts: tuple[str, str], hint: str = "", run_exit_code: int = 1) -> None:
        super().__init__(what, *facts, hint=hint)
        self.run_exit_code = run_exit_code


class WaitTimeoutError(TrainconfError, TimeoutError):
    """The time of a wait was up before the run had ended; the run goes on."""

    exit_code = 124


class UserError(TrainconfError):
    """Base of the mistakes a user can mend; nothing has run."""

    exit_code = 2


class ConfigError(UserError):
    """The configuration that was asked for cannot be composed, or its values make no sense."""


class NoRoomError(ConfigError):
    """A scheduler takes no more jobs of this user just now; it does when others have ended."""


class SecretError(UserError):
    """A secret is unset, kept in a file others can read, or named where it would be saved."""


class SnapshotError(UserError):
    """The source tree cannot be recorded as it stands."""


class EnvironmentRecipeError(UserError):
    """The recipe of an environment is wrong: interpreter, requirements or a file it names."""


class FrozenFileError(UserError):
    """A frozen file is missing, damaged or edited, or the code it names cannot be found."""


class ContainerEngineError(UserError):
    """No container engine can be used: it is not there, refuses the user, is too old, or is on another machine."""


class RunNotFoundError(UserError):
    """No run, or more than one, answers to the name that was given."""


class StorageError(UserError):
    """A folder or disk that trainconf must write to refuses: full, read-only, no permission."""

    @classmethod
    def from_os_error(cls, error: OSError, what: str) -> StorageError:
        """The refusal of the operating system, told as a user's mistake. `what` is the sentence's subject."""
        path = error.filename
        where = [("path", repr(path) if isinstance(path, bytes) else str(path))] if path else []
        hints = {
            13: "another user owns it, or it is read-only",
            28: "the disk is full: free some space, or work in a folder on another disk",
            30: "the file system is mounted read-only",
            122: "your quota is used up",
        }
        return cls(f"{what}: {error.strerror or error}", *where, hint=hints.get(error.errno or 0, ""))

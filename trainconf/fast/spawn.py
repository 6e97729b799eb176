"""The one way to start a program: its descriptors, its session, its signals.

`subprocess` would double an agent's start-up time. A Python that was built against an old glibc has no `setsid` in `os.posix_spawn`
(CPython compiles it in where the headers have POSIX_SPAWN_SETSID, glibc 2.26); there the same is done by fork and exec.
"""

from __future__ import annotations

import _thread
import fcntl
import os
import sys

from trainconf.fast.stdlib import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

# Signals that the agent, its Python or its submitter may ignore; the program starts with the system's defaults.
RESET_SIGNALS = [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD]
FIRST_FREE_FD = 10  # the program's descriptors are below; what they are made of is moved up where one would overwrite another

_spawning = _thread.allocate_lock()
_let_go: set[int] = set()

AGENT = "agent/__main__.py"


def own_command(script: str = AGENT, *, python: str = "") -> list[str]:
    """The command that starts one of our scripts in `python`, by default in this interpreter. Its arguments follow."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    # -I -S: no user site, no PYTHON* variables, no site-packages; the file system's encoding must be ours all the same
    return [python or sys.executable, "-I", "-S", f"-Xutf8={sys.flags.utf8_mode}", os.path.join(package, script)]


def spawn(
    program: str, argv: Sequence[str], env: Mapping[str, str], fds: Sequence[int], *,
    new_session: bool = True, blocked: Collection[int] = (), reset: Collection[int] = RESET_SIGNALS, keep: Sequence[int] = (),
) -> int:  # fmt: skip
    """Start `program`; its pid. Raises OSError when it cannot be executed, ValueError for words that no program can be given.

    `fds` become its descriptors 0, 1, 2, and so on; `keep` stay open under their own numbers; all others are closed, as far as they are
    not inheritable. `blocked` are the signals that it starts with blocked, `reset` those whose system's default it gets back.
    """
    moved: dict[int, int] = {}
    _spawning.acquire()  # what another thread starts meanwhile must not inherit `keep`: a lock would have an owner too many
    try:
        for fd in {fd for fd in fds if fd < len(fds)}:
            moved[fd] = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE_FD)
        for fd in keep:
            os.set_inheritable(fd, True)
        return _posix_spawn(program, argv, env, [moved.get(fd, fd) for fd in fds], new_session=new_session, blocked=blocked, reset=reset)
    finally:
        for fd in keep:
            os.set_inheritable(fd, False)
        for fd in moved.values():
            os.close(fd)
        _spawning.release()


def let_go(pid: int | None) -> None:
    """Nobody waits for a child of this process: `reap` shall take note of its end."""
    if pid is not None:
        _let_go.add(pid)


def reap() -> None:
    """Let the system forget the children that have ended and that nobody waits for; a process that lives on would gather them."""
    for pid in list(_let_go):
        try:
            has_ended = os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:  # it was waited for, or is a child of the process that has forked this one
            has_ended = True
        if has_ended:
            _let_go.discard(pid)


def _after_fork() -> None:
    global _spawning
    _spawning = _thread.allocate_lock()  # another thread may have held it
    _let_go.clear()


def _posix_spawn(
    program: str, argv: Sequence[str], env: Mapping[str, str], fds: Sequence[int], *, new_session: bool, blocked: Collection[int],
    reset: Collection[int],
) -> int:  # fmt: skip
    session = {"setsid": True} if new_session else {}
    actions = [(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in enumerate(fds)] if hasattr(os, "posix_spawn") else []
    try:
        return os.posix_spawn(program, argv, env, file_actions=actions, setsigmask=blocked, setsigdef=reset, **session)  # type: ignore[arg-type]
    except (NotImplementedError, AttributeError):
        return _fork_and_exec(program, argv, env, fds, new_session=new_session, blocked=blocked, reset=reset)


def _fork_and_exec(
    program: str, argv: Sequence[str], env: Mapping[str, str], fds: Sequence[int], *, new_session: bool, blocked: Collection[int],
    reset: Collection[int],
) -> int:  # fmt: skip
    """The same without posix_spawn(3). No signal is taken in between, or a handler of ours would run in the child."""
    failure, report = os.pipe()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = _fork()
        if pid == 0:
            try:
                _become(program, argv, env, fds, new_session=new_session, blocked=blocked, reset=reset)
            except BaseException as error:
                code = error.errno if isinstance(error, OSError) else 0
                os.write(report, b"%d %b" % (code or 0, str(error).encode("utf-8", "backslashreplace")[:1000]))
            finally:
                os._exit(127)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(report)
    try:
        number, _, text = os.read(failure, 1024).partition(b" ")
    finally:
        os.close(failure)
    if not number:
        return pid
    os.waitpid(pid, 0)
    if int(number):
        raise OSError(int(number), os.strerror(int(number)), program)
    raise ValueError(text.decode("utf-8", "replace"))


def _fork() -> int:
    """Without the warning that other threads may hold locks (Python 3.12): the child calls the system only, and then execs."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _become(
    program: str, argv: Sequence[str], env: Mapping[str, str], fds: Sequence[int], *, new_session: bool, blocked: Collection[int],
    reset: Collection[int],
) -> None:  # fmt: skip
    if new_session:
        os.setsid()
    for target, fd in enumerate(fds):
        os.dup2(fd, target)
    for number in reset:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    os.execve(program, list(argv), env)


os.register_at_fork(after_in_child=_after_fork)

"""The job's ./outputs and ./logs: real folders in its working directory while the run goes on, in their own places when it has ended.

    while it goes on   outputs is a relative link to code/outputs; what the script writes to ./logs is in code/logs, and only there
    at its end         code/outputs becomes outputs, by one rename; what is in code/logs goes into logs/, beside the captured output

So a script may remove, rename and make these folders as it likes. A further attempt finds what the one before has left. Nothing is copied,
and nothing is followed: what the script has put in the place of a folder (a file, a link) stays where it is, and `outputs` leads to it.
"""

from __future__ import annotations

import os
import stat
import time

from trainconf.agent.log import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from trainconf.paths import RunPaths

LINK = os.path.join("code", "outputs")
LOOK_SECONDS = 0.5  # at most, for what a script has left beside ./outputs
SHOWN_NAMES = 5
MANY_LOGS = 1000  # entries of ./logs; more are not moved one by one


def make(paths: RunPaths) -> None:
    """Make the folders of a new run, whose code is there already. Raises OSError."""
    os.makedirs(paths.logs, exist_ok=True)  # an agent that waits for the run has its log there
    os.mkdir(paths.job_outputs)
    os.mkdir(paths.job_logs)
    os.symlink(LINK, paths.outputs)


def take_back(paths: RunPaths) -> None:
    """Put the outputs of an ended run back where its job finds them: `put_away` undone. May be called again. Raises OSError."""
    if not os.path.islink(paths.outputs) and _kind(paths.outputs) is not None:
        mode = _open(paths.code, _kind(paths.code))
        try:
            _move(paths.outputs, paths.job_outputs)  # rename(2): also onto an empty folder
        finally:
            _close(paths.code, mode)
    if not os.path.lexists(paths.outputs):
        os.symlink(LINK, paths.outputs)


def prepare(paths: RunPaths, *, has_metrics_folder: bool) -> None:
    """Make what an earlier attempt has removed, as far as that can be, and the folder of metrics where several machines write some."""
    for folder in (paths.job_outputs, paths.job_logs, *([paths.metrics_folder] if has_metrics_folder else [])):
        try:
            if not os.path.lexists(folder):
                os.mkdir(folder)
        except OSError as error:
            say(f"{paths.run_id}: the job begins without {folder!r}: {error}")


def put_away_later(paths: RunPaths, state: str) -> dict[str, Any]:
    """`put_away` by somebody else than the run's agent, which is gone: whatever cannot be moved is found where it is."""
    return put_away(paths, state, lambda _: None)


def put_away(paths: RunPaths, state: str, report: Callable[[str], object] = say) -> dict[str, Any]:
    """`collect`, as far as that can be; what the run's last event tells of what lies beside the two folders. It ends in `state`, and so
    do its child runs that go on."""
    if _may_have_children(paths):
        from trainconf.agent import children

        children.settle(paths, state, report)
    try:
        collect(paths)
    except OSError as error:
        report(f"{paths.run_id}: what the script wrote stays in code/: {error}")
    left = left_beside(paths)
    return {"left_in_code": left} if left else {}


def _may_have_children(paths: RunPaths) -> bool:
    """Whether a look at its records is needed: they are there, and empty ones are a container's that had nothing to say."""
    try:
        return os.path.lexists(paths.children) or os.path.isdir(paths.metrics_folder) or os.stat(paths.records).st_size > 0
    except OSError:
        return False


def collect(paths: RunPaths) -> None:
    """Put the folders of a run whose processes have all ended into their places. May be called again. Raises OSError: what is left is
    where the script left it, and `outputs` leads there."""
    kind = _kind(paths.code)
    if not stat.S_ISDIR(kind or 0):  # gone, or something else in its place, which may lead anywhere
        if os.path.islink(paths.outputs):
            os.unlink(paths.outputs)
            os.mkdir(paths.outputs)
        return
    mode = _open(paths.code, kind)
    try:
        try:
            _collect_outputs(paths)
        finally:
            _collect_logs(paths)
    finally:
        _close(paths.code, mode)


def _collect_outputs(paths: RunPaths) -> None:
    link = _link(paths.outputs)
    kind = _kind(paths.job_outputs)
    if (link is not None and link != LINK) or (kind is not None and not stat.S_ISDIR(kind)):
        return
    if link is not None:
        os.unlink(paths.outputs)
    if kind is None:
        if not os.path.isdir(paths.outputs):
            os.mkdir(paths.outputs)
        return
    try:
        _move(paths.job_outputs, paths.outputs)  # rename(2): also onto an empty folder
    except OSError:
        if not os.path.lexists(paths.outputs):
            os.symlink(LINK, paths.outputs)
        raise


def _collect_logs(paths: RunPaths) -> None:
    if _is_removed(paths.job_logs):
        return
    kind = _kind(paths.job_logs)
    if kind is None or not stat.S_ISDIR(kind):
        return
    _open(paths.job_logs, kind)
    taken = set(os.listdir(paths.logs))
    names = _first_names(paths.job_logs, MANY_LOGS + 1)
    if len(names) > MANY_LOGS:
        _move(paths.job_logs, os.path.join(paths.logs, _free_name("logs", taken)))
        return
    for name in names:
        free = _free_name(name, taken)
        taken.add(free)
        _move(os.path.join(paths.job_logs, name), os.path.join(paths.logs, free))
    os.rmdir(paths.job_logs)


def _is_removed(folder: str) -> bool:
    """Remove a folder that has nothing in it; whether it was one."""
    try:
        os.rmdir(folder)
    except OSError:
        return False
    return True


def _first_names(folder: str, count: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry, _ in zip(entries, range(count), strict=False)]


def _free_name(name: str, taken: set[str]) -> str:
    """The script's own name, unless it is one of ours or taken."""
    is_ours = name in ("std_log.txt", "agent.log") or (name.startswith("std_log_rank_") and name.endswith(".txt"))
    if name not in taken and not is_ours:
        return name
    count, free = 1, f"{name}.from_script"
    while free in taken:
        count += 1
        free = f"{name}.from_script_{count}"
    return free


def _kind(path: str) -> int | None:
    """The mode of what is there, links not followed; None when there is nothing."""
    try:
        return os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _link(path: str) -> str | None:
    """Where a link leads; None for everything else."""
    try:
        return os.readlink(path)
    except OSError:
        return None


def _move(source: str, target: str) -> None:
    """Rename. A folder that goes into another one must be writable, for its `..` changes: one that the script has closed is opened."""
    try:
        os.rename(source, target)
    except PermissionError:
        mode = _open(source, _kind(source))
        if mode is None:
            raise
        try:
            os.rename(source, target)
        finally:
            _close(source if _kind(source) is not None else target, mode)


def _open(folder: str, mode: int | None) -> int | None:
    """Let the owner into a real folder of this mode that the script has closed; the permissions it had, None if nothing was to be done."""
    if mode is None or not stat.S_ISDIR(mode) or mode & stat.S_IRWXU == stat.S_IRWXU:
        return None
    os.chmod(folder, stat.S_IMODE(mode) | stat.S_IRWXU)
    return stat.S_IMODE(mode)


def _close(folder: str, mode: int | None) -> None:
    if mode is not None:
        os.chmod(folder, mode)


def left_beside(paths: RunPaths) -> dict[str, Any]:
    """What the job has written into its working directory beside ./outputs and ./logs: `count` files, the `names` of the first few at its
    top, how many `more` there are. Empty when there is nothing. Never raises for what is there.

    Written since the plan was: new, or changed. Bytecode is passed over.
    A tree that takes longer than LOOK_SECONDS is not looked at to its end: `count` is then too small, and `is_cut` says so.
    """
    found: dict[str, int] = {}
    try:
        since = os.lstat(paths.plan).st_ctime_ns
    except OSError:
        return {}
    if os.path.islink(paths.code):
        return {}
    until = time.monotonic() + LOOK_SECONDS
    is_linked = os.path.islink(paths.outputs)
    folders = [(paths.code, "")]
    while folders and time.monotonic() < until:
        folder, top = folders.pop()
        for name, is_folder, info in _entries(folder, until):
            path = os.path.join(folder, name)
            if is_folder and name != "__pycache__" and not (is_linked and path in (paths.job_outputs, paths.job_logs)):
                folders.append((path, top or f"{name}/"))
            elif not is_folder and info.st_ctime_ns > since:
                found[top or name] = found.get(top or name, 0) + 1
    if not found:
        return {}
    names = sorted(found)
    left = {"count": sum(found.values()), "names": names[:SHOWN_NAMES], "more": max(0, len(names) - SHOWN_NAMES)}
    return left | ({"is_cut": True} if time.monotonic() >= until else {})


def _entries(folder: str, until: float) -> Iterator[tuple[str, bool, os.stat_result]]:
    """Name, whether it is a folder, and status of what is in a folder; links are not followed."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if time.monotonic() >= until:
                    return
                yield entry.name, entry.is_dir(follow_symlinks=False), entry.stat(follow_symlinks=False)
    except OSError:
        return  # closed, or gone meanwhile

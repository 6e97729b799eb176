"""Words about the ranks of a run: which there are, where each is, and which one failed."""

from __future__ import annotations

import os

from trainconf.control.words.values import one_line
from trainconf.history import ranks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from trainconf.history.ranks import Rank
    from trainconf.paths import RunPaths

LAST_LINES = 10
CONTAINER_ID_LENGTH = 12  # as `docker ps` shows it


def place(rank: Rank, node_count: int) -> str:
    """Where a rank runs or ran; empty when it is where the whole run is."""
    node = rank.host or (f"node {rank.node}" if node_count > 1 and rank.node is not None else "")
    container = f"in container {rank.container[:CONTAINER_ID_LENGTH]}" if rank.container else ""
    return one_line(" ".join(word for word in (f"on {node}" if node else "", container) if word))


def node_count(members: Sequence[Rank]) -> int:
    """How many nodes the ranks are on."""
    return len({rank.node for rank in members})


def facts(rank: Rank, node_count: int) -> str:
    """What is known of one process: its task, its place, its pid. The one recorded with a container is that of the container."""
    pid = "" if rank.pid is None or rank.container else f"pid {rank.pid}"
    return ", ".join(fact for fact in (rank.task, place(rank, node_count), pid) if fact)


def named(members: Sequence[Rank], number: int) -> str:
    """A rank and where it is: rank 2 on node3"""
    where = next((place(rank, node_count(members)) for rank in members if rank.number == number), "")
    return f"rank {number} {where}".rstrip()


def listed(numbers: Sequence[int]) -> str:
    """Numbers in order as people write them: 0, 1 and 0 to 999."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1].append(number)
        else:
            spans.append([number])
    return ", ".join(f"{span[0]} to {span[-1]}" if len(span) > 2 else ", ".join(map(str, span)) for span in spans)


def failed_rank(paths: RunPaths, event: dict[str, Any]) -> list[str]:
    """The end of the output of the rank that a run failed through. Nothing for rank 0, whose output is what everybody sees."""
    number = ranks.failed(event)
    if not number:
        return []
    log = paths.log(number)
    name = os.path.relpath(log, paths.run_dir)
    try:
        lines = ranks.last_lines(log, LAST_LINES)
    except OSError as error:
        return [f"{_failure(paths, event)}; its output, {name}, cannot be shown: {error.strerror}"]
    first = _failure(paths, event) + (f"; the last lines of its output, {name}:" if lines else "; it has written nothing")
    shown = ["  " + line.decode("utf-8", "backslashreplace") for line in lines]
    return [first, *shown, f"  more: trainconf logs {paths.run_id} --rank {number}"]


def pointing_at_failed_rank(paths: RunPaths, event: dict[str, Any]) -> list[str]:
    """Whose output tells why the run failed, where it was a rank that did."""
    number = ranks.failed(event)
    return [] if number is None else [f"{_failure(paths, event)}; `trainconf logs {paths.run_id} --rank {number}` shows its output"]


def _failure(paths: RunPaths, event: dict[str, Any]) -> str:
    """Such as: rank 2 on node3 failed: exit code 3"""
    reason = str(event.get("reason") or "").removeprefix(f"rank {event['rank']}: ")
    return one_line(f"{named(ranks.of_run(paths), event['rank'])} failed" + (f": {reason}" if reason else ""))

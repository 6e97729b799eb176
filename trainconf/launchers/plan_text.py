"""A plan as text: commands that can be pasted, then place, limits, leases and variables.

What many ranks share is printed once.
"""

from __future__ import annotations

from trainconf.fast.stdlib import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from trainconf.launchers.protocol import LaunchPlan, RankPlan

SHOWN_RANKS = 16
_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-")  # need no quotes in sh


def render(plan: LaunchPlan, fitted: Callable[[str], str] = str) -> str:
    """The whole plan; where there are more than SHOWN_RANKS ranks, the values of the first and the last ones.

    `fitted` breaks long lines of what is told. Commands, values, requests and scripts stay as they are sent.
    """
    facts = list(_facts(plan))
    width = max(len(label) for label, _ in facts)
    shared = _shared(plan.ranks)
    lines = [*_commands(plan.ranks), "", *(fitted(f"{label:<{width}}  {text}") for label, text in facts)]
    if plan.stdout_metrics:
        lines += ["", "metrics from its output:", *(f"  {name}: {pattern}" for name, pattern in plan.stdout_metrics.items())]
    first = plan.first_on_path
    lines += ["", "variables:", *(f"  {name}={_quoted(value)}" for name, value in plan.env.items() if name != "PATH" or not first)]
    if first:
        lines += [f"  PATH={_quoted(':'.join(first))}:{_quoted(plan.env['PATH']) if 'PATH' in plan.env else '$PATH'}"]
    lines += [f"  {name}=<secret>" for name in plan.secret_env]
    lines += [f"  {name}={_quoted(value)}" for name, value in shared.items()]
    own = [_own(rank, shared) for rank in plan.ranks]
    if len(own) > 1:
        lines += ["", "of each rank:", *(fitted(f"  {line}") for line in _table(own))]
    for title, request in _requests(plan):
        lines += ["", title, json.dumps(request, indent=2, ensure_ascii=False)]
    if plan.batch is not None:
        lines += ["", batch_text(plan.batch, "its")]
    return "\n".join(lines)


def batch_text(batch: Mapping[str, Any], whose: str) -> str:
    """What a scheduler is sent."""
    script = str(batch["script"]).rstrip("\n")
    return f"{whose} batch script, the input of {_joined(batch['argv'])}\n\n{script}"


def _commands(ranks: Sequence[RankPlan]) -> Iterator[str]:
    """Each different command once, under a comment that says which ranks run it."""
    commands: dict[str, list[int]] = {}
    for rank in ranks:
        commands.setdefault(_joined(rank.argv), []).append(rank.rank)
    for command, numbers in commands.items():
        if len(commands) > 1:
            yield f"# rank{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
        elif len(numbers) > 1:
            nodes = len({rank.env.get("NODE_RANK", "0") for rank in ranks})
            yield f"# each of {len(numbers)} ranks on {nodes} node{'s' if nodes > 1 else ''}"
        yield command


def _facts(plan: LaunchPlan) -> Iterator[tuple[str, str]]:
    yield "run", plan.run_id
    yield "target", plan.target
    if plan.engine is not None:
        yield "engine", f"{plan.engine['address']} ({plan.engine['source']})"
    yield "cwd", _quoted(plan.cwd)
    yield "time limit", "none" if plan.max_run_duration_seconds is None else f"{plan.max_run_duration_seconds:g} s per attempt"
    yield "grace", f"{plan.grace_seconds:g} s between SIGTERM and SIGKILL"
    yield "retries", f"{plan.retries}, the first after {plan.retry_backoff_seconds:g} s" if plan.retries else "0"
    if plan.slots is not None:  # under a scheduler nothing is leased
        yield "slots", f"{plan.slots['take']} of {plan.slots['count']}, leased in {_quoted(plan.slots['dir'])}"
        yield "gpus", f"{plan.gpus['take']} of {', '.join(plan.gpus['devices'])}" if plan.gpus["take"] else "0"
    if plan.rendezvous is not None:
        interface = plan.rendezvous["interface"]
        yield "rendezvous", "address and ports are found when it starts" + (f", on interface {interface}" if interface else "")
    if plan.mpi is not None:
        yield "mpi", ", ".join(f"{name} {_word(value)}" for name, value in plan.mpi.items() if value)


def _word(value: Any) -> str:
    return _joined(value) if isinstance(value, list) else str(value)


def _shared(ranks: Sequence[RankPlan]) -> dict[str, str]:
    """The variables that have the same value in every rank."""
    first, *others = ranks
    return {name: value for name, value in first.env.items() if all(rank.env.get(name) == value for rank in others)}


def _own(rank: RankPlan, shared: Mapping[str, str]) -> dict[str, str]:
    """What only this rank has, by heading."""
    part = [] if rank.task is None else [f"{rank.task['type']} {rank.task['index']}"]
    part += ["a service"] if rank.is_service else []
    task = {"task": ", ".join(part)} if part else {}
    share = {} if rank.gpu_share is None else {"GPUs": _gpus(*rank.gpu_share)}
    own = {name: _quoted(value) for name, value in rank.env.items() if name not in shared}
    return {"rank": str(rank.rank), **task, **share, **own}


def _gpus(which: int, count: int) -> str:
    """A share of its node's GPUs, counted from 1."""
    return f"part {which + 1} of {count}" if count else "none"


def _table(rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    headings = list(dict.fromkeys(name for row in rows for name in row))
    cells = [headings, *([row.get(name, "") for name in headings] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    lines = ["  ".join(cell.ljust(wide) for cell, wide in zip(row, widths, strict=True)).rstrip() for row in cells]
    if len(rows) <= SHOWN_RANKS:
        yield from lines
    else:
        yield from lines[:SHOWN_RANKS]
        yield f"... {len(rows) - SHOWN_RANKS} more; `--json` has them all"
        yield lines[-1]


def _requests(plan: LaunchPlan) -> Iterator[tuple[str, Any]]:
    """The requests to the engine, each with a title."""
    if plan.engine is not None and plan.engine["network"] is not None:
        yield "its network, POST /networks/create:", plan.engine["network"]
    containers = [rank for rank in plan.ranks if rank.container is not None]
    for rank in containers:
        which = f"the container of node {rank.env.get('NODE_RANK')}" if len(containers) > 1 else "its container"
        yield f"{which}, POST /containers/create:", rank.container


def _joined(words: Iterable[str]) -> str:
    """An argument list as it would be typed."""
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """A word as sh reads it; what `shlex.quote` writes, which needs `re`."""
    return word if word and _SAFE.issuperset(word) else "'" + word.replace("'", "'\"'\"'") + "'"

"""`trainconf watch`: what runs and waits on this machine now."""

from __future__ import annotations

import os
import sys
import time

from trainconf.cli.arguments.parser import Arguments
from trainconf.cli.screen.block import Block
from trainconf.cli.screen.printer import one_line, printer, short_duration, width
from trainconf.cli.screen.terminal import redraws
from trainconf.control import watch
from trainconf.paths import find_workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainconf.control.watch import Lease, Machine

LOOK_S = 1.0
HEADERS = ("", "run", "user", "since")


def run(argv: list[str]) -> int:
    """Print the slots, GPUs and the queue; on a terminal again and again until Ctrl-C."""
    parser = Arguments("watch")
    parser.add_argument("--once", action="store_true", help="print it once, as in a pipe")
    parser.add_argument("--json", action="store_true", help="print it once, as one JSON array of lease folders")
    args = parser.parse_args(argv)
    workspace = find_workspace(os.getcwd())
    if args.json:
        printer.json([machine.to_dict() for machine in watch.machines(workspace)])
        return 0
    if not args.once and redraws(sys.stderr) and redraws(sys.stdout):
        block = Block()
        try:
            while True:
                block.draw([], _lines(watch.machines(workspace), is_live=True))
                time.sleep(LOOK_S)
        except KeyboardInterrupt:
            pass  # that is how one stops looking; what was seen last stays
        finally:
            block.close()
    printer.data("\n".join(_lines(watch.machines(workspace))))
    return 0


def _lines(machines: Sequence[Machine], *, is_live: bool = False) -> list[str]:
    lines: list[str] = []
    for machine in machines:
        lines += [""] * bool(lines) + [one_line(f"leases in {machine.directory}")] * (len(machines) > 1)
        taken = {kind: [lease.holder is not None for lease in machine.leases if lease.kind == kind] for kind in ("slot", "gpu")}
        counts = [f"{sum(each)} of {len(each)} {kind}{'s' * (len(each) != 1)} taken" for kind, each in taken.items() if each]
        lines.append(f"{', '.join(counts)}, {len(machine.waiting) or 'nothing'} waiting" + "; Ctrl-C ends this" * is_live)
        now = time.time()
        rows = [HEADERS, *(_lease(lease, now) for lease in machine.leases)]
        rows += [(f"place {each.place}", each.run_id, each.user, _ago(now, each.since)) for each in machine.waiting]
        cells = [[one_line(cell) for cell in row] for row in rows]
        widths = [max(width(row[column]) for row in cells) for column in range(len(HEADERS))]
        lines += ["  ".join(cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=True)).rstrip() for row in cells]
    return lines


def _lease(lease: Lease, now: float) -> tuple[str, ...]:
    name, holder = f"{lease.kind} {lease.name}", lease.holder
    if holder is None:
        return name, lease.words, "", ""
    what = f"{lease.words} ({len(lease.running)} trials)" if len(lease.running) > 1 else lease.words
    return name, what, holder.user, _ago(now, lease.since)


def _ago(now: float, since: float | None) -> str:
    return "" if since is None else short_duration(max(0.0, now - since))

"""`trainconf snapshot`: source trees as they were recorded."""

from __future__ import annotations

import os

from trainconf.cli.screen.printer import local_time, one_line, printer, size
from trainconf.errors import SnapshotError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from trainconf.snapshot import SnapshotStore


def run(argv: list[str]) -> int:
    """One of create DIR, ls, show ID, diff A B, verify ID."""
    from trainconf.cli.arguments.parser import Arguments
    from trainconf.paths import find_workspace
    from trainconf.snapshot import SnapshotStore

    parser = Arguments("snapshot")
    actions = parser.add_subparsers(dest="action", required=True, metavar="create|ls|show|diff|verify")
    create = actions.add_parser("create", help="record a folder; print the snapshot's id")
    create.add_argument("directory", metavar="DIR")
    actions.add_parser("ls", help="all snapshots of this workspace")
    show = actions.add_parser("show", help="the files of one")
    show.add_argument("id", metavar="ID")
    verify = actions.add_parser("verify", help="read every stored byte of one again; 1 when something is damaged")
    verify.add_argument("id", metavar="ID")
    diff = actions.add_parser("diff", help="what changed from one to another")
    diff.add_argument("a", metavar="A")
    diff.add_argument("b", metavar="B")
    args = parser.parse_args(argv)
    store = SnapshotStore(find_workspace(os.getcwd()).snapshots)
    actions_by_name = {"create": _create, "ls": _ls, "show": _show, "diff": _diff, "verify": _verify}
    return actions_by_name[args.action](store, args)


def _create(store: SnapshotStore, args: argparse.Namespace) -> int:
    from trainconf.schema import SnapshotConfig

    guards = SnapshotConfig()
    snapshot = store.take(args.directory, max_mb=guards.max_mb, max_files=guards.max_files)
    printer.info(f"{snapshot.file_count} files, {size(snapshot.size_bytes)}")
    printer.data(snapshot.id)
    return 0


def _ls(store: SnapshotStore, _: argparse.Namespace) -> int:
    rows = [(info.id[:12], local_time(info.created), str(info.file_count), size(info.size_bytes)) for info in store.ls()]
    printer.table(("snapshot", "taken", "files", "size"), rows)
    return 0


def _show(store: SnapshotStore, args: argparse.Namespace) -> int:
    for entry in store.show(_full_id(store, args.id)):
        kind = "program" if entry.executable else entry.kind
        rest = f" -> {one_line(entry.content)}" if entry.kind == "link" else f"  {size(entry.size_bytes)}" if entry.kind == "file" else ""
        printer.data(f"{kind:<8} {one_line(entry.path)}{rest}")
    return 0


def _diff(store: SnapshotStore, args: argparse.Namespace) -> int:
    found = store.diff(_full_id(store, args.a), _full_id(store, args.b))
    for sign, paths in (("+", found.added), ("-", found.removed), ("~", found.changed), ("m", found.modes)):
        for path in paths:
            printer.data(f"{sign} {one_line(path)}")
    return 0


def _verify(store: SnapshotStore, args: argparse.Namespace) -> int:
    damaged = store.verify(_full_id(store, args.id))
    for path in damaged:
        printer.data(one_line(path))
    told = f"{len(damaged)} damaged: submit from the working tree again, and they are stored anew"
    printer.info(told if damaged else "every byte is as it was")
    return 1 if damaged else 0


def _full_id(store: SnapshotStore, beginning: str) -> str:
    """The one snapshot whose id begins so. Raises SnapshotError."""
    ids = [info.id for info in store.ls()]
    found = [known for known in ids if known.startswith(beginning)]
    if len(found) == 1:
        return found[0]
    what = "no snapshot's id begins" if not found else f"{len(found)} snapshots' ids begin"
    raise SnapshotError(f"{what} with {beginning!r}", hint="`trainconf snapshot ls` lists them")

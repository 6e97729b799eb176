"""`trainconf snapshot`: source trees as they were recorded."""

from __future__ import annotations

import argparse
import os

from trainconf.cli.arguments.parser import Arguments
from trainconf.cli.screen.printer import one_line, printer, size, utc_time
from trainconf.cli.screen.tables import table
from trainconf.control.workspace import snapshots
from trainconf.paths import find_workspace
from trainconf.snapshot import SnapshotStore


def run(argv: list[str]) -> int:
    """One of create DIR, ls, show ID, diff A B, restore ID DIR, verify ID."""
    parser = Arguments("snapshot")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="record a folder, and print the snapshot's id")
    create.add_argument("directory", metavar="DIR", help="the folder")
    actions.add_parser("ls", help="list all snapshots of this workspace")
    for name, text in (
        ("show", "list the files of a snapshot"), ("restore", "put a snapshot into a new folder"),
        ("verify", "read every stored byte of a snapshot again; 1 when something is damaged"),
    ):  # fmt: skip
        actions.add_parser(name, help=text).add_argument("id", metavar="ID", help="a snapshot's id, or the unique beginning of one")
    actions.choices["restore"].add_argument("directory", metavar="DIR", help="a folder that does not exist yet")
    diff = actions.add_parser("diff", help="say what changed from one to another")
    diff.add_argument("a", metavar="A", help="the id of a snapshot, or its beginning")
    diff.add_argument("b", metavar="B", help="another one")
    args = parser.parse_args(argv)
    store = SnapshotStore(find_workspace(os.getcwd()).snapshots)
    verbs = {"create": _create, "ls": _ls, "show": _show, "diff": _diff, "restore": _restore, "verify": _verify}
    return verbs[args.action](store, args)


def _create(store: SnapshotStore, args: argparse.Namespace) -> int:
    snapshot = snapshots.take(store, args.directory, printer)
    printer.info(f"{snapshot.file_count} files, {size(snapshot.size_bytes)}")
    printer.data(snapshot.id)
    return 0


def _ls(store: SnapshotStore, _: argparse.Namespace) -> int:
    rows = [(info.id[:12], utc_time(info.created), str(info.file_count), size(info.size_bytes)) for info in store.ls()]
    table(("snapshot", "taken (UTC)", "files", "size"), rows, nothing="no snapshots here: each run takes one of its code")
    return 0


def _show(store: SnapshotStore, args: argparse.Namespace) -> int:
    for entry in store.show(snapshots.find(store, args.id)):
        kind = "program" if entry.executable else entry.kind
        rest = f" -> {one_line(entry.content)}" if entry.kind == "link" else f"  {size(entry.size_bytes)}" if entry.kind == "file" else ""
        printer.data(f"{kind:<8} {one_line(entry.path)}{rest}")
    return 0


def _diff(store: SnapshotStore, args: argparse.Namespace) -> int:
    found = store.diff(snapshots.find(store, args.a), snapshots.find(store, args.b))
    for sign, paths in (("+", found.added), ("-", found.removed), ("~", found.changed), ("m", found.modes)):
        for path in paths:
            printer.data(f"{sign} {one_line(path)}")
    if not (found.added or found.removed or found.changed or found.modes):
        printer.info("the snapshots are equal")
    return 0


def _restore(store: SnapshotStore, args: argparse.Namespace) -> int:
    snapshot_id = snapshots.restore(store, args.id, os.path.abspath(args.directory))
    printer.info(f"snapshot {snapshot_id[:12]} is in {args.directory}")
    return 0


def _verify(store: SnapshotStore, args: argparse.Namespace) -> int:
    damaged = store.verify(snapshots.find(store, args.id))
    for path in damaged:
        printer.data(one_line(path))
    bad = f"{len(damaged)} damaged: submit from the working tree again, and they are stored anew"
    printer.info(bad if damaged else "the snapshot is intact")
    return 1 if damaged else 0

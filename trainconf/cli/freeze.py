"""`trainconf freeze`: a run as a file for version control; `--check` says whether it still is what would run."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from trainconf.resolve.resolver import Resolved
    from trainconf.spec import RunSpec
    from trainconf.submission.frozen import Frozen

HELP = "write the run as a reviewable lock file (-o FILE), or --check FILE against config, code and environment"


def run(argv: list[str]) -> int:
    """Freeze, or check; 1 when a checked file no longer matches."""
    from trainconf.cli import composing
    from trainconf.cli.arguments import Arguments

    parser = Arguments("freeze", HELP)
    composing.add_arguments(parser)
    parser.add_argument("--output", "-o", metavar="FILE", help="where to write it; standard output when left out")
    parser.add_argument("--check", metavar="FILE", help="compare a frozen file with what its words compose to today")
    args = parser.parse_intermixed_args(argv)
    return _check(args) if args.check else _freeze(args)


def _freeze(args: argparse.Namespace) -> int:
    from trainconf import environments
    from trainconf.cli import composing
    from trainconf.cli.printer import printer
    from trainconf.errors import UserError
    from trainconf.history import git
    from trainconf.process import processes
    from trainconf.snapshot import SnapshotStore
    from trainconf.submission import frozen
    from trainconf.submission.submit import spec_with_code, take_snapshot

    resolved, workspace = composing.resolved(args)
    software = resolved.spec.environment
    if environments.is_file(software) and not environments.is_known(software):
        raise UserError(
            f"image {software.image} is a folder, whose content may change, so what it is cannot be frozen",
            ("from", resolved.composed.origin("env.docker.image")), hint="make it one file, which is known by its content",
        )
    if not environments.is_known(software):
        raise UserError(
            f"image {software.image} is not here, so what it is cannot be frozen", ("from", resolved.composed.origin("env.docker.image")),
            hint=f"`docker pull {software.image}`, or `trainconf env build` with the same words",
        )
    with frozen.Destination(args.output, printer.data) as destination:
        snapshot_id = take_snapshot(resolved, workspace, printer.talk)
        facts = git.facts(resolved.source_directory, processes)
        recorded = facts.to_dict() if facts is not None else {}
        spec = spec_with_code(resolved, snapshot_id)
        only_here = not frozen.is_committed(resolved, snapshot_id, workspace, recorded)
        content, file_hash = frozen.text(
            resolved, spec, workspace, recorded, args.config_name, composing.config_dir_of(args), only_here=only_here
        )
        SnapshotStore(workspace.snapshots).pin(snapshot_id, destination.path, file_hash)
        destination.write(content)
    if args.output:
        printer.talk(f"froze {resolved.experiment_name}, spec {spec.spec_hash[:12]}, in {args.output}")
    if only_here:
        printer.talk(f"note: no commit holds this code; only this snapshot store can run the file: {workspace.snapshots}")
    return 0


def _check(args: argparse.Namespace) -> int:
    """Compose the frozen words today and tell, part by part, what is not as it was."""
    import os

    from trainconf.cli.composing import Words, composed
    from trainconf.cli.printer import printer
    from trainconf.errors import UserError
    from trainconf.paths import find_workspace
    from trainconf.resolve.resolver import resolve
    from trainconf.snapshot import SnapshotStore, hash_tree
    from trainconf.submission import frozen
    from trainconf.submission.submit import spec_with_code

    if args.overrides or args.output:
        raise UserError("freeze --check takes the file alone; it holds its own overrides", ("from", "command line"))
    workspace = find_workspace(os.getcwd())
    file = frozen.read(args.check, workspace)
    words = Words(file.resolved.composed.overrides, args.config_dir, file.config_name)
    today = resolve(composed(words, workspace), workspace, cwd=file.folder)
    snapshot_id = hash_tree(today.source_directory, store=SnapshotStore(workspace.snapshots))
    lines = differences(file, today, spec_with_code(today, snapshot_id))
    if not lines:
        printer.talk(f"{args.check} is what would run today")
        return 0
    printer.data("\n".join(lines))
    printer.talk(f"\nhint: freeze it again when this is meant: `trainconf freeze -o {args.check} ...`")
    return 1


def differences(file: Frozen, today: Resolved, spec: RunSpec) -> list[str]:
    """One line per value that is not as it was frozen, under its part; empty when all is."""
    import json

    from trainconf.resolve.origins import leaves

    before, now = file.resolved.spec.to_dict(), spec.to_dict()
    lines = []
    for part in ("code", "params", "environment", "compute", "distributed"):
        old, new = dict(leaves(before[part])), dict(leaves(now[part]))
        changed = [key for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]
        if changed:
            lines.append(f"{part} differs")
        for key in changed:
            origin = today.composed.origin(f"{part}.{key}")
            change = f"  {key}: {json.dumps(old.get(key))} -> {json.dumps(new.get(key))}"
            lines.append(f"{change}  ({origin})" if part == "params" else change)
    return lines

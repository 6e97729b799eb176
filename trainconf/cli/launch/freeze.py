"""`trainconf freeze`: a run as a file for version control; `--check` says whether it still is what would run."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from trainconf.paths import WorkspacePaths
    from trainconf.resolve.resolver import Resolved
    from trainconf.submission.frozen import Frozen


def run(argv: list[str]) -> int:
    """Freeze, or check; 1 when a checked file no longer matches."""
    from trainconf.cli.arguments import compose as composing
    from trainconf.cli.arguments.parser import Arguments
    from trainconf.errors import UserError

    parser = Arguments("freeze")
    composing.add_arguments(parser)
    parser.add_argument("--output", "-o", metavar="FILE", help="where to write it; standard output when left out")
    parser.add_argument("--check", metavar="FILE", help="compare a frozen file with what its words compose to today")
    parser.add_argument("--diff", action="store_true", help="with --check: the lines of code that differ, too")
    parser.add_argument("--trust", action="store_true", help="with --check: start the Python that a file names which was not frozen here")
    args = parser.parse_intermixed_args(argv)
    if (args.diff or args.trust) and not args.check:
        raise UserError("--diff and --trust go with --check FILE", ("from", "command line"))
    return _check(args) if args.check else _freeze(args)


def _freeze(args: argparse.Namespace) -> int:
    from trainconf import environments
    from trainconf.cli.arguments import compose as composing
    from trainconf.cli.screen.printer import printer
    from trainconf.errors import UserError
    from trainconf.git.facts import facts as git_facts
    from trainconf.process import processes
    from trainconf.snapshot import SnapshotStore
    from trainconf.submission import frozen
    from trainconf.submission.destination import Destination
    from trainconf.submission.inputs import with_digests
    from trainconf.submission.submit import spec_with_code, take_snapshot

    resolved, workspace = composing.resolved(args)
    resolved = with_digests(resolved, workspace, printer)
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
    with Destination(args.output, printer.exact) as destination:
        snapshot_id = take_snapshot(resolved, workspace, printer)
        facts = git_facts(resolved.source_directory, processes)
        recorded = facts.to_dict() if facts is not None else {}
        spec = spec_with_code(resolved, snapshot_id)
        only_here = not frozen.is_committed(resolved, snapshot_id, workspace, recorded)
        content, file_hash = frozen.text(
            resolved, spec, workspace, recorded, args.config_name, composing.config_dir_of(args), only_here=only_here
        )
        SnapshotStore(workspace.snapshots).pin(snapshot_id, destination.path, file_hash)
        destination.write(content)
    if args.output:
        printer.info(f"froze {resolved.experiment_name}, spec {spec.spec_hash[:12]}, in {args.output}")
    if only_here:
        unanswered = facts.note if facts is not None and facts.commit is None and facts.dirty is None else ""
        known = f"it is not known whether a commit holds this code ({unanswered})" if unanswered else "no commit holds this code"
        if facts is not None and facts.dirty is False:
            known += ", though all is committed: a file that git ignores, or an empty folder, is part of it"
        printer.info(f"note: {known}; only this snapshot store can run the file: {workspace.snapshots}")
    return 0


def _check(args: argparse.Namespace) -> int:
    """Compose the frozen words today and tell, part by part, what is not as it was. Nothing that a stranger's file names is started."""
    import os

    from trainconf.cli.arguments.compose import Words, composed
    from trainconf.cli.screen.printer import one_line, printer
    from trainconf.errors import UserError
    from trainconf.paths import find_workspace
    from trainconf.resolve.resolver import resolve
    from trainconf.snapshot import SnapshotStore, hash_tree
    from trainconf.submission import drift, frozen
    from trainconf.submission.inputs import not_looked_at, with_digests
    from trainconf.submission.submit import spec_with_code

    if args.overrides or args.output:
        raise UserError("freeze --check takes the file alone; it holds its own overrides", ("from", "command line"))
    workspace = find_workspace(os.getcwd())
    file = frozen.read(args.check, workspace)
    config = composed(Words(file.resolved.composed.overrides, args.config_dir, file.config_name), workspace)
    strange = "" if args.trust else frozen.strange_program(file, config, workspace)
    today = resolve(config, workspace, cwd=file.folder, software=file.resolved.spec.environment if strange else None)
    today = with_digests(today, workspace, printer)
    store = SnapshotStore(workspace.snapshots)
    spec = spec_with_code(today, hash_tree(today.source_directory, store=store))
    found = drift.of_values(file, today, spec)
    text = ""
    if spec.code.snapshot != file.resolved.spec.code.snapshot:
        paths, text = _code(file, today, workspace, diff=args.diff)
        found = {"code": [*paths, *found.pop("code", [])], **found}
    for part, lines in found.items():
        printer.data(f"{part} differs\n" + "\n".join(f"  {one_line(line)}" for line in lines))
    if text:
        printer.data("\n" + "\n".join("\t".join(map(one_line, line.split("\t"))) for line in text.splitlines()))
    if strange:
        printer.info(f"the environment was not looked at: the file names {one_line(strange)}, was not frozen here, and a check starts "
                     "nothing that a stranger's file names; --trust starts it")  # fmt: skip
    if found:
        printer.info(f"\nhint: freeze it again when this is meant: `trainconf freeze -o {args.check} ...`")
    elif not strange:
        but = not_looked_at(file.resolved.spec, spec)
        printer.info(f"{args.check} is what would run today" + (f"; {but}" if but else ""))
    return 1 if found or strange else 0


def _code(file: Frozen, today: Resolved, workspace: WorkspacePaths, *, diff: bool) -> tuple[list[str], str]:
    """A line for each path of the code that differs, and the text that does when that is asked for."""
    from trainconf.submission import drift

    snapshot_id = file.resolved.spec.code.snapshot
    with drift.frozen_code(file, workspace) as store:
        if isinstance(store, str):
            return [f"the code of then is not in this store, and {store}: no path can be named ({today.source_directory})"], ""
        changes = drift.of_code(store, snapshot_id, today.source_directory)
        lines = [str(change) for change in changes[: drift.SHOWN_PATHS]]
        if len(changes) > drift.SHOWN_PATHS:
            lines.append(f"and {len(changes) - drift.SHOWN_PATHS} more")
        texts = [drift.text_diff(store, snapshot_id, today.source_directory, change) for change in changes] if diff else []
    return lines, "".join(texts)

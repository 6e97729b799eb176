"""`trainconf plan`: what would run, where, from which code and software; nothing is written or started."""

from __future__ import annotations


def run(argv: list[str]) -> int:
    """Compose, resolve and plan."""
    import json

    from trainconf import environments
    from trainconf.cli.arguments import compose as composing
    from trainconf.cli.arguments.parser import Arguments
    from trainconf.cli.screen.printer import printer
    from trainconf.snapshot import SnapshotStore, hash_tree
    from trainconf.submission.inputs import inputs_text, with_digests
    from trainconf.submission.submit import find_completed, plan_only

    parser = Arguments("plan")
    composing.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object: spec, plan")
    args = parser.parse_intermixed_args(argv)
    resolved, workspace = composing.resolved(args)
    resolved = with_digests(resolved, workspace, printer)
    snapshot = hash_tree(resolved.source_directory, store=SnapshotStore(workspace.snapshots))
    software, state = environments.locate(
        resolved.spec.environment, workspace, workspace.root, name=resolved.config.env.name
    )
    spec, plan = plan_only(resolved, workspace, snapshot, software)
    if args.json:
        printer.data(json.dumps({"spec": spec.to_dict(), "plan": plan.to_dict()}, indent=2))
        return 0
    done = find_completed(workspace, spec)
    past = f"completed before as {done.run_id} (submit.reuse=true returns it)" if done else "never completed here"
    facts = [
        ("experiment", resolved.experiment_name),
        ("compute", resolved.choice("compute")),
        ("environment", f"{resolved.choice('env')}, {state}: {software.image or software.python}"),
        ("code", f"{resolved.source_directory} as snapshot {snapshot[:12]}"),
        *(("input", line) for line in inputs_text(spec.code)),
        ("spec", f"{spec.spec_hash[:12]}, {past}"),
    ]
    printer.data("\n".join(f"{label:<12} {text}" for label, text in facts) + "\n\n" + plan.render())
    return 0

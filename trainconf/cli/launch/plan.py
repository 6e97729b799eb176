"""`trainconf plan`: what would run, where, from which code and software; nothing is written or started."""

from __future__ import annotations

from trainconf.cli.arguments.compose import add_arguments, find_and_name_workspace, request_of
from trainconf.cli.screen.printer import printer
from trainconf.control.compose import ComposeRequest
from trainconf.control.submit import Planned, plan
from trainconf.fast.stdlib import json
from trainconf.launchers.plan_text import render
from trainconf.submission.inputs import inputs_text


def run(argv: list[str]) -> int:
    """Plan, and print the plan."""
    request, as_json, is_sweep = _parse(argv)
    if is_sweep:
        from trainconf.cli.screen.sweep import print_plan
        from trainconf.control.sweeps.steer import plan as plan_sweep

        print_plan(plan_sweep(request, find_and_name_workspace(), printer), as_json=as_json)
        return 0
    planned = plan(request, find_and_name_workspace(), printer)
    if as_json:
        printer.data(json.dumps({"spec": planned.spec.to_dict(), "plan": planned.plan.to_dict()}, indent=2))
    else:
        printer.data("\n".join(f"{label:<12} {text}" for label, text in _facts(planned)) + "\n\n" + render(planned.plan))
    return 0


def _parse(argv: list[str]) -> tuple[ComposeRequest, bool, bool]:
    """What to plan, whether to print JSON, and whether it is a sweep. Overrides alone need no argparse, whose import takes 5 ms."""
    if not any(word.startswith("-") for word in argv):
        return ComposeRequest(argv), False, False
    from trainconf.cli.arguments.parser import Arguments

    parser = Arguments("plan")
    add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object: spec, plan")
    parser.add_argument("--multirun", "-m", action="store_true", help="plan a sweep: what each key can be, and its first trials")
    args = parser.parse_intermixed_args(argv)
    return request_of(args), args.json, args.multirun


def _facts(planned: Planned) -> list[tuple[str, str]]:
    resolved, spec, done = planned.resolved, planned.spec, planned.completed
    past = f"completed before as {done.run_id} (submit.reuse=true returns it)" if done else "never completed here"
    return [
        ("experiment", resolved.experiment_name),
        ("compute", resolved.choice("compute")),
        ("environment", f"{resolved.choice('env')}, {planned.environment}"),
        ("code", f"{resolved.source_directory} as snapshot {spec.code.snapshot[:12]}"),
        *(("input", line) for line in inputs_text(spec.code)),
        ("spec", f"{spec.spec_hash[:12]}, {past}"),
    ]

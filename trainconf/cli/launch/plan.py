"""`trainconf plan`: what would run, where, from which code and software; nothing is written or started."""

from __future__ import annotations

from trainconf.cli.arguments.compose import add_arguments, find_and_name_workspace, parse_arguments, request_of, script_at
from trainconf.cli.screen.printer import printer
from trainconf.control.compose import ComposeRequest
from trainconf.control.submit import Planned, plan
from trainconf.environments.recipe.requirements import backend_of
from trainconf.fast.stdlib import json
from trainconf.launchers.plan_text import render
from trainconf.submission.inputs import inputs_text


def run(argv: list[str]) -> int:
    """Plan, and print the plan."""
    request, as_json, is_sweep = _parse(argv)
    return show(request, as_json=as_json, is_sweep=is_sweep)


def show(request: ComposeRequest, *, as_json: bool = False, is_sweep: bool = False) -> int:
    """Plan a request, and print the plan."""
    if is_sweep:
        from trainconf.cli.screen.sweep import print_plan
        from trainconf.control.sweeps.steer import plan as plan_sweep

        print_plan(plan_sweep(request, find_and_name_workspace(), printer), as_json=as_json)
        return 0
    planned = plan(request, find_and_name_workspace(), printer)
    if as_json:
        printer.verbatim(json.dumps({"spec": planned.spec.to_dict(), "plan": planned.plan.to_dict()}, indent=2))
    else:
        facts = "\n".join(f"{label:<11}  {text}" for label, text in _facts(planned))
        printer.verbatim(f"{printer.fitted(facts)}\n\n{render(planned.plan, printer.fitted)}")
    return 0


def _parse(argv: list[str]) -> tuple[ComposeRequest, bool, bool]:
    """What to plan, whether to print JSON, and whether it is a sweep. Overrides alone need no argparse, whose import takes 5 ms."""
    if script_at(argv) is None and not any(word.startswith("-") for word in argv):
        return ComposeRequest(argv), False, False
    from trainconf.cli.arguments.parser import Arguments

    parser = Arguments("plan")
    add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object: spec, plan")
    parser.add_argument("--multirun", "-m", action="store_true", help="plan a sweep: what each key can be, and its first trials")
    args = parse_arguments(parser, argv)
    return request_of(args, is_sweep=args.multirun), args.json, args.multirun


def _facts(planned: Planned) -> list[tuple[str, str]]:
    resolved, spec, done = planned.resolved, planned.spec, planned.completed
    past = f"completed before as {done.run_id} (submit.reuse=true returns it)" if done else "never completed here"
    backend = backend_of(spec.environment.requirements)
    return [
        ("experiment", resolved.experiment_name),
        ("compute", resolved.choice("compute")),
        ("environment", f"{resolved.env_name}, {planned.environment}"),
        *([("", f"builds of PyTorch: {backend}")] if backend else []),
        ("code", f"{resolved.source_directory} as snapshot {spec.code.snapshot[:12]}"),
        *(("input", line) for line in inputs_text(spec.code)),
        ("spec", f"{spec.spec_hash[:12]}, {past}"),
    ]

"""`trainconf show`: everything about one run, or about a sweep and its trials."""

from __future__ import annotations

import os
import sys

from trainconf.cli.arguments.parser import RUNS_HELP, Arguments
from trainconf.cli.screen.printer import duration, measure, one_line, printer, size, utc_time
from trainconf.cli.screen.sparkline import sparkline
from trainconf.control import history, runs
from trainconf.control.words.end import files_left
from trainconf.control.words.progress import RESOURCES, SHOWN_HOLDERS
from trainconf.control.words.ranks import facts as rank_facts
from trainconf.control.words.ranks import named, node_count
from trainconf.errors import TrainconfError
from trainconf.history import ranks
from trainconf.history.events import last as last_event
from trainconf.history.events import seconds
from trainconf.history.record import metric, missing_metric, notes, read_mapping
from trainconf.paths import RunPaths, find_workspace
from trainconf.snapshot import SnapshotStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from trainconf.history.ranks import Rank

SHOWN_FILES = SHOWN_RANKS = SHOWN_RECORDS = SHOWN_CHILDREN = 20
SPARKLINE_COLUMNS = 24


def run(argv: list[str]) -> int:
    """Print the run as text, as JSON, or the origin of every value of its config."""
    parser = Arguments("show")
    parser.add_argument("run", metavar="RUN", help=RUNS_HELP)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--origin", action="store_true", help="print the run's config, and which file or override set each value")
    parser.add_argument("--all", action="store_true", help="of a sweep: also on a terminal print every trial, of however many")
    args = parser.parse_args(argv)
    workspace = find_workspace(os.getcwd())
    paths = runs.find_run(workspace, args.run) if args.origin else runs.find(workspace, args.run)
    if runs.is_sweep(paths):
        return _sweep(paths, as_json=args.json, every=args.all)
    if args.origin:
        return _origins(paths, as_json=args.json)
    found = history.details(paths)
    if broken := found["damage"]:
        printer.info(one_line(f"{paths.run_id} is damaged: {'; '.join(broken)}"))
    if args.json:
        printer.json(found)
    else:
        _text(found, paths)
    return 0


def _sweep(paths: RunPaths, *, as_json: bool, every: bool) -> int:
    from trainconf.cli.screen.sweep import print_sweep
    from trainconf.control.results.sweep import results

    if as_json:
        printer.json(results(paths).to_dict())
    else:
        print_sweep(results(paths), every=every)
    return 0


def _origins(paths: RunPaths, *, as_json: bool) -> int:
    found = history.origins(paths)
    if found is None:
        printer.info(f"{paths.run_id} has no recorded origins")
        return 1
    config, origins = found
    if as_json:
        printer.json({"config": config, "origins": origins})
    else:
        from trainconf.cli.screen.config import origins_text

        printer.verbatim(origins_text(config, origins))
    return 0


def _text(found: dict[str, Any], paths: RunPaths) -> None:
    members = ranks.of_run(paths)
    sections = [
        ("", list(_facts(found, members, paths))),
        ("params", list(_flat(found["params"]))),
        ("inputs", list(_inputs(found["spec"] or {}))),
        ("metrics", list(_metrics(found["metrics"], paths))),
        ("recorded", list(_recorded(found))),
        ("errors", list(_errors(found["errors"]))),
        ("tags", [(name, str(value)) for name, value in found["tags"].items()]),
        ("properties", list(found["properties"].items())),
        ("child runs", list(_children(found["children"], paths))),
        ("ranks", list(_members(members))),
        ("git", list(_git(found["git"] or {}, paths))),
        ("resources", list(_resources(found["resources"]))),
        ("files", list(_files(found["files"]))),
    ]
    printer.data(f"{one_line(found['run_id'])}  {printer.status(found['status'])}")
    for title, pairs in sections:
        if pairs:
            printer.data(f"\n{title}" if title else "")
            wide = max(len(one_line(label)) for label, _ in pairs)
            printer.data("\n".join(f"  {one_line(label):<{wide}}  {one_line(value)}".rstrip() for label, value in pairs))


def _facts(found: dict[str, Any], members: list[Rank], paths: RunPaths) -> Iterator[tuple[str, str]]:
    last = found["events"][-1] if found["events"] else {}
    named = {
        "reason": found["reason"], "waits for": _waiting(paths) if found["status"] == "Queued" else "",
        "metric": missing_metric(metric(paths), found["metrics"], found["status"]),
        "experiment": found["experiment_name"], "display name": found["display_name"], "note": found["note"],
        "archived": "yes, `trainconf unarchive` takes it into lists again" if found["archived"] else "",
        "created": _time(found["created"]), "started": _time(found["started"]),
        "ended": _time(found["ended"]), "duration": duration(found["duration_s"]),
        "exit code": found["exit_code"], "failed rank": _failed_rank(found["events"], members, paths), "attempt": found["attempt"],
        "command": ranks.command(paths), "compute": found["compute"], "env": found["env"],
        "distributed": _distributed(found["distributed"], members), "parent" if found["type"] == "child" else "sweep": found["parent"],
        "spec": found["spec_hash"],
        "run dir": found["run_dir"],
        "remarks": "; ".join(filter(None, [*notes(last), files_left(last)])),
    }  # fmt: skip
    for label, value in named.items():
        if value is not None and value != "":
            yield label, str(value)


def _waiting(paths: RunPaths) -> str:
    """What a run waits for on this machine, and who has it."""
    from trainconf.control.watch import waiting

    found = waiting(paths)
    if found is None:
        return ""
    held = f", held by {'; '.join(found.holders[:SHOWN_HOLDERS])}" if found.holders else ""
    return f"a {RESOURCES[found.resource]} of this machine, place {found.place} in the queue{held}"


def _metrics(values: dict[str, Any], paths: RunPaths) -> Iterator[tuple[str, str]]:
    """The last value of each metric, and its course, where reading that is quick."""
    from trainconf.history.logged.courses import courses_of

    courses = courses_of(paths, values)
    encoding = getattr(sys.stdout, "encoding", None)
    wide = max((len(measure(name, value)) for name, value in values.items()), default=0)
    for name, value in values.items():
        course = courses[name].values if name in courses else ()
        yield name, f"{measure(name, value):<{wide}}  {sparkline(course, SPARKLINE_COLUMNS, encoding) if len(course) > 2 else ''}".rstrip()


def _recorded(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Tables, images and charts: what each is, and what its script says of it."""
    told = found["descriptions"]
    for name, table in found["tables"].items():
        yield name, f"table, {table['rows']} row{'s' if table['rows'] != 1 else ''} of {', '.join(table['columns'])}{_said(told.get(name))}"
    for image in found["images"][-SHOWN_RECORDS:]:
        yield image["name"], f"image, {image['file']}{_said(told.get(image['name']))}"
    for chart in found["charts"][-SHOWN_RECORDS:]:
        yield chart["name"], f"{chart['value']['schema_type'].replace('_', ' ')}{_said(told.get(chart['name']))}"


def _said(text: str | None) -> str:
    return f": {text}" if text else ""


def _errors(errors: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """What the script has recorded as errors, by `fail` or by an exception."""
    for error in errors[-SHOWN_RECORDS:]:
        yield str(error.get("code") or ""), str(error["text"])


def _children(ids: list[str], paths: RunPaths) -> Iterator[tuple[str, str]]:
    """The runs below it, and the state of each."""
    found = [RunPaths(os.path.join(os.path.dirname(paths.run_dir), name)) for name in ids]
    for child in found[:SHOWN_CHILDREN]:
        yield child.run_id, runs.state(child).status if os.path.isdir(child.run_dir) else _in_container(paths, child.run_id)
    if len(found) > SHOWN_CHILDREN:
        yield f"and {len(found) - SHOWN_CHILDREN} more", ""


def _in_container(paths: RunPaths, name: str) -> str:
    """What a container's job says of its child, which its agent puts in place when the run has ended."""
    said = last_event(RunPaths(os.path.join(paths.children, name)))
    return f"{said['state']}, by its own word; in the container until the run has ended" if said else "gone"


def _time(text: str | None) -> str:
    moment = seconds(text)
    return "" if moment is None else f"{utc_time(moment)} UTC"


def _distributed(name: str | None, members: list[Rank]) -> str | None:
    """Such as: pytorch, 6 processes on 3 nodes"""
    nodes = node_count(members)
    return f"{name}, {len(members)} processes on {nodes} node{'s' if nodes > 1 else ''}" if len(members) > 1 else name


def _failed_rank(history: list[dict[str, Any]], members: list[Rank], paths: RunPaths) -> str:
    """Which rank a run of several failed through, where that was, and where its output is."""
    number = next((ranks.failed(event) for event in reversed(history) if event["state"] == "Failed"), None)
    if number is None or len(members) < 2:
        return ""
    return f"{named(members, number).removeprefix('rank ')}; its output is {os.path.relpath(paths.log(number), paths.run_dir)}"


def _members(members: list[Rank]) -> Iterator[tuple[str, str]]:
    """Each process of a run of several: where it is, as far as that is known."""
    if len(members) > 1:
        nodes = node_count(members)
        yield from ((f"rank {rank.number}", rank_facts(rank, nodes)) for rank in members[:SHOWN_RANKS])
        if len(members) > SHOWN_RANKS:
            yield f"and {len(members) - SHOWN_RANKS} more", ""


def _flat(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "null" if value is None else str(value)


def _inputs(spec: dict[str, Any]) -> Iterator[tuple[str, str]]:
    code = spec.get("code")
    try:
        hashed = dict(code.get("input_digests", ()))  # type: ignore[union-attr]
        for name, path in code["inputs"]:  # type: ignore[index]
            yield name, f"{path}  {hashed.get(name, 'its content was not looked at')}"
    except (AttributeError, LookupError, TypeError, ValueError):
        return  # a damaged spec costs this section


def _git(facts: dict[str, Any], paths: RunPaths) -> Iterator[tuple[str, str]]:
    for label in ("repository", "branch", "commit"):
        if facts.get(label):
            yield label, str(facts[label])
    if facts.get("dirty"):
        yield "dirty", "yes: see uncommitted.patch" if os.path.isfile(paths.patch) else "yes"
    elif facts:
        yield "dirty", "unknown" if facts.get("dirty") is None else "no"
    if facts.get("untracked_count"):
        yield "untracked", _untracked(facts, paths)
    for module in facts.get("submodules") or ():
        state = {True: ", dirty", False: ""}.get(module.get("dirty"), ", dirty: unknown")
        yield "submodule", f"{module.get('path')} at {module.get('commit') or 'no commit'}{state}"
    if facts.get("note"):
        yield "note", str(facts["note"])


def _untracked(facts: dict[str, Any], paths: RunPaths) -> str:
    """How many files git did not track, and how many of those that were recorded by name are in the run's snapshot."""
    count, named = facts["untracked_count"], facts.get("untracked") or []
    inside: set[str] = set()  # files and the folders that hold them
    try:
        source = os.path.realpath(read_mapping(paths.record)["source_directory"])
        for entry in SnapshotStore(paths.workspace.snapshots).show(read_mapping(paths.spec)["code"]["snapshot"]):
            path = os.path.join(source, entry.path)
            while path not in inside and path != source:
                inside.add(path)
                path = os.path.dirname(path)
        taken = sum(os.path.join(os.path.realpath(facts["root"]), name).rstrip("/") in inside for name in named)
    except (TrainconfError, TypeError, LookupError, AttributeError):
        return str(count)
    of = "" if count == len(named) else f"of the first {len(named)}, "
    return f"{count}, in the snapshot" if taken == count else f"{count}; {of}{taken} in the snapshot"


def _resources(resources: dict[str, Any]) -> Iterator[tuple[str, str]]:
    labels = {"wall_s": "wall time", "cpu_s": "CPU time", "peak_rss_bytes": "peak memory"}
    for name, value in resources.items():
        text = duration(value) if name.endswith("_s") and isinstance(value, (int, float)) else measure(name, value)
        yield labels.get(name, name), "unknown" if value is None else text


def _files(files: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for file in files[:SHOWN_FILES]:
        yield file["path"], size(file["bytes"])
    if len(files) > SHOWN_FILES:
        rest = files[SHOWN_FILES:]
        yield f"and {len(rest)} more", size(sum(file["bytes"] for file in rest))

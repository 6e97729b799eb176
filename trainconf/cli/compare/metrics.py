"""`trainconf metrics`: the series of runs, in short, as curves, as a table, or whole for other programs."""

from __future__ import annotations

import os
import sys
from math import isfinite

from trainconf.cli.arguments.parser import RUNS_HELP, Arguments, count
from trainconf.cli.screen import drawing
from trainconf.cli.screen.printer import measure, one_line, printer, terminal_size, width
from trainconf.cli.screen.sparkline import shows_blocks, sparkline
from trainconf.cli.screen.tables import no_room, table
from trainconf.cli.screen.tables import room as room_of_terminal
from trainconf.control import metrics, runs
from trainconf.control.words.spreadsheets import of_series
from trainconf.errors import RunNotFoundError
from trainconf.paths import find_workspace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from trainconf.control.metrics import RunSeries
    from trainconf.history.series import Series
    from trainconf.paths import RunPaths, WorkspacePaths

DEFAULT_POINTS = 20
CURVE_COLUMNS = 40
CHART_ROWS, LOWEST_CHART_ROWS = 16, 10
STEP_COLUMNS, NUMBER_COLUMNS = 8, 12  # of the points' table
BLOCK_LINES = 10_000  # points of JSON that are written at once
UNKNOWN = {"nan": '"NaN"', "inf": '"Infinity"', "-inf": '"-Infinity"'}  # as `Printer.json` has them


def run(argv: list[str]) -> int:
    """Print the series; exit code 0 also when there are none."""
    parser = Arguments("metrics")
    parser.add_argument("first", metavar="RUN", help=RUNS_HELP)
    parser.add_argument("rest", metavar="RUN|NAME", nargs="*", default=[],
                        help="further runs; names or globs of metrics, whose curves are drawn")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--table", action="store_true", help="print the points as a table")
    form.add_argument("--csv", action="store_true", help="print every point as CSV: run_id,metric,source,step,time,value")
    form.add_argument("--json", action="store_true", help="print every point as one JSON array of runs")
    parser.add_argument("--points", metavar="N", type=count, default=DEFAULT_POINTS,
                        help="lines of a table (default: %(default)s, 0: all); the lowest and highest values stay")
    parser.add_argument("--system", action="store_true", help="what the agent measured of the machine, in place of what the job logged")
    args = parser.parse_args(argv)
    chosen, names = _chosen(find_workspace(os.getcwd()), [args.first, *args.rest])
    found = metrics.read(chosen, names, system=args.system)
    if args.json:
        for line in _json(found):
            printer.exact(line)
    elif args.csv:
        printer.csv(of_series(found))
    elif not any(each.series for each in found):
        what = "the agent measured nothing" if args.system else "no metric was logged yet"
        printer.info(f"{what}: {', '.join(one_line(paths.run_id) for paths in chosen)}")
    elif args.table:
        _table(found, args)
    else:
        _overview(found, is_drawn=bool(names))
    return 0


def _chosen(workspace: WorkspacePaths, words: Sequence[str]) -> tuple[list[RunPaths], list[str]]:
    """The runs and the names among the words. A word that is a metric of the first run is that, even where a run begins so."""
    chosen = runs.runs_of(runs.find(workspace, words[0]))
    logged = metrics.names(chosen[0]) if chosen and len(words) > 1 else frozenset()
    names = []
    for word in words[1:]:
        try:
            if word in logged:
                names.append(word)
            else:
                chosen += runs.runs_of(runs.find(workspace, word))
        except RunNotFoundError:
            names.append(word)
    return list({paths.run_dir: paths for paths in chosen}.values()), names


def _overview(found: Sequence[RunSeries], *, is_drawn: bool) -> None:
    """Curves where they can be drawn, and a line for each series."""
    can_draw = is_drawn and drawing.can_draw()
    if can_draw:
        _draw(found)
    shown = [(run.paths.run_id, series) for run in found for series in run.series]
    headers = ["metric", "points", "steps", "lowest", "highest", "last"]
    cells = [
        [series.name, str(len(series)), _steps(series), *(measure(series.name, each) for each in metrics.extent(series.values))]
        for _, series in shown
    ]
    if len({series.source for _, series in shown}) > 1:
        headers.insert(1, "source")
        cells = [[row[0], series.source, *row[1:]] for row, (_, series) in zip(cells, shown, strict=True)]
    if len(found) > 1:
        headers.insert(0, "run")
        cells = [[run_id, *row] for row, (run_id, _) in zip(cells, shown, strict=True)]
    room = min(CURVE_COLUMNS, terminal_size()[0] - _columns(headers, cells) - 2)
    if room >= len("curve") and not can_draw:
        headers.append("curve")
        encoding = getattr(sys.stdout, "encoding", None)
        cells = [[*row, sparkline(series.values, room, encoding)] for row, (_, series) in zip(cells, shown, strict=True)]
    table(headers, cells, needed=("metric", "last"), cuttable=("metric",), rest="`--json` has all")
    if room < len("curve") and not can_draw and room_of_terminal() is not None:
        printer.info(no_room(["curve"], "a wider terminal shows it"))
    if is_drawn and not can_draw:
        printer.info(drawing.MISSING)


def _columns(headers: Sequence[str], cells: Sequence[Sequence[str]]) -> int:
    """How wide a table is."""
    return sum(max(width(one_line(row[place])) for row in (headers, *cells)) + 2 for place in range(len(headers))) - 2


def _draw(found: Sequence[RunSeries]) -> None:
    columns, rows = terminal_size()
    names = dict.fromkeys(series.name for run in found for series in run.series)
    height = CHART_ROWS if len(names) == 1 else max(LOWEST_CHART_ROWS, min(CHART_ROWS, rows // 2 - 2))
    for name in names:
        mine = [(run.paths.run_id, series) for run in found for series in run.series if series.name == name]
        curves = []
        for run_id, series in mine:
            places = metrics.thinned(series.values, 4 * columns)
            steps, values = [series.steps[place] for place in places], [series.values[place] for place in places]
            curves.append(drawing.Curve(_label(run_id, series, found, mine), steps, values))
        encoding = getattr(sys.stdout, "encoding", None)
        printer.data(drawing.draw(name, curves, columns, height, braille=shows_blocks(encoding)))
        printer.data()


def _label(run_id: str, series: Series, found: Sequence[RunSeries], mine: Sequence[tuple[str, Series]]) -> str:
    """What tells a series from others of its name: its run, its source, or both."""
    sources = {each.source for _, each in mine}
    return " ".join([run_id] * (len(found) > 1) + [series.source] * (len(sources) > 1))


def _table(found: Sequence[RunSeries], args: argparse.Namespace) -> None:
    """A line for each step, a column for each series; as many series as fit, and what was left out is said."""
    columns = [(run.paths.run_id, series) for run in found for series in run.series if len(series)]
    if not columns:
        printer.info("no number was logged, only texts")
        return
    names = [f"{_label(run_id, series, found, columns)} {series.name}".strip() for run_id, series in columns]
    room, shown = terminal_size()[0] - STEP_COLUMNS, 0
    for name in names:
        room -= max(width(one_line(name)), NUMBER_COLUMNS) + 2
        shown += room >= 0 or not shown
    columns = columns[:shown]
    longest = max(len(series) for _, series in columns)
    is_thinned = 0 < args.points < longest
    kept = {series.steps[place] for _, series in columns for place in metrics.thinned(series.values, 4 if is_thinned else len(series))}
    if is_thinned:
        steps = max((series.steps for _, series in columns), key=len)
        kept |= {steps[place * len(steps) // args.points] for place in range(max(0, args.points - len(kept)))}
    values = [{step: value for step, value in zip(series.steps, series.values, strict=True) if step in kept} for _, series in columns]
    units = [series.name for _, series in columns]
    rows = [[str(step), *(measure(name, of.get(step)) for name, of in zip(units, values, strict=True))] for step in sorted(kept)]
    table(["step", *names[:shown]], rows)
    if is_thinned:
        printer.info(f"{len(kept)} steps of {longest}: the lowest and highest values are among them; `--points 0` prints all")
    if shown < len(names):
        printer.info(f"{len(names) - shown} more series do not fit: name those you want, or `--csv`")


def _json(found: Sequence[RunSeries]) -> Iterator[str]:
    """The runs in the form of `RunSeries.to_dict`, in parts: as one text a million points are 60 MB."""
    from trainconf.fast.json import dumps

    def column(name: str, values: Sequence[float]) -> Iterator[str]:
        yield f'"{name}":['
        for start in range(0, len(values), BLOCK_LINES):
            block = values[start : start + BLOCK_LINES]
            texts = [repr(value) if isfinite(value) else UNKNOWN[str(value)] for value in block]
            yield ",".join(texts) + ("," if start + len(block) < len(values) else "")
        yield "]"

    yield "["
    for place, run in enumerate(found):
        yield f'{"," if place else ""}{{"run_id":{dumps(run.paths.run_id)},"series":['
        for number_, series in enumerate(run.series):
            yield f'{"," if number_ else ""}{{"name":{dumps(series.name)},"source":{dumps(series.source)},'
            for name, values in (("steps", series.steps), ("values", series.values), ("times", series.times)):
                yield from column(name, values)
                yield "}" if name == "times" else ","
        yield "]}"
    yield "]"


def _steps(series: Series) -> str:
    """The first and the last step."""
    if not len(series):
        return ""
    first, last = series.steps[0], series.steps[-1]
    return str(first) if first == last else f"{first}..{last}"

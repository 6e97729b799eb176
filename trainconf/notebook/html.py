"""A view as HTML that stays what it is in a saved notebook: no script, no address of anywhere, every text escaped.

The colours are those of the page (JupyterLab's and VS Code's variables), so that it fits light and dark themes. A notebook that is not
trusted loses the style and keeps tables, text and pictures.
"""

from __future__ import annotations

from html import escape

from trainconf.cli.screen.printer import one_line
from trainconf.notebook.chart import HEIGHT, WIDTH, colour, described, source
from trainconf.notebook.view import TONES, sign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainconf.notebook.view import Chart, Table, View

LONGEST = 500  # characters of a text that somebody has chosen
# Of a page's own rules for what is in outputs the more exact one wins: hence the class three times.
STYLE = """<style>
& {font:13px/1.5 var(--jp-ui-font-family,system-ui,sans-serif);color:var(--jp-ui-font-color1,inherit);max-width:1100px;
--line:var(--jp-border-color2,var(--vscode-panel-border,rgba(128,128,128,.35)));--soft:var(--jp-ui-font-color2,inherit);
--mono:var(--jp-code-font-family,ui-monospace,monospace)}
& .head{display:flex;flex-wrap:wrap;gap:2px 12px;align-items:baseline;margin:2px 0}
& .name{font-family:var(--mono);font-weight:600;overflow-wrap:anywhere}
& .good{color:#1f9254}
& .bad{color:#d9483f}
& .on{color:#3b82c4}
& .off{color:#a87400}
& .soft{color:var(--soft)}
& .state{font-weight:600;white-space:nowrap}
& .facts{display:flex;flex-wrap:wrap;gap:0 20px;margin:2px 0 6px}
& .facts span{overflow-wrap:anywhere}
& .side{display:flex;flex-wrap:wrap;gap:4px 28px;align-items:flex-start}
& .side>*{min-width:0;max-width:100%}
& .wide{overflow-x:auto}
& table{border-collapse:collapse;margin:4px 0;border:0;font-size:12px;table-layout:auto}
& tr{background:none}
& th,& td{border:0;border-bottom:1px solid var(--line);padding:2px 14px 2px 0;text-align:left;vertical-align:top;max-width:32em;
overflow-wrap:break-word;white-space:pre-wrap;background:none}
& th{font-weight:600;color:var(--soft);white-space:nowrap}
& td{font-family:var(--mono)}
& tr.best td{font-weight:700}
& caption{caption-side:top;text-align:left;font-weight:600;padding:0;color:inherit}
& figure{margin:4px 0;width:300px;max-width:100%}
& figcaption{font-weight:600;font-size:12px;overflow-wrap:anywhere;color:inherit}
& img{max-width:100%;height:auto;display:block;margin:0;background:none}
& pre.log{font-family:var(--mono);font-size:12px;line-height:1.4;margin:4px 0;padding:6px 8px;overflow-x:auto;white-space:pre;
border:1px solid var(--line);background:none;color:inherit}
& p{margin:2px 0}
</style>""".replace("&", ".trainconf" * 3)


def render(view: View, seen: str = "") -> str:
    """The whole of it. `seen`: the time of which this is the state, for what may have changed since."""
    body = "".join(_parts(view, seen))
    return f'{STYLE}<div class="trainconf">{body}</div>'


def _parts(view: View, seen: str) -> Iterator[str]:
    state = f'<span class="state {TONES.get(view.status, "soft")}">{sign(view.status)} {_text(view.status)}</span>' if view.status else ""
    as_of = f'<span class="soft">as of {_text(seen)}</span>' if seen and not view.is_over else ""
    yield f'<div class="head"><span class="soft">{_text(view.kind)}</span><span class="name">{_text(view.name)}</span>{state}{as_of}</div>'
    if view.reason:
        yield f'<p class="{TONES.get(view.status, "soft")}">{_text(view.reason)}</p>'
    if view.facts:
        facts = " ".join(f'<span><span class="soft">{_text(label)}</span> {_text(value)}</span>' for label, value in view.facts)
        yield f'<div class="facts">{facts}</div>'
    if view.tables:
        yield f'<div class="side">{"".join(map(_table, view.tables))}</div>'
    yield from (f"<p>{_text(note)}</p>" for note in view.notes)
    if view.charts:
        yield f'<div class="side">{"".join(map(_chart, view.charts))}</div>'
    if view.log:
        lines = "\n".join(map(escape, view.log))
        yield f'<div class="soft">{_text(view.log_title)}</div><pre class="log">{lines}</pre>'


def _table(table: Table) -> str:
    caption = f"<caption>{_text(table.title)}</caption>" if table.title else ""
    head = "".join(
        f"<th>{_swatch(table.column_swatches.get(column))}{_text(text)}</th>" for column, text in enumerate(table.headers)
    )  # fmt: skip
    head = f"<thead><tr>{head}</tr></thead>" if any(table.headers) else ""
    rows = []
    for place, row in enumerate(table.rows):
        cells = []
        for column, text in enumerate(row):
            tone = table.tones.get((place, column), "")
            swatch = "" if column else _swatch(table.row_swatches.get(place))
            cells.append(f'<td{f" class={tone}" if tone else ""}>{swatch}{_text(text)}</td>')
        rows.append(f'<tr{" class=best" if place == table.best_row else ""}>{"".join(cells)}</tr>')
    return f'<div class="wide"><table>{caption}{head}<tbody>{"".join(rows)}</tbody></table></div>'


def _chart(chart: Chart) -> str:
    picture = f'<img width="{WIDTH}" height="{HEIGHT}" alt="{_text(described(chart))}" src="{source(chart)}">'
    return f"<figure><figcaption>{_text(chart.title)}</figcaption>{picture}</figure>"


def _swatch(place: int | None) -> str:
    return "" if place is None else f'<span style="color:{colour(place)}">&#9632;</span> '


def _text(text: str) -> str:
    """A text of anybody as it may stand in the page: no markup, and no character that turns the order of others."""
    return escape(one_line(text if len(text) <= LONGEST else text[:LONGEST] + ".."))

"""A chart as an SVG picture: an image can hold no script and asks for no file, and is shown in notebooks that are not trusted, too.

An image does not know the colours of the page around it. So all of these are readable on white and on black.
"""

from __future__ import annotations

import base64
import math
from html import escape

from trainconf.cli.screen.printer import measure, number, one_line
from trainconf.control.metrics import extent, thinned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trainconf.notebook.view import Chart, Line

# Colours that the colour-blind tell apart, with a contrast of 3 : 1 on white and on black (WCAG 2.2, 1.4.11).
COLOURS = ("#3b82c4", "#d2691e", "#1d9a6c", "#c0559b", "#8a70d6", "#a08000", "#2a98a8", "#c94f4f")
DASHES = ("", "5 3", "2 2", "8 3 2 3")
GREY = "#808080"
WIDTH, HEIGHT = 300, 130
LEFT, RIGHT, TOP, BOTTOM = 48, 8, 8, 18
POINTS = 160  # of a line: one for three pixels of a sharp screen, and no peak is lost


def colour(place: int) -> str:
    """The colour of a line."""
    return COLOURS[place % len(COLOURS)]


def source(chart: Chart) -> str:
    """The address of the picture: the picture itself."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg(chart).encode()).decode()


def described(chart: Chart) -> str:
    """The chart in words, for who does not see it."""
    first, last, low, high = _extent(chart.lines)
    lines = f", {len(chart.lines)} lines" if len(chart.lines) > 1 else ""
    values = f"from {measure(chart.title, low)} to {measure(chart.title, high)}"
    return f"{one_line(chart.title)}: {values} over steps {number(first)} to {number(last)}{lines}"


def svg(chart: Chart) -> str:
    """The picture."""
    first, last, low, high = _extent(chart.lines)
    box = _Box(first, last, low, high)
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="system-ui, sans-serif" font-size="10" fill="{GREY}">',
        f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="{GREY}" stroke-opacity=".6"/>',
        f'<text x="{LEFT - 4}" y="{TOP + 8}" text-anchor="end">{escape(_value(chart.title, high))}</text>',
        f'<text x="{LEFT}" y="{HEIGHT - 5}">{_label(first)}</text>',
        f'<text x="{right}" y="{HEIGHT - 5}" text-anchor="end">{_label(last)}</text>',
    ]
    if high > low:
        parts.insert(3, f'<text x="{LEFT - 4}" y="{bottom}" text-anchor="end">{escape(_value(chart.title, low))}</text>')
    parts += [_line(line, box) for line in chart.lines]
    return "".join(parts) + "</svg>"


class _Box:
    """Turns a point into a place of the picture."""

    def __init__(self, first: float, last: float, low: float, high: float) -> None:
        self._first, self._steps = first, (last - first) or 1.0
        self._high, self._span = high, high / 2 - low / 2  # the difference itself may be infinite

    def __call__(self, step: float, value: float) -> str:
        x = LEFT + (WIDTH - LEFT - RIGHT) * (step - self._first) / self._steps
        y = TOP + (HEIGHT - TOP - BOTTOM) * ((self._high / 2 - value / 2) / self._span if self._span > 0 else 0.5)
        return f"{x:.1f} {y:.1f}"


def _line(line: Line, box: _Box) -> str:
    dash = DASHES[line.colour // len(COLOURS) % len(DASHES)]
    style = f'stroke="{colour(line.colour)}" stroke-width="1.6" stroke-linejoin="round"' + (f' stroke-dasharray="{dash}"' if dash else "")
    found = []
    for points in _unbroken(line):
        places = [box(step, value) for step, value in points]
        if len(places) == 1:  # alone between two gaps
            x, y = places[0].split()
            found.append(f'<circle cx="{x}" cy="{y}" r="2" fill="{colour(line.colour)}"/>')
        else:
            found.append(f'<path d="M{"L".join(places)}" fill="none" {style}/>')
    return "".join(found)


def _unbroken(line: Line) -> Iterator[list[tuple[float, float]]]:
    """The points without a gap between them: a value that is not finite is one."""
    points: list[tuple[float, float]] = []
    for place in thinned(line.values, POINTS):
        if math.isfinite(line.values[place]):
            points.append((line.steps[place], line.values[place]))
        elif points:
            yield points
            points = []
    if points:
        yield points


def _extent(lines: Sequence[Line]) -> tuple[float, float, float, float]:
    """The first and the last step of all lines, whose steps grow, and the lowest and the highest finite value; zeros without one."""
    found = [extent(line.values) for line in lines]
    ends = [step for line in lines if len(line.steps) for step in (line.steps[0], line.steps[-1])]
    lows = [each.lowest for each in found if each.lowest is not None]
    highs = [each.highest for each in found if each.highest is not None]
    return min(ends, default=0.0), max(ends, default=0.0), min(lows, default=0.0), max(highs, default=0.0)


def _label(value: float) -> str:
    return escape(f"{value:.4g}")


def _value(name: str, value: float) -> str:
    """A value of a metric beside its axis: with its unit, or in four digits."""
    told = measure(name, value)
    return f"{value:.4g}" if told == number(value) else told

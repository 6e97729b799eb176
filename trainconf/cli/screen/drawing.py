"""Draws curves with plotext, which is imported here alone, and only when something is drawn."""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple

from trainconf.cli.screen.printer import one_line, printer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MISSING = "curves are drawn with plotext 6: pip install 'trainconf[plot]'"
PALETTE = {4: "blue", 1: "red", 2: "green", 5: "magenta", 6: "cyan", 3: "yellow"}  # the numbers of ECMA-48, which plotext takes
MARKERS = "*+ox#%@"  # of several curves where there are no colours, or not enough
LARGE = 1e15  # steps from here on are told with an exponent


class Curve(NamedTuple):
    """Points of one colour or character; its label names it where there are several."""

    label: str
    steps: Sequence[int]
    values: Sequence[float]


def can_draw() -> bool:
    """Whether plotext is there, in a version that is understood here."""
    try:
        from plotext import figure
    except ImportError:
        return False
    return hasattr(figure, "signal")


def draw(title: str, curves: Sequence[Curve], columns: int, rows: int, *, braille: bool) -> str:
    """Lines of at most `columns` characters, and below them a key where there are several curves.

    `braille`: whether such characters can be shown, which hold eight points each.
    """
    import plotext

    figure = plotext.figure
    figure.clear()
    figure.theme("colorless").canvas("default")
    figure.plot_size(columns, rows)
    is_coloured = printer.paint("x", "blue") != "x"
    key = []
    for number, curve in enumerate(curves):
        colour = list(PALETTE)[number % len(PALETTE)]
        has_dots = braille and (len(curves) == 1 or (is_coloured and len(curves) <= len(PALETTE)))
        symbol = "braille" if has_dots else MARKERS[number % len(MARKERS)]
        points = [(step, value) for step, value in zip(curve.steps, curve.values, strict=True) if isfinite(value)]
        if points:
            marker = plotext.marker(symbol, plotext.pixel(colour))
            figure.draw(figure.signal([step for step, _ in points], [value for _, value in points], marker=marker).lines())
        key.append(printer.paint(f"  {'⠒⠒' if has_dots else symbol}  {one_line(curve.label)}", PALETTE[colour]))
    steps = [step for curve in curves for step in curve.steps]
    ticks = _ticks(min(steps, default=0), max(steps, default=0), columns // 16)
    figure.ruler("x").ticks(ticks, [str(tick) if abs(tick) < LARGE else f"{tick:.3g}" for tick in ticks])
    figure.title(one_line(title))
    drawn = figure.build().string()
    figure.clear()
    return "\n".join([*map(_painted, drawn.rstrip("\n").split("\n")), *(key if len(curves) > 1 else [])])


def _painted(line: str) -> str:
    """A line of plotext's with the colours of our own printer, which shows no others."""
    first, *parts = line.split("\x1b[")
    found = first
    for part in parts:
        sequence, _, text = part.partition("m")
        colour = PALETTE.get(int(sequence.rpartition(";")[2] or 0), "") if sequence.startswith("38;5;") else ""
        found += printer.paint(text, colour) if text.strip() else text
    return found.rstrip()


def _ticks(low: int, high: int, count: int) -> list[int]:
    """Round numbers from `low` to `high`, about `count` of them."""
    width = 1
    while (high - low) // width > max(1, count):
        width *= 5 if str(width)[0] == "2" else 2  # 1, 2, 10, 20, 100: 5 is left out, for 10 is not twice that
    return list(range(-(-low // width) * width, high + 1, width)) or [low]

"""Writes docs/architecture.svg: the floors of pyproject.toml's import contract as rows, the packages as rooms.

    python docs/picture.py

Floors and rooms come from the contract and from the folders of `trainconf/`; what runs in a job is what the agent imports.
The sentences are those of rooms.yaml: one a room, what it decides.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import import_module
from pathlib import Path

import grimp
import yaml

ROOT = Path(__file__).parents[1]
PACKAGE, PICTURE = ROOT / "trainconf", ROOT / "docs" / "architecture.svg"
TITLE = "trainconf"
SUBTITLE = "A room imports from the floors below it: never from above, never from its own floor."

DECIDES: dict[str, str] = yaml.safe_load((ROOT / "docs" / "rooms.yaml").read_text())

# One run, from what is typed to what is read: the room, and what happens in it.
WAY = [
    ("cli/arguments", "words are read"),
    ("composition", "files and words become a config"),
    ("resolve", "the config becomes a RunSpec"),
    ("environments", "its software is found or built"),
    ("snapshot", "its code is kept"),
    ("submission", "its directory is made"),
    ("launchers", "its job is planned and sent"),
    ("agent", "its processes run and are recorded"),
    ("history", "its files are read, by ls and show"),
]

# What passes between rooms at run time, by files: no import shows it.
HANDED = [
    ("launchers", "agent", "plan.json"),
    ("agent", "history", "events.jsonl"),
    ("history", "cli", "what ran"),
]

WIDTH = 1140
LEFT, RIGHT = 76, 132
TOP = 118
GAP = 12  # between rooms, and between floors
PAD = 14
NAME_SIZE, LINE_SIZE = 17, 13.5
LINE_STEP = 18
INNER_NAME_SIZE, INNER_LINE_SIZE, INNER_STEP = 14, 12.5, 16
FOOT = 196


@dataclass
class Room:
    """A package or module on a floor; `rooms` are its folders."""

    name: str
    line: str
    in_job: bool
    rooms: list[Room] = field(default_factory=list)


@dataclass
class Box:
    """Where a room was drawn."""

    x: float
    y: float
    width: float
    height: float


def floors() -> list[list[Room]]:
    """The rows of the picture, from the top. Raises KeyError when rooms and sentences do not match."""
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    contracts = toml.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    in_job = loaded_by("agent", "job_api")
    handed = {name for source, target, _ in HANDED for name in (source, target)}  # at the right end, where the arrows are
    split = [sorted((name.strip() for name in layer.split("|")), key=lambda name: name in handed) for layer in layers]
    rows = [[_room(name, in_job) for name in layer] for layer in split]
    names = {name for row in rows for room in row for name in [room.name, *(f"{room.name}/{inner.name}" for inner in room.rooms)]}
    if names != set(DECIDES):
        raise KeyError(f"docs/picture.py: rooms and sentences differ: {', '.join(sorted(names ^ set(DECIDES)))}")
    return rows


def _room(name: str, in_job: set[str]) -> Room:
    folder = PACKAGE / name
    inner = sorted(path.parent.name for path in folder.glob("*/__init__.py"))
    order = [key.partition("/")[2] for key in DECIDES if key.startswith(f"{name}/")]
    inner.sort(key=lambda part: order.index(part) if part in order else len(order))
    is_in_job = name in in_job
    return Room(name, DECIDES.get(name, ""), is_in_job, [Room(part, DECIDES.get(f"{name}/{part}", ""), is_in_job) for part in inner])


def loaded_by(*rooms: str) -> set[str]:
    """The rooms of trainconf that some rooms import, directly or not, these included: in the graph that the contracts are checked on."""
    graph = grimp.build_graph("trainconf", cache_dir=None, exclude_type_checking_imports=True)
    found = set[str]().union(*(graph.find_upstream_modules(f"trainconf.{room}", as_package=True) for room in rooms))
    return {name.split(".")[1] for name in found if "." in name} | set(rooms)


class Canvas:
    """The elements of the picture, in the order in which they are drawn."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def rect(self, box: Box, kind: str, radius: float = 8) -> None:
        size = f'x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}"'
        self.lines.append(f'<rect class="{kind}" {size} rx="{radius:g}"/>')

    def text(self, x: float, y: float, text: str, size: float, kind: str = "", anchor: str = "start") -> None:
        words = f'class="{kind}" ' if kind else ""
        anchored = f' text-anchor="{anchor}"' if anchor != "start" else ""
        self.lines.append(f'<text {words}x="{x:g}" y="{y:g}" font-size="{size:g}"{anchored}>{escape(text, quote=False)}</text>')

    def turned(self, x: float, y: float, text: str, size: float, kind: str, degrees: int) -> None:
        place = f'font-size="{size:g}" text-anchor="middle" transform="translate({x:g} {y:g}) rotate({degrees})"'
        self.lines.append(f'<text class="{kind}" {place}>{escape(text, quote=False)}</text>')

    def path(self, points: str, kind: str, width: float, more: str = "") -> None:
        self.lines.append(f'<path class="{kind}" d="{points}" stroke-width="{width:g}"{more}/>')

    def badge(self, x: float, y: float, number: int) -> None:
        self.lines.append(f'<circle class="badge" cx="{x:g}" cy="{y:g}" r="11"/>')
        self.text(x, y + 4.5, str(number), 13, "number", "middle")


def width_of(text: str, size: float, *, is_mono: bool = False) -> float:
    """About as wide as the widest of the fonts in architecture.css draws it."""
    if is_mono:
        return len(text) * size * 0.62
    return sum(0.32 if letter in "iljft.,:;'|! " else 0.92 if letter in "mwMW" else 0.59 for letter in text) * size


def wrapped(text: str, size: float, width: float) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and width_of(longer, size) > width:
            lines.append(line)
            line = word
        else:
            line = longer
    return [*lines, line] if line else lines


def shares(row: Sequence[Room], width: float) -> list[float]:
    """The widths of the rooms of a floor: by how many rooms they hold."""
    weights = [1.3 + len(room.rooms) for room in row]
    free = width - GAP * (len(row) - 1)
    return [free * weight / sum(weights) for weight in weights]


def inner_height(room: Room, width: float) -> float:
    if not room.rooms:
        return 0
    each = (width - 2 * PAD - GAP * (len(room.rooms) - 1)) / len(room.rooms)
    rows = max(len(wrapped(inner.line, INNER_LINE_SIZE, each - 20)) for inner in room.rooms)
    return 34 + rows * INNER_STEP


def room_height(room: Room, width: float) -> float:
    """As high as its words need."""
    if inner := inner_height(room, width):
        return PAD + 20 + _head_rows(room, width) * LINE_STEP + 8 + inner + PAD
    return 36 + len(wrapped(room.line, LINE_SIZE, width - 2 * PAD)) * LINE_STEP + 8


def _head_rows(room: Room, width: float) -> int:
    """The rows below the name; none where the sentence fits beside it."""
    beside = width - 3 * PAD - width_of(room.name, NAME_SIZE, is_mono=True) - 40
    return 0 if width_of(room.line, LINE_SIZE) <= beside else len(wrapped(room.line, LINE_SIZE, width - 2 * PAD))


def draw_room(canvas: Canvas, room: Room, box: Box) -> dict[str, Box]:
    """The room and its rooms; where each is, by name."""
    canvas.rect(box, "job" if room.in_job else "room")
    name_width = width_of(room.name, NAME_SIZE, is_mono=True)
    canvas.text(box.x + PAD, box.y + 26, room.name, NAME_SIZE, "name")
    rows = _head_rows(room, box.width) if room.rooms else len(wrapped(room.line, LINE_SIZE, box.width - 2 * PAD))
    if rows:
        for number, line in enumerate(wrapped(room.line, LINE_SIZE, box.width - 2 * PAD)):
            canvas.text(box.x + PAD, box.y + 48 + number * LINE_STEP, line, LINE_SIZE, "quiet")
    else:
        canvas.text(box.x + 2 * PAD + name_width, box.y + 26, room.line, LINE_SIZE, "quiet")
    found = {room.name: box}
    if room.rooms:
        height = inner_height(room, box.width)
        each = (box.width - 2 * PAD - GAP * (len(room.rooms) - 1)) / len(room.rooms)
        for number, inner in enumerate(room.rooms):
            place = Box(box.x + PAD + number * (each + GAP), box.y + box.height - PAD - height, each, height)
            canvas.rect(place, "injob" if room.in_job else "inner", 6)
            canvas.text(place.x + 10, place.y + 21, inner.name, INNER_NAME_SIZE, "name")
            for line_number, line in enumerate(wrapped(inner.line, INNER_LINE_SIZE, each - 20)):
                canvas.text(place.x + 10, place.y + 39 + line_number * INNER_STEP, line, INNER_LINE_SIZE, "quiet")
            found[f"{room.name}/{inner.name}"] = place
    return found


def draw_floor(canvas: Canvas, row: Sequence[Room], y: float) -> tuple[dict[str, Box], float]:
    """A floor at `y`: its rooms by name, and its height."""
    width = WIDTH - LEFT - RIGHT
    if len(row) == 1 and not row[0].rooms:
        (room,) = row
        box = Box(LEFT, y, width, 42)
        canvas.rect(box, "job" if room.in_job else "room")
        canvas.text(box.x + PAD, box.y + 27, room.name, NAME_SIZE, "name")
        canvas.text(box.x + 150, box.y + 26.5, room.line, LINE_SIZE, "quiet")
        return {room.name: box}, box.height
    widths = shares(row, width)
    height = max(room_height(room, each) for room, each in zip(row, widths, strict=True))
    found: dict[str, Box] = {}
    x: float = LEFT
    for room, each in zip(row, widths, strict=True):
        found |= draw_room(canvas, room, Box(x, y, each, height))
        x += each + GAP
    return found, height


def draw_way(canvas: Canvas, found: dict[str, Box], y: float) -> None:
    """The numbers on the rooms, and their list at the foot."""
    canvas.text(LEFT, y, "One run, step by step", 15, "name")
    for number, (name, what) in enumerate(WAY, start=1):
        box = found[name]
        canvas.badge(box.x + box.width - 4, box.y + 4, number)
        column, row = divmod(number - 1, 3)
        x, line = LEFT + column * 325, y + 30 + row * 28
        canvas.badge(x + 11, line - 5, number)
        canvas.text(x + 32, line, what, LINE_SIZE)


def draw_hands(canvas: Canvas, found: dict[str, Box]) -> None:
    """What passes at run time, in the right margin."""
    right = WIDTH - RIGHT
    for number, (source, target, what) in enumerate(HANDED):
        start, end = found[source], found[target]
        begin_y, end_y = start.y + start.height * 0.7, end.y + end.height * 0.3
        if end.y < start.y:
            begin_y, end_y = start.y + start.height * 0.5, end.y + end.height * 0.5
        bend = right + 20 + 38 * number
        path = f"M {right + 3:g} {begin_y:g} H {bend - 10:g} Q {bend:g} {begin_y:g} {bend:g} {begin_y + _step(begin_y, end_y):g}"
        path += f" V {end_y - _step(begin_y, end_y):g} Q {bend:g} {end_y:g} {bend - 10:g} {end_y:g} H {right + 12:g}"
        canvas.path(path, "hand", 2, ' stroke-dasharray="6 4"')
        canvas.path(f"M {right + 3:g} {end_y:g} l 11 -5.5 v 11 z", "handhead", 0)
        middle = (begin_y + end_y) / 2
        canvas.turned(bend + 15, middle, what, 13, "handed name", 90)


def _step(begin: float, end: float) -> float:
    return 10 if end > begin else -10


def picture() -> str:
    """The whole SVG."""
    rows = floors()
    canvas, rooms = Canvas(), Canvas()
    found: dict[str, Box] = {}
    y: float = TOP
    for row in rows:
        placed, height = draw_floor(rooms, row, y)
        found |= placed
        y += height + GAP
    height = y + FOOT
    canvas.rect(Box(0.5, 0.5, WIDTH - 1, height - 1), "paper", 14)
    canvas.text(LEFT, 58, TITLE, 30, "name")
    canvas.text(LEFT, 86, SUBTITLE, 15, "quiet")
    canvas.lines += rooms.lines
    arrow = LEFT - 34
    canvas.path(f"M {arrow} {TOP} V {y - GAP - 14:g}", "down", 3)
    canvas.path(f"M {arrow - 8} {y - GAP - 16:g} h 16 l -8 16 z", "downhead", 0)
    canvas.turned(arrow - 12, (TOP + y) / 2, "imports point down", 14, "quiet", -90)
    draw_hands(canvas, found)
    draw_way(canvas, found, y + 40)
    draw_legend(canvas, y + 164)
    style = (ROOT / "docs" / "architecture.css").read_text()
    names = f"The floors of trainconf, from {rows[0][0].name} down to {rows[-1][-1].name}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" role="img">'
    return "\n".join([head, f"<title>{names}</title>", f"<style>\n{style}</style>", *canvas.lines, "</svg>", ""])


def draw_legend(canvas: Canvas, y: float) -> None:
    canvas.rect(Box(LEFT, y - 12, 26, 16), "job", 4)
    canvas.text(LEFT + 36, y + 1, "runs in a job: standard library only, starts fast", LINE_SIZE, "quiet")
    x = LEFT + 390
    canvas.path(f"M {x} {y - 4} h 34", "hand", 2, ' stroke-dasharray="6 4"')
    canvas.text(x + 46, y + 1, "handed over at run time, by files: no import", LINE_SIZE, "quiet")


if __name__ == "__main__":
    PICTURE.write_text(picture())

"""Records commands in a real terminal and writes docs/pictures/terminal-*.svg, which play in a browser and on a code host.

    python docs/recording.py [first|search]

Each command is typed into a bash in a pseudo-terminal, in a folder of its own, and pyte keeps the screen. A command that fails ends the
recording with an error.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import sys
import tempfile
import termios
import time
from html import escape
from pathlib import Path
from typing import NamedTuple

import pyte

PICTURES = Path(__file__).with_name("pictures")
TRAIN = """\
import argparse
import math
import time

from trainconf import Run

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
lr = parser.parse_args().lr
for epoch in range(1, 5):
    time.sleep(0.25)
    accuracy = 1 - math.exp(-lr * epoch) - (lr - 0.6) ** 2
    Run.get_context().log("accuracy", accuracy, step=epoch)
    print(f"epoch {epoch}  accuracy {accuracy:.3f}", flush=True)
"""
FIRST = ["trainconf train.py --lr 0.2", "trainconf -m metric.name=accuracy train.py --lr 0.1,0.5,0.9", "trainconf ls"]
SEARCH = [
    "trainconf init --script train.py",
    "trainconf -m experiment=train sweep=random sweep.max_total_runs=5 'params.lr=uniform(0.05, 1)'",
    "trainconf diff last:1 last:0",
]
COLUMNS, ROWS = 96, 34
DONE = re.compile(rb"\x1b\]133;D;(\d+)\x07")
PATIENCE_S = 300.0
LONGEST_S, KEY_S, READ_S, LAST_S = 1.0, 0.035, 1.2, 6.0  # seconds between two screens, between keys, after a command, at the end
FIRST_SCREENS = 0.08  # seconds below which two screens are one

COLOURS = {
    "black": "#3b4252", "red": "#e0666e", "green": "#8fc07a", "brown": "#e3c071",
    "blue": "#7ea6d9", "magenta": "#bd8fc5", "cyan": "#7cc0c9",
    "white": "#e5e9f0", "brightblack": "#7b879c",
}  # fmt: skip
INK, PAPER = "#d8dee9", "#20242d"
WIDTH, HEIGHT, EDGE, TOP = 8.4, 19, 14, 34


class Screen(NamedTuple):
    """What a terminal shows at a moment: each line as parts of one look."""

    at_s: float
    lines: tuple[str, ...]


def record(commands: list[str], folder: Path) -> list[Screen]:
    """Type the commands in a terminal in the folder; the screens that were seen. Raises RuntimeError for a command that fails."""
    terminal = _Terminal(folder)
    try:
        terminal.wait()
        for command in commands:
            terminal.type(command)
            code = terminal.wait()
            if code not in (0, 1 if " diff " in command else 0):
                raise RuntimeError(f"{command} ended with {code}:\n" + "\n".join(terminal.screen.display))
            terminal.idle(READ_S)
        return terminal.seen
    finally:
        terminal.close()


class _Terminal:
    """A bash in a pseudo-terminal, and the screens it has shown. Time stands still while nothing is shown for long."""

    def __init__(self, folder: Path) -> None:
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.stream = pyte.ByteStream(self.screen)
        self.seen: list[Screen] = []
        self._clock = self._shown = 0.0
        self._before = time.monotonic()
        self._rest = b""
        env = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ} | {
            "HOME": os.fspath(folder.parent), "TERM": "xterm-256color", "PS1": r"\[\e[32m\]$\[\e[0m\] ", "LC_ALL": "C.UTF-8",
            "PROMPT_COMMAND": r"printf '\e]133;D;%d\a' $?", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }  # fmt: skip
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], env)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

    def type(self, command: str) -> None:
        """Press the keys of a command, and Enter."""
        for key in command:
            os.write(self.fd, key.encode())
            self.idle(KEY_S)
        self.idle(0.4)
        os.write(self.fd, b"\n")

    def idle(self, seconds: float) -> None:
        """Show what comes in this time, which counts in full."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._read(left)
        self._clock += seconds
        self._before = time.monotonic()

    def wait(self) -> int:
        """Until the prompt is back; the exit code."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            code = self._read(1.0)
            now = time.monotonic()
            self._clock += min(LONGEST_S, now - self._before)
            self._before = now
            self._keep()
            if code is not None:
                return code
        raise RuntimeError("the prompt did not come back:\n" + "\n".join(self.screen.display))

    def _read(self, seconds: float) -> int | None:
        if not select.select([self.fd], [], [], seconds)[0]:
            return None
        data = self._rest + os.read(self.fd, 1 << 16)
        done = DONE.search(data)
        cut = data.rfind(b"\x1b]") if not done else -1
        self._rest, data = (data[cut:], data[:cut]) if cut >= 0 else (b"", data)
        self.stream.feed(DONE.sub(b"", data))
        self._keep()
        return int(done[1]) if done else None

    def _keep(self) -> None:
        lines = _drawn(self.screen)
        if self.seen and self.seen[-1].lines == lines:
            return
        if self.seen and self._clock - self._shown < FIRST_SCREENS:
            self.seen.pop()
        else:
            self._shown = self._clock
        self.seen.append(Screen(self._shown, lines))

    def close(self) -> None:
        """End the shell."""
        os.write(self.fd, b"\x15\x04")
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def _drawn(screen: pyte.Screen) -> tuple[str, ...]:
    """Each line of the screen as SVG text, in parts of one look."""
    lines = []
    for row in range(ROWS):
        parts: list[tuple[int, str, str]] = []
        for column in range(COLUMNS):
            cell = screen.buffer[row][column]
            fill = COLOURS.get(cell.fg, INK if cell.fg == "default" else f"#{cell.fg}")
            look = (f' fill="{fill}"' if fill != INK else "") + (' font-weight="bold"' if cell.bold else "")
            if parts and parts[-1][2] == look:
                parts[-1] = (parts[-1][0], parts[-1][1] + cell.data, look)
            else:
                parts.append((column, cell.data, look))
        spans = [(start, text.rstrip(), look) for start, text, look in parts if text.strip()]
        lines.append("".join(_span(*each) for each in spans))
    return tuple(lines)


def _span(start: int, text: str, look: str) -> str:
    place = f'x="{EDGE + start * WIDTH:.1f}" textLength="{len(text) * WIDTH:.1f}"'
    return f"<tspan {place}{look}>{escape(text, quote=False)}</tspan>"


def svg(screens: list[Screen], title: str, commands: list[str]) -> str:
    """A picture that plays the screens for ever; with reduced motion, and on paper, it shows the last one."""
    total = screens[-1].at_s + LAST_S
    used = 1 + max(row for screen in screens for row, line in enumerate(screen.lines) if line)
    wide, high = round(EDGE * 2 + COLUMNS * WIDTH), TOP + used * HEIGHT + EDGE
    names: dict[str, str] = {}
    frames, rules = [], []
    for number, screen in enumerate(screens):
        uses = []
        for row, line in enumerate(screen.lines):
            if line:
                name = names.setdefault(line, f"l{len(names)}")
                uses.append(f'<use href="#{name}" y="{TOP + row * HEIGHT}"/>')
        is_last = number + 1 == len(screens)
        frames.append(f'<g class="f{" last" if is_last else ""}" style="animation-name:k{number}">{"".join(uses)}</g>')
        begin = 100 * screen.at_s / total
        end = 100.0 if is_last else 100 * screens[number + 1].at_s / total
        hidden = "0%{visibility:hidden}" if begin else ""
        shown = f"{begin:.3f}%{{visibility:visible}}"
        after = "" if is_last else f"{end:.3f}%,100%{{visibility:hidden}}"
        rules.append(f"@keyframes k{number}{{{hidden}{shown}{after}}}")
    lines = "".join(f'<text id="{name}" y="12">{line}</text>' for line, name in names.items())
    style = (
        f".f{{visibility:hidden;animation-duration:{total:.2f}s;animation-timing-function:step-end;animation-iteration-count:infinite}}"
        "text{font-family:'DejaVu Sans Mono',Menlo,Consolas,monospace;font-size:14px;white-space:pre;"
        f"fill:{INK}}}@media (prefers-reduced-motion:reduce),print{{.f{{animation:none}}.last{{visibility:visible}}}}"
    )
    buttons = "".join(f'<circle cx="{place}" cy="17" r="5" fill="#4c566a"/>' for place in (18, 36, 54))
    typed = escape("\n".join(commands), quote=False)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" role="img">'
        f"<title>{escape(title, quote=False)}</title><desc>{typed}</desc><style>{style}{''.join(rules)}</style><defs>{lines}</defs>"
        f'<rect width="{wide}" height="{high}" rx="8" fill="{PAPER}"/>'
        f"{buttons}{''.join(frames)}</svg>\n"
    )


RECORDINGS = {
    "first": ("A script that runs, a sweep of it, and the list of runs", FIRST),
    "search": ("An experiment of a script, a random search, and what differs between two trials", SEARCH),
}


def write(name: str, folder: Path) -> Path:
    """Record one of RECORDINGS into a folder; the picture."""
    title, commands = RECORDINGS[name]
    with tempfile.TemporaryDirectory() as place:
        work = Path(place) / "lab"
        (work / "conf").mkdir(parents=True)
        (work / "train.py").write_text(TRAIN)
        (work / "conf" / "local.yaml").write_text(f"# @package _global_\ncompute: {{lease_dir: {place}/leases, slots: 2}}\n")
        path = folder / f"terminal-{name}.svg"
        path.write_text(svg(record(commands, work), title, commands))
    return path


if __name__ == "__main__":
    for each in sys.argv[1:] or RECORDINGS:
        print(write(each, PICTURES))

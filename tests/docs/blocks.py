"""Runs the `console` blocks of a page in one shell, and compares their output with what the page shows.

A line that starts with `$ ` is a command, and goes on in lines that start with `> `; it must end with 0. The lines after it are its output,
both channels, where `...` stands for anything; `...` on a line of its own for any number of lines.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DOTS = re.compile(r"(\\ )?\\\.\\\.\\\.(\\ )?")
_MARK = "@@@@ command"


class Command:
    """One command of a page and the output the page shows for it."""

    def __init__(self, text: str, shown: str, line: int) -> None:
        self.text = text
        self.shown = shown
        self.line = line


def commands(page: str) -> list[Command]:
    """All commands of a page, in order."""
    found: list[Command] = []
    for block in _BLOCK.finditer(page):
        first = page.count("\n", 0, block.start()) + 2
        for number, line in enumerate(block[1].splitlines(), first):
            if line.startswith("$ "):
                found.append(Command(line[2:], "", number))
            elif re.match(">( |$)", line) and not found[-1].shown:
                found[-1].text += f"\n{line[2:]}"
            else:
                found[-1].shown += line + "\n"
    return found


def run(page_commands: list[Command], folder: Path, env: dict[str, str]) -> list[tuple[int, str]]:
    """Run the commands in one shell; exit code and output of each. A command that ends the shell ends the list."""
    script = "".join(f"{command.text}\nprintf '\\n{_MARK} %d\\n' $?\n" for command in page_commands)
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=600,
    )  # fmt: skip
    parts = re.split(rf"\n{_MARK} (\d+)\n", done.stdout)
    return [(int(code), _whole_lines(output)) for output, code in zip(parts[0::2], parts[1::2], strict=False)]


def matches(shown: str, output: str) -> bool:
    """Whether the output is what the page shows; runs of blanks are one blank, as tables grow with their content."""
    pattern = ""
    for line in _blanks(shown).splitlines():
        pattern += r"(?:.*\n)*?" if line == "..." else _DOTS.sub(".*?", re.escape(line)) + " ?\n"
    return re.fullmatch(pattern, _blanks(output)) is not None


def _blanks(text: str) -> str:
    return re.sub(r"[ \t]+", " ", text)


def _whole_lines(output: str) -> str:
    text = output.strip("\n")
    return f"{text}\n" if text else ""

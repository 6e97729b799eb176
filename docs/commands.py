"""Writes docs/commands.md: every verb, from the parsers of the command line. `python docs/reference.py` does it, too.

docs/commands.yaml has what no parser knows: exit codes of a verb's own, and examples, which run in CI.
"""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from trainconf.cli.arguments.parser import RUN_HELP, RUNS_HELP
from trainconf.cli.verbs import HEADINGS, VERBS

PAGE = Path(__file__).with_name("commands.md")
NOTES: dict[str, dict[str, str]] = yaml.safe_load(PAGE.with_suffix(".yaml").read_text())
RUN = "a run: [its name](#names-of-runs)"
HEAD = """\
# Commands

<!-- python docs/reference.py writes this page from the parsers of the command line and docs/commands.yaml -->

`trainconf` and `python -m trainconf` are one program. A first word without `=` is a verb; anything else begins a run to submit.

```text
trainconf [key=value | group=choice]...     submit a run, wait, and end with the script's exit code
trainconf -m key=v1,v2 ...                  submit one run for every combination
trainconf [key=value]... train.py --lr 0.1  run a script as it stands: what follows it is its own
trainconf [key=value]... -- model=vit       what follows -- is for the Hydra app of the experiment
trainconf VERB ...                          one of the verbs below
```

Every verb has `--help`. Data goes to standard output, and messages go to standard error. So `--json` can be piped:
[json.md](json.md) has the fields.
"""
NAMES = """\
## Names of runs

`RUN` is {run}. Most verbs also take {runs}.
"""
EXITS = """\
## Exit codes

| code | meaning |
|---|---|
| 0 | what was asked for is done |
| the script's own | of `trainconf ...`, `run`, `rerun`, `resume` and `wait`, when the run has ended |
| 1 | a fault of trainconf or of the machine; a run that is lost; a grid with a trial that failed; "no", where a verb says so below |
| 2 | a mistake in what was asked. It was found before anything ran, and nothing is left behind |
| 124 | the run reached its time limit, or `wait --timeout` is over |
| 130 | interrupted by Ctrl-C or SIGTERM, or the run was canceled |
| 141 | whoever read the output has closed the pipe |
"""


class _Found(Exception):
    """Carries a parser out of the verb that made it."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


def parser_of(verb: str, *words: str) -> argparse.ArgumentParser:
    """The parser of a verb, as it stands when the verb reads its words. Raises LookupError for a verb without one."""
    place = VERBS[verb][0]
    module, function = (place, verb) if "." in place else (f"{place}.{verb}", "run")

    def found(parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        raise _Found(parser)

    at = argparse.ArgumentParser
    with mock.patch.object(at, "parse_known_args", found), mock.patch.object(at, "parse_known_intermixed_args", found):
        try:
            getattr(importlib.import_module(f"trainconf.cli.{module}"), function)([*words, "--help"])
        except _Found as seen:
            return seen.parser
    raise LookupError(verb)


def usage(parser: argparse.ArgumentParser) -> str:
    """A call as it is written, flags after words. Unlike argparse's own it is the same with every Python."""
    groups = {id(action): group for group in parser._mutually_exclusive_groups for action in group._group_actions}
    words, done = [], set()
    for action in sorted(shown(parser), key=lambda action: bool(action.option_strings)):
        group = groups.get(id(action))
        if group is None:
            words.append(_call(action, required=action.required or not action.option_strings))
        elif id(group) not in done:
            done.add(id(group))
            inner = " | ".join(_call(each, required=True) for each in group._group_actions)
            words.append(f"({inner})" if group.required else f"[{inner}]")
    lines = [parser.prog]
    for word in words:
        if len(lines[-1]) + len(word) > 84:
            lines.append("   ")
        lines[-1] += f" {word}"
    return "\n".join(lines)


def shown(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The arguments that help shows, `--help` left out."""
    for action in parser._actions:
        if action.help != argparse.SUPPRESS and not isinstance(action, argparse._HelpAction):
            yield action


def _call(action: argparse.Action, *, required: bool) -> str:
    flag = max(action.option_strings, key=len, default="")
    word = f"{flag} {_value(action)}".strip()
    if not action.option_strings:
        return {"?": f"[{word}]", "*": f"[{word}...]", "+": f"{word}..."}.get(str(action.nargs), word)
    return word if required else f"[{word}]"


def _value(action: argparse.Action) -> str:
    """What stands for the value of an argument; empty for a flag that has none."""
    if action.nargs == 0:
        return ""
    name = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    many = action.option_strings and action.nargs in ("*", "+")
    return f"{name}..." if many else str(name)


def table(parser: argparse.ArgumentParser) -> str:
    """The arguments of a verb: how each is written, what it means, its default."""
    rows = []
    for action in shown(parser):
        if isinstance(action, argparse._SubParsersAction):
            continue
        value = _value(action)
        written = ", ".join(f"`{flag}{' ' + value if value else ''}`" for flag in action.option_strings) or f"`{value}`"
        text = (action.help or "") % {"default": action.default, "prog": parser.prog}
        told = re.search(r"\s*\(default: (.+?)\)$", text)
        default = told[1] if told else _default(action)
        meaning = (text[: told.start()] if told else text).replace(RUN_HELP, RUN)
        rows.append("| " + " | ".join(_cell(cell) for cell in (written, meaning, default)) + " |")
    return "\n".join(["| argument | meaning | default |", "|---|---|---|", *rows]) if rows else ""


def _default(action: argparse.Action) -> str:
    if not action.option_strings or action.nargs == 0 or action.default in (None, "", [], argparse.SUPPRESS):
        return ""
    return f"`{action.default}`"


def _cell(text: str) -> str:
    return _text(text).replace("|", "\\|")


def _text(text: str) -> str:
    """Words of a help text as Markdown: what looks like a tag is text, but in code it stands as it is."""
    parts = " ".join(text.split()).split("`")
    return "`".join(part if place % 2 else part.replace("<", "&lt;").replace("*", "\\*") for place, part in enumerate(parts))


def section(verb: str) -> str:
    """All that is said of one verb."""
    parser, notes = parser_of(verb), NOTES[verb]
    parts = [f"### {verb}", _sentence(parser), f"```text\n{usage(parser)}\n```", table(parser)]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, sub in action.choices.items():
                parts += [f"#### {verb} {name}", helps[name][:1].upper() + helps[name][1:] + ".", f"```text\n{usage(sub)}\n```", table(sub)]
    if verb == "azureml":
        for words in (["job.yml"], ["convert"]):
            sub = parser_of(verb, *words)
            parts += [f"#### {verb} {words[0]}", _sentence(sub), f"```text\n{usage(sub)}\n```", table(sub)]
    if parser.epilog:
        parts.append(_text(parser.epilog))
    if "exit" in notes:
        parts.append(f"Exit code: {notes['exit']}")
    parts += [f"```{kind}\n{notes[kind].rstrip()}\n```" for kind in ("console", "sh") if kind in notes]
    return "\n\n".join(filter(None, parts))


def _sentence(parser: argparse.ArgumentParser) -> str:
    return _text(parser.description or "")


def rendered() -> str:
    """The whole page. Raises ValueError where docs/commands.yaml has other verbs than the command line."""
    if list(NOTES) != list(VERBS):
        raise ValueError(f"docs/commands.yaml must have the verbs of the command line, in their order: {sorted(set(NOTES) ^ set(VERBS))}")
    names = NAMES.format(run=RUN_HELP, runs=RUNS_HELP.removeprefix(RUN_HELP).lstrip("; or"))
    parts = [HEAD.rstrip(), " · ".join(f"[{verb}](#{verb})" for verb in VERBS), names.rstrip(), EXITS.rstrip()]
    for verb in VERBS:
        parts += [f"## {HEADINGS[verb]}"] if verb in HEADINGS else []
        parts.append(section(verb))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(rendered())

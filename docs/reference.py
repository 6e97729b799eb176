"""Writes docs/reference.md from the docstrings of the public names, and docs/commands.md and docs/json.md: `python docs/reference.py`.

A test fails when the page and the docstrings say different things, and runs every example.
"""

from __future__ import annotations

import inspect
import re
import runpy
from pathlib import Path
from typing import Any

import trainconf

PAGE = Path(__file__).with_name("reference.md")
HEAD = """\
# Reference

<!-- python docs/reference.py writes this page from the docstrings -->

Every name that `from trainconf import ...` gives, with what it takes and raises.
"""
KINDS = (property, classmethod, staticmethod)


def names() -> list[str]:
    """The public names, the version left out."""
    return [name for name in trainconf.__all__ if not name.startswith("_")]


def members(of: Any) -> list[tuple[str, Any]]:
    """The public methods and properties of a class, in the order of the source, those of its bases of ours included."""
    found: dict[str, Any] = {}
    for base in reversed(inspect.getmro(of)):
        if base.__module__.startswith("trainconf"):
            found.update({name: value for name, value in vars(base).items() if not name.startswith("_") and _is_member(value)})
    return list(found.items())


def _is_member(value: Any) -> bool:
    return isinstance(value, KINDS) or inspect.isfunction(value)


def documentation(value: Any) -> str:
    """A docstring without its indentation; empty where there is none of its own."""
    return inspect.cleandoc(getattr(value, "__doc__", None) or "")


def signature(name: str, value: Any, *, is_class: bool = False) -> str:
    """A call as it is written: parameters with their annotations and defaults, without self."""
    function = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return name
    parameters = list(found.parameters.values())
    if parameters and parameters[0].name in ("self", "cls"):
        parameters = parameters[1:]
    result = found.return_annotation if not is_class else inspect.Signature.empty
    text = str(found.replace(parameters=[_plain(one) for one in parameters], return_annotation=inspect.Signature.empty))
    shown = "" if result is inspect.Signature.empty else f" -> {_type(result)}"
    return f"{name}{text}{shown}"


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    """A parameter whose annotation is shown without quotes."""
    if parameter.annotation is inspect.Parameter.empty:
        return parameter
    return parameter.replace(annotation=_Shown(_type(parameter.annotation)))


class _Shown:
    """An annotation that `inspect` prints as it is."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _type(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", None) or str(annotation)
    return re.sub(r"\b(?:builtins|typing|t)\.", "", text.strip("'\""))


def markdown(text: str) -> str:
    """A docstring as Markdown: its examples are blocks of Python, what looks like a tag is text."""
    lines: list[str] = []
    example = False
    for line in text.splitlines():
        begins = line.lstrip().startswith(">>> ")
        if begins and not example:
            lines += ["```pycon"]
            example = True
        if example and not line.strip():
            lines += ["```"]
            example = False
        lines.append(line.strip() if example and begins else line if not example else line.removeprefix("    "))
        if not example:
            lines[-1] = lines[-1].replace("<", "&lt;") if "`" not in lines[-1] else lines[-1]
    return "\n".join([*lines, *(["```"] if example else [])])


def section(name: str) -> str:
    """All that is said of one name."""
    value = getattr(trainconf, name)
    parts = [f"## {name}", f"```text\n{signature(name, value, is_class=inspect.isclass(value))}\n```", markdown(documentation(value))]
    if inspect.isclass(value):
        for member, found in members(value):
            if isinstance(found, property):
                result = type_of(found)
                parts.append(f"### {name}.{member}\n\n{result}{markdown(documentation(found))}")
            else:
                text = documentation(found.__func__ if isinstance(found, (classmethod, staticmethod)) else found)
                parts.append(f"### {name}.{member}\n\n```text\n{signature(member, found)}\n```\n\n{markdown(text)}")
    return "\n\n".join(part.rstrip() for part in parts if part.strip())


def type_of(found: property) -> str:
    """The type of a property, for the line before its text."""
    result = getattr(found.fget, "__annotations__", {}).get("return")
    return f"*{_type(result)}* " if result is not None else ""


def rendered() -> str:
    """The whole page."""
    index = " · ".join(f"[{name}](#{name.lower()})" for name in names())
    return "\n\n".join([HEAD.rstrip(), index, *map(section, names())]) + "\n"


if __name__ == "__main__":
    for name in ("commands", "json_fields"):
        runpy.run_path(str(PAGE.with_name(f"{name}.py")), run_name="__main__")
    PAGE.write_text(rendered())

"""Writes docs/json.md, the JSON that verbs print, from docs/json_fields.yaml: `python docs/reference.py` does it, too.

A test prints that JSON from real runs, and `mistakes` compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

PAGE = Path(__file__).with_name("json.md")
FORMS: dict[str, dict[str, Any]] = yaml.safe_load(PAGE.with_name("json_fields.yaml").read_text())
NAMES = {bool: "boolean", int: "integer", float: "number", str: "text", list: "list", dict: "object", type(None): "null"}
HEAD = """\
# JSON

<!-- python docs/reference.py writes this page from docs/json_fields.yaml; a test compares it with what the verbs print -->

What verbs print with `--json`. A field is never renamed, and every field is always there, unless its line says "in some". New fields may
come. A value that is not known is null. In a name, `[]` stands for each item of a list, and `*` for names of yours. Sizes are bytes, and
durations are seconds.

```console
$ printf 'print("loss=0.5")\\n' > train.py
$ trainconf "+stdout_metrics.loss='loss=([0-9.]+)'" train.py
...
$ trainconf ls --json | python3 -c 'import json, sys; print([run["metrics"] for run in json.load(sys.stdin)])'
[{'loss': 0.5}]
```
"""


def fields(name: str) -> dict[str, list[str]]:
    """The type and the meaning of each field of a form, those of another form that it has included."""
    form = FORMS[name]
    before = fields(form["every"]) if "every" in form else {}
    left_out = form.get("without", "\n")
    return {**{key: value for key, value in before.items() if not key.startswith(left_out)}, **form["fields"]}


def mistakes(name: str, printed: Any) -> Iterator[str]:
    """What is not as the page says: fields that it does not have, fields that no object has, values of another type."""
    declared, seen = fields(name), set()
    starts = [printed] if FORMS[name]["gives"].startswith("an object") else printed
    if not isinstance(starts, list):
        yield f"{name} is no list"
        return
    for start in starts:
        for path, value in _walk(start, "", declared):
            if path not in declared:
                yield f"{name} has {path}, which docs/json_fields.yaml does not have"
            elif not _is(value, declared[path][0]):
                yield f"{name} has {value!r} at {path}, and docs/json_fields.yaml says {declared[path][0]}"
            seen.add(path)
    yield from (f"{name} has no {path}" for path in declared if path not in seen)


def _walk(value: Any, path: str, declared: dict[str, list[str]]) -> Iterator[tuple[str, Any]]:
    """Every field below a value, as far as the page tells of them."""
    if path:
        yield path, value
    if isinstance(value, list) and any(each.startswith(f"{path}[]") for each in declared):
        for item in value:
            for name in item:
                yield from _walk(item[name], f"{path}[].{name}", declared)
    elif isinstance(value, dict) and (not path or any(each.startswith(f"{path}.") for each in declared)):
        is_free = any(each.startswith(f"{path}.*") for each in declared)
        for name, item in value.items():
            if is_free:
                yield from _free(item, f"{path}.*", declared)
            else:
                yield from _walk(item, f"{path}.{name}".lstrip("."), declared)


def _free(value: Any, path: str, declared: dict[str, list[str]]) -> Iterator[tuple[str, Any]]:
    """A value under a name of the user's: the page may tell of its fields alone."""
    yield from (found for found in _walk(value, path, declared) if found[0] != path or path in declared)


def _is(value: Any, allowed: str) -> bool:
    """Whether a value has the type that the page says, such as `list of texts` or `integer or null`."""
    if allowed == "any":
        return True
    if match := re.fullmatch("list of (.+)", allowed):
        words = match[1].removesuffix("s") if match[1] in ("texts", "objects") else match[1]
        return isinstance(value, list) and all(_is(item, words) for item in value)
    name = NAMES[type(value)]
    return name in allowed.split(" or ") or (name == "integer" and "number" in allowed.split(" or "))


def section(name: str) -> str:
    """The table of one form."""
    form = FORMS[name]
    gives = form["gives"][0].upper() + form["gives"][1:]
    if "every" in form:
        but = f", but for those of `{form['without']}`" if "without" in form else ""
        gives += f". It has every field of `{FORMS[form['every']]['command']}`{but}, and these"
    rows = [f"| `{path}` | {kind} | {_cell(text)} |" for path, (kind, text) in form["fields"].items()]
    return "\n".join([f"## {form['command']}", "", f"{gives}.", "", "| field | type | meaning |", "|---|---|---|", *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def rendered() -> str:
    """The whole page."""
    return "\n\n".join([HEAD.rstrip(), *map(section, FORMS)]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(rendered())

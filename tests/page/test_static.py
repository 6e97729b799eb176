"""The scripts of others that the page brings: exactly what their packages hold, each with its licence."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from trainconf.page import bundle
from trainconf.page.static import StaticFiles

STATIC = Path(__file__).parents[2] / "trainconf" / "page" / "static"
VENDOR = STATIC / "vendor"
MOST_BYTES = 80_000  # packed
FORBIDDEN = ("http://", "https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "unsafeHTML", "document.write", "eval(", " style=")


def test_each_vendored_file_is_that_of_its_package_and_has_its_licence_beside() -> None:
    said = json.loads((VENDOR / "vendor.json").read_text())
    licences = {each["license_file"] for each in said.values()}
    assert {path.name for path in VENDOR.iterdir()} == {*said, *licences, "vendor.json"}
    for name, facts in said.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == facts["sha256"], name


def test_each_module_of_the_page_is_in_one_of_its_two_scripts_after_what_it_imports() -> None:
    files = StaticFiles()
    first, rest = (files.get(name) for name in (bundle.FIRST, bundle.REST))
    assert first is not None
    assert rest is not None
    made = [re.findall(r'^modules\["([^"]+)"\] =', script.data.decode(), re.MULTILINE) for script in (first, rest)]
    ours = {path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.js")}
    assert sorted(made[0] + made[1]) == sorted(ours)
    assert made[0][-1] == "main.js"
    assert "screens/runs.js" in made[0]
    assert "screens/compare.js" in made[1]
    assert "/** @" not in first.data.decode() + rest.data.decode()
    order = {name: place for place, name in enumerate(made[0] + made[1])}
    for script in (first, rest):
        for part in script.data.decode().split("\nmodules[")[1:]:
            name = part.partition('"]')[0].strip('"')
            for taken in re.findall(r'^const .* = modules\["([^"]+)"\]', part, re.MULTILINE):
                assert order[taken] < order[name], f"{name} takes {taken}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('import * as all from "./b.js";\n', "not known"),
        ("export let count = 0;\n", "not known"),
        ('import "./main.js";\n', "imports itself"),
    ],
)
def test_a_module_that_cannot_be_joined_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        bundle.joined(lambda name: text.encode())


def test_the_whole_page_is_small(record_property: Callable[[str, object], None]) -> None:
    files = StaticFiles()
    sizes = {name: len(found.packed) for name in files.names() if (found := files.get(name)) is not None}
    record_property("bytes", sizes)
    assert sum(sizes.values()) <= MOST_BYTES, sizes


def test_nothing_in_our_files_names_an_address_elsewhere_or_makes_markup_of_text() -> None:
    for path in STATIC.rglob("*"):
        if path.parent == VENDOR or path.suffix not in (".js", ".css", ".html", ".svg"):
            continue
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        for word in FORBIDDEN:
            assert word not in text, f"{word} in {path}"

"""Hydra is imported without its `__init__`, and is whole as soon as somebody asks for more."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIGHT = "from trainconf.composition.hydra.light import import_lightly\nimport_lightly()\nimport sys, hydra\n"


def said(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_modules_below_are_imported_without_the_rest() -> None:
    code = LIGHT + (
        "from trainconf.composition import compose\nfrom trainconf.composition.sweep import grid\n"
        "from hydra.core.override_parser.overrides_parser import OverridesParser\nfrom hydra import version\n"
        "print(OverridesParser.create().parse_override('a=1').value(), hydra.__version__ == version.__version__)\n"
        "print('hydra.main' in sys.modules)"
    )
    assert said(code) == "1 True\nFalse"


@pytest.mark.parametrize("name", ["main", "utils", "compose", "initialize_config_dir"])
def test_what_an_app_needs_is_there_when_it_asks(name: str) -> None:
    code = f"from hydra import {name}\nprint(type(hydra), hydra.{name} is {name}, {name}, 'hydra.main' in sys.modules)"
    plain = said(f"import sys, hydra\n{code}")
    assert said(LIGHT + code).partition(" at 0x")[0] == plain.partition(" at 0x")[0]


def test_a_name_that_hydra_does_not_have_is_refused_as_ever() -> None:
    assert said(LIGHT + "print(hasattr(hydra, 'nosuch'), type(hydra).__name__)") == "False _LightHydra"


def test_hydra_that_is_there_already_is_left_alone() -> None:
    assert said("import hydra\nbefore = hydra\n" + LIGHT + "print(before is sys.modules['hydra'], type(hydra).__name__)") == "True module"

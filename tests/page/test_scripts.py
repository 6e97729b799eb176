"""The page's scripts without a browser: their types, and what of them is pure."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.projects.jupyter import jupyter_python

pytestmark = pytest.mark.network
ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


def deno(folder: Path, verb: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Deno on files of this checkout; it fetches nothing."""
    env = os.environ | {"DENO_DIR": os.fspath(folder), "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1"}
    argv = [jupyter_python().parent / "deno", verb, "--no-remote", "--config", HERE / "deno.json", *words]
    return subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_the_types_of_the_page_hold(tmp_path: Path) -> None:
    done = deno(tmp_path, "check", ROOT / "trainconf" / "page" / "static" / "main.js", HERE / "scripts" / "units.test.js")
    assert done.returncode == 0, done.stdout


def test_what_needs_no_browser_does_what_it_says(tmp_path: Path) -> None:
    done = deno(tmp_path, "test", "--no-check", HERE / "scripts" / "units.test.js")
    assert done.returncode == 0, done.stdout


def test_a_type_that_does_not_hold_is_found(tmp_path: Path) -> None:
    script = tmp_path / "wrong.js"
    script.write_text('/** @param {number} x */\nexport const half = (x) => x / 2;\nhalf("2");\n')
    done = deno(tmp_path, "check", script)
    assert "not assignable to parameter of type 'number'" in done.stdout

"""docs/architecture.md: its picture is up to date, and each file that it names exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"


def test_the_picture_is_up_to_date() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import picture; sys.stdout.write(picture.picture())"
    made = subprocess.run([sys.executable, "-c", code, str(ROOT / "docs")], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert (ROOT / "docs" / "architecture.svg").read_text() == made.stdout, "python docs/picture.py"


def test_each_file_that_the_page_says_decides_something_exists() -> None:
    tables = PAGE.read_text().partition("## Where is what\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in tables.splitlines() if line.startswith("| ") and not line.endswith("| decided in |")]
    named = [path for _, where in rows for path in re.findall(r"`([^`]+)`", where)]
    assert len(rows) >= 20
    assert [path for path in named if not (ROOT / "trainconf" / path).exists()] == []


def test_each_file_of_the_package_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(trainconf/[\w/]+\.py)`", PAGE.read_text()))
    assert named
    assert sorted(path for path in named if not (ROOT / path).exists()) == []

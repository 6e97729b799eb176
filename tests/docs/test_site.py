"""`make docs` builds a site that needs no other machine, has every page, and is refused when a link leads nowhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.projects.jupyter import jupyter_python
from tests.testbed.marks import status_of

ROOT = Path(__file__).parents[2]
SEARCH = Path(__file__).parent / "scripts" / "search.py"
PLAIN = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONWARNINGS")}

pytestmark = [pytest.mark.network, pytest.mark.slow]


def make_docs(site: Path) -> subprocess.CompletedProcess[str]:
    words = ["make", "docs", f"SITE={site}", f"PYTHON={sys.executable}"]
    return subprocess.run(words, cwd=ROOT, env=PLAIN, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "site"
    done = make_docs(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_in_the_site_and_beside_each_page(site: Path) -> None:
    pages = [*ROOT.glob("docs/*.md"), *(ROOT / name for name in ("README.md", "CHANGELOG.md", "SECURITY.md"))]
    assert len(pages) > 30
    beside = (site / "docs" / "start.html").read_text().partition('class="sidebar-tree"')[2].partition("</aside>")[0]
    for page in pages:
        made = page.relative_to(ROOT).with_suffix(".html")
        assert (site / made).exists()
        assert re.search(rf'href="(\.\./|#)?{made.as_posix().removeprefix("docs/")}"|href="#"', beside), made


def test_the_four_kinds_are_the_navigation(site: Path) -> None:
    page = (site / "docs" / "start.html").read_text()
    assert re.findall(r'class="caption"[^>]*><span class="caption-text">([^<]+)<', page)[:4] == [
        "Tutorial", "How-to", "Reference", "Explanation",
    ]  # fmt: skip


def test_nothing_in_the_site_is_fetched_from_elsewhere(site: Path) -> None:
    fetched = re.compile(r'(?:\bsrc|<link[^>]*\bhref)="(?:https?:)?//|url\(["\']?(?:https?:)?//|@import')
    files = [path for path in site.rglob("*") if path.suffix in (".html", ".css")]
    assert len(files) > 40
    assert [path.relative_to(site).as_posix() for path in files if fetched.search(path.read_text())] == []


def test_search_works_in_a_site_that_was_opened_from_disk(site: Path) -> None:
    status_of("browser")
    done = subprocess.run([jupyter_python(), SEARCH, site, "preemption"], env=PLAIN, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    said = json.loads(done.stdout)
    assert "Recipes" in said["found"]
    assert said["first"].startswith(said["found"][0].replace("\u2019", "'")[:10])
    assert (said["asked"], said["errors"]) == ([], [])


def test_a_link_and_an_anchor_that_lead_nowhere_and_a_page_in_no_list_fail(site: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "conf.py", tmp_path / "docs")
    (tmp_path / "docs" / "index.md").write_text("# All\n\n## Tutorial\n\n- [One](one.md)\n")
    (tmp_path / "docs" / "one.md").write_text(
        "# One\n\n[a](nowhere.md) [b](one.md#no-such-heading) [c](#nor-this) [d](../README.md#nor-there)\n"
    )
    (tmp_path / "docs" / "alone.md").write_text("# Alone\n")
    (tmp_path / "README.md").write_text("# Read me\n\n[one](docs/one.md#one)\n")
    words = [str(ROOT / ".venv-docs/bin/python"), "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs", ".", "site"]
    done = subprocess.run(words, cwd=tmp_path, env=PLAIN, capture_output=True, text=True)
    assert done.returncode != 0
    for word in ("nowhere.md", "no-such-heading", "nor-this", "nor-there", "alone.md"):
        assert word in done.stderr

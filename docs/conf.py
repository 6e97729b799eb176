"""How Sphinx makes the site of these pages: `make docs`. The navigation is made of the lists of docs/index.md.

The pages are plain Markdown, as a code host shows them. Everything the site needs lies in it: no page asks another machine for anything.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LISTS = ("docs/index", "docs/adr/README")  # the pages that are lists of others

project = "trainconf"
html_title = "trainconf"
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["README.md", "CHANGELOG.md", "SECURITY.md", "docs/**"]
exclude_patterns = ["docs/**/__pycache__/**"]
html_theme = "furo"
html_static_path: list[str] = []
html_copy_source = False
html_show_sphinx = False
smartquotes = False  # in a page as on a code host: two dashes are those of a flag
html_show_copyright = False
html_show_search_summary = False  # it is fetched, which no browser does for a file that was opened from disk
myst_heading_anchors = 4  # a link to a heading that is not there is a warning, and `make docs` fails on warnings
suppress_warnings = ["misc.highlighting_failure"]  # a block of JSON may have dots for what is left out


def navigation(name: str, page: str) -> str:
    """The pages in the lists of a page, as tables of contents for the side of the site: one for each heading."""
    parts: list[str] = []
    for section in re.split("^#+ ", page, flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        links = re.findall(r"^- \[([^]]+)\]\(([^)#:]+)\)$", text, re.MULTILINE)
        entries = "\n".join(f"{title} <{_document(name, target)}>" for title, target in links)
        parts.append(f"```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{entries}\n```\n")
    return "\n".join(parts)


def _document(name: str, target: str) -> str:
    path = ((ROOT / name).parent / target).resolve().relative_to(ROOT)
    return f"/{path.with_suffix('').as_posix()}"


def _read(app: Any, name: str, source: list[str]) -> None:
    """What differs between a page on a code host and in the site: the navigation, and links to folders, which the site does not have."""
    folder = (ROOT / name).parent

    def link(found: re.Match[str]) -> str:
        return found[1] if (folder / found[2]).is_dir() else found[0]

    source[0] = re.sub(r"\[([^]]+)\]\(([^)#:\s]+)\)", link, source[0])
    if name in LISTS:
        source[0] += "\n" + navigation(name, source[0])


def _front(app: Any, error: Exception | None) -> None:
    """The site's own index.html leads to that of the pages, which lie in docs/ as in the checkout."""
    if error is None:
        page = '<!doctype html><meta charset="utf-8"><title>trainconf</title><meta http-equiv="refresh" content="0; url=docs/index.html">'
        Path(app.outdir, "index.html").write_text(page + '<a href="docs/index.html">trainconf</a>\n')


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _read)
    app.connect("build-finished", _front)

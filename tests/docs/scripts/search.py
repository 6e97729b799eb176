"""Searches the site of the documents, opened from disk, in a headless Chromium: `python search.py SITE WORD`.

Prints JSON: the pages found, what was asked of other machines, and what went wrong.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
PATIENCE_MS = 120_000


def main(site: Path, word: str) -> None:
    """Type the word into the search of the first page, as a reader does, and follow the first link found."""
    asked: list[str] = []
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.goto((site / "index.html").as_uri())
        page.wait_for_url("**/docs/index.html")
        page.fill("input[name=q]", word)
        page.press("input[name=q]", "Enter")
        page.wait_for_selector("#search-results .search li a")
        page.wait_for_function("document.querySelector('.search-summary')?.innerText.includes('finished')")
        found = page.locator("#search-results .search li a").all_inner_texts()
        page.locator("#search-results .search li a").first.click()
        page.wait_for_url(lambda url: "search.html" not in url)
        first = page.title()
        browser.close()
    print(json.dumps({"found": found, "first": first, "asked": [url for url in asked if not url.startswith("file:")], "errors": errors}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

"""The page in a headless Chromium, for tests and for the pictures of the documents.

It runs in the Python of tests/projects/jupyter.py: `python browse.py CASE LINK [WORD…]`, with the link that `trainconf ui` printed.
Prints JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import axe_playwright_python
from playwright.sync_api import Browser, BrowserContext, Page, Response, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE_S = float(os.environ.get("PATIENCE_S", "300"))
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
COUNT = """window.unanswered = 0;
const ask = window.fetch;
window.fetch = (...words) => { window.unanswered += 1; return ask(...words).finally(() => { window.unanswered -= 1; }); };"""
QUIET = """() => !window.unanswered && [...document.querySelectorAll('tc-chart')].every((chart) => chart.isLoaded || !chart.isSeen)
  && !document.body.innerText.includes('Reading the run')"""
REFUSED = "Failed to load resource"  # said of each answer from 400 on
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"  # charts follow their size a frame later
HIDE = """(hidden) => {
  Object.defineProperty(document, 'hidden', { configurable: true, value: hidden });
  document.dispatchEvent(new Event('visibilitychange'));
}"""
FOCUSED = "(document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText).slice(0, 30)"
TABBED = """() => {
  window.tabbed = [...document.querySelectorAll('button, a[href], input, select, textarea, summary, [tabindex="0"]')]
    .filter((each) => each.tabIndex >= 0 && !each.disabled && each.checkVisibility());
  window.reached = new Set();
  document.activeElement.blur();
  return tabbed.length;
}"""
UNREACHED = "tabbed.filter((each) => each.isConnected && !reached.has(each)).map((each) => each.outerHTML.slice(0, 160))"
FIRST_LINE = """() => {
  const top = document.querySelector('.log').getBoundingClientRect().top;
  return [...document.querySelectorAll('.log > div')].find((line) => line.getBoundingClientRect().bottom > top).dataset.start;
}"""


class Tab:
    """One tab of a browser, and all that went wrong in it."""

    def __init__(self, context: BrowserContext, link: str) -> None:
        self.page: Page = context.new_page()
        self.page.add_init_script(COUNT)
        self.page.set_default_timeout(PATIENCE_S * 1000)
        self.link = link
        self.origin = "{0.scheme}://{0.netloc}".format(urlsplit(link))
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        self.errors: list[str] = []
        self.refused: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" and REFUSED not in said.text else None)
        self.page.on("response", self._answered)

    def _answered(self, answer: Response) -> None:
        if answer.status >= 400 and not (answer.status == 503 and "retry-after" in answer.headers):  # the page asks again by itself
            self.refused.append(f"{answer.status} {urlsplit(answer.url).path}")

    def open(self, address: str = "") -> None:
        """Open a screen by the link that brings the token, and wait until it shows what it has."""
        self.page.goto(f"{self.link}{address}")
        self.page.wait_for_selector("main", timeout=PATIENCE_S * 1000)
        self.settle()

    def go(self, address: str) -> None:
        """Go to another screen of the page that is open."""
        self.page.evaluate("(to) => { location.hash = to; }", address)
        self.settle()

    def settle(self) -> None:
        self.page.wait_for_timeout(200)
        self.wait(lambda: self.page.evaluate(QUIET))
        self.page.wait_for_timeout(150)

    def text(self, selector: str = "main") -> str:
        """What an element says; empty where there is none."""
        found = self.page.locator(selector)
        return found.first.inner_text() if found.count() else ""

    def wait(self, condition: Callable[[], Any]) -> Any:
        """Wait for something; what it is."""
        until = time.monotonic() + PATIENCE_S
        while not (found := condition()):
            if time.monotonic() > until:
                raise AssertionError(f"it did not happen; {self.page.url} says: {self.page.inner_text('body')[-3000:]}")
            self.page.wait_for_timeout(50)
        return found

    def violations(self) -> list[str]:
        """What axe finds, in short."""
        self.page.evaluate(AXE)
        found = self.page.evaluate("axe.run()")
        return [f"{each['id']}: {node['html'][:160]}" for each in found["violations"] for node in each["nodes"]]

    def unreached(self) -> list[str]:
        """What can have the focus and is not come to by Tab, in short."""
        for _ in range(self.page.evaluate(TABBED) + 2):  # the page itself is one of them
            self.page.keyboard.press("Tab")
            self.page.evaluate("reached.add(document.activeElement)")
        found: list[str] = self.page.evaluate(UNREACHED)
        return found

    def points(self) -> int:
        """How many values the first chart has of its first run."""
        count: int = self.page.evaluate("document.querySelector('tc-chart')?.pieces.reduce((sum, piece) => sum + piece.count, 0) ?? 0")
        return count

    @property
    def amiss(self) -> dict[str, list[str]]:
        strangers = [address for address in self.requests if not address.startswith((self.origin + "/", "blob:", "data:"))]
        return {"strangers": strangers, "dialogs": self.dialogs, "errors": self.errors, "refused": self.refused}


class Case:
    """What one run of this script has: a browser, the link, and the words of its command line."""

    def __init__(self, browser: Browser, link: str, words: list[str]) -> None:
        self.browser = browser
        self.link = link
        self.words = words

    def tab(self, context: BrowserContext | None = None) -> Tab:
        return Tab(context or self.browser.new_context(viewport={"width": 1440, "height": 900}), self.link)


def screens(case: Case) -> Any:
    """Each screen: what it says, how much too wide it is at each width, what axe finds, and what Tab misses."""
    found = []
    tab = case.tab()
    tab.open()
    for address in case.words:
        seen: dict[str, Any] = {"screen": address, "wide": {}, "axe": []}
        for width, scheme in ((360, "light"), (800, None), (2560, None), (1440, "dark")):
            tab.page.set_viewport_size({"width": width, "height": 900})
            if width == 360:
                tab.go(address)
            if scheme:
                tab.page.emulate_media(color_scheme=scheme)
            tab.page.evaluate(DRAWN)
            seen["wide"][width] = tab.page.evaluate("document.scrollingElement.scrollWidth - innerWidth")
            seen["axe"] += tab.violations() if scheme else []
        found.append({**seen, "unreached": tab.unreached(), "text": tab.text()})
    return {"seen": found, "amiss": tab.amiss}


def live(case: Case) -> Any:
    """A run that goes on: its table row, its curve and its log, until it has ended."""
    run, end = case.words
    table, charts, log = (case.tab() for _ in range(3))
    table.open(f"/runs?filter={run}")
    charts.open(f"/runs/{run}/charts?from=1&to=4&smooth=0.5")
    log.open(f"/runs/{run}/log")
    log.page.locator(".log").wait_for()
    seen = [[charts.points(), log.page.locator(".log > div").count()]]
    for _ in range(4):
        table.wait(lambda: charts.points() > seen[-1][0] and log.page.locator(".log > div").count() > seen[-1][1])
        seen.append([charts.points(), log.page.locator(".log > div").count()])
    Path(end).touch()  # the script ends when it sees this
    table.wait(lambda: "Completed" in table.text(".list"))
    charts.wait(lambda: "Completed" in charts.text(".state-line"))
    range_kept = charts.page.evaluate("document.querySelector('tc-chart').xRange()")
    charts.page.locator("button", has_text="whole course").click()
    charts.settle()
    charts.page.wait_for_timeout(1000)
    return {
        "seen": seen, "range": range_kept, "points": charts.points(),
        "log": log.page.evaluate("document.querySelector('.log').textContent"),
        "amiss": [tab.amiss for tab in (table, charts, log)],
    }


def keyboard(case: Case) -> Any:
    """The way of somebody without a mouse: filter, choose, open, read the log, go back."""
    tab = case.tab()
    tab.open("/runs")
    press = tab.page.keyboard.press
    said: dict[str, Any] = {}
    press("/")
    tab.page.keyboard.type("status:Completed")
    tab.wait(lambda: " of " in tab.text(".matching"))
    press("Enter")
    for key in ("j", "x", "j", "Shift+X"):
        press(key)
        tab.page.wait_for_timeout(80)
    said["chosen"] = tab.page.evaluate("new URLSearchParams(location.hash.split('?')[1]).get('chosen').split(',')")
    tab.settle()
    said["curves"] = tab.page.locator("tc-chart").count()
    press("?")
    said["keys"] = tab.text("dialog")
    press("Escape")
    tab.page.wait_for_timeout(100)
    press("Escape")
    tab.page.wait_for_timeout(100)
    said["after escape"] = tab.page.url
    press("Enter")
    tab.wait(lambda: tab.page.locator(".run-head").count())
    tab.settle()
    said["run"] = tab.text("h1")
    press("l")
    tab.wait(lambda: tab.text(".log"))
    said["log"] = tab.text(".log")
    press("Escape")
    tab.wait(lambda: tab.page.locator("table[role=grid]").count())
    before = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    press("t")
    tab.page.wait_for_timeout(200)
    said["turned"] = before != tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    said["tabbed"] = []
    for _ in range(14):
        press("Tab")
        said["tabbed"].append(tab.page.evaluate(FOCUSED))
    return said | {"amiss": tab.amiss}


def tabs(case: Case) -> Any:
    """Ten tabs of one browser: one stream, and another leads when the first has gone."""
    run = case.words[0]
    context = case.browser.new_context()
    all_tabs = [case.tab(context) for _ in range(4)]
    for tab in all_tabs:
        tab.open(f"/runs/{run}/charts")
    first, *others = all_tabs

    def grew() -> bool:
        before = [tab.points() for tab in others]
        others[0].page.wait_for_timeout(1500)
        return all(tab.points() > count for tab, count in zip(others, before, strict=True))

    streams = {place: sum(url.endswith("/api/stream") for url in tab.requests) for place, tab in enumerate(all_tabs)}
    said: dict[str, Any] = {"streams": streams, "all live": grew()}
    first.page.close()
    others[0].page.wait_for_timeout(500)
    said["live without the first"] = grew()
    said["leaders after"] = sum(any(url.endswith("/api/stream") for url in tab.requests) for tab in others)
    for tab in others:
        tab.page.evaluate(HIDE, True)
    others[0].page.wait_for_timeout(500)
    counts = [tab.points() for tab in others]
    asked = [len(tab.requests) for tab in others]
    others[0].page.wait_for_timeout(1500)
    said["asked while hidden"] = [len(tab.requests) - before for tab, before in zip(others, asked, strict=True)]
    said["grew while hidden"] = [tab.points() - before for tab, before in zip(others, counts, strict=True)]
    others[0].page.evaluate(HIDE, False)
    others[0].wait(lambda: others[0].points() > counts[0])
    return said | {"amiss": others[0].amiss}


def place(case: Case) -> Any:
    """What the reader has set stays while a run goes on: the zoom, the place in the log, the chosen, and all of it over a reload."""
    run = case.words[0]
    tab = case.tab()
    tab.open(f"/runs/{run}/log")
    tab.wait(lambda: tab.page.evaluate("document.querySelector('.log').scrollHeight > 3000"))
    tab.page.evaluate("document.querySelector('.log').scrollTop = 200")
    tab.page.wait_for_timeout(200)
    before, count = tab.page.evaluate(FIRST_LINE), tab.page.locator(".log > div").count()
    tab.wait(lambda: tab.page.locator(".log > div").count() > count)
    said: dict[str, Any] = {"log kept": tab.page.evaluate(FIRST_LINE) == before, "follows": tab.page.locator("[aria-pressed=true]").count()}
    tab.go(f"#/runs?chosen={run}")
    plot = tab.page.locator("tc-chart .within").first
    plot.wait_for()
    box = plot.bounding_box()
    assert box
    tab.page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 50)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60, steps=4)
    tab.page.mouse.up()
    tab.settle()
    zoom = tab.page.evaluate("document.querySelector('tc-chart').xRange()")
    tab.page.wait_for_timeout(1200)
    said["zoom kept"] = tab.page.evaluate("document.querySelector('tc-chart').xRange()") == zoom
    said["zoomed"] = "from=" in tab.page.url
    tab.page.reload()
    tab.settle()
    tab.wait(lambda: tab.page.locator("tc-chart").count())
    tab.settle()
    said["zoom after a reload"] = tab.page.evaluate("document.querySelector('tc-chart').xRange()") == zoom
    said["chosen after a reload"] = tab.page.locator("tr[aria-selected=true]").count()
    return said | {"amiss": tab.amiss}


def locked(case: Case) -> Any:
    """Without a token, and with one that is not the server's."""
    said = []
    for link in (case.link.split("#", maxsplit=1)[0], case.link[:-4] + "AAAA"):
        tab = Tab(case.browser.new_context(), link)
        tab.page.goto(link)
        tab.page.wait_for_timeout(600)
        said.append({"text": tab.text("body"), "url": tab.page.url, **tab.amiss})
    return said


def gone(case: Case) -> Any:
    """The server ends while one looks."""
    tab = case.tab()
    tab.open("/runs")
    rows = tab.page.locator("tbody tr").count()
    os.kill(int(case.words[0]), signal.SIGTERM)
    strip = tab.wait(lambda: tab.text(".strip"))
    return {"strip": strip, "kept": tab.page.locator("tbody tr").count() == rows, "url": tab.page.url}


def pictures(case: Case) -> Any:
    """Pictures of screens, for the documents: `OUT`, then `NAME SCHEME WIDTH HEIGHT ADDRESS` for each."""
    out, *rest = case.words
    for place in range(0, len(rest), 5):
        name, scheme, width, height, address = rest[place : place + 5]
        tab = case.tab(case.browser.new_context(viewport={"width": int(width), "height": int(height)}, color_scheme=cast(Any, scheme)))
        tab.open()
        tab.go(f"#{address}")
        tab.page.wait_for_timeout(1500)  # what comes by the stream
        tab.page.screenshot(path=f"{out}/page-{name}.png")
        tab.page.context.close()
    return rest[::5]


def carry_out(cases: dict[str, Callable[[Case], Any]]) -> None:
    """Open a browser for the case that the command line names, and print what it saw."""
    name, link, *words = sys.argv[1:]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        print(json.dumps(cases[name](Case(browser, link, words))))
        browser.close()


CASES = {each.__name__: each for each in (screens, live, keyboard, tabs, place, locked, gone, pictures)}

if __name__ == "__main__":
    carry_out(CASES)

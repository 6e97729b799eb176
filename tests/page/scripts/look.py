"""What a headless Chromium sees of a page, timed inside the page. It runs in the Python of tests/projects/jupyter.py.

    python look.py CASE LINK [WORD…]

Prints JSON. A time ends at the frame that shows what was waited for, not when its data came.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from browse import CHROMIUM, FLAGS
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

PATIENCE_MS = 120_000
READINGS, READ_EVERY_MS = 7, 4_000  # of the heap
# `seen(question)` answers the time, in milliseconds since the page began, of the first frame after a question is answered with yes.
SEEN = """
window.seen = (question) => new Promise((done) => {
  const look = () => (question() ? requestAnimationFrame(() => setTimeout(() => done(performance.now()))) : requestAnimationFrame(look));
  look();
});
window.took = async (act, question) => {
  const from = performance.now();
  act();
  return (await seen(question)) - from;
};
"""
ROWS = "() => document.querySelector('main table tbody a, .run-name')"  # a row that names its run, here and in trackio
CHARTS = "[...document.querySelectorAll('tc-chart')]"
DRAWN = f"() => {CHARTS}.some((chart) => chart.isLoaded && chart.plot && chart.pieces.some(({{count}}) => count >= %d))"
LOGGED = f"{CHARTS}.flatMap(({{pieces}}) => pieces).reduce((sum, {{count}}) => sum + count, 0)"
LAST_LINE = "() => document.querySelector('.log > div:last-child')?.innerText.includes('loss')"
# Each value is the time at which it was logged; a chart is asked at each drawing which of them it had not drawn before.
LATENCIES = """() => {
  window.latencies = [];
  const drawn = new Map();
  const draw = customElements.get('tc-chart').prototype.drawCurves;
  customElements.get('tc-chart').prototype.drawCurves = function () {
    draw.call(this);
    const fresh = [];
    for (const { run, last } of this.pieces) {
      for (let place = last.length - 1; place >= 0 && last[place] > (drawn.get(run) ?? Infinity); place--) fresh.push(last[place]);
      drawn.set(run, last[last.length - 1]);
    }
    setTimeout(() => { const now = Date.now(); window.latencies.push(...fresh.map((at) => now - at)); });
  };
}"""


class Look:
    """A tab of a browser without anything in its cache."""

    def __init__(self, browser: Browser) -> None:
        self.context = browser.new_context(viewport={"width": 1440, "height": 900})
        self.context.add_init_script(SEEN)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.devtools: CDPSession = self.context.new_cdp_session(self.page)
        self.bytes = 0
        self.devtools.on("Network.loadingFinished", lambda event: self._add(event["encodedDataLength"]))
        self.devtools.send("Network.enable")

    def _add(self, count: float) -> None:
        self.bytes += int(count)

    def __enter__(self) -> Look:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def rows_ms(self, link: str) -> float:
        """Open a page; the time until it shows a row."""
        self.page.goto(link, wait_until="commit")
        return float(self.page.evaluate(f"seen({ROWS})"))

    def went_ms(self, address: str, question: str) -> float:
        """Go to another screen of the page; the time until it shows what is asked for."""
        return float(self.page.evaluate(f"took(() => {{ location.hash = {json.dumps(address)}; }}, {question})"))

    def heap_mb(self) -> float:
        """The script heap, without what is garbage."""
        self.devtools.send("HeapProfiler.collectGarbage")
        return float(self.devtools.send("Runtime.getHeapUsage")["usedSize"]) / 1e6


def first(browser: Browser, link: str, rounds: str) -> Any:
    """The first rows in a fresh page, the bytes that were sent until then, and the heap."""
    found = []
    for _ in range(int(rounds)):
        with Look(browser) as look:
            ms = look.rows_ms(link)
            sent = look.bytes
            look.page.wait_for_timeout(2000)
            found.append({"ms": ms, "bytes": sent, "heap_mb": look.heap_mb()})
    return found


def table(browser: Browser, link: str, rounds: str) -> Any:
    """Sort by a metric, again and again: until other rows are seen."""
    with Look(browser) as look:
        look.rows_ms(link)
        look.page.wait_for_timeout(1000)
        sort = """async () => {
          const first = () => document.querySelector('tr[aria-rowindex="2"]').innerText;
          const sorted = () => document.querySelector('th.best').getAttribute('aria-sort');
          const [row, way] = [first(), sorted()];
          return took(() => document.querySelector('th.best button').click(), () => first() !== row && sorted() !== way);
        }"""
        return [look.page.evaluate(sort) for _ in range(int(rounds))]


def large(browser: Browser, link: str, run: str, points: str, rounds: str) -> Any:
    """A curve of many points, first and again, and the end of a large log."""
    with Look(browser) as look:
        look.rows_ms(link)
        curve, log = f"#/runs/{run}/charts", f"#/runs/{run}/log"
        found: dict[str, Any] = {"first": look.went_ms(curve, DRAWN % int(points)), "again": [], "log": []}
        look.page.wait_for_timeout(3000)  # what is kept on the disk is written beside
        for _ in range(int(rounds)):
            for name, address, question in (("again", curve, DRAWN % int(points)), ("log", log, LAST_LINE)):
                look.went_ms("#/help", "() => document.querySelector('.screen-help')")
                look.page.wait_for_timeout(200)
                found[name].append(look.went_ms(address, question))
        return found


def live(browser: Browser, link: str, address: str, seconds: str) -> Any:
    """For each value that comes: from the moment it was logged to the frame that shows it."""
    with Look(browser) as look:
        look.page.goto(f"{link}{address}")
        look.page.evaluate(f"seen({DRAWN % 1})")
        look.page.wait_for_timeout(2000)
        look.page.evaluate(LATENCIES)
        look.page.wait_for_timeout(float(seconds) * 1000)
        return {"ms": look.page.evaluate("latencies"), "heap_mb": look.heap_mb()}


def stay(browser: Browser, link: str, address: str, seconds: str, samples: str) -> Any:
    """The heap of a page that stays open, again and again; each is printed as it is measured.

    A chart keeps the points that come until it asks for buckets again, for half a minute: the least of some readings in that time counts.
    """
    with Look(browser) as look:
        look.page.goto(f"{link}{address}")
        look.page.evaluate(f"seen({DRAWN % 1})")
        began = time.time()
        for number in range(int(samples) + 1):
            look.page.wait_for_timeout(max(0.0, began + number * float(seconds) / int(samples) - time.time()) * 1000)
            heap = look.heap_mb()
            for _ in range(READINGS - 1):
                look.page.wait_for_timeout(READ_EVERY_MS)
                heap = min(heap, look.heap_mb())
            seen = {"at_s": time.time() - began, "heap_mb": heap, "values": look.page.evaluate(LOGGED)}
            print(json.dumps(seen), flush=True)
    return None


CASES: dict[str, Callable[..., Any]] = {case.__name__: case for case in (first, table, large, live, stay)}


def main() -> None:
    name, *words = sys.argv[1:]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        found = CASES[name](browser, *words)
        if found is not None:
            print(json.dumps(found))
        browser.close()


if __name__ == "__main__":
    main()

"""What a page shows of runs that a test has made, in a headless Chromium.

Run as browse.py is: `python made.py CASE LINK [WORD…]`; prints JSON.
"""

from __future__ import annotations

from typing import Any

from browse import Case, Tab, carry_out

STRIPS = """addEventListener('DOMContentLoaded', () => {
  window.strips = [];
  new MutationObserver(() => {
    for (const { innerText } of document.querySelectorAll('.strip.still')) window.strips.push(innerText);
  }).observe(document.body, { childList: true, subtree: true, characterData: true });
});"""
NAMES = "[...document.querySelectorAll('td.name a')].map((cell) => cell.title)"
DRAWN = "new Set([...document.querySelectorAll('tc-chart')].flatMap(({ pieces }) => pieces).map(({ run }) => run)).size"


def names(tab: Tab) -> list[str]:
    """The ids of the rows, as the table shows them."""
    found: list[str] = tab.page.evaluate(NAMES)
    return found


def odd(case: Case) -> Any:
    """A run whose name is no UTF-8: in the table, on its page, chosen by keys, after a reload, compared, and as CSV."""
    tab = case.tab()
    tab.open("/runs")
    seen: dict[str, Any] = {"names": names(tab)}
    tab.page.locator("td.name a").first.click()
    tab.settle()
    seen["page"] = tab.text()
    tab.go("#/runs")
    tab.page.locator("table").focus()
    tab.page.keyboard.press("x")
    tab.page.keyboard.press("j")
    tab.page.keyboard.press("x")
    tab.settle()
    tab.page.reload()
    tab.settle()
    seen["chosen"] = tab.page.locator("td.choose input:checked").count()
    seen["drawn"] = tab.wait(lambda: tab.page.evaluate(DRAWN))
    tab.page.get_by_role("link", name="compare", exact=True).click()
    tab.settle()
    seen["compared"] = tab.text()
    tab.page.get_by_role("button", name="export").click()
    with tab.page.expect_download() as saved:
        tab.page.get_by_role("button", name="CSV", exact=True).click()
    with open(saved.value.path()) as stream:
        seen["csv"] = stream.read()
    return {**seen, "amiss": tab.amiss}


def sort(case: Case) -> Any:
    """Press the head of a column again and again: its order and the rows after each."""
    (column,) = case.words
    tab = case.tab()
    tab.open(f"/runs?columns={column}")
    seen = []
    for head in ("th.best", "th.num:not(.best)"):
        for _ in range(3):
            tab.page.locator(f"{head} button").first.click()
            tab.settle()
            seen.append([tab.page.locator(head).first.get_attribute("aria-sort"), names(tab)])
    return {"seen": seen, "amiss": tab.amiss}


def late(case: Case) -> Any:
    """A curve whose answer takes longer than a request may: what the page said meanwhile, and what it showed in the end."""
    (run,) = case.words
    tab = case.tab()
    tab.page.add_init_script(STRIPS)
    tab.open(f"/runs/{run}/charts")
    tab.wait(lambda: tab.points() and not tab.text(".strip.still"))
    return {"strips": tab.page.evaluate("strips"), "points": tab.points(), "amiss": tab.amiss}


CASES = {each.__name__: each for each in (odd, sort, late)}

if __name__ == "__main__":
    carry_out(CASES)

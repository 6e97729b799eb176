"""What a page shows of runs that a test has made, in a headless Chromium.

Run as browse.py is: `python made.py CASE LINK [WORD…]`; prints JSON.
"""

from __future__ import annotations

import os
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


RED = """() => {
  const probe = document.body.appendChild(document.createElement('i'));
  probe.className = 'line-7';
  return getComputedStyle(probe).color;
}"""
LOOKS = """() => {
  const classes = (selector) => [...document.querySelectorAll(selector)].map((each) => each.className.match(/line-\\d/)?.[0]);
  const drawn = [...document.querySelector('tc-chart').pieces].map((piece) => document.querySelector('tc-chart').lookOf(piece).colour);
  return { table: classes('td.choose input:checked'), legend: classes('.legend .swatch'), drawn: new Set(drawn).size };
}"""
# Each chosen run has an entry in the legend of a chart, once there are rows.
READY = """() => document.querySelector('td.name a')
  && document.querySelectorAll('.legend .swatch').length >= document.querySelectorAll('td.choose input:checked').length"""


def looks(tab: Tab) -> dict[str, Any]:
    """The colours of the chosen runs, in the order of the table."""
    found: dict[str, Any] = tab.page.evaluate(LOOKS)
    return found


def open_table(case: Case, address: str, within: Tab | None = None) -> Tab:
    """A tab with a table that has its rows, and the curves of those that are chosen: on a busy machine they come later than the page."""
    tab = case.tab(within.page.context if within else None)
    tab.open(address)
    await_table(tab)
    return tab


def await_table(tab: Tab) -> None:
    tab.wait(lambda: tab.page.evaluate(READY))
    tab.settle()


def names(tab: Tab) -> list[str]:
    """The ids of the rows, as the table shows them."""
    found: list[str] = tab.page.evaluate(NAMES)
    return found


def odd(case: Case) -> Any:
    """A run whose name is no UTF-8: in the table, on its page, chosen by keys, after a reload, compared, and as CSV."""
    tab = open_table(case, "/runs")
    seen: dict[str, Any] = {"names": names(tab)}
    tab.page.locator("td.name a").first.click()
    tab.settle()
    seen["page"] = tab.text()
    tab.go("#/runs")
    await_table(tab)
    tab.page.locator("table").focus()
    tab.page.keyboard.press("x")
    tab.page.keyboard.press("j")
    tab.page.keyboard.press("x")
    tab.settle()
    tab.page.reload()
    await_table(tab)
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
    tab = open_table(case, f"/runs?columns={column}")
    seen = []
    for head in ("th.best", "th.num:not(.best)"):
        for _ in range(3):
            tab.page.locator(f"{head} button").first.click()
            tab.settle()
            seen.append([tab.page.locator(head).first.get_attribute("aria-sort"), names(tab)])
    tab.page.get_by_role("button", name="columns", exact=True).click()
    tab.page.get_by_label("params.lr", exact=True).check()
    tab.page.get_by_label(column, exact=True).uncheck()
    tab.page.keyboard.press("Escape")
    tab.settle()
    return {"seen": seen, "columns": tab.page.evaluate("location.hash"), "amiss": tab.amiss}


def late(case: Case) -> Any:
    """A curve whose answer takes longer than a request may: what the page said meanwhile, and what it showed in the end."""
    (run,) = case.words
    tab = case.tab()
    tab.page.add_init_script(STRIPS)
    tab.open(f"/runs/{run}/charts")
    tab.wait(lambda: tab.points() and not tab.text(".strip.still"))
    return {"strips": tab.page.evaluate("strips"), "points": tab.points(), "amiss": tab.amiss}


def colours(case: Case) -> Any:
    """Give a run another colour in the table: what is drawn in it there, in other tabs and screens, and in a picture."""
    run, other = case.words
    address = f"/runs?chosen={run},{other}"
    tab = open_table(case, address)
    second = open_table(case, address, tab)
    shown = [looks(tab)]
    tab.page.get_by_role("button", name="colours…").click()
    tab.page.get_by_role("group", name=run).get_by_label("red").check()
    axe = tab.violations()
    tab.page.keyboard.press("Escape")
    tab.settle()
    shown.append(looks(tab))
    second.wait(lambda: looks(second) == shown[-1])
    tab.page.reload()
    await_table(tab)
    shown.append(looks(tab))
    tab.page.locator("tc-chart summary").first.click()
    with tab.page.expect_download() as saved:
        tab.page.get_by_role("button", name="SVG").first.click()
    with open(saved.value.path()) as stream:
        picture = stream.read()
    red = tab.page.evaluate(RED)
    seen = {"axe": axe, "shown": shown, "svg": f'stroke="{red}"' in picture}
    tab.go(f"#/compare?runs={run},{other}")
    seen["compared"] = tab.page.locator("thead .swatch").first.get_attribute("class")
    tab.go(f"#/runs/{run}")
    seen["alone"] = tab.page.locator(".legend .swatch").first.get_attribute("class")
    tab.page.get_by_role("button", name="colour…").click()
    tab.page.get_by_role("button", name="by itself").click()
    tab.page.keyboard.press("Escape")
    tab.settle()
    seen["by itself"] = tab.page.locator(".legend .swatch").first.get_attribute("class")
    return {**seen, "amiss": [tab.amiss, second.amiss]}


def ends(case: Case) -> Any:
    """A curve whose last values are no numbers: what is said beside it, of its end and of places that are pointed at."""
    (run,) = case.words
    tab = case.tab()
    tab.open(f"/runs/{run}/charts")
    tab.wait(tab.points)

    def legend() -> list[str]:
        return [tab.text(".legend .at"), tab.text(".legend b")]

    seen: dict[str, Any] = {"last": legend(), "pointed": []}
    box = tab.page.locator("tc-chart .within").first.bounding_box()
    assert box
    for step in (2, 3, 9):
        tab.page.mouse.move(box["x"] + (box["width"] - 1) * step / 9, box["y"] + 50)
        tab.wait(lambda step=step: tab.text(".legend .at") == f"step {step}")
        seen["pointed"].append(legend())
    return {**seen, "table": tab.page.locator("[aria-label^='curves of loss']").get_attribute("aria-label"), "amiss": tab.amiss}


def many(case: Case) -> Any:
    """All curves of many runs, compared and beside the table: how many runs each chart draws."""
    (runs,) = case.words
    tab = case.tab()
    tab.open(f"/compare?runs={runs}&smooth=0.5")
    names = tab.page.locator(".chart h2").all_inner_texts()
    seen = [[name, tab.wait(lambda place=place: drawn_in(tab, place))] for place, name in enumerate(names)]
    tab.go(f"#/runs?chosen={runs}&all=1")
    return {"compared": seen, "beside": tab.wait(lambda: drawn_in(tab, 0)), "failed": "could not be read" in tab.text(), "amiss": tab.amiss}


def differing(case: Case) -> Any:
    """What a comparison says of a param whose values are long: the row, and what is told of one of them in full."""
    runs, key = case.words
    tab = case.tab()
    tab.open(f"/compare?runs={runs}")
    row = tab.page.locator("tr", has=tab.page.locator("th", has_text=key)).first
    tab.wait(row.count)
    cells = row.locator("td b")
    cut = cells.evaluate_all("(all) => all.map((each) => each.getBoundingClientRect().width > each.parentElement.clientWidth)")
    return {"texts": cells.all_inner_texts(), "full": [each.get_attribute("title") for each in cells.all()], "cut": cut, "amiss": tab.amiss}


def drawn_in(tab: Tab, place: int) -> int:
    """How many runs a chart draws that was scrolled to, once it has them."""
    chart = tab.page.locator("tc-chart").nth(place)
    chart.scroll_into_view_if_needed()
    found: int = chart.evaluate("(chart) => chart.isLoaded ? new Set(chart.pieces.map(({ run }) => run)).size : 0")
    return found


def removed(case: Case) -> Any:
    """A folder that is moved away while its page is open, and put back: what the page says, and that it keeps what it has read."""
    address, folder, away, kept = case.words
    tab = case.tab()
    tab.open(address)
    tab.wait(lambda: kept in tab.text())
    os.rename(folder, away)
    tab.wait(lambda: "folder is gone" in tab.text())
    said = tab.text()
    os.rename(away, folder)
    tab.wait(lambda: "folder is gone" not in tab.text())
    return {"said": said, "again": tab.text(), "amiss": tab.amiss}


CASES = {each.__name__: each for each in (odd, sort, late, colours, ends, differing, many, removed)}

if __name__ == "__main__":
    carry_out(CASES)

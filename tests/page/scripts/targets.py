"""Runs in containers and in Slurm, in a headless Chromium. Run as browse.py is: `python targets.py CASE LINK [WORD…]`; prints JSON."""

from __future__ import annotations

import re
from typing import Any

from browse import Case, Tab, carry_out
from deeds import command, press

FACTS = """() => Object.fromEntries([...document.querySelectorAll('dl.facts dt')]
  .map((name) => [name.innerText, name.nextElementSibling.innerText]))"""


def facts(tab: Tab) -> dict[str, str]:
    """What the overview of a run says of it, by name."""
    found: dict[str, str] = tab.page.evaluate(FACTS)
    return found


def grow(tab: Tab) -> list[int]:
    """How many lines a log had at each of three looks, each after another has come."""
    counts = [tab.page.locator(".log > div").count()]
    for _ in range(2):
        tab.wait(lambda: tab.page.locator(".log > div").count() > counts[-1])
        counts.append(tab.page.locator(".log > div").count())
    return counts


def cancel(tab: Tab) -> str:
    """Cancel by the dialog that has opened; its command."""
    said = command(tab)
    press(tab.page, "cancel")
    tab.page.wait_for_selector("dialog[open]", state="detached")
    return said


def run(case: Case) -> Any:
    """A run from its begin on: where it is, its log as it is written, and that it ends when it is cancelled from the page."""
    (name,) = case.words
    tab, log = case.tab(), case.tab()
    tab.open(f"/runs/{name}")
    tab.wait(lambda: tab.text(".state-line").startswith("● Running") and "machine" in facts(tab) and tab.points() > 2)
    seen: dict[str, Any] = {"facts": facts(tab)}
    log.open(f"/runs/{name}/log")
    log.page.locator(".log").wait_for()
    seen["lines"] = grow(log)
    press(tab.page, "cancel…")
    seen["command"] = cancel(tab)
    tab.wait(lambda: "Canceled" in tab.text(".state-line"))
    log.wait(lambda: "Canceled" in log.text(".state-line"))
    return {**seen, "axe": tab.violations(), "amiss": [tab.amiss, log.amiss]}


def queue(case: Case) -> Any:
    """Two jobs of which one waits for the other: what Now and its page say, what they say once the first is cancelled, and its end."""
    first, second = case.words
    now, waits = case.tab(), case.tab()

    def row(name: str) -> str:
        return now.text(f"tr:has(a[href='#/runs/{name}'])")

    now.open("/now")
    now.wait(lambda: "Running" in row(first) and re.search(r"waits in Slurm: (Resources|Priority)", row(second)))
    seen: dict[str, Any] = {"first": row(first), "second": row(second), "axe": now.violations()}
    waits.open(f"/runs/{second}")
    waits.wait(lambda: "waits in Slurm" in waits.text(".state-line"))
    seen["state"] = waits.text(".state-line")
    seen["waits"] = facts(waits)
    now.page.locator(f"tr:has(a[href='#/runs/{first}'])").get_by_role("button", name="cancel…").click()
    seen["command"] = cancel(now)
    waits.wait(lambda: waits.text(".state-line").startswith("● Running") and "machine" in facts(waits))
    seen["runs"] = facts(waits)
    now.wait(lambda: "Running" in row(second) and not row(first))
    now.page.locator(f"tr:has(a[href='#/runs/{second}'])").get_by_role("button", name="cancel…").click()
    cancel(now)
    waits.wait(lambda: "Canceled" in waits.text(".state-line"))
    now.wait(lambda: not row(second))
    return {**seen, "amiss": [now.amiss, waits.amiss]}


CASES = {each.__name__: each for each in (run, queue)}

if __name__ == "__main__":
    carry_out(CASES)

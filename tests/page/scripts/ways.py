"""The ways from screen to screen in a headless Chromium: by keys, by the browser's own buttons, and with a new link.

Run as browse.py is: `python ways.py CASE LINK [WORD…]`; prints JSON.
"""

from __future__ import annotations

from typing import Any

from browse import Case, Tab, carry_out

PLACES = {"g r": "#/runs", "g c": "#/compare", "g s": "#/sweeps", "g n": "#/now"}
DIALOG = "document.querySelector('dialog[open] h2')?.innerText ?? ''"
AT = "document.querySelector('tr.at a')?.innerText"


def here(tab: Tab) -> str:
    """The address of the screen."""
    found: str = tab.page.evaluate("location.hash")
    return found


def press(tab: Tab, *keys: str) -> None:
    """Press keys, one after the other, and wait until the page shows what it has."""
    for key in keys:
        tab.page.keyboard.press(key)
    tab.settle()


def keys(case: Case) -> Any:
    """On each screen each key that all screens have: where it leads, which dialog it opens, what it copies."""
    tab = case.tab(case.browser.new_context(viewport={"width": 1440, "height": 900}, permissions=["clipboard-read", "clipboard-write"]))
    tab.open()
    seen = []
    for address in case.words:
        said: dict[str, Any] = {"screen": address}
        for both, place in PLACES.items():
            tab.page.goto(f"{tab.link.split('#')[0]}{address}")
            tab.settle()
            press(tab, *both.split())
            said[both] = here(tab).startswith(place) or here(tab)
        tab.go(address)
        for key in ("?", "e"):
            press(tab, key)
            said[key] = tab.page.evaluate(DIALOG)
            press(tab, "Escape")
        tab.page.evaluate("navigator.clipboard.writeText('')")
        press(tab, "y")
        said["y"] = tab.page.evaluate("navigator.clipboard.readText()")
        press(tab, ".")
        said["."] = tab.text(".strip.still")
        press(tab, ".")
        said[". again"] = tab.text(".strip.still")
        said["stayed"] = here(tab) == address or here(tab)
        press(tab, "Escape")
        said["Escape"] = here(tab)
        seen.append(said)
    return {"seen": seen, "amiss": tab.amiss}


def fields(case: Case) -> Any:
    """On each screen with a field of a search: `/` leads into it, keys are its text, and Escape leaves it and nothing else."""
    tab = case.tab()
    tab.open()
    seen = []
    for address in case.words:
        tab.go(address)
        press(tab, "/")
        tab.page.keyboard.type("gryecx.")
        press(tab, "Escape")
        field = tab.page.evaluate("[document.activeElement.tagName === 'INPUT', document.querySelector('main input[type=search]').value]")
        seen.append([address, *field, here(tab).split("?")[0]])
    return {"seen": seen, "amiss": tab.amiss}


def table(case: Case) -> Any:
    """A table that was filtered, in which a run was chosen and another one opened: how it is found again, each way back."""
    (filtered,) = case.words
    tab = case.tab()
    tab.open(f"/runs?filter={filtered}")
    tab.wait(lambda: tab.page.evaluate(AT))
    press(tab, "x", *["j"] * 40)
    left = [here(tab), tab.page.evaluate(AT)]
    found = []

    def back(*way: str) -> None:
        for each in ("Enter", *way):
            press(tab, each)
        tab.wait(lambda: tab.page.evaluate(f"{AT} && document.querySelector('tr.at').getBoundingClientRect().top < innerHeight"))
        found.append([here(tab), tab.page.evaluate(AT)])

    back("Escape")
    back("l", "Escape")
    back("g", "s", "g", "r")
    press(tab, "Enter")
    tab.page.locator(".crumbs a").first.click()
    tab.wait(lambda: tab.page.evaluate(AT))
    found.append([here(tab), tab.page.evaluate(AT)])
    press(tab, "Enter")
    tab.page.go_back()
    tab.wait(lambda: tab.page.evaluate(AT))
    found.append([here(tab), tab.page.evaluate(AT)])
    tab.page.get_by_role("link", name="Runs", exact=True).click()
    tab.settle()
    return {"left": left, "found": found, "anew": here(tab), "amiss": tab.amiss}


def history(case: Case) -> Any:
    """Each screen, then back through all of them, forward again, and each after a reload: whether it is the same."""
    tab = case.tab()
    tab.open()
    first: dict[str, str] = {}
    for address in case.words:
        tab.go(address)
        tab.page.wait_for_timeout(300)
        first[address] = tab.text()
    amiss = []
    ways = [(tab.page.go_back, case.words[-2::-1]), (tab.page.go_forward, case.words[1:])]
    for go, addresses in ways:
        for address in addresses:
            go()
            tab.settle()
            tab.wait(lambda address=address: here(tab) == address)
            if not same(tab, first[address]):
                amiss.append([go.__name__, address, first[address][-800:], tab.text()[-800:]])
    for address in case.words:
        tab.go(address)
        tab.page.reload()
        tab.settle()
        if not same(tab, first[address]):
            amiss.append(["reload", address, first[address][-800:], tab.text()[-800:]])
    return {"differs": amiss, "amiss": tab.amiss}


def same(tab: Tab, text: str) -> bool:
    """Whether a screen comes to say what it said before."""
    for _ in range(100):
        if tab.text() == text:
            return True
        tab.page.wait_for_timeout(100)
    return False


def wrong(case: Case) -> Any:
    """What is said of screens that cannot be shown, by their addresses."""
    tab = case.tab()
    tab.open()
    seen = {}
    for address in case.words:
        tab.go(address)
        seen[address] = tab.text()
    return seen


def rest(case: Case) -> Any:
    """Screens that ask again by themselves: whether they do so in a minute, while the page is live and while it is not."""
    seen = []
    for address in case.words:
        tab = case.tab()
        tab.page.clock.install()
        tab.open(address.removeprefix("#"))

        def minute(tab: Tab = tab) -> int:
            before = len(tab.requests)
            tab.page.clock.run_for(60_000)
            tab.page.wait_for_timeout(300)
            return sum("/api/stream" not in url for url in tab.requests[before:])

        live = minute()
        tab.page.keyboard.press(".")
        tab.wait(lambda tab=tab: tab.text(".strip.still"))
        tab.settle()
        seen.append([address, live > 0, minute()])
    return seen


def new_link(case: Case) -> Any:
    """A page with an old token, in which the link is opened that the server has printed: what it shows, what is in the address."""
    tab = case.tab()
    tab.page.goto(f"{case.link.partition('#')[0]}#t=old")
    tab.wait(lambda: "trainconf ui --link" in tab.text("body"))
    tab.page.evaluate("(hash) => { location.hash = hash; }", case.link.partition("#")[2])
    tab.page.wait_for_selector("tr.at a")
    return {"url": tab.page.url}


CASES = {each.__name__: each for each in (keys, fields, table, history, rest, wrong, new_link)}

if __name__ == "__main__":
    carry_out(CASES)

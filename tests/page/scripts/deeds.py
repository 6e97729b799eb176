"""What can be done from the page, in a headless Chromium. Run as browse.py is: `python deeds.py CASE LINK [WORD…]`; prints JSON."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from browse import Case, Tab, carry_out
from playwright.sync_api import Page


def press(page: Page, name: str) -> None:
    """Press a button by its words."""
    page.get_by_role("button", name=name, exact=True).first.click()


def command(tab: Tab, words: str = "trainconf") -> str:
    """The command that the dialog shows, once it has these words."""
    tab.wait(lambda: words in tab.text("dialog .command code"))
    return tab.text("dialog .command code")


def cancel(case: Case) -> Any:
    """Cancel a run that goes on; the command that was shown, and what the page said of the run before and after."""
    (run,) = case.words
    tab = case.tab()
    tab.open(f"/runs/{run}")
    before = tab.text(".state-line")
    press(tab.page, "cancel…")
    said = command(tab)
    press(tab.page, "cancel")
    tab.wait(lambda: "Canceled" in tab.text(".state-line"))
    return {"command": said, "before": before, "after": tab.text(".state-line"), "amiss": tab.amiss}


def rerun(case: Case) -> Any:
    """Run again with another value of a param, first with one that is wrong; the command, the refusal, the new run's id."""
    run, name, value = case.words
    tab = case.tab()
    tab.open(f"/runs/{run}")
    press(tab.page, "rerun…")
    field = tab.page.get_by_label(name, exact=True)
    field.fill("[1,")
    command(tab, "[1,")
    press(tab.page, "run")
    tab.wait(lambda: tab.text("dialog .results"))
    refused = tab.text("dialog .results")
    tab.page.keyboard.press("Escape")
    press(tab.page, "rerun…")
    tab.page.get_by_label(name, exact=True).fill(value)
    said = command(tab, f"={value}")
    press(tab.page, "run")
    tab.wait(lambda: "runs again as" in tab.text("dialog .results"))
    new = tab.page.locator("dialog .results a").inner_text().removeprefix("open ")
    return {"command": said, "refused": refused, "new": new, "amiss": tab.amiss}


def ranks(case: Case) -> Any:
    """The logs of all ranks as one, from before they have ended until each has said its last line."""
    run, end = case.words
    tab = case.tab()
    tab.open(f"/runs/{run}/log?rank=all")
    tab.wait(lambda: tab.text(".log").count("turn") > 9)
    before = tab.page.locator(".log > div").count()
    tab.wait(lambda: tab.page.locator(".log > div").count() > before + 9)  # live
    Path(end).touch()
    tab.wait(lambda: "Completed" in tab.text(".state-line") or "Completed" in tab.text("main"))
    tab.wait(lambda: tab.page.evaluate("document.querySelector('.log').textContent").count("last line") == 2)
    return {"lines": tab.page.evaluate("[...document.querySelectorAll('.log > div')].map((line) => line.textContent)"), "amiss": tab.amiss}


def labels(case: Case) -> Any:
    """Tag a run and write a note by the keyboard alone, with names that are no markup; what the page shows then."""
    run, name, text = case.words
    tab = case.tab()
    tab.open(f"/runs/{run}")
    shown = []
    for button, fields in (("tag…", [name, text]), ("note…", [text])):
        tab.page.get_by_role("button", name=button, exact=True).focus()
        tab.page.keyboard.press("Enter")
        tab.page.wait_for_selector("dialog[open]")
        for field in fields:
            tab.page.keyboard.insert_text(field)
            tab.page.keyboard.press("Tab")
        shown.append(command(tab, text[:8]))
        for _ in range(6):
            tab.page.keyboard.press("Tab")
            if tab.page.evaluate("document.activeElement.className") == "primary":
                break
        tab.page.keyboard.press("Enter")
        tab.page.wait_for_selector("dialog[open]", state="detached")
    tab.wait(lambda: text in tab.text())
    tab.page.get_by_role("button", name=f"take the tag {name} away", exact=True).press("Enter")
    shown.append(command(tab))
    press(tab.page, "take it away")
    tab.wait(lambda: not tab.page.locator(".facts .tag").count())
    return {"commands": shown, "text": tab.text(), "amiss": tab.amiss}


def sweep(case: Case) -> Any:
    """Watch a sweep to its end; how many trials had ended at each look, and what the page says then."""
    (name,) = case.words
    tab = case.tab()
    tab.open(f"/sweeps/{name}")
    counts: list[int] = []
    until = time.monotonic() + 120
    while time.monotonic() < until:
        ended = tab.page.locator(".run-head > progress").get_attribute("value")
        if not counts or counts[-1] != int(ended or 0):
            counts.append(int(ended or 0))
        if "Completed" in tab.text(".title .state"):
            break
        tab.page.wait_for_timeout(100)
    tab.wait(lambda: "rank association" in tab.text() or "not shown" in tab.text())
    counts.append(int(tab.page.locator(".run-head > progress").get_attribute("value") or 0))
    return {"counts": counts, "text": tab.text(), "amiss": tab.amiss}


def here(case: Case) -> Any:
    """Runs that hold the slots of this machine, and one that waits for one: what Now says of them, before and after one is cancelled."""
    first, *_, last = case.words
    tab = case.tab()
    tab.open("/now")

    def row(name: str, table: str) -> str:
        return tab.text(f"[aria-label='{table}'] tr:has(a[href='#/runs/{name}'])")

    def held() -> bool:
        return all(row(name, "what is held") for name in case.words[:-1])

    tab.wait(lambda: held() and row(last, "what waits") and "score" in row(first, "what is held"))
    seen = {"held": row(first, "what is held"), "waits": row(last, "what waits"), "text": tab.text(), "axe": tab.violations()}
    tab.wait(lambda: tab.text("nav a[href='#/now'] .count") == str(len(case.words) - 1))  # as the head of each screen says
    tab.page.locator(f"tr:has(a[href='#/runs/{first}'])").get_by_role("button", name="cancel…").click()
    seen["command"] = command(tab)
    press(tab.page, "cancel")
    tab.wait(lambda: row(last, "what is held") and not row(first, "what is held") and not row(last, "what waits"))
    tab.page.get_by_role("link", name=last).click()
    tab.wait(lambda: "Running" in tab.text(".state-line"))
    return {**seen, "amiss": tab.amiss}


def steer(case: Case) -> Any:
    """Steer a sweep by verbs, each with the label of its button and the state after it; the commands, what was said, what could be done."""
    name, *words = case.words
    tab = case.tab()
    tab.open(f"/sweeps/{name}")
    seen, told = [], []
    for verb, label, after in zip(words[::3], words[1::3], words[2::3], strict=True):
        tab.wait(lambda verb=verb: tab.page.get_by_role("button", name=f"{verb}…", exact=True).count())
        press(tab.page, f"{verb}…")
        said = command(tab)
        press(tab.page, label)
        told.append(tab.wait(lambda: tab.text(".toasts p:last-child")))
        tab.wait(lambda after=after: after in tab.text(".title .state"))
        seen.append([said, tab.page.locator(".title .actions button").all_inner_texts()])
    return {"seen": seen, "said": told, "amiss": tab.amiss}


def extend(case: Case) -> Any:
    """Extend a sweep that has ended, first by a limit that is none: the refusal and the command, once it has ended again."""
    name, total = case.words
    tab = case.tab()
    tab.open(f"/sweeps/{name}")
    press(tab.page, "extend…")
    field = tab.page.get_by_label("trials in all", exact=True)
    field.fill("0")
    tab.wait(lambda: tab.text("dialog .mistakes"))
    refused = tab.text("dialog .mistakes")
    field.fill(total)
    said = command(tab)
    press(tab.page, "extend")
    tab.wait(lambda: f"{total} of {total} trials ended" in tab.text() and "Completed" in tab.text(".title .state"))
    return {"refused": refused, "command": said, "amiss": tab.amiss}


def ranges(case: Case) -> Any:
    """Keep a range of an axis by dragging and by its fields, and leave an axis out by the keyboard: what is left, what the address says."""
    name, key = case.words
    tab = case.tab()
    tab.open(f"/sweeps/{name}")
    heads = tab.page.locator("ol.axes li")
    all_rows = tab.page.locator(".tall tbody tr").count()
    axes = heads.count()
    box = tab.page.locator("tc-parallel canvas").bounding_box()
    assert box is not None
    x = box["x"] + 54
    tab.page.mouse.move(x, box["y"] + box["height"] * 0.2)
    tab.page.mouse.down()
    tab.page.mouse.move(x, box["y"] + box["height"] * 0.5, steps=4)
    tab.page.mouse.up()
    tab.wait(lambda: tab.page.locator(".tall tbody tr").count() < all_rows)
    dragged = {"rows": tab.page.locator(".tall tbody tr").count(), "hash": tab.page.evaluate("location.hash")}
    kept = tab.text(".tall tbody")
    for handle in (f"flip {key}", "log"):
        tab.page.locator("ol.axes li", has_text=key).get_by_role("button", name=handle, exact=True).click()
        tab.settle()
        dragged["same"] = dragged.get("same", True) and tab.text(".tall tbody") == kept
    tab.page.reload()
    tab.settle()
    tab.wait(lambda: tab.page.locator(".tall tbody tr").count() == dragged["rows"])
    dragged["same"] = dragged["same"] and tab.text(".tall tbody") == kept
    press(tab.page, "no ranges")
    tab.wait(lambda: tab.page.locator(".tall tbody tr").count() == all_rows)
    tab.page.get_by_text("ranges and axes as fields").click()
    low = tab.page.get_by_label(f"{key} from", exact=True)
    low.fill("0.5")
    low.press("Enter")
    tab.wait(lambda: tab.page.locator(".tall tbody tr").count() < all_rows)
    typed = tab.page.locator(".tall tbody tr").count()
    out = tab.page.get_by_role("button", name=f"leave {key} out", exact=True)
    out.focus()
    tab.page.keyboard.press("Enter")
    tab.wait(lambda: heads.count() == axes - 1)
    return {"all": all_rows, "dragged": dragged, "typed": typed, "axes": axes, "amiss": tab.amiss}


def standing(case: Case) -> Any:
    """Export screens as HTML files, and open them without a network: what each says, whether it has a script, and what it asks for."""
    folder, *addresses = case.words
    tab = case.tab()
    found = []
    for place, address in enumerate(addresses):
        if place:
            tab.go(address)
        else:
            tab.open(address.removeprefix("#"))
        tab.page.keyboard.press("e")
        with tab.page.expect_download() as waited:
            press(tab.page, "one HTML file")
        path = Path(folder, f"{place}.html")
        waited.value.save_as(path)
        context = case.browser.new_context(offline=True, java_script_enabled=False)
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto(path.as_uri())
        found.append({
            "text": page.inner_text("body"), "asked": [url[:60] for url in asked if not url.startswith(("file:", "data:"))],
            "scripts": path.read_text().count("<script"), "images": page.locator("img").count(),
        })  # fmt: skip
        context.close()
    return {"files": found, "amiss": tab.amiss}


def exports(case: Case) -> Any:
    """What is exported of a run and of its first chart: the text or the first bytes of each file, by its name."""
    (run,) = case.words
    tab = case.tab()
    tab.open(f"/runs/{run}/charts")
    tab.wait(tab.points)
    found = {}
    for key in ("CSV", "JSON", "chart PNG", "chart SVG", "chart CSV"):
        within, name = (tab.page, key) if key in ("CSV", "JSON") else (tab.page.locator("tc-chart").first, key.split()[1])
        if within is tab.page:
            tab.page.keyboard.press("e")
        else:
            tab.page.locator("tc-chart details.menu").first.evaluate("(menu) => { menu.open = true; }")
        with tab.page.expect_download() as waited:
            within.get_by_role("button", name=name, exact=True).click()
        data = Path(waited.value.path()).read_bytes()
        found[key] = [waited.value.suggested_filename, data.decode() if name != "PNG" else data[:8].hex()]
        tab.settle()
    return {**found, "amiss": tab.amiss}


def artifacts(case: Case) -> Any:
    """Look at files of a run: what a page that a job has written can reach, and what became of names that are markup."""
    run, folder, name = case.words
    tab = case.tab()
    tab.open(f"/runs/{run}/files?folder={folder}")
    tab.page.get_by_role("button", name="report.html", exact=True).click()
    frame = tab.page.frame_locator("iframe")
    frame.locator("#said").wait_for()
    tab.page.wait_for_timeout(500)
    said = frame.locator("#said").inner_text()
    tab.page.get_by_role("button", name="drawing.svg", exact=True).click()
    tab.page.wait_for_selector("img.shown")
    tab.wait(lambda: tab.page.evaluate("document.querySelector('img.shown').naturalWidth > 0"))
    tab.page.get_by_role("button", name="table.csv", exact=True).click()
    tab.wait(lambda: "first 200 rows of 500" in tab.text())
    return {"said": said, "listed": name in tab.text(), "text": tab.text(), "amiss": tab.amiss}


def read_only(case: Case) -> Any:
    """A page that was started with --read-only: the dialog has the command, and no button that does it."""
    (run,) = case.words
    tab = case.tab()
    tab.open(f"/runs/{run}")
    press(tab.page, "note…")
    said = command(tab)
    buttons = tab.page.locator("dialog .buttons button").all_inner_texts()
    return {"command": said, "buttons": buttons, "text": tab.text("dialog"), "amiss": tab.amiss}


ALL = (cancel, rerun, ranks, labels, sweep, here, steer, extend, ranges, standing, exports, artifacts, read_only)
CASES = {each.__name__: each for each in ALL}

if __name__ == "__main__":
    carry_out(CASES)

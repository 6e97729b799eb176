"""What somebody meets who uses the page for the first time, in a headless Chromium: `python stranger.py CASE LINK [WORD…]`. Prints JSON."""

from __future__ import annotations

import re
import shutil
import socket
import threading
from typing import Any

from browse import Case, Tab, carry_out

ASKED = re.compile(rb"^(?:GET|POST) (\S+) HTTP", re.MULTILINE)


class Counting:
    """A port of this machine that passes all on to the page's, and knows every path that a browser asks for, also by itself."""

    def __init__(self, link: str) -> None:
        port = int(link.split(":")[2].partition("/")[0])
        self.asked: list[str] = []
        self._page = ("127.0.0.1", port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.link = link.replace(f":{port}/", f":{self._listening.getsockname()[1]}/")
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            browser, _ = self._listening.accept()
            page = socket.create_connection(self._page)
            threading.Thread(target=self._pass_on, args=(browser, page, self.asked), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(page, browser, []), daemon=True).start()

    @staticmethod
    def _pass_on(one: socket.socket, other: socket.socket, asked: list[str]) -> None:
        try:
            while data := one.recv(1 << 16):
                asked += [path.decode() for path in ASKED.findall(data)]
                other.sendall(data)
            other.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # either side has gone


def icon(case: Case) -> Any:
    """How often each file of the page is asked for while one goes from screen to screen."""
    counting = Counting(case.link)
    tab = Tab(case.browser.new_context(), counting.link)
    tab.open()
    tab.wait(lambda: "/static/icon.svg" in counting.asked)
    for _ in range(2):
        for address in ("#/sweeps", "#/now", "#/runs?filter=status:Failed", "#/runs"):
            tab.go(address)
    return {path: counting.asked.count(path) for path in counting.asked if path.startswith("/static/")}


def units(case: Case) -> Any:
    """What a run's charts of its machine say below them, and their tables."""
    tab = case.tab()
    tab.open(f"/runs/{case.words[0]}/system")
    tab.wait(lambda: tab.page.locator("tc-chart .entry").count())
    for summary in tab.page.locator("tc-chart .below summary").all():
        summary.click()
    tab.settle()
    return {
        chart.evaluate("(chart) => chart.name"): chart.locator(".legend").inner_text() + chart.locator(".below").inner_text()
        for chart in tab.page.locator("tc-chart").all()
    }


def removed(case: Case) -> Any:
    """A run that somebody looks at while its folder is removed: what is said, and what can be done."""
    run, folder = case.words
    tab = case.tab()
    tab.open(f"/runs/{run}")
    before = tab.page.locator(".run-head .actions button").all_inner_texts()
    shutil.rmtree(folder)
    said = tab.wait(lambda: tab.text(".mistake"))
    return {"said": said, "before": before, "after": tab.page.locator(".run-head .actions button").all_inner_texts(), "errors": tab.errors}


def nothing_above_zero(case: Case) -> Any:
    """What charts with a logarithmic axis say where it has a place for no value."""
    tab = case.tab()
    tab.open(f"/runs/{case.words[0]}/charts?log=1")
    tab.wait(lambda: tab.page.locator("tc-chart .over").count())
    charts = tab.page.locator("tc-chart").all()
    return {chart.evaluate("(chart) => chart.name"): chart.locator(".over").all_inner_texts() for chart in charts}


def by_enter(case: Case) -> Any:
    """A tag that is given by the keyboard alone."""
    tab = case.tab()
    tab.open(f"/runs/{case.words[0]}")
    tab.page.locator("button", has_text="tag…").press("Enter")
    tab.page.keyboard.type("paper")
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.type("yes")
    tab.wait(lambda: "paper=yes" in tab.text("dialog .command"))
    tab.page.keyboard.press("Enter")
    tab.wait(lambda: not tab.page.locator("dialog[open]").count())
    tab.wait(lambda: "paper=yes" in tab.text(".facts .tag"))
    return tab.amiss


if __name__ == "__main__":
    carry_out({each.__name__: each for each in (icon, units, removed, nothing_above_zero, by_enter)})

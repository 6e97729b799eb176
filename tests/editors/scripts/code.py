"""VS Code in a headless Chromium, by what a person does there: for tests and for the pictures of the documents.

It runs in the Python of tests/projects/jupyter.py: `python code.py LINK FOLDER`. The workspaces are in the folder, and pictures go there.
Prints JSON.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, sync_playwright
from playwright.sync_api import TimeoutError as TimedOut

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE_S = float(os.environ.get("PATIENCE_S", "180"))
SIZE = {"width": 1280, "height": 760}


class Code:
    """One window."""

    def __init__(self, page: Page, out: Path) -> None:
        self.page = page
        self.out = out
        page.set_default_timeout(PATIENCE_S * 1000)

    def shot(self, name: str) -> None:
        self.page.screenshot(path=os.fspath(self.out / f"{name}.png"))

    def until(self, what: str, look: Callable[[], Any]) -> Any:
        """What a look finds, as soon as it is something."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if found := look():
                return found
            self.page.wait_for_timeout(200)
        self.shot("failed")
        raise AssertionError(f"{what} did not come; see {self.out / 'failed.png'}")

    def command(self, words: str) -> None:
        """Choose a command of the palette."""
        self.page.keyboard.press("F1")
        box = self.page.locator(".quick-input-widget input[type=text]")
        box.fill(f">{words}")
        self.page.locator(".quick-input-list .monaco-list-row", has_text=words.partition(": ")[2] or words).first.click()

    def open(self, name: str) -> None:
        self.page.keyboard.press("Control+p")
        self.page.locator(".quick-input-widget input[type=text]").fill(name)
        self.page.locator(".quick-input-list .monaco-list-row", has_text=name.rpartition("/")[2]).first.click()
        self.page.locator(".tab.active", has_text=name.rpartition("/")[2]).wait_for()

    def go_to(self, line: int, column: int) -> None:
        self.page.keyboard.press("Control+g")
        self.page.locator(".quick-input-widget input[type=text]").fill(f":{line}:{column}")
        self.page.keyboard.press("Enter")
        self.page.locator(".statusbar-item", has_text=f"Ln {line},").wait_for()
        self.page.locator(".quick-input-widget").wait_for(state="hidden")

    def row(self, words: str) -> Locator:
        """A line of the tree."""
        return self.page.locator(".pane-body .monaco-list-row", has_text=words).first

    def standing(self) -> list[str]:
        """What the status bar says of trainconf."""
        return [text.strip() for text in self.page.locator(".statusbar-item", has_text="trainconf").all_inner_texts()]

    def problems(self) -> list[str]:
        self.page.keyboard.press("Control+Shift+m")
        rows = self.page.locator(".markers-panel .monaco-list-row")
        rows.first.wait_for()
        return rows.all_inner_texts()

    def text_of_panel(self) -> str:
        lines = self.page.locator(".part.panel .view-line").all_inner_texts()
        return "\n".join(lines).replace("\xa0", " ")

    def text_of_editor(self) -> str:
        return "\n".join(self.page.locator(".part.editor .view-line").all_inner_texts()).replace("\xa0", " ")

    def item(self, row: Locator, name: str) -> None:
        """Choose an entry of a line's menu."""
        row.click(button="right")
        entry = self.page.locator(".context-view .action-label", has_text=re.compile(f"^{re.escape(name)}$")).last
        entry.wait_for()

        def is_chosen() -> bool:
            if entry.is_visible():
                with suppress(TimedOut):  # it has just gone
                    entry.click(timeout=2000)
                self.page.wait_for_timeout(1000)
            return not entry.is_visible()

        self.until(f"the end of the menu with {name}", is_chosen)  # VS Code lets a menu take no click in its first 100 ms

    def lens(self, name: str) -> None:
        self.page.locator(".codelens-decoration a", has_text=re.compile(f"^{name}$")).first.click()

    def rows(self) -> list[str]:
        """The lines of the tree."""
        return self.page.locator(".pane-body .monaco-list-row").all_inner_texts()

    def first_below(self, name: str) -> str:
        """The line of the tree below that of a name."""
        rows = self.rows()
        return rows[rows.index(name) + 1] if name in rows[:-1] else ""

    def tab(self, words: str) -> str:
        """The text of the tab that is shown, when it has this name."""
        self.page.locator(".tab.active", has_text=words).wait_for()
        return str(self.until(words, lambda: self.text_of_editor().strip()))

    def servers(self) -> list[int]:
        """The language servers of the workspaces."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _is_server(pid, self.out)]


def _is_server(pid: int, folder: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return words[1:4] == [b"-m", b"trainconf", b"lsp"] and os.readlink(f"/proc/{pid}/cwd").startswith(os.fspath(folder))
    except OSError:
        return False  # it has ended


def main(link: str, out: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        seen: dict[str, Any] = {}
        try:
            for way, words in ((tour, f"folder={out / 'lab'}"), (two_folders, f"workspace={out / 'two.code-workspace'}")):
                code = Code(browser.new_context(viewport=SIZE).new_page(), out)
                code.page.goto(f"{link}?{words}")
                try:
                    way(code, seen)
                finally:
                    code.shot("last")
                code.page.close()
        finally:
            print(json.dumps(seen, indent=1))
        browser.close()


def tour(code: Code, seen: dict[str, Any]) -> None:
    page = code.page
    page.locator(".monaco-dialog-box").wait_for()
    page.locator(".statusbar-item", has_text="Restricted Mode").wait_for()
    page.wait_for_timeout(3000)
    seen["standing before trust"] = code.standing()
    page.get_by_role("button", name=re.compile("Yes, I trust")).click()
    code.until("the status bar", lambda: code.standing() == ["trainconf"])
    check(code, seen)
    run(code, seen)
    look(code, seen)
    verbs(code, seen)
    page_in_a_panel(code, seen)
    debug(code, seen)
    server(code, seen)


def check(code: Code, seen: dict[str, Any]) -> None:
    """What is said of config files while they are typed."""
    page = code.page
    code.open("wrong.yaml")
    squiggle = page.locator(".squiggly-error").first
    squiggle.wait_for()
    seen["problems"] = code.problems()
    code.open("spiral.yaml")
    code.until("the lenses", lambda: page.locator(".codelens-decoration a").count() >= 3)
    seen["lenses"] = page.locator(".codelens-decoration a").all_inner_texts()
    code.go_to(10, 4)
    page.keyboard.press("Control+k")
    page.keyboard.press("Control+i")
    hover = page.locator(".monaco-hover:visible", has_text="from conf").first
    hover.wait_for()
    seen["hover"] = hover.inner_text()
    code.shot("vscode-hover")
    page.keyboard.press("Escape")
    code.go_to(4, 28)
    page.keyboard.press("Shift+Home")
    page.keyboard.type("- override /compute: ")
    page.keyboard.press("Control+Space")
    page.locator(".suggest-widget .monaco-list-row", has_text="docker").wait_for()
    seen["choices"] = page.locator(".suggest-widget .monaco-list-row .label-name").all_inner_texts()
    page.keyboard.press("Escape")
    code.command("File: Revert File")
    page.locator(".tab.active.dirty").wait_for(state="detached")


def run(code: Code, seen: dict[str, Any]) -> None:
    """Run an experiment from its lens, watch its log, cancel it."""
    page = code.page
    code.open("slow.yaml")
    page.locator(".codelens-decoration a", has_text="run").first.click()
    seen["standing"] = code.until("the run in the status bar", lambda: [text for text in code.standing() if "running" in text])
    seen["log"] = code.until("the log of the run", lambda: re.search(r"epoch \d+ val_accuracy 0\.\d{4}", code.text_of_panel()))[0]
    page.locator(".activitybar .action-label[aria-label^=trainconf]").first.click()
    row = code.row("Running")
    row.wait_for()
    code.shot("vscode-run")
    seen["tree"] = page.locator(".pane-body .monaco-list-row").all_inner_texts()
    code.item(row, "Cancel")
    page.get_by_role("button", name="Cancel it").click()
    canceled = code.row("Canceled")
    canceled.wait_for()
    seen["canceled"] = canceled.inner_text()
    code.until("the status bar without it", lambda: code.standing() == ["trainconf"])


def look(code: Code, seen: dict[str, Any]) -> None:
    """Look at what ran beside the code of today."""
    page = code.page
    code.command("View: Close All Editors")
    code.item(code.row("0.8028 val_accuracy"), "Show what ran")
    page.locator(".tab.active", has_text="today").wait_for()
    seen["what ran"] = code.until("the code that ran", lambda: "0.7" in code.text_of_editor() and code.text_of_editor())


def debug(code: Code, seen: dict[str, Any]) -> None:
    """Stop in an experiment's script at a breakpoint."""
    page = code.page
    code.command("View: Close All Editors")
    code.open("train.py")
    code.go_to(16, 1)
    page.keyboard.press("F9")
    page.locator(".codicon-debug-breakpoint").first.wait_for()
    code.command("trainconf: Debug this experiment")
    page.locator(".quick-input-list .monaco-list-row", has_text="spiral").first.click()
    page.locator(".debug-call-stack .monaco-list-row", has_text="train.py").first.wait_for()
    seen["stack"] = page.locator(".debug-call-stack .monaco-list-row").all_inner_texts()
    page.locator(".debug-variables .monaco-list-row", has_text="Locals").first.click()
    page.locator(".debug-variables .monaco-list-row", has_text="Namespace(").first.wait_for()
    seen["variables"] = page.locator(".debug-variables .monaco-list-row").all_inner_texts()
    page.locator(".debug-toolbar .codicon-debug-stop").click()
    page.locator(".debug-call-stack .monaco-list-row", has_text="train.py").wait_for(state="detached")


def verbs(code: Code, seen: dict[str, Any]) -> None:
    """An experiment in a folder below; compare, freeze, check."""
    code.command("View: Close All Editors")
    code.open("deep.yaml")
    code.lens("run")
    code.until("the first run of an experiment", lambda: "0.4749 val_accuracy" in code.first_below("deep"))
    seen["below"] = code.first_below("deep")
    code.lens("plan")
    seen["plan"] = code.tab("plan of nlp-deep")
    code.item(code.row("grid sweep"), "Compare")
    seen["compare"] = code.tab("compare")
    code.row("grid sweep").click()
    seen["trials"] = code.until("the trials", lambda: [row for row in code.rows() if "lr=" in row])
    code.item(code.row("0.8028 val_accuracy"), "Freeze…")
    code.page.locator(".quick-input-widget", has_text="Freeze").wait_for()
    code.page.locator(".quick-input-widget .monaco-button", has_text="OK").click()
    code.page.locator(".tab.active", has_text=".lock.yaml").wait_for()
    code.lens("freeze --check")
    seen["freeze --check"] = code.tab("check of")
    code.command("trainconf: Check every experiment")
    problem = code.page.locator(".markers-panel .monaco-list-row", has_text="trainconf check").first
    problem.wait_for()
    seen["check"] = problem.inner_text()


def page_in_a_panel(code: Code, seen: dict[str, Any]) -> None:
    """The page of `trainconf ui`, through the proxy of code-server."""
    code.command("View: Close All Editors")
    code.command("View: Hide Panel")
    code.command("trainconf: Open the page")

    def table() -> str:
        frame = next((frame for frame in code.page.frames if "/proxy/" in frame.url), None)
        cells = frame.locator("table a", has_text="spiral") if frame is not None else None
        return cells.first.inner_text() if cells is not None and cells.count() else ""

    seen["page"] = code.until("the page", table)
    code.shot("vscode-page")
    code.command("View: Close All Editors")


def server(code: Code, seen: dict[str, Any]) -> None:
    """A language server that is killed, and one that is not wanted."""
    code.command("Notifications: Clear All Notifications")
    code.open("wrong.yaml")
    lens = code.page.locator(".codelens-decoration a").first
    lens.wait_for()
    for _ in range(2):
        [killed] = code.servers()
        os.kill(killed, signal.SIGKILL)
        code.until("another server", lambda killed=killed: len(code.servers()) == 1 and code.servers() != [killed])
        code.page.locator(".notification-toast", has_text="was started again").wait_for()
    seen["killed"] = code.page.locator(".notification-toast", has_text="was started again").all_inner_texts()
    settings = code.out / "lab" / ".vscode" / "settings.json"
    before = settings.read_text()
    settings.write_text(json.dumps({**json.loads(before), "trainconf.server.enabled": False}))
    code.until("no server", lambda: not code.servers())
    lens.wait_for(state="detached")
    settings.write_text(before)
    lens.wait_for()


def two_folders(code: Code, seen: dict[str, Any]) -> None:
    """A window of two workspaces, each with a server of its own."""
    trust = code.page.get_by_role("button", name=re.compile("Yes, I trust"))
    nothing = code.page.get_by_text("You have not yet added a folder")

    def is_there() -> bool:
        if trust.is_visible():
            trust.click()
        elif nothing.is_visible():  # now and then VS Code opens the window without the folders that its file names, and keeps it so
            code.page.wait_for_timeout(5000)
            if nothing.is_visible():
                code.page.reload()
        return code.standing() == ["trainconf"]

    code.until("the window of two folders", is_there)
    code.page.locator(".activitybar .action-label[aria-label^=trainconf]").first.click()
    code.until("both workspaces", lambda: {"lab", "spiral", "other", "second"} <= set(code.rows()))
    code.open("second.yaml")
    code.lens("run")
    code.until("the run of the second workspace", lambda: "0.4749 val_accuracy" in code.first_below("second"))
    seen["two"] = code.first_below("second")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

"""A real JupyterLab in a headless Chromium, for tests and for the pictures of the documents.

It runs in the Python of tests/projects/jupyter.py: `python lab.py CASE FOLDER [OUT]`, with the folder of the notebooks; prints JSON.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Route, sync_playwright
from playwright.sync_api import TimeoutError as TimedOut

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE_S = float(os.environ.get("PATIENCE_S", "300"))
QUIET = {
    "notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    "themes": {"theme": "JupyterLab Light"},
}


class Lab:
    """One JupyterLab and one page of it."""

    def __init__(self, page: Page, port: int) -> None:
        self.page = page
        self.port = port
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("dialog", self._dialog)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    @property
    def strangers(self) -> list[str]:
        """Addresses that were asked for and are not this machine's."""
        ours = (f"http://127.0.0.1:{self.port}/", f"ws://127.0.0.1:{self.port}/", "data:", "blob:")
        return [address for address in self.requests if not address.startswith(ours)]

    def open(self, notebook: str) -> None:
        """Open a notebook; its kernel is started. JupyterLab may miss what a new kernel says of itself: then it is loaded again."""
        idle = "() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
        until = time.monotonic() + PATIENCE_S
        while True:
            self.page.goto(f"http://127.0.0.1:{self.port}/lab/tree/{notebook}?reset")
            self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=PATIENCE_S * 1000)
            try:
                self.page.wait_for_function(idle, timeout=PATIENCE_S * 1000 / 4)
                break
            except TimedOut:
                if time.monotonic() > until:
                    raise
        if self.page.locator(".jp-DirListing").is_visible():
            self.command("application:toggle-left-area")

    def command(self, name: str, **arguments: Any) -> None:
        """Run a command of JupyterLab's."""
        self.page.evaluate("([name, args]) => window.jupyterapp.commands.execute(name, args)", [name, arguments])

    def run_all(self) -> None:
        """Run every cell; does not wait."""
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")

    def text(self, selector: str) -> str:
        """What the last such element says; empty where there is none."""
        found = self.page.locator(selector)
        return found.last.inner_text() if found.count() else ""

    def wait(self, condition: Callable[[], Any]) -> Any:
        """Wait for something; what it is."""
        until = time.monotonic() + PATIENCE_S
        while not (found := condition()):
            if time.monotonic() > until:
                raise AssertionError(f"it did not happen; the page says: {self.page.inner_text('body')[-3000:]}")
            self.page.wait_for_timeout(100)
        return found

    def kernel(self, verb: str, notebook: str) -> None:
        """Have the server interrupt or restart the kernel of a notebook."""
        sessions = json.loads(urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/sessions").read())
        (kernel,) = [session["kernel"]["id"] for session in sessions if session["path"] == notebook]
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/kernels/{kernel}/{verb}", method="POST")
        urllib.request.urlopen(asked).read()

    def save(self) -> None:
        self.command("docmanager:save")

    def shoot(self, path: Path, selector: str = ".trainconf", *, place: int = -1) -> None:
        """A picture of one display."""
        found = self.page.locator(selector)
        (found.last if place < 0 else found.nth(place)).screenshot(path=path)

    def _dialog(self, dialog: Any) -> None:
        if dialog.type == "beforeunload":  # what was not saved
            dialog.accept()
            return
        self.dialogs.append(dialog.message)
        dialog.dismiss()


@contextmanager
def lab(folder: Path, home: Path, *, width: int = 1200, theme: str = "JupyterLab Light") -> Iterator[Lab]:
    """JupyterLab on a folder; `home` is where it keeps what it knows, the signatures of trusted notebooks among that."""
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True, exist_ok=True)
    for name, values in (QUIET | {"themes": {"theme": theme}}).items():
        (settings / f"{name}.jupyterlab-settings").write_text(json.dumps(values))
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
    env = os.environ | {
        "HOME": str(home), "JUPYTER_DATA_DIR": str(home / "data"), "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
    }  # fmt: skip
    words = [
        "--no-browser", "--allow-root", "--expose-app-in-browser", f"--ServerApp.root_dir={folder}", "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True",
        "--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    with open(home / "lab.log", "wb") as log:
        server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *words], env=env, stdout=log, stderr=log, cwd=folder)
    try:
        _await(f"http://127.0.0.1:{port}/api", server, home / "lab.log")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            yield Lab(browser.new_page(viewport={"width": width, "height": 1600}), port)
            browser.close()
    finally:
        server.terminate()
        server.wait()


def _await(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while server.poll() is None and time.monotonic() < until:
        try:
            urllib.request.urlopen(address).read()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"JupyterLab does not answer:\n{log.read_text()[-3000:]}")


STATE = ".trainconf .state"


def live(folder: Path, out: Path) -> dict[str, Any]:
    """Run every cell of live.ipynb and look on until the run has ended; then save."""
    with lab(folder, out) as notebook:
        notebook.open("live.ipynb")
        notebook.run_all()
        seen: list[tuple[str, str, bool]] = []

        def look() -> bool:
            log = notebook.text(".trainconf pre.log").split("\n")[-1]
            now = (notebook.text(STATE), log, notebook.page.get_by_text("another cell ran", exact=True).count() > 0)
            if now[0] and (not seen or seen[-1] != now):
                seen.append(now)
            return "Completed" in now[0]

        notebook.wait(look)
        broken = notebook.page.evaluate("() => [...document.querySelectorAll('.trainconf img')].filter(x => !x.naturalWidth).length")
        notebook.save()
        return {
            "seen": seen, "broken": broken, "strangers": notebook.strangers, "dialogs": notebook.dialogs, "errors": notebook.errors,
            "text": notebook.text(".trainconf"),
        }  # fmt: skip


def interrupted(folder: Path, out: Path) -> dict[str, Any]:
    """Interrupt a cell that follows its run, then restart the kernel while another run goes on."""
    with lab(folder, out) as notebook:
        notebook.open("interrupted.ipynb")
        notebook.run_all()
        notebook.wait(lambda: notebook.page.get_by_text("it trains", exact=True).count())
        notebook.kernel("interrupt", "interrupted.ipynb")
        notebook.wait(lambda: "Canceled" in notebook.text(STATE))
        said = notebook.page.inner_text(".jp-Notebook")
        notebook.open("restarted.ipynb")
        notebook.run_all()
        notebook.wait(lambda: "Running" in notebook.text(STATE))
        notebook.kernel("restart", "restarted.ipynb")
        return {"said": said, "strangers": notebook.strangers, "dialogs": notebook.dialogs}


def again(folder: Path, out: Path) -> dict[str, Any]:
    """Run the cells of sweep.ipynb twice while its sweep goes on, and look on until that has ended."""
    with lab(folder, out) as notebook:
        notebook.open("sweep.ipynb")
        notebook.run_all()
        notebook.wait(lambda: notebook.page.get_by_text("displays: 1", exact=True).count())
        notebook.run_all()
        notebook.wait(lambda: notebook.text(".jp-InputPrompt >> nth=-1") == "[6]:")
        said = notebook.page.inner_text(".jp-Notebook")
        rows: list[int] = []

        def look() -> bool:
            is_over = "Completed" in notebook.text(STATE)  # before the rows are counted, which one update shows with it
            count = notebook.page.locator(".trainconf td.good").count()
            if not rows or rows[-1] != count:
                rows.append(count)
            return is_over

        notebook.wait(look)
        return {"said": said, "rows": rows, "strangers": notebook.strangers, "errors": notebook.errors, "text": notebook.text(".trainconf")}


def reopened(folder: Path, out: Path) -> dict[str, Any]:
    """Open live.ipynb as it was saved, first where it is trusted, then where nobody has signed it; run nothing."""
    found = {}
    for name, home in (("trusted", out), ("stranger", out / "another")):
        home.mkdir(exist_ok=True)
        with lab(folder, home) as notebook:
            notebook.open("live.ipynb")
            notebook.wait(lambda notebook=notebook: "epoch 9" in notebook.text(".jp-RenderedHTMLCommon"))
            outputs = ".jp-RenderedHTMLCommon"
            found[name] = {
                "text": notebook.text(outputs), "state": notebook.text(STATE), "strangers": notebook.strangers, "dialogs": notebook.dialogs,
                "pictures": notebook.page.evaluate("() => [...document.querySelectorAll('.jp-Notebook img')].map(x => x.naturalWidth)"),
                "scripts": notebook.page.locator(".jp-OutputArea-output script").count(),
            }  # fmt: skip
            notebook.shoot(home / "reopened.png", ".jp-Notebook")
    return found


def page(folder: Path, out: Path) -> dict[str, Any]:
    """Open live.html, as nbconvert has made it of the saved notebook, without any network: that is what nbviewer shows."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        shown = browser.new_page(viewport={"width": 1000, "height": 1400})
        refused: list[str] = []

        def refuse(route: Route) -> None:
            refused.append(route.request.url)
            route.abort()

        shown.route(lambda address: not address.startswith(("file:", "data:")), refuse)
        shown.goto(f"file://{folder}/live.html", wait_until="domcontentloaded")
        shown.wait_for_selector(".trainconf")
        shown.screenshot(path=out / "page.png", full_page=True)
        found = {
            "text": shown.locator(".trainconf").last.inner_text(),
            "pictures": shown.evaluate("() => [...document.querySelectorAll('.trainconf img')].map(x => x.naturalWidth)"),
        }
        browser.close()
        return found


def pictures(folder: Path, out: Path) -> dict[str, Any]:
    """The pictures of docs/python-notebooks.md, of pictures.ipynb: a run, the same at its end, a sweep, a comparison; dark, narrow."""
    home = out / "home"
    home.mkdir()
    with lab(folder, home, width=1060) as notebook:
        notebook.open("pictures.ipynb")
        notebook.run_all()
        displays = notebook.page.locator(".trainconf")
        notebook.wait(lambda: displays.count() and "epoch 9" in displays.first.inner_text())
        notebook.shoot(out / "notebook-running.png", place=0)
        notebook.wait(lambda: displays.count() == 3 and "Completed" in displays.first.inner_text())
        notebook.page.wait_for_timeout(500)
        for place, name in enumerate(("run", "sweep", "comparison")):
            notebook.shoot(out / f"notebook-{name}.png", place=place)
        notebook.command("apputils:change-theme", theme="JupyterLab Dark")
        notebook.page.wait_for_timeout(1500)
        notebook.shoot(out / "notebook-dark.png", place=0)
        notebook.command("apputils:change-theme", theme="JupyterLab Light")
        notebook.page.set_viewport_size({"width": 480, "height": 1600})
        notebook.page.wait_for_timeout(1500)
        notebook.shoot(out / "notebook-narrow.png", place=1)
        return {"strangers": notebook.strangers}


CASES = {case.__name__: case for case in (live, interrupted, again, reopened, page, pictures)}

if __name__ == "__main__":
    print(json.dumps(CASES[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))))

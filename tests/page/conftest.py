"""A workspace of real runs, the page over it, and a browser that looks at it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shell
from tests.projects.jupyter import jupyter_python
from tests.testbed.marks import status_of

SCRIPTS = Path(__file__).parent / "scripts"
HOSTILE = "<img src=x onerror=alert('metric')>"
TRAIN = f"""\
import math, os, sys, time
from trainconf import Run
params = dict(word.split("=", 1) for word in sys.argv[1:])
run, lr, steps, pause_s = Run.get_context(), float(params["lr"]), int(params.get("steps", 60)), float(params.get("pause_s", 0))
for step in range(steps):
    if os.path.exists(params.get("until", "").strip("'")):
        break
    run.log("loss", math.exp(-lr * step / 9) + (step % 7) / 90, step=step)
    run.log("val_accuracy", 1 - math.exp(-lr * step / 7), step=step)
    if "odd" in params:
        run.log({HOSTILE!r}, float("nan") if step % 9 == 4 else step, step=step)
    print(f"\\x1b[32mepoch\\x1b[0m {{step:3d}}  loss {{math.exp(-lr * step / 9):.4f}}  <script>alert('log')</script>")
    for turn in range(3):
        print(f"\\r{{turn * 50:3d}} %", end="", flush=True)
        time.sleep(pause_s / 3)
    print()
if "odd" in params:
    raise ValueError("the loss went away")
"""
Browse = Callable[..., Any]


class Lab:
    """A workspace with runs in it, and a `trainconf ui` over it."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        shell.write("train.py", TRAIN)
        self.ui: subprocess.Popen[bytes] | None = None

    def words(self, *params: str) -> list[str]:
        words = ["argument_style=hydra", "metric.name=val_accuracy", "metric.goal=maximize", "submit.stream=false"]
        words += ["monitor.interval_seconds=0.5"]
        return self.shell.script(*words, *(f"+params.{param}" for param in params))

    def train(self, *params: str) -> str:
        """Run the script to its end; the id of its run."""
        self.shell(*self.words(*params))
        newest: str = json.loads(self.shell("ls", "--json").out)[0]["run_id"]
        return newest

    def start(self, *params: str, words: Sequence[str] = ()) -> str:
        """Start the script; the id of its run, which goes on."""
        said = self.shell(*self.words(*params), *words, "submit.detach=true")
        assert said.code == 0, said
        return said.out.split()[-1]

    def serve(self) -> str:
        """Start the page; its link."""
        self.ui = self.shell.start("ui", "--no-browser")
        assert self.ui.stdout is not None
        link = self.ui.stdout.readline().decode().strip()
        assert link.startswith("http://127.0.0.1:"), link
        return link

    def close(self) -> None:
        if self.ui is not None:
            self.ui.send_signal(signal.SIGINT)
            self.ui.communicate(timeout=300)


@pytest.fixture(scope="session")
def browser_python() -> Path:
    """A Python that drives a browser, where there is one."""
    status_of("browser")
    return jupyter_python()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("page")
    (folder / "work").mkdir()
    (folder / "home").mkdir()
    made = Lab(Shell(folder / "work", folder / "home"))
    yield made
    made.close()


def cases_of(python: Path, script: str) -> Browse:
    """Carries out cases of a file in scripts/, and returns what it prints."""

    def run(case: str, link: str, *words: str) -> Any:
        env = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
        done = subprocess.run([python, SCRIPTS / script, case, link, *words], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-6000:]
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def browse(browser_python: Path) -> Browse:
    return cases_of(browser_python, "browse.py")

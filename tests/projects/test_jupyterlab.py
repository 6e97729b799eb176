"""What a notebook shows, in a real JupyterLab in a headless Chromium: live beside other cells, and there when it is opened again."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shell, wait_for
from tests.projects.jupyter import jupyter_python, settle, write_notebook
from tests.testbed.marks import status_of

pytestmark = [pytest.mark.network, pytest.mark.slow]
LAB = Path(__file__).parent / "scripts" / "lab.py"
HOSTILE = "<script>alert('metric')</script>"
TRAIN = f"""\
import time
from trainconf import Run
run = Run.get_context()
for epoch in range(10):
    run.log("loss", 1 / (epoch + 1), step=epoch)
    run.log({HOSTILE!r}, epoch, step=epoch)
    print("epoch", epoch, "<img src=x onerror=alert('log')>")
    time.sleep(0.4)
"""
CASES = {
    "live": [
        "%load_ext trainconf\nimport time",
        f"%%trainconf env=current metric.name=loss '+params.note=\"<b onclick=alert(1)>x</b>\"' --detach\n{TRAIN}",
        "for _ in range(10):\n    time.sleep(0.1)\nprint('another cell ran')",
    ],
    "interrupted": ["%load_ext trainconf", "%%trainconf env=current\nimport time\nprint('it trains', flush=True)\ntime.sleep(300)"],
    "restarted": ["%load_ext trainconf", "%%trainconf env=current --detach\nimport time\ntime.sleep(3)\nprint('to the end')"],
    "sweep": [
        "%load_ext trainconf\nimport os\nfrom trainconf.notebook import live",
        "if not os.path.exists('sweep.txt'):\n"
        "    sweep = %trainconf -m experiment=adhoc script=trial.py env=current metric.name=loss submit.detach=true "
        "sweep.max_concurrent_runs=1 +params.lr=0.1,0.2,0.3,0.4,0.5,0.6\n"
        "    open('sweep.txt', 'w').write(sweep.id)\n"
        "sweep",
        "print('displays:', live.watcher.count)",
    ],
}
TRIAL = """\
import time
from trainconf import Run
for step in range(10):
    Run.get_context().log("loss", step, step=step)
    time.sleep(0.25)
"""
Lab = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def python() -> Path:
    status_of("browser")
    return jupyter_python()


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    folder = tmp_path_factory.mktemp("lab")
    found = Shell(folder / "work", folder / "home")
    settle(found.root, folder / "leases")
    found.home.mkdir()
    for name, cells in CASES.items():
        write_notebook(found.root / f"{name}.ipynb", *cells)
    (found.root / "trial.py").write_text(TRIAL)
    return found


@pytest.fixture(scope="module")
def lab(shell: Shell, python: Path) -> Lab:
    """Carry out a case of scripts/lab.py."""
    shell.python = os.fspath(python)
    del shell.env["PYTHONWARNINGS"]

    def run(case: str) -> dict[str, Any]:
        command = [os.fspath(word) for word in (python, LAB, case, shell.root, shell.home)]
        done = subprocess.run(command, env=shell.env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return run


@pytest.fixture(scope="module")
def seen(lab: Lab) -> dict[str, Any]:
    """What was seen of a run that goes on, until its notebook was saved."""
    return lab("live")


def test_a_run_is_seen_to_go_on_and_to_end_while_another_cell_runs(seen: dict[str, Any]) -> None:
    states = [state.split()[1] for state, _, _ in seen["seen"]]
    assert states[-1] == "Completed"
    assert len({log for state, log, _ in seen["seen"] if "Running" in state}) >= 3
    assert any("Running" in state and other_ran for state, _, other_ran in seen["seen"])
    assert "epoch 9" in seen["text"]


def test_names_and_output_of_a_job_are_text_and_nothing_is_asked_of_another_host(seen: dict[str, Any]) -> None:
    assert seen["dialogs"] == seen["errors"] == seen["strangers"] == []
    assert seen["broken"] == 0
    for text in (HOSTILE, "<img src=x onerror=alert('log')>", "<b onclick=alert(1)>x</b>"):
        assert text in seen["text"]


@pytest.mark.usefixtures("seen")
def test_a_saved_notebook_shows_the_end_when_it_is_opened_again_trusted_or_not(lab: Lab) -> None:
    found = lab("reopened")
    for name in ("trusted", "stranger"):
        assert re.search(r"✓ Completed", found[name]["text"]), found[name]
        assert "epoch 9" in found[name]["text"]
        assert "as of" not in found[name]["text"]
        assert HOSTILE in found[name]["text"]
        assert found[name]["dialogs"] == found[name]["strangers"] == []
        assert found[name]["scripts"] == 0
        assert len(found[name]["pictures"]) == 2
        assert all(found[name]["pictures"])


@pytest.mark.usefixtures("seen")
def test_the_page_that_nbconvert_makes_of_it_shows_the_same_without_a_network(lab: Lab, shell: Shell, python: Path) -> None:
    words = [os.fspath(python), "-m", "nbconvert", "--to", "html", "live.ipynb"]
    done = subprocess.run(words, cwd=shell.root, env=shell.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = lab("page")
    assert "✓ Completed" in found["text"]
    assert len(found["pictures"]) == 2
    assert all(found["pictures"])


def test_an_interruption_cancels_what_a_cell_follows_and_a_restart_of_the_kernel_ends_no_run(lab: Lab, shell: Shell) -> None:
    found = lab("interrupted")
    assert "canceling; press Ctrl-C again to kill it" in found["said"]
    assert "exit code 130" in found["said"]
    assert found["dialogs"] == found["strangers"] == []
    wait_for(lambda: json.loads(shell("show", "last", "--json").out)["status"] == "Completed")
    assert "to the end" in shell("logs", "last").out


def test_a_sweep_is_seen_to_go_on_and_a_cell_that_runs_again_has_one_display(lab: Lab) -> None:
    found = lab("again")
    assert "displays: 1" in found["said"]
    assert found["rows"][-1] >= 6
    assert len(found["rows"]) >= 3
    assert "6 of 6: 6 Completed" in found["text"]
    assert found["strangers"] == found["errors"] == []

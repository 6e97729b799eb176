"""The magics, in this process, with commands that really run. `tests/projects` has them in a real kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import Shell, wait_for
from trainconf.notebook.magics.commands import Magics

Told = pytest.CaptureFixture[str]


class Notebook:
    """A folder, the variables of a notebook, and the magics."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.variables: dict[str, Any] = {}
        self.displayed: list[dict[str, Any]] = []
        publisher = SimpleNamespace(publish=lambda **message: self.displayed.append(message))
        self.magics = Magics(SimpleNamespace(user_ns=self.variables, display_pub=publisher))

    @property
    def code(self) -> int:
        return int(self.variables["_exit_code"])

    def cell(self, words: str, source: str) -> Any:
        return self.magics.cell(f"env=current compute.lease_dir='{self.shell.leases}' compute.slots=4 {words}", source)


@pytest.fixture
def notebook(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Notebook:
    for name, value in shell.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(shell.root)
    (shell.root / ".trainconf").mkdir()
    return Notebook(shell)


def test_a_verb_prints_what_it_prints_in_a_terminal(notebook: Notebook, capfd: Told) -> None:
    assert notebook.magics.line("--version") is None
    assert capfd.readouterr().out.startswith("trainconf ")
    assert notebook.code == 0


def test_a_mistake_is_told_in_the_one_form_with_its_exit_code(notebook: Notebook, capfd: Told) -> None:
    assert notebook.magics.line("show nosuch") is None
    assert capfd.readouterr().err.startswith("there is no run 'nosuch'")
    assert notebook.code == 2
    assert notebook.magics.line("show {nosuch}") is None
    said = capfd.readouterr().err
    assert said.startswith("{nosuch} has no value")
    assert said.endswith("exit code 2\n")


def test_a_cell_runs_as_a_script_and_its_run_is_the_value(notebook: Notebook, capfd: Told) -> None:
    notebook.variables["lr"] = 0.25
    (notebook.shell.root / "data.txt").write_text("content")
    (notebook.shell.root / "neighbour.py").write_text("NAME = 'neighbour'")
    source = "import sys, neighbour\nfrom trainconf import Run\nprint(sys.argv[1:], Run.get_context().params, neighbour.NAME)\n"
    words = "+params.lr={lr*2} +inputs.data=data.txt 'arguments=[\"--data\",\"{inputs.data}\"]'"
    run = notebook.cell(words, source)
    said = capfd.readouterr()
    assert said.out.startswith(f"['--data', '{notebook.shell.root}/data.txt', '--lr', '0.5'] {{'lr': 0.5}} neighbour")
    assert run.id in said.err
    assert notebook.code == 0
    assert not list(notebook.shell.root.glob("cell_*"))
    assert [path.name for path in Path(run.run_dir, "code").glob("cell_*.py")]
    assert (Path(run.run_dir) / "spec.json").exists()


def test_a_cell_that_fails_has_its_exit_code_and_its_run(notebook: Notebook, capfd: Told) -> None:
    run = notebook.cell("", "raise SystemExit(3)")
    assert notebook.code == 3
    assert os.path.isdir(run.run_dir)
    assert capfd.readouterr().err.endswith("exit code 3\n")


def test_a_detached_cell_returns_at_once(notebook: Notebook, capfd: Told) -> None:
    run = notebook.cell("--detach", "import time\ntime.sleep(60)")
    assert capfd.readouterr().out == f"{run.id}\n"
    assert notebook.shell("cancel", run.id, "--force").code == 0
    assert notebook.shell("wait", run.id).code == 130


def test_a_cell_may_be_searched_over(notebook: Notebook) -> None:
    sweep = notebook.cell("-m +params.lr=0.1,0.2", "print(1)")
    assert os.path.exists(os.path.join(sweep.run_dir, "sweep.json"))


def test_the_same_cell_is_found_again(notebook: Notebook) -> None:
    first = notebook.cell("", "print(1)")
    assert notebook.cell("submit.reuse=true", "print(1)").id == first.id


def test_words_that_no_cell_can_have_are_told_at_once_and_nothing_runs(notebook: Notebook, capfd: Told) -> None:
    assert notebook.magics.cell("ls script=x.py command=ls", "print(1)") is None
    said = capfd.readouterr().err
    for words in ("ls is a verb, and takes no cell", "script is not for a cell", "command is not for a cell"):
        assert words in said
    assert not list(notebook.shell.root.glob("runs/*"))
    assert notebook.code == 2


def test_a_wrong_setting_is_told_by_the_command(notebook: Notebook, capfd: Told) -> None:
    assert notebook.cell("compute.nodez=2 experiment=nosuch", "print(1)") is None
    assert notebook.code == 2
    assert "nosuch" in capfd.readouterr().err
    assert not list(notebook.shell.root.glob("cell_*"))


def test_a_table_that_changes_is_one_display_until_it_is_interrupted(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []

    def pause(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("trainconf.notebook.magics.commands.pause", pause)  # not time.sleep, which threads of other tests call
    monkeypatch.setattr("trainconf.notebook.magics.commands.notebook_shell", object)
    for words, shown in (("ls --watch", "no runs"), ("watch", "slots taken")):
        looks.clear()
        notebook.displayed.clear()
        notebook.magics.line(words)
        assert [message["update"] for message in notebook.displayed] == [False, True]
        assert len({message["transient"]["display_id"] for message in notebook.displayed}) == 1
        assert shown in notebook.displayed[-1]["data"]["text/plain"]
        assert notebook.code == 0


def test_a_kernel_that_is_killed_while_it_follows_a_run_ends_no_run(notebook: Notebook) -> None:
    words = f"env=current compute.lease_dir='{notebook.shell.leases}' compute.slots=4"
    source = "import time\nfor number in range(20):\n    print(number, flush=True)\n    time.sleep(0.1)\n"
    code = (
        "import types; from trainconf.notebook.magics.commands import Magics\n"
        f"Magics(types.SimpleNamespace(user_ns={{}})).cell({words!r}, {source!r})"
    )
    kernel = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert kernel.stdout is not None
    assert kernel.stdout.readline() == b"0\n"
    kernel.kill()
    kernel.wait()
    kernel.stdout.close()
    assert notebook.shell("wait", "last").code == 0
    assert notebook.shell("logs", "last").out.endswith("19\n")
    wait_for(lambda: not following(notebook.shell.root))


def following(root: Path) -> list[str]:
    """The commands that still follow a run in a folder."""
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            words = Path("/proc", name, "cmdline").read_bytes()
            place = os.readlink(f"/proc/{name}/cwd")
        except OSError:
            continue
        if b"trainconf\0experiment=adhoc\0env=current" in words and place == str(root):
            found.append(name)
    return found

"""The pages tell the truth: commands do what is shown, tables are the schema's, links lead somewhere, Python blocks are Python."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.cluster import Cluster

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "projects").rglob("*.md"))]


def load(path: Path):  # type: ignore[no-untyped-def]
    """A module from a file that is in no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


blocks = load(Path(__file__).with_name("blocks.py"))
# Runs of a page lease the machine's own slots, which runs of other tests may hold: no page has to show that.
WAITING = re.compile(r"^waiting for a slot of this machine, place \d+ in the queue\n(?:  slot-.*\n|  door.*\n)*", re.MULTILINE)
RUNNABLE = [page for page in PAGES if blocks.commands(page.read_text())]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tracked(folder: str) -> list[str]:
    """Every file below a folder of the checkout that git does not ignore, committed or not."""
    done = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z", folder], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).exists()]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the working tree as it is, with some files beside that git ignores."""
    tree = tmp_path_factory.mktemp("checkout")
    for name in tracked("."):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    for ignored in ("conf/local.yaml", "projects/digits/outputs/model.npz", "trainconf/__pycache__/errors.pyc", "runs/digits/x/spec.json"):
        (tree / ignored).parent.mkdir(parents=True, exist_ok=True)
        (tree / ignored).write_text("of this machine alone")
    dist = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", dist, tree], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of a new environment in which the wheel, and nothing of the checkout, is installed."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, with_pip=True, symlinks=True)
    python = folder / "bin" / "python"
    done = subprocess.run([python, "-m", "pip", "install", "-q", f"{wheel}[uv,docker]"], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return python.parent


def test_the_wheel_holds_the_code_the_configs_and_the_projects_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    moved = {"conf": "trainconf/_shipped/conf", "projects": "trainconf/_shipped/projects"}
    tops = ("trainconf", "hydra_plugins", "conf", "projects")
    wanted = {name.replace(top, moved.get(top, top), 1) for top in tops for name in tracked(top)}
    assert len(wanted) > 50
    assert {name for name in names if not re.match(r"trainconf-[^/]+\.dist-info/", name)} == wanted


def needs_docker(command) -> bool:  # type: ignore[no-untyped-def]
    return "docker" in command.text


def needs_slurm(command) -> bool:  # type: ignore[no-untyped-def]
    return "slurm" in command.text


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNABLE, ids=name_of)
def test_the_commands_of_a_page_do_what_it_shows(page: Path, installed: Path, tmp_path: Path) -> None:
    needs_nothing = [command for command in blocks.commands(page.read_text()) if not needs_docker(command) and not needs_slurm(command)]
    hold(page, needs_nothing, "", installed, tmp_path)


@pytest.mark.docker
@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in RUNNABLE if any(map(needs_docker, blocks.commands(page.read_text())))], ids=name_of)
def test_the_commands_of_a_page_that_need_docker_do_what_it_shows(
    page: Path, installed: Path, tmp_path: Path, docker_settings: list[str]
) -> None:
    """Run the page as it is written. conf/local.yaml holds what builds need on this machine, as the page describes."""
    local = f"# @package _global_\n{json.dumps(nested(docker_settings))}\n"
    hold(page, list(filter(needs_docker, blocks.commands(page.read_text()))), local, installed, tmp_path)


@pytest.mark.slurm
@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in RUNNABLE if any(map(needs_slurm, blocks.commands(page.read_text())))], ids=name_of)
def test_the_commands_of_a_page_that_need_slurm_do_what_it_shows(
    page: Path, installed: Path, tmp_path: Path, slurm_cluster: Cluster
) -> None:
    """Run the page as it is written. SLURM_CONF names the cluster, as the configuration of a login node does."""
    hold(page, list(filter(needs_slurm, blocks.commands(page.read_text()))), "# @package _global_\n", installed, tmp_path)


def nested(overrides: list[str]) -> dict[str, Any]:
    """Overrides as the tree that a config file would hold."""
    tree: dict[str, Any] = {}
    for word in overrides:
        key, _, value = word.partition("=")
        *parents, last = key.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value.strip("'")
    return tree


def hold(page: Path, commands, local: str, installed: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Run a page's commands from an installed wheel in an empty folder, and compare."""
    env = {"PATH": f"{installed}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path), "PYTHONPATH": "", "NO_COLOR": "1"}
    workspace = tmp_path / "empty folder"
    workspace.mkdir()
    if local:
        assert blocks.run(blocks.commands("```console\n$ trainconf init\n```\n"), workspace, env)[0][0] == 0
        (workspace / "conf" / "local.yaml").write_text(local)
    results = blocks.run(commands, workspace, env)
    wrong = [
        f"{name_of(page)}:{command.line}: $ {command.text}\nexit code {code}, shown:\n{command.shown}printed:\n{output}"
        for command, (code, output) in zip(commands, results, strict=False)
        if code != 0 or not blocks.matches(command.shown, WAITING.sub("", output))
    ]
    assert not wrong, "\n\n".join(wrong)
    assert len(results) == len(commands)


@pytest.mark.parametrize(
    ("shown", "output", "same"),
    [
        ("a\n", "a\n", True),
        ("a\n", "b\n", False),
        ("a\n", "a\nb\n", False),
        ("...\nb\n...\n", "a\nb\n", True),
        ("...\nb\n...\n", "a\nc\n", False),
        ("x ... z\n", "x  1   z\n", True),
        ("x ... z\n", "x z\n", True),
        ("x ... z\n", "x\nz\n", False),
        ("...\n", "", True),
        ("", "a\n", False),
    ],
)
def test_shown_output_is_compared_and_dots_stand_for_anything(shown: str, output: str, same: bool) -> None:
    assert blocks.matches(shown, output) is same


def test_a_command_that_fails_or_ends_the_shell_is_noticed(tmp_path: Path) -> None:
    found = blocks.commands("text\n```console\n$ echo a\na\n$ false\n$ exit 3\n$ echo never\n```\n")
    assert [(command.text, command.line) for command in found] == [("echo a", 3), ("false", 5), ("exit 3", 6), ("echo never", 7)]
    assert blocks.run(found, tmp_path, {}) == [(0, "a\n"), (1, "")]


def test_a_command_goes_on_in_lines_of_its_own(tmp_path: Path) -> None:
    found = blocks.commands("```console\n$ cat <<'END'\n> a\n>\n>  b\n> END\na\n\n b\n$ echo c\n> c\n```\n")
    assert [(command.text, command.shown, command.line) for command in found] == [
        ("cat <<'END'\na\n\n b\nEND", "a\n\n b\n", 2), ("echo c\nc", "", 10),
    ]  # fmt: skip
    assert blocks.run(found[:1], tmp_path, {}) == [(0, "a\n\n b\n")]


def test_the_tables_of_settings_are_those_of_the_schema() -> None:
    settings = load(ROOT / "docs" / "settings.py")
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert settings.rendered(page) == page, "run `python docs/settings.py`"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_and_yaml_blocks_can_be_read(page: Path) -> None:
    import yaml

    text = page.read_text()
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        ast.parse(block)
    for block in re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yaml.safe_load(block)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z][a-z-]+)", page.read_text(), re.MULTILINE))
    assert named - targets == set()


def test_every_dependency_has_its_reason_written_down() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text()
    named = re.findall(r'^  "([A-Za-z0-9-]+)>=', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert len(named) > 5
    assert [name for name in named if not re.search(rf"\b{name}\b", page, re.IGNORECASE)] == []

"""Launchers by name: the built-in ones, and what becomes of those that other packages offer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trainconf import launchers, plugins
from trainconf.errors import ConfigError
from trainconf.launchers.machine.local import LocalLauncher
from trainconf.launchers.protocol import Launcher

ROOT = Path(__file__).parents[3]
OTHER = """\
from trainconf.launchers.protocol import Launcher
class Mine(Launcher):
    name = 'mine'
class Duck:
    name = 'duck'
"""
SETTINGS = """\
from dataclasses import dataclass
class Plain:
    other: int = 1
class Other:
    target: str = 'other'
"""


def test_the_built_in_launcher_is_found_without_looking_at_installed_packages() -> None:
    code = "import sys; from trainconf import launchers; launchers.get('local'); print('importlib.metadata' in sys.modules)"
    assert subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True).stdout == "False\n"


def test_an_unknown_launcher_is_a_users_mistake_and_the_known_ones_are_named() -> None:
    with pytest.raises(ConfigError, match=r"(?s)compute.target=lokal.*local"):
        launchers.get("lokal")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that offers two launchers, one of them broken."""
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    names = {"mine": "Mine", "broken": "Missing", "local": "Mine", "duck": "Duck [extra]"}
    points = "".join(f"{name} = other_launcher:{value}\n" for name, value in names.items())
    (info / "entry_points.txt").write_text(f"[console_scripts]\nx = y:z\n\n[trainconf.launchers]\n{points}\n[other]\nmars = y:z\n")
    (tmp_path / "other_launcher.py").write_text(OTHER)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("installed")
def test_other_packages_offer_launchers_and_cannot_replace_ours() -> None:
    assert {"broken", "duck", "mine"} <= plugins.offered().keys()
    assert not {"local", "mars", "x"} & plugins.offered().keys()
    assert launchers.get("mine").name == "mine"
    assert isinstance(launchers.get("local"), LocalLauncher)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("name", "why"), [("broken", "AttributeError"), ("duck", "Duck has no config")])
def test_a_launcher_that_cannot_be_loaded_is_named_with_its_package(name: str, why: str, installed: Path) -> None:
    with pytest.raises(ConfigError, match=rf"(?s)launcher '{name}' cannot be loaded: {why}.*other_launcher:.*{installed}.*entry_points"):
        launchers.get(name)
    with pytest.raises(ConfigError, match=f"launcher '{name}' cannot be loaded"):
        plugins.settings_of(name)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("config", ["3", "Mine", "dataclass(Plain)", "dataclass(Other)"])
def test_settings_must_be_a_dataclass_that_names_its_launcher(config: str, installed: Path) -> None:
    (installed / "other_launcher.py").write_text(f"{OTHER}\n{SETTINGS}\nMine.config = {config}\n")
    sys.modules.pop("other_launcher", None)
    with pytest.raises(ConfigError, match=r"its config is no dataclass with a field `target: str = 'mine'`"):
        plugins.settings_of("mine")


def test_what_says_nothing_about_entry_points_is_passed_over(installed: Path) -> None:
    for name, text in {"none": None, "bytes": b"\xff", "empty": b"", "torn": b"[trainconf.launchers\nx"}.items():
        (installed / f"{name}-1.dist-info").mkdir()
        if text is not None:
            (installed / f"{name}-1.dist-info" / "entry_points.txt").write_bytes(text)
    assert "mine" in plugins.offered()


@pytest.mark.parametrize("name", sorted(plugins.BUILT_IN))
def test_the_built_in_launchers_come_through_the_same_door(name: str) -> None:
    assert issubclass(plugins.load(name), Launcher)
    assert launchers.get(name).name == name

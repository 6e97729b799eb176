"""Launchers by name, and what a plan is made of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainconf import launchers, plugins
from trainconf.agent.leases import shared_folder
from trainconf.errors import ConfigError
from trainconf.launchers.job.env import input_variable
from trainconf.launchers.machine.local import LocalLauncher
from trainconf.launchers.protocol import Launcher
from trainconf.testing.runs import make_job, shell

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


def test_the_defaults_of_a_plan_are_those_of_the_machine(tmp_path: Path) -> None:
    job = make_job(str(tmp_path), shell("true"), compute={"slots": None, "lease_dir": None, "gpu_devices": None})
    plan = LocalLauncher().plan(job)
    assert plan.slots == {"dir": shared_folder.default_dir(), "count": len(os.sched_getaffinity(0)), "take": 1}
    assert plan.gpus == {"devices": [], "take": 0}


def test_named_devices_go_before_what_the_machine_says(tmp_path: Path) -> None:
    job = make_job(str(tmp_path), shell("true"), gpus=1, compute={"gpu_devices": [3, "GPU-x"]})
    assert LocalLauncher(environ={**os.environ, "CUDA_VISIBLE_DEVICES": ""}).plan(job).gpus == {"devices": ["3", "GPU-x"], "take": 1}


def test_an_empty_cuda_visible_devices_means_that_there_are_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"(?s)compute.gpus=1.*CUDA_VISIBLE_DEVICES="):
        LocalLauncher(environ={**os.environ, "CUDA_VISIBLE_DEVICES": ""}).plan(make_job(str(tmp_path), shell("true"), gpus=1))


def test_a_device_named_twice_is_one_device(tmp_path: Path) -> None:
    job = make_job(str(tmp_path), shell("true"), gpus=2, compute={"gpu_devices": ["0", "0"]})
    with pytest.raises(ConfigError, match=r"compute\.gpus=2, but 1 GPU can"):
        LocalLauncher().plan(job)


def test_an_argument_that_no_process_can_be_given_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="NUL"):
        LocalLauncher().plan(make_job(str(tmp_path), ["echo", "a\0b"]))


def test_a_pattern_that_is_no_regular_expression_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"stdout_metrics\.loss is not a regular expression"):
        LocalLauncher().plan(make_job(str(tmp_path), shell("true"), stdout_metrics={"loss": "(", "fine": "x"}))


def test_a_jobs_own_pythonpath_stays_behind_ours(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": "/outer"}
    launcher: Launcher = LocalLauncher(environ=environ)
    assert launcher.plan(make_job(str(tmp_path), shell("true"))).env["PYTHONPATH"].endswith(":/outer")
    plan = launcher.plan(make_job(str(tmp_path), shell("true"), env={"PYTHONPATH": "/inner"}))
    assert plan.env["PYTHONPATH"].split(":")[1:] == ["/inner"]


def test_names_of_inputs_become_names_of_variables() -> None:
    assert input_variable("train-set.2") == "TRAINCONF_INPUT_TRAIN_SET_2"


def test_the_rendered_plan_tells_everything_but_secrets(tmp_path: Path) -> None:
    job = make_job(
        str(tmp_path), shell("true"), limit_s=90.0, cpus=2, gpus=1, compute={"gpu_devices": ["GPU-x"]}, retries=2,
        secrets={"TOKEN": "hidden"}, env={"A": "x y"}, stdout_metrics={"loss": "loss=(.*)"},
    )  # fmt: skip
    text = LocalLauncher().plan(job).render()
    parts = ["sh -c true", "90 s", "2 of 4", "1 of GPU-x", "TOKEN=<secret>", "A='x y'", "loss: loss=(.*)", job.paths.code]
    for part in parts:
        assert part in text
    assert "hidden" not in text

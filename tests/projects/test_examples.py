"""The shipped projects reach the accuracy that their pages name, the same each time, with and without trainconf."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.made_once import python_with

ROOT = Path(__file__).parents[2]


def arguments(project: str) -> list[str]:
    """The params of the project's experiment as arguments of its script."""
    params = yaml.safe_load((ROOT / "conf" / "experiment" / f"{project}.yaml").read_text())["params"]
    return [word for name, value in params.items() for word in (f"--{name}", str(value))]


def train(python: str | Path, project: str, words: list[str], folder: Path) -> str:
    """The output of the script when it runs alone in a folder, with trainconf on its path."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    script = ROOT / "projects" / project / "train.py"
    folder.mkdir()
    done = subprocess.run([python, "-B", script, *words], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def last(pattern: str, printed: str) -> float:
    return float(re.findall(pattern, printed)[-1])


@pytest.fixture(scope="session")
def python_with_numpy() -> Path:
    return python_with("numpy", ["--require-hashes", "--requirement", str(ROOT / "conf" / "env" / "minimal.lock.txt")])


@pytest.mark.network
@pytest.mark.slow
def test_digits_are_recognised_and_the_same_seed_gives_the_same_model(python_with_numpy: Path, tmp_path: Path) -> None:
    words = arguments("digits")
    printed = train(python_with_numpy, "digits", words, tmp_path / "first")
    assert last(r"val_accuracy (\d\.\d+)", printed) > 0.93
    assert train(python_with_numpy, "digits", [], tmp_path / "defaults") == printed, "the experiment's params are the script's defaults"
    other = train(python_with_numpy, "digits", [*words, "--seed", "1"], tmp_path / "other")
    assert last(r"val_accuracy (\d\.\d+)", other) > 0.93
    first, again, third = ((tmp_path / name / "outputs" / "model.npz").read_bytes() for name in ("first", "defaults", "other"))
    assert first == again
    assert first != third


@pytest.mark.network
@pytest.mark.slow
def test_the_confusion_of_digits_counts_every_held_out_image_and_agrees_with_the_accuracy(python_with_numpy: Path, tmp_path: Path) -> None:
    printed = train(python_with_numpy, "digits", [], tmp_path / "alone")
    header, *rows = csv.reader((tmp_path / "alone" / "outputs" / "confusion.csv").read_text().splitlines())
    counts = [[int(cell) for cell in row[1:]] for row in rows]
    total = sum(map(sum, counts))
    assert header[1:] == [row[0] for row in rows] == [str(digit) for digit in range(10)]
    assert total == 360
    assert sum(counts[digit][digit] for digit in range(10)) / total == pytest.approx(last(r"val_accuracy (\d\.\d+)", printed), abs=5e-5)


def test_irises_are_told_apart_with_the_standard_library_alone(tmp_path: Path) -> None:
    printed = train(sys.executable, "iris_stdlib", arguments("iris_stdlib"), tmp_path / "first")
    assert last(r"val_accuracy=(\S+)", printed) > 0.9
    assert train(sys.executable, "iris_stdlib", [], tmp_path / "defaults") == printed, "the experiment's params are the script's defaults"
    assert set(json.loads((tmp_path / "first" / "outputs" / "model.json").read_text())) == {"setosa", "versicolor", "virginica"}
    source = (ROOT / "projects" / "iris_stdlib" / "train.py").read_text()
    modules = set(re.findall(r"^(?:import|from) (\w+)", source, re.MULTILINE))
    assert modules <= sys.stdlib_module_names


def test_the_patterns_of_the_iris_experiment_find_every_epoch(tmp_path: Path) -> None:
    experiment = yaml.safe_load((ROOT / "conf" / "experiment" / "iris_stdlib.yaml").read_text())
    printed = train(sys.executable, "iris_stdlib", [], tmp_path / "alone")
    for name, pattern in experiment["stdout_metrics"].items():
        assert len([float(value) for value in re.findall(pattern, printed)]) == experiment["params"]["epochs"], name


PROJECTS = sorted(path for path in (ROOT / "projects").iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda path: path.name)
def test_every_project_has_an_experiment_of_its_name(folder: Path) -> None:
    assert (ROOT / "conf" / "experiment" / f"{folder.name}.yaml").is_file()


@pytest.mark.parametrize("folder", [path for path in PROJECTS if list(path.glob("*.csv*"))], ids=lambda path: path.name)
def test_every_project_with_data_has_a_page_and_names_their_licence(folder: Path) -> None:
    assert f"# {folder.name}\n" in (folder / "README.md").read_text()
    attribution = (folder / "ATTRIBUTION.md").read_text()
    assert "Licence: Creative Commons Attribution 4.0" in attribution
    assert "doi.org" in attribution

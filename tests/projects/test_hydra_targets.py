"""The shapes of Hydra projects in containers and on a cluster: by an experiment that names the app, and by the launcher."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import Shell

pytest.importorskip("cloudpickle")

SCRIPTS = Path(__file__).parent / "scripts"
EXPERIMENT = "# @package _global_\ndefaults:\n  - override /env: current\n  - _self_\nexperiment_name: app\n"


class Shape(NamedTuple):
    """A project: how its app is declared and started, and words of four jobs with what they print."""

    folder: str
    app: str
    start: tuple[str, ...]
    words: tuple[str, str]
    results: tuple[str, ...]
    is_tuned: bool = False  # set up for a sweeper of another package, so that ours sweeps


KINDS = tuple(f"result {kind} {lr}" for kind in ("large", "small") for lr in ("1.0", "2.0"))
SHAPES = (
    Shape("hydra_plain", "script: main.py", ("main.py",), ("kind=small,large", "lr=1,2"), KINDS),
    Shape("hydra_structured", "script: main.py", ("main.py",), ("kind=small,large", "lr=1,2"), KINDS),
    Shape("hydra_store", "script: main.py", ("main.py",), ("kind=small,large", "lr=1,2"), KINDS),
    Shape("hydra_module", "module: fit.train", ("-m", "fit.train"), ("model=small,large", "lr=1,2"),
          tuple(f"result {width} {lr}" for width in (2, 4) for lr in (1, 2))),
    Shape("hydra_tuned", "script: 0_fit/script.py", ("0_fit/script.py",), ("model=tree", "model.depth=1,2,3,4"),
          tuple(f"result Tree {depth + 4}" for depth in (1, 2, 3, 4)), True),
)  # fmt: skip


@pytest.fixture(params=SHAPES, ids=lambda shape: shape.folder)
def shape(request: pytest.FixtureRequest) -> Shape:
    found: Shape = request.param
    return found


@pytest.fixture
def app(shell: Shell, shape: Shape) -> Shell:
    """The project, and an experiment that names it. What Hydra warns of in the app is the app's."""
    shutil.copytree(SCRIPTS / shape.folder, shell.root, dirs_exist_ok=True)
    source = "source_directory: src\n" if (shell.root / "src").exists() else ""
    shell.write("conf/trainconf/experiment/app.yaml", f"{EXPERIMENT}{source}hydra_app: {{{shape.app}}}\n")
    shell.env["PYTHONWARNINGS"] = "ignore"
    return shell


def results(app: Shell) -> list[str]:
    """What the jobs have printed of their results, sorted, without the folder that some name."""
    logs = [path.parent / "logs" / "std_log.txt" for path in app.root.glob("**/runs/*/*/spec.json")]
    lines = [line for log in logs for line in log.read_text().splitlines() if line.startswith("result")]
    return sorted(line.partition(" in ")[0] for line in lines)


def by_experiment(app: Shell, shape: Shape, *words: str) -> None:
    done = app("-m", "experiment=app", *words, "--", *shape.words)
    assert done.code == 0, done
    assert results(app) == sorted(shape.results)


def by_multirun(app: Shell, shape: Shape, compute: str, words: list[str]) -> None:
    if shape.is_tuned:
        given = ["hydra/sweeper=trainconf", "hydra.sweeper.n_trials=4", f"hydra.sweeper.words=[{_listed([f'compute={compute}', *words])}]"]
    else:
        given = ["hydra/launcher=trainconf", f"hydra.launcher.compute={compute}", f"hydra.launcher.words=[{_listed(words)}]"]
    folder = app.root / "src" if (app.root / "src").exists() else app.root
    command = [app.python, *shape.start, "-m", *given, *shape.words]
    done = subprocess.run(command, cwd=folder, env=app.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert results(app) == sorted(shape.results)


def _listed(words: list[str]) -> str:
    return ",".join("'" + word.replace("'", "\\'") + "'" for word in words)


@pytest.mark.slurm
def test_on_slurm_an_experiment_names_it(app: Shell, shape: Shape) -> None:
    by_experiment(app, shape, "compute=slurm")


@pytest.mark.slurm
def test_on_slurm_by_its_own_multirun(app: Shell, shape: Shape) -> None:
    by_multirun(app, shape, "slurm", [])


@pytest.mark.docker
@pytest.mark.network
def test_in_containers_an_experiment_names_it(app: Shell, shape: Shape, docker_settings: list[str]) -> None:
    by_experiment(app, shape, "compute=docker", "env=bare", *docker_settings, 'env.requirements=["hydra-core==1.3.8"]')


@pytest.mark.docker
@pytest.mark.network
def test_in_containers_by_its_own_multirun(app: Shell, shape: Shape, docker_settings: list[str]) -> None:
    if any(word.startswith("env.python.version") for word in docker_settings):
        pytest.skip("a pickle is read by the Python that wrote it, and the base image has another")
    of_sweeper = ["env=bare", 'env.requirements=["hydra-core==1.3.8"]'] if shape.is_tuned else []
    by_multirun(app, shape, "docker", [*docker_settings, *of_sweeper])

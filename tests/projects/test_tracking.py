"""Scripts for wandb, trackio and mlflow run as they are, here, in Docker and on a cluster; Lightning and transformers by their loggers."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Answer, Shell
from tests.made_once import python_of
from tests.projects.test_frameworks import in_container, python
from tests.testbed.cluster import Cluster

__all__ = ["python"]  # a Python with Lightning and transformers

SCRIPTS = Path(__file__).parent / "scripts" / "tracking"
PATIENCE_S = 600.0


class Bench:
    """Runs one of the scripts in a workspace of its own."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell

    def __call__(self, script: str, *words: str, env: dict[str, str] | None = None) -> dict[str, Any]:
        """Run it to its end, which must be Completed; the run as `show` prints it."""
        (self.shell.root / "train.py").write_text((SCRIPTS / f"{script}.py").read_text())
        child = self.shell.start("experiment=adhoc", "script=train.py", "env=current", *words, env=env)
        out, err = child.communicate(timeout=PATIENCE_S)
        assert child.returncode == 0, Answer(child.returncode, out, err)
        runs = json.loads(self.shell("ls", "--json").out)
        told: dict[str, Any] = json.loads(self.shell("show", next(run["run_id"] for run in runs if not run["parent"]), "--json").out)
        return told

    def here(self, script: str, *words: str) -> dict[str, Any]:
        return self(script, "compute=local", f"compute.lease_dir={self.shell.leases}", "compute.slots=4", *words)


def files(told: dict[str, Any]) -> set[str]:
    return {file["path"] for file in told["files"] if file["path"].startswith("outputs/")}


@pytest.fixture
def bench(shell: Shell) -> Bench:
    del shell.env["PYTHONWARNINGS"]  # what the libraries do when they are imported is theirs
    return Bench(shell)


@pytest.fixture(scope="session")
def trackers() -> Path:
    """A Python with mlflow's own client, as locks/trackers.txt has it, made once on a machine."""
    return python_of("trackers")


def is_that_of_wandb(told: dict[str, Any]) -> None:
    """The run of wandb_quickstart.py."""
    assert told["metrics"]["epoch"] == 9
    assert told["metrics"]["best_accuracy"] == pytest.approx(0.8013284)
    assert {"train.loss", "val/accuracy"} <= set(told["metrics"])
    assert files(told) >= {
        "outputs/wandb/artifacts/my-model/v0/model.txt", "outputs/wandb/config.json", "outputs/wandb/summary.json",
        "outputs/wandb/media/table/predictions_8.table.json",
    }  # fmt: skip
    folder = Path(told["run_dir"])
    assert json.loads((folder / "outputs/wandb/config.json").read_text())["architecture"] == "CNN"
    assert (told["display_name"], told["note"]) == ("quick-start", "the first one")
    assert told["tags"] == {"baseline": "", "cnn": "", "group": "starts", "job_type": "train", "project": "my-awesome-project"}


def test_a_script_for_wandb_runs_here_as_it_stands(bench: Bench) -> None:
    is_that_of_wandb(bench.here("wandb_quickstart", "compat=[wandb]"))


def test_a_search_gives_such_a_script_its_values_by_the_config(bench: Bench) -> None:
    told = bench.here("wandb_quickstart", "compat=[wandb]", "argument_style=none", "+params.epochs=4", "+params.learning_rate=0.7")
    assert told["metrics"]["epoch"] == 3
    assert json.loads((Path(told["run_dir"]) / "outputs/wandb/config.json").read_text())["learning_rate"] == 0.7


def test_a_script_for_trackio_runs_here_as_it_stands(bench: Bench) -> None:
    told = bench.here("trackio_quickstart", "compat=[trackio]")
    assert told["metrics"]["train_loss"] == pytest.approx(0.5 / 3)
    assert told["metrics"]["system/gpu"] == 0.5
    assert "outputs/trackio/media/table/table_3.table.json" in files(told)


@pytest.mark.docker
def test_a_container_without_any_of_them_runs_a_script_for_wandb(bench: Bench, docker_base_image: str) -> None:
    is_that_of_wandb(bench("wandb_quickstart", "compute=docker", f"env.docker.image={docker_base_image}", "compat=[wandb]"))


@pytest.mark.slurm
def test_a_cluster_runs_a_script_for_wandb(bench: Bench, slurm_cluster: Cluster) -> None:
    is_that_of_wandb(bench("wandb_quickstart", "compute=slurm", "compat=[wandb]", env={"SLURM_CONF": slurm_cluster.conf}))


@pytest.mark.network
@pytest.mark.slow
def test_lightning_logs_by_its_own_wandb_logger(bench: Bench, python: Path) -> None:
    told = bench.here("lightning_wandb", "compat=[wandb]", f"env.python.interpreter_path={python}")
    assert {"train/loss_step", "train/loss_epoch", "val/loss", "val/acc", "trainer/global_step"} <= set(told["metrics"])
    made = files(told)
    assert f"outputs/wandb/artifacts/model-{told['run_id']}/v0/model.ckpt" in made
    assert sum(path.startswith("outputs/wandb/media/image/samples") for path in made) == 2
    config = json.loads((Path(told["run_dir"]) / "outputs/wandb/config.json").read_text())
    assert (config["lr"], config["hidden"], config["dataset"]) == (0.01, 8, "sums")


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("tool", ["wandb", "trackio"])
def test_transformers_reports_by_its_own_callback(bench: Bench, python: Path, tool: str) -> None:
    told = bench.here("transformers_trackers", f"compat=[{tool}]", f"arguments=[{tool}]", f"env.python.interpreter_path={python}")
    assert {"train/loss", "train/grad_norm", "eval/loss", "train/global_step"} <= set(told["metrics"])
    assert json.loads((Path(told["run_dir"]) / f"outputs/{tool}/config.json").read_text())["hidden_size"] == 8


def is_that_of_mlflow(told: dict[str, Any]) -> None:
    """The run of mlflow_quickstart.py, which asks mlflow itself what it has recorded."""
    assert (told["metrics"]["loss"], told["metrics"]["unstepped"], told["metrics"]["acc"]) == (pytest.approx(1 / 3), 2, 0.9)
    assert (told["display_name"], told["note"]) == ("first", "note")
    assert told["tags"] == {"mlflow_experiment": "quick start", "stage": "dev", "team": "a"}
    names = "deep/er/file.txt again/deep/er/file.txt again/file.txt dict.json figure.png file.txt image.png table.json text.txt"
    assert files(told) == {f"outputs/{name}" for name in names.split()}


@pytest.mark.network
@pytest.mark.slow
def test_mlflows_client_records_in_the_run_and_reads_it_again(bench: Bench, trackers: Path) -> None:
    told = bench.here("mlflow_quickstart", "compat=[mlflow]", f"env.python.interpreter_path={trackers}")
    is_that_of_mlflow(told)
    children = [run for run in json.loads(bench.shell("ls", "--json").out) if run["parent"] == told["run_id"]]
    assert [(run["display_name"], run["status"], run["metrics"]) for run in children] == [("child", "Completed", {"loss": 9.0})]


@pytest.mark.network
@pytest.mark.slow
def test_mlflows_autolog_and_models_land_in_the_run_and_are_found_again(bench: Bench, trackers: Path) -> None:
    told = bench.here("mlflow_autolog", "compat=[mlflow]", f"env.python.interpreter_path={trackers}")
    assert told["metrics"]["training_score"] > 0.9
    assert "outputs/training_confusion_matrix.png" in files(told)
    assert any(path.endswith("/MLmodel") for path in files(told))
    code = (
        f"import mlflow, sys\nmlflow.set_tracking_uri('trainconf:{bench.shell.root}')\n"
        "frame = mlflow.search_runs(experiment_names=['adhoc'], filter_string=\"params.C = '0.5'\")\nprint(*frame['run_id'])\n"
        "model = mlflow.search_logged_models(experiment_ids=['adhoc'], output_format='list')[0]\n"
        "print(mlflow.sklearn.load_model(model.model_uri))\n"
        "with mlflow.start_run(run_name='by hand') as run: mlflow.log_metric('x', 1)\n"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "trainconf/compat/mlflow/path")])
    done = subprocess.run([trackers, "-c", code], env=bench.shell.env | {"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{told['run_id']}\nLogisticRegression(")
    (own,) = [run for run in json.loads(bench.shell("ls", "--json").out) if run["display_name"] == "by hand"]
    assert (own["status"], own["metrics"]) == ("Completed", {"x": 1.0})


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.docker
def test_mlflows_client_records_in_the_run_of_a_container(bench: Bench, trackers: Path, docker_base_image: str) -> None:
    is_that_of_mlflow(bench("mlflow_quickstart", *in_container(trackers, docker_base_image), "compat=[mlflow]"))


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.slurm
def test_mlflows_client_records_in_the_run_of_a_cluster(bench: Bench, trackers: Path, slurm_cluster: Cluster) -> None:
    words = ["compute=slurm", "compute.mem_gib=1.8", f"env.python.interpreter_path={trackers}", "compat=[mlflow]"]
    is_that_of_mlflow(bench("mlflow_quickstart", *words, env={"SLURM_CONF": slurm_cluster.conf}))

"""One program in Python, on each target: the same script, the same calls, only the compute target differs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainconf import DockerConfiguration, Environment, Experiment, PyTorchConfiguration, ScriptRunConfig, Workspace

SCRIPT = """\
import os, sys
from trainconf import Run
run = Run.get_context()
run.log("rank", int(os.environ.get("RANK", 0)))
run.log_row("table", epoch=1, loss=0.5)
os.makedirs("outputs", exist_ok=True)
if os.environ.get("RANK", "0") == "0":
    open("outputs/where.txt", "w").write(os.environ["TRAINCONF_RUN_ID"] + " " + os.environ.get("WORLD_SIZE", "-"))
print("arguments", sys.argv[1:], "ranks", os.environ.get("WORLD_SIZE"))
"""


class TargetContract:
    """What a program relies on, whatever the target."""

    def config(self, **more: object) -> ScriptRunConfig:
        raise NotImplementedError

    @pytest.fixture
    def experiment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "src").mkdir()
        (tmp_path / "src" / "train.py").write_text(SCRIPT)
        return Experiment(Workspace.create(), "anywhere")

    def test_a_script_runs_and_its_results_are_here(
        self, experiment: Experiment, capfd: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        run = experiment.submit(self.config(), tags={"where": "there"})
        details = run.wait_for_completion(show_output=True)
        assert details["status"] == "Completed"
        assert "arguments ['--lr', '0.1']" in capfd.readouterr().out
        assert run.get_metrics()["rank"] == [0]
        assert run.get_metrics()["table"] == {"epoch": [1], "loss": [0.5]}
        assert Path(run.download_file("outputs/where.txt", tmp_path / "got" / "where.txt")).read_text() == f"{run.id} -"
        assert run.get_environment().name
        assert list(experiment.get_runs(tags={"where": "there"})) == [run]

    def test_a_run_is_canceled(self, experiment: Experiment) -> None:
        config = self.config()
        config.script, config.command = None, ["sleep", "100"]
        run = experiment.submit(config)
        run.cancel()
        assert run.wait_for_completion()["status"] == "Canceled"

    def test_ranks_are_started(self, experiment: Experiment) -> None:
        run = experiment.submit(self.config(distributed_job_config=PyTorchConfiguration(process_count=2)))
        assert run.wait_for_completion()["status"] == "Completed"
        assert sorted(run.get_metrics()["rank"]) == [0, 1]
        assert Path(run.run_dir, "outputs", "where.txt").read_text() == f"{run.id} 2"

    def test_a_sweep_has_its_trials_there(self, experiment: Experiment) -> None:
        sweep = experiment.submit_sweep(self.config(params={"x": 0}, metric="rank"), "params.x=1,2")
        assert sweep.wait_for_completion()["status"] == "Completed"
        assert [child.params["x"] for child in sweep.get_children()] == [1, 2]


class TestHere(TargetContract):
    def config(self, **more: object) -> ScriptRunConfig:
        return ScriptRunConfig("src", "train.py", ["--lr", 0.1], compute_target="local", environment="current", **more)  # type: ignore[arg-type]


@pytest.mark.docker
class TestDocker(TargetContract):
    @pytest.fixture(autouse=True)
    def image(self, docker_base_image: str) -> str:
        self.base_image = docker_base_image
        return docker_base_image

    def config(self, **more: object) -> ScriptRunConfig:
        image = Environment.from_docker_image("slim", self.base_image)
        docker = DockerConfiguration(arguments=["--env", "A=1"], shm_size="64m")
        return ScriptRunConfig("src", "train.py", ["--lr", 0.1], environment=image, docker_runtime_config=docker, **more)  # type: ignore[arg-type]

    def test_an_image_implies_docker(self, experiment: Experiment) -> None:
        run = experiment.submit(self.config())
        assert run.wait_for_completion()["compute"] == "docker"


@pytest.mark.slurm
class TestSlurm(TargetContract):
    @pytest.fixture(autouse=True)
    def conf(self, slurm_cluster: object) -> str:
        return os.environ["SLURM_CONF"]

    def config(self, **more: object) -> ScriptRunConfig:
        return ScriptRunConfig(
            "src", "train.py", ["--lr", 0.1], compute_target="slurm", environment="current", max_run_duration_seconds=300, **more,  # type: ignore[arg-type]
        )  # fmt: skip

    def test_each_node_has_ranks(self, experiment: Experiment) -> None:
        nodes = PyTorchConfiguration(process_count=4, node_count=2)
        run = experiment.submit(self.config(distributed_job_config=nodes))
        assert run.wait_for_completion()["status"] == "Completed"
        assert sorted(run.get_metrics()["rank"]) == [0, 1, 2, 3]

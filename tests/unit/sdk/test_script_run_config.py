"""A ScriptRunConfig is choices and values, each with the line that set it; what is wrong with it is told at once, with its line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from trainconf import (
    DockerConfiguration,
    Experiment,
    MpiConfiguration,
    PyTorchConfiguration,
    RunConfiguration,
    ScriptRunConfig,
    TensorflowConfiguration,
    Workspace,
)
from trainconf.control.compose import compose
from trainconf.errors import ConfigError, UserError
from trainconf.resolve.composed import Composed
from trainconf.sdk.submission.request import request

HERE = os.path.abspath(__file__)


def composed(ws: Workspace, config: ScriptRunConfig) -> Composed:
    return compose(request(config, ws), ws._paths)


def test_arguments_with_a_quote_that_does_not_end_are_refused_with_their_line() -> None:
    with pytest.raises(UserError, match=r"arguments cannot be '--a \"x'[\s\S]*test_script_run_config.py:\d+[\s\S]*No closing quotation"):
        ScriptRunConfig(".", "train.py", '--a "x')


def test_each_value_comes_from_the_line_that_set_it(ws: Workspace) -> None:
    config = ScriptRunConfig(".", "train.py", ["--lr", 0.1], params={"seed": 3}, environment="current")
    line = config._place
    config.run_config.target = "docker"
    config.max_run_duration_seconds = 60
    found = composed(ws, config)
    assert found.choices["compute"] == "docker"
    assert found.choices["env"] == "current"
    assert found.config["arguments"] == ["--lr", 0.1]
    assert found.config["params"] == {"seed": 3}
    assert found.origins["params.seed"] == found.origins["script"] == line
    assert found.origins["max_run_duration_seconds"] == line[: line.rindex(":") + 1] + str(int(line.rpartition(":")[2]) + 3)


def test_overrides_win_and_are_named_by_their_line(ws: Workspace) -> None:
    config = ScriptRunConfig(".", "train.py", compute_target="docker", overrides=["compute=local", "script=other.py", "compute.cpus=2"])
    found = composed(ws, config)
    assert (found.choices["compute"], found.config["script"], found.config["compute"]["cpus"]) == ("local", "other.py", 2)
    assert found.origins["compute.cpus"] == f"{config._place}: compute.cpus=2"


def test_what_a_constructor_is_given_wins_over_its_run_config_and_nothing_is_dropped(ws: Workspace) -> None:
    shared = RunConfiguration(script="shared.py", arguments=["--a"])
    shared.target, shared.node_count, shared.environment_variables = "docker", 2, {"A": "1"}
    config = ScriptRunConfig(".", "train.py", run_config=shared, max_run_duration_seconds=5, environment="current", compute_target="slurm")
    found = composed(ws, config)
    assert (found.choices["compute"], found.choices["env"], found.config["script"]) == ("slurm", "current", "train.py")
    assert found.config["distributed"]["node_count"] == 2
    assert found.config["arguments"] == ["--a"]
    assert found.config["env"]["variables"] == {"A": "1"}
    assert found.config["max_run_duration_seconds"] == 5
    assert (shared.script, shared.target) == ("shared.py", "docker"), "what is shared stays as it is"


def test_what_is_shared_may_change_later(ws: Workspace) -> None:
    shared = RunConfiguration()
    first, second = (ScriptRunConfig(".", "train.py", run_config=shared) for _ in range(2))
    shared.target = "docker"
    second.run_config.target = "slurm"
    assert [composed(ws, config).choices["compute"] for config in (first, second)] == ["docker", "slurm"]


def test_a_command_takes_the_place_of_a_shared_script(ws: Workspace) -> None:
    config = ScriptRunConfig(".", command=["echo", "1"], run_config=RunConfiguration(script="shared.py"))
    found = composed(ws, config)
    assert (found.config["script"], found.config["command"]) == (None, ["echo", "1"])


def test_an_experiment_of_a_file_takes_words_and_values(ws: Workspace) -> None:
    found = composed(ws, ScriptRunConfig.from_experiment("digits", "params.lr=0.3", params={"epochs": 2}, compute_target="slurm"))
    assert (found.config["params"]["lr"], found.config["params"]["epochs"], found.choices["compute"]) == (0.3, 2, "slurm")
    assert found.config["script"] == "train.py"
    assert found.config["experiment_name"] == "digits"


def test_texts_of_a_program_arrive_as_they_are(ws: Workspace) -> None:
    config = ScriptRunConfig(".", "train.py", ["${x}", "???"], params={"prompt": "cost ${y}", "list": [1, (2, "a=b")]})
    found = composed(ws, config)
    assert found.config["arguments"] == ["${x}", "???"]
    assert found.config["params"] == {"prompt": "cost ${y}", "list": [1, [2, "a=b"]]}


def test_paths_are_of_the_folder_in_which_it_was_made(ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "data").mkdir()
    config = ScriptRunConfig("src", "train.py", inputs={"data": "data"})
    monkeypatch.chdir("/")
    found = composed(ws, config)
    assert found.config["source_directory"] == "src"
    assert found.config["inputs"] == {"data": "data"}


def test_a_source_directory_outside_of_the_workspace_is_named_whole(ws: Workspace, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    assert composed(ws, ScriptRunConfig(outside, "train.py")).config["source_directory"] == str(outside)


@pytest.mark.parametrize(("given", "choice", "values"), [
    (PyTorchConfiguration("Gloo", 4, 2), "pytorch", {"process_count": 4, "node_count": 2, "communication_backend": "gloo"}),
    (MpiConfiguration(2, 3), "mpi", {"process_count_per_node": 2, "node_count": 3}),
    (TensorflowConfiguration(3, 1), "tensorflow", {"worker_count": 3, "parameter_server_count": 1}),
])  # fmt: skip
def test_a_distributed_configuration_is_a_choice_with_values(ws: Workspace, given: Any, choice: str, values: dict[str, Any]) -> None:
    found = composed(ws, ScriptRunConfig(".", "train.py", distributed_job_config=given))
    assert found.choices["distributed"] == choice
    assert values.items() <= found.config["distributed"].items()


def test_sections_of_a_run_configuration_count_when_the_communicator_says_so(ws: Workspace) -> None:
    shared = RunConfiguration(framework="python", communicator="IntelMpi")
    shared.node_count, shared.mpi.process_count_per_node = 2, 4
    found = composed(ws, ScriptRunConfig(".", "train.py", run_config=shared))
    assert found.choices["distributed"] == "mpi"
    assert (found.config["distributed"]["node_count"], found.config["distributed"]["process_count_per_node"]) == (2, 4)


def test_docker_is_chosen_by_its_configuration(ws: Workspace) -> None:
    flags = ["--ipc=host", "-v", "/data:/data", "--memory", "4g", "-e", "A=1", "--ulimit=memlock=-1", "--rm"]
    config = ScriptRunConfig(".", "train.py", docker_runtime_config=DockerConfiguration(True, flags, "512m"))
    found = composed(ws, config)
    assert found.choices["compute"] == "docker"
    assert found.config["compute"]["arguments"] == {"ipc_mode": "host", "volumes": ["/data:/data"]}
    assert found.config["compute"]["memory_gib"] == 4
    assert found.config["compute"]["shm_size_gib"] == 0.5
    assert found.config["compute"]["ulimits"] == {"memlock": "-1"}
    assert found.config["env"]["variables"] == {"A": "1"}


class Image:
    _place = "submit.py:1"

    def _layer(self) -> tuple[list[str], dict[str, Any]]:
        return [], {"env": {"docker": {"image": "busybox:1"}}}


def test_an_image_implies_docker(ws: Workspace) -> None:
    assert composed(ws, ScriptRunConfig(".", "train.py", environment=Image())).choices["compute"] == "docker"
    assert composed(ws, ScriptRunConfig(".", "train.py", environment=Image(), compute_target="slurm")).choices["compute"] == "slurm"


def test_an_image_without_docker_is_an_error(ws: Workspace) -> None:
    config = ScriptRunConfig(".", "train.py", environment=Image(), docker_runtime_config=DockerConfiguration(False))
    with pytest.raises(UserError, match="use_docker is False"):
        composed(ws, config)


@pytest.mark.parametrize(("make", "names"), [
    (lambda: ScriptRunConfig(3, script=4, arguments=5, environment=6, params=7, tags=8, overrides=9, inputs=10, metric=11),  # type: ignore[arg-type]
     ["source_directory", "script", "arguments", "environment", "params", "tags", "overrides", "inputs", "metric"]),
    (lambda: ScriptRunConfig(".", "a.py", compute_target=1, distributed_job_config=2, max_run_duration_seconds=-1,  # type: ignore[arg-type]
                             docker_runtime_config={}, run_config="x", resume_from=5),  # type: ignore[arg-type]
     ["compute_target", "distributed_job_config", "max_run_duration_seconds", "docker_runtime_config", "run_config", "resume_from"]),
    (lambda: ScriptRunConfig(".", "a.py", command="b"), ["script and command"]),
    (lambda: ScriptRunConfig("", "a.py"), ["source_directory"]),
    (lambda: ScriptRunConfig(None, "a.py"), ["source_directory"]),  # type: ignore[arg-type]
    (lambda: ScriptRunConfig.from_experiment(3), ["name"]),  # type: ignore[arg-type]
    (lambda: PyTorchConfiguration("mpi", 0, "x"), ["communication_backend", "process_count", "node_count"]),  # type: ignore[arg-type]
    (lambda: PyTorchConfiguration("Nccl", 5, 2), ["process_count"]),
    (lambda: MpiConfiguration(True, 0), ["process_count_per_node", "node_count"]),
    (lambda: TensorflowConfiguration(1, -1, 2), ["parameter_server_count", "node_count"]),
    (lambda: DockerConfiguration("yes", ["--nmae=x", "--ipc"], "big", False),  # type: ignore[arg-type]
     ["use_docker", "--nmae", "--ipc", "shm_size", "shared_volumes"]),
    (lambda: DockerConfiguration(True, "--ipc=host"), ["arguments"]),
    (lambda: RunConfiguration(framework="PySpark", communicator="x"), ["framework", "communicator"]),
])  # fmt: skip
def test_every_wrong_argument_is_named_with_the_line(make: Any, names: list[str], ws: Workspace) -> None:
    with pytest.raises(UserError) as raised:
        make()
    text = str(raised.value)
    assert [name for name in names if name not in text] == []
    assert text.count(f"{HERE}:") >= len(names), text


def test_a_setting_with_a_wrong_name_is_answered_with_the_nearest(ws: Workspace) -> None:
    config = ScriptRunConfig(".", "train.py")
    for thing, name, near in ((config, "compute_taget", "compute_target"), (config.run_config, "node_cout", "node_count"),
                              (DockerConfiguration(), "use_dokcer", "use_docker")):  # fmt: skip
        with pytest.raises(UserError, match=near):
            setattr(thing, name, 1)


def test_a_wrong_value_changes_nothing(ws: Workspace) -> None:
    given = PyTorchConfiguration(process_count=4, node_count=2)
    with pytest.raises(UserError, match="process_count"):
        given.process_count = 3
    assert given.process_count == 4


def test_a_script_that_is_not_there_is_told_at_submit(ws: Workspace) -> None:
    config = ScriptRunConfig(".", "trian.py", environment="current")
    with pytest.raises(ConfigError, match=r"trian\.py.* does not exist") as raised:
        Experiment(ws, "first").submit(config)
    assert config._place in str(raised.value)
    assert not os.path.exists(ws._paths.runs)


def test_nothing_to_run_is_told_at_submit(ws: Workspace) -> None:
    with pytest.raises(UserError, match="nothing to run"):
        Experiment(ws, "first").submit(ScriptRunConfig("."))


def test_explain_says_what_wins(ws: Workspace) -> None:
    config = ScriptRunConfig(".", "train.py", run_config=RunConfiguration(script="shared.py"), overrides=["retries=1"])
    text = str(config)
    assert f"script = train.py  <- {config._place}" in text
    assert "shared.py" not in text
    assert text.endswith(f"retries=1  <- overrides of {config._place}")
    assert f"retries = 1  <- {config._place}: retries=1" in config.explain(ws)


def test_node_count_must_divide_the_processes(ws: Workspace) -> None:
    config = ScriptRunConfig(".", "train.py", distributed_job_config=PyTorchConfiguration(process_count=4))
    config.run_config.node_count = 3
    with pytest.raises(UserError, match="node_count cannot be 3"):
        composed(ws, config)

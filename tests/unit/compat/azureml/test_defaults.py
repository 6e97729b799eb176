"""What the original's constructors mean when they are given nothing, and what they raise for a mistake."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from trainconf.compat.azureml import exceptions, names
from trainconf.compat.azureml.workspace import Workspace

THIRTY_DAYS, SEVEN_DAYS = 2_592_000, 10_080


def made(name: str, *given: Any, **named: Any) -> Any:
    """What a name of the original makes."""
    return names.load(name)(*given, **named)


DEFAULTS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("BanditPolicy", (1, 0.1), {"evaluation_interval": 1, "delay_evaluation": 0, "slack_amount": None}),
    ("MedianStoppingPolicy", (), {"evaluation_interval": 1, "delay_evaluation": 0}),
    ("TruncationSelectionPolicy", (10,), {"truncation_percentage": 10, "evaluation_interval": 1, "delay_evaluation": 0}),
    ("TensorflowConfiguration", (), {"worker_count": 1, "parameter_server_count": 1}),
    ("PyTorchConfiguration", (), {"communication_backend": "Nccl", "process_count": None, "node_count": 1}),
    ("MpiConfiguration", (), {"process_count_per_node": 1, "node_count": 1}),
    ("DockerConfiguration", (), {"use_docker": False, "shared_volumes": True, "arguments": [], "shm_size": "2g"}),
    ("DockerSection", (), {"enabled": False, "shared_volumes": True, "arguments": [], "shm_size": "2g", "gpu_support": True}),
    ("PythonSection", (), {"user_managed_dependencies": False, "interpreter_path": "python"}),
    ("HistoryConfiguration", (), {"output_collection": True, "snapshot_project": True, "directories_to_watch": ["logs"]}),
    ("RunConfiguration", (), {
        "script": None, "arguments": [], "target": "local", "framework": "Python", "communicator": "None", "node_count": 1,
        "max_run_duration_seconds": None, "environment_variables": {}, "priority": None, "data": {}, "data_references": {}, "services": {},
        "credential_passthrough": False, "auto_prepare_environment": True,
    }),
    ("ScriptRunConfig", (".", "train.py"), {"compute_target": "local", "arguments": [], "max_run_duration_seconds": THIRTY_DAYS}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "expected"), DEFAULTS, ids=[name for name, *_ in DEFAULTS])
def test_what_nobody_has_set_is_as_in_the_original(name: str, given: tuple[Any, ...], expected: dict[str, Any], ws: Workspace) -> None:
    found = made(name, *given)
    assert {key: getattr(found, key) for key in expected} == expected


@pytest.mark.parametrize(("section", "key", "value"), [
    ("tensorflow", "parameter_server_count", 1), ("pytorch", "communication_backend", "Nccl"), ("docker", "use_docker", False),
    ("mpi", "process_count_per_node", 1),
])  # fmt: skip
def test_a_section_of_a_run_configuration_has_the_same_defaults(section: str, key: str, value: Any, ws: Workspace) -> None:
    config = made("RunConfiguration")
    assert getattr(getattr(config, section), key) == value
    assert type(getattr(config, section)).__module__.startswith("trainconf.compat.azureml")
    over = made("ScriptRunConfig", ".", "train.py", run_config=config)
    assert getattr(getattr(over.run_config, section), key) == value


def test_a_search_ends_after_seven_days_and_its_policy_judges_from_the_first_value_on(ws: Workspace) -> None:
    sampling = made("RandomParameterSampling", {"--lr": names.load("choice")(1, 2)})
    run_config = made("ScriptRunConfig", ".", "train.py")
    config = made("HyperDriveConfig", sampling, "acc", "MAXIMIZE", 2, policy=made("BanditPolicy", slack_factor=0.1), run_config=run_config)
    _, tree = config._layer()
    assert config.max_duration_minutes == tree["sweep"]["max_duration_minutes"] == SEVEN_DAYS
    assert tree["sweep"]["policy"]["delay_evaluation"] == 0


def test_the_default_backend_is_the_one_that_the_machine_has(capsys: pytest.CaptureFixture[str], ws: Workspace) -> None:
    words, tree = made("PyTorchConfiguration", process_count=2)._layer()
    assert (words, tree["distributed"]["communication_backend"]) == (["distributed=pytorch"], "auto")
    assert "Nccl is nccl where a run has GPUs, and gloo elsewhere" in capsys.readouterr().err
    assert made("PyTorchConfiguration", "GLOO")._layer()[1]["distributed"]["communication_backend"] == "gloo"


def test_docker_that_nobody_asked_for_leaves_the_choice_to_the_environment(ws: Workspace) -> None:
    assert made("DockerConfiguration", arguments=["--ipc=host"])._values["use_docker"] is None
    assert made("DockerConfiguration")._layer() == ([], {})


MISTAKES: list[tuple[str, str, tuple[Any, ...], dict[str, Any]]] = [
    ("RunConfigurationException", "PyTorchConfiguration", ("smoke",), {}),
    ("RunConfigurationException", "PyTorchConfiguration", ("nccl", 3, 2), {}),
    ("RunConfigurationException", "MpiConfiguration", (0,), {}),
    ("RunConfigurationException", "TensorflowConfiguration", ("one",), {}),
    ("RunConfigurationException", "ScriptRunConfig", (".", "train.py"), {"distributed_job_config": "mpi"}),
    ("RunConfigurationException", "RunConfiguration", (), {"framework": "CNTK"}),
    ("UserErrorException", "ScriptRunConfig", (".", "train.py"), {"resume_from": 3}),
    ("UserErrorException", "ScriptRunConfig", (".", "train.py"), {"command": "python train.py"}),
    ("UserErrorException", "DockerConfiguration", ("yes",), {}),
    ("UserErrorException", "DockerSection", ("image", "FROM image"), {}),
    ("UserErrorException", "ContainerRegistry", ("https://a/b",), {}),
    ("UserErrorException", "Environment", (3,), {}),
    ("UserErrorException", "PythonSection", (), {"conda_dependencies": 3}),
    ("UserErrorException", "CondaDependencies", ("nowhere.yml",), {}),
    ("UserErrorException", "Experiment", (None, "a b"), {}),
    ("HyperDriveConfigException", "BanditPolicy", (), {}),
    ("HyperDriveConfigException", "BanditPolicy", (1, 0.1, 0.1), {}),
    ("HyperDriveConfigException", "MedianStoppingPolicy", (0,), {}),
    ("HyperDriveConfigException", "TruncationSelectionPolicy", (100,), {}),
    ("HyperDriveConfigException", "RandomParameterSampling", ({},), {}),
    ("HyperDriveConfigException", "GridParameterSampling", ({"a": 1},), {}),
    ("HyperDriveConfigException", "BayesianParameterSampling", (None,), {}),
    ("HyperDriveConfigException", "choice", ([],), {}),
    ("HyperDriveConfigException", "randint", (-1,), {}),
    ("HyperDriveConfigException", "uniform", (2, 1), {}),
    ("HyperDriveConfigException", "qlognormal", (0, "x", 1), {}),
    ("HyperDriveConfigException", "HyperDriveConfig", (None, "acc", "up", 0), {}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "given", "named"), MISTAKES, ids=[f"{name}-{given}" for _, name, given, _ in MISTAKES])
def test_a_mistake_in_a_constructor_is_the_originals_exception_with_our_words(
    kind: str, name: str, given: tuple[Any, ...], named: dict[str, Any], ws: Workspace
) -> None:
    given = tuple(ws if name == "Experiment" and each is None else each for each in given)
    with pytest.raises(getattr(exceptions, kind)) as caught:
        made(name, *given, **named)
    assert isinstance(caught.value, exceptions.UserErrorException)
    assert len(str(caught.value)) > 20
    assert Path(__file__).name in str(caught.value) or name in ("Experiment", "CondaDependencies"), caught.value


def test_a_value_that_is_set_later_and_a_part_that_ours_made_are_refused_in_the_same_way(ws: Workspace) -> None:
    environment = made("Environment", "e")
    config = made("RunConfiguration")
    policy = made("MedianStoppingPolicy")
    for wrong in (
        lambda: setattr(environment.python, "user_managed_dependencies", "yes"),
        lambda: setattr(environment.python.conda_dependencies, "nope", 1) or environment.python.conda_dependencies.add_pip_package("-x"),
        lambda: setattr(environment.docker, "shm_size", "many"),
        lambda: setattr(environment.clone("f").docker, "enabled", "yes"),
        lambda: setattr(config.environment.python, "user_managed_dependencies", "yes"),
        lambda: setattr(config, "node_count", 0),
        lambda: setattr(config.history, "snapshot_project", False),
        lambda: setattr(policy, "delay_evaluation", -1),
    ):
        with pytest.raises(exceptions.UserErrorException):
            wrong()


def test_what_python_has_a_kind_for_is_that_kind_too(ws: Workspace) -> None:
    kind = names.load("Environment")
    with pytest.raises(TypeError):
        kind(3)
    with pytest.raises(FileNotFoundError):
        kind.load_from_directory("nowhere")
    kind("e").save_to_directory("there")
    with pytest.raises(FileExistsError):
        kind("e").save_to_directory("there")
    for call in (names.load("RunConfiguration").load, names.load("RunConfiguration").delete):
        with pytest.raises(FileNotFoundError) as caught:
            call(".", "gone")
        assert isinstance(caught.value, exceptions.UserErrorException)


def test_a_run_configuration_comes_back_from_its_file_with_the_originals_defaults(ws: Workspace) -> None:
    kind = names.load("RunConfiguration")
    config = kind("train.py", ["--lr", 0.1])
    config.communicator = "ParameterServer"
    config.tensorflow.worker_count = 2
    config.save(".", "two")
    found = kind.load(".", "two")
    assert type(found) is kind
    assert (found.script, found.arguments, found.tensorflow) == ("train.py", ["--lr", 0.1], config.tensorflow)
    Path(".azureml/two.runconfig").write_text("script: train.py\ncommunicator: ParameterServer\ntensorflow: {workerCount: 3}\n")
    assert kind.load(".", "two").tensorflow == made("TensorflowConfiguration", 3, 1)


def test_a_web_service_is_refused_as_scripts_expect_it() -> None:
    module = import_module("trainconf.compat.azureml.imports").Module("azureml.core.webservice")
    with pytest.raises(exceptions.WebserviceException, match=r"azureml\.core\.webservice\.Webservice has no meaning in trainconf"):
        module.Webservice(None, "x")

"""Job files of Azure ML v2: what each field is here, and that such a job runs, also as a search."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import Answer, Shell
from trainconf.compat.azureml.data.registry import register
from trainconf.compat.azureml.v2.job import Job, read
from trainconf.control.compose import compose
from trainconf.paths import WorkspacePaths

Here = Callable[..., Answer]
LEAST = "command: python train.py\nenvironment: azureml:current:1\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with code and data, and the current folder."""
    for name in ("conf/experiment", "jobs/src", "jobs/docker", "data"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("jobs/src/train.py", "data/iris.csv", "jobs/docker/Dockerfile", "jobs/docker/other.Dockerfile"):
        (tmp_path / name).write_text("")
    (tmp_path / "jobs/conda.yml").write_text("dependencies: [python=3.11, {pip: [numpy]}]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def job(folder: Path, text: str, *overrides: str) -> Job:
    path = folder / "jobs/job.yml"
    path.write_text(text)
    return read(str(path), overrides, WorkspacePaths(str(folder)))


def config(folder: Path, text: str, *overrides: str) -> dict[str, Any]:
    found = job(folder, text, *overrides)
    return compose(found.request(overrides), WorkspacePaths(str(folder))).config


def at(tree: dict[str, Any], key: str) -> Any:
    for part in key.split("."):
        tree = tree[part]
    return tree


@pytest.mark.parametrize(("lines", "expected"), [
    ("code: src\nexperiment_name: a b\ndisplay_name: c ${d}\ntags: {x: 1, y: null, z: true}",
     {"source_directory": "jobs/src", "experiment_name": "a_b", "display_name": "c ${d}", "tags": {"x": "1", "y": "", "z": "True"}}),
    ("limits: {timeout: 90}", {"max_run_duration_seconds": 90, "experiment_name": "jobs", "source_directory": "jobs"}),
    ("environment_variables: {A: 1, B: '${{inputs.lr}} ${HOME}'}\ninputs: {lr: 1e-3}",
     {"env.variables": {"A": "1", "B": "0.001 ${HOME}"}, "params": {"lr": 0.001}}),
    ("inputs:\n  d: {type: uri_file, path: ../data/iris.csv, mode: download}\n  e: {path: ../data}",
     {"inputs": {"d": "data/iris.csv", "e": "data"}}),
    ("inputs: {n: {type: integer, default: 3, min: 1, max: 5}, k: {type: string, value: rbf, enum: [rbf, linear]}, b: true}",
     {"params": {"n": 3, "k": "rbf", "b": True}}),
    ("distribution: {type: pytorch, process_count_per_instance: 4}\nresources: {instance_count: 2}",
     {"distributed.kind": "pytorch", "distributed.node_count": 2, "distributed.process_count_per_node": 4}),
    ("distribution: {type: PyTorch}", {"distributed.kind": "pytorch", "distributed.process_count_per_node": 1}),
    ("distribution: {type: mpi, process_count_per_instance: 2}\nresources: {instance_count: 3}",
     {"distributed.kind": "mpi", "distributed.node_count": 3, "distributed.process_count_per_node": 2}),
    ("distribution: {type: tensorflow, parameter_server_count: 1}\nresources: {instance_count: 2}",
     {"distributed.worker_count": 2, "distributed.parameter_server_count": 1, "distributed.node_count": 2}),
    ("distribution: {type: tensorflow, worker_count: 2}\nresources: {instance_count: 3}",
     {"distributed.worker_count": 2, "distributed.node_count": 2}),
    ("resources: {instance_count: 3}", {"distributed.kind": "none", "distributed.node_count": 3}),
])  # fmt: skip
def test_each_field_is_a_setting_of_ours(folder: Path, lines: str, expected: dict[str, Any]) -> None:
    found = config(folder, f"{LEAST}{lines}\n")
    assert {key: at(found, key) for key in expected} == expected


@pytest.mark.parametrize(("environment", "expected"), [
    ("{image: library/python:3.11}", {"env.docker.image": "python:3.11", "compute.target": "docker", "env.requirements": []}),
    ("{image: python, conda_file: conda.yml}",
     {"env.docker.base_image": "python", "env.conda_file": "jobs/conda.yml", "compute.target": "docker"}),
    ("{build: {path: docker}}", {"env.docker.dockerfile": "jobs/docker/Dockerfile", "env.docker.build_context": "jobs/docker"}),
    ("{build: {path: docker, dockerfile_path: other.Dockerfile}}", {"env.docker.dockerfile": "jobs/docker/other.Dockerfile"}),
    ("{conda_file: conda.yml, name: mine}", {"env.conda_file": "jobs/conda.yml", "env.name": "mine", "compute.target": "local"}),
    ("{conda_file: {dependencies: [python=3.11, pandas=2.1, {pip: ['torch==2.1']}]}}",
     {"env.requirements": ["pandas==2.1.*", "torch==2.1"], "env.python.version": "3.11"}),
    ("azureml:AzureML-sklearn-1.5@latest", {"env.name": "sklearn"}),
    ("azureml://registries/azureml/environments/acpt-pytorch-2.2-cuda12.1/versions/3", {"env.name": "pytorch"}),
    ("azureml:AzureML-Minimal:2", {"env.name": "minimal"}),
    ("minimal", {"env.name": "minimal"}),
])  # fmt: skip
def test_each_kind_of_environment_is_one_of_ours(folder: Path, environment: str, expected: dict[str, Any]) -> None:
    found = config(folder, f"command: 'true'\nenvironment: {environment}\n")
    assert {key: at(found, key) for key in expected} == expected


def test_an_environment_in_a_file_of_its_own_is_read(folder: Path) -> None:
    (folder / "jobs/env.yml").write_text("name: e\nversion: 1\nimage: busybox\n")
    for name in ("file:./env.yml", "env.yml"):
        assert at(config(folder, f"command: 'true'\nenvironment: {name}\n"), "env.docker.image") == "busybox"


def test_what_only_a_container_has_is_set_in_docker_and_told_elsewhere(folder: Path) -> None:
    text = "command: 'true'\nenvironment: {image: busybox}\nresources: {shm_size: 4g, docker_args: '--ipc=host --cap-add SYS_PTRACE'}\n"
    found = config(folder, text)
    assert (at(found, "compute.shm_size_gib"), at(found, "compute.arguments")) == (4.0, {"ipc_mode": "host", "cap_add": ["SYS_PTRACE"]})
    told = job(folder, text, "compute=local", "env=current").notes
    assert [note.partition(" has no")[0].rpartition(": ")[2] for note in told[1:]] == ["resources.shm_size", "resources.docker_args"]


def test_a_target_is_looked_up_in_conf_compute_and_in_the_mapping(folder: Path) -> None:
    (folder / "conf/compute/slurm").mkdir(parents=True)
    (folder / "conf/compute/slurm/gpu.yaml").write_text("defaults: [/schema/compute/slurm@_here_, _self_]\npartition: gpu\n")
    (folder / "conf/azureml.yaml").write_text("cpu-cluster: slurm/gpu\n")
    assert at(config(folder, f"{LEAST}compute: azureml:cpu-cluster\n"), "compute.partition") == "gpu"
    assert at(config(folder, f"{LEAST}compute: azureml:docker\nenvironment_variables: {{}}\n", "env=minimal"), "compute.target") == "docker"
    assert at(config(folder, f"{LEAST}compute: local\n"), "compute.target") == "local"
    assert at(config(folder, f"{LEAST}compute: unknown\n", "compute=local"), "compute.target") == "local"
    (folder / "conf/azureml.yaml").write_text("'*': slurm\n")
    assert at(config(folder, f"{LEAST}compute: unknown\n"), "compute.target") == "slurm"


def test_data_of_azures_is_looked_up_in_the_mapping(folder: Path) -> None:
    text = LEAST + ("inputs:\n  a: {type: uri_file, path: 'azureml://datastores/store/paths/iris.csv'}\n"
                    "  b: {type: uri_folder, path: 'azureml:iris:1'}\n  c: {type: uri_file, path: 'https://x.com/iris.csv'}\n")
    (folder / "conf/azureml.yaml").write_text("datastores: {store: data}\naddresses: {'https://x.com/iris.csv': data/iris.csv}\n")
    dataset = {"kind": "file", "paths": [str(folder / "data")]}
    register(SimpleNamespace(root=str(folder)), "iris", dataset, None, None, create_new_version=True)
    assert config(folder, text)["inputs"] == {"a": "data/iris.csv", "b": "data", "c": "data/iris.csv"}
    (folder / "conf/azureml.yaml").unlink()
    text = text.partition("  c:")[0]
    assert config(folder, text, "inputs.a=x.csv", "inputs.b=y")["inputs"] == {"a": "x.csv", "b": "y"}


def test_every_value_says_which_line_of_the_file_set_it(folder: Path) -> None:
    found = job(folder, "code: src\ncommand: python train.py --lr ${{inputs.lr}}\nenvironment: azureml:current:1\ninputs:\n  lr: 0.1\n")
    composed = compose(found.request(["params.lr=2"]), WorkspacePaths(str(folder)))
    told = {key: composed.origin(key) for key in ("command", "source_directory", "params.lr")}
    assert told == {"command": "jobs/job.yml:2", "source_directory": "jobs/job.yml:1", "params.lr": "command line: params.lr=2"}
    assert composed.config["command"] == "python train.py --lr 2"


def test_what_the_command_line_chooses_replaces_the_jobs_own(folder: Path) -> None:
    text = "command: 'true'\nenvironment: {image: busybox}\nenvironment_variables: {A: x}\nresources: {shm_size: 1g}\n"
    found = config(folder, text, "env=current", "compute=local")
    assert (at(found, "env.docker.image"), at(found, "env.variables"), at(found, "compute.target")) == (None, {"A": "x"}, "local")


def test_what_has_no_meaning_here_is_told_once_with_its_line(folder: Path) -> None:
    text = f"{LEAST}code: src\nservices: {{j: {{type: jupyter_lab}}}}\nqueue_settings: {{priority: high}}\nname: x\n"
    assert [note.partition(" has no meaning here")[0] for note in job(folder, text).notes] == [
        "jobs/job.yml:4: services", "jobs/job.yml:5: queue_settings", "jobs/job.yml:6: name",
    ]


SWEEP = """\
type: sweep
experiment_name: search
trial:
  command: python train.py --lr ${{search_space.lr}} --kind ${{search_space.kind}} --n ${{inputs.n}}
  environment: azureml:current:1
  code: .
inputs: {n: 2}
search_space:
  lr: {type: loguniform, min_value: -2, max_value: 0}
  kind: {type: choice, values: [a, b c]}
sampling_algorithm: {type: random, seed: 7, rule: sobol, logbase: 10}
objective: {goal: Minimize, primary_metric: loss}
early_termination: {type: bandit, slack_factor: 0.2, delay_evaluation: 1}
limits: {max_total_trials: 3, max_concurrent_trials: 2, timeout: 600, trial_timeout: 60}
"""


def test_a_sweep_is_a_search_of_ours(folder: Path) -> None:
    found = config(folder, SWEEP)
    ln_10 = 2.302585092994046
    assert found["metric"] == {"name": "loss", "goal": "minimize"}
    assert found["max_run_duration_seconds"] == 60
    wanted = {"kind": "random", "seed": 7, "rule": "sobol", "max_total_runs": 3, "max_concurrent_runs": 2, "max_duration_minutes": 10}
    assert {key: found["sweep"][key] for key in wanted} == wanted
    assert found["sweep"]["space"] == {"params.lr": f"loguniform({-2 * ln_10!r}, 0.0)", "params.kind": ["a", "b c"]}
    assert found["sweep"]["policy"] | {"unit": ""} == {
        "kind": "bandit", "evaluation_interval": 1, "delay_evaluation": 1, "unit": "", "slack_factor": 0.2, "slack_amount": None,
    }


@pytest.mark.parametrize(("word", "kind"), [("random", "random"), ("grid", "grid"), ("Bayesian", "bayes"), ("{type: bayesian}", "bayes")])
def test_a_sampling_algorithm_may_be_a_word_or_an_object(folder: Path, word: str, kind: str) -> None:
    text = SWEEP.replace("{type: random, seed: 7, rule: sobol, logbase: 10}", word)
    assert config(folder, text)["sweep"]["kind"] == kind


@pytest.mark.parametrize(("policy", "expected"), [
    ("{type: median_stopping}", {"kind": "median", "evaluation_interval": 1, "delay_evaluation": 0}),
    ("{type: truncation_selection, truncation_percentage: 30, evaluation_interval: 2}",
     {"kind": "truncation", "truncation_percentage": 30, "evaluation_interval": 2}),
    ("{type: bandit, slack_amount: 0, evaluation_interval: 0}", {"kind": "bandit", "slack_amount": 0, "evaluation_interval": 1}),
])
def test_each_policy_is_one_of_ours(folder: Path, policy: str, expected: dict[str, Any]) -> None:
    text = SWEEP.replace("{type: bandit, slack_factor: 0.2, delay_evaluation: 1}", policy)
    found = config(folder, text)["sweep"]["policy"]
    assert {key: found[key] for key in expected} == expected


SCRIPT = """\
import os, sys
from trainconf import Run
print(sys.argv[1:], os.environ.get("AZUREML_PARAMETER_lr"))
for i in range(3):
    Run.get_context().log("loss", float(sys.argv[2]) * (3 - i))
"""


def test_a_sweep_runs_and_each_trial_gets_its_values(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", SCRIPT)
    workspace.write("job.yml", SWEEP.replace("[a, b c]", "[a, b]"))
    answer = here("azureml", "job.yml", f"compute.lease_dir={workspace.leases}", "sweep/policy=none")
    assert answer.code == 0, answer
    runs = [path for path in workspace.run_dirs() if "_" in path.name]
    assert len(runs) == 3
    for run in runs:
        params = json.loads((run / "run.json").read_text())["params"]
        said = (run / "logs/std_log.txt").read_text().splitlines()
        assert said == [f"{['--lr', str(params['lr']), '--kind', params['kind'], '--n', '2']} {params['lr']}"]
    assert len({json.loads((run / "run.json").read_text())["params"]["lr"] for run in runs}) == 3


def test_keys_that_exist_with_one_option_alone_are_searched_with_it(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", "import sys\nprint(sys.argv[1:])\n")
    options = "[{name: sgd, momentum: {type: uniform, min_value: 0, max_value: 1}}, {name: adam}]"
    text = SWEEP.replace("choice, values: [a, b c]", f"choice, values: {options}")
    workspace.write("job.yml", text.replace("max_total_trials: 3", "max_total_trials: 8"))
    answer = here("azureml", "job.yml", f"compute.lease_dir={workspace.leases}", "sweep/policy=none")
    assert answer.code == 0, answer
    kinds = [json.loads((run / "run.json").read_text())["params"]["kind"] for run in workspace.run_dirs() if "_" in run.name]
    assert {tuple(sorted(kind)) for kind in kinds} == {("name",), ("momentum", "name")}
    assert all(("momentum" in kind) == (kind["name"] == "sgd") for kind in kinds)


def test_a_job_runs_with_its_inputs_outputs_and_exit_code(here: Here, workspace: Shell) -> None:
    workspace.write("sub dir/src/train.py", "import sys, pathlib\nprint(pathlib.Path(sys.argv[1]).read_text())\n"
                    "pathlib.Path(sys.argv[2], 'm.txt').write_text('made')\nsys.exit(7)\n")
    workspace.write("sub dir/da ta.txt", "read me")
    workspace.write("sub dir/job.yml", """\
command: cd /tmp && python \"$OLDPWD\"/train.py ${{inputs.data}} ${{outputs.model}}
code: ./src
environment: azureml:current@latest
inputs: {data: {type: uri_file, path: "da ta.txt"}}
outputs: {model: {type: uri_folder}}
""")
    answer = here("azureml", "sub dir/job.yml", f"compute.lease_dir={workspace.leases}")
    assert answer.code == 7, answer
    (run,) = workspace.run_dirs()
    assert (run / "logs/std_log.txt").read_text() == "read me\n"
    assert (run / "outputs/model/m.txt").read_text() == "made"


def test_a_plan_starts_nothing(here: Here, workspace: Shell) -> None:
    workspace.write("job.yml", LEAST)
    before = workspace.tree()
    answer = here("azureml", "job.yml", "--plan", "compute.slots=3")
    assert answer.code == 0, answer
    assert "sh -c 'python train.py' sh" in answer.out
    assert workspace.tree() == before
    workspace.write("job.yml", SWEEP)
    answer = here("azureml", "job.yml", "--plan")
    assert answer.code == 0, answer
    assert "params.kind  a, 'b c'" in answer.out
    assert not workspace.run_dirs()

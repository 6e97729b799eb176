"""Submit scripts and training scripts in the words of SDK v1, run as they stand by `trainconf azureml`, on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell
from tests.testbed.cluster import Cluster

BEGIN = """\
from azureml.core import Dataset, Environment, Experiment, Model, Run, ScriptRunConfig, Workspace
from azureml.data import OutputFileDatasetConfig
ws = Workspace.from_config()
here = Environment("user-managed")
here.python.user_managed_dependencies = True
"""
DATA = """\
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException
try:
    target = ComputeTarget(workspace=ws, name="cpu-cluster")
except ComputeTargetException:
    target = ComputeTarget.create(ws, "cpu-cluster", AmlCompute.provisioning_configuration(vm_size="S", max_nodes=4))
store = ws.get_default_datastore()
store.upload(src_dir="raw", target_path="numbers", overwrite=True, show_progress=False)
files = Dataset.File.from_files(path=(store, "numbers")).register(ws, "numbers", create_new_version=True)
table = Dataset.Tabular.from_delimited_files((store, "numbers/a.csv"))
made = OutputFileDatasetConfig(destination=(store, "made")).register_on_complete("sums")
src = ScriptRunConfig("code", "train.py", compute_target=target, environment=here, arguments=[
    "--data-folder", files.as_named_input("numbers").as_mount(), "--table", table.as_named_input("table"), "--reg", 0.5, "--out", made,
    "--home=$WHERE",
])
src.run_config.environment_variables = {"WHERE": "it's here"}
run = Experiment(workspace=ws, name="sums").submit(src, tags={"kind": "small"})
details = run.wait_for_completion(show_output=True)
assert isinstance(run, Run) and details["status"] == run.get_status() == "Completed", details
assert details["runDefinition"]["data"].keys() == {"numbers", "table"}
print(run.get_metrics())
print(sorted(run.get_file_names()), run.get_tags())
run.download_file("azureml-logs/70_driver_log.txt", "log.txt")
print(run.register_model(model_name="best", model_path="outputs/model.txt", tags={"a": "b"}))
print([model.id for model in Model.list(ws)], open(Model.get_model_path("sum")).read())
print(open(store.inside("made/sum.csv")).read(), Dataset.get_by_name(ws, "sums").to_path())
print([found.id == run.id for found in Experiment(ws, "sums").get_runs(tags={"kind": "small"})])
"""
TRAIN = """\
import argparse, os
from azureml.core import Dataset, Model, Run
parser = argparse.ArgumentParser()
for name in ("--data-folder", "--table", "--out", "--home"):
    parser.add_argument(name)
parser.add_argument("--reg", type=float)
args = parser.parse_args()
run = Run.get_context()
assert run.input_datasets["numbers"] == args.data_folder and os.path.isdir(args.out), args
assert args.home == "it's here", args
table = Dataset.get_by_id(run.experiment.workspace, id=args.table)
rows = open(table.files[0]).read().split()[1:]
total = sum(int(row) for row in rows)
run.log("total", total)
for epoch in range(2):
    run.log("loss", args.reg / (epoch + 1), step=epoch)
run.log_row("once", epoch=1, eur=2.5)
run.log_list("list", [1, 2, 3])
open(os.path.join(args.out, "sum.csv"), "w").write(str(total))
open("outputs/model.txt", "w").write("model")
model = run.register_model("sum", "outputs/model.txt")
print("trained", run.id in repr(run), sorted(os.listdir(args.data_folder)), model, run.parent)
"""


def submit(shell: Shell, text: str, train: str = TRAIN, *, code: int = 0, target: str = "local") -> Answer:
    """Run a submit script over a training script."""
    (shell.root / "conf" / "experiment").mkdir(parents=True, exist_ok=True)
    shell.write("conf/azureml.yaml", f"cpu-cluster: {target}\n")
    shell.write("code/train.py", train)
    shell.write("raw/a.csv", "x\n1\n2\n")
    shell.write("submit.py", BEGIN + text)
    answer = shell("azureml", "submit.py")
    assert answer.code == code, answer
    return answer


def test_a_script_submits_reads_writes_and_finds_again_what_ran(shell: Shell) -> None:
    lines = submit(shell, DATA).out.splitlines()
    assert next(line for line in lines if line.startswith("trained")).startswith("trained True ['a.csv'] Model('sum', version=1)")
    metrics = next(line for line in lines if line.startswith("{"))
    assert metrics == str({"total": 3, "loss": [0.5, 0.25], "list": [1, 2, 3], "once": {"epoch": 1, "eur": 2.5}})
    files = next(line for line in lines if "std_log.txt" in line)
    assert lines[-5:] == [files, "Model('best', version=1)", "['best:1', 'sum:1'] model", "3 ['/sum.csv']", "[True]"]
    assert "trained" in (shell.root / "log.txt").read_text()
    spec = json.loads((shell.run_dirs()[0] / "spec.json").read_text())
    assert spec["code"]["compat"] == ["azureml"]
    assert {name for name, _ in spec["code"]["input_digests"]} == {"numbers", "table"}


def test_packages_of_an_environment_that_its_user_manages_are_left_out_as_in_the_original(shell: Shell) -> None:
    text = (
        "from azureml.core.conda_dependencies import CondaDependencies\n"
        "here.python.conda_dependencies = CondaDependencies.create(pip_packages=['no-such-package'], conda_packages=['scikit-learn'])\n"
        "run = Experiment(ws, 'x').submit(ScriptRunConfig('code', 'train.py', environment=here))\n"
        "print(run.wait_for_completion()['status'], here.python.conda_dependencies.get_pip_requirements())\n"
    )
    answer = submit(shell, text, "print('ran')")
    assert answer.out == "Completed no-such-package\n"
    assert "the packages of the environment user-managed are not installed" in answer.err


def test_a_run_that_fails_raises_the_originals_exception_and_its_code_is_kept(shell: Shell) -> None:
    text = (
        "from azureml.exceptions import ActivityFailedException\n"
        "run = Experiment(ws, 'fails').submit(ScriptRunConfig('code', 'train.py', environment=here))\n"
        "print(run.wait_for_completion(raise_on_error=False)['status'])\n"
        "try:\n    run.wait_for_completion()\nexcept ActivityFailedException as error:\n    print('UserError' in error.error_details)\n"
    )
    assert submit(shell, text, "raise SystemExit(3)").out == "Failed\nTrue\n"


def test_a_sweep_runs_here_and_gives_its_best_trial(shell: Shell) -> None:
    text = (
        "from azureml.train.hyperdrive import BanditPolicy, HyperDriveConfig, PrimaryMetricGoal, RandomParameterSampling, choice\n"
        "src = ScriptRunConfig('code', 'train.py', arguments=['--lr', 0.1], environment=here, compute_target='cpu-cluster')\n"
        "config = HyperDriveConfig(run_config=src, hyperparameter_sampling=RandomParameterSampling({'--lr': choice(1, 2, 3)}),\n"
        "    policy=BanditPolicy(slack_factor=0.5), primary_metric_name='score', primary_metric_goal=PrimaryMetricGoal.MAXIMIZE,\n"
        "    max_total_runs=3, max_concurrent_runs=1)\n"
        "run = Experiment(ws, 'sweep').submit(config)\nrun.wait_for_completion(show_output=False)\n"
        "best = run.get_best_run_by_primary_metric()\n"
        "print(run.get_status(), best.get_metrics(), best.get_details()['runDefinition']['arguments'], len(list(run.get_children())))\n"
        "print(len(run.get_metrics()), run.get_children_sorted_by_primary_metric()[0]['best_primary_metric'], best.parent.id == run.id)\n"
    )
    train = "import sys\nfrom azureml.core import Run\nRun.get_context().log('score', float(sys.argv[2]))\n"
    answer = submit(shell, text, train)
    assert answer.out.splitlines()[-2:] == ["Completed {'score': 3.0} ['--lr', '3'] 3", "3 3.0 True"], answer


def test_a_sweep_of_which_no_trial_completed_says_so_in_the_originals_exception(shell: Shell) -> None:
    text = (
        "from azureml.exceptions import ActivityFailedException\n"
        "from azureml.train.hyperdrive import BanditPolicy, GridParameterSampling, HyperDriveConfig, PrimaryMetricGoal, choice\n"
        "src = ScriptRunConfig('code', 'train.py', environment=here)\n"
        "config = HyperDriveConfig(run_config=src, hyperparameter_sampling=GridParameterSampling({'--lr': choice(3, 1)}),\n"
        "    policy=BanditPolicy(slack_amount=1), primary_metric_name='score', primary_metric_goal=PrimaryMetricGoal.MAXIMIZE,\n"
        "    max_total_runs=2, max_concurrent_runs=1)\n"
        "run = Experiment(ws, 'sweep').submit(config)\n"
        "try:\n    run.wait_for_completion()\nexcept ActivityFailedException as error:\n    print(error.error_details)\n"
    )
    train = (
        "import sys, time\nfrom azureml.core import Run\nRun.get_context().log('score', float(sys.argv[2]))\n"
        "if sys.argv[2] == '3':\n    sys.exit(3)\ntime.sleep(600)\n"
    )
    answer = submit(shell, text, train)
    assert "no trial completed" in answer.out, answer


def test_an_estimator_is_the_script_that_it_says(shell: Shell) -> None:
    text = (
        "from azureml.train.estimator import Estimator\n"
        "from azureml.train.dnn import Mpi, PyTorch\n"
        "store = ws.get_default_datastore()\nstore.upload('raw', 'numbers', show_progress=False)\n"
        "estimator = Estimator(source_directory='code', entry_script='train.py', compute_target='cpu-cluster', user_managed=True,\n"
        "    script_params={'--data': store.path('numbers').as_mount(), '--fast': '', '--lr': 0.1}, vm_size='S',\n"
        "    environment_variables={'A': 'b'}, inputs=[Dataset.File.from_files((store, 'numbers')).as_named_input('more').as_mount()])\n"
        "run = Experiment(ws, 'old').submit(estimator)\nrun.wait_for_completion(show_output=True)\n"
        "torch = PyTorch('code', entry_script='train.py', pip_packages=['pillow'], node_count=2, process_count_per_node=2,\n"
        "    distributed_training=Mpi())\n"
        "print(torch.conda_dependencies.serialize_to_string().count('torch'), torch.run_config.distributed)\n"
    )
    train = (
        "import os, sys\nfrom azureml.core import Run\n"
        "print(sys.argv[3:], os.listdir(sys.argv[2]), os.environ['A'], os.listdir(Run.get_context().input_datasets['more']))\n"
    )
    answer = submit(shell, text, train)
    assert "['--fast', '--lr', '0.1'] ['a.csv'] b ['a.csv']" in answer.out
    assert answer.out.splitlines()[-1] == "1 MpiConfiguration(process_count_per_node=2, node_count=2)"
    assert "Estimator(vm_size=...) has no effect here" in answer.err


def test_a_run_of_this_process_has_children_and_the_originals_shapes(shell: Shell) -> None:
    text = (
        "exp = Experiment(ws, 'inside')\n"
        "with exp.start_logging() as run:\n"
        "    run.log('one', 1.5)\n    run.tag('quality', 'good')\n    run.add_properties({'author': 'me'})\n"
        "    with run.child_run('child') as child:\n        child.log('two', 2)\n"
        "    try:\n        run.log('bad', [1, 2])\n    except Exception as error:\n        print(type(error))\n"
        "found = Run(exp, run.id)\n"
        "print(found.get_status(), found.get_metrics(), found.get_tags(), found.get_properties()['author'])\n"
        "print([each.get_metrics() for each in found.get_children()], len(list(exp.get_runs(properties={'author': 'me'}))))\n"
        "print(found.get_details()['runId'] == run.id, found.type)\n"
    )
    found = submit(shell, text).out.splitlines()
    assert found == [
        "<class 'azureml.exceptions.UserErrorException'>", "Completed {'one': 1.5} {'quality': 'good'} me", "[{'two': 2}] 1",
        "True interactive",
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), [
    ("ScriptRunConfig('code', 'none.py', environment=here)", "ExperimentExecutionException: the script 'none.py' does not exist"),
    ("ScriptRunConfig('code', 'train.py', compute_target='gpu')", "ComputeTargetException: there is no compute target 'gpu'"),
    ("ScriptRunConfig('code', 'train.py', arguments=['$AZUREML_DATAREFERENCE_x'])", "UserErrorException: the argument"),
    ("3", "UserErrorException: submit takes a ScriptRunConfig, an estimator or a HyperDriveConfig, not 3"),
])
def test_what_cannot_be_submitted_is_told_at_the_scripts_own_line_and_leaves_no_run(shell: Shell, text: str, told: str) -> None:
    answer = submit(shell, f"Experiment(ws, 'x').submit({text})\n", code=1)
    assert f"azureml.exceptions.{told}" in answer.err, answer
    frames = [line.partition(", ")[2] for line in answer.err.splitlines() if line.startswith("  File")]
    assert frames == ["line 6, in <module>"]
    assert not shell.run_dirs()


@pytest.mark.docker
def test_in_a_container_a_job_has_its_inputs_and_registers_models_when_it_is_waited_for(
    shell: Shell, docker_base_image: str, docker_settings: list[str]
) -> None:
    text = DATA.replace("environment=here", f"environment=Environment.from_docker_image('image', {docker_base_image!r})")
    answer = submit(shell, text, TRAIN.replace("Model('sum'", "None"))
    assert "trained True ['a.csv'] None None" in answer.out
    assert "['best:1', 'sum:1'] model" in answer.out
    assert Path(shell.root, "models", "sum", "1", "model.txt").read_text() == "model"


@pytest.mark.slurm
def test_the_same_scripts_run_on_a_cluster_that_the_mapping_names(shell: Shell, cluster: Cluster) -> None:
    lines = submit(shell, DATA, target="slurm").out.splitlines()
    assert "['best:1', 'sum:1'] model" in lines
    assert "3 ['/sum.csv']" in lines
    assert json.loads((shell.run_dirs()[0] / "spec.json").read_text())["compute"]["target"] == "slurm"

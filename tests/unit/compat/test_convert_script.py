"""`trainconf azureml convert submit.py`: the script submits nothing, and the experiments ask for exactly what it would have submitted."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.conftest import Answer, Shell
from trainconf.compat.azureml.recording import NothingRan, recording
from trainconf.control.compose import ComposeRequest, resolve
from trainconf.control.sweeps.steer import plan
from trainconf.paths import WorkspacePaths

Here = Callable[..., Answer]
HEAD = """\
from trainconf import *
ws = Workspace(".")
exp = Experiment(ws, "first")
"""
SUBMITS = [
    'exp.submit(ScriptRunConfig("code", "train.py", ["--lr", 0.1, "--name", "a ${b} \\"c\\" \'d\'", True, 1e-7], environment="current"))',
    'exp.submit(ScriptRunConfig("code", command="python train.py $HOME ${HOME} && echo \'x\'", environment="current"),'
    ' tags={"a": "1", "b.c": "yes"})',
    'exp.submit(ScriptRunConfig("code", "train.py", environment="current", params={"x": [1, 2], "y": {"z": None, "t": "null"}},'
    ' argument_style="hydra", metric=("loss", "minimize"), inputs={"data": "code"}))',
    'exp.submit(ScriptRunConfig("code", "train.py", distributed_job_config=PyTorchConfiguration(process_count=2), environment="minimal"))',
    'exp.submit(ScriptRunConfig("code", "train.py", environment="current", max_run_duration_seconds=60,'
    ' overrides=["compute.slots=3", "retries=2", "+params.lr=0.5", "+env.variables={A: x}"]))',
    'exp.submit(ScriptRunConfig.from_experiment("base", "params.lr=0.7", compute_target="local"))',
]  # fmt: skip
BASE = """\
# @package _global_
defaults: [override /env: current, _self_]
experiment_name: base
source_directory: code
script: train.py
params: {lr: 0.1, epochs: 2}
"""


SEARCHES = [
    'exp.submit(HyperDriveConfig(run_config=src, primary_metric_name="acc", primary_metric_goal=PrimaryMetricGoal.MAXIMIZE,'
    ' hyperparameter_sampling=RandomParameterSampling({"--lr": loguniform(-6, -1), "x": choice(1, 2)}),'
    ' policy=BanditPolicy(slack_factor=0.1), max_total_runs=4))',
    'exp.submit_sweep(src, "+params.lr=0.1,0.2", tags={"a": "b"})',
    'exp.submit_sweep(src, "sweep=random", "sweep.max_total_runs=3", "+params.lr=uniform(0, 1)", "sweep.seed=1")',
]


@pytest.fixture
def script(workspace: Shell, here: Here) -> Callable[[str], None]:
    """Writes a submit script into a workspace."""
    (workspace.root / ".trainconf").mkdir()
    workspace.write("code/train.py", "import sys\nprint(sys.argv[1:])\n")
    workspace.write("conf/experiment/base.yaml", BASE)


    def write(text: str) -> None:
        workspace.write("submit.py", f"{HEAD}{text}\n")

    return write


@pytest.mark.parametrize("submit", SUBMITS)
def test_the_experiment_resolves_to_the_spec_that_would_have_been_submitted(
    submit: str, script: Callable[[str], None], here: Here, workspace: Shell
) -> None:
    script(submit)
    answer = here("azureml", "convert", "submit.py", "-o", "conf/experiment/mine.yaml")
    assert answer.code == 0, answer
    assert workspace.run_dirs() == []
    with recording() as asked:
        runpy.run_path("submit.py")
    paths = WorkspacePaths(str(workspace.root))
    wanted, found = resolve(asked[0].request, paths), resolve(ComposeRequest(["experiment=mine"]), paths)
    assert found.spec.spec_hash == wanted.spec.spec_hash
    assert found.composed.config == wanted.composed.config
    assert found.source_directory == wanted.source_directory


@pytest.mark.parametrize("submit", SEARCHES)
def test_the_search_of_the_experiment_is_the_one_that_would_have_been_submitted(
    submit: str, script: Callable[[str], None], here: Here, workspace: Shell
) -> None:
    src = 'src = ScriptRunConfig("code", "train.py", environment="current", params={"epochs": 2})'
    script(f"{src}\nrun = {submit}\nrun.wait_for_completion()\nprint(run.get_metrics())")
    answer = here("azureml", "convert", "submit.py", "-o", "conf/experiment/mine.yaml")
    assert answer.code == 0, answer
    assert "`trainconf -m experiment=mine` runs it" in answer.err
    with suppress(NothingRan), recording() as asked:
        runpy.run_path("submit.py")
    paths = WorkspacePaths(str(workspace.root))
    wanted, found = (plan(request, paths) for request in (asked[0].request, ComposeRequest(["experiment=mine"])))
    assert (found.kind, found.keys, found.total, found.policy, found.goal) == (
        wanted.kind, wanted.keys, wanted.total, wanted.policy, wanted.goal,
    )  # fmt: skip


def test_every_submission_has_a_file_and_the_script_may_wait_and_ask(script: Callable[[str], None], here: Here, workspace: Shell) -> None:
    script("""\
import sys
for lr in (1, 2):
    run = exp.submit(ScriptRunConfig("code", "train.py", ["--lr", lr], environment="current"), tags={"n": str(lr)})
    run.tag("later", "x")
    run.wait_for_completion(show_output=True)
    print(run.id, run.get_status(), run.get_portal_url(), run)
sys.exit(0)""")
    answer = here("azureml", "convert", "submit.py", "-o", "conf/experiment/mine.yaml")
    assert answer.code == 0, answer
    assert answer.out == ""
    assert "`trainconf experiment=mine_2` runs it" in answer.err
    lines = [workspace.root.joinpath(f"conf/experiment/{name}.yaml").read_text() for name in ("mine", "mine_2")]
    assert ['arguments: ["--lr", 1]' in lines[0], 'arguments: ["--lr", 2]' in lines[1]] == [True, True]


def test_a_script_that_asks_for_results_ends_there_and_what_it_submitted_is_written(
    script: Callable[[str], None], here: Here, workspace: Shell
) -> None:
    script(f"""\
run = {SUBMITS[0]}
try:
    print(run.get_metrics()["acc"])
except Exception:
    print("the script may not swallow it")
{SUBMITS[1]}""")
    answer = here("azureml", "convert", "submit.py")
    assert answer.code == 0, answer
    assert answer.out.count("# @package _global_") == 1
    assert "asks a run for `get_metrics` (submit.py:6)" in answer.err
    assert "swallow" not in answer.err


def test_a_script_that_submits_nothing_is_told_so(script: Callable[[str], None], here: Here, workspace: Shell) -> None:
    script("print('nothing')")
    assert "submit.py submits nothing" in here("azureml", "convert", "submit.py").err
    script("raise ValueError('no')")
    answer = here("azureml", "convert", "submit.py")
    assert answer.code == 2
    assert "ValueError: no" in answer.err
    script('exp.submit(ScriptRunConfig("code", "nope.py", environment=3))')
    assert here("azureml", "convert", "submit.py").code == 2


def test_submitting_works_again_after_a_script_was_noted() -> None:
    from trainconf.control import submit
    from trainconf.sdk.experiment import Experiment

    before = submit.submit, Experiment.submit
    with suppress(NothingRan), recording():
        assert Experiment.submit is not before[1]
        raise NothingRan("get_metrics", "submit.py:1")
    assert (submit.submit, Experiment.submit) == before


def test_a_script_for_sdk_v1_is_converted_as_it_stands(script: Callable[[str], None], here: Here, workspace: Shell) -> None:
    workspace.write("azure.py", """\
from azureml.core import Environment, Experiment, ScriptRunConfig, Workspace
ws = Workspace.from_config()
env = Environment("user-managed-env")
env.python.user_managed_dependencies = True
src = ScriptRunConfig(source_directory="code", script="train.py", arguments=["--a", 1], compute_target="local", environment=env)
run = Experiment(workspace=ws, name="my_experiment").submit(config=src)
run.wait_for_completion(show_output=True)
run.download_file(name="outputs/model", output_file_path="model")
""")
    assert here("azureml", "convert", "azure.py", "-o", "conf/experiment/mine.yaml").code == 0
    answer = here("experiment=mine", f"compute.lease_dir={workspace.leases}")
    assert answer.code == 0, answer
    assert "['--a', '1']" in answer.out
    (run,) = workspace.run_dirs()
    assert run.parent.name == "my_experiment"


def test_a_script_of_sdk_v1_that_waits_is_converted_at_once(workspace: Shell, script: Callable[[str], None]) -> None:
    (workspace.root / "v1.py").write_text(
        "from azureml.core import Experiment, ScriptRunConfig, Workspace\n"
        "run = Experiment(Workspace.from_config(), 'first').submit(ScriptRunConfig('code', 'train.py'))\n"
        "from trainconf.compat.azureml.runs import waiting\n"
        "waiting.SETTLE_SECONDS = None  # a sleep would raise\n"
        "run.wait_for_completion(show_output=True)\nprint(run, run.get_status())\n"
    )
    answer = workspace("azureml", "convert", "v1.py")
    assert "script: train.py" in answer.out, answer
    assert "ended" not in answer.err

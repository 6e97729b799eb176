"""`compat: [azureml]` puts trainconf's `azureml` on the job's path, on every target, and nowhere without being asked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell
from tests.unit.launchers.docker.containers import carry_out, make_job
from trainconf.engine.client import Engine
from trainconf.fast.records import replace
from trainconf.launchers.job.env import compat_variables
from trainconf.launchers.protocol import Job
from trainconf.launchers.slurm import containers

LOOK = """\
try:
    import azureml.core
    print('ours', azureml.core.Run.__name__)
except ImportError as error:
    print(error)
"""


def logged(workspace: Shell) -> str:
    return (workspace.run_dirs()[-1] / "logs" / "std_log.txt").read_text()


def test_a_job_gets_the_names_it_asked_for_and_no_others(workspace: Shell) -> None:
    workspace.write("train.py", LOOK)
    assert workspace(*workspace.script("experiment_name=bare")).code == 0
    answer = workspace(*workspace.script("compat=[azureml]"))
    assert answer.code == 0, answer
    logs = {path.parents[2].name: path.read_text() for path in workspace.root.glob("runs/*/*/logs/std_log.txt")}
    assert logs == {"bare": "No module named 'azureml'\n", "adhoc": "ours Run\n"}


def test_an_installed_package_of_that_name_is_not_used_and_the_log_says_so(workspace: Shell) -> None:
    installed = workspace.root / "site" / "azureml"
    workspace.write("site/azureml/__init__.py", "import theirs")
    workspace.write("train.py", f"import sys; sys.path.append({str(installed.parent)!r})\n{LOOK}")
    assert workspace(*workspace.script("compat=[azureml]")).code == 0
    assert logged(workspace) == (
        f"trainconf: `import azureml` gets trainconf's own, for this was asked for (compat). The one in {installed} is not used.\n"
        "ours Run\n"
    )


def test_it_counts_in_the_spec_and_an_unknown_name_is_refused_with_those_there_are(workspace: Shell, here: Callable[..., Answer]) -> None:
    plain = json.loads(here("plan", *workspace.script(), "--json").out)["spec"]
    asked = json.loads(here("plan", *workspace.script("compat=[azureml,azureml]"), "--json").out)["spec"]
    assert (plain["code"]["compat"], asked["code"]["compat"]) == ([], ["azureml"])
    assert plain["spec_hash"] != asked["spec_hash"]
    answer = here("plan", *workspace.script("compat=[azureml,sagemaker]"))
    assert answer.code == 2
    facts = answer.told["compat names 'sagemaker', whose imports trainconf does not offer"]
    assert "azureml" in facts["allowed"].split(", ")


def compat_job(root: Path) -> Job:
    job = make_job(root, ["python", "-c", LOOK])
    return replace(job, spec=replace(job.spec, code=replace(job.spec.code, compat=("azureml",))))


@pytest.mark.docker
def test_a_container_gets_them_too(docker_engine: str, tmp_path: Path) -> None:
    ended = carry_out(Engine(docker_engine), compat_job(tmp_path))
    assert (ended.code, ended.log) == (0, "ours Run\n")


def test_a_container_on_a_cluster_is_told_the_folders_before_the_images_own_path(tmp_path: Path) -> None:
    (name, folders), = compat_variables(("azureml", "wandb")).items()
    words = ["sh", "-c", containers.INSIDE + 'echo "$PYTHONPATH"', "sh", f"{name}={folders}", "--"]
    found = subprocess.run(words, env={"PYTHONPATH": "/of/the/image"}, capture_output=True, text=True, check=True).stdout
    below = "/mnt/trainconf/trainconf/compat/{}/path"
    assert found == f"/mnt/trainconf:{below.format('azureml')}:{below.format('wandb')}:/of/the/image\n"
    assert f"{name}={below.format('azureml')}" in containers.command(compat_job(tmp_path), "apptainer", ["python", "train.py"])


def test_the_names_are_there_in_a_bare_python_and_what_has_no_meaning_says_so_when_it_is_used() -> None:
    root = Path(__file__).parents[3]
    path = f"{root}:{root}/trainconf/compat/azureml/path"
    code = (
        "from azureml.core import Run\nfrom azureml.pipeline.core import Pipeline\nimport azureml.core.run\n"
        "assert azureml.core.run.Run is Run and not isinstance(1, Pipeline)\n"
        "uses = lambda: Pipeline(workspace=1), lambda: Pipeline.load, lambda: azureml.core.Nope, lambda: __import__('azureml.nope')\n"
        "for use in uses:\n"
        "    try: use()\n    except Exception as error: print(type(error).__name__, str(error).split(':')[0].split('. It')[0])\n"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "NotHereError azureml.pipeline.core.Pipeline has no meaning in trainconf",
        "NotHereError azureml.pipeline.core.Pipeline.load has no meaning in trainconf",
        "AttributeError trainconf has no azureml.core.Nope",
        "ModuleNotFoundError trainconf has no module azureml.nope",
    ], done

"""Every name of the original has an answer: ours, or one sentence that says why it has no meaning here."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from trainconf.compat.azureml import compute, names, without
from trainconf.compat.azureml.exceptions import ComputeTargetException, NotHereError, ProjectSystemException
from trainconf.compat.azureml.imports import Module
from trainconf.compat.azureml.workspace import Workspace

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize("module", sorted(names.MODULES))
def test_what_a_module_is_known_for_is_there(module: str) -> None:
    found = Module(module)
    for name in names.offered(module):
        assert getattr(found, name) is not None
        assert names.why_not(module, name) is None, name


def test_every_place_leads_to_something() -> None:
    for place in names.PLACES.values():
        module, _, name = place.partition(":")
        assert hasattr(import_module(module), name), place


@pytest.mark.parametrize("name", sorted(without.NOT_HERE))
def test_what_has_no_meaning_says_why_in_one_sentence(name: str) -> None:
    module, attribute = (name, "Anything") if name.startswith("azureml.") else ("azureml.core", name)
    assert names.is_module(module)
    with pytest.raises(NotHereError) as caught:
        getattr(Module(module), attribute)()
    assert str(caught.value).startswith(f"{module}.{attribute} has no meaning in trainconf: ")


def test_a_star_import_gives_what_the_module_is_known_for() -> None:
    code = "from azureml.core.compute import *\nprint(AmlCompute.__name__, ComputeTargetException.__module__)"
    env = {"PYTHONPATH": f"{ROOT}:{ROOT}/trainconf/compat/azureml/path"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout == "AmlCompute azureml.exceptions\n", done


def test_a_compute_target_is_a_choice_or_what_the_mapping_says_and_nothing_is_made(
    ws: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ComputeTargetException, match=r"no compute target 'cpu'.*There are docker, local, slurm.*`cpu: local` in"):
        compute.ComputeTarget(workspace=ws, name="cpu")
    configuration = compute.AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=4)
    with pytest.raises(ComputeTargetException, match="nothing can be made in a cloud"):
        compute.ComputeTarget.create(ws, "cpu", configuration)
    Path("conf/azureml.yaml").write_text("cpu: slurm\nodd: nope\n")
    assert compute.AmlCompute(ws, "cpu").choice == "slurm"
    with pytest.raises(ComputeTargetException, match="maps the compute target odd to nope, which is no choice"):
        compute.ComputeTarget(ws, "odd")
    Path("conf/azureml.yaml").write_text("cpu: slurm\n'*': local\n")
    capsys.readouterr()
    target = compute.ComputeTarget.create(ws, "anything", configuration)
    for _ in range(2):
        target.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)
    assert capsys.readouterr().err == (
        "trainconf: ComputeTarget.create makes nothing here: anything is compute=local\n"
        "trainconf: wait_for_completion of a compute target waits for nothing here: it is there\n"
    )
    assert target.get_status().serialize()["provisioningState"] == "Succeeded"
    assert list(ws.compute_targets) == ["docker", "local", "slurm", "cpu"]


@pytest.mark.parametrize("text", ["- a\n", "cpu: [a]\n", "datastores: x\n", "datastores:\n  a: 1\n", "a: b: c\n"])
def test_a_mapping_that_cannot_be_read_is_told_with_its_file(ws: Workspace, text: str) -> None:
    Path("conf/azureml.yaml").write_text(text)
    with pytest.raises(Exception, match=r"conf/azureml\.yaml"):
        ws._mapping()


def test_a_workspace_is_the_nearest_one_and_without_one_that_is_told(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("below/deep").mkdir(parents=True)
    assert Workspace.from_config(path="below/deep") == Workspace.from_config("below/config.json") == ws == Workspace("id", "group", "name")
    assert (ws.name, ws.location, ws.get_details()["name"]) == ("it's a workspace", "local", "it's a workspace")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProjectSystemException, match="there is no workspace here"):
        Workspace.from_config()
    assert Workspace.create(name="x", subscription_id="s", resource_group="g", location="l").root == str(tmp_path)


def test_the_page_has_every_name() -> None:
    page = (ROOT / "docs" / "azureml.md").read_text()
    here, _, absent = page.partition("## What has no meaning here")
    words = here.replace("`", " ").replace(",", " ").replace(":", " ").replace(".", " ").split()
    assert {name for name in names.PLACES if name not in words} == set()
    assert {name for name in without.NOT_HERE if f"`{name}`" not in absent} == set()


def test_one_import_brings_the_modules_beside_it_as_in_the_original() -> None:
    code = (
        "import azureml.core\nprint(azureml.core.VERSION, azureml.data.__version__, azureml.core.compute.AmlCompute.__name__)\n"
        "for ask in (lambda: azureml.nope, lambda: azureml.core.nope):\n    try: ask()\n    except AttributeError as error: print(error)\n"
    )
    env = {"PYTHONPATH": f"{ROOT}:{ROOT}/trainconf/compat/azureml/path"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert lines[0] == f"{names.VALUES['VERSION']} {names.VALUES['VERSION']} AmlCompute", done
    assert lines[1] == "trainconf has no azureml.nope; see docs/azureml.md"
    assert lines[2].startswith("trainconf has no azureml.core.nope. It has VERSION, ComputeTarget,")

"""Models: versions of files under a name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trainconf.compat.azureml.exceptions import ModelNotFoundException, ModelPathNotFoundException, NotHereError, UserErrorException
from trainconf.compat.azureml.models import Model
from trainconf.compat.azureml.workspace import Workspace


def test_each_registration_is_a_version_and_the_newest_is_meant(ws: Workspace) -> None:
    Path("model.pkl").write_text("one")
    first = Model.register(workspace=ws, model_path="model.pkl", model_name="digits", tags={"area": "digits"}, description="d")
    Path("model.pkl").write_text("two")
    second = Model.register(ws, "model.pkl", "digits", tags={"area": "digits", "type": "ridge"})
    assert (first.version, first.id, first.description, second.version) == (1, "digits:1", "d", 2)
    assert Path(Model.get_model_path("digits")).read_text() == "two"
    assert Path(Model.get_model_path("digits", version=1, _workspace=ws)).read_text() == "one"
    assert Path(Model(ws, "digits").download("there")).read_text() == "two"
    assert [model.id for model in Model.list(ws)] == ["digits:2", "digits:1"]
    assert [model.id for model in Model.list(workspace=ws, tags=["type"])] == ["digits:2"]
    assert [model.id for model in Model.list(ws, tags=[["area", "digits"], ["type", "lasso"]])] == []
    assert Model(ws, id="digits:1").tags == {"area": "digits"}
    assert list(ws.models) == ["digits"]


def test_a_folder_is_a_model_and_stays_whole(ws: Workspace) -> None:
    Path("saved/variables").mkdir(parents=True)
    Path("saved/variables/1").write_text("x")
    model = Model.register(ws, "saved", "net")
    assert Path(model.path, "variables", "1").read_text() == "x"
    model.add_tags({"a": "b"})
    model.delete()
    with pytest.raises(ModelNotFoundException, match=r"there is no model 'net'.*there are none"):
        Model(ws, "net")


def test_what_cannot_be_registered_leaves_nothing(ws: Workspace) -> None:
    with pytest.raises(ModelPathNotFoundException, match="no file or folder"):
        Model.register(ws, "none.pkl", "digits")
    Path("model.pkl").write_text("one")
    with pytest.raises(UserErrorException, match=r"the name of a model cannot be '\.\./x'"):
        Model.register(ws, "model.pkl", "../x")
    assert not Path("models").exists()
    with pytest.raises(NotHereError, match="nothing is deployed here"):
        Model.deploy(ws, "service", [], None, None)


def test_two_processes_that_register_at_once_get_two_versions(ws: Workspace) -> None:
    Path("model.pkl").write_text("one")
    code = (
        "from trainconf.compat.azureml.models import Model\nfrom trainconf.compat.azureml.workspace import Workspace\n"
        "print(Model.register(Workspace.from_config(), 'model.pkl', 'm').version)"
    )
    started = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert sorted(int(each.communicate()[0]) for each in started) == [1, 2, 3, 4]
    assert sorted(path.name for path in Path("models/m").iterdir()) == ["1", "2", "3", "4"]

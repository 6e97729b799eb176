"""`Model`: files by a name and a version, in `models/<name>/<version>/` of the workspace. A version is never changed."""

from __future__ import annotations

import json
import os
import shutil

from trainconf.compat.azureml import names
from trainconf.compat.azureml.absent import absent, not_here
from trainconf.compat.azureml.exceptions import ModelNotFoundException, ModelPathNotFoundException, UserErrorException
from trainconf.compat.azureml.without import SERVICES
from trainconf.files import write_atomic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

FOLDER = "models"
FACTS = ".model.json"  # beside the files of a version
NAME = "letters, digits, `_`, `-` and `.`, beginning with a letter or digit"


class _ModelClass(type):
    def __getattr__(cls, name: str) -> Any:
        if name in ("deploy", "profile", "package", "print_configuration"):
            return absent("azureml.core.Model." + name, SERVICES)
        raise AttributeError(f"trainconf's Model has no {name}; see docs/azureml.md")


class Model(metaclass=_ModelClass):
    """A version of a model, by default the newest: `Model(ws, "digits")`, `Model(ws, "digits", version=2)`, `Model(ws, id="digits:2")`.

    Raises ModelNotFoundException.
    """

    def __init__(
        self, workspace: Any, name: str | None = None, id: str | None = None, tags: Any = None, properties: Any = None,
        version: int | None = None, run_id: str | None = None, model_framework: str | None = None, workspace_: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        if id is not None:
            name, _, text = id.rpartition(":")
            version = int(text) if text.isdecimal() else -1
        found = [model for model in _all(workspace, name) if _fits(model, tags, properties, run_id)]
        chosen = found[-1:] if version is None else [model for model in found if model["version"] == int(version)]
        if not chosen:
            there = ", ".join(f"{model['name']}:{model['version']}" for model in found or _all(workspace)) or "none"
            raise ModelNotFoundException(
                f"there is no model {id or name!r}{'' if version is None or id else f', version {version},'} in {workspace.root}; "
                f"there are {there}"
            )
        self._take(workspace, chosen[0])

    def _take(self, workspace: Any, facts: dict[str, Any]) -> None:
        self.workspace = workspace
        self._facts = facts

    @classmethod
    def _of(cls, workspace: Any, facts: dict[str, Any]) -> Model:
        found = cls.__new__(cls)
        found._take(workspace, facts)
        return found

    @property
    def name(self) -> str:
        return str(self._facts["name"])

    @property
    def version(self) -> int:
        return int(self._facts["version"])

    @property
    def id(self) -> str:
        return f"{self.name}:{self.version}"

    @property
    def path(self) -> str:
        """The file or folder of the model."""
        folder = _folder(self.workspace, self.name, self.version)
        names = [name for name in os.listdir(folder) if name != FACTS]
        return os.path.join(folder, names[0]) if len(names) == 1 else folder

    @property
    def url(self) -> str:
        """Where it lies: its path."""
        return self.path

    @property
    def created_time(self) -> Any:
        from datetime import datetime

        return datetime.fromisoformat(self._facts["created"])

    def download(self, target_dir: str = ".", exist_ok: bool = False, exists_ok: bool | None = None) -> str:
        """Copy its files into a folder; the path of the copy. Raises UserErrorException for one that is there, unless exist_ok=True."""
        target = os.path.join(target_dir, os.path.basename(self.path))
        if os.path.exists(target) and not (exist_ok or exists_ok):
            raise UserErrorException(f"{target} is there already; download with exist_ok=True to replace it")
        os.makedirs(target_dir, exist_ok=True)
        _copy(self.path, target)
        return target

    def delete(self) -> None:
        """Remove this version."""
        shutil.rmtree(_folder(self.workspace, self.name, self.version))

    def add_tags(self, tags: dict[str, Any]) -> None:
        """Give it tags besides those it has."""
        self.update(tags={**(self._facts.get("tags") or {}), **tags})

    add_properties = add_tags

    def remove_tags(self, tags: Sequence[str]) -> None:
        """Take tags away."""
        self.update(tags={name: value for name, value in (self._facts.get("tags") or {}).items() if name not in tags})

    def update(self, tags: dict[str, Any] | None = None, description: str | None = None, **kwargs: Any) -> None:
        """Give it other tags, or another description."""
        changed = {name: value for name, value in (("tags", tags), ("description", description)) if value is not None}
        self._facts = {**self._facts, **changed}
        _write(os.path.join(_folder(self.workspace, self.name, self.version), FACTS), self._facts)

    def update_tags_properties(self, add_tags: Any = None, remove_tags: Any = None, add_properties: Any = None) -> None:
        """Give it tags, and take some away."""
        self.remove_tags(remove_tags or [])
        self.add_tags({**(add_tags or {}), **(add_properties or {})})

    def add_dataset_references(self, datasets: Any) -> None:
        """Note which datasets it was made with, as a tag."""
        self.add_tags({str(name): getattr(dataset, "id", str(dataset)) for name, dataset in datasets})

    def serialize(self) -> dict[str, Any]:
        """What is known of it, JSON-ready."""
        return {**self._facts, "id": self.id}

    def __getattr__(self, name: str) -> Any:
        if name in _SAID:
            return self._facts.get(name)
        if name in ("get_sas_urls", "deploy", "package", "profile"):
            raise not_here("azureml.core.Model." + name, SERVICES)
        raise AttributeError(f"trainconf's Model has no {name}; see docs/azureml.md")

    def __repr__(self) -> str:
        return f"Model({self.name!r}, version={self.version})"

    @staticmethod
    def register(
        workspace: Any, model_path: str, model_name: str, tags: Any = None, properties: Any = None, description: str | None = None,
        datasets: Any = None, model_framework: str | None = None, model_framework_version: str | None = None,
        child_paths: Any = None, sample_input_dataset: Any = None, sample_output_dataset: Any = None, resource_configuration: Any = None,
        **kwargs: Any,
    ) -> Model:  # fmt: skip
        """Copy a file or a folder into the workspace as the next version of a name. Raises ModelPathNotFoundException."""
        workspace._must_be_visible(f"the folder of the model {model_name!r}")
        facts = {"tags": tags, "properties": properties, "description": description, "model_framework": model_framework,
                 "model_framework_version": model_framework_version, **kwargs}  # fmt: skip
        return Model._of(workspace, keep(workspace.root, model_path, model_name, facts))

    @staticmethod
    def list(
        workspace: Any, name: str | None = None, tags: Any = None, properties: Any = None, run_id: str | None = None, latest: bool = False,
        dataset_id: str | None = None, expand: bool = True, page_count: int = 255, model_framework: str | None = None,
    ) -> list[Model]:  # fmt: skip
        """The models of a workspace, newest first; `tags` as a list: `["name"]` or `[["name", "value"]]`."""
        found = [model for model in _all(workspace, name) if _fits(model, tags, properties, run_id)]
        if latest:
            found = list({model["name"]: model for model in found}.values())
        return [Model._of(workspace, model) for model in sorted(found, key=lambda model: str(model["created"]), reverse=True)]

    @staticmethod
    def get_model_path(model_name: str, version: int | None = None, _workspace: Any = None) -> str:
        """The path of a model's file or folder. Raises ModelNotFoundException."""
        if _workspace is None:
            _workspace = names.load("Workspace").from_config()
        return Model(_workspace, model_name, version=version).path


class ResourceConfiguration:
    """What a service of a model would need: kept by nobody, for nothing is deployed here."""

    def __init__(self, cpu: Any = None, memory_in_gb: Any = None, gpu: Any = None) -> None:
        self.cpu, self.memory_in_gb, self.gpu = cpu, memory_in_gb, gpu


class _Framework:
    """What a model was made with."""

    CUSTOM, SCIKITLEARN, ONNX, MULTI = "Custom", "ScikitLearn", "Onnx", "Multi"
    TENSORFLOW, TFKERAS, PYTORCH = "TensorFlow", "TfKeras", "PyTorch"


Model.Framework = _Framework  # type: ignore[attr-defined]

_SAID = ("description", "tags", "properties", "run_id", "experiment_name", "model_framework", "model_framework_version", "created_by",
         "datasets")  # fmt: skip


def keep(root: str, path: str, name: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Copy a file or a folder as the next version of a name; what is then known of it."""
    from datetime import datetime, timezone

    if not isinstance(name, str) or not name[:1].isalnum() or not name.replace("-", "a").replace("_", "a").replace(".", "a").isalnum():
        raise UserErrorException(f"the name of a model cannot be {name!r}; allowed are {NAME}")
    if not os.path.exists(path):
        raise ModelPathNotFoundException(f"there is no file or folder {os.path.abspath(path)!r} to register as the model {name!r}")
    top = os.path.join(root, FOLDER, name)
    os.makedirs(top, exist_ok=True)
    from trainconf.compat.azureml.data.datastores import keep_out

    keep_out(os.path.join(root, FOLDER))
    unfinished = os.path.join(top, f".{os.getpid()}.{os.urandom(4).hex()}")
    os.mkdir(unfinished)
    try:
        _copy(path, os.path.join(unfinished, os.path.basename(os.path.abspath(path))))
        while True:
            version = max(_versions(top), default=0) + 1
            said = {"name": name, "version": version, "created": datetime.now(timezone.utc).isoformat(), **facts}
            _write(os.path.join(unfinished, FACTS), said)
            try:
                os.rename(unfinished, os.path.join(top, str(version)))
            except OSError:
                if not os.path.isdir(os.path.join(top, str(version))):
                    raise
                continue  # another process was quicker
            return said
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _all(workspace: Any, name: str | None = None) -> list[dict[str, Any]]:
    """What is known of each version of a name, or of all names, oldest first."""
    workspace._must_be_visible("the folder of models")
    top = os.path.join(workspace.root, FOLDER)
    names = [name] if name is not None else sorted(os.listdir(top)) if os.path.isdir(top) else []
    found = []
    for each in names:
        for version in _versions(os.path.join(top, each)):
            try:
                with open(os.path.join(top, each, str(version), FACTS), encoding="utf-8") as stream:
                    found.append({"created": "", **json.load(stream), "name": each, "version": version})
            except FileNotFoundError:
                continue  # it was not made by us
    return found


def _versions(folder: str) -> list[int]:
    return sorted(int(name) for name in os.listdir(folder) if name.isdecimal()) if os.path.isdir(folder) else []


def _folder(workspace: Any, name: str, version: int) -> str:
    return os.path.join(workspace.root, FOLDER, name, str(version))


def _fits(model: dict[str, Any], tags: Any, properties: Any, run_id: str | None) -> bool:
    return _has(model.get("tags"), tags) and _has(model.get("properties"), properties) and run_id in (None, model.get("run_id"))


def _has(given: Any, wanted: Any) -> bool:
    """Whether tags have what is wanted: `{"a": 1}`, `["a"]`, `[["a", 1]]`, `"a"`."""
    if not wanted:
        return True
    given = given or {}
    pairs = wanted.items() if isinstance(wanted, dict) else [wanted] if isinstance(wanted, str) else wanted
    return all(one in given if isinstance(one, str) else str(given.get(one[0])) == str(one[1]) for one in pairs)


def _copy(path: str, target: str) -> None:
    if os.path.isdir(path):
        shutil.copytree(path, target, dirs_exist_ok=True)
    else:
        shutil.copy2(path, target)


def _write(path: str, facts: dict[str, Any]) -> None:
    write_atomic(path, json.dumps(facts, indent=1, sort_keys=True, default=str) + "\n")

"""`DatasetConsumptionConfig`: a dataset as an input of a run; and what the job is told of its inputs.

Each dataset becomes an entry of the run's `inputs`, so its content counts. A variable TRAINCONF_AZUREML_INPUT_<NAME> tells the job the
rest, as JSON: {"input", "mode", "id", "name", "definition"}; TRAINCONF_AZUREML_OUTPUT_<NAME> the path of an output.
"""

from __future__ import annotations

import os

from trainconf.compat.azureml import names
from trainconf.compat.azureml.exceptions import UserErrorException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TOLD, WRITTEN = "TRAINCONF_AZUREML_INPUT_", "TRAINCONF_AZUREML_OUTPUT_"
MODES = ("direct", "mount", "download")


class DatasetConsumptionConfig:
    """A dataset and how a run reads it: `direct` gives the script a dataset, `mount` and `download` the path where the data lies."""

    def __init__(self, name: str | None, dataset: Any, mode: str = "direct", path_on_compute: str | None = None) -> None:
        if mode not in MODES:
            raise UserErrorException(f"the mode of a dataset cannot be {mode!r}; it is one of {', '.join(MODES)}")
        if name is not None and not (isinstance(name, str) and name.isascii() and name.isidentifier()):
            raise UserErrorException(f"{name!r} cannot name an input: letters, digits and _, and no digit first")
        self.name = name
        self.dataset = dataset
        self.mode = mode
        self.path_on_compute = path_on_compute

    def as_mount(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        """The job gets the path where the data lies."""
        return self._with("mount", path_on_compute)

    def as_download(self, path_on_compute: str | None = None) -> DatasetConsumptionConfig:
        """The job gets the path where the data lies."""
        return self._with("download", path_on_compute)

    def as_named_input(self, name: str) -> DatasetConsumptionConfig:
        """The same by another name."""
        return DatasetConsumptionConfig(name, self.dataset, self.mode, self.path_on_compute)

    def as_hdfs(self) -> DatasetConsumptionConfig:
        """Not carried out."""
        from trainconf.compat.azureml.absent import not_here

        raise not_here("azureml.data.DatasetConsumptionConfig.as_hdfs", "there is no Spark here")

    def _bind(self) -> tuple[Any, dict[str, Any]]:
        """The word that stands for it among the arguments of a run, and the values that the run needs for it."""
        name = self.name or f"input_{self.dataset.id[:8]}"
        word = self.dataset.id if self.mode == "direct" else "{inputs.%s}" % name  # noqa: UP031 (braces)
        return word, values_of(name, self.dataset, self.mode)

    def _with(self, mode: str, path_on_compute: str | None) -> DatasetConsumptionConfig:
        if self.dataset.kind == "tabular":
            self.dataset.as_mount()  # says that a table is no file
        if path_on_compute is not None:
            from trainconf.compat.azureml.said import once

            once(f"no data is put at {path_on_compute}: the job gets the path where it lies, as its argument and in run.input_datasets")
        return DatasetConsumptionConfig(self.name, self.dataset, mode, path_on_compute)

    def __repr__(self) -> str:
        return f"DatasetConsumptionConfig({self.name!r}, {self.dataset!r}, {self.mode!r})"


class InputDatasets:
    """`run.input_datasets` in a job: by the name of an input a path, or of mode `direct` a dataset."""

    def __init__(self, variables: Any) -> None:
        self._told = told(variables)
        self._variables = variables

    def __getitem__(self, name: str) -> Any:
        if name not in self._told:
            raise UserErrorException(f"the run has no input {name!r}; it has {', '.join(self._told) or 'none'}")
        path = self._variables[variable(name)]
        mode, definition = self._told[name]["mode"], self._told[name]["definition"]
        return path if mode != "direct" else dataset_at(path, definition)

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self._told else default

    def keys(self) -> list[str]:
        return list(self._told)

    def values(self) -> list[Any]:
        return [self[name] for name in self._told]

    def items(self) -> list[tuple[str, Any]]:
        return [(name, self[name]) for name in self._told]

    def __iter__(self) -> Any:
        return iter(self._told)

    def __len__(self) -> int:
        return len(self._told)

    def __repr__(self) -> str:
        return f"InputDatasets({', '.join(self._told)})"

    def __contains__(self, name: object) -> bool:
        return name in self._told


def variable(name: str) -> str:
    """The variable that has the path of an input."""
    return "TRAINCONF_INPUT_" + name.upper()


def values_of(name: str, dataset: Any, mode: str) -> dict[str, Any]:
    """The values of a run that reads a dataset: an input, and the variable that tells the job what it is."""
    import json

    kept = {key: value for key, value in dataset.definition.items() if key != "paths"}
    definition = {**kept, "steps": []} if dataset.kind == "file" else kept  # the steps that choose files are done
    told = {"input": name, "mode": mode, "id": dataset.id, "name": dataset.name, "definition": definition}
    return {"inputs": {name: dataset.place()}, "env": {"variables": {TOLD + name.upper(): json.dumps(told, sort_keys=True)}}}


def told(variables: Any) -> dict[str, dict[str, Any]]:
    """What this job was told of its inputs, by name; nothing outside of a job."""
    import json

    found = [json.loads(variables[key]) for key in sorted(variables) if key.startswith(TOLD)]
    return {each["input"]: each for each in found}


def outputs(variables: Any) -> dict[str, str]:
    """Where this job writes, by the names of the run's outputs."""
    return {key[len(WRITTEN) :].lower(): os.path.abspath(variables[key]) for key in sorted(variables) if key.startswith(WRITTEN)}


def dataset_at(path: str, definition: dict[str, Any]) -> Any:
    """The dataset of an input, at the path that the job has it at."""
    kind = names.load("FileDataset" if definition["kind"] == "file" else "TabularDataset")
    return kind({**definition, "paths": [path]})


def by_id(dataset_id: str) -> Any:
    """The input of this job that has the id, or the name; None when there is none."""
    for name, each in told(os.environ).items():
        if dataset_id in (each["id"], each["name"]):
            return dataset_at(os.environ[variable(name)], each["definition"])
    return None

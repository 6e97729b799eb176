"""A model registry that registers nothing: a registered model is in the outputs of its run, and its name a tag. It ends no training."""

from __future__ import annotations

import time

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry.abstract_store import AbstractStore

from trainconf.compat.mlflow import unanswered
from trainconf.compat.tracking.notes import note
from trainconf.job_api import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Registry(AbstractStore):  # type: ignore[misc]
    """What is registered is remembered by this process alone."""

    def __init__(self, store_uri: str | None = None, tracking_uri: str | None = None, **more: Any) -> None:
        super().__init__(store_uri, tracking_uri)
        self._names: dict[str, Any] = {}
        self._versions: dict[tuple[str, str], Any] = {}

    def create_registered_model(self, name: str, tags: Any = None, description: str | None = None, *args: Any, **more: Any) -> Any:
        note("registry", "there is no model registry: a registered model is in the outputs of its run (docs/tracking.md)")
        now = int(time.time() * 1000)
        return self._names.setdefault(name, RegisteredModel(name, now, now, description, tags=tags))

    def create_model_version(
        self, name: str, source: str, run_id: str | None = None, tags: Any = None, run_link: Any = None, description: str | None = None,
        *args: Any, **more: Any
    ) -> Any:  # fmt: skip
        now = int(time.time() * 1000)
        version = str(1 + sum(1 for known, _ in self._versions if known == name))
        self._versions[name, version] = ModelVersion(name, version, now, now, description, source=source, run_id=run_id, tags=tags)
        run = Run.get_context()
        if run.run_dir:
            run.set_tags({"registered_model": name})
        return self._versions[name, version]

    def get_registered_model(self, name: str) -> Any:
        return self._known(self._names, name)

    def get_model_version(self, name: str, version: Any) -> Any:
        return self._known(self._versions, (name, str(version)))

    def get_model_version_download_uri(self, name: str, version: Any) -> Any:
        return self.get_model_version(name, version).source

    def get_latest_versions(self, name: str, stages: Any = None) -> Any:
        return [version for (known, _), version in self._versions.items() if known == name][-1:]

    def search_registered_models(self, *args: Any, **more: Any) -> Any:
        return PagedList(list(self._names.values()), None)

    def search_model_versions(self, *args: Any, **more: Any) -> Any:
        return PagedList(list(self._versions.values()), None)

    def _known(self, found: dict[Any, Any], key: Any) -> Any:
        if key not in found:
            raise MlflowException(f"trainconf has no registered model {key!r}: see docs/tracking.md", error_code=RESOURCE_DOES_NOT_EXIST)
        return found[key]


# Whatever else this mlflow asks of a registry: each release adds to its base class.
TrainconfRegistry = type("TrainconfRegistry", (_Registry,), unanswered.rest_of(AbstractStore, _Registry))

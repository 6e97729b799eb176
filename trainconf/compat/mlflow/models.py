"""Logged models of mlflow 3: files below outputs/models/<id>, and what they are in logs/mlflow.jsonl of their run."""

from __future__ import annotations

import os
import time
import uuid

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.store.entities.paged_list import PagedList

from trainconf.compat.mlflow import artifacts, entities
from trainconf.compat.mlflow.own import OwnRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class LoggedModels:
    """That part of the store. mlflow 2 has no such models, and never asks."""

    def _own(self, run_id: str | None) -> OwnRun:
        raise NotImplementedError

    def _known_runs(self) -> Iterator[OwnRun]:
        raise NotImplementedError

    def create_logged_model(
        self, experiment_id: str = "0", name: str | None = None, source_run_id: str | None = None, tags: Any = None, params: Any = None,
        model_type: str | None = None, **more: Any
    ) -> Any:  # fmt: skip
        """Begin a model of a run; without `source_run_id` of the run of this process."""
        own = self._own(source_run_id)
        model_id = "m-" + uuid.uuid4().hex
        now = int(time.time() * 1000)
        facts = {
            "experiment_id": experiment_id, "model_id": model_id, "name": name or model_id,
            "artifact_location": artifacts.uri(os.path.join(own.outputs, "models", model_id)), "creation_timestamp": now,
            "last_updated_timestamp": now, "model_type": model_type, "source_run_id": own.run.id, "status": "PENDING",
            "tags": {tag.key: tag.value for tag in tags or ()}, "params": {param.key: param.value for param in params or ()},
        }  # fmt: skip
        own.note({"model": facts})
        return _entity(own, facts)

    def finalize_logged_model(self, model_id: str, status: Any) -> Any:
        return self._changed(model_id, status=getattr(status, "value", str(status)))

    def set_logged_model_tags(self, model_id: str, tags: Any) -> None:
        _, facts = self._model(model_id)
        self._changed(model_id, tags={**facts["tags"], **{tag.key: tag.value for tag in tags}})

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        _, facts = self._model(model_id)
        self._changed(model_id, tags={name: value for name, value in facts["tags"].items() if name != key})

    def log_logged_model_params(self, model_id: str, params: Any) -> None:
        _, facts = self._model(model_id)
        self._changed(model_id, params={**facts["params"], **{param.key: param.value for param in params}})

    def delete_logged_model(self, model_id: str) -> None:
        self._changed(model_id, status="DELETED")

    def get_logged_model(self, model_id: str, allow_deleted: bool = False) -> Any:
        """One model. Raises MlflowException when no run has it."""
        return _entity(*self._model(model_id, allow_deleted))

    def search_logged_models(
        self, experiment_ids: list[str], filter_string: str | None = None, datasets: Any = None, max_results: int | None = None,
        order_by: Any = None, page_token: str | None = None
    ) -> Any:  # fmt: skip
        """The models of some experiments, by mlflow's own filters."""
        from mlflow.utils.search_logged_model_utils import parse_filter_string
        from mlflow.utils.search_utils import SearchLoggedModelsUtils

        found = [
            _entity(own, facts) for own in self._known_runs() for facts in _models(own).values()
            if facts["status"] != "DELETED" and facts["experiment_id"] in experiment_ids
        ]  # fmt: skip
        if filter_string:
            parse_filter_string(filter_string)
        utils = SearchLoggedModelsUtils
        found = utils.sort(utils.filter_logged_models(found, filter_string, datasets), order_by)
        return PagedList(found[: max_results or None], None)

    def log_outputs(self, run_id: str, models: Any) -> None:
        own = self._own(run_id)
        for model in models:
            own.note({"output": {"model_id": model.model_id, "step": model.step}})

    def record_logged_model(self, run_id: str, mlflow_model: Any) -> None:
        """What mlflow 2 says of a model it has logged."""
        import json

        self._own(run_id).note({"tags": {"mlflow.log-model.history": json.dumps([mlflow_model.to_dict()], default=str)}})

    def _model(self, model_id: str, allow_deleted: bool = False) -> tuple[OwnRun, dict[str, Any]]:
        for own in self._known_runs():
            facts = _models(own).get(model_id)
            if facts is not None and (allow_deleted or facts["status"] != "DELETED"):
                return own, facts
        raise MlflowException(f"no run has a logged model {model_id!r}", error_code=RESOURCE_DOES_NOT_EXIST)

    def _changed(self, model_id: str, **facts: Any) -> Any:
        own, known = self._model(model_id)
        changed = {**known, **facts, "last_updated_timestamp": int(time.time() * 1000)}
        own.note({"model": changed})
        return _entity(own, changed)


def _models(own: OwnRun) -> dict[str, dict[str, Any]]:
    """The models of a run, each as it was said last."""
    return {line["model"]["model_id"]: line["model"] for line in own.notes() if isinstance(line.get("model"), dict)}


def _entity(own: OwnRun, facts: dict[str, Any]) -> Any:
    from mlflow.entities import LoggedModel, LoggedModelStatus

    location = artifacts.uri(os.path.join(own.outputs, "models", facts["model_id"]))  # outputs have moved when the run has ended
    status = LoggedModelStatus(facts["status"] if facts["status"] != "DELETED" else "READY")
    found = entities.last_values(own) if status.value == "READY" else []
    return LoggedModel(**{**facts, "artifact_location": location, "status": status, "metrics": found})

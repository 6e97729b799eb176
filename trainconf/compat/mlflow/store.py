"""The tracking store of mlflow for `trainconf:`: the current run of trainconf is mlflow's run, and the history can be searched.

    trainconf:            in a job the run's workspace, else the one that the working directory is in
    trainconf:/folder     the workspace there

In a job the first run that mlflow begins is the run itself; nested and further ones are its child runs. Outside a job each is an
interactive run, which this process is.
"""

from __future__ import annotations

from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.utils.search_utils import SearchExperimentsUtils, SearchUtils

from trainconf.compat.mlflow import entities, own, unanswered
from trainconf.compat.mlflow.models import LoggedModels
from trainconf.compat.mlflow.own import OwnRun
from trainconf.compat.mlflow.workspace import RunsOfWorkspace
from trainconf.compat.tracking.notes import KeepsGoing, note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

DEFAULT = "0"  # the id of mlflow's default experiment: here the run's own, else `Default`


class _Store(LoggedModels, AbstractStore):  # type: ignore[misc]
    """What mlflow's client calls. It is made in mlflow's process, one for each URI."""

    def __init__(self, store_uri: str | None = None, artifact_uri: str | None = None) -> None:
        super().__init__()
        self.runs = RunsOfWorkspace(store_uri or "trainconf:")
        self._experiments: set[str] = set()  # that this process has created
        self._ends: dict[str, dict[str, Any]] = {}  # of runs of this process
        self._listed_before: dict[str, tuple[dict[str, Any], Any]] = {}

    # Experiments
    def get_experiment(self, experiment_id: str) -> Any:
        """Raises MlflowException for an unknown one."""
        found = self.get_experiment_by_name(self._named(experiment_id))
        if found is None:
            raise MlflowException(f"no experiment {experiment_id!r} has runs in {self.runs.place}", error_code=RESOURCE_DOES_NOT_EXIST)
        return found

    def get_experiment_by_name(self, experiment_name: str) -> Any:
        known = self.runs.experiments()
        if experiment_name in known or experiment_name in self._experiments or experiment_name == self.runs.default:
            return entities.experiment(experiment_name, entities.folder_of(self.runs.folder, experiment_name), known.get(experiment_name))
        return None

    def create_experiment(self, name: str, artifact_location: str | None = None, tags: Any = None, **more: Any) -> str:
        """An experiment is there once it has a run: until then this process remembers it. Raises MlflowException for a known name."""
        if self.get_experiment_by_name(name) is not None and name != self.runs.default:
            raise MlflowException(f"Experiment {name!r} already exists.", error_code="RESOURCE_ALREADY_EXISTS")
        self._experiments.add(name)
        return name

    def search_experiments(
        self, view_type: Any = ViewType.ACTIVE_ONLY, max_results: int = 1000, filter_string: Any = None, order_by: Any = None,
        page_token: Any = None
    ) -> Any:  # fmt: skip
        names = sorted({*self.runs.experiments(), *self._experiments, self.runs.default})
        found = [self.get_experiment_by_name(name) for name in names] if view_type != ViewType.DELETED_ONLY else []
        found = SearchExperimentsUtils.sort(SearchExperimentsUtils.filter(found, filter_string), order_by or [])
        return PagedList(*SearchUtils.paginate(found, page_token, max_results))

    def _named(self, experiment_id: Any) -> str:
        return self.runs.default if str(experiment_id) == DEFAULT else str(experiment_id)

    # Runs
    def create_run(self, experiment_id: str, user_id: str, start_time: int, tags: Any, run_name: str | None) -> Any:
        """The run of this job; a child run of it when it is nested or a further one; outside a job an interactive run."""
        given = {tag.key: str(tag.value) for tag in tags or ()}
        name = run_name or given.get(own.RUN_NAME)
        found = self.runs.begin(self._named(experiment_id), name, given.get(own.PARENT))
        said = {**given, **({own.RUN_NAME: name} if name else {}), "mlflow.user": user_id or ""}
        if self._named(experiment_id) != str(found.run.experiment):
            note(
                "experiment",
                f"mlflow's experiment {experiment_id!r}: the run stays in {str(found.run.experiment)!r}, with the tag {own.EXPERIMENT}",
            )
            said[own.EXPERIMENT] = self._named(experiment_id)
        found.set_tags(said)
        self._ends[found.run.id] = {"status": "RUNNING"}
        return self.get_run(found.run.id)

    def get_run(self, run_id: str) -> Any:
        """Raises MlflowException for an unknown one."""
        found = self._own(run_id)
        return entities.run(found, self.runs.fields(found), self._ends.get(run_id), exactly=True)

    def update_run_info(self, run_id: str, run_status: Any, end_time: int | None, run_name: str | None) -> Any:
        found = self._own(run_id)
        status = entities.status_name(run_status) if run_status is not None else "RUNNING"
        if run_name:
            found.set_tags({own.RUN_NAME: run_name})
        result = self.get_run(run_id).info
        with KeepsGoing("the end of the run"):
            found.end(status)
        self._ends[run_id] = {"status": status, "end_time": end_time}
        result._status, result._end_time = status, end_time
        return result

    def _own(self, run_id: str | None) -> OwnRun:
        found = self.runs.find(run_id)
        if found is None:
            raise MlflowException(f"no run {run_id!r} in {self.runs.place}", error_code=RESOURCE_DOES_NOT_EXIST)
        return found

    def _known_runs(self) -> Iterator[OwnRun]:
        return self.runs.all()

    def _search_runs(
        self, experiment_ids: Any, filter_string: Any, run_view_type: Any, max_results: int, order_by: Any, page_token: Any
    ) -> tuple[list[Any], Any]:
        """By mlflow's own filters and orders, so that they mean what they mean there."""
        wanted = {self._named(each) for each in experiment_ids}
        found = [self._listed(one, fields) for one, fields in self.runs.described() if entities.experiment_of(fields) in wanted]
        stages = ViewType.to_string(run_view_type)
        found = [run for run in found if stages in ("all", f"{run.info.lifecycle_stage}_only")]
        found = SearchUtils.sort(SearchUtils.filter(found, filter_string), order_by)
        page, token = SearchUtils.paginate(found, page_token, max_results)
        return page, token

    def _listed(self, one: OwnRun, fields: dict[str, Any]) -> Any:
        """A run in a list. `fields` are the same object as long as an ended run's files do not change."""
        known = self._listed_before.get(one.run.id)
        if known is None or known[0] is not fields:
            known = (fields, entities.run(one, fields, self._ends.get(one.run.id)))
            self._listed_before[one.run.id] = known
        return known[1]

    def delete_run(self, run_id: str) -> None:
        note("delete_run", f"mlflow.delete_run does nothing here: `trainconf rm {run_id}` removes a run, `trainconf archive` hides it")

    restore_run = delete_run

    # What a run holds
    def log_batch(self, run_id: str, metrics: Any, params: Any, tags: Any) -> None:
        """Metrics, params and tags. Raises MlflowException for another value of a known param, as mlflow does."""
        found = self._own(run_id)
        for metric in metrics or ():
            with KeepsGoing(f"the metric {metric.key!r}"):
                found.metric(metric.key, metric.value, metric.step)
        if params:
            try:
                found.log_params({param.key: str(param.value) for param in params})
            except ValueError as error:
                raise MlflowException(f"Changing param values is not allowed: {error}", error_code=INVALID_PARAMETER_VALUE) from None
        if tags:
            found.set_tags({tag.key: str(tag.value) for tag in tags})

    def delete_tag(self, run_id: str, key: str) -> None:
        self._own(run_id).remove_tag(key)

    def get_metric_history(self, run_id: str, metric_key: str, max_results: int | None = None, page_token: Any = None) -> Any:
        found = entities.history(self._own(run_id), metric_key).get(metric_key, [])
        return PagedList(found[: max_results or None], None)

    def log_inputs(self, run_id: str, datasets: Any = None, models: Any = None) -> None:
        found = self._own(run_id)
        with KeepsGoing("the inputs of mlflow"):
            for each in datasets or ():
                found.note({"input": entities.input_facts(each)})

    # What has no meaning here
    def start_trace(self, trace_info: Any, *args: Any, **more: Any) -> Any:
        note("traces", "mlflow's traces are not recorded here")
        return trace_info

    def log_spans(self, location: str, spans: Any, *args: Any, **more: Any) -> Any:
        note("traces", "mlflow's traces are not recorded here")
        return spans


# Whatever else this mlflow asks of a store: each release adds to its base class.
TrainconfStore = type("TrainconfStore", (_Store,), unanswered.rest_of(AbstractStore, _Store))


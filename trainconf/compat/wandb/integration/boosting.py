"""`wandb.integration.xgboost`, `.lightgbm` and `.catboost`: the scores of every round, and summaries. Each needs its library in the job."""

from __future__ import annotations

import os
import tempfile

from trainconf.compat.tracking.artifacts import Artifact
from trainconf.compat.tracking.notes import KeepsGoing
from trainconf.compat.tracking.tables import Chart, Table
from trainconf.compat.wandb import api, current
from trainconf.compat.wandb.current import config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict


def wandb_callback(log_params: bool = True, define_metric: bool = True) -> Callable[[Any], None]:
    """For lightgbm: logs the score of each set and metric after every round."""

    def after_round(env: Any) -> None:
        if log_params and env.iteration == env.begin_iteration:
            with KeepsGoing("the parameters of lightgbm"):
                config().update(dict(env.params), allow_val_change=True)
        row: Dict[str, Any] = {}
        for entry in env.evaluation_result_list or ():
            words = entry[1].split() if len(entry) != 4 and " " in entry[1] else []  # of cross-validation: the set is in the name
            row["_".join(words or entry[:2])] = entry[2]
        row["iteration"] = env.iteration
        api.log(row)

    return after_round


def __getattr__(name: str) -> Any:
    """WandbCallback is a class of xgboost's callbacks, which is only imported when a script asks for it."""
    if name not in ("WandbCallback", "WandbCallbackXGB"):
        raise AttributeError(name)
    import xgboost

    base: Any = xgboost.callback.TrainingCallback

    class WandbCallback(base):  # type: ignore[misc]
        """For xgboost: logs the score of each set and metric after every round."""

        def __init__(
            self, log_model: bool = False, log_feature_importance: bool = True, importance_type: str = "gain", **options: Any
        ) -> None:
            super().__init__()
            self._with_model, self._with_importance, self._importance = log_model, log_feature_importance, importance_type

        def before_training(self, model: Any) -> Any:
            with KeepsGoing("the parameters of xgboost"):
                import json

                config().update(json.loads(model.save_config())["learner"]["objective"], allow_val_change=True)
            return model

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            row = {"%s-%s" % (data, metric): values[-1] for data, metrics in evals_log.items() for metric, values in metrics.items()}
            api.log({"epoch": epoch, **row})
            return False

        def after_training(self, model: Any) -> Any:
            if self._with_importance:
                with KeepsGoing("the importance of features"):
                    found = sorted(model.get_score(importance_type=self._importance).items())
                    table = Table(["Feature", "Importance"], found)
                    api.log({"Feature Importance": Chart("bar", table, {"label": "Feature", "value": "Importance"})})
            if self._with_model:
                _keep(model)
            if getattr(model, "attributes", None):
                scores = model.attributes()
                for name in ("best_score", "best_iteration"):
                    if name in scores:
                        current.run().summary[name] = float(scores[name])
            return model

    globals()[name] = WandbCallback
    return WandbCallback


class CatboostCallback:
    """For catboost: logs the score of each set and metric after every round."""

    def __init__(self, metric_period: int = 1) -> None:
        self._every = metric_period

    def after_iteration(self, info: Any) -> bool:
        if info.iteration % self._every == 0:
            scores = (info.metrics or {}).items()
            row = {"%s-%s" % (data, metric): values[-1] for data, metrics in scores for metric, values in metrics.items()}
            api.log({"iteration@metric-period-%d" % self._every: info.iteration, **row})
        return True


def log_summary(model: Any, feature_importance: bool = True, save_model_checkpoint: bool = False, **options: Any) -> None:
    """For lightgbm and catboost: the best round and score, the importance of features, and the model as an artifact."""
    run = current.run()
    if run is None:
        return
    with KeepsGoing("the summary of the model"):
        best = getattr(model, "best_iteration", None) or getattr(model, "best_iteration_", None)
        run.summary.update({} if best is None else {"best_iteration": best})
        score = getattr(model, "best_score", None) or getattr(model, "best_score_", None)
        if score:
            run.summary["best_score"] = {data: dict(metrics) for data, metrics in score.items()}
    if feature_importance:
        with KeepsGoing("the importance of features"):
            names = model.feature_name() if hasattr(model, "feature_name") else model.feature_names_
            values = model.feature_importance() if hasattr(model, "feature_importance") else model.get_feature_importance()
            table = Table(["Feature", "Importance"], list(zip(names, list(values))))
            api.log({"Feature Importance": Chart("bar", table, {"label": "Feature", "value": "Importance"})})
    if save_model_checkpoint:
        _keep(model)


def _keep(model: Any) -> None:
    """The model as an artifact, in its library's own format."""
    with KeepsGoing("the model"), tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.json")
        model.save_model(path)
        artifact = Artifact("model_%s" % current.run().id, "model")
        artifact.add_file(path)
        api.log_artifact(artifact)

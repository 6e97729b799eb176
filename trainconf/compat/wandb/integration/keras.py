"""`wandb.integration.keras`: callbacks that log what Keras tells of epochs and batches, and keep models as artifacts."""

from __future__ import annotations

import os

import keras

from trainconf.compat.tracking.artifacts import Artifact
from trainconf.compat.tracking.notes import KeepsGoing, note
from trainconf.compat.wandb import api, current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

Callback: Any = keras.callbacks.Callback


class WandbMetricsLogger(Callback):  # type: ignore[misc]
    """Logs metrics as `epoch/...`, and with `log_freq="batch"` or a number of batches as `batch/...`, too."""

    def __init__(self, log_freq: Any = "epoch", initial_global_step: int = 0, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._every = 1 if log_freq == "batch" else log_freq if isinstance(log_freq, int) else None
        self._batch = initial_global_step
        if current.run() is None:
            api._run("init")
        api.define_metric("epoch/epoch")
        api.define_metric("epoch/*", step_metric="epoch/epoch")
        if self._every:
            api.define_metric("batch/batch_step")
            api.define_metric("batch/*", step_metric="batch/batch_step")

    def _rate(self) -> Dict[str, Any]:
        rate = getattr(getattr(self.model, "optimizer", None), "learning_rate", None)
        try:
            return {} if rate is None else {"learning_rate": float(rate)}
        except (TypeError, ValueError):
            return {}  # a schedule

    def on_epoch_end(self, epoch: int, logs: Optional[Dict[str, Any]] = None) -> None:
        api.log({"epoch/epoch": epoch, **{"epoch/" + name: value for name, value in {**(logs or {}), **self._rate()}.items()}})

    def on_train_batch_end(self, batch: int, logs: Optional[Dict[str, Any]] = None) -> None:
        self._batch += 1
        if self._every and batch % self._every == 0:
            row = {**(logs or {}), **self._rate()}
            api.log({"batch/batch_step": self._batch, **{"batch/" + name: value for name, value in row.items()}})


class WandbModelCheckpoint(keras.callbacks.ModelCheckpoint):  # type: ignore[misc]
    """Keras' own checkpoints, each kept as a version of an artifact."""

    def __init__(self, filepath: Any, *args: Any, **options: Any) -> None:
        super().__init__(filepath, *args, **options)

    def on_epoch_end(self, epoch: int, logs: Optional[Dict[str, Any]] = None) -> None:
        super().on_epoch_end(epoch, logs)
        with KeepsGoing("the checkpoint"):
            path = str(self.filepath).format(epoch=epoch + 1, **(logs or {}))
            run = current.run()
            if run is not None and os.path.exists(path):
                artifact = Artifact("run_%s_model" % run.id, "model")
                (artifact.add_dir if os.path.isdir(path) else artifact.add_file)(path)
                run.log_artifact(artifact, aliases=["epoch_%d" % epoch])


class WandbEvalCallback(Callback):  # type: ignore[misc]
    """A base for callbacks that log tables of predictions."""

    def __init__(self, data_table_columns: Any, pred_table_columns: Any, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        from trainconf.compat.tracking.tables import Table

        self.data_table = Table(columns=data_table_columns)
        self._table, self._columns = Table, pred_table_columns

    def init_data_table(self, column_names: Any) -> None:
        self.data_table = self._table(columns=column_names)

    def init_pred_table(self, column_names: Any) -> None:
        self.pred_table = self._table(columns=column_names)

    def on_train_begin(self, logs: Any = None) -> None:
        self.add_ground_truth(logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.pred_table = self._table(columns=self._columns)
        self.add_model_predictions(epoch, logs)
        api.log({"predictions": self.pred_table})

    def add_ground_truth(self, logs: Any = None) -> None:
        """What a script's own class fills `data_table` with."""

    def add_model_predictions(self, epoch: int, logs: Any = None) -> None:
        """What a script's own class fills `pred_table` with."""

    def log_data_table(self, **options: Any) -> None:
        api.log({"data": self.data_table})

    def log_pred_table(self, **options: Any) -> None:
        api.log({"predictions": self.pred_table})


class WandbCallback(Callback):  # type: ignore[misc]
    """The old callback: the metrics of each epoch by their own names, and the best of the monitored one."""

    def __init__(self, monitor: str = "val_loss", verbose: int = 0, mode: str = "auto", save_model: bool = False, **options: Any) -> None:
        super().__init__()
        self._monitor = monitor
        self._is_better = max if mode == "max" or (mode == "auto" and monitor.endswith(("acc", "accuracy"))) else min
        if save_model:
            note("save_model", "wandb.keras.WandbCallback keeps no model; save it into ./outputs, or use WandbModelCheckpoint")

    def on_epoch_end(self, epoch: int, logs: Optional[Dict[str, Any]] = None) -> None:
        run = current.run()
        if run is None:
            return
        api.log({"epoch": epoch, **(logs or {})})
        value = (logs or {}).get(self._monitor)
        if value is not None:
            best = run.summary.get("best_" + self._monitor)
            if best is None or self._is_better(best, value) != best:
                run.summary.update({"best_" + self._monitor: value, "best_epoch": epoch})

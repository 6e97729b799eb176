"""A training script in the shape of mlflow's quick starts: params, metrics, tags, artifacts of every kind, nested runs."""

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import mlflow
import numpy as np

mlflow.set_experiment("quick start")
with mlflow.start_run(run_name="first", tags={"team": "a"}, description="why") as run:
    mlflow.log_param("lr", 0.1)
    mlflow.log_params({"epochs": 3, "optimizer": "sgd"})
    for epoch in range(3):
        mlflow.log_metric("loss", 1 / (epoch + 1), step=epoch)
        mlflow.log_metric("unstepped", epoch)
    mlflow.log_metrics({"acc": 0.9, "f1": float("nan")}, step=2)
    mlflow.set_tag("mlflow.note.content", "note")
    mlflow.set_tags({"stage": "dev"})
    with open("file.txt", "w") as stream:
        stream.write("hello")
    mlflow.log_artifact("file.txt")
    mlflow.log_artifact("file.txt", artifact_path="deep/er")
    mlflow.log_artifacts("outputs")
    mlflow.log_artifacts("outputs", artifact_path="again")
    mlflow.log_dict({"a": 1}, "dict.json")
    mlflow.log_text("text", "text.txt")
    mlflow.log_figure(plt.figure(), "figure.png")
    mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), "image.png")
    mlflow.log_table({"x": [1, 2]}, "table.json")
    with mlflow.start_run(nested=True, run_name="child") as child:
        mlflow.log_metric("loss", 9)
    found = mlflow.get_run(run.info.run_id)
    assert found.data.params["lr"] == "0.1" and found.data.metrics["acc"] == 0.9, found.data
    assert found.data.tags["team"] == "a" and found.info.run_name == "first", found
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert [(metric.step, round(metric.value, 2)) for metric in history] == [(0, 1.0), (1, 0.5), (2, 0.33)], history
    assert len(mlflow.MlflowClient().get_metric_history(run.info.run_id, "unstepped")) == 3
    names = [item.path for item in mlflow.MlflowClient().list_artifacts(run.info.run_id)]
    assert {"file.txt", "deep", "dict.json", "figure.png", "image.png", "table.json", "text.txt"} <= set(names), names
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/text.txt") == "text"
try:
    with mlflow.start_run(run_id=run.info.run_id):
        mlflow.log_param("lr", 0.2)
except mlflow.exceptions.MlflowException as error:
    assert "Changing param values" in str(error)
    print("refused")
assert child.info.run_id != run.info.run_id
print(run.info.run_id, child.info.run_id)

"""mlflow's autolog of scikit-learn, a model that is logged and loaded again, and runs that are searched."""

import mlflow
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

mlflow.autolog()
x, y = load_iris(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0)
with mlflow.start_run() as run:
    model = LogisticRegression(max_iter=200, C=0.5).fit(x_train, y_train)
    model.score(x_test, y_test)
    called = {"name" if mlflow.__version__ >= "3" else "artifact_path": "classifier"}
    info = mlflow.sklearn.log_model(model, registered_model_name="iris", **called)
loaded = mlflow.sklearn.load_model(info.model_uri)
assert (loaded.predict(x_test) == model.predict(x_test)).all()
frame = mlflow.search_runs(filter_string="params.C = '0.5' and metrics.training_score > 0.5")
assert list(frame["run_id"]) == [run.info.run_id], frame
print(frame[["run_id", "status", "metrics.training_score"]].to_string())

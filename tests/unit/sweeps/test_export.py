"""A sweep as an Optuna study, read back by Optuna itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from trainconf import files
from trainconf.control.results.sweep import TrialResult
from trainconf.errors import StorageError, UserError
from trainconf.paths import WorkspacePaths
from trainconf.search import grammar as e
from trainconf.search.expressions import Option
from trainconf.search.space import Axis, Space, Zip
from trainconf.sweeps.export import Study

optuna = pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
SPACE = Space((
    Axis("lr", e.log_interval(1e-4, 1)), Axis("depth", e.interval(1, 8, is_int=True)), Axis("z", e.normal(0, 1)),
    Axis("opt", e.choice(Option("sgd", (("momentum", e.uniform(0.5, 0.99)),)), "adam", None, [1, 2])),
    Axis("size", Zip("size", ({"width": 64, "name": "s"}, {"width": 128, "name": "l"}))),
))
STOP = {"interval": 2, "own": 0.3, "bound": 0.4, "compared": 3}


def trial(root: Path, number: int, status: str, value: float | None, logs: list[Any] = (), **more: Any) -> TrialResult:  # type: ignore[assignment]
    paths = WorkspacePaths(str(root)).run("x", f"s_{number}")
    os.makedirs(paths.run_dir)
    files.append_lines(paths.metrics, ({"name": "acc", "value": one, "step": step, "time": "2026-01-01T00:00:00Z"} for step, one in logs))
    own = more.pop("values", {})
    given = {"lr": 0.01 * (number + 1), "depth": number + 1, "z": 0.5 * number, "opt": "adam", "width": 64, "name": "s", **own}
    times = {"started": "2026-01-01T10:00:00Z", "ended": "2026-01-01T10:05:00Z"}
    row = {"run_id": paths.run_id, "run_dir": paths.run_dir, "status": status, **times}
    return TrialResult(number, [], given, row, value, **more)


def read_back(path: Path) -> Any:
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    return optuna.load_study(study_name="s", storage=storage)


def study(trials: list[TrialResult], space: Space | None = SPACE) -> Study:
    return Study("s", "acc", "maximize", trials, list(space.expressions()) if space is not None else [])


def test_optuna_reads_back_states_values_logs_and_parameters(tmp_path: Path) -> None:
    nan = float("nan")
    trials = [
        trial(tmp_path, 0, "Completed", 0.9, [(0, 0.5), (10, 0.9)]),
        trial(tmp_path, 1, "Canceled", 0.3, [(None, 0.1), (None, nan), (None, 0.3)], stop=STOP, values={"opt": "sgd", "momentum": 0.7}),
        trial(tmp_path, 2, "Failed", 0.95, [(0, 0.95)], values={"opt": [1, 2]}),
        trial(tmp_path, 3, "Completed", None),
        trial(tmp_path, 4, "Running", 0.2, values={"opt": None}),
        TrialResult(6, [], {"lr": 0.1}, {"status": "Completed", "reason": ""}, 0.1),  # somebody has removed its run
        TrialResult(5, [], {"lr": 1.5, "depth": 9, "z": 4.0}, {}, None),  # values of another space, and no run yet
    ]
    study(trials).write(str(tmp_path / "study.log"))
    found = read_back(tmp_path / "study.log")
    assert [one.state.name for one in found.trials] == ["COMPLETE", "PRUNED", "FAIL", "FAIL", "RUNNING", "COMPLETE", "WAITING"]
    assert [one.value for one in found.trials] == [0.9, 0.3, None, None, None, 0.1, None]
    assert [one.intermediate_values for one in found.trials[:3]] == [{0: 0.5, 10: 0.9}, {1: 0.1, 3: 0.3}, {0: 0.95}]
    assert (found.best_value, found.best_trial.number, found.metric_names) == (0.9, 0, ["acc"])
    for one, given in zip(found.trials, trials, strict=True):
        assert one.params == {key: str(value) if isinstance(value, list) else value for key, value in given.values.items()}
        assert [type(one.params[key]) for key in ("lr", "depth", "z") if key in one.params] in ([float, int, float], [float])
    kinds = {key: distribution for one in found.trials for key, distribution in one.distributions.items()}
    assert kinds["lr"] == optuna.distributions.FloatDistribution(1e-4, 1.5, log=True)
    assert kinds["depth"] == optuna.distributions.IntDistribution(1, 9)
    assert kinds["z"] == optuna.distributions.FloatDistribution(-3, 4)
    assert kinds["momentum"] == optuna.distributions.FloatDistribution(0.5, 0.99)
    assert kinds["opt"].choices == ("sgd", "adam", None, "[1, 2]")
    assert kinds["width"].choices == (64, 128)
    assert found.trials[1].user_attrs == {"run_id": "s_1", "status": "Canceled", "stop": STOP}
    assert found.trials[0].duration.total_seconds() == 300


def test_every_value_that_a_key_can_have_is_there_and_none_is_taken_for_another(tmp_path: Path) -> None:
    space = Space((
        Axis("opt", e.choice(Option("sgd", (("m", e.uniform(0.5, 1)),)), Option("adam", (("m", e.interval(2, 3)),)))),
        Axis("odd", e.choice(1, 1.0, True, "1", "true", None, [1])),
        Axis("size", Zip("size", ({"width": 64}, {"width": 128}, {"width": 256}))),
    ))
    odd = [1, 1.0, True, "1", "true", None, [1]]
    trials = [TrialResult(number, [], {"opt": "sgd", "m": 0.7, "odd": value, "width": 128}, {"status": "Completed"}, 0.1)
              for number, value in enumerate(odd)]
    study(trials, space).write(str(tmp_path / "study.log"))
    found = read_back(tmp_path / "study.log").trials
    texts = ["1", "1.0", "true", '"1"', '"true"', "null", "[1]"]
    assert [trial.params["odd"] for trial in found] == texts
    distributions = found[0].distributions
    assert (distributions["odd"].choices, distributions["width"].choices) == (tuple(texts), (64, 128, 256))
    assert (distributions["m"].low, distributions["m"].high) == (0.5, 3)


def test_optuna_goes_on_with_what_was_exported(tmp_path: Path) -> None:
    study([trial(tmp_path, number, "Completed", number / 10) for number in range(12)]).write(str(tmp_path / "study.log"))
    found = read_back(tmp_path / "study.log")
    found.sampler = optuna.samplers.TPESampler(seed=1)
    asked = found.ask({"lr": found.trials[0].distributions["lr"], "depth": found.trials[0].distributions["depth"]})
    found.tell(asked, 2.0)
    assert read_back(tmp_path / "study.log").best_value == 2.0


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    made = study([trial(tmp_path, 0, "Completed", 1.0)])
    with pytest.raises(StorageError, match="cannot be written"):
        made.write(str(tmp_path / "nowhere" / "study.log"))
    (tmp_path / "taken").touch()
    with pytest.raises(StorageError, match="there already"):
        made.write(str(tmp_path / "taken"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "taken"]


@pytest.mark.parametrize("space", [SPACE, None], ids=["search", "plain grid"])
def test_the_key_that_matters_is_the_most_important(tmp_path: Path, space: Space | None) -> None:
    trials = [
        trial(tmp_path, number, ("Completed", "Failed")[number % 5 == 0], number % 4, values={"depth": number % 4 + 1, "lr": 0.1})
        for number in range(40)
    ]
    found = study(trials, space).importances()
    assert next(iter(found)) == "depth"
    with pytest.raises(UserError, match="two trials"):
        study(trials[:1], space).importances()

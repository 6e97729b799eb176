"""What a program says of a search: expressions, samplings, policies, the whole; and every mistake at its call."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from trainconf import (
    BanditPolicy,
    BayesianParameterSampling,
    GridParameterSampling,
    HyperDriveConfig,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    PrimaryMetricGoal,
    RandomParameterSampling,
    ScriptRunConfig,
    TruncationSelectionPolicy,
    Workspace,
    choice,
    lognormal,
    loguniform,
    normal,
    qlognormal,
    qloguniform,
    qnormal,
    quniform,
    randint,
    uniform,
)  # fmt: skip
from trainconf.errors import UserError
from trainconf.sdk.hyperdrive import own_arguments
from trainconf.sdk.submission.request import parts_of

SPACE = {"--lr": uniform(0, 1)}
WHOLE: Any = 8.0  # a float that is a whole number


@pytest.mark.parametrize(
    ("made", "spec"),
    [
        (choice(1, 2, 3), {"type": "choice", "values": [1, 2, 3]}), (choice([0.1, "a,b"]), {"type": "choice", "values": [0.1, "a,b"]}),
        (choice(range(1, 4)), {"type": "choice", "values": [1, 2, 3]}), (choice((1, 2)), {"type": "choice", "values": [1, 2]}),
        (choice([1, 2], [3]), {"type": "choice", "values": [[1, 2], [3]]}), (choice("x"), {"type": "choice", "values": ["x"]}),
        (choice(True, None), {"type": "choice", "values": ["True", "None"]}),
        (choice({"a": 1}), {"type": "choice", "values": [{"value": {"a": 1}}]}),
        (randint(8), {"type": "randint", "upper": 8}), (randint(WHOLE), {"type": "randint", "upper": 8}),
        (uniform(0, 1), {"type": "uniform", "min_value": 0, "max_value": 1}),
        (quniform(0, 1, 0.1), {"type": "quniform", "min_value": 0, "max_value": 1, "q": 0.1}),
        (loguniform(-7, 0), {"type": "loguniform", "min_value": -7, "max_value": 0}),
        (qloguniform(0, 5, 1), {"type": "qloguniform", "min_value": 0, "max_value": 5, "q": 1}),
        (normal(0, 1), {"type": "normal", "mu": 0, "sigma": 1}), (qnormal(0, 1, 0.5), {"type": "qnormal", "mu": 0, "sigma": 1, "q": 0.5}),
        (lognormal(0, 1), {"type": "lognormal", "mu": 0, "sigma": 1}),
        (qlognormal(0, 1, 2), {"type": "qlognormal", "mu": 0, "sigma": 1, "q": 2}),
    ],
)  # fmt: skip
def test_an_expression_is_what_sweep_space_has(made: Any, spec: dict[str, Any]) -> None:
    assert made._spec == spec


WRONG: Any = "3"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (choice, "no value at all"), (lambda: choice([]), "no value at all"), (lambda: choice(range(0)), "no value at all"),
        (lambda: choice(object()), "a value cannot be"), (lambda: choice(float("nan"), 1), "a value cannot be nan"),
        (lambda: randint(0), "upper must be"),
        (lambda: randint(WHOLE + 0.5), "upper must be"),
        (lambda: randint(WRONG), "upper cannot be '3'"),
        (lambda: uniform(1, 1), "min must be below max"), (lambda: uniform(WRONG, 1), "min_value cannot be '3'"),
        (lambda: uniform(0, float("inf")), "finite number"), (lambda: uniform(True, 2), "min_value cannot be True"),
        (lambda: quniform(0, 1, 0), "q must be a number above 0"), (lambda: loguniform(0.001, 1e6), "too large"),
        (lambda: normal(0, -1), "sigma must be at least 0"),
        (lambda: lognormal(0, 1e9), "too large"),
        (lambda: qnormal(0, 1, -1), "above 0"),
    ],
)  # fmt: skip
def test_a_wrong_expression_is_told_at_its_line(make: Any, words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        make()
    assert "test_described.py:" in error.value.render()


def test_a_sampling_is_a_choice_of_sweep_and_its_space() -> None:
    space = {"--learning-rate": uniform(0, 1), "batch_size": choice(1, 2), "--model.depth": choice(3)}
    values = {"params.learning-rate": space["--learning-rate"]._spec, "params.batch_size": {"type": "choice", "values": [1, 2]},
              "params.model.depth": {"type": "choice", "values": [3]}}  # fmt: skip
    assert RandomParameterSampling(space, seed=0)._layer() == (["sweep=random"], {"sweep": {"space": values, "seed": 0, "rule": "random"}})
    assert BayesianParameterSampling(space)._layer() == (["sweep=bayes"], {"sweep": {"space": values, "sampler": "tpe"}})
    grid = {"a": choice(1, 2)}
    assert GridParameterSampling(grid)._layer()[1]["sweep"]["allow_partial"] is True


def random(space: Any, **more: Any) -> Any:
    return RandomParameterSampling(space, **more)


SHARE: Any = 0.2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: random({}), "parameter_space cannot be {}"), (lambda: random([uniform(0, 1)]), "a dict"),
        (lambda: random({"lr": 0.1}), r"parameter_space\['lr'\] cannot be 0.1"),
        (lambda: random({"--": uniform(0, 1)}), "a key of parameter_space cannot be '--'"),
        (lambda: random({"a b": uniform(0, 1)}), "a key of parameter_space cannot be 'a b'"),
        (lambda: random({3: uniform(0, 1)}), "a key of parameter_space cannot be 3"),
        (lambda: random({"--lr": uniform(0, 1), "lr": uniform(0, 1)}), "parameter_space has lr twice"),
        (lambda: random(SPACE, seed=-1), "seed cannot be -1"), (lambda: random(SPACE, seed=2**40), "seed cannot be"),
        (lambda: random(SPACE, rule="halton"), "rule cannot be 'halton'"),
        (lambda: random(SPACE, properties={"x": 1}), "properties cannot be"),
        (lambda: GridParameterSampling(SPACE), "choice: a grid needs"),
        (lambda: BayesianParameterSampling(SPACE, sampler="x"), "sampler cannot be 'x'"),
        (BanditPolicy, "neither slack_factor nor"), (lambda: BanditPolicy(slack_factor=0.1, slack_amount=0), "both given"),
        (lambda: BanditPolicy(slack_factor=-1), "slack_factor cannot be -1"),
        (lambda: BanditPolicy(0, 0.1), "evaluation_interval cannot be 0"),
        (lambda: MedianStoppingPolicy(delay_evaluation=-1), "delay_evaluation cannot be -1"),
        (lambda: TruncationSelectionPolicy(0), "truncation_percentage cannot be 0"),
        (lambda: TruncationSelectionPolicy(100), "from 1 to 99"),
        (lambda: TruncationSelectionPolicy(SHARE), "truncation_percentage cannot be 0.2"),
    ],
)  # fmt: skip
def test_a_wrong_sampling_or_policy_is_told_at_its_line(make: Any, words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        make()
    assert "test_described.py:" in error.value.render()


def test_a_policy_is_a_choice_and_zero_is_a_value() -> None:
    assert BanditPolicy(slack_amount=0)._layer() == (
        ["sweep/policy=bandit"], {"sweep": {"policy": {"evaluation_interval": 1, "slack_amount": 0, "delay_evaluation": 5}}},
    )  # fmt: skip
    assert MedianStoppingPolicy(2, 0)._layer()[1]["sweep"]["policy"] == {"evaluation_interval": 2, "delay_evaluation": 0}
    assert TruncationSelectionPolicy(20)._layer()[0] == ["sweep/policy=truncation"]
    assert NoTerminationPolicy()._layer() == (["sweep/policy=none"], {"sweep": {"policy": {}}})


def config(**given: Any) -> HyperDriveConfig:
    wanted: dict[str, Any] = {
        "hyperparameter_sampling": RandomParameterSampling(SPACE), "primary_metric_name": "loss",
        "primary_metric_goal": PrimaryMetricGoal.MINIMIZE, "max_total_runs": 4, "run_config": ScriptRunConfig(".", "train.py"),
    }  # fmt: skip
    return HyperDriveConfig(**(wanted | given))


def test_the_whole_says_what_sweep_and_metric_are() -> None:
    policy = BanditPolicy(slack_factor=0.1)
    found = config(max_concurrent_runs=2, max_duration_minutes=10, policy=policy, resume_from="a", resume_child_runs=["b", "c"])
    words, tree = found._layer()
    assert words == ["sweep=random", "sweep/policy=bandit"]
    assert tree["metric"] == {"name": "loss", "goal": "minimize"}
    assert {key: value for key, value in tree["sweep"].items() if key not in ("space", "policy")} == {
        "rule": "random", "max_total_runs": 4, "max_concurrent_runs": 2, "max_duration_minutes": 10, "resume_from": ["a"],
        "resume_child_runs": ["b", "c"], "resume_param": "resume-from",
    }  # fmt: skip
    assert config(policy=NoTerminationPolicy(), primary_metric_goal="Maximize")._layer()[1]["metric"]["goal"] == "maximize"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"hyperparameter_sampling": SPACE}, "hyperparameter_sampling cannot be"), ({"hyperparameter_sampling": None}, "cannot be None"),
        ({"primary_metric_name": ""}, "primary_metric_name cannot be ''"),
        ({"primary_metric_goal": "up"}, "primary_metric_goal cannot be 'up'"),
        ({"max_total_runs": 0}, "max_total_runs cannot be 0"), ({"max_total_runs": "4"}, "max_total_runs cannot be '4'"),
        ({"max_concurrent_runs": 0}, "max_concurrent_runs cannot be 0"), ({"max_duration_minutes": 0}, "max_duration_minutes cannot be 0"),
        ({"policy": "median"}, "policy cannot be 'median'"), ({"run_config": None}, "neither run_config nor estimator"),
        ({"estimator": ScriptRunConfig(".", "b.py")}, "both given"), ({"run_config": "train.py"}, "run_config cannot be 'train.py'"),
        ({"resume_from": [1]}, r"resume_from cannot be \[1\]"), ({"resume_from": list("abcdef")}, "has 6 sweeps"),
        ({"resume_from": ["a", "a"]}, "names a twice"), ({"resume_child_runs": list("abcde")}, "has 5 runs"),
        ({"pipeline": "p"}, "pipeline has no meaning here"), ({"custom_run_id": "x"}, "custom_run_id has no meaning here"),
        ({"debug_flag": {}}, "debug_flag has no meaning here"),
    ],
)  # fmt: skip
def test_a_wrong_whole_is_told_at_its_line(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        config(**given)
    assert "test_described.py:" in error.value.render()


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(UserError) as error:
        config(max_total_runs=-1, policy=3, pipeline="x", primary_metric_name=None)
    assert len(error.value.mistakes) == 4
    found = config()
    with pytest.raises(UserError, match="did you mean 'max_total_runs'"):
        found.max_total_run = 3
    with pytest.raises(UserError, match="max_total_runs cannot be 0"):
        found.max_total_runs = 0
    assert found.max_total_runs == 4


@pytest.mark.parametrize(
    ("given", "kept", "dropped"),
    [
        (["--lr", 0.1, "--epochs", 5], ["--epochs", 5], ["--lr"]),
        (["--lr=0.1", "pos"], ["pos"], ["--lr"]),
        (["a", "--lr"], ["a"], ["--lr"]),
        (["--lr", "-1", "--x", "y"], ["--x", "y"], ["--lr"]), (["--lr", "1", "2", "-v"], ["2", "-v"], ["--lr"]),
        (["--lrs", 1, "-lr", 2], ["--lrs", 1, "-lr", 2], []), ([], [], []),
    ],
)  # fmt: skip
def test_of_arguments_of_one_name_those_of_the_search_count(given: list[Any], kept: list[Any], dropped: list[str]) -> None:
    assert own_arguments.filtered(given, {"lr"}) == (kept, dropped)


def test_what_is_left_out_is_said_and_a_shell_command_gets_the_values(ws: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    script = ScriptRunConfig(".", "train.py", ["--lr", 0.5, "--x", 1])
    with caplog.at_level(logging.WARNING):
        found = own_arguments.without(parts_of(script), {"lr"})
    assert [part.values for part in found] == [{"arguments": ["--x", 1]}]
    assert "the search decides --lr; what" in caplog.text
    command = ScriptRunConfig(".", command="python train.py")
    assert [part.values for part in own_arguments.without(parts_of(command), {"lr"})] == [{"command": 'python train.py "$@"'}]
    for text in ('python train.py "$@"', "python train.py $*"):
        assert own_arguments.without(parts_of(ScriptRunConfig(".", command=text)), {"lr"}) == []

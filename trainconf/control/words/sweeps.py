"""Sweeps in words: a policy's settings."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.control.results.sweep import Results


def in_words(policy: dict[str, Any]) -> str:
    """`bandit, slack_factor=0.3, evaluation_interval=1`"""
    return ", ".join([str(policy.get("kind")), *(f"{key}={value}" for key, value in policy.items() if key != "kind" and value is not None)])


def without_a_best(results: Results) -> str:
    """Why no trial of a sweep is the best, in words; "" where there is nothing to say of it."""
    name, metric = results.sweep.run_id, results.metric
    if metric is None:
        return f"{name} compares its trials by no metric"
    logged = any(metric in trial.row.get("metrics", ()) for trial in results.trials)
    return f"no trial of {name} has a finite value of {metric}" if logged else f"no trial of {name} has logged {metric}"


def trial_named(number: int, status: str) -> str:
    """A trial, with its state unless it has completed: what it is worth counts however it ended."""
    return f"trial {number}" if status == "Completed" else f"trial {number} ({status})"

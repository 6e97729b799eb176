"""Sweeps in words: a policy's settings."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def in_words(policy: dict[str, Any]) -> str:
    """`bandit, slack_factor=0.3, evaluation_interval=1`"""
    return ", ".join([str(policy.get("kind")), *(f"{key}={value}" for key, value in policy.items() if key != "kind" and value is not None)])


def trial_named(number: int, status: str) -> str:
    """A trial, with its state unless it has completed: what it is worth counts however it ended."""
    return f"trial {number}" if status == "Completed" else f"trial {number} ({status})"

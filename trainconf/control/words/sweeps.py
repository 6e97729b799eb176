"""Sweeps in words: a policy's settings, and why it stopped a trial."""

from __future__ import annotations

from trainconf.control.words.values import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def in_words(policy: dict[str, Any]) -> str:
    """`bandit, slack_factor=0.3, evaluation_interval=1`"""
    return ", ".join([str(policy.get("kind")), *(f"{key}={value}" for key, value in policy.items() if key != "kind" and value is not None)])


def why_stopped(stop: dict[str, Any], goal: str) -> str:
    """`stopped at log 5: 0.61 < 0.70, 12 compared`"""
    sign = "<" if goal == "maximize" else ">"
    values = f"{number(stop.get('own'))} {sign} {number(stop.get('bound'))}"
    return f"stopped at log {stop.get('interval')}: {values}, {stop.get('compared')} compared"

"""What is said below the table of a sweep."""

from __future__ import annotations

from typing import Any

import pytest

from trainconf.cli.screen.sweep import summary
from trainconf.control.results.sweep import Results, TrialResult
from trainconf.paths import RunPaths


@pytest.mark.parametrize(("policy", "bound", "is_told"), [("bandit", 0.0, True), ("bandit", 0.1, False), ("median", 0.0, False)])
def test_a_slack_that_is_a_share_of_nothing_is_told(policy: str, bound: float, is_told: bool) -> None:
    stop: dict[str, Any] = {"interval": 5, "own": -0.1, "bound": bound, "compared": 3}
    trial = TrialResult(0, [], {}, {"status": "Canceled"}, -0.1, stop)
    known = dict.fromkeys(Results._fields)
    results = Results(**{  # type: ignore[arg-type]
        **known, "sweep": RunPaths("/runs/x/s"), "goal": "maximize", "trials": [trial], "policy": policy, "verdict_count": 9,
        "policy_changes": [],
    })
    lines = summary(results)
    assert "  trial 0 stopped at log 5: -0.1 < " in "\n".join(lines)
    assert any("slack_amount" in line for line in lines) is is_told

"""The one table of config groups: what names a node's schema, at the root and below another group's node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from trainconf import schema
from trainconf.resolve.settings import settings

ROOTS = {"compute": {"target": "slurm"}, "env": {}, "distributed": {"kind": "mpi"}, "sweep": {"kind": "grid"}}


@dataclass
class Bandit:
    """A nested choice."""

    kind: str = schema.setting("bandit", "set by the choice")
    slack: float = schema.setting(0.1, "how much worse a trial may be", above=0)


@pytest.fixture
def nested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(schema.GROUPS, "sweep/policy", schema.Group("kind", {"bandit": Bandit}, "bandit"))


def test_the_kind_of_a_node_names_its_schema() -> None:
    assert schema.node_types(ROOTS) == {
        "compute": schema.SlurmCompute, "env": schema.EnvironmentConfig, "distributed": schema.MpiDistributed, "sweep": schema.GridSweep,
    }  # fmt: skip


@pytest.mark.parametrize("node", [{}, {"target": "mars"}, {"target": ["local"]}, None, "local"])
def test_a_node_that_names_no_kind_has_no_schema(node: Any) -> None:
    assert schema.group_schema("compute", node) is None


@pytest.mark.usefixtures("nested")
def test_a_nested_group_fills_a_node_below_the_other_groups() -> None:
    config = {**ROOTS, "sweep": {"kind": "grid", "policy": {"kind": "bandit", "slack": 0.2}}}
    assert schema.node_types(config)["sweep.policy"] is Bandit
    assert settings(schema.node_types(config))["sweep.policy.slack"].allowed == "number > 0"
    assert "sweep.policy" not in schema.node_types(ROOTS)


@pytest.mark.usefixtures("nested")
def test_a_key_belongs_to_the_innermost_group() -> None:
    found = [schema.group_of(key) for key in ("sweep", "sweep.kind", "sweep.policy", "sweep.policy.slack", "sweeper", "params.sweep")]
    assert found == ["sweep", "sweep", "sweep/policy", "sweep/policy", "", ""]

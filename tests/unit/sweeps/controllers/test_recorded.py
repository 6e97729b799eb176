"""A recorded run with other values is what replaying it with them gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Shell
from trainconf.errors import ConfigError
from trainconf.history.record import read_mapping
from trainconf.paths import RunPaths, find_workspace
from trainconf.reporter import SILENT
from trainconf.submission import replay
from trainconf.submission.recorded import RecordedRun
from trainconf.sweeps.trials import as_changes

EXPERIMENT = """\
# @package _global_
defaults:
  - override /env: current
  - _self_
experiment_name: mine
script: train.py
params: {lr: 0.1, base: 2, twice: "${params.base}", optim: {name: sgd, lr: "${..lr}"}, free: 1, layers: [1], made: "${experiment_name}"}
tags: {lr: "${params.optim.name}"}
"""
KEYS = st.sampled_from([
    "params.free", "params.lr", "params.base", "params.twice", "params.new", "params.optim.name", "params.layers", "params.made",
    "params.optim", "compute.cpus", "params.free.deeper",
])  # fmt: skip
VALUES = st.sampled_from([1, 2, 0.1, "a", "it's", "${x}", "???", "{inputs.d}", None, True, [1, 2], "", "sgd", "${secret:A}"])


def facts(resolved: Any) -> list[Any]:
    names = ("config", "origins", "choices", "overrides", "derived", "config_name", "folder")
    found = [getattr(resolved.composed, name) for name in names]
    return [resolved.spec, resolved.source_directory, *found, list(resolved.composed.origins)]


def said(by: Any) -> Any:
    try:
        return facts(by())
    except ConfigError as error:
        return error.render()


def test_other_values_are_what_replaying_with_them_gives(workspace: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.write("conf/experiment/mine.yaml", EXPERIMENT)
    workspace.write("train.py", "")
    assert workspace("experiment=mine", f"compute.lease_dir={workspace.root}/leases").code == 0
    (run,) = workspace.root.glob("runs/mine/*")
    place = find_workspace(str(workspace.root))
    paths, record = RunPaths(str(run)), read_mapping(RunPaths(str(run)).record)
    recorded = RecordedRun(paths, place)
    replayed: list[bool] = []
    original = replay.from_run
    monkeypatch.setattr(replay, "from_run", lambda *args: (replayed.append(True), original(*args))[1])
    asked = 0

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(KEYS, min_size=1, max_size=2, unique=True), st.lists(VALUES, min_size=4, max_size=4))
    def check(keys: list[str], values: list[Any]) -> None:
        nonlocal asked
        for at in (0, 2):
            trial = dict(zip(keys, values[at:], strict=False))
            words = as_changes(trial, record)
            asked += 1
            assert said(lambda: recorded.resolved(trial, words)) == said(lambda: original(paths, words, place, SILENT)[0])  # noqa: B023

    check()
    assert len(replayed) < asked, "nothing was replaced"
    replayed.clear()
    for value in (1, "a", None):
        recorded.resolved({"params.free": value}, as_changes({"params.free": value}, record))
    assert len(replayed) <= 1

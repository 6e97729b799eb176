from __future__ import annotations

import json
import math
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainconf.history import series
from trainconf.job_api import Run
from trainconf.paths import RunPaths, WorkspacePaths

TIME = "2026-11-23T05:32:07.123456Z"
NAMES = ["loss", "é", 'a"name":"loss"', "", "x\\", "a b"]
LINES = st.lists(
    st.one_of(
        st.builds(
            lambda time, name, value, step, dense: json.dumps(
                {"time": time, "name": name, "value": value, "step": step}, separators=(",", ":") if dense else None
            ).encode(),
            st.sampled_from([TIME, TIME, "soon", None, 5, "2026-13-45T99:99:99.999999Z"]),
            st.sampled_from(NAMES),
            st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["text", 10**400]),
            st.none() | st.integers(-5, 5) | st.sampled_from([10**30, 1.5, "3"]),
            st.booleans(),
        ),
        st.binary().map(lambda data: data.replace(b"\n", b" ")),
        st.sampled_from(
            [b'{"name":"loss"', b'{"name":"loss","value":1', b'{"value":2}', b'{"name":3,"value":1}', b'{"name":"a","value":[1]}']
        ),
    ),
    max_size=30,
)


def write(paths: RunPaths, *lines: bytes, name: str = "metrics.jsonl") -> None:
    path = os.path.join(paths.run_dir, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as stream:
        stream.write(b"".join(line + b"\n" for line in lines))


def line(name: str, value: object, step: int | None, time: str = TIME) -> bytes:
    return json.dumps({"time": time, "name": name, "value": value, "step": step}, separators=(",", ":")).encode()


def points(paths: RunPaths) -> dict[str, dict[int, float]]:
    return {each.name: dict(zip(each.steps, each.values, strict=True)) for each in series.of_run(paths)}


def slowly(lines: list[bytes]) -> dict[str, dict[int, float]]:
    """What the series mean: decode each line, and let each step of a name have the last number."""
    found: dict[str, dict[int, float]] = {}
    last: dict[str, int] = {}
    for text in lines:
        try:
            entry = json.loads(text)
        except ValueError:
            continue
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or isinstance(entry.get("value", []), list):
            continue
        name, value, step = entry["name"], entry["value"], entry.get("step")
        found.setdefault(name, {})
        step = last.get(name, -1) + 1 if step is None else step
        if not isinstance(value, (int, float)) or not isinstance(step, int) or abs(step) >= 2**63:
            continue
        last[name] = step
        try:
            found[name][step] = float(value)
        except OverflowError:
            found[name][step] = math.inf if value > 0 else -math.inf
    return {name: dict(sorted(found[name].items())) for name in sorted(found)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES)
def test_a_series_is_what_decoding_every_line_gives(workspace: WorkspacePaths, lines: list[bytes]) -> None:
    paths = RunPaths(workspace.root)
    write(paths, *lines)
    assert repr(points(paths)) == repr(slowly(lines))  # NaN is NaN in a text


def test_what_a_script_logs_is_read_back_with_its_steps_and_times(workspace: WorkspacePaths) -> None:
    paths = RunPaths(workspace.root)
    run = Run({"TRAINCONF_RUN_DIR": paths.run_dir})
    for step in range(3):
        run.log("Verlust é", 1 / (step + 1), step)
        run.log("done", step == 2)
    run.log("status", "fine")
    loss, done, status = series.of_run(paths)
    assert (loss.name, list(loss.steps), list(loss.values), loss.source) == ("Verlust é", [0, 1, 2], [1.0, 0.5, 1 / 3], "log")
    assert (list(done.steps), list(done.values)) == ([0, 1, 2], [0.0, 0.0, 1.0])
    assert (status.name, len(status)) == ("status", 0)
    assert sorted(loss.times) == list(loss.times)
    assert len(loss.times) == 3


def test_an_attempt_after_a_requeue_replaces_the_steps_that_it_goes_over_again(workspace: WorkspacePaths) -> None:
    paths = RunPaths(workspace.root)
    write(paths, *(line("loss", step, step) for step in range(10)), *(line("loss", 100 + step, step) for step in range(5, 8)))
    assert points(paths)["loss"] == {**{step: float(step) for step in range(10)}, 5: 105.0, 6: 106.0, 7: 107.0}


def test_series_of_several_machines_are_one_and_the_later_value_of_a_step_counts(workspace: WorkspacePaths) -> None:
    paths = RunPaths(workspace.root)
    early, late = "2026-11-23T05:32:07.000000Z", "2026-11-23T05:32:08.000000Z"
    write(paths, line("loss", 1, 0, late), line("loss", 2, 1, early), name="metrics/node1.jsonl")
    write(paths, line("loss", 3, 0, early), line("loss", 4, 1, late), line("loss", 5, 2, late), name="metrics/node2.jsonl")
    assert points(paths)["loss"] == {0: 1.0, 1: 4.0, 2: 5.0}


def test_only_wanted_names_are_kept(workspace: WorkspacePaths) -> None:
    paths = RunPaths(workspace.root)
    write(paths, line("loss", 1, 0), line("lr", 2, 0))
    assert [each.name for each in series.of_run(paths, lambda name: name == "lr")] == ["lr"]


@pytest.mark.parametrize("torn", [b"", b'{"time":"2026', b"\xff\x00"])
def test_blocks_before_and_after_a_damaged_line_are_whole(workspace: WorkspacePaths, torn: bytes) -> None:
    paths = RunPaths(workspace.root)
    many = 10_000  # several blocks
    write(paths, *(line("loss", step, step) for step in range(many)), torn, *(line("loss", step, step) for step in range(many, 2 * many)))
    found = series.of_run(paths)[0]
    assert list(found.steps) == list(range(2 * many))
    assert len(found.times) == 2 * many


def test_a_run_without_metrics_has_no_series(workspace: WorkspacePaths) -> None:
    assert series.of_run(RunPaths(os.path.join(workspace.root, "nothing"))) == []

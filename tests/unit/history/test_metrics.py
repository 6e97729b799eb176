from __future__ import annotations

import json
import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainconf import files
from trainconf.history import metrics
from trainconf.paths import RunPaths, WorkspacePaths

from .build import make_run

LINES = st.lists(
    st.one_of(
        st.builds(
            lambda name, value, ascii: json.dumps({"time": "t", "name": name, "value": value, "step": 1}, ensure_ascii=ascii).encode(),
            st.sampled_from(["loss", "é", 'a"name":"loss"', "", "x\\", "a b"]) | st.text(st.characters(exclude_categories=["Cs"])),
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(exclude_categories=["Cs"])),
            st.booleans(),
        ),
        st.binary().map(lambda data: data.replace(b"\n", b" ")),
        st.sampled_from([b'{"name":"loss"', b'"name":"loss"', b'{"name":"loss","value":1', b'{"value":2}', b'{"name":3,"value":1}']),
    ),
    max_size=30,
)


def slowly(lines: list[bytes]) -> dict[str, object]:
    """What the summary means: decode every line."""
    values = {}
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("name"), str) and "value" in entry:
            values[entry["name"]] = entry["value"]
    return values


def write(paths: RunPaths, data: bytes, mode: str = "ab") -> None:
    with open(paths.metrics, mode) as stream:
        stream.write(data)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES, st.integers(0, 30))
def test_a_summary_in_one_go_or_in_two_is_what_decoding_every_line_gives(workspace: WorkspacePaths, lines: list[bytes], cut: int) -> None:
    paths = RunPaths(workspace.root)
    write(paths, b"".join(line + b"\n" for line in lines[:cut]), "wb")
    first = metrics.summarise(paths)
    assert first.values == slowly(lines[:cut])
    write(paths, b"".join(line + b"\n" for line in lines[cut:]))
    assert metrics.summarise(paths, first).values == slowly(lines)
    assert metrics.summarise(paths).values == slowly(lines)


def test_many_names_and_many_chunks_give_the_last_value_of_each(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace)
    count = 100_000
    write(paths, b"".join(b'{"name":"m%d","value":%d,"pad":"%s"}\n' % (i % 500, i, b"x" * 60) for i in range(count)))
    assert os.path.getsize(paths.metrics) > 2 * metrics.CHUNK_BYTES
    values = metrics.summarise(paths).values
    assert len(values) == 500
    assert values["m499"] == count - 1


def test_a_line_without_its_newline_waits_for_it(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, metrics={"loss": 3.0})
    write(paths, b'{"name":"loss","val')
    torn = metrics.summarise(paths)
    assert torn.values == {"loss": 3.0}
    write(paths, b'ue":1.5}\n')
    assert metrics.summarise(paths, torn).values == {"loss": 1.5}


def test_a_later_summary_reads_only_what_is_new(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, metrics={"loss": 3.0, "gone": 1.0, "last": 1.0})
    known = metrics.summarise(paths)
    with open(paths.metrics, "r+b") as stream:  # scribble over what was read: only a second reading would notice
        stream.write(b"x" * (os.path.getsize(paths.metrics) - metrics.CHECKED_BYTES))
    write(paths, b'{"name":"loss","value":2}\n')
    assert metrics.summarise(paths, known).values == {"loss": 2, "gone": 1.0, "last": 1.0}


def test_a_file_that_was_written_anew_in_place_is_read_anew(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, metrics={"loss": 3.0, "gone": 1.0})
    known = metrics.summarise(paths)
    write(paths, b'{"name":"a","value":2}\n' * 100, "r+b")
    assert metrics.summarise(paths, known).values == {"a": 2}


def test_a_cursor_gives_each_metric_once_from_all_files(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace)
    cursor = metrics.Cursor()
    assert metrics.read_since(paths, cursor) == []
    write(paths, b'{"time":"1","name":"a","value":1,"step":1}\n{"name":"a","val')
    assert [(m["name"], m["value"], m["step"]) for m in metrics.read_since(paths, cursor)] == [("a", 1, 1)]
    os.makedirs(paths.metrics_folder)
    files.append_line(os.path.join(paths.metrics_folder, "node1.jsonl"), {"time": "2", "name": "b", "value": 5, "step": None})
    write(paths, b'ue":2}\n')
    assert [(m["name"], m["value"]) for m in metrics.read_since(paths, cursor)] == [("a", 2), ("b", 5)]
    assert metrics.read_since(paths, cursor) == []
    kept = json.loads(json.dumps(cursor.places))
    files.append_line(os.path.join(paths.metrics_folder, "node1.jsonl"), {"name": "b", "value": 6})
    assert [m["value"] for m in metrics.read_since(paths, metrics.Cursor(kept))] == [6]


def test_of_two_machines_that_log_one_metric_the_later_value_counts(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace)
    os.makedirs(paths.metrics_folder)
    for host, time, value in (("a", "2026-01-01T00:00:02Z", 2), ("b", "2026-01-01T00:00:01Z", 1)):
        files.append_line(os.path.join(paths.metrics_folder, f"{host}.jsonl"), {"time": time, "name": "loss", "value": value})
    known = metrics.summarise(paths)
    assert known.values == {"loss": 2}
    files.append_line(os.path.join(paths.metrics_folder, "b.jsonl"), {"time": "2026-01-01T00:00:03Z", "name": "loss", "value": 3})
    assert metrics.summarise(paths, known).values == {"loss": 3}


def test_a_line_that_never_ends_takes_no_memory(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, metrics={"loss": 3.0})
    write(paths, b"x" * (metrics.CHUNK_BYTES * 2))
    os.truncate(paths.metrics, 3 << 30)
    assert metrics.summarise(paths).values == {"loss": 3.0}


def test_another_or_a_shorter_file_is_read_anew(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace, metrics={"loss": 3.0, "gone": 1.0})
    known = metrics.summarise(paths)
    write(paths, b'{"name":"a","value":2}\n', "wb")
    assert metrics.summarise(paths, known).values == {"a": 2}
    write(RunPaths(workspace.root), b'{"name":"b","value":2}\n' * 100)
    os.replace(RunPaths(workspace.root).metrics, paths.metrics)
    assert metrics.summarise(paths, known).values == {"b": 2}


def test_no_file_is_no_metrics(workspace: WorkspacePaths) -> None:
    assert metrics.summarise(make_run(workspace)).values == {}


def test_numbers_that_json_does_not_have_are_kept(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace)
    write(paths, b'{"name":"loss","value":NaN}\n{"name":"top","value":Infinity}\n')
    values = metrics.summarise(paths).values
    assert values["loss"] != values["loss"]
    assert values["top"] == float("inf")

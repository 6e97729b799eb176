"""What may be logged, in which shape it is read back, and what is refused with which words."""

from __future__ import annotations

import decimal
import enum
import fractions
import json
import math
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainconf.control.interactive.logged import get_metrics
from trainconf.history import record
from trainconf.job_api import Run
from trainconf.job_api.values import LONGEST_NAME
from trainconf.paths import RunPaths

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


@pytest.fixture(params=["in a run", "outside any run"])
def run(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The interface is one: what holds in a run holds outside of it."""
    monkeypatch.chdir(tmp_path)
    if request.param == "outside any run":
        return Run({})
    folder = tmp_path / "runs/exp/exp-1"
    (folder / "outputs").mkdir(parents=True)
    (folder / "run.json").write_text('{"run_id": "exp-1", "experiment_name": "exp", "tags": {"from": "start"}}')
    return Run({"TRAINCONF_RUN_DIR": str(folder), "TRAINCONF_RUN_ID": "exp-1", "TRAINCONF_EXPERIMENT": "exp"})


class Colour(enum.IntEnum):
    RED = 3


class Tensor:
    """A tensor of one element of a library that is not there."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def item(self) -> Any:
        return self.value

    def __iter__(self) -> Any:
        return iter([self.value])


@pytest.mark.parametrize(
    ("value", "kept"),
    [(Colour.RED, 3), (decimal.Decimal("0.5"), 0.5), (fractions.Fraction(1, 4), 0.25), (Tensor(2.5), 2.5), (Tensor(True), True),
     (2**80, 2**80), (-0.0, -0.0), (None, None), ("", "")],
)  # fmt: skip
def test_whatever_is_one_number_is_kept_as_it_is(run: Run, value: Any, kept: Any) -> None:
    run.log("m", value)
    (found,) = run.get_metrics("m")["m"]
    assert (found, type(found)) == (kept, type(kept))


WIDTHS = [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)] + ["float16", "float32", "float64", "longdouble"]


@pytest.mark.parametrize("width", WIDTHS)
def test_scalars_of_numpy_of_every_width_are_numbers(run: Run, width: str) -> None:
    numpy = pytest.importorskip("numpy")
    kind = getattr(numpy, width)
    run.log("one", kind(2))
    run.log("zero_dim", numpy.array(2, dtype=kind))
    run.log_list("several", numpy.array([1, 2], dtype=kind))
    run.log_row("row", column=kind(3))
    run.log_table("table", {"column": numpy.array([4, 5], dtype=kind), "plain": [kind(6), kind(7)]})
    run.log("at", 1, step=kind(8) if "int" in width else int(kind(8)))
    found = run.get_metrics()
    assert found == {"one": [2], "zero_dim": [2], "several": [1, 2], "row": {"column": [3]},
                     "table": {"column": [4, 5], "plain": [6, 7]}, "at": [1]}  # fmt: skip
    wanted = int if "int" in width else float
    assert {type(each) for each in (*found["one"], *found["several"], *found["row"]["column"])} == {wanted}


def test_texts_truths_and_odd_numbers_of_numpy_are_kept(run: Run) -> None:
    numpy = pytest.importorskip("numpy")
    run.log_list("m", [numpy.bool_(True), numpy.str_("x"), numpy.float32("nan"), numpy.float64("inf"), numpy.int64(2**62)])
    truth, text, nan, inf, large = run.get_metrics()["m"]
    assert (truth, text, inf, large) == (True, "x", math.inf, 2**62)
    assert math.isnan(nan)
    for wrong in (numpy.complex64(1j), numpy.datetime64("2026-01-01"), numpy.array([[1, 2]]), numpy.array([])):
        with pytest.raises(TypeError, match="metric 'm' must be"):
            run.log("m", wrong)
    with pytest.raises(TypeError, match="log_table"):
        run.log_list("m", numpy.array([[1, 2], [3, 4]]))


@pytest.mark.parametrize(
    ("value", "call"), [([1, 2], "run.log_list('m', values)"), ((1,), "log_list"), (range(3), "log_list"), ({"a": 1}, "log_row")]
)
def test_several_values_are_refused_with_the_call_for_them(run: Run, value: Any, call: str) -> None:
    with pytest.raises(TypeError) as caught:
        run.log("m", value)
    assert call in str(caught.value)
    assert run.get_metrics() == {}


@pytest.mark.parametrize("value", [object(), b"bytes", 1j, Run, sys])
def test_what_is_no_value_at_all_is_refused(run: Run, value: Any) -> None:
    with pytest.raises(TypeError, match="metric 'm' must be"):
        run.log("m", value)


@pytest.mark.parametrize("name", ["", None, 3, "x" * (LONGEST_NAME + 1)])
def test_a_name_is_a_text_that_is_neither_empty_nor_endless(run: Run, name: Any) -> None:
    calls: list[Callable[[], object]] = [
        lambda: run.log(name, 1), lambda: run.log_list(name, [1]), lambda: run.log_row(name, a=1), lambda: run.log_table(name, {"a": [1]}),
        lambda: run.log_image(name, "x.png"), lambda: run.log_residuals(name, {}), lambda: run.tag(name),
        lambda: run.upload_file(name, "x"),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises((TypeError, ValueError), match="name of a"):
            call()


def test_the_shape_is_one_whatever_the_count(run: Run) -> None:
    run.log("once", 1)
    run.log_row("one row", a=1)
    assert run.get_metrics() == {"once": [1], "one row": {"a": [1]}}
    run.log("once", 2)
    run.log_row("one row", a=2, b="x")
    run.log_table("one row", {"b": ["y", "z"]})
    assert run.get_metrics() == {"once": [1, 2], "one row": {"a": [1, 2, None, None], "b": [None, "x", "y", "z"]}}
    assert run.get_metrics("once") == {"once": [1, 2]}
    assert run.get_metrics("none") == {}
    assert run.metrics == {"once": 2, "one row/a": 2}


def test_history_reads_the_same(run: Run) -> None:
    run.log_list("m", [1, 2.5, None, "x", True])
    run.log_row("r", a=1, description="rows")
    run.log_table("t", {"a": [1, 2], "b": ["x", None]})
    if run.run_dir:
        paths = RunPaths(run.run_dir)
        assert get_metrics(paths) == run.get_metrics()
        assert record.details(paths)["metrics"] == run.metrics


def test_a_table_has_columns_of_one_length(run: Run) -> None:
    with pytest.raises(ValueError, match="not of one length: a has 2, b has 1"):
        run.log_table("t", {"a": [1, 2], "b": [1]})
    run.log_table("t", {"a": 1, "b": "x"})
    assert run.get_metrics() == {"t": {"a": [1], "b": ["x"]}}
    for wrong in ([1], "text", {}, {1: [2]}, {"a": [[1]]}):
        with pytest.raises((TypeError, ValueError)):
            run.log_table("t2", wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="needs columns"):
        run.log_row("t")
    with pytest.raises(TypeError, match="log_table"):
        run.log_row("t", a=[1, 2])


def test_what_was_refused_leaves_its_name_free(run: Run) -> None:
    wrong: dict[str, list[Any]] = {"log": [{"a": 1}], "log_list": [3], "log_row": [], "log_image": ["no.png"], "log_residuals": [{}]}
    for call, arguments in wrong.items():
        with pytest.raises((TypeError, ValueError, OSError)):
            getattr(run, call)("x", *arguments)
    with pytest.raises(TypeError, match="the description of metric 'x' must be a text"):
        run.log("x", 1, description=3)  # type: ignore[arg-type]
    run.log_row("x", a=1)  # which the first message says
    assert run.get_metrics() == {"x": {"a": [1]}}


def test_a_name_is_of_one_kind(run: Run) -> None:
    run.log("m", 1)
    with pytest.raises(ValueError, match="'m' was logged as a metric before"):
        run.log_row("m", a=1)


GOOD: dict[str, dict[str, Any]] = {
    "confusion_matrix": {"class_labels": ["a", "b"], "matrix": [[1, 2], [3, 4]]},
    "accuracy_table": {
        "class_labels": ["a", "b"], "probability_thresholds": [0.5], "percentile_thresholds": [0, 1],
        "probability_tables": [[[1, 2, 3, 4]], [[1, 2, 3, 4]]], "percentile_tables": [[[1, 2, 3, 4]] * 2] * 2,
    },
    "residuals": {"bin_edges": [0, 1, 2], "bin_counts": [1, 2]},
    "predictions": {"bin_edges": [0, 1], "bin_counts": [1], "bin_averages": [0.5], "bin_errors": [0.1]},
}  # fmt: skip
VERSIONS = {"confusion_matrix": "1.0.0", "accuracy_table": "1.0.1", "residuals": "1.0.0", "predictions": "1.0.0"}


@pytest.mark.parametrize("schema", GOOD)
@pytest.mark.parametrize("as_text", [False, True])
def test_a_chart_that_keeps_its_schema_is_read_back(run: Run, schema: str, as_text: bool) -> None:
    chart = {"schema_type": schema, "schema_version": VERSIONS[schema], "data": GOOD[schema]}
    getattr(run, f"log_{schema}")("c", json.dumps(chart) if as_text else chart)
    assert run.get_metrics() == {"c": [chart]}


@pytest.mark.parametrize("schema", GOOD)
def test_a_chart_tells_everything_that_is_wrong_with_it(run: Run, schema: str) -> None:
    log = getattr(run, f"log_{schema}")
    with pytest.raises(ValueError, match="is no JSON"):
        log("c", "{")
    with pytest.raises(TypeError, match="must be a mapping"):
        log("c", [1])
    with pytest.raises(ValueError, match="is no") as caught:
        log("c", {"schema_type": "other", "schema_version": "9", "data": {}})
    told = str(caught.value)
    assert f"schema_type must be {schema!r}, not 'other'" in told
    assert "schema_version must be" in told
    assert all(f"data.{key} is missing" in told for key in GOOD[schema])
    for key in GOOD[schema]:
        wrong = {**GOOD[schema], key: [["x"]] if key == "class_labels" else ["x", "y", "z", "w"]}
        with pytest.raises(ValueError, match=r"data\."):
            log("c", {"schema_type": schema, "schema_version": VERSIONS[schema], "data": wrong})
    assert run.get_metrics() == {}


def test_an_image_is_a_file_that_is_one(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "b.png").write_text("no image")
    run.log_image("p/../q", path="a.png")
    (name,) = run.get_metrics()["p/../q"]
    assert name.startswith("outputs/images/p_.._q_")
    assert Path(run.download_file(name, "fetched.png")).read_bytes() == PNG
    with pytest.raises(ValueError, match=r"is no image; allowed are PNG"):
        run.log_image("p", path="b.png")
    with pytest.raises(FileNotFoundError, match=r"no image file 'c\.png'"):
        run.log_image("p", path="c.png")
    for wrong in ({}, {"path": "a.png", "plot": 1}):
        with pytest.raises(TypeError, match="one of both"):
            run.log_image("p", **wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="matplotlib, not an int"):
        run.log_image("p", plot=1)


def test_a_plot_is_saved_by_whatever_can_save_itself(run: Run) -> None:
    def savefig(path: str, format: str) -> None:
        assert format == "png"
        Path(path).write_bytes(PNG)

    run.log_image("curve", plot=types.SimpleNamespace(savefig=savefig))
    (name,) = run.get_metrics()["curve"]
    assert Path(run.download_file(name, "fetched.png")).read_bytes() == PNG


def test_files_go_into_the_run_whole_and_come_out_again(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a").write_text("a")
    (tmp_path / "in/b").write_text("b")
    os.symlink("/etc/passwd", tmp_path / "in/link")
    assert run.upload_file("model.bin", "in/a") == "outputs/model.bin"
    assert run.upload_folder("logs/all", "in") == ["logs/all/a", "logs/all/b"]
    with open("in/b", "rb") as stream:
        run.upload_file("outputs/from/stream", stream)
    run.upload_files(["outputs/x", "outputs/y"], ["in/a", "in/b"])
    assert run.get_file_names() == ["logs/all/a", "logs/all/b", "outputs/from/stream", "outputs/model.bin", "outputs/x", "outputs/y"]
    assert run.download_file("model.bin") == "model.bin"
    assert run.download_file("outputs/model.bin", "new/folder/") == "new/folder/model.bin"
    assert run.download_files("logs", "got") == ["got/logs/all/a", "got/logs/all/b"]
    assert run.download_files("logs/all", "flat", append_prefix=False) == ["flat/a", "flat/b"]
    assert Path("flat/b").read_text() == "b"
    assert not [name for name in os.listdir() if name.endswith(".tmp")]


def test_wrong_files_are_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    run.upload_file("outputs/model.pkl", "a")
    with pytest.raises(FileNotFoundError, match=r"no file 'outputs/modle.pkl'; there are outputs/model.pkl"):
        run.download_file("outputs/modle.pkl")
    with pytest.raises(FileNotFoundError, match="no file 'nothing'"):
        run.download_files("nothing")
    with pytest.raises(FileNotFoundError, match="no file 'missing' to upload"):
        run.upload_file("x", "missing")
    with pytest.raises(IsADirectoryError, match="upload_folder"):
        run.upload_file("x", ".")
    with pytest.raises(NotADirectoryError, match="no folder 'a'"):
        run.upload_folder("x", "a")
    with pytest.raises(ValueError, match="2 names and 1 paths"):
        run.upload_files(["x", "y"], ["a"])
    with pytest.raises(TypeError, match="must be a path or an open file, not an int"):
        run.upload_file("x", 3)
    for bad in ("../x", "/etc/x", "outputs/../../x", "a\0b", "."):
        with pytest.raises(ValueError, match="named from its folder on"):
            run.upload_file(bad, "a")
    assert run.get_file_names() == ["outputs/model.pkl"]


def test_tags_change_and_properties_do_not(run: Run) -> None:
    run.set_tags({"a": 1, "b": None, "c": True})
    run.tag("a", 2)
    run.remove_tags(["b", "unknown"])
    assert {**run.tags, "from": "start"} == {"from": "start", "a": "2", "c": "True"}
    run.add_properties({"p": 1})
    run.add_properties({"p": 1, "q": "2"})
    with pytest.raises(ValueError, match="p is '1', not '3'"):
        run.add_properties({"p": 3, "r": 1})
    assert run.properties == {"p": "1", "q": "2"}
    for wrong in ("text", 3, [1]):
        with pytest.raises(TypeError, match="must be a mapping"):
            run.set_tags(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="tags 'x' must be a text, not a list"):
        run.set_tags({"x": [1]})
    with pytest.raises(ValueError, match="characters; allowed are"):
        run.tag("x", "y" * 100_000)
    with pytest.raises(TypeError, match="display name must be a text"):
        run.display_name = 3  # type: ignore[assignment]


def test_a_name_that_is_taken_away_brings_back_the_one_of_before(run: Run) -> None:
    assert (run.name, run.description) == (run.id, None)
    run.display_name = "mine"
    run.description = "why"
    assert (run.name, run.description) == ("mine", "why")
    run.display_name = run.description = ""
    assert (run.name, run.description) == (run.id, None)


@pytest.mark.parametrize(
    "wishes", [{}, {"count": 2, "tag_key": "a", "tag_values": [1]}, {"tag_key": "a"}, {"tag_values": [1]}, {"count": 2, "tag_key": "a"}]
)
def test_children_are_wished_for_in_one_way(run: Run, wishes: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="count=N"):
        run.create_children(**wishes)


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2"])
def test_a_count_of_children_is_a_whole_number(run: Run, count: Any) -> None:
    with pytest.raises(ValueError, match="whole number from 1 on"):
        run.create_children(count=count)


def test_children_are_found_by_what_they_have(run: Run) -> None:
    first, second = run.create_children(tag_key="fold", tag_values=[0, 1])
    below = first.child_run("below")
    second.complete()
    assert [child.id for child in run.get_children()] == [first.id, second.id]
    assert [child.id for child in run.get_children(recursive=True)] == [first.id, below.id, second.id]
    assert [child.id for child in run.get_children(tags={"fold": "1"})] == [second.id]
    assert [child.id for child in run.get_children(tags="fold", status="Running")] == [first.id]
    assert [child.id for child in run.get_children(type="child", properties={"none": None})] == []
    with pytest.raises(FileExistsError, match="already"):
        run.child_run(run_id=first.id)
    for bad in ("../x", "", "a/b", 3):
        with pytest.raises(ValueError, match="id of a run"):
            run.child_run(run_id=bad)  # type: ignore[arg-type]
    for child in (below, first):
        child.complete()


def test_a_secret_is_one_that_was_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run({})
    for name in ("TRAINCONF_RUN_DIR", "TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(LookupError, match="export TOKEN="):
        run.get_secret("TOKEN")
    monkeypatch.setenv("TOKEN", "hush")
    assert run.get_secret("TOKEN") == "hush"
    variables = [["TOKEN", "${secret:wandb}"], ["URL", "x${secret:other}y"], ["PLAIN", "z"]]
    (tmp_path / "spec.json").write_text(json.dumps({"environment": {"variables": variables}}))
    monkeypatch.setenv("TRAINCONF_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("PLAIN", "z")
    assert (run.get_secret("wandb"), run.get_secret("TOKEN")) == ("hush", "hush")
    with pytest.raises(LookupError, match=r"env.variables.PLAIN: \$\{secret:PLAIN\}.*secrets of this run: TOKEN, URL"):
        run.get_secret("PLAIN")


def test_outside_any_run_that_can_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRAINCONF_RUN_DIR", raising=False)
    assert Run.get_context().status == "Running"
    with pytest.raises(RuntimeError, match="in no run"):
        Run.get_context(allow_offline=False)


def test_what_one_module_logs_outside_any_run_another_one_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRAINCONF_RUN_DIR", raising=False)
    Run.get_context().log("shared", 1)
    assert Run.get_context().get_metrics("shared") == {"shared": [1]}

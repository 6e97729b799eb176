"""`--where` and `--sort`: what they find is what plain Python finds, and mistakes are told with their place."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainconf.control import history
from trainconf.control.results.groups import groups as groups_of
from trainconf.errors import UserError
from trainconf.fast.sqlite import sqlite3
from trainconf.history.index import columns, database, functions
from trainconf.history.index.times import date_seconds, span_seconds
from trainconf.history.index.where import Translator
from trainconf.paths import WorkspacePaths

from ..build import make_run, time_text, write_json

NAMES = ("params.lr", "params.opt", 'params["a-b"]', "metrics.loss")
KEYS = ("params.lr", "params.opt", "params.a-b", "metrics.loss")
TEXTS = st.text("abAB-\u00e9\U0001f600'\"%", max_size=3)
NUMBERS = st.one_of(st.integers(-5, 5), st.floats(-5, 5, allow_nan=False).map(lambda value: round(value, 2)), st.booleans())
VALUES = st.one_of(st.none(), NUMBERS, TEXTS)
ROWS = st.lists(st.fixed_dictionaries(dict.fromkeys(KEYS, VALUES)), min_size=1, max_size=6)

def bracketed(parts: tuple[str, ...]) -> str:
    return f"({' '.join(parts)})"


names = st.sampled_from(NAMES)
operators = st.sampled_from(["+", "-", "*", "/", "//", "%"])
lists = st.lists(st.one_of(NUMBERS, TEXTS), max_size=3).map(repr)
numbers = st.recursive(
    st.one_of(st.sampled_from(NAMES), NUMBERS.map(repr)),
    lambda inner: st.one_of(st.tuples(inner, operators, inner).map(bracketed), inner.map("-({})".format)),
    max_leaves=3,
)
atoms = st.one_of(numbers, TEXTS.map(repr))
comparisons = st.one_of(
    st.tuples(atoms, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), atoms).map(" ".join),
    st.tuples(numbers, numbers, numbers).map(" < ".join),
    st.tuples(names, lists).map(" in ".join),
    st.tuples(names, lists).map(" not in ".join),
    st.tuples(TEXTS.map(repr), names).map(" in ".join),
    st.tuples(names, st.sampled_from(["is None", "is not None", "== None"])).map(" ".join),
    st.tuples(names, st.sampled_from(["startswith", "endswith"]), TEXTS.map(repr)).map(lambda parts: "{}.{}({})".format(*parts)),
    st.tuples(names, TEXTS.map(repr)).map(".lower() == ".join),
    names,
)
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(bracketed), inner.map("(not {})".format)),
    max_leaves=4,
)


class Missing(Exception):
    """A name without a value, or an operation that has none."""


def plainly(text: str, row: dict[str, Any]) -> bool:
    """What a condition means, by Python's own tree and operators: what Python would raise makes the comparison around it false."""
    import ast
    import operator

    binary = {
        ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv,
        ast.Mod: operator.mod,
    }  # fmt: skip
    compared = {ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge}

    def number(value: Any) -> Any:
        if not isinstance(value, (int, float)):
            raise Missing
        return value

    def value(node: ast.AST) -> Any:
        if isinstance(node, (ast.Attribute, ast.Subscript)):
            key = f"params.{node.slice.value}" if isinstance(node, ast.Subscript) else f"{node.value.id}.{node.attr}"  # type: ignore[attr-defined]
            if row[key] is None:
                raise Missing
            return row[key]
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.List):
            return [value(each) for each in node.elts]
        if isinstance(node, ast.BinOp):
            try:
                return binary[type(node.op)](number(value(node.left)), number(value(node.right)))
            except ArithmeticError:
                raise Missing from None
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -number(value(node.operand))
        if isinstance(node, ast.Call):
            text = value(node.func.value)  # type: ignore[attr-defined]
            if not isinstance(text, str):
                raise Missing
            return getattr(text, node.func.attr)(*map(value, node.args))  # type: ignore[attr-defined]
        return truth(node)

    def pair(op: ast.cmpop, left: ast.AST, right: ast.AST) -> bool:
        if isinstance(right, ast.Constant) and right.value is None:
            try:
                is_none = value(left) is None
            except Missing:
                is_none = True
            return is_none is not isinstance(op, (ast.IsNot, ast.NotEq))
        first, second = value(left), value(right)
        if isinstance(op, (ast.Eq, ast.NotEq)):
            return (first == second) is isinstance(op, ast.Eq)
        if isinstance(op, (ast.In, ast.NotIn)):
            if not isinstance(second, list) and not (isinstance(second, str) and isinstance(first, str)):
                raise Missing
            return (first in second) is isinstance(op, ast.In)
        if isinstance(first, str) is not isinstance(second, str):
            raise Missing
        return bool(compared[type(op)](first, second))

    def truth(node: ast.AST) -> bool:
        try:
            if isinstance(node, ast.BoolOp):
                return (all if isinstance(node.op, ast.And) else any)([truth(each) for each in node.values])
            if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
                return not truth(node.operand)
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                return all(pair(op, *sides[at : at + 2]) for at, op in enumerate(node.ops))
            return bool(value(node))
        except Missing:
            return False

    return truth(ast.parse(text, mode="eval").body)


def found_by_sql(text: str, rows: list[dict[str, Any]]) -> list[int]:
    db = sqlite3.connect(":memory:", isolation_level=None)
    for statement in database.SCHEMA:
        db.execute(statement)
    functions.register(db)
    empty = dict.fromkeys(KEYS, 0)
    columns.store(db, [(0, {**empty, "params.opt": ["x"]})])  # every name is known, and may have any type
    columns.store(db, [(-1, {**dict.fromkeys(KEYS, "x")}), (-2, dict.fromkeys(KEYS, 1))])
    columns.store(db, [(number, {"attempt": 1, **row}) for number, row in enumerate(rows, 1)])
    known = {name: (number, kinds) for number, name, kinds in db.execute("SELECT id, name, kinds FROM names")}
    translator = Translator(known, time.time())
    where = translator.where(text)
    query = f"SELECT run FROM block0 b0 WHERE run > 0 AND {where} ORDER BY run"
    answer = [number for (number,) in db.execute(query, translator.values)]
    db.close()
    return answer


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(conditions, ROWS)
def test_a_condition_finds_what_python_finds(text: str, rows: list[dict[str, Any]]) -> None:
    try:
        answer = found_by_sql(text, rows)
    except UserError:
        return  # what can never hold, such as a number with .lower(), is refused: see below
    assert answer == [number for number, row in enumerate(rows, 1) if plainly(text, row)]


@pytest.fixture
def runs(workspace: WorkspacePaths) -> WorkspacePaths:
    """Three runs that differ in everything one can ask for."""
    params = {"lr": 0.1, "optim": {"name": "sgd"}, "a-b": [1, 2]}
    first = make_run(workspace, "one", metrics={"loss": 2.0, "val_accuracy": 0.5}, params=params)
    write_json(first.git, {"branch": "main", "commit": "c0ffee", "dirty": True, "repository": "https://host/x"})
    make_run(
        workspace, "two", "iris", at=3_600_000_000, metrics={"loss": 1.0}, params={"lr": 0.01, "optim": {"name": "adam"}}, parent="sweep-1",
        states=("NotStarted", "Running", "Failed"), exit_code=3, compute="slurm", metric={"name": "loss", "goal": "minimize"},
        tags={"owner": "x"},
    )  # fmt: skip
    make_run(workspace, "three", at=7_200_000_000, metrics={"loss": float("nan")}, params={"lr": "auto"}, display_name="the one")
    return workspace


def found(workspace: WorkspacePaths, where: str, **asked: Any) -> list[str]:
    return [row.paths.run_id for row in history.ls(workspace, where=where, **asked)]


@pytest.mark.parametrize(("where", "expected"), [
    ("metrics.loss < 1.5 and params.lr < 0.5", ["two"]),
    ("metrics.loss > 1.5 or params.lr == 'auto'", ["three", "one"]),
    ("metrics.loss is None", ["three"]),  # NaN is none
    ("not metrics.loss > 1.5", ["three", "two"]),
    ("status == Completed", ["three", "one"]),
    ("status == 'failed'", ["two"]),
    ("status in (Failed, Canceled)", ["two"]),
    ("status != Completed and exit_code == 3", ["two"]),
    ("experiment == 'iris' and compute == 'slurm' and env == 'minimal'", ["two"]),
    ("tags.owner == 'x'", ["two"]),
    ("'owner' in tags and 'lr' in params and not 'x' in metrics", ["two"]),
    ("git.dirty and git.branch == 'main' and git.commit.startswith('c0f')", ["one"]),
    ("sweep == 'sweep-1'", ["two"]),
    ("sweep is None", ["three", "one"]),
    ("created >= '2026-11-23 06:00' and created < '2026-11-23T07:00:00Z'", ["two"]),
    ("'2026-11-23' <= started < '2026-11-23 07:00'", ["two", "one"]),
    ("created > 'yesterday' and age < '7d' and created > '7d ago'", []),
    ("duration == '2s'", ["three", "one"]),
    ("duration < '1.5s' and duration > 0", ["two"]),
    ("params.optim.name == 'adam' or name == 'the one'", ["three", "two"]),
    ("params['a-b'] == [1, 2] and 2 in params['a-b'] and 3 not in params['a-b']", ["one"]),
    ("run == 'two' or run.endswith('ree')", ["three", "two"]),
    ("metric > 0.7", ["two"]),
    ("metric.name == 'loss'", ["two"]),
    ("params.lr * 100 > 5 and params.lr % 1 < 1", ["one"]),
    ("min(metrics.loss) < 1.5 or max(metrics.val_accuracy) == 0.5", ["two", "one"]),
    ("last(metrics.loss) == mean(metrics.loss)", ["two", "one"]),
    ("archived or not archived", ["three", "two", "one"]),
])  # fmt: skip
def test_everything_that_is_known_of_a_run_can_be_asked_for(runs: WorkspacePaths, where: str, expected: list[str]) -> None:
    assert found(runs, where) == expected


@pytest.mark.parametrize(("sort", "expected"), [
    ("metrics.loss", ["two", "one", "three"]),
    ("-metrics.loss", ["one", "two", "three"]),
    ("-exit_code, created", ["two", "one", "three"]),
    ("exit_code,-created", ["three", "one", "two"]),
    ("experiment,-duration", ["three", "one", "two"]),
    ("-min(metrics.loss)", ["one", "two", "three"]),
])  # fmt: skip
def test_runs_are_sorted_by_several_values_and_those_without_come_last(runs: WorkspacePaths, sort: str, expected: list[str]) -> None:
    assert found(runs, "", sort=sort) == expected
    assert found(runs, "", sort=sort, limit=1) == expected[:1]


@pytest.mark.parametrize(("where", "said"), [
    ("metrics.los < 1", ["there is no metric 'los'", "^metrics.los", "nearest  loss", "allowed  loss, val_accuracy"]),
    ("params.lr < 1 and params.rate > 2", ["there is no param 'rate'", "^params.rate > 2"]),
    ("lr < 1", ["there is no 'lr'; write params.lr"]),
    ("statu == Completed", ["there is no 'statu'", "nearest  status"]),
    ("status == Complete", ["there is no 'Complete'"]),
    ("status == 'Complete'", ["there is no status 'Complete'", "nearest  Completed"]),
    ("metrics.loss > 'high'", ["metrics.loss holds numbers, never texts", "^'high'"]),
    ("experiment == 3", ["experiment holds texts, never numbers"]),
    ("compute + 1 > 2", ["compute holds texts; one calculates with numbers"]),
    ("metrics.loss.lower() == 'x'", ["only a text has .lower()"]),
    ("created > 'last week'", ["'last week' is no time", "2026-11-01"]),
    ("duration > '2 hours'", ["'2 hours' is no duration"]),
    ("created > None", ["None is neither more nor less"]),
    ("max(params.lr) > 1", ["max(...) is of a metric"]),
    ("3 in metrics.loss", ["nothing is in it"]),
    ("metrics.loss >", ["--where"]),
    ("a b", ["--where"]),
    ("__import__('os').system('true')", ["is not part of a condition"]),
    ("[each for each in params]", ["is not part of a condition"]),
    ("tags.x.y.z == 1", ["there is no tag 'x.y.z'"]),
    ("params['\u00e9\U0001f600'] is None and params.none > 2", ["no param '\u00e9"]),
    ("'\u00e9\U0001f600' == '\u00e9\U0001f600' and params.none > 2", ["^params.none"]),
    ("not " * 498 + "1", ["nested too deeply"]),
    ("(" * 90 + "1" + ")" * 90 + " < metrics.los", ["^metrics.los"]),
    ("+".join(["params.lr"] * 150) + " > 1", ["nested too deeply"]),
    ("(" * 150 + "1" + "== 1)" * 150, ["nested too deeply"]),
    ("x" * 3000, ["at most 2000 characters"]),
])  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_what_there_is(runs: WorkspacePaths, where: str, said: list[str]) -> None:
    with pytest.raises(UserError) as error:
        found(runs, where)
    lines = str(error.value).split("\n")
    pointed_at = next((before[line.index("^") :] for before, line in pairwise(lines) if line.strip() == "^"), "")
    for words in said:
        assert pointed_at.startswith(words[1:]) if words[0] == "^" else words in str(error.value)


def test_the_same_mistakes_are_told_of_what_to_sort_by_and_of_columns(runs: WorkspacePaths) -> None:
    with pytest.raises(UserError, match=r"(?s)no metric 'los'.*--sort"):
        found(runs, "", sort="-metrics.los")
    with pytest.raises(UserError, match=r"(?s)no metric 'los'.*--columns"):
        found(runs, "", columns=("metrics.los",))


def test_a_value_that_no_run_has_yet_is_told_so(workspace: WorkspacePaths) -> None:
    make_run(workspace, params={}, tags={})
    with pytest.raises(UserError, match="no run has any"):
        found(workspace, "metrics.loss < 1")


def test_columns_are_values_of_any_expression(runs: WorkspacePaths) -> None:
    rows = history.ls(runs, columns=("run", "params.lr", "max(metrics.loss) * 2", "duration"))
    assert [list(row.values.values()) for row in rows] == [["three", "auto", None, 2.0], ["two", 0.01, 2.0, 1.0], ["one", 0.1, 4.0, 2.0]]


def test_runs_are_folded_by_sweep_and_by_experiment(runs: WorkspacePaths) -> None:
    from trainconf.history.index.query import Asked

    make_run(runs, "four", "iris", at=1_000_000, metrics={"loss": 0.5}, parent="sweep-1", metric={"name": "loss", "goal": "minimize"})
    make_run(runs, "five", "iris", at=2_000_000, metrics={"loss": 0.75}, parent="sweep-1", metric={"name": "loss", "goal": "minimize"})
    groups = groups_of(runs, Asked(group="sweep"))
    assert [(each.name, each.kind, each.total, each.best, each.best_value) for each in groups] == [
        ("three", "run", 1, None, None), ("sweep-1", "sweep", 3, "four", 0.5), ("one", "run", 1, "one", 0.5),
    ]  # fmt: skip
    assert groups[1].counts == {"Completed": 2, "Failed": 1}
    by_experiment = groups_of(runs, Asked(group="experiment", where="metrics.loss > 0"))
    assert [(each.name, each.total, each.best) for each in by_experiment] == [("iris", 3, "four"), ("digits", 1, "one")]


def test_a_run_that_changes_joins_and_leaves_the_answer(runs: WorkspacePaths) -> None:
    from trainconf.control import labels

    assert found(runs, "'owner' in tags") == ["two"]
    labels.tag([runs.run("digits", "one")], {"owner": "y"})
    labels.untag([runs.run("iris", "two")], ["owner"])
    assert found(runs, "'owner' in tags") == ["one"]


def test_the_archive_is_left_out_unless_it_is_asked_for(runs: WorkspacePaths) -> None:
    from trainconf.control import labels

    assert len(found(runs, "")) == 3
    labels.archive([runs.run("digits", "one")])
    assert found(runs, "") == ["three", "two"]
    assert found(runs, "", archived=True) == ["one"]
    assert found(runs, "archived") == ["one"]
    assert len(found(runs, "", archived=None)) == 3
    labels.archive([runs.run("digits", "one")], archived=False)
    assert found(runs, "") == ["three", "two", "one"]


@pytest.mark.parametrize(("text", "seconds"), [
    ("1970-01-02", 86_400), ("1970-01-01 01:00", 3600), ("1970-01-01T00:00:05", 5), ("1970-01-01T00:00:05.25Z", 5.25), ("1970", 0),
    ("today", 864_000), ("yesterday", 777_600), ("now", 900_000), ("2h ago", 892_800), ("", None), ("tomorrow", None), ("1970-13-01", None),
    ("1970-1-1", None), ("x ago", None), ("\u0661970", None),
])  # fmt: skip
def test_times_are_read_as_people_write_them(text: str, seconds: float | None) -> None:
    assert date_seconds(text, 900_000) == seconds


@pytest.mark.parametrize(("text", "seconds"), [
    ("90s", 90), ("1h30m", 5400), ("2.5 d", 216_000), ("1w", 604_800), ("", None), ("5", None), ("h", None), ("1.2.3h", None), ("1y", None),
])  # fmt: skip
def test_durations_are_read_as_people_write_them(text: str, seconds: float | None) -> None:
    assert span_seconds(text) == seconds


def test_more_names_than_one_table_holds_can_be_asked_for(workspace: WorkspacePaths) -> None:
    metrics = {f"m{number}": float(number) for number in range(300)}
    make_run(workspace, "wide", params={f"p{number}": number for number in range(500)}, metrics=metrics)
    make_run(workspace, "other", at=1, params={f"q{number}": number for number in range(500)})
    assert found(workspace, "params.p1 == 1 and params.p499 == 499 and metrics.m299 > 298") == ["wide"]
    assert found(workspace, "params.q499 > 1 or params.p499 is None") == ["other"]
    assert found(workspace, "", sort="-params.q499") == ["other", "wide"]


def test_hostile_names_and_values_are_only_names_and_values(workspace: WorkspacePaths) -> None:
    hostile = {"'; DROP TABLE runs; --": 1, 'a"b': "\udcff", "": 3, "big": 10**30, "deep": {"a": {"b": {"": 1}}}, "c0": "c1", "nul": "a\0b"}
    make_run(workspace, "one", params=hostile, tags={"\udcff": "x"})
    assert found(workspace, """params["'; DROP TABLE runs; --"] == 1 and params.big > 1e29 and params.deep.a.b[""] == 1""") == ["one"]
    assert found(workspace, "params.c0 == 'c1' and params[''] == 3") == ["one"]


def test_a_time_of_a_run_is_that_of_its_record(runs: WorkspacePaths) -> None:
    assert found(runs, f"created == '{time_text(3_600_000_000)}'") == ["two"]

"""What `--where`, `--sort` and `--columns` mean: an expression in Python's grammar becomes SQL over the index, its values bound.

A value that is missing makes a comparison false, and so does one of another type. `is None` asks for the missing ones.
"""

from __future__ import annotations

from trainconf.errors import UserError
from trainconf.fast.stdlib import ast
from trainconf.history import events
from trainconf.history.index.columns import GROUPS, LIST, NUMBER, TEXT, WIDTH, ordered_by, series_name, storable, stored
from trainconf.history.index.functions import RUN
from trainconf.history.index.times import date_seconds, span_seconds
from trainconf.search.conditions import CONSTANTS, ConditionError, children, column, dotted, parse, pointed_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Known = Mapping[str, tuple[int, int]]  # the number of a name's column, and the types of its values

FUNCTIONS = ("last", "min", "max", "mean")  # of a metric's whole series
DEEPEST = 20  # expressions within expressions: SQLite's parser has a stack of 100 symbols
WORDED = ("experiment", "name", "note")  # what a word is looked for in, besides the id
COMPUTED = ("run", "duration", "age")
ANY = NUMBER | TEXT | LIST
_WORDS = {NUMBER: "numbers", TEXT: "texts", LIST: "lists"}
_SIGNS = {
    ast.Eq: "=", ast.NotEq: "<>", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*",
}  # fmt: skip
_EXAMPLES = {
    "time": '"2026-11-01", "2026-11-01 18:30" (UTC), "today", "yesterday" or "7d ago"', "duration": '"90s", "15m", "2h", "1h30m" or "7d"',
}  # fmt: skip
_SORTS = {"created": "time", "started": "time", "ended": "time", "status": "state"}
_TERMINAL = ", ".join(f"'{state}'" for state in sorted(events.TERMINAL))
_IS_NUMBER = "typeof({0}) IN ('integer', 'real')"
_RANK = "CASE typeof({0}) WHEN 'text' THEN 1 WHEN 'integer' THEN 0 WHEN 'real' THEN 0 END"


class Term:
    """A part of an expression as SQL. `kinds`: the types it may have. `sort`: time, duration, state or empty. `name`: where it has one."""

    __slots__ = ("constant", "is_constant", "kinds", "name", "node", "sort", "sql")

    def __init__(self, node: ast.expr, sql: str, kinds: int, *, sort: str = "", name: str = "", constant: Any = None) -> None:
        self.node, self.sql, self.kinds, self.sort, self.name, self.constant = node, sql, kinds, sort, name, constant
        self.is_constant = isinstance(node, (ast.Constant, ast.List, ast.Tuple)) or constant is not None


class Translator:
    """Turns expressions into SQL over the blocks, `b0` and so on. `values` are bound as ?1, ?2, and so on.

    blocks: those that must be joined. series: the metrics whose whole series are asked for.
    asks_archived: whether `archived` is asked for. reads_runs: whether the table of runs is needed, as `r`.
    """

    def __init__(self, known: Known, now: float) -> None:
        self.known = known
        self.now = now
        self.values: list[Any] = []
        self.blocks: set[int] = set()
        self.series: set[str] = set()
        self.asks_archived = self.reads_runs = False
        self._text = self._option = ""

    def where(self, text: str, option: str = "--where") -> str:
        """A condition, 1 or 0. Raises UserError, which shows the place."""
        return self._of(text, option, self._truth)

    def word(self, word: str) -> str:
        """Whether a text is in a run's id, experiment, name or note; small and capital letters of ASCII are the same."""
        self.reads_runs = True
        texts = [RUN, *(self._column(name) for name in WORDED)]
        sought = self.bind(storable(word))
        return "(" + " OR ".join(f"coalesce(instr(lower({text}), lower({sought})), 0)" for text in texts) + ")"

    def order(self, text: str) -> str:
        """`-metrics.loss, created`: what to sort by, missing values last; a whole name may have any characters. Raises UserError."""
        if (sql := self._whole(text.removeprefix("-"))) is not None:
            return ordered_by(sql, is_downwards=text.startswith("-"))
        return self._of(text, "--sort", lambda tree: ", ".join(map(self._ordered, _items(tree))))

    def value(self, text: str) -> str:
        """The value of an expression, one of --columns or one of ours. Raises UserError."""
        whole = self._whole(text)
        return self._of(text, "--columns", lambda tree: self._term(tree).sql) if whole is None else whole

    def _whole(self, text: str) -> str | None:
        """The column of a name that is known, or of `min(NAME)` of one; None for any other text."""
        function, bracket, metric = text.removesuffix(")").partition("(")
        name = storable(metric if bracket and text.endswith(")") else text)
        if name not in self.known or name[0] == "(" or name in CONSTANTS:
            return None
        if not bracket:
            return self._column(name)
        if function not in FUNCTIONS[1:] or not name.startswith("metrics."):
            return None
        self.series.add(name)
        return self._column(series_name(function, name))

    def _of(self, text: str, option: str, read: Callable[[ast.expr], str]) -> str:
        self._text, self._option = text, option
        try:
            tree = parse(text, FUNCTIONS)
            if _depth(tree) > DEEPEST:
                raise ConditionError("it is nested too deeply")
            return read(tree)
        except ConditionError as error:
            raise self._mistake(str(error), error.column) from None
        except RecursionError:
            raise self._mistake("it is nested too deeply", 0) from None

    def bind(self, value: Any) -> str:
        """The placeholder of a value."""
        self.values.append(value)
        return f"?{len(self.values)}"

    # -- truth -----------------------------------------------------------------------------------------------------------

    def _truth(self, node: ast.expr) -> str:
        if isinstance(node, ast.BoolOp):
            sign = " AND " if isinstance(node.op, ast.And) else " OR "
            return f"({sign.join(self._truth(part) for part in node.values)})"
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return f"(NOT {self._truth(node.operand)})"
        if isinstance(node, ast.Compare):
            return self._compared(node)
        term = self._term(node)
        return f"coalesce({term.sql} <> 0 AND {term.sql} <> '' AND {term.sql} <> x'5B5D', 0)"  # which is an empty list

    def _compared(self, node: ast.Compare) -> str:
        parts, left = [], node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            parts.append(self._pair(op, left, right))
            left = right
        return f"coalesce({' AND '.join(parts)}, 0)"

    def _pair(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> str:
        is_none = [_is_none(each) for each in (left, right)]
        if any(is_none) and not isinstance(op, (ast.In, ast.NotIn)):
            if not isinstance(op, (ast.Is, ast.IsNot, ast.Eq, ast.NotEq)):
                raise self._refused("None is neither more nor less than anything", left if is_none[0] else right)
            asked = self._term(right if is_none[0] else left).sql
            return f"{asked} IS {'NOT ' if isinstance(op, (ast.IsNot, ast.NotEq)) else ''}NULL"
        if isinstance(op, (ast.In, ast.NotIn)):
            return f"{'NOT ' if isinstance(op, ast.NotIn) else ''}({self._contained(left, right)})"
        first, second = self._matched(self._term(left), self._term(right))
        sign = _SIGNS[type(op)]
        if isinstance(op, (ast.Eq, ast.NotEq)) or first.kinds == second.kinds == NUMBER or first.kinds == second.kinds == TEXT:
            return f"{first.sql} {sign} {second.sql}"
        return f"{_RANK.format(first.sql)} = {_RANK.format(second.sql)} AND {first.sql} {sign} {second.sql}"

    def _contained(self, left: ast.expr, right: ast.expr) -> str:
        if isinstance(right, (ast.List, ast.Tuple)):
            item = self._term(left)
            pairs = [self._matched(item, self._term(each)) for each in right.elts if not _is_none(each)]
            if any(first.sql != item.sql for first, _ in pairs):  # a constant on the left, read as a date
                return "(" + " OR ".join(f"{first.sql} = {second.sql}" for first, second in pairs) + ")"
            listed = ", ".join(second.sql for _, second in pairs)
            return f"CASE WHEN {item.sql} IS NOT NULL THEN {item.sql} IN ({listed}) END"  # for NULL IN () is false in SQLite
        group = dotted(right)
        if group in GROUPS:
            if not (isinstance(left, ast.Constant) and isinstance(left.value, str)):
                raise self._refused(f'what is asked of {group} is a name: "x" in {group}', left)
            name = storable(f"{group}.{left.value}")
            return f"{self._column(name)} IS NOT NULL" if name in self.known else "0"
        container = self._term(right)
        if not container.kinds & (TEXT | LIST):
            raise self._refused(f"{container.name or 'it'} holds {_words(container.kinds)}: nothing is in it", right)
        return f"is_in({self._term(left).sql}, {container.sql})"

    def _matched(self, first: Term, second: Term) -> tuple[Term, Term]:
        """Two sides of a comparison: a constant is read as what it is compared with. Raises ConditionError for one that can never fit."""
        for asked, other in ((first, second), (second, first)):
            if not other.is_constant or asked.is_constant:
                continue
            if asked.sort and isinstance(other.constant, str):
                fitting = Term(other.node, self.bind(self._read_as(asked, other)), asked.kinds, constant=other.constant)
                return (first, fitting) if other is second else (fitting, second)
            if asked.kinds and not asked.kinds & other.kinds:
                raise self._refused(f"{asked.name or 'this'} holds {_words(asked.kinds)}, never {_words(other.kinds)}", other.node)
        return first, second

    def _read_as(self, asked: Term, other: Term) -> Any:
        text = str(other.constant)
        if asked.sort == "state":
            state = next((state for state in events.STATES if state.lower() == text.lower()), None)
            if state is None:
                raise self._refused(f"there is no status {text!r}", other.node, text, events.STATES)
            return state
        value = date_seconds(text, self.now) if asked.sort == "time" else span_seconds(text)
        if value is None:
            raise self._refused(f"{text!r} is no {asked.sort}; write {_EXAMPLES[asked.sort]}", other.node)
        return value

    # -- values ----------------------------------------------------------------------------------------------------------

    def _term(self, node: ast.expr) -> Term:
        name = dotted(node)
        if name is not None:
            return self._named(node, name)
        if isinstance(node, ast.Constant):
            return self._constant(node, node.value)
        if isinstance(node, (ast.List, ast.Tuple)):
            return self._constant(node, [self._plain(each) for each in node.elts])
        if isinstance(node, ast.BinOp):
            left, right = self._number(node.left), self._number(node.right)
            sign = _SIGNS.get(type(node.op))
            if sign is not None:
                return Term(node, f"({left} {sign} {right})", NUMBER)
            if isinstance(node.op, ast.Div):
                return Term(node, f"(CAST({left} AS REAL) / {right})", NUMBER)
            return Term(node, f"{'modulo' if isinstance(node.op, ast.Mod) else 'floor_divided'}({left}, {right})", NUMBER)
        if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.Not):
            return self._signed(node)
        if isinstance(node, ast.Call):
            return self._called(node)
        return Term(node, self._truth(node), NUMBER)

    def _signed(self, node: ast.UnaryOp) -> Term:
        inner = node.operand
        if isinstance(inner, ast.Constant) and isinstance(inner.value, (int, float)):
            value = -inner.value if isinstance(node.op, ast.USub) else +inner.value
            return self._constant(node, value)
        return Term(node, f"({'-' if isinstance(node.op, ast.USub) else '+'}{self._number(inner)})", NUMBER)

    def _constant(self, node: ast.expr, value: Any) -> Term:
        kept, kinds = stored(value)
        return Term(node, self.bind(kept), kinds or ANY, constant=value)

    def _plain(self, node: ast.expr) -> Any:
        """The value of a constant in a list."""
        if isinstance(node, (ast.List, ast.Tuple)):
            return [self._plain(each) for each in node.elts]
        term = self._term(node)
        if not term.is_constant and not _is_none(node):
            raise self._refused("a list that is compared as a whole holds numbers, texts and lists", node)
        return term.constant

    def _number(self, node: ast.expr) -> str:
        term = self._term(node)
        if not term.kinds & NUMBER:
            raise self._refused(f"{term.name or 'this'} holds {_words(term.kinds)}; one calculates with numbers", node)
        return term.sql if term.kinds == NUMBER else f"(CASE WHEN {_IS_NUMBER.format(term.sql)} THEN {term.sql} END)"

    def _called(self, node: ast.Call) -> Term:
        if isinstance(node.func, ast.Attribute):
            term = self._term(node.func.value)
            if not term.kinds & TEXT:
                raise self._refused(f"{term.name or 'this'} holds {_words(term.kinds)}; only a text has .{node.func.attr}()", node)
            arguments = [term.sql, *(self._term(each).sql for each in node.args)]
            return Term(node, f"text_{node.func.attr}({', '.join(arguments)})", NUMBER if node.args else TEXT)
        assert isinstance(node.func, ast.Name)
        name = dotted(node.args[0]) or ""
        if not name.startswith("metrics."):
            raise self._refused(f"{node.func.id}(...) is of a metric: {node.func.id}(metrics.loss)", node.args[0])
        term = self._named(node.args[0], name)
        if node.func.id == "last":
            return term
        self.series.add(storable(name))
        return Term(node, self._column(series_name(node.func.id, storable(name))), NUMBER, name=f"{node.func.id}({name})")

    def _named(self, node: ast.expr, name: str) -> Term:
        kept = storable(name)
        if kept in self.known and kept[0] != "(":
            self.asks_archived |= kept == "archived"
            return Term(node, self._column(kept), self.known[kept][1], sort=_SORTS.get(kept, ""), name=name)
        if name in COMPUTED:
            return self._computed(node, name)
        if name in CONSTANTS:
            return self._constant(node, CONSTANTS[name])
        state = next((state for state in events.STATES if state.lower() == name.lower()), None)
        if state is not None:
            return self._constant(node, state)
        raise self._unknown(node, name)

    def _computed(self, node: ast.expr, name: str) -> Term:
        if name == "run":
            self.reads_runs = True
            return Term(node, RUN, TEXT, name=name)
        now = self.bind(self.now)
        if name == "age":
            return Term(node, f"({now} - {self._column('created')})", NUMBER, sort="duration", name=name)
        status, ended = self._column("status"), self._column("ended")
        end = f"CASE WHEN {status} IN ({_TERMINAL}) THEN {ended} WHEN {status} <> 'NotResponding' THEN {now} END"
        return Term(node, f"max(0, ({end}) - {self._column('started')})", NUMBER, sort="duration", name=name)

    def _column(self, name: str) -> str:
        found = self.known.get(name)
        if found is None:
            return "NULL"
        block = found[0] // WIDTH
        self.blocks.add(block)
        return f"b{block}.c{found[0]}"

    def _ordered(self, node: ast.expr) -> str:
        is_downwards = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
        sql = self._term(node.operand if is_downwards else node).sql  # type: ignore[attr-defined]
        return ordered_by(sql, is_downwards=is_downwards)

    # -- mistakes --------------------------------------------------------------------------------------------------------

    def _refused(self, what: str, node: ast.expr, asked: str = "", allowed: tuple[str, ...] | list[str] = ()) -> UserError:
        return self._mistake(what, column(self._text, node), asked, allowed)

    def _unknown(self, node: ast.expr, name: str) -> UserError:
        group, dot, rest = name.partition(".")
        names = [*self.known, *COMPUTED]
        if dot and group in GROUPS:
            there = sorted(each.partition(".")[2] for each in names if each.startswith(f"{group}."))
            what = {"params": "param", "metrics": "metric", "tags": "tag", "properties": "property"}[group]
            if not there:
                return self._refused(f"there is no {what} {rest!r}: no run has any", node)
            odd = [f'{group}["{each}"]' for each in there if each.startswith(rest) and not each.isidentifier()]
            return self._refused(f"there is no {what} {rest!r}" + f"; write {' or '.join(odd[:3])}" * bool(odd), node, rest, there)
        if f"params.{name}" in self.known or f"metrics.{name}" in self.known:
            there = [each for each in (f"params.{name}", f"metrics.{name}") if each in self.known]
            return self._refused(f"there is no {name!r}; write {' or '.join(there)}", node)
        quotes = "" if dot else f"; a text has quotes: {name!r}"
        return self._refused(f"there is no {name!r}{quotes}", node, name, [each for each in names if each[0] != "("])

    def _mistake(self, what: str, place: int, asked: str = "", allowed: tuple[str, ...] | list[str] = ()) -> UserError:
        from difflib import get_close_matches

        facts = [("from", f"{self._option}\n{pointed_at(self._text, place)}")]
        near = get_close_matches(asked, allowed, 3) if asked else []
        if near:
            facts.append(("nearest", ", ".join(near)))
        if allowed:
            shown = [each for each in allowed if not each.startswith(tuple(f"{group}." for group in GROUPS))] or list(allowed)
            facts.append(("allowed", ", ".join(shown[:40]) + (f" and {len(shown) - 40} more" if len(shown) > 40 else "")))
        return UserError(what, *facts, hint="`trainconf ls --help` lists every name")


def _depth(node: ast.expr) -> int:
    return 1 + max(map(_depth, children(node)), default=0)


def _items(tree: ast.expr) -> list[ast.expr]:
    return list(tree.elts) if isinstance(tree, (ast.Tuple, ast.List)) else [tree]


def _is_none(node: ast.expr) -> bool:
    return (isinstance(node, ast.Constant) and node.value is None) or dotted(node) == "null"


def _words(kinds: int) -> str:
    return " and ".join(word for bit, word in _WORDS.items() if kinds & bit)

"""A question to the index as SQL: which runs, in which order, what of each; or folded into groups."""

from __future__ import annotations

import os
import time

from trainconf.fast.records import Record
from trainconf.fast.tuples import NamedTuple
from trainconf.history import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.fast.sqlite import sqlite3
    from trainconf.history.index.where import Translator

GROUP_FIELDS = ("sweep", "status", "metric.name", "metric.goal", "metric", "metric.best")
BEST = "metric.best"  # what the index `by_best` is in the order of


class Asked(Record):
    """Which runs. `where` and `sort` are expressions (docs/history.md); `columns` are values that each row shall have besides.

    parts: further expressions, which must all hold. words: texts, each of which must be in the id, the experiment, the name or the note.
    """

    limit: int | None = None
    experiment: str | None = None
    status: str | None = None
    where: str = ""
    sort: str = ""
    columns: tuple[str, ...] = ()
    archived: bool | None = None  # None: both
    group: str = ""
    offset: int = 0  # so many of the first are passed over
    parts: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def is_narrowed(self) -> bool:
        """Whether runs that have changed since they were last read could belong to the answer, or no longer."""
        return bool(self.status is not None or self.where or self.sort or self.parts or self.words)


class Judged(NamedTuple):
    """A run that has logged the metric it is judged by.

    folder: its experiment and id. last, best: of the metric's values; None for what is no number, and without a goal best is last.
    """

    folder: bytes
    status: str
    sweep: str | None
    metric: str
    goal: str
    last: float | None
    best: float | None


class Group(Record):
    """Runs of one sweep or experiment; a run that is in no sweep is a group of its own.

    name: the sweep's id, the experiment or the run's id. counts: runs by status. judged: the runs that may be its best, oldest first.
    best: the id of its best run, None without one, or where nobody has chosen it yet (`control.results.groups`).
    """

    name: str
    kind: str  # sweep, experiment or run
    experiment: str
    counts: dict[str, int]
    newest: float | None  # when its newest run was created, in seconds since the epoch
    judged: tuple[Judged, ...] = ()
    metric: str | None = None
    best: str | None = None
    best_value: float | None = None

    @property
    def total(self) -> int:
        """How many runs it has."""
        return sum(self.counts.values())


class Query:
    """The statements of a question, with `values` to be bound. Raises UserError for a wrong expression.

    `ids` selects the id of each run and the columns that are asked for. The newest runs are read from the table of runs, in an order that
    is kept there, and their columns are looked up. Whatever asks by values goes through the first block once, and sorts what it finds.

    reads_series: whether runs are found or sorted by values that only whole series have.
    """

    def __init__(self, db: sqlite3.Connection, asked: Asked) -> None:
        self.asked = asked
        self._db = db
        self._translator: Translator | None = None
        self.values: list[Any] = []
        self.reads_series = False
        self._limit = f"LIMIT {-1 if asked.limit is None else asked.limit} OFFSET {asked.offset}"
        self._is_plain = not (asked.where or asked.sort or asked.group or asked.parts or asked.words)
        if self._is_plain:
            terms, where = self._terms(), self._where()
            self._from = " ".join(["FROM runs r", *self._joins("r.id"), "WHERE", where])
            self.ids = f"SELECT r.id{terms} {self._from} ORDER BY r.created DESC, r.run_id DESC {self._limit}"
            return
        names = ("created", "experiment", *GROUP_FIELDS) if asked.group else ("created",)
        self._fields = {name: self._translated().value(name) for name in names}
        order = f"{self._translated().order(asked.sort)}, " if asked.sort else ""
        where = self._where()
        self._translated().reads_runs |= bool(asked.group)
        self.reads_series = self.shows_series
        terms = self._terms()
        runs = ["CROSS JOIN runs r ON r.id = b0.run"] * self._translated().reads_runs
        self._from = " ".join(["FROM block0 b0", *runs, *self._joins("b0.run"), "WHERE", where])
        self.ids = f"SELECT b0.run{terms} {self._from} ORDER BY {order}{self._fields['created']} DESC, b0.run DESC {self._limit}"

    @property
    def count(self) -> str:
        """Selects how many runs there are, whatever the limit."""
        return f"SELECT count(*) {self._from}"

    @property
    def shows_series(self) -> bool:
        """Whether it asks for values that only whole series have."""
        return self._translator is not None and bool(self._translator.series)

    def groups(self) -> list[Group]:
        """The groups, the one with the newest run first."""
        created, experiment, sweep, status, metric_name, goal, metric, best = self._fields.values()
        is_by_sweep = self.asked.group == "sweep"
        key = f"coalesce({sweep}, b0.run)" if is_by_sweep else experiment
        kind = f"CASE WHEN {sweep} IS NULL THEN 'run' ELSE 'sweep' END" if is_by_sweep else "'experiment'"
        counts = ", ".join(f"sum({status} = '{each}')" for each in events.STATES)
        # Beside one max(), SQLite takes the other values from the row that has it (lang_select.html, bare columns).
        found = self._db.execute(
            f"SELECT {key} AS k, {kind}, max({created}) AS newest, {experiment}, b0.run, {counts} {self._from}"
            f" GROUP BY k ORDER BY newest DESC, k {self._limit}", self.values,
        ).fetchall()  # fmt: skip
        judged: dict[Any, list[Judged]] = {row[0]: [] for row in found}
        for name, *run in self._db.execute(
            f"SELECT {key} AS k, r.folder, {status}, {sweep}, {metric_name}, {goal}, {metric}, {best} {self._from}"
            f" AND {metric_name} IS NOT NULL AND coalesce({metric}, {best}) IS NOT NULL ORDER BY {created}, b0.run", self.values,
        ):  # fmt: skip
            if name in judged:
                judged[name].append(Judged(*run))
        return [self._group(row, tuple(judged[row[0]])) for row in found]

    def _group(self, row: tuple[Any, ...], judged: tuple[Judged, ...]) -> Group:
        key, kind, created, experiment, run, *counts = row
        by_status = {status: count for status, count in zip(events.STATES, counts, strict=True) if count}
        return Group(self._run_id(run) if kind == "run" else key, kind, experiment, by_status, created, judged)

    def _run_id(self, run: int) -> str:
        return os.fsdecode(self._db.execute("SELECT run_id FROM runs WHERE id = ?", (run,)).fetchone()[0])

    def _translated(self) -> Translator:
        """The translator, made for the first expression: a plain list needs none."""
        if self._translator is None:
            from trainconf.history.index import functions
            from trainconf.history.index.where import Translator

            functions.register(self._db)
            known = {name: (number, kinds) for number, name, kinds in self._db.execute("SELECT id, name, kinds FROM names")}
            self._translator = Translator(known, time.time())
            self.values = self._translator.values
        return self._translator

    def _terms(self) -> str:
        return "".join(f", {self._translated().value(text)}" for text in self.asked.columns)

    def _joins(self, run: str) -> list[str]:
        """The blocks that hold what is asked for; the first one is there already where runs are found by values."""
        blocks = set() if self._translator is None else self._translator.blocks
        there = set() if self._is_plain else {0}
        return [f"LEFT JOIN block{block} b{block} ON b{block}.run = {run}" for block in sorted(blocks - there)]

    def _bind(self, value: Any) -> str:
        self.values.append(value)
        return f"?{len(self.values)}"

    def _where(self) -> str:
        asked, parts = self.asked, []
        if asked.where:
            parts.append(self._translated().where(asked.where))
        parts += [self._translated().where(part, "the filter") for part in asked.parts]
        parts += [self._translated().word(word) for word in asked.words]
        is_plain, translator = self._is_plain, self._translator
        if asked.status is not None:
            parts.append(f"{'r.status' if is_plain else self._translated().value('status')} = {self._bind(asked.status)}")
        if asked.experiment is not None:
            parts.append(f"r.experiment = {self._bind(os.fsencode(asked.experiment))}")
            if translator is not None:
                translator.reads_runs = True
        if asked.archived is not None and not (translator is not None and translator.asks_archived):
            own = "r.archived" if is_plain else self._translated().value("archived")
            # + : not by the index that begins with it. That is for all runs, the newest or the best first; to look each run up by it takes
            # six times as long as to read all of them in the order in which they lie.
            is_in_order = not parts and (is_plain or asked.sort.removeprefix("-") == BEST)
            parts.append(f"{'' if is_in_order else '+'}{own} = {int(asked.archived)}")
        if is_plain:
            parts.append("r.status != ''")
        return " AND ".join(parts or ["1"])

"""The store of a script that is in no run: what it logs is printed and kept in memory, and its files are in ./outputs and ./logs."""

from __future__ import annotations

import os

from trainconf.job_api import values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Tuple


class Offline:
    """The store of one run that is none; `name` stands before what is printed, as for a child run."""

    is_offline = True
    run_dir = ""

    def __init__(self, name: str = "", folder: str = "") -> None:
        self._before = "[%s] " % name if name else ""
        self._folder = folder
        self._entries: List[Dict[str, Any]] = []
        self._records: List[Tuple[str, Dict[str, Any]]] = []
        self._labels: List[Dict[str, Any]] = []
        self.state = "Running"
        self.children: List[str] = []  # whose files lie in folders below ours
        self.facts_told: Dict[str, Any] = {"type": "offline"}

    def metric(self, name: str, value: Any, step: Any) -> None:
        self._entries.append({"time": values.now(), "name": name, "value": value, "step": step})
        print(self._before + name, "=", value, *(() if step is None else ("(step %d)" % step,)), flush=True)

    def column(self, name: str, value: Any) -> None:
        """One value of a table's column, which is printed with its table."""
        self._entries.append({"time": values.now(), "name": name, "value": value, "step": None})

    def record(self, kind: str, facts: Dict[str, Any]) -> None:
        if kind == "label":
            self._labels.append(facts)
        else:
            self._records.append((kind, facts))
        print(self._before + _said(kind, facts), flush=True)

    def flush(self) -> None:
        """There is nothing that waits."""

    def close(self) -> None:
        """There is nothing that is open."""

    def entries(self) -> List[Dict[str, Any]]:
        return list(self._entries)

    def records(self) -> List[Tuple[str, Dict[str, Any]]]:
        return list(self._records)

    def labels(self) -> List[Dict[str, Any]]:
        return [{}, *self._labels]  # nothing was said at a submission

    def facts(self) -> Dict[str, Any]:
        return self.facts_told

    def folders(self) -> List[Tuple[str, str]]:
        return [(top, os.path.abspath(os.path.join(top, self._folder))) for top in ("outputs", "logs")]


def _said(kind: str, facts: Dict[str, Any]) -> str:
    """A record in words."""
    name = facts.get("name", "")
    if kind in ("row", "table"):
        return "%s: %s" % (name, ", ".join("%s = %s" % column for column in facts["columns"].items()))
    if kind == "image":
        return "%s: image %s" % (name, facts["file"])
    if kind == "chart":
        return "%s: %s" % (name, facts["value"]["schema_type"].replace("_", " "))
    return "%s: %s" % (kind, ", ".join("%s = %s" % pair for pair in facts.items()))

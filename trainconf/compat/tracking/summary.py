"""`summary` of a run: the last value of each name, what a script puts there, and least and greatest values that it asked for."""

from __future__ import annotations

import fnmatch
import math

from trainconf.compat.tracking.values import is_whole, one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, ItemsView, Iterator, KeysView, List, Optional, Tuple


class Summary:
    """A dict, with attributes. What a script sets itself is also a metric: `put(name, value)` is called with it."""

    def __init__(self, put: Callable[[str, Any], None], values: Optional[Dict[str, Any]] = None) -> None:
        own: Dict[str, Any] = self.__dict__
        own["_values"] = {} if values is None else values
        own["_put"] = put

    def __setitem__(self, name: Any, value: Any) -> None:
        name = name if isinstance(name, str) else str(name)
        self._values[name] = value
        self._put(name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __getitem__(self, name: str) -> Any:
        found = self._values[name]
        return Summary(lambda below, value: self._put("%s.%s" % (name, below), value), found) if isinstance(found, dict) else found

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self.__dict__.get("_values", ()):
            raise AttributeError("summary has no %r" % name)
        return self[name]

    def __delitem__(self, name: str) -> None:
        del self._values[name]

    __delattr__ = __delitem__

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._values))

    def __len__(self) -> int:
        return len(self._values)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return repr(self._values)

    def keys(self) -> KeysView[str]:
        return dict(self._values).keys()

    def items(self) -> ItemsView[str, Any]:
        return dict(self._values).items()

    def values(self) -> List[Any]:
        return list(self._values.values())

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a name; `loss.min` leads into what `define_metric(summary="min")` keeps of `loss`."""
        if name in self._values:
            return self[name]
        above, _, below = name.rpartition(".")
        found = self._values.get(above)
        return found.get(below, default) if isinstance(found, dict) else default

    def update(self, other: Any = None, **more: Any) -> None:
        for name, value in {**dict(other or {}), **more}.items():
            self[name] = value

    def __reduce__(self) -> Any:
        return dict, (self._values,)

    def _as_dict(self) -> Dict[str, Any]:
        return dict(self._values)


class Rule:
    """What `define_metric` said of the names that fit a pattern."""

    def __init__(self, name: str, step_metric: Optional[str], summaries: Tuple[str, ...]) -> None:
        self.name = name
        self.step_metric = step_metric
        self.summaries = summaries


class Rules:
    """All that `define_metric` has said. The first pattern counts that fits a name, and a name itself before every pattern."""

    WORDS = ("min", "max", "mean", "best", "last", "first", "copy", "none")

    def __init__(self) -> None:
        self._rules: List[Rule] = []
        self._of: Dict[str, Optional[Rule]] = {}
        self._seen: Dict[str, Tuple[int, float]] = {}

    def add(self, name: str, step_metric: Any, summary: Optional[str], goal: Optional[str], overwrite: bool) -> Rule:
        """Take a definition in. Raises ValueError for a word that `summary` does not know."""
        words = tuple(word.strip() for word in summary.split(",")) if summary else ()
        wrong = [word for word in words if word not in self.WORDS]
        if wrong:
            raise ValueError("summary=%r: %s" % (summary, "known are " + ", ".join(self.WORDS)))
        words = tuple(("min" if str(goal or "minimize")[:3] == "min" else "max") if word == "best" else word for word in words)
        rule = Rule(name, str(getattr(step_metric, "name", step_metric)) if step_metric else None, words)
        before = next((known for known in self._rules if known.name == name), None)
        if before is not None:
            self._rules.remove(before)
            if not overwrite:
                rule = Rule(name, rule.step_metric or before.step_metric, rule.summaries or before.summaries)
        self._rules.append(rule)
        self._of.clear()
        return rule

    def __bool__(self) -> bool:
        return bool(self._rules)

    def of(self, name: str) -> Optional[Rule]:
        if name not in self._of:
            fitting = [rule for rule in self._rules if rule.name == name]
            fitting += [rule for rule in self._rules if "*" in rule.name and fnmatch.fnmatchcase(name, rule.name)]
            self._of[name] = fitting[0] if fitting else None
        return self._of[name]

    def step(self, name: str, row: Dict[str, Any], latest: Dict[str, Any], automatic: int) -> Optional[int]:
        """The step that a value of this row has; None where its step metric is not a whole number."""
        rule = self.of(name)
        if rule is None or rule.step_metric is None or rule.step_metric == name:
            return automatic
        value = row.get(rule.step_metric, latest.get(rule.step_metric))
        value = one(value)
        return automatic if value is None else int(value) if is_whole(value) else None

    def summarise(self, name: str, value: Any, latest: Dict[str, Any]) -> None:
        """Put into `latest` what a name shall have there after one more value."""
        rule = self.of(name)
        words = rule.summaries if rule is not None else ()
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not words or words in (("last",), ("copy",)) or not is_number:
            if "none" not in words:
                latest[name] = value
            return
        if words == ("none",):
            return
        kept = latest.get(name)
        kept = kept if isinstance(kept, dict) else {}
        count, total = self._seen.get(name, (0, 0.0))
        if not math.isnan(value):
            count, total = count + 1, total + value
            self._seen[name] = (count, total)
            for word, known in (("min", min), ("max", max)):
                if word in words:
                    kept[word] = known(kept.get(word, value), value)
            if "mean" in words:
                kept["mean"] = total / count
        if "first" in words:
            kept.setdefault("first", value)
        if "last" in words or "copy" in words:
            kept["last"] = value
        latest[name] = kept

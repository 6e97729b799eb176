"""`config` of a run: names and values, as attributes and as items. Values that the run was submitted with win over the script's."""

from __future__ import annotations

from trainconf.compat.tracking.notes import note
from trainconf.compat.tracking.values import jsonable, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, ItemsView, Iterator, KeysView, Optional, Type


class ConfigError(Exception):
    """A value that is there already was given another one without `allow_val_change`."""


class Config:
    """A dict whose values do not change by mistake. `changed` is called after each change."""

    def __init__(self, locked: Optional[Dict[str, Any]] = None, error: Type[Exception] = ConfigError, is_strict: bool = True) -> None:
        own: Dict[str, Any] = self.__dict__
        own["_locked"] = dict(locked or {})
        own["_values"] = dict(own["_locked"])
        own["_error"] = error
        own["_strict"] = is_strict
        own["_changed"] = _nobody

    def _bind(self, changed: Callable[[], None]) -> None:
        self.__dict__["_changed"] = changed

    def _set(self, name: Any, value: Any, may_change: bool) -> None:
        name = name if isinstance(name, str) else str(name)
        value = _kept(value)
        if name in self._locked:
            if value != self._locked[name]:
                said = (name, self._locked[name], value)
                note("config " + name, "config.%s stays %r, as the run was submitted; the script's %r is not used" % said)
            return
        if self._strict and not may_change and name in self._values and not _is_same(self._values[name], value):
            raise self._error(
                "config.%s is %r already; to make it %r, use config.update({%r: ...}, allow_val_change=True)"
                % (name, self._values[name], value, name)
            )
        self._values[name] = value

    def __setitem__(self, name: Any, value: Any) -> None:
        self._set(name, value, False)
        self._changed()

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_values"][name]
        except KeyError:
            known = ", ".join(sorted(self.__dict__.get("_values", ()))) or "nothing"
            raise AttributeError("config has no %r; it has %s" % (name, known)) from None

    def __delitem__(self, name: str) -> None:
        del self._values[name]
        self._changed()

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __bool__(self) -> bool:
        return bool(self._values)

    def __repr__(self) -> str:
        return repr(self._values)

    def __eq__(self, other: object) -> bool:
        return bool(self._values == (other._values if isinstance(other, Config) else other))

    __hash__ = None  # type: ignore[assignment]

    def keys(self) -> KeysView[str]:
        return dict.keys(self._values)

    def values(self) -> Any:
        return self._values.values()

    def items(self) -> ItemsView[str, Any]:
        return dict.items(self._values)

    def get(self, name: str, default: Any = None) -> Any:
        return self._values.get(name, default)

    def as_dict(self) -> Dict[str, Any]:
        return dict(self._values)

    def update(self, other: Any = None, allow_val_change: Optional[bool] = None, **more: Any) -> None:
        """Set many. `other` is what `values.tree` reads. Another value for a name that is there needs `allow_val_change`."""
        for name, value in {**tree(other), **more}.items():
            self._set(name, value, bool(allow_val_change))
        self._changed()

    def setdefaults(self, other: Any) -> Dict[str, Any]:
        """Set those that are not there yet."""
        for name, value in tree(other).items():
            if name not in self._values:
                self._set(name, value, True)
        self._changed()
        return self.as_dict()

    def setdefault(self, name: str, default: Any = None) -> Any:
        if name not in self._values:
            self[name] = default
        return self._values[name]

    def persist(self) -> None:
        self._changed()

    def __reduce__(self) -> Any:
        return _restored, (self._values,)  # what a script puts into a checkpoint, or hands to another process


def _restored(values: Dict[str, Any]) -> Config:
    config = Config()
    config._values.update(values)
    return config


def _nobody() -> None:
    return None


def _is_same(one: Any, other: Any) -> bool:
    return bool(one == other) or (one != one and other != other)  # NaN is NaN


def _kept(value: Any) -> Any:
    """Values stay what they are where JSON holds them; a tuple stays a tuple, everything else is kept as `jsonable` has it."""
    if isinstance(value, tuple):
        return tuple(_kept(below) for below in value)
    return jsonable(value)


def absl_or_given(config: Any, include: Any = None, exclude: Any = None) -> Dict[str, Any]:
    """A config as `init` takes it, narrowed to some names."""
    return {name: value for name, value in tree(config).items() if (not include or name in include) and name not in (exclude or ())}

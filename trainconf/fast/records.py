"""Values that cannot change: what `@dataclass(frozen=True)` makes, for what runs at every submission.

Importing `dataclasses` is 6 ms, and generating the methods of one class 0.3 ms. Here all classes share the methods of `Record`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, TypeVar

    from typing_extensions import dataclass_transform

    RecordT = TypeVar("RecordT", bound="Record")
else:

    def dataclass_transform(**_: object) -> Callable[[type], type]:
        return lambda cls: cls


@dataclass_transform(frozen_default=True)
class Record:
    """A subclass names its fields by annotations, with defaults where there are any. All records share a default."""

    field_types: ClassVar[dict[str, str]] = {}  # by name, in order; the annotations as they are written

    def __init_subclass__(cls) -> None:
        cls.field_types = {**cls.field_types, **cls.__annotations__}

    def __init__(self, *values: Any, **named: Any) -> None:
        names = self.field_types
        given = dict(zip(names, values, strict=False))
        if len(values) > len(names) or not names.keys() >= named.keys() or not given.keys().isdisjoint(named):
            raise TypeError(f"{type(self).__name__} takes each of these once: {', '.join(names)}")
        given.update(named)
        own = self.__dict__
        for name in names:
            try:
                own[name] = given[name] if name in given else getattr(type(self), name)
            except AttributeError:
                raise TypeError(f"{type(self).__name__} needs {name}") from None

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} of a {type(self).__name__} cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name} of a {type(self).__name__} cannot be removed")

    def __eq__(self, other: object) -> bool:
        return _values(self) == _values(other) if isinstance(other, Record) and type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(_values(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={self.__dict__[name]!r}' for name in self.field_types)})"


def replace(record: RecordT, **changes: Any) -> RecordT:
    """The same record with some fields changed."""
    return type(record)(**{**{name: getattr(record, name) for name in record.field_types}, **changes})


def _values(record: Record) -> tuple[Any, ...]:
    return tuple(record.__dict__[name] for name in record.field_types)

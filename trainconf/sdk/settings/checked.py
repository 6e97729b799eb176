"""`Settings`: small objects of values that are checked when they are set, and that know the line that set them."""

from __future__ import annotations

from trainconf.sdk.settings.arguments import Arguments, unknown_attribute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar


class Settings:
    """Values by name. Setting one checks all, so that they always go together; a wrong one changes nothing and raises UserError."""

    _names: ClassVar[tuple[str, ...]] = ()
    _values: dict[str, Any]
    _place: str  # the line that set a value last

    def _set(self, **values: Any) -> None:
        """Take values, all or none of them."""
        arguments = Arguments(type(self).__name__)
        wanted = {**self.__dict__.get("_values", {}), **values}
        self._checked(arguments, wanted)
        arguments.check()
        self.__dict__["_values"], self.__dict__["_place"] = wanted, arguments.place

    def _checked(self, arguments: Arguments, values: dict[str, Any]) -> None:
        """Note what is wrong with values; may put others in their place."""
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self.__dict__.get("_values", {}):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return self._values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._names:
            raise unknown_attribute(type(self).__name__, name, self._names)
        self._set(**{name: value})

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._names]

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._values == self._values

    __hash__ = None  # type: ignore[assignment]  # its values change

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={self._values[name]!r}' for name in self._names)})"

"""What is plain: what JSON holds in every language, and nothing else."""

from __future__ import annotations

from math import isfinite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

PLAIN = "text, integers, finite numbers, true, false, null, lists and mappings with text keys"


def not_plain(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Dotted key and what is wrong, for everything below a value that canonical JSON could not hold."""
    if isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str):
                yield key, f"a mapping with the key {name!r}"
            yield from not_plain(item, f"{key}.{name!s}" if key else str(name))
    elif isinstance(value, list):
        for item in value:
            yield from not_plain(item, key)
    elif isinstance(value, float) and not isfinite(value):
        yield key, str(value)
    elif value is not None and not isinstance(value, (str, int, float, bool)):
        name = type(value).__name__
        yield key, f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def made_plain(value: Any) -> Any:
    """A tree of values as JSON can hold it: keys are text, and what is no JSON is its text."""
    if isinstance(value, dict):
        return {str(key): made_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [made_plain(item) for item in value]
    if value is None or type(value) in (bool, int, str) or (type(value) is float and isfinite(value)):
        return value
    return str(value)

"""JSON as the standard library reads and writes it, without what importing `json` brings: `re` and `enum` are half of an agent's start.

It calls the C parts that `json` itself is made of, and `json` where an interpreter does not have them as they are known here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

_BLANKS = " \t\n\r"


class _Rules:
    """What the scanner asks for: as `json.loads` has it."""

    strict = True
    object_hook = object_pairs_hook = array_hook = None
    parse_float, parse_int = float, int
    parse_constant = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": -float("inf")}.__getitem__


def _refuse(value: object) -> object:
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def dumps(value: Any) -> str:
    """Compact JSON on one line, ASCII only. Raises TypeError for what JSON does not have, RecursionError."""
    return "".join(_encode(value, 0))


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces, ASCII only: equal values give equal text on every machine and version.

    Raises TypeError and ValueError for what JSON does not have, such as NaN, infinities and a list that holds itself.
    """
    return "".join(_sorted_encoder()(value, 0))


def loads(text: bytes | str) -> Any:
    """The one value in a text, or in its UTF-8 bytes. Raises ValueError, RecursionError."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogatepass")
    text = text.strip(_BLANKS)
    try:
        value, end = _scan(text, 0)
    except (StopIteration, SystemError):  # the latter before Python 3.12, where the module that has the error was never imported
        end = -1
    if end == len(text):
        return value
    import json

    return json.loads(text)  # says what is wrong with it


def depth_exceeds(value: Any, limit: int) -> bool:
    """Whether lists and mappings are nested deeper than that: whoever walks through them by recursion could not."""
    level = [value]
    for _ in range(limit + 1):
        level = [
            item for holder in level if isinstance(holder, (dict, list))
            for item in (holder.values() if isinstance(holder, dict) else holder)
        ]  # fmt: skip
        if not level:
            return False
    return True


_scan: Callable[[str, int], tuple[Any, int]]
_encode: Callable[[Any, int], Iterable[str]]
quoted: Callable[[str], str]  # a text as JSON has it, in any alphabet
try:
    from _json import encode_basestring, encode_basestring_ascii, make_encoder, make_scanner

    quoted = encode_basestring

    _scan = make_scanner(_Rules)  # type: ignore[arg-type]  # an object with these attributes is all it wants
    _encode = make_encoder(None, _refuse, encode_basestring_ascii, None, ":", ",", False, False, True)

    def _sorted_encoder() -> Callable[[Any, int], Iterable[str]]:
        return make_encoder({}, _refuse, encode_basestring_ascii, None, ":", ",", True, False, False)  # {}: the lists it is in

    dumps({"": [0.5, loads("[null]")]})
    canonical({})
except (ImportError, AttributeError, TypeError):  # not CPython, or a later one
    import json

    _scan = json.JSONDecoder().raw_decode
    _encode = json.JSONEncoder(separators=(",", ":")).iterencode  # type: ignore[assignment]

    def _sorted_encoder() -> Callable[[Any, int], Iterable[str]]:
        return json.JSONEncoder(separators=(",", ":"), sort_keys=True, allow_nan=False).iterencode  # type: ignore[return-value]

"""Says in words what is wrong with the text of an expression that the grammar of overrides does not take, and what to type instead."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from trainconf.search import grammar
from trainconf.search.expressions import DIGITS, MAX_LISTED, ExpressionError

CLOSING = {"(": ")", "[": "]", "{": "}"}
CALL = re.compile(r"\s*([A-Za-z_]\w*)\s*\((.*)\)\s*", re.DOTALL)
ARGUMENTS: dict[str, tuple[tuple[str, ...], int]] = {  # of functions that take numbers: their names, and how many must be there
    **{
        name: (function.__code__.co_varnames[: function.__code__.co_argcount], function.__code__.co_argcount)
        for name, function in grammar.FUNCTIONS.items() if name != "choice"
    },
    "range": (("start", "stop", "step"), 1), "interval": (("start", "end"), 2),
}  # fmt: skip
DISTRIBUTIONS = frozenset(ARGUMENTS) - {"range"}
OTHERS = ("choice", "tag", "int", "float", "str", "bool", "json_str", "glob", "sort", "shuffle", "extend_list", "zip")
FUNCTIONS = (*grammar.FUNCTIONS, "range", "interval", "tag", "int", "glob", "sort", "shuffle")  # those to tell of
EXAMPLES = {
    "choice": "choice(1,2)", "randint": "randint(10)", "range": "range(1,10,3)", "tag": "tag(log,interval(0.001,1))",
    "normal": "normal(0,1)", "qnormal": "qnormal(0,1,0.5)", "lognormal": "lognormal(0,1)",
    "qlognormal": "qlognormal(0,1,0.5)", "quniform": "quniform(0,10,2)",
    "qloguniform": "qloguniform(0,5,2)", "loguniform": "loguniform(-7,0)", "log_interval": "log_interval(0.001,1)", "glob": "glob(*)",
    "int": "int(interval(1,8))", "sort": "sort(3,1,2)", "shuffle": "shuffle(1,2,3)",
}  # fmt: skip
SHORT = 20  # values of a range that are written out


def explained(text: str) -> ExpressionError | None:
    """What is wrong with a text that was to be an expression; None where it seems to be something else, or nothing is found."""
    if not re.search(r"(^|[\s,([])[A-Za-z_]\w*\(", text):
        return None
    return _brackets(text) or next(_of_calls(text), None)


def _brackets(text: str) -> ExpressionError | None:
    """A bracket without its partner, which every other reading of the text would suffer from."""
    open_at: list[int] = []
    quote = ""
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote and text[place - 1] != "\\" else quote
        elif letter in "'\"":
            quote = letter
        elif letter in CLOSING:
            open_at.append(place)
        elif letter in CLOSING.values() and (not open_at or CLOSING[text[open_at.pop()]] != letter):
            without, what = text[:place] + text[place + 1 :], f"{text}: the {letter} at character {place + 1} closes nothing"
            return ExpressionError(what, example=_if_sound(without), may_be_text=True)
    if quote or not open_at:
        return None
    closed = text.rstrip(", ") + "".join(CLOSING[text[place]] for place in reversed(open_at))
    name = re.search(r"\w*$", text[: open_at[-1]])
    opened = f"{name[0] if name else ''}{text[open_at[-1]]}"
    return ExpressionError(f"{text}: {opened} is not closed", example=_if_sound(closed), may_be_text=True)


def _if_sound(text: str) -> str:
    return "" if any(True for _ in _of_calls(text)) or re.search(r"\s\d", text.partition("(")[0]) else text


def _of_calls(text: str) -> Iterator[ExpressionError]:
    """What is wrong with the functions of a text, the outermost first."""
    parts = split(text)
    calls = [found for part in parts if (found := CALL.fullmatch(part)) is not None]
    for found in calls:
        if found[1] not in ARGUMENTS and found[1] not in OTHERS:
            yield _unknown(found[1], found[2])
    names = [found[1] for found in calls]
    if len(parts) > 1 and any(name in ARGUMENTS or name == "choice" for name in names):
        yield _mixed(parts)
    for found in calls:
        name, inner = found[1], found[2]
        arguments = [argument.strip() for argument in split(inner)] if inner.strip() else []
        if name in ARGUMENTS:
            yield from _wrong_arguments(name, arguments)
        elif name == "tag" and arguments and not _is_call(arguments[-1]):
            what = f"tag({','.join(arguments)}): tag stands around an interval, and {arguments[-1]} is none"
            yield ExpressionError(what, allowed="tag(log, interval(start, end))", example=EXAMPLES["tag"])
        elif name in ("choice", "sort", "shuffle", "zip") and not arguments:
            takes = "key=[values], key=[values]" if name == "zip" else "value, ..."
            yield ExpressionError(f"{name}() has no value", allowed=f"{name}({takes})", example=EXAMPLES.get(name, ""))
        elif name == "choice" and any(_is_call(argument) for argument in arguments):
            yield from (error for argument in arguments for error in _of_calls(argument))
            yield _mixed(arguments)
        elif name not in ("zip", "glob"):
            yield from (error for argument in arguments if _is_call(argument) for error in _of_calls(argument))


def _is_call(text: str) -> bool:
    return CALL.fullmatch(text) is not None


def _unknown(name: str, inner: str) -> ExpressionError:
    from difflib import get_close_matches

    near = get_close_matches(name.lower().replace("-", "_"), FUNCTIONS, 1)
    wanted = f"{near[0]}({inner})" if near else ""
    said = f"Unknown function {name!r}" + (f"; did you mean {near[0]}?" if near else "")
    example = _if_sound(wanted) or EXAMPLES.get(near[0], "") if near else ""
    return ExpressionError(said, allowed=", ".join(FUNCTIONS), example=example, may_be_text=True)


def _mixed(parts: Sequence[str]) -> ExpressionError:
    """Functions among the values of a list."""
    names = [found[1] for part in parts if (found := CALL.fullmatch(part)) is not None]
    drawn = next((name for name in names if name in DISTRIBUTIONS), "")
    if drawn:
        return ExpressionError(
            f"a distribution cannot be one of several values, and {drawn}(...) is one",
            allowed="one distribution, or a list of plain values",
            example=next(part.strip() for part in parts if part.strip().startswith(drawn)),
        )
    listed = [value for part in parts for value in _values(part)]
    return ExpressionError(
        f"{names[0]}(...) is a whole list and cannot be one of its values", allowed="plain values with commas between them",
        example=",".join(listed) if all(listed) and len(listed) <= SHORT else "",
    )


def _values(part: str) -> list[str]:
    """The values that a part of a list stands for; an empty text where they are not told."""
    found = CALL.fullmatch(part)
    if found is None:
        return [part.strip()]
    if found[1] == "choice":
        return [value for inner in split(found[2]) for value in _values(inner)]
    try:
        numbers = range(*(int(argument) for argument in split(found[2])))
    except (TypeError, ValueError):
        return [""]
    return list(map(str, numbers[: SHORT + 1])) if found[1] == "range" else [""]


def _wrong_arguments(name: str, arguments: Sequence[str]) -> Iterator[ExpressionError]:
    names, needed = ARGUMENTS[name]
    allowed = f"{name}({', '.join([*names[:needed], *(f'[{more}]' for more in names[needed:])])})"
    example = EXAMPLES.get(name, f"{name}(0,1)")
    called = f"{name}({','.join(arguments)})"
    given = dict(zip(names, (argument for argument in arguments if "=" not in argument), strict=False))
    pairs = [argument.partition("=") for argument in arguments if "=" in argument]
    named = [(key.strip(), value.strip()) for key, _, value in pairs]
    strange = [key for key, _ in named if key not in names]
    if strange:
        yield ExpressionError(f"{called}: {name} has no argument {strange[0]}", allowed=allowed, example=example)
        return
    if len(arguments) > len(names):
        yield ExpressionError(f"{called} has {len(arguments)} arguments, and {name} takes {len(names)}", allowed=allowed, example=example)
        return
    given |= dict(named)
    missing = [each for each in names[:needed] if each not in given]
    if missing:
        yield ExpressionError(f"{called} lacks {' and '.join(missing)}", allowed=allowed, example=example)
        return
    numbers: dict[str, float] = {}
    for key, value in given.items():
        try:
            numbers[key] = float(value.replace("_", ""))
        except ValueError:
            yield ExpressionError(f"{called}: {key} must be a number, not {value or 'nothing'}", allowed=allowed, example=example)
            return
        if not math.isfinite(numbers[key]):
            yield ExpressionError(f"{called}: {key} must be a finite number, not {value}", allowed=allowed, example=example)
            return
    if name == "range":
        yield from _wrong_range(called, allowed, given, numbers)


def _wrong_range(called: str, allowed: str, given: dict[str, str], numbers: dict[str, float]) -> Iterator[ExpressionError]:
    """A range that gives no value, or more than a key can list."""
    start, stop = (given["start"], given["stop"]) if "stop" in given else ("0", given["start"])
    first, last = (numbers["start"], numbers["stop"]) if "stop" in given else (0.0, numbers["start"])
    step = numbers.get("step", 1.0)
    if step == 0:
        yield ExpressionError(f"{called}: the step of a range must not be 0", allowed=allowed, example=EXAMPLES["range"])
        return
    count = (last - first) / step
    by = given.get("step", "1")
    if first == last:
        end = number_text(last + step)
        what = f"{called} has no value: the stop, {stop}, is not one of its values"
        yield ExpressionError(what, allowed=allowed, example=f"range({start},{end}{'' if step == 1 else f',{by}'})")
    elif count <= 0:
        turned = by[1:] if by.startswith("-") else f"-{by.removeprefix('+')}"
        what = f"{called} has no value: a step of {by} leads from {start} away from {stop}"
        yield ExpressionError(what, allowed=allowed, example=f"range({start},{stop}{'' if turned == '1' else f',{turned}'})")
    elif count > MAX_LISTED:
        is_whole = all(text.lstrip("+-").replace("_", "").isdecimal() for text in (start, stop, by))
        low, high = sorted((first, last - step))
        between = f"interval({number_text(low)},{number_text(high)})"
        what = f"{called} has {math.ceil(count)} values, and a key can list {MAX_LISTED}"
        example = f"int({between})" if is_whole else between
        yield ExpressionError(what, allowed="fewer values, or an interval, which lists none", example=example)


def number_text(value: float) -> str:
    return grammar.exact(float(f"{value:.{DIGITS}g}"))


def split(text: str) -> list[str]:
    """The parts of a text between its commas, those inside brackets and quotes apart."""
    parts, depth, quote, start = [], 0, "", 0
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif letter == "," and not depth:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]

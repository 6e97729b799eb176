"""Knows simple regular expressions without `re`, which takes 4 ms to import."""

from __future__ import annotations

LITERAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-=:;,/'\"@%&<>!~`")
ESCAPED = frozenset("dDsSwW.+*?()[]{}|^$\\")
REPEATED = frozenset("+*?")


def surely_has_one_group(pattern: str) -> bool:
    """Whether it is letters, signs, classes such as `\\S+`, and exactly one group of them. False where only `re` can tell."""
    groups, is_open, may_repeat, may_be_lazy, place = 0, False, False, False, 0
    while place < len(pattern):
        sign = pattern[place]
        is_repeated = sign in REPEATED and may_repeat
        if is_repeated or (sign == "?" and may_be_lazy):
            may_repeat = False
        elif sign in LITERAL or sign == ".":
            may_repeat = True
        elif sign == "\\" and pattern[place + 1 : place + 2] in ESCAPED:
            may_repeat, place = True, place + 1
        elif sign == "(" and not groups:
            groups, is_open, may_repeat = 1, True, False
        elif sign == ")" and is_open:
            is_open = may_repeat = False
        else:
            return False
        may_be_lazy = is_repeated
        place += 1
    return groups == 1 and not is_open

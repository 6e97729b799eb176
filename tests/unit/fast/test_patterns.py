"""A simple pattern is known without `re`, and never taken for what it is not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainconf.fast.patterns import surely_has_one_group

PIECES = [
    "loss", " ", "=", "(", ")", "\\S", "\\d", "\\(", "\\.", "+", "*", "?", ".", "(?:", "(?P<x>", "[", "]", "0-9", "{2}", "|", "^", "$",
    "\\", "\\1",
]  # fmt: skip


@pytest.mark.parametrize("pattern", [r"loss (\S+)", r"val_loss=(\d+\.\d+)", r"acc: (.*?), ", r"\[train\] loss: (\S+)", r"(\S+)"])
def test_what_people_write_is_known(pattern: str) -> None:
    assert surely_has_one_group(pattern)


@pytest.mark.parametrize("pattern", ["loss", "(a)(b)", "(a", "a)", "(?:a)", "+(a)", "(+a)", "(a)++", "a**(b)", "(a)\\", "(a)\\b", ""])
def test_what_only_re_can_tell_is_left_to_it(pattern: str) -> None:
    assert not surely_has_one_group(pattern)


@settings(max_examples=2000, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_what_is_known_compiles_and_has_one_group(pattern: str) -> None:
    if surely_has_one_group(pattern):
        assert re.compile(pattern).groups == 1

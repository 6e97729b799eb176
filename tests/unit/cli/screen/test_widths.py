"""Text that fits: measured as terminals measure, broken between words."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcwidth

from trainconf.cli.screen.widths import cut, width, wrapped


def test_characters_are_as_wide_as_terminals_have_them() -> None:
    """Signs that became wide in Unicode 16, and what has no width of its own, apart."""
    printable = [chr(code) for code in range(32, sys.maxunicode + 1) if chr(code).isprintable()]
    wrong = [character for character in printable if width(character) != wcwidth(character)]
    assert len(wrong) < 400  # of 140,000
    common = [(0x3040, 0x30FF), (0x4E00, 0x9FFF), (0x1F300, 0x1FAFF)]  # kana, ideographs, emoji
    assert not [character for character in wrong for first, last in common if first <= ord(character) <= last]


@pytest.mark.parametrize(
    ("text", "columns"), [("日本", 4), ("e\u0301", 1), ("❤️", 2), ("한", 2), ("\u1112\u1161\u11ab", 2), ("\uff46", 2), ("क्षि", 2), ("😀", 2)]
)
def test_marks_and_wide_characters(text: str, columns: int) -> None:
    assert width(text) == columns


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("a short line", 20, "a short line"),
        ("one two three four five six", 20, "one two three four\n  five six"),
        ("  note  one two three four five", 20, "  note  one two\n        three four\n        five"),
        ("  a label that is long  and its text here", 24, "  a label that is long\n      and its text here"),
        ("  spec  01234567890123", 20, "  spec\n      01234567890123"),
        ("see `trainconf show x` for all", 24, "see `trainconf show x`\n  for all"),
        ("日本 日本 日本 日本 日本", 20, "日本 日本 日本 日本\n  日本"),
        ("\x1b[1mone two three four five\x1b[0m", 20, "\x1b[1mone two three four\n  five\x1b[0m"),
        ("x" * 30 + " y", 20, "x" * 30 + "\n  y"),
    ],
)
def test_lines_are_broken_between_words(text: str, columns: int, shown: str) -> None:
    assert wrapped(text, columns) == shown


@given(st.text(st.sampled_from("ab 日`\n"), max_size=200), st.integers(20, 60))
def test_no_word_is_lost_or_torn_and_no_line_is_too_wide(text: str, columns: int) -> None:
    shown = wrapped(text, columns)
    assert shown.split() == text.split()
    for line in shown.split("\n"):
        assert width(line) <= columns or max(map(width, line.split())) + 6 > columns or len(line) - len(line.lstrip()) > 6


def test_what_is_cut_ends_in_dots() -> None:
    assert cut("日本語日本語", 7) == "日本.."
    assert [width(cut("日本語日本語", columns)) <= columns for columns in range(12)] == [True] * 12

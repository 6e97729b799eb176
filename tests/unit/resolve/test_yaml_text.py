"""What `render` writes, every YAML reader reads back as it was."""

from __future__ import annotations

import math
import os
from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from trainconf.resolve.yaml_text import render

TEXT = st.one_of(
    st.text(max_size=12),
    st.binary(max_size=6).map(os.fsdecode),
    st.sampled_from(
        [
            "yes",
            "No",
            "on",
            "null",
            "~",
            "1e5",
            "0x1F",
            "1_000",
            "12:30:45",
            "2020-01-01",
            "- a",
            "a: b",
            "# c",
            "!!int 3",
            "&a",
            "*a",
            ".inf",
            "${secret:A}",
            "=",
            "<<",
            "%a",
            "@a",
            "`a`",
            "\u2028",
            "\x85",
            "\x7f",
            "\ufeff",
            "a b",
            " a",
            "a ",
            "-",
            "?",
            ":",
            "é",
            "\U0001f600",
        ]
    ),
)
LEAF = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT)
TREE = st.recursive(LEAF, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)), max_leaves=12)
TREES = st.dictionaries(TEXT, TREE, max_size=4)


@settings(max_examples=300, deadline=None)
@given(TREES)
@example({"a": 1e-05, "b": 1e16, "c": 5e-324, "d": -0.0, "e": 1.7976931348623157e308})
@example({"": {"": ""}, "on": ["no", {"y": {}}]})
@example({"text": "\ud800"})
def test_pyyaml_reads_what_was_written(tree: dict[str, Any]) -> None:
    assert yaml.safe_load(render(tree)) == (tree or None)


def for_omegaconf(tree: Any) -> bool:
    """Whether it may read the tree: libyaml, which it uses since 2.4, refuses lone surrogates."""
    return "${" not in str(tree) and "\\ud" not in repr(tree)


@settings(max_examples=200, deadline=None)
@given(TREES.filter(for_omegaconf))
@example({"a": 1e-05, "b": "1e5", "c": "1_000", "d": "12:30:45"})
def test_omegaconf_reads_what_was_written(tree: dict[str, Any]) -> None:
    text = render(tree)
    read = OmegaConf.to_container(OmegaConf.create(text)) if text else {}
    assert read == tree


@given(st.floats())
def test_a_number_that_is_read_back_is_the_same_number(value: float) -> None:
    if math.isfinite(value):
        read = yaml.safe_load(render({"x": value}))["x"]
        assert (read, math.copysign(1, read)) == (value, math.copysign(1, value))

"""What the words of a filter mean."""

from __future__ import annotations

import pytest

from trainconf.control.view.filter import Part, parse


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("digits", [Part("digits", word="digits")]),
        ("'two words' x7k2", [Part("'two words'", word="two words"), Part("x7k2", word="x7k2")]),
        ("status:Failed,running", [Part("status:Failed,running", expression="status in ['Failed', 'running']")]),
        ("tag:paper tag:stage=final", [
            Part("tag:paper", expression="'paper' in tags"), Part("tag:stage=final", expression="tags['stage'] == 'final'"),
        ]),
        ("params.lr>0.1 digits", [Part("params.lr>0.1", expression="params.lr>0.1"), Part("digits", word="digits")]),
        ("params.lr=0.1", [Part("params.lr=0.1", expression="params.lr==0.1")]),
        ("params.lr > 0.1 and status == 'Failed'", [
            Part("params.lr > 0.1 and status == 'Failed'", expression="params.lr > 0.1 and status == 'Failed'"),
        ]),
        ("other:thing", [Part("other:thing", word="other:thing")]),
    ],
)  # fmt: skip
def test_a_filter_is_read_part_by_part(text: str, parts: list[Part]) -> None:
    assert parse(text) == parts

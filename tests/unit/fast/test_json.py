"""JSON without `json`: the same values, the same texts, the same refusals."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from trainconf.fast import json as plain_json

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec=None))
HOLDS_ITSELF: list[object] = []
HOLDS_ITSELF.append(HOLDS_ITSELF)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(VALUES)
def test_what_is_written_is_what_json_writes_and_what_is_read_is_what_was_written(value: object) -> None:
    text = plain_json.dumps(value)
    assert text == json.dumps(value, separators=(",", ":"))
    assert plain_json.loads(text) == value
    assert plain_json.loads(f" \t{text}\r\n".encode()) == value


@given(VALUES)
def test_the_canonical_text_is_what_json_writes_with_sorted_keys(value: object) -> None:
    try:
        expected = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError:  # an infinity
        with pytest.raises(ValueError, match="JSON"):
            plain_json.canonical(value)
    else:
        assert plain_json.canonical(value) == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: 2, "a": 3}, {(1,): 2}, {"a": {1}}, HOLDS_ITSELF], ids=repr)
def test_what_has_no_canonical_text_is_refused_as_json_refuses_it(value: object) -> None:
    with pytest.raises((TypeError, ValueError)) as expected:
        json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    with pytest.raises(expected.type):
        plain_json.canonical(value)


@given(st.text(st.sampled_from('{}[],:"\\u01e.-tfn N\n\x00')) | st.binary(max_size=8))
def test_what_json_refuses_is_refused(text: str | bytes) -> None:
    try:
        expected = repr(json.loads(text.decode("utf-8", "surrogatepass") if isinstance(text, bytes) else text))
    except ValueError:
        with pytest.raises((json.JSONDecodeError, UnicodeDecodeError)):
            plain_json.loads(text)
    else:
        assert repr(plain_json.loads(text)) == expected


def test_a_value_that_json_does_not_have_is_refused() -> None:
    with pytest.raises(TypeError, match="set is not JSON"):
        plain_json.dumps({"a": {1}})
    with pytest.raises(RecursionError):
        plain_json.loads("[" * 200_000)


def test_a_torn_text_is_refused_where_json_was_never_imported() -> None:
    code = (
        "from trainconf.fast import json as plain_json\n"
        "for text in ('', '{', '[1', '\"a', 'nul', '1 2', b'\\xff'):\n"
        "    try: print(plain_json.loads(text))\n"
        "    except ValueError: print('no')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["no"] * 7, done.stderr


def test_an_interpreter_without_these_c_parts_gets_json_itself() -> None:
    code = (
        "import sys; sys.modules['_json'] = None\n"
        "from trainconf.fast import json as p\n"
        "print(p.dumps({'a': [1.5, None]}), p.loads(b' [1e5, NaN]\\n'))\n"
        "try: p.loads('[')\n"
        "except ValueError: print('no')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ['{"a":[1.5,null]}', "[100000.0,", "nan]", "no"], done.stderr

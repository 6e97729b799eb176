"""config.yaml of a run whose config shares parts with others: as if it were rendered alone."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trainconf.composition.patch import patched
from trainconf.resolve.composed import Composed
from trainconf.resolve.origins import leaves
from trainconf.resolve.yaml_text import render

CONFIG = {"params": {"lr": 0.1, "optim": {"name": "sgd"}, "none": None}, "tags": {}, "arguments": ["a"], "retries": 0, "env": {"name": "x"}}
VALUES = st.dictionaries(
    st.sampled_from(["params.lr", "params.optim.name", "params.new", "tags.owner", "arguments", "display_name"]),
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5), st.lists(st.integers())),
    max_size=4,
)


def whole(composed: Composed) -> str:
    parts = {"config": composed.config, "overrides": composed.overrides, "choices": composed.choices, "origins": composed.origins}
    return render(parts)


@given(st.lists(VALUES, max_size=5))
def test_a_config_is_rendered_as_it_is_whatever_was_rendered_before(trials: list[dict[str, Any]]) -> None:
    base = Composed(CONFIG, {key: "default" for key, _ in leaves(CONFIG)}, {"env": "x"}, ["params.lr=0.1"])
    for values in trials:
        found = patched(base, values, dict.fromkeys(values, "command line"), [f"{key}={value}" for key, value in values.items()])
        assert found.text() == whole(found)
        assert base.text() == whole(base)


def test_a_config_without_anything_is_a_mapping_too() -> None:
    assert Composed({}, {}, {}, []).text() == whole(Composed({}, {}, {}, []))

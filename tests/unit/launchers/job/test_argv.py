"""Argument lists out of specs: every style, every value, and whatever a shell or Hydra would make of it."""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from trainconf.errors import ConfigError
from trainconf.launchers.job.argv import argv, hydra_value, render_params
from trainconf.spec import CodeSpec, RunSpec, canonical


def spec(params: dict[str, Any] | None = None, **code: Any) -> RunSpec:
    return RunSpec(code=CodeSpec(**code), params_json=canonical(params or {}))


def test_a_script_gets_its_arguments_first_and_then_its_params() -> None:
    found = argv(spec({"lr": 0.1}, script="train.py", arguments=("--verbose", "x")), "/py")
    assert found == ["/py", "train.py", "--verbose", "x", "--lr", "0.1"]


def test_a_command_is_executed_as_it_stands_and_gets_the_same() -> None:
    found = argv(spec({"lr": 0.1}, command=("torchrun", "a b"), arguments=("c",)), "/py")
    assert found == ["torchrun", "a b", "c", "--lr", "0.1"]


def test_a_shell_command_gets_them_as_positional_parameters() -> None:
    words = argv(spec({"name": "$(id)"}, command=("sh", "-c", 'printf "%s|" "$@"'), arguments=("it's",)), "/py")
    assert subprocess.run(words, capture_output=True, text=True).stdout == "it's|--name|$(id)|"


def test_inputs_are_filled_in_and_strangers_stay() -> None:
    arguments = ("--data={inputs.train}/x", "{inputs.no}", "{braces}")
    found = argv(spec(script="t.py", arguments=arguments, inputs=(("train", "/d {x}"),)), "/py")
    assert found[2:] == ["--data=/d {x}/x", "{inputs.no}", "{braces}"]


def test_argparse_style() -> None:
    params = {"lr": 1e-4, "optim": {"lr": 0.1, "empty": {}}, "layers": [8, 4], "none": None, "on": True, "off": False, "n": -3, "s": "a b"}
    assert render_params(params, "argparse") == [
        "--lr", "0.0001", "--optim.lr", "0.1", "--optim.empty", "{}", "--layers", "8", "4", "--on", "--n", "-3", "--s", "a b",
    ]  # fmt: skip


def test_a_text_that_begins_with_a_dash_is_no_option_of_argparse() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode")
    parser.add_argument("--n", type=float)
    parsed = parser.parse_args(render_params({"mode": "-fast", "n": -0.5}, "argparse"))
    assert (parsed.mode, parsed.n) == ("-fast", -0.5)


def test_style_none_passes_nothing() -> None:
    assert argv(spec({"lr": 0.1}, script="t.py", argument_style="none"), "/py") == ["/py", "t.py"]


def test_hydra_style() -> None:
    params = {"lr": 0.1, "optim": {"name": "sgd", "empty": {}}, "layers": [8, [4]], "amp": True, "fast": False, "seed": None}
    assert render_params(params, "hydra") == [
        "lr=0.1", "optim.name='sgd'", "optim.empty={}", "layers=[8,[4]]", "amp=true", "fast=false", "seed=null",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a b", "ä", "1st", "-x", "a.b", "a=b", "", "null", "True", "nan"])
def test_a_name_hydra_cannot_express_is_refused_wherever_it_stands(name: str) -> None:
    for params in ({name: 1}, {"a": {name: 1}}, {"a": [{name: 1}]}):
        with pytest.raises(ConfigError, match="argument_style=none"):
            render_params(params, "hydra")


# Surrogates stand for undecodable bytes, which the parser's runtime cannot hold; NUL cannot be in an argument.
plain_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
texts = plain_texts | st.text("'\"\\${}=,:[]() \t\n", max_size=12)
keys = st.from_regex(r"[a-z_][a-z0-9_-]*", fullmatch=True).filter(lambda key: key not in ("null", "true", "false", "nan", "inf"))
scalars = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=6)


@settings(max_examples=400, deadline=None)
@given(values)
def test_any_value_comes_back_from_hydras_grammar_as_it_was(value: Any) -> None:
    override = OverridesParser.create().parse_override(f"x={hydra_value(value)}")
    assert not override.is_sweep_override()
    back = OmegaConf.to_container(OmegaConf.create({"x": override.value()}), resolve=True)
    assert isinstance(back, dict)
    assert back["x"] == value
    assert type(back["x"]) is type(value)


def test_floats_that_json_does_not_have_are_written_as_hydra_reads_them() -> None:
    parse = OverridesParser.create().parse_override
    assert parse(f"x={hydra_value(math.inf)}").value() == math.inf
    assert parse(f"x={hydra_value(-math.inf)}").value() == -math.inf
    value = parse(f"x={hydra_value(math.nan)}").value()
    assert isinstance(value, float)
    assert math.isnan(value)


def test_the_interpreter_that_was_asked_for_runs_the_script() -> None:
    assert argv(spec(script="t.py"), sys.executable)[0] == sys.executable

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from trainconf.errors import UserError
from trainconf.notebook.magics.words import as_word, read

VARIABLES: dict[str, Any] = {
    "lr": 0.5, "name": "a b,c", "nothing": None, "yes": True, "layers": [64, 32], "tree": {"a": None, "b": ["x", True]},
    "config": SimpleNamespace(lr=1e-05), "run": SimpleNamespace(run_dir="/w/runs/d/d-1", id="d-1"),
}  # fmt: skip


@pytest.mark.parametrize(("line", "words"), [
    ("ls --where 'params.lr < 0.5'", ["ls", "--where", "params.lr < 0.5"]),
    ("", []),
    ("params.lr=$lr", ["params.lr=0.5"]),
    ("params.lr={lr}", ["params.lr=0.5"]),
    ("params.lr={lr*2},{lr}", ["params.lr=1.0,0.5"]),
    ("params.lr=$config.lr", ["params.lr=1e-05"]),
    ("'params.lr={max(layers)}'", ["params.lr=64"]),
    ("a=$nothing b=$yes c={layers} d={tree}", ["a=null", "b=true", "c=[64,32]", "d={a:null,b:['x',true]}"]),
    ("note last {name}", ["note", "last", "a b,c"]),
    ("show $run", ["show", "d-1"]),
    ("show {run}", ["show", "d-1"]),
])  # fmt: skip
def test_a_variable_stands_as_hydra_writes_its_value(line: str, words: list[str]) -> None:
    assert read(line, VARIABLES) == words


@pytest.mark.parametrize("word", [
    "arguments=[--data,{inputs.data}]", "v=${oc.env:HOME}", "v=${secret:TOKEN}", "params={lr:0.1}", "params={a:{b:1}}", "a={}",
    r"stdout_metrics.loss='loss=(\\d{3})$'", "a={1,3}", "a=$", "a=$1", "a={", "a=}",
])  # fmt: skip
def test_what_the_configuration_means_by_a_brace_or_a_dollar_stays(word: str) -> None:
    assert read(f'"{word}"', VARIABLES) == [word.replace("\\\\", "\\")]


def test_a_doubled_brace_and_a_doubled_dollar_are_themselves() -> None:
    assert read("note last $$lr={{lr}}", VARIABLES) == ["note", "last", "$lr={lr}"]


def test_variables_that_are_not_there_are_told_all_at_once() -> None:
    with pytest.raises(UserError) as raised:
        read("params.lr={lrr} params.x=$y params.z={1/0*lr}", VARIABLES)
    assert [mistake.what for mistake in raised.value.mistakes] == [
        "{lrr} has no value: name 'lrr' is not defined", "$y has no value: name 'y' is not defined",
        "{1/0*lr} has no value: ZeroDivisionError: division by zero",
    ]  # fmt: skip
    assert raised.value.mistakes[0].facts == (("from", "params.lr={lrr}"),)


def test_an_open_quote_is_a_mistake() -> None:
    with pytest.raises(UserError, match="no closing quotation"):
        read("note last 'it is", {})


def test_a_variable_called_inputs_is_meant_where_there_is_one() -> None:
    assert read("{inputs.data}", {"inputs": SimpleNamespace(data="x")}) == ["x"]


def test_numbers_of_other_packages_are_written_as_numbers() -> None:
    from fractions import Fraction

    class Scalar(Fraction):
        def item(self) -> float:
            return float(self)

    assert as_word([Scalar(1, 2)]) == "[0.5]"

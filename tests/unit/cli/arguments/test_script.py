"""A script without an experiment gets the words that were typed, and as many of them as can be are params."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainconf.cli.arguments.script import request_of, split
from trainconf.errors import UserError
from trainconf.launchers.job.argv import render_params


@pytest.mark.parametrize(("typed", "arguments", "params"), [
    ("--lr 0.1", [], {"lr": 0.1}),
    ("--lr 1e-3 --amp --layers 8 4", [], {"lr": 0.001, "amp": True, "layers": [8, 4]}),
    ("--optim.lr 0.1 --optim.name sgd", [], {"optim": {"lr": 0.1, "name": "sgd"}}),
    ("--n-estimators 5 --seed -1", [], {"n-estimators": 5, "seed": -1}),
    ("data.csv --lr 0.1", ["data.csv"], {"lr": 0.1}),
    ("-k 3 --lr=0.1", ["-k", "3"], {"lr": 0.1}),
    ("--lr 0.1 -k 3", ["--lr", "0.1", "-k", "3"], {}),
    ("--x 1 --x 2", ["--x", "1"], {"x": 2}),
    ("--a 1 --a.b 2", ["--a", "1"], {"a": {"b": 2}}),
    ("--amp=false --lr 0.1", ["--amp=false"], {"lr": 0.1}),
    ("--python 3.10 --id 007 --n 1_000", [], {"python": "3.10", "id": "007", "n": "1_000"}),
    ("--top 1e999 --none null --yes true", [], {"top": "1e999", "none": "null", "yes": "true"}),
    ("model=resnet lr=0.1", ["model=resnet", "lr=0.1"], {}),
    ("--b 1 first --a 2 second", ["--b", "1", "first"], {"a": [2, "second"]}),
    ("-- --lr 0.1", ["--"], {"lr": 0.1}),
    ("", [], {}),
])  # fmt: skip
def test_words_become_params_where_params_are_passed_as_these_words(typed: str, arguments: list[str], params: dict[str, Any]) -> None:
    assert split(typed.split()) == (arguments, params)


WORDS = st.one_of(
    st.sampled_from(["--lr", "--a.b", "--a", "-k", "--", "--x=1", "--x=", "--x=true", "-1", "0.1", "1e3"]),
    st.sampled_from(["a b", "'", "{inputs.d}", "${x}", "", "é", "\n"]),
    st.text(max_size=5),
)


@given(words=st.lists(WORDS, max_size=6))
def test_the_script_gets_the_words_that_were_typed(words: list[str]) -> None:
    arguments, params = split(words)
    got = [*arguments, *render_params(params, "argparse")]
    typed = [*words[: len(arguments)], *(part for word in words[len(arguments) :] for part in _as_passed(word))]
    assert got[: len(arguments)] == arguments
    assert sorted(got) == sorted(typed)  # the options are in the order of their names


def _as_passed(word: str) -> list[str]:
    return [repr(float(part)) if part == "1e3" else part for part in (word.split("=", 1) if word.startswith("--") else [word])]


def test_a_missing_script_and_a_second_experiment_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text("")
    with pytest.raises(UserError, match=r"there is no script trian\.py(.|\n)*nearest +train\.py"):
        request_of("trian.py", [])
    Path("src/a").mkdir(parents=True)
    Path("src/a/fit.py").write_text("")
    with pytest.raises(UserError, match=r"nearest +src/a/fit\.py"):
        request_of("fit.py", [])
    with pytest.raises(UserError, match="both say what to run"):
        request_of("train.py", [], ["experiment=digits"])


@pytest.mark.parametrize(("typed", "expected"), [
    ("--lr 0.1,0.2", "params.lr=0.1,0.2"), ("--opt sgd,adam", "params.opt='sgd','adam'"),
    ("--lr log_interval(1e-4,1)", "params.lr=log_interval(1e-4,1)"), ("--name sgd", None),
])  # fmt: skip
def test_what_varies_in_a_sweep(typed: str, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text("")
    found = [word for word in request_of("train.py", typed.split(), is_sweep=True).overrides if word.startswith("params.")]
    assert found == ([expected] if expected else [])
    assert not [word for word in request_of("train.py", typed.split()).overrides if word.startswith("params.")]

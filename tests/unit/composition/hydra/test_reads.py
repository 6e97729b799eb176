"""A composition evaluates so many interpolations, and no more: a few lines can stand for a billion."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf
from omegaconf.base import Container

from trainconf.composition.hydra import reads
from trainconf.errors import ConfigError


@pytest.mark.parametrize("form", ["{0}{0}{0}{0}", "['{0}', '{0}', '{0}', '{0}']"])
def test_interpolations_that_grow_with_each_line_are_refused(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("MAX_INTERPOLATIONS", "MAX_TEXT", "MAX_ITEMS"):  # OmegaConf 2.3 runs into the first, 2.4 into the others
        monkeypatch.setattr(reads, limit, 500)
    lines = ["a0: x", *(f"a{n}: {form.format('${a' + str(n - 1) + '}')}" for n in range(1, 12))]
    cfg = OmegaConf.create("\n".join(lines))
    with pytest.raises(ConfigError, match="stand for too many values"), reads.Reads().recording():
        OmegaConf.to_container(cfg, resolve=True)


def test_a_text_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "MAX_TEXT", 100)
    cfg = OmegaConf.create({"a": "x" * 60, "b": "${a}", "c": "${a}${a}"})
    with reads.Reads().recording():
        assert cfg.b == "x" * 60
    with pytest.raises(ConfigError, match="stand for too many values"), reads.Reads().recording():
        assert cfg.c


def test_afterwards_nothing_is_counted() -> None:
    before = Container.resolve_parse_tree
    with reads.Reads().recording():
        assert OmegaConf.create({"a": 1, "b": "${a}"}).b == 1
    assert Container.resolve_parse_tree is before

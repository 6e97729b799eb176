"""The configs of a multirun's jobs that are made from the first one's: always the same as Hydra's own."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hydra import __version__ as HYDRA_VERSION
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import OmegaConf

from trainconf.compat.hydra.alike import Alike

CONFIG = """
defaults: [schema, model: resnet, _self_]
lr: 0.1
nested: {depth: 2, text: a}
twice: "${nested.depth}"
named: "${hydra:job.override_dirname}"
maybe: null
deep: {any: {thing: 1}}
hydra: {job: {config: {override_dirname: {exclude_keys: [seed], kv_sep: "-"}}, name: "job_${nested.depth}"}}
"""
VERSION = {"version_base": "1.3"} if HYDRA_VERSION.startswith("1.3") else {}


class Colour(enum.Enum):
    red = 1
    blue = 2


@dataclass
class Schema:
    lr: float = 0.0
    seed: int = 0
    colour: Colour = Colour.red
    where: Path = Path("here")
    maybe: str | None = None
    sizes: list[int] = field(default_factory=lambda: [1, 2])
    flags: dict[str, bool] = field(default_factory=dict)
    nested: Any = None
    twice: Any = None
    named: Any = None
    deep: Any = None
    model: Any = None


class Multirun:
    """A loader, the config of a multirun, and how often Hydra has composed a job."""

    def __init__(self, loader: Any, master: Any) -> None:
        self.loader, self.master, self.composed_count = loader, master, 0
        self.alike = Alike(self.compose, loader.repository.group_exists)

    def compose(self, master: Any, words: list[str]) -> Any:
        self.composed_count += 1
        return self.loader.load_sweep_config(master, words)

    def jobs(self, *jobs: str) -> int:
        """Compose jobs, whose words stand between `&`; each must be what Hydra composes. How often Hydra had to."""
        self.composed_count = 0
        for job in jobs:
            words = job.split(" & ")
            found, own = self.alike(self.master, words), self.loader.load_sweep_config(self.master, words)
            assert facts(found) == facts(own), job
        return self.composed_count


def facts(config: Any) -> tuple[Any, ...]:
    """Types, flags and values of all nodes, and what is resolved."""

    def nodes(node: Any) -> Any:
        value = node._value()
        inner = [(key, nodes(each)) for key, each in value.items()] if isinstance(value, dict) else (
            [nodes(each) for each in value] if isinstance(value, list) else (type(value), value)
        )
        return type(node), {key: str(value) for key, value in vars(node._metadata).items()}, inner

    app = OmegaConf.masked_copy(config, [key for key in config if key not in ("hydra", "named")])
    return nodes(config), OmegaConf.to_container(app, resolve=True), OmegaConf.to_container(config.hydra.overrides)


@pytest.fixture
def multirun(tmp_path: Path) -> Iterator[Callable[..., Multirun]]:
    (tmp_path / "model").mkdir()
    for name in ("resnet", "vit"):
        (tmp_path / "model" / f"{name}.yaml").write_text(f"name: {name}\ndepth: 1\n")
    (tmp_path / "config.yaml").write_text(CONFIG)
    store = ConfigStore.instance()
    store.store(name="schema", node=Schema)
    with initialize_config_dir(str(tmp_path), **VERSION):
        hydra = GlobalHydra.instance()
        assert hydra.hydra is not None

        def made(*words: str) -> Multirun:
            loader = GlobalHydra.instance().config_loader()
            return Multirun(loader, loader.load_configuration("config", list(words), run_mode=RunMode.MULTIRUN))

        yield made
    del store.repo["schema.yaml"]


@pytest.mark.parametrize("jobs", [
    ["lr=0.1", "lr=0.2", "lr=1", "lr=1e-3"], ["seed=1", "seed=2", "seed=3"], ["nested.depth=1", "nested.depth=2", "nested.depth=deep"],
    ["nested.text=a & seed=1", "nested.text='b c' & seed=2", "nested.text=c & seed=1"], ["colour=red", "colour=blue", "colour=red"],
    ["where=there", "where=/a/b", "where=c"], ["maybe=a", "maybe=b", "maybe=1"],
    ["deep.any.thing=true", "deep.any.thing=no", "deep.any.thing=1"],
    ["model.depth=3", "model.depth=4", "model.depth=5"],
    ["nested.text='a=b'", "nested.text='${lr}'", "nested.text=${lr}"],
])  # fmt: skip
def test_the_third_job_of_a_kind_is_made_from_the_first(multirun: Callable[..., Multirun], jobs: list[str]) -> None:
    assert multirun().jobs(*jobs) == 2
    assert multirun("lr=0.5", "hydra.job.name=mine").jobs(*jobs) == 2


@pytest.mark.parametrize("jobs", [
    ["model=resnet", "model=vit", "model=resnet"], ["+new=1", "+new=2", "+new=3"], ["~deep.any", "~deep.any", "~deep.any"],
    ["sizes=[1]", "sizes=[2,3]", "sizes=[4]"], ["++flags.a=true", "++flags.a=false", "++flags.a=true"],
    ["hydra.job.name=a", "hydra.job.name=b", "hydra.job.name=c"], ["maybe=null", "maybe=null", "maybe=null"],
])  # fmt: skip
def test_what_is_more_than_a_value_is_composed_by_hydra(multirun: Callable[..., Multirun], jobs: list[str]) -> None:
    assert multirun().jobs(*jobs) == 3


def test_kinds_are_told_apart(multirun: Callable[..., Multirun]) -> None:
    found = multirun()
    assert found.jobs("lr=1", "seed=1", "lr=2", "seed=2", "lr=3", "seed=3", "seed=3 & lr=1", "lr=1 & seed=3", "model=vit", "lr=4") == 7


@pytest.mark.parametrize("word", ["seed=many", "colour=green", "nested.depht=1", "lr=[1]"])
def test_what_is_wrong_is_told_by_hydra(multirun: Callable[..., Multirun], word: str) -> None:
    found = multirun()
    key = word.partition("=")[0]
    if key != "nested.depht":
        found.jobs(*[f"{key}={value}" for value in (("red", "blue", "red") if key == "colour" else (1, 2, 3))])
    with pytest.raises(ConfigCompositionException) as own:
        found.loader.load_sweep_config(found.master, [word])
    for _ in range(3):
        with pytest.raises(ConfigCompositionException) as told:
            found.alike(found.master, [word])
        assert str(told.value) == str(own.value)


def test_a_config_that_depends_on_a_value_in_another_way_is_never_made(multirun: Callable[..., Multirun]) -> None:
    """Here Hydra itself is another one: what it composes of a job cannot be concluded."""
    found = multirun()

    def compose(master: Any, words: list[str]) -> Any:
        found.composed_count += 1
        config = found.loader.load_sweep_config(master, words)
        config.nested.text = f"from {words[0]}"
        return config

    found.alike = Alike(compose, found.loader.repository.group_exists)
    texts = [found.alike(found.master, [f"seed={number}"]).nested.text for number in range(4)]
    assert texts == [f"from seed={number}" for number in range(4)]

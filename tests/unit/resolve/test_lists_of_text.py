"""A list or mapping of text has no lists and mappings in it, wherever it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainconf.composition.compose import compose
from trainconf.errors import ConfigError
from trainconf.paths import WorkspacePaths


@pytest.mark.parametrize("key", [
    "compat", "unhashed_inputs", "hydra_app.words", "hydra_app.registered", "env.requirements", "snapshot.allow_keys",
])  # fmt: skip
@pytest.mark.parametrize("item", ["{a: 1}", "[1]"])
def test_a_container_in_a_list_of_text_is_refused_with_its_place(key: str, item: str, tmp_path: Path) -> None:
    (tmp_path / "conf/experiment").mkdir(parents=True)
    name, _, below = key.partition(".")
    value = f"{{{below}: [{item}]}}" if below else f"[{item}]"
    text = f"# @package _global_\ndefaults: [_self_]\nexperiment_name: x\n{name}: {value}\n"
    (tmp_path / "conf/experiment/x.yaml").write_text(text)
    with pytest.raises(ConfigError, match=rf"{key}.* cannot be"):
        compose(["experiment=x"], WorkspacePaths(str(tmp_path)))


@pytest.mark.parametrize("key", ["tags", "inputs", "stdout_metrics", "env.variables"])
@pytest.mark.parametrize("item", ["{b: {c: 1}}", "{b: [1]}"])
def test_a_container_in_a_mapping_of_text_is_refused_with_its_place(key: str, item: str, tmp_path: Path) -> None:
    (tmp_path / "conf/experiment").mkdir(parents=True)
    name, _, below = key.partition(".")
    text = f"# @package _global_\ndefaults: [_self_]\nexperiment_name: x\n{name}: {f'{{{below}: {item}}}' if below else item}\n"
    (tmp_path / "conf/experiment/x.yaml").write_text(text)
    with pytest.raises(ConfigError, match=rf"{key}\.b cannot be (.|\n)*x\.yaml:4"):
        compose(["experiment=x"], WorkspacePaths(str(tmp_path)))

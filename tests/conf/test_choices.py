"""Every choice of every group composes, every experiment resolves, and every file has the form of the house.

The folders are enumerated: a new YAML file is covered without a line here.
"""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from trainconf import schema
from trainconf.composition.cache import compose
from trainconf.errors import ConfigError
from trainconf.paths import WorkspacePaths
from trainconf.resolve.resolver import resolve
from trainconf.resolve.search import groups

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"
NO_CONFIGS = (CONF / "local.yaml", CONF / "azureml.yaml")  # of this machine alone; names of another cloud
FILES = sorted(path for path in CONF.rglob("*.yaml") if path not in NO_CONFIGS)
CHOICES = [(path.parent.relative_to(CONF).as_posix(), path.stem) for path in FILES if path.parent != CONF]
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml") if path.stem != "adhoc")
NODES = {"compute", "env", "distributed", "sweep"}


def name_of(path: Path) -> str:
    return path.relative_to(CONF).as_posix()


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspacePaths:
    """A workspace with the shipped projects and no config of its own, as `trainconf init` leaves it."""
    shutil.copytree(ROOT / "projects", tmp_path / "projects")
    return WorkspacePaths(str(tmp_path))


def test_every_group_of_the_contract_has_choices() -> None:
    assert set(groups([str(CONF)])) >= {"experiment", *NODES}


@pytest.mark.parametrize(("group", "choice"), CHOICES, ids=lambda value: value)
def test_every_choice_composes_and_is_what_was_chosen(group: str, choice: str, workspace: WorkspacePaths) -> None:
    composed = compose([f"{group}={choice}"], workspace)
    assert composed.choices[group] == choice
    keys = {key: {field.name for field in fields(node)} for key, node in schema.node_types(composed.config).items()}
    assert keys.keys() >= NODES
    assert {key: set(node_at(composed.config, key)) for key in keys} == keys


def node_at(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = config[part]
    return config


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_resolves_and_its_spec_survives_its_own_file(experiment: str, workspace: WorkspacePaths) -> None:
    resolved = resolve(compose([f"experiment={experiment}"], workspace), workspace)
    assert resolved.experiment_name == experiment
    again = type(resolved.spec).from_dict(resolved.spec.to_dict(), "the test")
    assert again == resolved.spec


@pytest.mark.parametrize("choice", sorted(path.stem for path in (CONF / "env").glob("*.yaml")))
def test_every_environment_resolves(choice: str, workspace: WorkspacePaths) -> None:
    spec = resolve(compose([f"env={choice}"], workspace), workspace).spec.environment
    assert spec.kind == ("current" if choice == "current" else "venv")
    assert bool(spec.requirements) == (spec.kind == "venv" and choice != "bare")


def test_adhoc_runs_any_script_and_asks_for_one_when_there_is_none(workspace: WorkspacePaths) -> None:
    Path(workspace.root, "my_train.py").write_text("print(1)\n")
    words = ["experiment=adhoc", "env=current", "+params.lr=0.1"]
    spec = resolve(compose([*words, "script=my_train.py"], workspace), workspace, cwd=workspace.root).spec
    assert (spec.code.script, spec.params) == ("my_train.py", {"lr": 0.1})
    with pytest.raises(ConfigError, match="nothing to run"):
        resolve(compose(words, workspace), workspace)


def test_commented_machine_facts_change_nothing(workspace: WorkspacePaths) -> None:
    from trainconf.control.workspace.init import LOCAL_YAML

    before = compose([], workspace).config
    Path(workspace.conf).mkdir()
    Path(workspace.conf, "local.yaml").write_text(LOCAL_YAML)
    assert compose([], workspace).config == before


def test_machine_facts_with_their_comments_taken_away_are_settings(workspace: WorkspacePaths) -> None:
    from trainconf.control.workspace.init import LOCAL_YAML

    head, *facts = LOCAL_YAML.split("\n\n")
    Path(workspace.conf).mkdir()
    Path(workspace.conf, "local.yaml").write_text(head + "\n" + re.sub("^# ", "", "\n".join(facts), flags=re.MULTILINE))
    compute = compose([], workspace).config["compute"]
    assert (compute["slots"], compute["gpu_devices"], compute["lease_dir"]) == (8, ["0", "1"], "/var/tmp/leases")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_opens_with_its_package_then_one_line_about_it_and_names_self(path: Path) -> None:
    lines = path.read_text().splitlines()
    if path.parent.name == "experiment":
        assert lines.pop(0) == "# @package _global_"
    assert re.match(r"# \S.*[.`]$", lines[0])
    assert lines[1] == "defaults:"
    assert "_self_" in yaml.safe_load(path.read_text())["defaults"]


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name == "experiment"], ids=name_of)
def test_the_command_in_the_header_of_an_experiment_runs_it(path: Path, workspace: WorkspacePaths) -> None:
    found = re.search(r"`python -m trainconf (.*)`", path.read_text().splitlines()[1])
    assert found, "the header names no command"
    composed = compose([word for word in shlex.split(found[1]) if word != "-m"], workspace)
    assert composed.choices["experiment"] == path.stem


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name == "experiment"], ids=name_of)
def test_an_experiment_keeps_the_order_of_the_schema_and_repeats_no_default(path: Path) -> None:
    body = yaml.safe_load(path.read_text())
    order = {field.name: field for field in fields(schema.Config)}
    keys = [key for key in body if key != "defaults"]
    assert keys == sorted(keys, key=list(order).index)
    assert [key for key in keys if body[key] == order[key].default] == []


@pytest.mark.parametrize("path", [path for path in FILES if path.parent.name == "experiment"], ids=name_of)
def test_the_other_commands_in_an_experiment_run_it(path: Path, workspace: WorkspacePaths) -> None:
    for words in re.findall(r"^#   python -m trainconf (.*)$", path.read_text(), flags=re.MULTILINE):
        resolved = resolve(compose(shlex.split(words), workspace), workspace)
        assert resolved.experiment_name == path.stem, words

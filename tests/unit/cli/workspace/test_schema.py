"""`trainconf schema` writes schemas, prints what connects them, and touches a file only when it is told to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Verb
from trainconf.paths import WorkspacePaths

EXPERIMENT = "# @package _global_\n# mine\nexperiment_name: mine\n"


def test_it_writes_schemas_and_prints_the_settings_that_connect_them(workspace: WorkspacePaths, verb: Verb) -> None:
    said = verb("schema")
    assert said.code == 0
    listed = json.loads(said.out)["yaml.schemas"]
    assert listed[".trainconf/schema/experiment.json"] == ["conf/experiment/*.yaml"]
    for name in listed:
        assert json.loads((Path(workspace.root) / name).read_text())["$schema"].endswith("draft-07/schema#")
    assert (Path(workspace.state) / ".gitignore").read_text() == "*\n"


def test_a_header_comes_below_the_package_and_is_renewed(workspace: WorkspacePaths, verb: Verb) -> None:
    path = Path(workspace.conf) / "experiment" / "mine.yaml"
    path.write_text(EXPERIMENT)
    path.chmod(0o600)
    assert verb("schema").code == 0
    assert path.read_text() == EXPERIMENT
    assert verb("schema", "--header", "conf/experiment/mine.yaml").code == 0
    line = "# yaml-language-server: $schema=../../.trainconf/schema/experiment.json\n"
    assert path.read_text() == EXPERIMENT.replace("# mine\n", f"{line}# mine\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert verb("schema", "-o", "conf/made", "--header", "conf/experiment/mine.yaml").code == 0
    assert path.read_text() == EXPERIMENT.replace("# mine\n", "# yaml-language-server: $schema=../made/experiment.json\n# mine\n")


def test_a_file_that_is_no_config_is_refused_and_no_other_is_changed(workspace: WorkspacePaths, verb: Verb) -> None:
    path = Path(workspace.conf) / "experiment" / "mine.yaml"
    path.write_text(EXPERIMENT)
    Path("other.yaml").write_text("a: 1\n")
    said = verb("schema", "--header", str(path), "other.yaml", "conf/experiment/none.yaml")
    assert said.code == 2
    assert "other.yaml is no config file of this workspace" in said.err
    assert "conf/experiment/none.yaml cannot be read" in said.err
    assert path.read_text() == EXPERIMENT


def test_a_folder_that_cannot_be_made_is_told(workspace: WorkspacePaths, verb: Verb) -> None:
    Path("taken").touch()
    said = verb("schema", "-o", "taken")
    assert said.code == 2
    assert "schemas cannot be written to" in said.err


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_file_without_a_package_has_the_header_first(workspace: WorkspacePaths, verb: Verb, ending: str) -> None:
    path = Path(workspace.conf) / "local.yaml"
    path.write_bytes(f"retries: 1{ending}".encode())
    assert verb("schema", "--header", str(path)).code == 0
    assert path.read_bytes().decode() == f"# yaml-language-server: $schema=../.trainconf/schema/local.json{ending}retries: 1{ending}"

"""A command's placeholders, wherever they stand: what a shell then makes of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from trainconf.compat.azureml.v2.command import Value, read

PATH = "/data/a b'\"$x"
NAMES = {
    "inputs.data": Value("TRAINCONF_INPUT_DATA", is_word=True), "inputs.lr": Value("${params.lr}"),
    "inputs.seed": Value("", is_given=False), "search_space.model": Value("${params.model}", is_tree=True),
}  # fmt: skip
PARAMS = {"lr": 0.1, "model": {"name": "a b", "depth": 2}}


def said(command: str) -> str:
    """What a shell prints for a command, its references resolved as a config's are."""
    config = OmegaConf.create({"params": PARAMS, "command": read(command, NAMES).text})
    done = subprocess.run(["sh", "-c", str(config.command)], env={"TRAINCONF_INPUT_DATA": PATH, **os.environ},
                          capture_output=True, text=True, check=True)  # fmt: skip
    return done.stdout


@pytest.mark.parametrize(("command", "expected"), [
    ("printf '[%s]' ${{inputs.data}}", f"[{PATH}]"),
    ('printf "[%s]" "${{inputs.data}}/x"', f"[{PATH}/x]"),
    ("printf '[%s]' '${{inputs.data}}'", f"[{PATH}]"),
    ("printf '[%s]' --lr=${{ inputs.lr }} 'a'\\''b'", "[--lr=0.1][a'b]"),
    ("printf '[%s]' \\'${{inputs.data}}", f"['{PATH}]"),
    ("X=5; printf '[%s]' ${X} $X $((X+1)) '${X}'", "[5][5][6][${X}]"),
    ("printf '[%s]' 'a\\${{inputs.lr}}'", "[a\\0.1]"),
    ("printf '[%s]' a $[[--seed ${{inputs.seed}}]] $[[--lr ${{inputs.lr}}]]", "[a][--lr][0.1]"),
    ("printf '[%s]' ${{search_space.model}}", "[{'name': 'a b', 'depth': 2}]"),
    ("printf '[%s]' a \\\n  b", "[a][b]"),
])
def test_a_placeholder_is_what_it_stands_for_in_any_quotes(command: str, expected: str) -> None:
    assert said(command) == expected


def test_a_placeholder_that_stands_for_nothing_is_named_also_in_an_optional_part() -> None:
    assert read("a ${{inputs.no}} $[[${{outputs.none}}]] ${{whatever}}", NAMES).unknown == ["inputs.no", "outputs.none", "whatever"]


@pytest.mark.parametrize("command", [
    "source venv/bin/activate\npython train.py", "set -o pipefail; a | b", "if [[ -f x ]]; then echo; fi", "a && pushd x", "echo {1..3}",
    "files=(a b)", "diff <(a) <(b)",
])
def test_a_command_of_bash_is_given_to_bash(command: str) -> None:
    assert read(command, NAMES).is_bash


@pytest.mark.parametrize("command", ["python train.py --source x", "a; b && c | d > e 2>&1", "echo [a] ${x:-y} $(ls)", "resource load"])
def test_another_command_is_given_to_sh(command: str) -> None:
    assert not read(command, NAMES).is_bash


def test_an_output_is_a_folder_that_is_there_wherever_the_command_goes(tmp_path: Path) -> None:
    from trainconf.compat.azureml.v2.data import read_outputs
    from trainconf.compat.azureml.v2.document import Document

    job = tmp_path / "job.yml"
    job.write_text("type: command\noutputs:\n  model:\n  table: {type: uri_file}\n")
    lines, names = read_outputs(Document(str(job)))
    made = read("cd / && printf '[%s]' ${{outputs.model}} \"${{outputs.table}}\"", names)
    text = "\n".join([*lines, str(OmegaConf.create({"x": made.text}).x)])
    here = tmp_path / "a b"
    here.mkdir()
    done = subprocess.run(["sh", "-c", text], cwd=here, capture_output=True, text=True, check=True)
    assert done.stdout == f"[{here}/outputs/model][{here}/outputs/table]"
    assert (here / "outputs/model").is_dir()
    assert not (here / "outputs/table").exists()

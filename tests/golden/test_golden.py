"""Config in, spec and plan out, as files to read. `pytest tests/golden --refresh-golden` writes them anew; a missing one fails.

A case is a folder with `words.txt` (one word of the command line a line), `workspace/` (what `trainconf init` gives, when there is none),
and the expected `spec.json` and `plan.json`, in which what differs from machine to machine stands as <its name>.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Answer, Shell

CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/words.txt"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_words_and_files_become_this_spec_and_this_plan(
    case: Path, here: Callable[..., Answer], workspace: Shell, request: pytest.FixtureRequest
) -> None:
    shutil.rmtree(workspace.root)
    if (case / "workspace").is_dir():
        shutil.copytree(case / "workspace", workspace.root)
    else:
        workspace.root.mkdir()
    os.chdir(workspace.root)
    if not (case / "workspace").is_dir():
        here("init")
    answer = here(
        "plan", *(case / "words.txt").read_text().splitlines(), f"compute.lease_dir={workspace.leases}", "compute.slots=4", "--json"
    )
    assert answer.code == 0, answer
    made = json.loads(answer.out)
    if made["spec"]["environment"]["kind"] == "current":
        made["plan"]["first_on_path"] = ["<programs>"]
    for name in ("spec", "plan"):
        text = without_machine(json.dumps(made[name], indent=2) + "\n", made, workspace, has_own_files=(case / "workspace").is_dir())
        expected = case / f"{name}.json"
        if request.config.getoption("--refresh-golden"):
            expected.write_text(text)
        assert expected.exists(), "no such golden file: write it with --refresh-golden, and read it"
        assert text.splitlines() == expected.read_text().splitlines()


def without_machine(text: str, made: dict[str, Any], workspace: Shell, *, has_own_files: bool) -> str:
    """The text with what only this machine has named instead."""
    environment, plan = made["spec"]["environment"], made["plan"]
    python = plan["ranks"][0]["argv"][0]
    local = {
        "<job path>": plan["env"]["PYTHONPATH"],
        "<environment>": python.split("/envs/")[1].split("/")[0] if "/envs/" in python else "",
        "<python>": python if environment["kind"] == "current" and os.path.isabs(python) else "",
        "<workspace>": str(workspace.root),
        "<home>": str(workspace.home),
        "<spec hash>": made["spec"]["spec_hash"],
        "<shipped code>": "" if has_own_files else made["spec"]["code"]["snapshot"],
        "<packages>": environment["packages"],
        "<python version>": f'"python": "{environment["python"]}"',
    }
    for name, found in local.items():
        named = f'"python": "{name}"' if name == "<python version>" else name
        text = text.replace(found if found.startswith('"') else json.dumps(found)[1:-1], named) if found else text
    return text

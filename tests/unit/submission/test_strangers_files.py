"""A frozen file of a stranger: what is checked before it is believed, and which questions this machine answers by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Answer, Shell
from trainconf.resolve.yaml_text import render
from trainconf.submission import frozen

from .test_frozen import of_version_1

Here = Callable[..., Answer]


def forged(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a frozen file as somebody does who knows how its hash is made."""
    body = yaml.safe_load(path.read_text())
    change(body)
    body["file_hash"] = frozen._hash(body)
    path.write_text(frozen.FROZEN_FIRST_LINE + "\n" + render(body))


NAMES = ["../../..", "..", ".", "", "a/b", "/tmp/x", "a\0b", "-rf", "a" * 300, "\u202ex", "a\n"]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_no_name_in_a_frozen_file_leads_out_of_runs(name: str, version: int, here: Here, workspace: Shell) -> None:
    assert here("freeze", *workspace.script(), "-o", "a.lock").code == 0
    path = workspace.root / "a.lock"
    forged(path, lambda body: body["config"].update(experiment_name=name))
    if version == 1:
        path.write_text(of_version_1(path.read_text()))
    before = workspace.tree()
    answer = here("run", "a.lock")
    assert (answer.code, len(answer.told)) == (2, 1), answer
    assert workspace.tree() == before


@pytest.mark.parametrize("name", NAMES[:8])
def test_no_name_in_a_record_leads_out_of_runs(name: str, here: Here, workspace: Shell) -> None:
    import json

    here(*workspace.script())
    (run_dir,) = workspace.run_dirs()
    record = json.loads((run_dir / "run.json").read_text())
    record["config"]["experiment_name"] = name
    (run_dir / "run.json").write_text(json.dumps(record))
    for words in ([], ["tags.x=1"], ["+params.a=1"]):
        answer = here("rerun", run_dir.name, *words)
        assert answer.code == 2, answer
        assert answer.told
    assert workspace.run_dirs() == [run_dir]


@pytest.mark.parametrize("verb", [["run"], ["freeze", "--check"]], ids=["run", "check"])
@pytest.mark.parametrize("bomb", [
    "a: &a [x, x]\n" + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(24)),
    "a: &a {b: *a}\n", "a: " + "[" * 5000 + "]" * 5000 + "\n",
], ids=["billions", "a circle", "deep"])  # fmt: skip
def test_a_bomb_of_yaml_is_told_at_once(bomb: str, verb: list[str], here: Here, workspace: Shell) -> None:
    assert here("freeze", *workspace.script(), "-o", "a.lock").code == 0
    path = workspace.root / "a.lock"
    path.write_text(path.read_text() + bomb)
    answer = here(*verb, "a.lock")
    assert (answer.code, len(answer.told)) == (2, 1), answer


def strange(key: str, value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda body: body[key].update(value) if isinstance(value, dict) else body.update({key: value})


@pytest.mark.parametrize(
    "change",
    [
        strange("code_from", {"source_directory": "a\0b"}), strange("code_from", {"git": {"commit": "a\0b"}}),
        strange("folder", "a\0b"), strange("config_name", "a\0b"), strange("config", {"inputs": {"a\0=b": "train.py"}}),
        strange("config", {"tags": {"x\0": "y"}}), strange("choices", {"env": "\0"}),
        strange("config", {"inputs": {"a=b": "train.py"}}), strange("config", {"inputs": {"": "train.py"}}),
    ],
)  # fmt: skip
def test_no_name_that_no_file_can_have_is_a_traceback(change: Callable[[dict[str, Any]], object], here: Here, workspace: Shell) -> None:
    assert here("freeze", *workspace.script(), "-o", "a.lock").code == 0
    forged(workspace.root / "a.lock", change)
    answer = here("run", "a.lock")
    assert (answer.code, len(answer.told)) == (2, 1), answer
    assert workspace.run_dirs() == []


@pytest.mark.parametrize("setup", ["setup", "arguments"])
def test_what_a_target_runs_beside_the_script_is_guarded(setup: str, here: Here, workspace: Shell) -> None:
    assert here("freeze", *workspace.script(), "-o", "a.lock").code == 0
    path = workspace.root / "a.lock"
    head, mark, config = path.read_text().partition("\nconfig:\n")
    path.write_text(head + mark + config.replace("  compute:\n", f"  compute:\n    {setup}: [touch owned]\n", 1))
    for verb in (["run"], ["freeze", "--check"]):
        assert list(here(*verb, "a.lock").told) == ["the file does not have the hash that is written in it: it was edited by hand"]


def test_facts_about_this_machine_are_not_frozen_and_the_one_that_runs_has_its_own(here: Here, workspace: Shell) -> None:
    workspace.write(".trainconfignore", "conf/\n")
    workspace.write("conf/local.yaml", f"compute: {{slots: 3, lease_dir: '{workspace.leases}', cpus: 1}}\nsubmit: {{stream: true}}\n")
    words = ["experiment=adhoc", "script=train.py", "env=current"]
    assert here("freeze", *words, "-o", "a.lock").code == 0
    text = (workspace.root / "a.lock").read_text()
    assert str(workspace.leases) not in text
    assert "slots" not in text
    assert "cpus: 1" in text
    workspace.write("conf/local.yaml", f"compute: {{slots: 5, lease_dir: '{workspace.home}/${{oc.env:PLACE,leases}}'}}\n")
    assert here("run", "a.lock").code == 0
    shown = here("show", "last", "--origin").out
    assert "compute.slots = 5" in shown
    assert f'compute.lease_dir = "{workspace.leases}"' in shown
    (workspace.root / "conf/local.yaml").unlink()
    assert here("run", "a.lock", f"compute.lease_dir={workspace.leases}").code == 0
    assert "compute.slots = 5" not in here("show", "last", "--origin").out
    assert here("freeze", "--check", "a.lock").code == 0


def test_files_of_version_1_held_such_facts_and_they_are_passed_over(here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.write(".trainconfignore", "conf/\n")
    workspace.write("conf/local.yaml", f"compute: {{slots: 3, lease_dir: '{workspace.leases}'}}\n")
    with monkeypatch.context() as older:
        older.setattr(frozen, "without_machine", lambda composed, *_: composed.config)
        assert here("freeze", "experiment=adhoc", "script=train.py", "env=current", "-o", "a.lock").code == 0
    path = workspace.root / "a.lock"
    path.write_text(of_version_1(path.read_text()))
    assert "slots: 3" in path.read_text()
    workspace.write("conf/local.yaml", f"compute: {{slots: 5, lease_dir: '{workspace.leases}'}}\n")
    assert here("run", "a.lock").code == 0
    assert "compute.slots = 5" in here("show", "last", "--origin").out


def test_what_somebody_asked_for_by_word_is_frozen_and_wins_over_this_machine(here: Here, workspace: Shell) -> None:
    assert here("freeze", *workspace.script(), "-o", "a.lock").code == 0
    workspace.write("conf/local.yaml", "compute: {slots: 7}\n")
    assert here("run", "a.lock").code == 0
    assert "compute.slots = 4" in here("show", "last", "--origin").out


@pytest.mark.parametrize(
    "text",
    ["compute: {slots: many}\n", "compute: [1\n", "\udcff", "- 1\n", "compute: {partition: x}\n", "", "a: &a [*a]\n", "a" * 9, "1: 2\n"],
)
def test_a_local_yaml_of_any_kind_is_told_or_passed_over(text: str, here: Here, workspace: Shell) -> None:
    (workspace.root / "conf").mkdir()
    words = ["experiment=adhoc", "script=train.py", "env=current", f"compute.lease_dir={workspace.leases}"]
    assert here("freeze", *words, "-o", "a.lock").code == 0
    (workspace.root / "conf/local.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    answer = here("run", "a.lock")
    assert answer.code in (0, 2), answer
    if answer.code:
        (facts,) = answer.told.values()
        assert "conf/local.yaml" in facts.get("from", facts.get("path", "")), facts


def test_what_is_not_in_the_spec_can_be_given_by_word_and_what_is_cannot(here: Here, workspace: Shell) -> None:
    assert here("freeze", *workspace.script("+params.lr=0.5"), "-o", "a.lock").code == 0
    answer = here("run", "a.lock", "compute.slots=2", "+tags.who=me", "retries=1", "experiment_name=other", "params.lr=0.5")
    assert (answer.code, answer.out) == (0, "['--lr', '0.5']\n"), answer
    shown = here("show", "last", "--origin").out
    assert "compute.slots = 2" in shown
    assert 'experiment_name = "other"' in shown
    runs = workspace.run_dirs()
    for word, key in {
        "params.lr=0.6": "params.lr", "+params.x=1": "params.x", "~params.lr": "params.lr", "compute.cpus=2": "compute.cpus",
        "script=other.py": "script", "grace_seconds=1": "grace_seconds", "+env.variables.A=1": "env.variables.A",
        "distributed.node_count=2": "distributed.node_count", "+inputs.a=train.py": "inputs.a", "arguments=[a]": "arguments",
    }.items():  # fmt: skip
        answer = here("run", "a.lock", word)
        assert (answer.code, list(answer.told)) == (2, [f"{key} is part of what was frozen"]), answer
        assert word in answer.told[f"{key} is part of what was frozen"]["from"]
    for word in ("compute=slurm", "compute.slotz=2", "nonsense", "compute.slots=many", "compute.slots=1,2"):
        answer = here("run", "a.lock", word)
        assert (answer.code, len(answer.told)) == (2, 1), answer
        assert "command line" in next(iter(answer.told.values()))["from"]
    assert workspace.run_dirs() == runs

"""Completion, hover, definition, rename and lenses, asked by the protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.editor.client import Editor
from tests.unit.editor.conftest import PLAIN

NAME = "conf/experiment/child.yaml"
CHILD = """\
# @package _global_
# 😀 A child
defaults:
  - plain
  - /model: vit
  - override /compute: slurm
  - _self_
experiment_name: child
params:
  copy: ${params.lr}
  near: '😀 ${.lr}'
compute:
  mem_gib: 2
sweep:
  space:
    params.lr: uniform(0, 1)
# trainconf experiment=child params.lr=0.1 params.lrx=2
"""


@pytest.fixture
def folder(folder: Path) -> Path:
    """The workspace with a group of its own, and an experiment that is made from another."""
    (folder / "conf/model").mkdir()
    for name in ("resnet", "vit"):
        (folder / f"conf/model/{name}.yaml").write_text(f"# @package params.model\n# The {name}\ndepth: 3\nname: {name}\n")
    (folder / NAME).write_text(CHILD)
    (folder / "conf/experiment/other.yaml").write_text(PLAIN)  # has a params.lr, too, and nothing to do with the others
    return folder


def labels(editor: Editor, old: str, new: str) -> list[str]:
    """What is offered at the end of a text that was typed in place of another."""
    editor.change(NAME, CHILD.replace(old, new, 1))
    return [each["label"] for each in editor.ask("textDocument/completion", editor.at(NAME, new, end=True))]


def test_what_may_stand_at_a_place_is_offered(editor: Editor) -> None:
    assert editor.open(NAME) == []
    assert {"retries", "script", "metric"} <= {*labels(editor, "experiment_name: child", "retr")}
    assert labels(editor, "  mem_gib: 2", "  par")[:3] == ["gpus_per_node", "cpus_per_task", "target"]
    assert {"docker", "slurm"} <= {*labels(editor, "override /compute: slurm", "override /compute: ")}
    assert labels(editor, "/model: vit", "/model: ") == ["resnet", "vit"]
    offered = labels(editor, "- plain", "- ")
    assert {"_self_", "override /compute", "/model", "plain", "other"} <= {*offered}
    assert "child" not in offered
    assert editor.change(NAME, CHILD) == []  # the last that composed counts
    assert labels(editor, "${params.lr}", "${params.l")[0] == "params.lr"
    assert "params.model.depth" in labels(editor, "${params.lr}", "${params.m")
    assert labels(editor, "uniform(0, 1)", "uni")[:3] == ["choice", "randint", "uniform"]
    assert {"params.lr", "params.model.depth", "model"} <= {*labels(editor, "    params.lr: uniform(0, 1)", "    par")}
    assert labels(editor, "experiment_name: child", "script: ") == ["train.py"]
    assert "src/" in labels(editor, "experiment_name: child", "source_directory: ")
    assert {*labels(editor, "experiment_name: child", "metric: {goal: ")} == {"minimize", "maximize"}
    assert labels(editor, "experiment_name: child", "submit: {detach: ") == ["true", "false"]
    assert labels(editor, "# 😀 A child", "# 😀 A") == []


def test_an_offer_says_what_it_is_and_replaces_what_was_typed(editor: Editor) -> None:
    editor.open(NAME)
    text = CHILD.replace("  near: '😀 ${.lr}'", "  near: '😀 ${params.c'")
    editor.change(NAME, text)
    found = editor.ask("textDocument/completion", editor.at(NAME, "${params.c", end=True))[0]
    assert (found["label"], found["detail"]) == ("params.copy", "0.5")
    line = "  near: '😀 ${params.c'"
    start = len(line[: line.index("params.c")].encode("utf-16-le")) // 2
    assert found["textEdit"]["range"] == {"start": {"line": 10, "character": start}, "end": {"line": 10, "character": start + 8}}
    editor.change(NAME, CHILD.replace("experiment_name: child", "max_r"))
    by_name = {each["label"]: each for each in editor.ask("textDocument/completion", editor.at(NAME, "max_r", end=True))}
    assert "Allowed: " in by_name["max_run_duration_seconds"]["documentation"]
    assert by_name["metric"]["textEdit"]["newText"] == "metric:\n  "


def hovered(editor: Editor, mark: str) -> str:
    found = editor.ask("textDocument/hover", editor.at(NAME, mark, end=True))
    return str(found["contents"]["value"]) if found else ""


def test_a_value_is_shown_with_its_meaning_and_its_origin(editor: Editor) -> None:
    editor.open(NAME)
    memory = hovered(editor, "  mem_g")
    assert "`compute.mem_gib`" in memory
    assert "Allowed: " in memory
    assert "conf/experiment/child.yaml:13" in memory
    copy = hovered(editor, "  cop")
    assert "0.5" in copy
    assert "written as `\"${params.lr}\"`" in copy
    assert "conf/experiment/plain.yaml:9" in hovered(editor, "${params")
    assert "conf/experiment/plain.yaml:9" in hovered(editor, "${.l")
    assert hovered(editor, "/model: v").endswith("The vit\n\nfrom conf/model/vit.yaml")
    assert hovered(editor, "# 😀 A") == ""
    editor.open("conf/experiment/plain.yaml")
    found = editor.ask("textDocument/hover", editor.at("conf/experiment/plain.yaml", "  l", end=True))
    assert "😀 step" in found["contents"]["value"]  # a param is explained by its comment


def test_what_is_known_of_the_last_good_text_is_there_while_another_is_typed(editor: Editor) -> None:
    editor.open(NAME)
    editor.change(NAME, CHILD.replace("${params.lr}", "[${params.l"))
    assert editor.ask("textDocument/completion", editor.at(NAME, "${params.l", end=True))[0]["detail"] == "0.5"


def test_a_definition_is_found(editor: Editor) -> None:
    def leads(mark: str) -> tuple[str, int]:
        found = editor.ask("textDocument/definition", editor.at(NAME, mark, end=True))
        return found["uri"].removeprefix(editor.folder.as_uri() + "/"), found["range"]["start"]["line"] + 1

    editor.open(NAME, CHILD.replace("experiment_name: child", "script: train.py"))
    assert leads("  - pl") == ("conf/experiment/plain.yaml", 1)
    assert leads("/model: v") == ("conf/model/vit.yaml", 1)
    assert leads("${params.l") == ("conf/experiment/plain.yaml", 9)
    assert leads("${.l") == ("conf/experiment/plain.yaml", 9)
    assert leads("script: tra") == ("src/train.py", 1)


def applied(folder: Path, editor: Editor, changes: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    """The texts of files after changes."""
    found = {}
    for uri, edits in changes.items():
        name = uri.removeprefix(folder.as_uri() + "/")
        lines = (folder / name).read_text().split("\n")
        for edit in sorted(edits, key=lambda each: (each["range"]["start"]["line"], -each["range"]["start"]["character"])):
            (number, start), end = edit["range"]["start"].values(), edit["range"]["end"]["character"]
            line = lines[number].encode("utf-16-le")
            lines[number] = (line[: 2 * start] + edit["newText"].encode("utf-16-le") + line[2 * end :]).decode("utf-16-le")
        found[name] = "\n".join(lines)
    return found


def test_a_param_is_renamed_in_every_file_that_is_composed_with_it(folder: Path, editor: Editor) -> None:
    editor.open(NAME)
    place = editor.at(NAME, "${params.l", end=True)
    can = editor.ask("textDocument/prepareRename", place)
    assert can["start"]["line"] == 9
    found = editor.ask("textDocument/rename", {**place, "newName": "rate"})
    texts = applied(folder, editor, found["changes"])
    child = CHILD.replace("params.lr}", "params.rate}").replace("${.lr}", "${.rate}").replace("params.lr:", "params.rate:")
    assert texts == {
        NAME: child.replace("params.lr=", "params.rate="), "conf/experiment/plain.yaml": PLAIN.replace("  lr:", "  rate:"),
    }  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_text(text)
        editor.tell("workspace/didChangeWatchedFiles", {"changes": [{"uri": editor.uri(name), "type": 2}]})
    assert editor.change(NAME, texts[NAME]) == []


def test_what_a_rename_leaves_to_do_in_the_script_is_said(folder: Path, editor: Editor) -> None:
    def said(script: str) -> str:
        (folder / "src/train.py").write_text(script)
        editor.ask("textDocument/rename", {**editor.at(NAME, "${params.l", end=True), "newName": "rate"})
        return str(editor.wait(lambda message: message.get("method") == "window/showMessage")["params"]["message"])

    editor.open(NAME)
    reads = "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--lr-step')\nparser.add_argument('--lr', '-l')\n"
    assert said(reads) == "src/train.py:4 was not changed. Rename --lr there, too: it is --rate now."
    assert (folder / "src/train.py").read_text() == reads
    assert said("import sys\n") == "src/train.py was not changed. Rename what reads lr there: it is rate now."


def test_a_name_that_cannot_be_or_is_taken_is_refused(editor: Editor) -> None:
    editor.open(NAME)
    place = editor.at(NAME, "${params.l", end=True)
    for name, why in (("a b", "cannot be named 'a b'"), ("copy", "params.copy is there already"), ("", "cannot be named ''")):
        assert why in editor.answer("textDocument/rename", {**place, "newName": name})["error"]["message"]
    assert editor.ask("textDocument/prepareRename", editor.at(NAME, "  mem_g", end=True)) is None
    assert "only params" in editor.answer("textDocument/rename", {**editor.at(NAME, "  mem_g"), "newName": "x"})["error"]["message"]


def test_an_experiment_has_lenses_also_while_it_is_no_yaml(folder: Path, editor: Editor) -> None:
    def commands(name: str) -> list[tuple[str, list[str]]]:
        found = editor.ask("textDocument/codeLens", {"textDocument": {"uri": editor.uri(name)}})
        return [(each["command"]["command"], each["command"]["arguments"]) for each in found]

    editor.open(NAME, "a: [")
    assert commands(NAME) == [(f"trainconf.{verb}", [str(folder), "child"]) for verb in ("run", "plan", "sweep")]
    editor.open("conf/model/vit.yaml")
    assert commands("conf/model/vit.yaml") == []
    editor.begin("a.lock.yaml", "# trainconf frozen run\nspec: {}\n")
    frozen = str(folder / "a.lock.yaml")
    assert commands("a.lock.yaml") == [(f"trainconf.{verb}", [str(folder), frozen]) for verb in ("run", "check")]

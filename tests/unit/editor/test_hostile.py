"""Half-typed, broken, foreign and hostile files: never an exception, and nothing of a workspace runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.unit.editor.client import Editor
from tests.unit.editor.conftest import PLAIN
from tests.unit.editor.test_answers import CHILD
from trainconf.editor.answers.complete import complete
from trainconf.editor.answers.definition import definition
from trainconf.editor.answers.hover import hover
from trainconf.editor.answers.lenses import lenses
from trainconf.editor.answers.rename import param_at, rename, span_at
from trainconf.editor.documents import MAX_BYTES, Documents, Opened
from trainconf.editor.workspaces import path_of, uri_of

PLAIN_YAML = "conf/experiment/plain.yaml"
BROKEN = {
    "binary": bytes(range(256)).decode("latin-1"), "NUL": "a: \0", "half a character": "a: '\ud83d'\nb: 1", "tabs": "a:\tb\n\tc: 1",
    "deep": "a: " + "[" * 3000, "deep mappings": "\n".join(" " * n + "a:" for n in range(700)),
    "a bomb": "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"{x}: &{x} [*{y},*{y},*{y},*{y},*{y},*{y},*{y},*{y},*{y}]\n" for x, y in zip("bcdefghi", "abcdefgh", strict=True)
    ),
    "itself": "a: &a [*a]", "two documents": "a: 1\n---\nb: 2", "a list": "- a", "other breaks": "a: 1\x85b: 2\u2028c: [\r",
    "odd keys": "? [a, b]\n: 1\n1: 2\nnull: 3\n'': 4\n", "odd defaults": "defaults: [1, null, [a], {b: {c: d}}, {}, '', {e: [f, null]}]\n",
    "no defaults": "defaults: experiment\n", "an odd header": "# @package a..b\nx: 1\n", "huge numbers": f"retries: {'9' * 5000}\n",
}  # fmt: skip


def opened_in(documents: Documents, folder: Path, text: str, name: str = PLAIN_YAML) -> Opened:
    opened, told = documents.take(uri_of(str(folder / name)), text, 1)
    assert opened is not None
    assert told == ""
    return opened


def ask_everything(documents: Documents, opened: Opened, index: int) -> None:
    """Every answer there is, at one character."""
    known = documents.know(opened.workspace)
    for item in complete(opened, known, index):
        edit = item.text_edit
        assert edit is not None
        assert item.label
    hover(opened, known, index)
    definition(opened, known, index)
    lenses(opened)
    param = param_at(opened, index)
    assert span_at(opened, param, index) is None or param
    if param:
        assert rename(opened, documents, param, "new_name_of_it")[0].changes


def test_every_beginning_of_a_file_is_answered(folder: Path) -> None:
    documents = Documents()
    opened_in(documents, folder, PLAIN)
    uri = uri_of(str(folder / "conf/experiment/child.yaml"))
    for end in range(len(CHILD) + 1):
        opened, _ = documents.take(uri, CHILD[:end], end)
        assert opened is not None
        ask_everything(documents, opened, end)
        if end % 23 == 0:  # composing takes longer
            assert documents.look(opened, end)
            assert documents.look_at_commands(opened, lambda: False)
        for found in documents.diagnostics(opened):
            assert found.message
            assert (found.range.start.line, found.range.start.character) <= (found.range.end.line, found.range.end.character)


COMMANDS = ["# trainconf experiment=plain 'params.lr=", "# trainconf -m experiment=plain params.lr=1,", "# trainconf -m 😀=[ ~a=${"]
LINES = [*PLAIN.splitlines(), *COMMANDS, "  -", "a: {b: [", "'", "😀: ", "${.", "\t", "&a *a", "? x", "<<: *b", "\r"]


@settings(max_examples=60, phases=[Phase.explicit, Phase.generate])
@given(text=st.lists(st.sampled_from(LINES), max_size=12))
def test_lines_in_any_order_are_answered(tmp_path_factory: pytest.TempPathFactory, text: list[str]) -> None:
    folder = tmp_path_factory.getbasetemp() / "any-order"
    (folder / "conf/experiment").mkdir(parents=True, exist_ok=True)
    documents = Documents()
    opened = opened_in(documents, folder, "\n".join(text))
    for index in range(0, len(opened.text.content) + 1, 5):
        ask_everything(documents, opened, index)
    assert documents.look_at_commands(opened, lambda: False)
    documents.diagnostics(opened)


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_text_is_told_and_answered(folder: Path, text: str) -> None:
    documents = Documents()
    opened = opened_in(documents, folder, "\n".join([text, *COMMANDS]) if text.isprintable() else text)
    assert documents.look(opened, 1)
    assert documents.look_at_commands(opened, lambda: False)
    assert documents.diagnostics(opened)
    for index in {0, len(opened.text.content) // 2, len(opened.text.content)}:
        ask_everything(documents, opened, index)


def test_the_server_goes_on_after_broken_texts(editor: Editor) -> None:
    editor.open(PLAIN_YAML)
    for text in BROKEN.values():
        editor.type(PLAIN_YAML, text)
    assert editor.change(PLAIN_YAML, PLAIN) == []
    assert editor.log == []


def test_a_large_file_is_told_once_and_not_looked_at(editor: Editor) -> None:
    editor.begin(PLAIN_YAML)
    for _ in range(3):
        editor.type(PLAIN_YAML, PLAIN + "#" * MAX_BYTES)
    assert editor.ask("textDocument/completion", editor.at(PLAIN_YAML, "script")) == []
    assert editor.change(PLAIN_YAML, PLAIN) == []
    told = [each["params"]["message"] for each in editor.messages if each["method"] == "window/showMessage"]
    assert len(told) == 1
    assert "is larger than 1 MB" in told[0]


def test_files_that_are_not_ours_are_left_alone(folder: Path, editor: Editor) -> None:
    outside = folder / "docker-compose.yaml"
    odd = ("untitled:Untitled-1", "file:///nowhere/conf/experiment/a.yaml", "file:///%00.yaml", "file:a.yaml", "https://example.org/a.yaml")
    for uri in (outside.as_uri(), *odd):
        editor.tell("textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": "retires: 1"}})
        found = editor.wait(lambda message, uri=uri: message["method"].endswith("publishDiagnostics") and message["params"]["uri"] == uri)
        assert found["params"]["diagnostics"] == []
    assert editor.open(PLAIN_YAML) == []


def test_each_file_is_looked_at_in_its_own_workspace(folder: Path, editor: Editor) -> None:
    other = folder / "nested"
    (other / "conf/experiment").mkdir(parents=True)
    (other / "conf/experiment/base.yaml").write_text(PLAIN.replace("source_directory: src", "source_directory: .."))
    text = PLAIN.replace("  - _self_", "  - base\n  - _self_")
    assert "'base' is not a choice of experiment" in editor.open(PLAIN_YAML, text)[0]["message"]
    assert editor.open("nested/conf/experiment/mine.yaml", text.replace("source_directory: src", "source_directory: ../src")) == []


def test_nothing_of_a_workspace_runs(folder: Path) -> None:
    ran = folder / "ran"
    attack = f"open({str(ran)!r}, 'w').close()\n"
    modules = ("yaml.py", "hydra.py", "pygls.py", "sitecustomize.py", "hydra_plugins/evil.py", "evil/__init__.py")
    for name in (*modules, "conf/model/_schema.py", "src/train.py"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(attack + "class Model: pass\n")
    (folder / "conf/model/a.yaml").write_text("# @package params.model\nx: 1\n")
    program = folder / "python"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    (folder / "conf/config.yaml").write_text(
        "defaults:\n  - /schema/config\n  - compute: local\n  - env: current\n  - distributed: none\n  - sweep: grid\n"
        "  - experiment: plain\n  - _self_\nhydra:\n  searchpath: [pkg://evil]\n"
    )
    texts = [
        PLAIN.replace("  - _self_", "  - /model: a\n  - _self_"), PLAIN + f"env: {{python: {{interpreter_path: {program}}}}}\n",
        PLAIN.replace("script: train.py", "hydra_app: {script: train.py}"), PLAIN + "  x: ${evil:1}\n",
        PLAIN.replace("  - _self_", "  - override /compute: docker\n  - _self_") + "env: {docker: {image: evil}}\n",
    ]  # fmt: skip
    with Editor(folder) as editor:
        editor.open(PLAIN_YAML)
        for text in texts:
            editor.change(PLAIN_YAML, text)
            editor.ask("textDocument/completion", editor.at(PLAIN_YAML, "params:", end=True))
        editor.open("conf/config.yaml")
        commands = (f"env.python.interpreter_path={program}", "env.docker.image=evil compute=docker", "hydra.searchpath=[pkg://evil]")
        lines = "".join(f"# trainconf {flag}experiment=plain {words}\n" for words in (*commands, "/x=1") for flag in ("", "-m "))
        version = editor.type(PLAIN_YAML, PLAIN + lines)
        while not any("/x" in each["message"] for each in editor.diagnostics(PLAIN_YAML, version)):
            pass  # until the commands were composed
    assert not ran.exists()


def test_without_the_package_it_is_said_what_to_install(folder: Path) -> None:
    code = "import sys; sys.modules['pygls'] = None; from importlib import util; real = util.find_spec\n" \
           "util.find_spec = lambda name, *a: None if name == 'pygls' else real(name, *a)\n" \
           "from trainconf.cli.main import main; sys.exit(main(['lsp']))"
    found = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert found.returncode == 2
    assert found.stderr.endswith("hint: pip install 'trainconf[editor]'\n")


def test_an_address_is_a_path_and_back() -> None:
    for path in ("/a b/ä😀/%20.yaml", "/a\udcff/b.yaml", "/#?/c.yaml"):
        assert path_of(uri_of(path)) == path
    assert path_of("file:///a/../b.yaml") == "/b.yaml"
    assert path_of("untitled:x") == ""

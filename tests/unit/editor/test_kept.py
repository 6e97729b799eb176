"""A keystroke composes no more than it must, and what comes out is what a composition from nothing makes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from trainconf.composition.hydra.loader import ConfigLoader
from trainconf.control.workspace.one_file import look, words_for
from trainconf.editor import open_files
from trainconf.editor.open_files import OpenFiles
from trainconf.paths import WorkspacePaths

CHILD, PART, VIT = "conf/experiment/child.yaml", "conf/experiment/_part.yaml", "conf/model/vit.yaml"
CONFIG, SCHEMA, SHADOW = "conf/config.yaml", "conf/model/_schema.py", "conf/env/current.yaml"
TEXTS = {
    CHILD: "# @package _global_\ndefaults:\n  - _part\n  - /model: vit\n  - override /compute: slurm\n  - _self_\n"
           "experiment_name: child\nscript: train.py\nsource_directory: src\nparams:\n  copy: ${params.lr}\n",
    PART: "# @package _global_\nparams:\n  lr: 0.5\nhydra:\n  verbose: true\n",
    VIT: "# @package params.model\nwidth: 3\n",
    CONFIG: "defaults:\n  - /schema/config\n  - compute: local\n  - env: current\n  - distributed: none\n  - sweep: grid\n"
            "  - _self_\n  - experiment: null\n",
}  # fmt: skip
SCHEMA_TEXT = "from dataclasses import dataclass\n\n@dataclass\nclass Model:\n    width: int = 3\n"
LINES = [  # that somebody types at the end of a file
    "retries: 2", "retires: 2", "retries: many", "params: {lr: 1}", "  lr: 0.25", "  near: ${params.model.width}", "  far: ${oc.env:HOME}",
    "compute: {slurm_partition: a, mem_gib: 2}", "compute: {slurm_mem: 1, mem_gib: 2}", "sweep: {space: {params.lr: 'unifrm(0, 1)'}}",
    "hydra: {job: {name: x}}", "hydra: {launcher: {a: 1}}", "hydra: {searchpath: [file://other]}", "experiment_name: ???", "a: [", "- a",
]  # fmt: skip
REPLACED = [
    ("# @package _global_\n", ""), ("  - _part\n", ""), ("  - _part\n", "  - _prat\n"), ("/model: vit", "/model: resnet"),
    ("/model: vit", "/model: '${distributed}'"), ("/model: vit", "/model: ${oc.env:TRAINCONF_TEST_MODEL}"), ("slurm", "docker"),
    ("slurm\n  - _self_\n", "slurm\n"), ("width", "depth"), ("params.model", "params.other"), ("compute: local", "compute: docker"),
    ("0.5", "'0.5'"),
]  # fmt: skip
ON_DISK = [
    (SCHEMA, SCHEMA_TEXT), (SCHEMA, ""), (SHADOW, "# @package env\nname: mine\n"), (SHADOW, ""),
    (PART, TEXTS[PART] + "retries: 3\n"), (PART, ""),
    ("conf/experiment/_prat.yaml", TEXTS[PART]), (VIT, TEXTS[VIT].replace("3", "4")), (CONFIG, ""),
]  # fmt: skip


def put(path: Path, text: str) -> None:
    """Write a file that was there all along, or take it away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (1, 1))
    if not text:
        path.unlink()


@pytest.fixture(scope="module")
def is_settled_at_once() -> Iterator[None]:
    """Files are believed though they were written a moment ago, as those are that nobody touches for two seconds."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(open_files, "is_settled", lambda *_: True)
        yield


def found(folder: Path, name: str, files: OpenFiles) -> object:
    """All that a look at a file brings."""
    workspace = WorkspacePaths(str(folder))
    seen = look(words_for(str(folder / name), workspace) or [], workspace, files)
    made = seen.composed
    config = made and (made.config, made.origins, made.choices, made.derived, made.env_reads, made.notes, made.bound, made.overrides)
    return [mistake.render() for mistake in seen.mistakes], config


Edit = tuple[str, str, str]  # what in a file's text becomes what; "" is its end. Or a file on disk gets a text
DISK = "on disk"
EDITS = st.one_of(
    st.tuples(st.sampled_from([*TEXTS]), st.just(""), st.sampled_from(LINES)),
    st.tuples(st.sampled_from([*TEXTS]), st.sampled_from(REPLACED)).map(lambda each: (each[0], *each[1])),
    st.sampled_from(ON_DISK).map(lambda each: (each[0], DISK, each[1])),
)


@pytest.mark.usefixtures("is_settled_at_once")
@settings(max_examples=8, phases=[Phase.explicit, Phase.generate], deadline=None)
@given(edits=st.lists(EDITS, min_size=4, max_size=10))
@example(edits=[(CHILD, "", "retries: 2"), (CHILD, "# @package _global_\n", "")])
@example(edits=[(CHILD, "", "retries: 2"), (SHADOW, DISK, "# @package env\nname: mine\n"), (SHADOW, DISK, ""), (CHILD, "", "  a: 1")])
@example(edits=[(PART, "0.5", "1"), (CHILD, "  - _part\n", ""), (VIT, "width", "depth"), (PART, "0.5", "2"), (CHILD, "vit", "resnet")])
def test_with_what_is_kept_the_same_comes_out_as_from_nothing(tmp_path_factory: pytest.TempPathFactory, edits: list[Edit]) -> None:
    folder = tmp_path_factory.mktemp("kept")
    put(folder / "src/train.py", "pass")
    for name, text in TEXTS.items():
        put(folder / name, text)
    files = OpenFiles()
    files.texts[str(folder / CHILD)] = TEXTS[CHILD]
    found(folder, CHILD, files)
    for name, old, new in edits:
        path = str(folder / name)
        if old == DISK:
            put(folder / name, new)
        else:
            text = files.texts.get(path, TEXTS[name])
            files.texts[path] = text.replace(old, new) if old else f"{text}{new}\n"
            files.kept.edited = path
        for look_at in dict.fromkeys((CHILD, name)):
            anew = OpenFiles()
            anew.texts = files.texts
            assert found(folder, look_at, files) == found(folder, look_at, anew)


@pytest.mark.usefixtures("is_settled_at_once")
def test_a_keystroke_makes_no_defaults_list_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    original = ConfigLoader.defaults_list
    monkeypatch.setattr(ConfigLoader, "defaults_list", lambda *words: made.append(1) or original(*words))
    for name, text in TEXTS.items():
        put(folder / name, text)
    files = OpenFiles()
    files.kept.edited = str(folder / CHILD)

    def type_at_its_end(typed: str, text: str = TEXTS[CHILD]) -> int:
        files.texts[files.kept.edited] = text + typed
        found(folder, CHILD, files)
        return len(made)

    assert [type_at_its_end(typed) for typed in ("", "  a: 1\n", "  ab: 1\n", "retires: 1\n", "")] == [1, 1, 1, 1, 1]
    assert type_at_its_end("", TEXTS[CHILD].replace("slurm", "docker")) == 2
    assert type_at_its_end("", TEXTS[CHILD].replace("slurm", "docker") + "retries: 2\n") == 2

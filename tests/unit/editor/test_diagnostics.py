"""What is wrong with a file is told at its place, in the words of the command line, while it is typed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.unit.editor.client import Editor
from tests.unit.editor.conftest import PLAIN
from trainconf.control.workspace.check import check
from trainconf.paths import WorkspacePaths

PLAIN_YAML = "conf/experiment/plain.yaml"


def spot(text: str, found: dict[str, Any]) -> str:
    """The piece of text that a diagnostic marks."""
    (start, end), lines = (found["range"][each] for each in ("start", "end")), text.split("\n")
    assert start["line"] == end["line"], found["range"]
    line = lines[start["line"]].encode("utf-16-le")
    return bytes(line[2 * start["character"] : 2 * end["character"]]).decode("utf-16-le")


def checked(folder: Path, word: str) -> list[str]:
    """What `trainconf check` says of a choice."""
    found = check(WorkspacePaths(str(folder)))
    return [mistake.render() for each in found if each.what == word for mistake in each.mistakes]


def test_a_file_that_is_right_has_no_diagnostics(editor: Editor) -> None:
    assert editor.open(PLAIN_YAML) == []


NO_TYPE = (
    "params.lr: a mapping needs `choice`, or `type` with one of choice, randint, uniform, quniform, loguniform, qloguniform, normal, "
    "qnormal, lognormal, qlognormal"
)
WRONG = [
    ("  lr: 0.5  # 😀 step", "  lr: 0.5\nretires: 2", "retires", "retires is not a setting", "nearest"),
    ("  lr: 0.5  # 😀 step", "  lr: 0.5\nretries: many", "many", "retries cannot be 'many'", "allowed"),
    ("  lr: 0.5  # 😀 step", "  lr: 0.5\nretries: -1", "-1", "retries cannot be -1", "allowed"),
    ("  lr: 0.5  # 😀 step", "  😀: '😀'\n  lr: ${params.lrr}", "${params.lrr}", "params.lr does not resolve", "because"),
    ("  lr: 0.5  # 😀 step", "  a: {b: '😀', lr: '${nothing.b}'}", "'${nothing.b}'", "params.a.lr does not resolve", "because"),
    ("script: train.py", "script: tran.py", "tran.py", "the script 'tran.py' does not exist", "there are"),
    ("  - _self_", "  - override /compute: dokcer\n  - _self_", "dokcer", "'dokcer' is not a choice of compute", "nearest"),
    ("  - _self_", "  - override /compte: docker\n  - _self_", "override /compte: docker", "there is no config group compte", "nearest"),
    ("  - _self_", "  - /compute: docker\n  - _self_", "/compute: docker", "compute is chosen twice",
     "write       - override /compute: docker\n"),
    ("  - _self_", "  - compute: docker\n  - _self_", "compute: docker", "there is no group experiment/compute",
     "write  - override /compute: docker\n"),
    ("# @package _global_\n", "", "# One experiment", "conf/experiment/plain.yaml does not begin with `# @package _global_`", "because"),
    ("params:", "sweep: {space: {params.lr: 'unifrm(0, 1)'}}\nparams:", "'unifrm(0, 1)'",
     "params.lr: 'unifrm(0, 1)' cannot be read: Unknown function 'unifrm'; did you mean uniform?", "from     conf/experiment/plain.yaml:8"),
    ("params:", "sweep:\n  space:\n    params.lr: 'uniform(1, 0)'\nparams:", "'uniform(1, 0)'",
     "params.lr: uniform(1, 0): min must be below max", "allowed"),
    ("params:", "sweep:\n  space:\n    params.lr:\n      type: unifrm\nparams:", "unifrm", NO_TYPE,
     "from     conf/experiment/plain.yaml:11"),
    ("params:", "sweep: {space: {params.a: 1, params.lr: {type: unifrm}}}\nparams:", "{type: unifrm}", NO_TYPE,
     "from     conf/experiment/plain.yaml:8"),
    ("params:", "sweep:\n  space:\n    params.lr: {type: unifrm}\nparams:", "{type: unifrm}",
     NO_TYPE, "from     conf/experiment/plain.yaml:10"),
    ("params:", "params: [", "", "a config file is not YAML as Hydra reads it", "because"),
]


def test_a_mistake_is_told_at_its_place_in_the_words_of_check(folder: Path, editor: Editor) -> None:
    editor.open(PLAIN_YAML)
    for old, new, marked, what, fact in WRONG:
        text = PLAIN.replace(old, new)
        assert text != PLAIN
        found = editor.change(PLAIN_YAML, text)
        assert [each["message"].splitlines()[0] for each in found] == [what]
        assert f"\n  {fact}" in found[0]["message"]
        assert found[0]["severity"] == 1
        assert not marked or spot(text, found[0]) == marked
        assert (folder / PLAIN_YAML).read_text() == PLAIN  # nothing was saved
        (folder / PLAIN_YAML).write_text(text)
        assert checked(folder, "experiment=plain") == [each["message"] for each in found]
        (folder / PLAIN_YAML).write_text(PLAIN)


def test_a_space_in_a_choice_of_sweep_is_marked_as_in_an_experiment(folder: Path, editor: Editor) -> None:
    (folder / "conf/sweep").mkdir()
    for value in ("'uniform(1, 0)'", "'unifrm(0, 1)'", "{type: unifrm}"):
        for text in (f"space:\n  params.lr: {value}\n", f"space: {{params.lr: {value}}}\n"):
            name = f"conf/sweep/mine{len(text)}.yaml"
            whole = f"defaults:\n  - grid\n  - _self_\n{text}"
            assert [spot(whole, each) for each in editor.open(name, whole)] == [value]


def told(text: str, found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """What diagnostics mark, and their first lines."""
    return [(spot(text, each), each["message"].splitlines()[0]) for each in found]


def test_keys_are_typed_by_the_schema_of_an_own_group(folder: Path, editor: Editor) -> None:
    (folder / "conf/model").mkdir()
    schema = "from dataclasses import dataclass\n\n@dataclass\nclass Model:\n    depth: int = 3\n"
    (folder / "conf/model/_schema.py").write_text(schema)
    vit, right = "conf/model/vit.yaml", "# @package params.model\ndepth: 3\n"
    (folder / vit).write_text(right)
    child = PLAIN.replace("  - _self_", "  - /model: vit\n  - _self_") + "  model: {depth: 4}\n"
    assert editor.open(vit) == editor.open(PLAIN_YAML, child) == []
    wrong = [("depth: ", "depht: ", "depht", "params.model.depht is not in the schema Model")]
    wrong += [("depth: ", "depth: deep", f"deep{old}", f"params.model.depth cannot be 'deep{old}'") for old in ("3", "4")]
    for name, good in ((vit, right), (PLAIN_YAML, child)):
        for old, new, marked, what in wrong:
            text = good.replace(old, new)
            if marked in text:
                assert told(text, editor.change(name, text)) == [(marked, what)]
        assert editor.change(name, good) == []
    text = right.removeprefix("# @package params.model\n")
    assert ("depth: 3", "conf/model/vit.yaml does not begin with `# @package _global_`") in told(text, editor.change(vit, text))
    (folder / "conf/model/_schema.py").write_text(schema.replace("depth", "width"))
    assert told(right, editor.change(vit, right)) == [("depth", "params.model.depth is not in the schema Model")]


def test_the_facts_of_a_machine_are_checked(editor: Editor) -> None:
    local, right = "conf/local.yaml", "compute:\n  slots: 2\n"
    assert editor.open(local, right) == []
    for text, marked, what in (
        (right.replace("slots", "slotz"), "slotz", "compute.slotz is not a setting"),
        (right.replace("2", "many"), "many", "compute.slots cannot be 'many'"),
        ("source_directory: ${nothing}\n", "${nothing}", "source_directory does not resolve"),
    ):  # fmt: skip
        assert told(text, editor.change(local, text)) == [(marked, what)]
    assert editor.change(local, right) == []


def test_all_mistakes_are_told_at_once_and_go_when_they_are_mended(editor: Editor) -> None:
    wrong = PLAIN.replace("script: train.py", "script: train.py\nretires: 1\ncompute: {nodez: 2}")
    assert len(editor.open(PLAIN_YAML, wrong)) == 2
    assert editor.change(PLAIN_YAML, PLAIN) == []


def test_what_another_file_has_wrong_is_told_where_it_is_taken_and_where_it_is(folder: Path, editor: Editor) -> None:
    (folder / "conf/experiment/base.yaml").write_text(PLAIN.replace("  lr: 0.5", "  lr: 0.5\nretires: 1"))
    text = PLAIN.replace("  - _self_", "  - base\n  - _self_")
    found = editor.open(PLAIN_YAML, text)
    assert spot(text, found[0]) == "base"
    place = found[0]["relatedInformation"][0]["location"]
    assert (place["uri"], place["range"]["start"]["line"]) == (editor.uri("conf/experiment/base.yaml"), 9)


def test_the_text_of_another_open_file_counts_before_it_is_saved(folder: Path, editor: Editor) -> None:
    text = PLAIN.replace("  - _self_", "  - base\n  - _self_")
    (folder / "conf/experiment/base.yaml").write_text(PLAIN)
    assert editor.open(PLAIN_YAML, text) == []
    editor.open("conf/experiment/base.yaml")
    version = editor.type("conf/experiment/base.yaml", PLAIN + "retires: 1\n")
    for name, number in (("conf/experiment/base.yaml", version), (PLAIN_YAML, 1)):
        assert [each["message"].splitlines()[0] for each in editor.diagnostics(name, number)] == ["retires is not a setting"]


def test_a_file_that_is_not_saved_yet_is_a_choice(editor: Editor) -> None:
    assert editor.open("conf/experiment/new.yaml", PLAIN) == []


def test_a_frozen_file_that_no_longer_matches_is_told(folder: Path, editor: Editor) -> None:
    subprocess.run([sys.executable, "-m", "trainconf", "freeze", "experiment=plain", "-o", "plain.lock.yaml"], cwd=folder, check=True)
    frozen = (folder / "plain.lock.yaml").read_text()
    assert editor.open("plain.lock.yaml") == []
    assert editor.diagnostics("plain.lock.yaml", 1) == []  # it was compared
    (folder / PLAIN_YAML).write_text(PLAIN.replace("0.5", "0.25"))
    editor.tell("workspace/didChangeWatchedFiles", {"changes": [{"uri": editor.uri(PLAIN_YAML), "type": 2}]})
    found: list[dict[str, Any]] = []
    while not found:
        found = editor.diagnostics("plain.lock.yaml", 1)
    assert found[0]["message"].startswith("params is not as it was frozen")
    assert spot(frozen, found[0]) == "params"


def test_positions_are_counted_as_the_editor_asks(folder: Path) -> None:
    text = PLAIN.replace("  lr: 0.5  # 😀 step", "  a: {'é😀': 1, lr: '${nothing.b}'}")
    starts = {}
    for encoding in ("utf-8", "utf-16", "utf-32"):
        with Editor(folder, encodings=(encoding,)) as editor:
            starts[encoding] = editor.open(PLAIN_YAML, text)[0]["range"]["start"]["character"]
    line = text.splitlines()[8]
    before = line[: line.index("'${")]
    assert starts == {"utf-8": len(before.encode()), "utf-16": len(before.encode("utf-16-le")) // 2, "utf-32": len(before)}


def test_what_another_file_has_found_goes_when_it_is_mended(folder: Path, editor: Editor) -> None:
    base = "conf/experiment/base.yaml"
    (folder / base).write_text(PLAIN)
    editor.open(PLAIN_YAML, PLAIN.replace("  - _self_", "  - base\n  - _self_"))
    editor.open(base)
    wrong = editor.type(base, PLAIN + "retires: 1\n")
    assert len(editor.diagnostics(base, wrong)) == 1
    while not editor.diagnostics(PLAIN_YAML, 1):
        pass  # until it was composed again
    assert editor.change(base, PLAIN) == []
    while editor.diagnostics(PLAIN_YAML, 1):
        pass
    late = [each for each in editor.messages if each["params"].get("uri") == editor.uri(base) and each["params"]["version"] > wrong]
    assert [each["params"]["diagnostics"] for each in late] in ([], [[]])


def test_commands_in_comments_are_checked_at_their_words_when_nobody_types(folder: Path, editor: Editor) -> None:
    right = PLAIN + "# trainconf experiment=plain params.lr=0.1\n#  `python -m trainconf -m experiment=plain params.lr=1,2`: two\n"
    assert editor.open(PLAIN_YAML, right + "inputs: {data: not/here}\n") == []  # data may be elsewhere, as for `trainconf check`
    wrong = right.replace("lr=0.1", "lrx=0.1 compute=dokcer").replace("lr=1,2", "lr=unifrm(0,1) retires=1,2")
    assert editor.diagnostics(PLAIN_YAML, editor.type(PLAIN_YAML, wrong)) == []
    found = editor.diagnostics(PLAIN_YAML, 2)
    (folder / PLAIN_YAML).write_text(wrong)
    said = [mistake.render() for each in check(WorkspacePaths(str(folder))) for mistake in each.mistakes]
    assert [each["message"] for each in found] == said
    marked = [spot(wrong, each) for each in found]
    assert marked[0] == "compute=dokcer"
    above = wrong.replace("params:", "retries: 1\nparams:")
    assert [spot(above, each) for each in editor.change(PLAIN_YAML, above)] == marked  # they go with their line
    assert editor.change(PLAIN_YAML, right) == []


def test_a_part_of_experiments_is_checked_in_the_open_ones_that_take_it(folder: Path, editor: Editor) -> None:
    part, text = "conf/experiment/_part.yaml", "# @package _global_\nretries: 1\n"
    (folder / part).write_text(text)
    whole = PLAIN.replace("  - _self_", "  - _part\n  - _self_")
    assert editor.open(PLAIN_YAML, whole) == editor.open(part) == []
    broken = text + "params: [\n"
    assert [what for _, what in told(broken, editor.change(part, broken))] == ["a config file is not YAML as Hydra reads it"]
    wrong = text.replace("retries", "retires")
    version = editor.type(part, wrong)
    assert editor.diagnostics(part, version) == []  # alone it says nothing
    assert told(wrong, editor.diagnostics(part, version)) == [("retires", "retires is not a setting")]
    while not (found := editor.diagnostics(PLAIN_YAML, 1)) or "retires" not in found[0]["message"]:
        pass  # until it was composed again
    assert spot(whole, found[0]) == "_part"


def test_a_mistake_that_only_another_experiment_has_is_shown_and_goes(folder: Path, editor: Editor) -> None:
    part = "conf/experiment/_part.yaml"
    text = "# @package _global_\nparams:\n  copy: ${params.lr}\n"
    (folder / part).write_text(text)
    editor.open(PLAIN_YAML, PLAIN.replace("  - _self_", "  - _part\n  - _self_"))
    assert editor.open(part) == []
    broken = editor.type(part, text.replace("params.lr", "params.lrr"))
    assert editor.diagnostics(part, broken) == []  # by itself it is right
    assert [spot(text.replace("params.lr", "params.lrr"), each) for each in editor.diagnostics(part, broken)] == ["${params.lrr}"]
    assert editor.change(part, text) == []

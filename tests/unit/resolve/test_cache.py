"""The kept composition: a hit loads no Hydra, and whatever can change the result makes a miss."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from trainconf.paths import WorkspacePaths
from trainconf.resolve import compose as cold
from trainconf.resolve.cache import compose
from trainconf.resolve.composed import Composed

EXPERIMENT = "# @package _global_\nexperiment_name: mine\nscript: train.py\nparams:\n  home: ${oc.env:PLACE,none}\n  lr: 0.1\n"
Look = Callable[..., tuple[Composed, bool]]


def write_settled(path: Path, text: str) -> None:
    """Write a file as if some time ago: what was written this instant may be written again within the clock's grain, so it is not kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    then = time.time_ns() - 10**9
    for place in (path, path.parent, path.parent.parent):
        os.utime(place, ns=(then, then))


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspacePaths:
    (tmp_path / ".trainconf").mkdir()
    write_settled(tmp_path / "conf/experiment/mine.yaml", EXPERIMENT)
    return WorkspacePaths(str(tmp_path))


@pytest.fixture
def look(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Compose; what came out, and whether it was kept from before."""
    composed: list[list[str]] = []
    really = cold.compose
    monkeypatch.setattr(cold, "compose", lambda words, *a, **k: composed.append(words) or really(words, *a, **k))

    def compose_here(*words: str, **places: str) -> tuple[Composed, bool]:
        before = len(composed)
        found = compose(["experiment=mine", *words], workspace, **places)
        return found, len(composed) == before

    return compose_here


def test_the_same_words_are_answered_from_before_and_with_the_same(look: Look) -> None:
    first, kept_first = look("params.lr=0.5")
    second, kept_second = look("params.lr=0.5")
    assert (kept_first, kept_second) == (False, True)
    for field in ("config", "origins", "choices", "overrides"):
        assert getattr(second, field) == getattr(first, field)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("conf/experiment/mine.yaml", EXPERIMENT.replace("0.1", "0.2")),
        ("conf/local.yaml", "# @package _global_\nparams:\n  lr: 0.2\n"),
        ("conf/env/minimal.yaml", "defaults:\n  - current\n  - _self_\nname: shadow\n"),
        ("conf/schema/unrelated.yaml", "a: 1\n"),
    ],
    ids=["edited", "machine facts", "shadowing a shipped file", "new folder"],
)
def test_a_file_that_changed_or_appeared_is_seen(name: str, text: str, look: Look, workspace: WorkspacePaths) -> None:
    look()
    write_settled(Path(workspace.root, name), text)
    found, kept = look()
    assert not kept
    assert found.config == cold.compose(["experiment=mine"], workspace).config


def test_a_file_that_went_away_is_seen(look: Look, workspace: WorkspacePaths) -> None:
    local = Path(workspace.conf, "local.yaml")
    write_settled(local, "# @package _global_\nparams:\n  lr: 0.2\n")
    assert look()[0].config["params"]["lr"] == 0.2
    local.unlink()
    assert look()[0].config["params"]["lr"] == 0.1


def test_an_edit_of_the_same_length_and_time_is_seen(look: Look, workspace: WorkspacePaths) -> None:
    path = Path(workspace.conf, "experiment/mine.yaml")
    stat = path.stat()
    look()
    new = path.with_suffix(".new")
    new.write_text(EXPERIMENT.replace("0.1", "0.9"))
    os.utime(new, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    os.replace(new, path)
    assert look()[0].config["params"]["lr"] == 0.9


def test_a_file_written_this_instant_is_not_kept(look: Look, workspace: WorkspacePaths) -> None:
    Path(workspace.conf, "experiment/mine.yaml").write_text(EXPERIMENT)
    ahead = time.time_ns() + 10**9
    os.utime(Path(workspace.conf, "experiment/mine.yaml"), ns=(ahead, ahead))
    look()
    assert look()[1] is False


def test_what_lies_behind_a_linked_folder_is_not_watched_so_it_is_never_kept(look: Look, workspace: WorkspacePaths) -> None:
    elsewhere = Path(workspace.root, "elsewhere")
    Path(workspace.conf, "experiment").rename(elsewhere)
    Path(workspace.conf, "experiment").symlink_to(elsewhere)
    write_settled(elsewhere / "mine.yaml", EXPERIMENT)
    assert look()[0].config["params"]["lr"] == 0.1
    write_settled(elsewhere / "mine.yaml", EXPERIMENT.replace("0.1", "0.7"))
    assert look()[0].config["params"]["lr"] == 0.7


def test_a_variable_that_was_read_is_watched_and_no_other(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLACE", raising=False)
    assert look()[0].config["params"]["home"] == "none"
    monkeypatch.setenv("PLACE", "a")
    assert look()[0].config["params"]["home"] == "a"
    monkeypatch.setenv("UNREAD", "b")
    assert look()[1] is True
    monkeypatch.setenv("PLACE", "b")
    assert look()[0].config["params"]["home"] == "b"


def test_its_value_is_not_in_the_kept_file_when_it_is_not_in_the_config(
    look: Look, workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHOOSER", "never-to-be-seen")
    write_settled(Path(workspace.conf, "experiment/mine.yaml"), EXPERIMENT + "  chosen: ${oc.select:params.${oc.env:CHOOSER},fallback}\n")
    assert look()[0].config["params"]["chosen"] == "fallback"
    kept = [path.read_text() for path in Path(workspace.cache, "compose").iterdir()]
    assert kept
    assert not any("never-to-be-seen" in text for text in kept)


def test_other_words_and_folders_are_other_questions(look: Look, tmp_path: Path) -> None:
    look()
    assert look("params.lr=0.3")[0].config["params"]["lr"] == 0.3
    write_settled(tmp_path / "more/experiment/mine.yaml", EXPERIMENT.replace("0.1", "0.4"))
    assert look(config_dir=str(tmp_path / "more"))[0].config["params"]["lr"] == 0.4
    assert look()[0].config["params"]["lr"] == 0.1


@pytest.mark.parametrize("word", ["+params.t=${now:%S%f}", "+params.t=${hydra:runtime.cwd}", "hydra.searchpath=[file:///tmp]"])
def test_what_cannot_be_watched_is_never_kept(word: str, look: Look) -> None:
    look(word)
    assert look(word)[1] is False


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b"{}", b"\xff", b'{"watched": [], "env_reads": {}}', b'{"watched": 3}', b'{"watched": [[]]}']
)
def test_a_damaged_entry_is_composed_anew(damage: bytes, look: Look, workspace: WorkspacePaths) -> None:
    look()
    for path in Path(workspace.cache, "compose").iterdir():
        path.write_bytes(damage)
    found, kept = look()
    assert (found.config["params"]["lr"], kept) == (0.1, False)
    assert look()[1] is True


def test_a_folder_that_cannot_be_written_costs_the_shortcut_alone(look: Look, workspace: WorkspacePaths) -> None:
    Path(workspace.cache).write_text("in the way")
    assert look()[0].config["params"]["lr"] == 0.1
    assert look()[1] is False


def test_old_entries_make_room(look: Look, workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainconf.resolve import cache

    monkeypatch.setattr(cache, "MAX_ENTRIES", 3)
    for number in range(5):
        look(f"params.lr={number}")
    assert 1 <= len(os.listdir(Path(workspace.cache, "compose"))) <= 3
    assert look("params.lr=4")[1] is True


def test_a_hit_loads_no_hydra(workspace: WorkspacePaths) -> None:
    code = (
        "import os, sys\nfrom trainconf.paths import WorkspacePaths\nfrom trainconf.resolve.cache import compose\n"
        "composed = compose(['experiment=mine', 'params.lr=0.7'], WorkspacePaths(sys.argv[1]))\n"
        "print(composed.config['params']['lr'], sorted({'hydra', 'omegaconf', 'yaml', 'antlr4'} & set(sys.modules)))"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code, workspace.root], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        for _ in range(2)
    ]
    assert [done.returncode for done in told] == [0, 0], told
    assert "hydra" in told[0].stdout
    assert told[1].stdout == "0.7 []\n"

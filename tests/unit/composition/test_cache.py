"""The kept composition: a hit loads no Hydra, and whatever can change the result makes a miss."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import __version__ as HYDRA_VERSION
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT, wait_for
from trainconf.composition import compose as cold
from trainconf.composition.cache import compose
from trainconf.errors import ConfigError
from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed

EXPERIMENT = "# @package _global_\nexperiment_name: mine\nscript: train.py\nparams:\n  home: ${oc.env:PLACE,none}\n  lr: 0.1\n"
Look = Callable[..., tuple[Composed, bool]]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(autouse=True)
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything was written some time ago; what was written this instant is not kept."""
    really = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: really() + 10**10)


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspacePaths:
    (tmp_path / ".trainconf").mkdir()
    write(tmp_path / "conf/experiment/mine.yaml", EXPERIMENT)
    return WorkspacePaths(str(tmp_path))


@pytest.fixture
def look(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Compose; what came out, and whether it was kept from before."""
    composed: list[list[str]] = []
    really = cold.compose
    monkeypatch.setattr(cold, "compose", lambda words, *a, **k: composed.append(words) or really(words, *a, **k))

    def compose_here(*words: str, **places: Any) -> tuple[Composed, bool]:
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
    write(Path(workspace.root, name), text)
    found, kept = look()
    assert not kept
    assert found.config == cold.compose(["experiment=mine"], workspace).config


def test_a_file_that_went_away_is_seen(look: Look, workspace: WorkspacePaths) -> None:
    local = Path(workspace.conf, "local.yaml")
    write(local, "# @package _global_\nparams:\n  lr: 0.2\n")
    assert look()[0].config["params"]["lr"] == 0.2
    local.unlink()
    assert look()[0].config["params"]["lr"] == 0.1


def edit_in_place(path: Path, old: str, new: str) -> None:
    """Write other text of the same length into the same file, and put its times back."""
    then = path.stat()
    text = path.read_text()
    assert old in text
    assert len(old) == len(new)
    with path.open("r+") as stream:
        stream.write(text.replace(old, new))
    os.utime(path, ns=(then.st_atime_ns, then.st_mtime_ns))
    now = path.stat()
    assert (now.st_ino, now.st_size, now.st_mtime_ns) == (then.st_ino, then.st_size, then.st_mtime_ns)


def replace_with_times(path: Path, old: str, new: str) -> None:
    then = path.stat()
    beside = path.with_suffix(".new")
    beside.write_text(path.read_text().replace(old, new))
    os.utime(beside, ns=(then.st_atime_ns, then.st_mtime_ns))
    os.replace(beside, path)


@pytest.mark.parametrize("edit", [edit_in_place, replace_with_times])
def test_an_edit_of_the_same_length_and_time_is_seen(edit: Callable[..., None], look: Look, workspace: WorkspacePaths) -> None:
    assert look()[0].config["params"]["lr"] == 0.1
    assert look()[1] is True
    edit(Path(workspace.conf, "experiment/mine.yaml"), "0.1", "0.9")
    assert look()[0].config["params"]["lr"] == 0.9


@pytest.mark.parametrize("ago_ns", [0, 5 * 10**8, 19 * 10**8, -(10**10)], ids=["now", "half a second", "just under two", "in the future"])
def test_what_was_written_a_moment_ago_is_not_kept(
    ago_ns: int, look: Look, workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(workspace.conf, "experiment/mine.yaml")
    edit_in_place(path, "0.1", "0.2")
    monkeypatch.setattr(time, "time_ns", lambda: path.stat().st_ctime_ns + ago_ns)
    look()
    assert look()[1] is False


def test_what_lies_behind_a_linked_folder_is_not_watched_so_it_is_never_kept(look: Look, workspace: WorkspacePaths) -> None:
    elsewhere = Path(workspace.root, "elsewhere")
    Path(workspace.conf, "experiment").rename(elsewhere)
    Path(workspace.conf, "experiment").symlink_to(elsewhere)
    write(elsewhere / "mine.yaml", EXPERIMENT)
    assert look()[0].config["params"]["lr"] == 0.1
    write(elsewhere / "mine.yaml", EXPERIMENT.replace("0.1", "0.7"))
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
    write(Path(workspace.conf, "experiment/mine.yaml"), EXPERIMENT + "  chosen: ${oc.select:params.${oc.env:CHOOSER},fallback}\n")
    assert look()[0].config["params"]["chosen"] == "fallback"
    kept = [path.read_text() for path in Path(workspace.cache, "compose").iterdir()]
    assert kept
    assert not any("never-to-be-seen" in text for text in kept)


def test_other_words_and_folders_are_other_questions(look: Look, tmp_path: Path) -> None:
    look()
    assert look("params.lr=0.3")[0].config["params"]["lr"] == 0.3
    write(tmp_path / "more/experiment/mine.yaml", EXPERIMENT.replace("0.1", "0.4"))
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
    from trainconf.composition import cache

    monkeypatch.setattr(cache, "MAX_ENTRIES", 3)
    for number in range(5):
        look(f"params.lr={number}")
    assert 1 <= len(os.listdir(Path(workspace.cache, "compose"))) <= 3
    assert look("params.lr=4")[1] is True


VARIABLES = ("PLACE", "SPACED", "CHOSEN", "NESTED")
FREE = """\
# @package _global_
defaults:
  - override /env: $CHOSEN
  - _self_
experiment_name: free
script: train.py
params:
  lr: 0.1
  place: ${oc.env:PLACE,none}
  spaced: ${ oc.env  :   SPACED , none }
  nested: ${oc.env:${oc.env:NESTED,PLACE},'${.lr}'}
"""
# 1.4 reads no variables in a defaults list
FREE = FREE.replace("$CHOSEN", "${oc.env:CHOSEN,current}" if HYDRA_VERSION.startswith("1.3") else "current")
CHANGES: list[Callable[[Path], object]] = [
    lambda root: edit_in_place(root / "conf/experiment/free.yaml", "lr: 0.", "lr: 1."),
    lambda root: edit_in_place(root / "conf/experiment/free.yaml", "lr: 1.", "lr: 0."),
    lambda root: replace_with_times(root / "conf/experiment/free.yaml", ".1", ".2"),
    lambda root: write(root / "conf/local.yaml", "# @package _global_\ngrace_seconds: 3\n"),
    lambda root: (root / "conf/local.yaml").unlink(),
    lambda root: write(root / "conf/env/minimal.yaml", "defaults:\n  - current\n  - _self_\nname: shadow\n"),
    lambda root: (root / "conf/env/minimal.yaml").rename(root / "conf/env/other.yaml"),
    lambda root: write(root / "elsewhere.yaml", "# @package _global_\ngrace_seconds: 5\n"),
    lambda root: (root / "conf/local.yaml").symlink_to(root / "elsewhere.yaml"),
    lambda root: edit_in_place(root / "elsewhere.yaml", "5", "7"),
    lambda root: (root / "conf/experiment/free.yaml").chmod(0o600),
    lambda root: None,
]
SETTINGS = st.tuples(st.sampled_from(VARIABLES), st.sampled_from([None, "minimal", "current", "other", "PLACE", "UNSET"]))


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(st.sampled_from(CHANGES), SETTINGS), min_size=3, max_size=9))
def test_whatever_changes_the_cache_says_what_composing_anew_says(changes: list[object]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        root = Path(folder)
        (root / ".trainconf").mkdir()
        write(root / "conf/experiment/free.yaml", FREE)
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        for change in changes:
            if isinstance(change, tuple):
                patch.delenv(change[0], raising=False) if change[1] is None else patch.setenv(*change)
            else:
                with contextlib.suppress(OSError, AssertionError):  # not there, or there already
                    change(root)  # type: ignore[operator]
            for _ in range(2):
                assert said(compose, root) == said(cold.compose, root)


def said(compose_by: Callable[..., Composed], root: Path) -> object:
    try:
        found = compose_by(["experiment=free"], WorkspacePaths(str(root)))
    except ConfigError as error:
        return error.render()
    return found.config, found.origins, found.choices, found.overrides


def test_a_plugin_that_is_edited_in_place_is_seen(workspace: WorkspacePaths, tmp_path: Path) -> None:
    plugin = tmp_path / "site/hydra_plugins/stores.py"
    node = "{'experiment_name': 'plug', 'script': 'train.py', 'params': {'lr': 1}}"
    write(plugin, "from hydra.core.config_store import ConfigStore\n"
          f"ConfigStore.instance().store(group='experiment', name='plug', package='_global_', node={node})\n")
    code = (
        "import sys\nfrom trainconf.paths import WorkspacePaths\nfrom trainconf.composition.cache import compose\n"
        "print(compose(['experiment=plug'], WorkspacePaths(sys.argv[1])).config['params']['lr'])"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path / "site")]), "PYTHONDONTWRITEBYTECODE": "1"}

    def told() -> str:
        return subprocess.run([sys.executable, "-c", code, workspace.root], capture_output=True, text=True, env=env).stdout

    assert told() == "1\n"
    edit_in_place(plugin, "'lr': 1", "'lr': 2")
    assert told() == "2\n"


def test_a_hit_loads_no_hydra(workspace: WorkspacePaths) -> None:
    wait_for(lambda: time.time_ns() - 10**10 - Path(workspace.conf, "experiment/mine.yaml").stat().st_ctime_ns > 2 * 10**9)
    code = (
        "import os, sys\nfrom trainconf.paths import WorkspacePaths\nfrom trainconf.composition.cache import compose\n"
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


def test_every_module_that_composing_loads_is_part_of_the_key() -> None:
    code = (
        "import sys\nfrom trainconf.composition import cache, compose\nfrom trainconf.composition.sweep import grid, request\n"
        "rooms = ('trainconf.composition.', 'trainconf.resolve.', 'trainconf.schema')\n"
        "print(*{m.__file__ for n, m in sys.modules.items() if n.startswith(rooms)} - set(cache._own_files()), len(cache._own_files()))"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 15

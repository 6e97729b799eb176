from __future__ import annotations

import os
import time

import pytest

from trainconf import files
from trainconf.environments import store
from trainconf.history import events
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.snapshot import SnapshotStore

from ...history.build import make_run, write_json
from ..conftest import Verb

OLD = time.time() - 3 * 86400


def take(workspace: WorkspacePaths, text: str) -> str:
    """A snapshot that nobody has used for days."""
    source = os.path.join(workspace.root, "src")
    os.makedirs(source, exist_ok=True)
    with open(os.path.join(source, "train.py"), "w") as stream:
        stream.write(text)
    found = SnapshotStore(workspace.snapshots).take(source, max_mb=1, max_files=10).id
    for folder, _, names in os.walk(workspace.snapshots):
        for name in names:
            os.utime(os.path.join(folder, name), (OLD, OLD))
    return found


def age(paths: RunPaths) -> RunPaths:
    os.utime(paths.run_dir, (OLD, OLD))
    return paths


def test_an_old_half_made_folder_goes_and_a_run_never_does(workspace: WorkspacePaths, verb: Verb) -> None:
    half = make_run(workspace, "half", states=())
    os.unlink(half.log(0))
    age(half)
    runs = [age(make_run(workspace, "done")), age(make_run(workspace, "lost", states=("NotStarted",)))]
    broken = age(make_run(workspace, "broken"))
    with open(broken.events, "wb") as stream:
        stream.write(b"\xff\x00")
    said = verb("gc")
    assert said.code == 0
    assert not os.path.exists(half.run_dir)
    assert all(os.path.exists(paths.spec) for paths in [*runs, broken])


def test_a_half_made_folder_stays_while_it_is_young_held_or_not_all_ours(workspace: WorkspacePaths, verb: Verb) -> None:
    young = make_run(workspace, "young", states=())
    held = make_run(workspace, "held", states=())
    noted = make_run(workspace, "noted", states=())
    written = make_run(workspace, "written", states=(), log=b"")
    sweep = make_run(workspace, "sweep", states=())
    write_json(sweep.sweep, {})
    write_json(os.path.join(noted.run_dir, "my notes.txt"), "keep")
    for paths in (young, held, noted, sweep):
        os.unlink(paths.log(0))
    for paths in (held, noted, written, sweep):
        age(paths)
    os.utime(young.run_dir)
    with files.FileLock(held.lock):
        age(held)
        verb("gc")
    for paths in (young, held, noted, written, sweep):
        assert os.path.isdir(paths.run_dir)


def test_a_half_made_folder_goes_at_once_when_the_lock_of_its_maker_is_free(workspace: WorkspacePaths, verb: Verb) -> None:
    run, sweep, trial = (make_run(workspace, name, states=()) for name in ("run", "sweep", "sweep_3"))
    write_json(sweep.sweep, {})
    now = time.time()
    for paths in (run, trial):
        os.unlink(paths.log(0))
    makers = files.FileLock(run.lock), files.FileLock(sweep.trials)
    for maker in makers:
        maker.acquire()
    for paths in (run, trial):
        os.utime(paths.run_dir, (now - 5, now - 5))
    verb("gc")
    assert os.path.isdir(run.run_dir)
    assert os.path.isdir(trial.run_dir)
    for maker in makers:
        maker.release()
    verb("gc")
    assert not os.path.exists(run.run_dir)
    assert not os.path.exists(trial.run_dir)
    assert os.path.isdir(sweep.run_dir)


def test_a_snapshot_stays_as_long_as_a_run_or_a_pin_names_it(workspace: WorkspacePaths, verb: Verb) -> None:
    of_run, frozen, unneeded = (take(workspace, text) for text in ("a", "b", "c"))
    write_json(make_run(workspace).spec, {"code": {"snapshot": of_run}})
    store = SnapshotStore(workspace.snapshots)
    store.pin(frozen, os.path.join(workspace.root, "a.lock"), "")
    dry = verb("gc", "--dry-run")
    assert unneeded in dry.out
    assert of_run not in dry.out
    assert all(map(store.exists, (of_run, frozen, unneeded)))
    said = verb("gc")
    assert (said.code, [store.exists(id_) for id_ in (of_run, frozen, unneeded)]) == (0, [True, True, False])
    assert f"removed  snapshot {unneeded}" in said.out


def test_the_dry_run_names_what_gc_removes(workspace: WorkspacePaths, verb: Verb) -> None:
    store = SnapshotStore(workspace.snapshots)
    used, unneeded = take(workspace, "used"), take(workspace, "unneeded")
    store.materialize(used, os.path.join(workspace.root, "elsewhere"))
    half = make_run(workspace, "half", states=())
    os.unlink(half.log(0))
    age(half)
    os.makedirs(os.path.join(workspace.envs, "aaaaaaaaaaaa.building"))
    os.makedirs(os.path.join(workspace.envs, "mine"))
    os.makedirs(workspace.cache)
    write_json(os.path.join(workspace.cache, "old"), {})
    os.utime(os.path.join(workspace.cache, "old"), (OLD - 40 * 86400, OLD - 40 * 86400))
    dry, done = verb("gc", "--dry-run"), verb("gc")
    assert dry.out.replace("would remove", "removed") == done.out
    for name in (unneeded, "half", "aaaaaaaaaaaa.building", "/old"):
        assert name in done.out
    assert store.exists(used)
    assert os.path.isdir(os.path.join(workspace.envs, "mine"))


@pytest.mark.parametrize("linked", ["runs", ".trainconf", ".trainconf/envs", ".trainconf/cache", ".trainconf/snapshots"])
def test_nothing_is_removed_through_a_link(workspace: WorkspacePaths, verb: Verb, tmp_path: object, linked: str) -> None:
    other = WorkspacePaths(os.path.join(str(tmp_path), "other"))
    take(other, "theirs")
    half = make_run(other, "half", states=())
    os.unlink(half.log(0))
    age(half)
    os.makedirs(os.path.join(other.envs, "aaaaaaaaaaaa.building"))
    os.makedirs(other.cache)
    write_json(os.path.join(other.cache, "old"), {})
    os.utime(os.path.join(other.cache, "old"), (OLD - 40 * 86400, OLD - 40 * 86400))
    os.makedirs(os.path.dirname(os.path.join(workspace.root, linked)), exist_ok=True)
    os.symlink(os.path.join(other.root, linked), os.path.join(workspace.root, linked))
    for words in (["--dry-run"], []):
        said = verb("gc", "--older-than", "0", *words)
        assert (said.code, said.out) == (0, "")
        assert "is a link" in said.err


def test_a_run_that_was_moved_and_linked_keeps_its_code(workspace: WorkspacePaths, verb: Verb, tmp_path: object) -> None:
    needed = take(workspace, "a")
    run = make_run(workspace)
    write_json(run.spec, {"code": {"snapshot": needed}})
    os.rename(run.run_dir, os.path.join(str(tmp_path), "moved"))
    os.symlink(os.path.join(str(tmp_path), "moved"), run.run_dir)
    verb("gc")
    assert SnapshotStore(workspace.snapshots).exists(needed)


def test_a_damaged_pin_keeps_every_snapshot_and_stops_nothing_else(workspace: WorkspacePaths, verb: Verb) -> None:
    unneeded = take(workspace, "a")
    store = SnapshotStore(workspace.snapshots)
    pin = store.pin(unneeded, "", "")
    with open(os.path.join(workspace.snapshots, "pins", pin.name), "w") as stream:
        stream.write("[")
    half = make_run(workspace, "half", states=())
    os.unlink(half.log(0))
    age(half)
    said = verb("gc")
    assert said.code == 1
    assert pin.name in said.err
    assert store.exists(unneeded)
    assert not os.path.exists(half.run_dir)


def test_a_young_snapshot_may_belong_to_a_submission_on_its_way(workspace: WorkspacePaths, verb: Verb) -> None:
    unneeded = take(workspace, "a")
    store = SnapshotStore(workspace.snapshots)
    verb("gc", "--older-than", "10")
    assert store.exists(unneeded)
    verb("gc", "--older-than", "1")
    assert not store.exists(unneeded)


def test_an_unreadable_spec_keeps_every_snapshot(workspace: WorkspacePaths, verb: Verb) -> None:
    unneeded = take(workspace, "a")
    paths = make_run(workspace)
    with open(paths.spec, "wb") as stream:
        stream.write(b'{"code": {"snapsh')
    said = verb("gc")
    assert said.code == 1
    assert paths.spec.rpartition("/")[2] in said.err
    assert SnapshotStore(workspace.snapshots).exists(unneeded)


def test_only_old_cache_files_go(workspace: WorkspacePaths, verb: Verb) -> None:
    os.makedirs(os.path.join(workspace.cache, "compose"))
    old, young = (os.path.join(workspace.cache, "compose", name) for name in ("old", "young"))
    for path in (old, young):
        write_json(path, {})
    os.utime(old, (OLD - 40 * 86400, OLD - 40 * 86400))
    verb("gc", "--dry-run")
    assert os.path.exists(old)
    verb("gc")
    assert (os.path.exists(old), os.path.exists(young)) == (False, True)


def test_links_in_the_runs_folder_are_not_followed(workspace: WorkspacePaths, verb: Verb, tmp_path: object) -> None:
    other = WorkspacePaths(os.path.join(str(tmp_path), "other"))
    half = make_run(other, "half", states=())
    os.unlink(half.log(0))
    age(half)
    os.makedirs(os.path.join(workspace.runs, "digits"))
    os.symlink(half.run_dir, os.path.join(workspace.runs, "digits", "half"))
    os.symlink(other.runs, os.path.join(workspace.runs, "linked"))
    verb("gc")
    assert os.path.isdir(half.run_dir)


def test_an_empty_workspace_has_nothing_to_collect(workspace: WorkspacePaths, verb: Verb) -> None:
    said = verb("gc")
    assert (said.code, said.out) == (0, "")
    assert os.listdir(workspace.root) == ["conf"]


@pytest.mark.parametrize("text", ["-1", "nan", "soon"])
def test_an_age_that_is_none_is_refused(workspace: WorkspacePaths, verb: Verb, text: str) -> None:
    assert verb("gc", "--older-than", text).code == 2


def test_a_run_that_begins_while_gc_looks_is_left(workspace: WorkspacePaths, verb: Verb) -> None:
    paths = age(make_run(workspace, states=()))
    events.append(paths, "NotStarted")
    verb("gc")
    assert events.exists(paths)


def environment(workspace: WorkspacePaths, hash_: str, age_s: float) -> str:
    """A folder that counts as an environment, last used so long ago."""
    folder = os.path.join(workspace.envs, hash_)
    os.makedirs(os.path.join(folder, "bin"))
    os.makedirs(os.path.join(workspace.envs, ".locks"), exist_ok=True)
    os.symlink("/bin/sh", os.path.join(folder, "bin", "python"))
    made = {"version": 1, "identity": hash_ + "0" * 52, "name": hash_[:2], "python": "3.11.7", "created": "2026-11-01", "site_dirs": []}
    write_json(os.path.join(folder, store.METADATA), made)
    use = os.path.join(workspace.envs, ".locks", hash_ + ".use")
    files.write_atomic(use, "")
    os.utime(use, (time.time() - age_s,) * 2)
    return folder


def test_environments_go_only_when_asked_for_and_unused_for_so_long(workspace: WorkspacePaths, verb: Verb) -> None:
    old, used, fresh = (environment(workspace, letter * 12, days * 86400) for letter, days in (("a", 40), ("b", 40), ("c", 20)))
    run = make_run(workspace, "running", states=("NotStarted", "Running"))
    write_json(run.plan, {"ranks": [{"argv": [os.path.join(used, "bin", "python")]}]})
    assert verb("gc").code == 0
    assert all(map(os.path.isdir, (old, used, fresh)))
    with files.FileLock(run.lock):
        assert "would remove  environment aaaaaaaaaaaa aa (venv)" in verb("gc", "--environments", "--dry-run").out
        said = verb("gc", "--environments")
    assert (said.code, "unused environments: 1, " in said.err, "bbbbbbbbbbbb is in use" in said.err) == (0, True, True)
    assert list(map(os.path.isdir, (old, used, fresh))) == [False, True, True]
    verb("gc", "--environments", "--unused-days", "15")
    assert list(map(os.path.isdir, (used, fresh))) == [False, False]
    assert verb("gc", "--unused-days", "3").code == 2

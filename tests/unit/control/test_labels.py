"""What people say of runs is written whole, by several at once too, or not at all; specs and records stay as they are."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator

import pytest

from trainconf import files
from trainconf.control import history, labels
from trainconf.errors import StorageError, UserError
from trainconf.history.index.query import Asked
from trainconf.paths import RunPaths, WorkspacePaths

from ..history.build import make_run, write_json


def sweep_of(workspace: WorkspacePaths, count: int) -> tuple[RunPaths, list[RunPaths]]:
    home = make_run(workspace, "s")
    write_json(home.sweep, {"sweep_id": "s"})
    trials = [make_run(workspace, f"s_{number}") for number in range(count)]
    for trial in trials:
        files.append_line(home.trials, {"run_dir": trial.run_dir})
    return home, trials


def test_tags_are_added_replaced_and_taken_away_and_the_record_stays(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace)
    before = [files.read_untrusted(name, 1 << 20) for name in (paths.record, paths.spec)]
    labels.tag([paths], {"owner": "ada", "who": "her"})
    labels.tag([paths], {"owner": "bob"})
    assert labels.read(paths).tags == {"who": "her", "owner": "bob"}
    labels.untag([paths], ["who"])
    assert labels.read(paths).tags == {"owner": "bob"}
    assert [files.read_untrusted(name, 1 << 20) for name in (paths.record, paths.spec)] == before


def test_a_run_is_listed_in_the_archive_as_soon_as_it_is_there_and_among_the_others_as_soon_as_it_is_not(workspace: WorkspacePaths) -> None:
    runs = [make_run(workspace, name, at=number) for number, name in enumerate("abc")]

    def listed(*, archived: bool) -> list[str]:
        return [str(row.fields["run_id"]) for row in history.each(workspace, Asked(archived=archived))]

    assert listed(archived=False) == ["c", "b", "a"]
    labels.archive(runs[:2])
    assert listed(archived=True) == ["b", "a"]
    labels.archive(runs[:1], archived=False)
    assert listed(archived=False) == ["c", "a"]


@pytest.mark.parametrize("text", ["a\nb", "\x1b[31mred\x1b[0m", "\u202eright", "a\ud800b", '"', "", "{}"])
def test_any_text_comes_back_as_it_was(workspace: WorkspacePaths, text: str) -> None:
    paths = make_run(workspace)
    labels.note([paths], text)
    labels.rename([paths], text)
    labels.tag([paths], {f"k{text}": text})
    found = labels.read(paths)
    assert (found.note or "", found.display_name or "", found.tags[f"k{text}"]) == (text, text, text)


def test_a_sweep_shares_tags_and_archive_with_its_trials_and_keeps_name_and_note(workspace: WorkspacePaths) -> None:
    home, trials = sweep_of(workspace, 2)
    labels.tag([home, trials[0]], {"a": "1"})
    labels.archive([home])
    labels.note([home], "n")
    labels.rename([home], "d")
    assert [(labels.read(each).tags["a"], labels.read(each).archived) for each in (home, *trials)] == [("1", True)] * 3
    assert [(labels.read(each).note, labels.read(each).display_name) for each in trials] == [(None, None)] * 2
    labels.archive([home], archived=False)
    assert not any(labels.read(each).archived for each in (home, *trials))


def test_all_unknown_tags_are_named_with_the_nearest_and_nothing_is_written(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace)
    with pytest.raises(UserError) as told:
        labels.untag([paths], ["whoo", "who", "zzz"])
    assert [mistake.what for mistake in told.value.mistakes] == ["there is no tag whoo", "there is no tag zzz"]
    assert ("nearest", "who") in told.value.mistakes[0].facts
    assert not os.path.exists(paths.labels)


def test_a_text_that_is_too_long_and_a_tag_without_a_name_are_refused(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace)
    with pytest.raises(UserError, match="has 100000 characters"):
        labels.note([paths], "x" * 100_000)
    with pytest.raises(UserError, match="needs a name"):
        labels.tag([paths], {"": "x"})
    assert not os.path.exists(paths.labels)


def test_one_run_that_refuses_leaves_all_as_they_were(workspace: WorkspacePaths) -> None:
    runs = [make_run(workspace, name) for name in ("a", "b", "c")]
    os.mkdir(runs[1].labels)
    with pytest.raises(StorageError, match="b cannot be labelled"):
        labels.archive(runs)
    assert not os.path.exists(runs[0].labels)


@pytest.fixture
def open_folder() -> Iterator[str]:
    """A folder that every user may look into, as `tmp_path` is not."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("is_labelled", [False, True])
def test_a_run_of_another_user_is_told_with_its_path(open_folder: str, is_labelled: bool) -> None:
    paths = make_run(WorkspacePaths(open_folder))
    if is_labelled:
        labels.note([paths], "mine")
    os.seteuid(65534)
    try:
        with pytest.raises(StorageError, match="another user owns it"):
            labels.note([paths], "x")
    finally:
        os.seteuid(0)
    assert labels.read(paths).note == ("mine" if is_labelled else None)


def test_a_torn_line_is_closed_before_the_next(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace)
    labels.tag([paths], {"a": "1"})
    with open(paths.labels, "a") as stream:
        stream.write('{"tags":{"b":')
    labels.tag([paths], {"c": "3"})
    assert labels.read(paths).tags == {"who": "me", "a": "1", "c": "3"}


def test_many_writers_at_once_lose_nothing(workspace: WorkspacePaths) -> None:
    paths = make_run(workspace)
    writers = [threading.Thread(target=labels.tag, args=([paths], {f"t{number}": "x" * 5000})) for number in range(20)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(labels.read(paths).tags) == 21

"""Writes to files are told at once, each to whoever watches that file; without inotify(7) the wait is only a pause."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from trainconf.fast import file_watch
from trainconf.fast.file_watch import FileWatch


def appended(path: Path, text: str = "line\n") -> Path:
    with path.open("a") as stream:
        stream.write(text)
    return path


def test_the_files_that_were_written_to_are_told_and_no_others(tmp_path: Path) -> None:
    first, second, other = (appended(tmp_path / name) for name in ("first", "second", "other \udcff\n"))
    watch = FileWatch()
    watch.add(str(first))
    watch.add(str(second))
    assert watch.wait(0) == set()
    appended(other)
    assert watch.wait(0) == set()
    appended(first)
    appended(second)
    assert watch.wait(60) == {str(first), str(second)}
    watch.remove(str(first))
    appended(first)
    assert watch.wait(0.01) == set()
    watch.add(str(other))
    appended(other)
    assert watch.wait(60) == {str(other)}
    watch.close()
    watch.close()
    assert not watch.works


def test_a_file_that_is_missing_or_removed_is_never_told(tmp_path: Path) -> None:
    watch = FileWatch()
    watch.add(str(tmp_path / "missing"))
    gone = appended(tmp_path / "gone")
    watch.add(str(gone))
    gone.unlink()
    watch.remove(str(gone))
    assert watch.wait(0.01) <= {str(gone)}
    assert watch.wait(0.01) == set()
    watch.close()


def test_where_the_kernel_does_not_tell_it_only_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_watch, "libc", lambda *_: -1)
    watch = FileWatch()
    assert not watch.works
    watch.add(str(appended(tmp_path / "file")))
    appended(tmp_path / "file")
    begin = time.monotonic()
    assert watch.wait(0.05) == set()
    assert time.monotonic() >= begin + 0.05
    watch.close()

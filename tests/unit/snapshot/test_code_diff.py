from __future__ import annotations

import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainconf.snapshot import code_diff
from trainconf.snapshot.blobs import manifest
from trainconf.snapshot.blobs.manifest import Entry

CONTENTS: dict[str, bytes] = {}


def file(path: str, content: bytes, *, executable: bool = False) -> Entry:
    digest = hashlib.sha256(content).hexdigest()
    CONTENTS[digest] = content
    return Entry("file", path, digest, len(content), executable)


def read(entry: Entry) -> bytes:
    return CONTENTS[entry.content]


def compare(*pairs: tuple[Entry | None, Entry | None], patch: bool = True) -> code_diff.CodeDiff:
    return code_diff.compare(pairs, (read, read), patch=patch)


def test_what_goes_beyond_the_limit_is_named_and_the_rest_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_diff, "MOST_BYTES", 10)
    found = compare((None, file("a", b"12345\n")), (None, file("b", b"12345\n")), (None, file("c", b"1\n")))
    assert [(change.path, change.added_lines) for change in found.files] == [("a", 1), ("b", None), ("c", 1)]
    assert [change.path for change in found.files if change.note == code_diff.TOO_MUCH] == ["b"]
    assert b"+++ b/b" not in found.patch


def test_a_file_that_becomes_a_link_is_a_changed_one() -> None:
    (change,) = compare((file("a", b"x\n"), Entry("link", "a", "x", 0, False))).files
    assert (change.kind, change.old_mode, change.new_mode) == ("changed", "100644", "120000")


def test_without_the_patch_the_lines_are_counted_alone() -> None:
    found = compare((file("a", b"1\n2\n"), file("a", b"1\n")), patch=False)
    assert (found.files[0].removed_lines, found.patch) == (1, b"")


def test_nobodys_settings_change_what_is_told(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    home = str(tmp_path)
    with open(os.path.join(home, ".gitconfig"), "w") as stream:
        stream.write("[diff]\n\tnoprefix = true\n\texternal = false\n\trenames = false\n")
        stream.write("[core]\n\tattributesFile = ~/attributes\n[color]\n\tui = always\n")
    with open(os.path.join(home, "attributes"), "w") as stream:
        stream.write("* -diff\n")
    monkeypatch.setenv("HOME", home)
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    found = compare((file("old", b"same\n" * 9), None), (None, file("new", b"same\n" * 9)), (file("a", b"1\n"), file("a", b"2\n")))
    assert [(change.kind, change.path) for change in found.files] == [("changed", "a"), ("renamed", "new")]
    assert b"diff --git a/a b/a" in found.patch
    assert b"\n-1\n+2\n" in found.patch


PATHS = st.lists(st.sampled_from([b"a", b"b/c", b"b/d", b"e"]), unique=True)


@given(PATHS, PATHS, st.data())
def test_the_changes_of_two_manifests_are_those_of_their_entries(first: list[bytes], second: list[bytes], data: st.DataObject) -> None:
    kinds = st.sampled_from([(b"f", b"00", b"1"), (b"x", b"00", b"1"), (b"f", b"11", b"1"), (b"l", b"t", b""), (b"d", b"", b"")])
    trees = [manifest.render((*data.draw(kinds), path) for path in paths) for paths in (first, second)]
    old, new = ({entry.path: entry for entry in manifest.entries(tree)} for tree in trees)
    expected = [(old.get(path), new.get(path)) for path in sorted(old.keys() | new.keys()) if old.get(path) != new.get(path)]
    assert manifest.changes(*trees) == expected

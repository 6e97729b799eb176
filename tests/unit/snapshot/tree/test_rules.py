"""Which files travel: git's answer for whole trees, and what trainconf adds to it."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from trainconf.snapshot import SnapshotStore, hash_tree

from ..conftest import GIT_ENV, Take, git, settle, write

Paths = Callable[..., list[str]]

NAMES = ["a", "b", "foo", "x.log", "keep.log", "build"]
folders = st.lists(st.sampled_from(NAMES), max_size=3).map("/".join)
files = st.builds(lambda folder, name: f"{folder}/{name}".lstrip("/"), folders, st.sampled_from(NAMES))
pieces = st.sampled_from(["a", "b", "foo", "*.log", "keep.log", "build", "*", "**", "?", "[ab]", "x.*"])
patterns = st.builds(
    lambda before, parts, after: before + "/".join(parts) + after,
    st.sampled_from(["", "!", "/", "!/"]), st.lists(pieces, min_size=1, max_size=3), st.sampled_from(["", "/"]),
)
counter = itertools.count()


def make_tree(root: Path, names: list[str]) -> None:
    for name in names:
        path = root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_dir():
                path.write_bytes(b"1")
        except (NotADirectoryError, FileExistsError):
            continue  # a file stands where the next name wants a folder


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(files, min_size=3, max_size=15),
    ignores=st.dictionaries(folders, st.lists(patterns, min_size=1, max_size=4), min_size=1, max_size=4),
    tracked=st.lists(st.integers(0, 20), max_size=3), below=st.sampled_from(["", "", "a", "foo/b"]),
)
def test_what_travels_is_what_git_would_add(
    tmp_path: Path, names: list[str], ignores: dict[str, list[str]], tracked: list[int], below: str,
) -> None:
    root = tmp_path / str(next(counter))
    root.mkdir()
    git(root, "init", "-q")
    make_tree(root, names)
    source = root / below
    assume(source.is_dir())
    there = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and ".git" not in path.parts)
    for number in tracked:
        if there:
            git(root, "add", "-f", there[number % len(there)])
    for folder, lines in ignores.items():
        if (root / folder).is_dir():
            (root / folder / ".gitignore").write_text("\n".join(lines) + "\n")
    store = SnapshotStore(str(tmp_path / "store"))
    listed = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").decode().split("\0")
    expected = sorted({name[len(below) + 1 if below else 0 :] for name in listed if name and (not below or name.startswith(below + "/"))})
    assume(not below or not is_ignored(root, below))  # who names an ignored folder as the source means it
    ours = [entry.path for entry in store.show(store.take(str(source), max_mb=1, max_files=1000).id) if entry.kind == "file"]
    assert ours == expected


def is_ignored(root: Path, path: str) -> bool:
    return subprocess.run(["git", "check-ignore", "-q", "--no-index", path], cwd=root, env=GIT_ENV).returncode == 0


def test_rules_of_the_folders_above_reach_down_from_the_root_of_the_repository(tmp_path: Path, paths: Paths) -> None:
    write(tmp_path, {".gitignore": "a.py\n", "repo/.gitignore": "*.log\n/sub/src/rooted\n", "repo/sub/.gitignore": "!keep.log\n"})
    write(tmp_path / "repo/sub/src", {"a.py": "", "x.log": "", "keep.log": "", "rooted": "", "deep/rooted": ""})
    git(tmp_path / "repo", "init", "-q")
    assert paths(tmp_path / "repo/sub/src") == ["a.py", "deep/rooted", "keep.log"]


def test_without_a_repository_only_the_source_has_rules(tmp_path: Path, paths: Paths) -> None:
    write(tmp_path, {".gitignore": "*.py\n", "src/a.py": "", "src/b.log": "", "src/.gitignore": "*.log\n"})
    assert paths(tmp_path / "src") == [".gitignore", "a.py"]


def test_an_amlignore_is_used_instead_even_when_it_is_empty(source: Path, paths: Paths) -> None:
    git(source, "init", "-q")
    write(source, {".gitignore": "*.log\n", "x.log": "", "x.bin": "", "sub/.gitignore": "*\n", "sub/y": ""})
    write(source, {".amlignore": ""})
    assert paths() == [".amlignore", ".gitignore", "sub/.gitignore", "sub/y", "x.bin", "x.log"]
    write(source, {".amlignore": "*.bin\n.*ignore\n"})
    assert paths() == ["sub/y", "x.log"]


def test_trainconfignore_comes_last_and_may_take_back(source: Path, paths: Paths) -> None:
    git(source, "init", "-q")
    write(source, {".gitignore": "*.bin\ndata/\n", "model.bin": "", "x.bin": "", "notes.md": "", "data/d": "", "tracked.md": ""})
    git(source, "add", "-A")
    write(source, {".trainconfignore": "*.md\n!model.bin\n!data/\n", "sub/.trainconfignore": "/only-here\n"})
    write(source, {"sub/only-here": "", "only-here": ""})
    assert paths() == [".gitignore", ".trainconfignore", "data/d", "model.bin", "only-here", "sub/.trainconfignore"]


def test_files_git_tracks_travel_although_a_rule_ignores_them(source: Path, paths: Paths) -> None:
    git(source, "init", "-q")
    write(source, {".gitignore": "*.log\nbuild/\n", "a.log": "", "b.log": ""})
    write(source, {"build/keep.txt": "", "build/sub/also": "", "build/junk": ""})
    git(source, "add", "-f", "a.log", "build/keep.txt", "build/sub/also", ".gitignore")
    expected = [".gitignore", "a.log", "build/keep.txt", "build/sub/also"]
    assert paths() == expected
    git(source, "rm", "-q", "--cached", "a.log", "build/keep.txt")
    assert paths() == [".gitignore", "build/sub/also"]


def test_a_nested_repository_is_content_with_rules_of_its_own(source: Path, paths: Paths) -> None:
    git(source, "init", "-q")
    write(source, {"lib/.gitignore": "*.o\n", "lib/x.o": "", "lib/kept.o": "", "lib/x.c": ""})
    write(source, {"work/.git": "gitdir: /nowhere\n", "work/y": ""})
    git(source / "lib", "init", "-q")
    git(source / "lib", "add", "-f", "kept.o")
    assert paths() == ["lib/.gitignore", "lib/kept.o", "lib/x.c", "work/y"]


def test_a_users_global_excludes_have_no_say(source: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write(tmp_path / "home", {".config/git/ignore": "*.py\n"})
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    git(source, "init", "-q")
    write(source, {"a.py": "", ".git/info/exclude": "*.md\n", "b.md": ""})
    assert paths() == ["a.py", "b.md"]


def test_git_is_not_needed(source: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    git(source, "init", "-q")
    write(source, {".gitignore": "*.log\n", "a.log": "", "b.py": ""})
    git(source, "add", "-A")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert paths() == [".gitignore", "b.py"]


CHANGES: dict[str, Callable[[Path], object]] = {
    "a nested ignore file appears above an unchanged folder": lambda root: write(root, {"pkg/.gitignore": "*.txt\n"}),
    "an ignore file is edited in place": lambda root: write(root, {".gitignore": "*.md\n"}),
    "an ignore file goes": lambda root: (root / ".gitignore").unlink(),
    "an amlignore appears": lambda root: write(root, {".amlignore": "pkg\n"}),
    "a trainconfignore appears above": lambda root: write(root.parent, {".trainconfignore": "*.txt\n"}),
    "a file above the source is edited": lambda root: write(root.parent, {".gitignore": "*.txt\n"}),
    "a file becomes tracked": lambda root: git(root, "add", "-f", "pkg/deep/x.log"),
    "a new file deep below": lambda root: write(root, {"pkg/deep/new.txt": ""}),
    "a folder becomes a link": lambda root: ((root / "pkg/deep").rename(root / "gone"), (root / "pkg/deep").symlink_to("../gone")),
}


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A repository for every change, all old enough for their stat cache to be believed."""
    roots = {change: tmp_path_factory.mktemp("repo") for change in CHANGES}
    for root in roots.values():
        write(root / "src", {".gitignore": "*.log\n", "pkg/deep/x.log": "", "pkg/deep/y.txt": "", "pkg/z.md": "", "top.txt": ""})
        git(root, "init", "-q")
    for root in roots.values():
        settle(root)
    return roots


@pytest.mark.parametrize("change", CHANGES)
def test_a_stat_cache_never_hides_a_change_of_the_rules(settled: dict[str, Path], take: Take, change: str) -> None:
    source = settled[change] / "src"
    before = take(source).id
    assert take(source).id == before
    CHANGES[change](source)
    after = take(source).id
    assert after == hash_tree(str(source)) != before
    assert take(source).id == after

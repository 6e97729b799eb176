"""Ignore rules are git's, byte for byte: a property, and the cases people know by heart."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainconf.snapshot.tree.ignore import RuleFile

GIT_ENV = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}

TOKENS = [
    b"a", b"b", b"foo", b".", b"/", b"*", b"**", b"?", b"[ab]", b"[!a]", b"[^b]", b"[a-c]", b"[]a]", b"[a-]", b"[[:alpha:]]",
    b"[[:foo:]]", b"[", b"]", b"!", b"#", b"\\", b"\\ ", b" ", b"\t",
    b"-", b"^", b"[\\]]", b"[[:", b":", b"\xc3\xa9", b"\xff", b"\r", b"[!-a]", b"[b-\\a]",
]
NAMES = [
    b"a", b"b", b"foo", b"ab", b".a", b"a b", b"[", b"a ", b"#a", b"!b", b"-", b"\xc3\xa9", b"\xff", b"\\", b"]", b"a\t", b"^", b"a]",
    b"foo.", b":",
]

lines = st.lists(st.sampled_from(TOKENS), min_size=1, max_size=7).map(b"".join)
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map(b"/".join)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules")
    subprocess.run(["git", "init", "-q", str(folder)], check=True, env=GIT_ENV)
    return folder


def git_verdicts(repository: Path, paths: list[bytes]) -> list[bool | None]:
    """What git says of paths that need not exist, which makes them files to git."""
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", "--non-matching", "--verbose", "-z", "--stdin"],
        cwd=repository, env=GIT_ENV, input=b"".join(b"./" + path + b"\0" for path in paths), capture_output=True, check=False,
    )
    patterns = done.stdout.split(b"\0")[2::4]
    return [None if not pattern else not pattern.startswith(b"!") for pattern in patterns]


def our_verdict(rules: RuleFile, path: bytes) -> bool | None:
    parts = path.split(b"/")
    for depth in range(1, len(parts)):
        if rules.verdict(parts[depth - 1], b"/".join(parts[:depth]), is_dir=True):
            return True
    return rules.verdict(parts[-1], path, is_dir=False)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(patterns=st.lists(lines, min_size=1, max_size=4), paths=st.lists(paths, min_size=20, max_size=60))
def test_every_verdict_is_gits(repository: Path, patterns: list[bytes], paths: list[bytes]) -> None:
    text = b"\n".join(patterns)
    (repository / ".gitignore").write_bytes(text)
    rules = RuleFile.parse(text)
    ours = [(path, our_verdict(rules, path)) for path in paths]
    assert ours == list(zip(paths, git_verdicts(repository, paths), strict=True))


@pytest.mark.parametrize(
    ("text", "path", "ignored"),
    [
        (b"*.log\n!keep.log\n", b"keep.log", False),
        (b"*.log\n", b"a/b/x.log", True),
        (b"/x\n", b"a/x", None),
        (b"a/x\n", b"b/a/x", None),
        (b"**/x\n", b"a/b/x", True),
        (b"a/**\n", b"a", None),
        (b"a/**/b\n", b"a/b", True),
        (b"a**/b\n", b"ac/d/b", True),
        (b"x/\n", b"x", None),
        (b"x/\n!x/y\n", b"x/y", True),
        (b"x\\ \n", b"x ", True),
        (b"x  \n", b"x", True),
        (b"\\#x\n", b"#x", True),
        (b"\\!x\n", b"!x", True),
        (b"x\\\n", b"x", None),
        (b"[]-]\n", b"]", True),
        (b"\xef\xbb\xbfx\r\n", b"x", True),
    ],
)
def test_the_known_cases(text: bytes, path: bytes, ignored: bool | None) -> None:
    assert our_verdict(RuleFile.parse(text), path) is ignored

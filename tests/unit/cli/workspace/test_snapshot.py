"""`trainconf snapshot`, as a user meets it."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Shell


def test_a_tree_is_recorded_listed_shown_compared_and_verified(shell: Shell) -> None:
    shell.write("code/train.py", "print(1)\n")
    first = shell("snapshot", "create", "code").out.strip()
    shell.write("code/more.py", "print(2)\n")
    second = shell("snapshot", "create", "code").out.strip()
    assert first[:12] in shell("snapshot", "ls").out
    assert "train.py" in shell("snapshot", "show", first[:10]).out
    assert shell("snapshot", "diff", first, second).out == "+ more.py\n"
    assert (same := shell("snapshot", "diff", first, first)).out == ""
    assert same.err == "the snapshots are equal\n"
    assert shell("snapshot", "verify", second).code == 0


def test_a_snapshot_is_put_back_into_a_new_folder_and_never_over_one(shell: Shell) -> None:
    shell.write("code/train.py", "print(1)\n")
    snapshot = shell("snapshot", "create", "code").out.strip()
    shell.write("code/train.py", "print(2)\n")
    assert shell("snapshot", "restore", snapshot[:12], "then").code == 0
    assert (shell.root / "then/train.py").read_text() == "print(1)\n"
    again = shell("snapshot", "restore", snapshot, "code")
    assert (again.code, (shell.root / "code/train.py").read_text()) == (2, "print(2)\n"), again
    assert list(again.told), again


def test_damaged_content_is_named(shell: Shell) -> None:
    shell.write("code/train.py", "print(1)\n")
    snapshot = shell("snapshot", "create", "code").out.strip()
    for pack in Path(shell.root, ".trainconf", "snapshots").rglob("*.pack"):
        pack.write_bytes(pack.read_bytes().replace(b"print(1)", b"print(9)"))
    answer = shell("snapshot", "verify", snapshot)
    assert (answer.code, answer.out) == (1, "train.py\n"), answer


def test_an_unknown_snapshot_is_told(shell: Shell) -> None:
    answer = shell("snapshot", "show", "feed")
    assert answer.code == 2
    assert "no snapshot's id begins with 'feed'" in answer.told

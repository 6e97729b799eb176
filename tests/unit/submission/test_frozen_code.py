"""The code of a frozen file stays where it was frozen, whatever the file is called and wherever it lies, until somebody lets it go."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.conftest import Answer, Shell

Here = Callable[..., Answer]
THEN, NOW = "import sys\nprint('then')\n", "import sys\nprint('now')\n"


def collect(here: Here, *more: str) -> Answer:
    answer = here("gc", "--older-than", "0", *more)
    assert answer.code == 0, answer
    return answer


@pytest.mark.parametrize("name", ["a.lock", "deep/a.lock.yaml", "W", "../outside.frozen", "empty/here", "notes.txt"])
def test_gc_never_takes_the_code_of_a_frozen_file(name: str, here: Here, workspace: Shell) -> None:
    path = workspace.root / name
    path.parent.mkdir(exist_ok=True)
    workspace.write("train.py", THEN)
    assert here("freeze", *workspace.script(), "-o", name).code == 0
    assert here("freeze", "--check", name).code == 0, "the file must not change the hash that it holds"
    workspace.write("train.py", NOW)
    assert "removed  snapshot" not in collect(here).out
    answer = here("run", name)
    assert (answer.code, answer.out) == (0, "then\n"), answer


def test_a_file_that_the_shell_wrote_is_as_safe(workspace: Shell) -> None:
    workspace.write("train.py", THEN)
    (workspace.root / "empty").mkdir()
    for name in ("a.lock", "empty/b"):
        with open(workspace.root / name, "wb") as stream:
            argv = [sys.executable, "-m", "trainconf", "freeze", *workspace.script()]
            subprocess.run(argv, cwd=workspace.root, env=workspace.env, stdout=stream, check=True)
        assert workspace("freeze", "--check", name).code == 0
    workspace.write("train.py", NOW)
    assert workspace("gc", "--older-than", "0", "--drop-pins").code == 0
    assert workspace("run", "a.lock").out == "then\n"


def test_a_file_written_to_a_pipe_is_kept_until_its_pin_is_named(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", THEN)
    text = workspace("freeze", *workspace.script()).out
    workspace.write("train.py", NOW)
    told = collect(here, "--drop-pins")
    assert "a file written to a pipe stays" in told.err
    workspace.write("late.lock", text)
    assert here("run", "late.lock").out == "then\n"
    (pin,) = [line.split()[1] for line in told.err.splitlines() if line.startswith("pin ")]
    assert here("gc", "--drop-pins", "nonsense").code == 2
    assert f"removed  pin {pin}" in collect(here, "--drop-pins", pin).out
    assert pin not in collect(here).err


def test_pins_of_files_that_are_gone_are_shown_and_go_when_asked(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", THEN)
    for name in ("stays.lock", "goes.lock"):
        workspace.write("train.py", f"{THEN}# {name}\n")
        assert here("freeze", *workspace.script(), "-o", name).code == 0
    (workspace.root / "goes.lock").unlink()
    told = collect(here)
    assert "goes.lock stays: the file is gone" in told.err
    assert "stays.lock stays" not in told.err
    dry = collect(here, "--dry-run", "--drop-pins")
    done = collect(here, "--drop-pins")
    assert [line.removeprefix("would remove") for line in dry.out.splitlines()] == [
        line.removeprefix("removed") for line in done.out.splitlines()
    ]
    assert [line.split()[1] for line in done.out.splitlines()] == ["pin", "snapshot"]
    assert here("run", "stays.lock").out == "then\n"


def test_a_frozen_file_that_was_moved_is_pinned_again_where_it_is_run(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", THEN)
    assert here("freeze", *workspace.script(), "-o", "a.lock").code == 0
    (workspace.root / "a.lock").rename(workspace.root / "b.lock")
    workspace.write("train.py", NOW)
    assert here("run", "b.lock").out == "then\n"
    assert "a.lock" in collect(here, "--drop-pins").out
    for run_dir in workspace.run_dirs():
        (run_dir / "spec.json").write_text((run_dir / "spec.json").read_text().replace('"snapshot":"', f'"snapshot":"{"0" * 64}","x":"'))
    collect(here)
    assert here("freeze", "--check", "b.lock").code == 1
    assert here("run", "b.lock").out == "then\n"


def test_one_frozen_file_written_twice_keeps_both_codes(here: Here, workspace: Shell) -> None:
    texts = []
    for text in (THEN, NOW):
        workspace.write("train.py", text)
        assert here("freeze", *workspace.script(), "-o", "a.lock").code == 0
        texts.append((workspace.root / "a.lock").read_text())
    assert "names other code now" in collect(here).err
    workspace.write("a.lock", texts[0])  # as `git checkout` of another branch does
    assert here("run", "a.lock").out == "then\n"


def test_a_store_of_an_older_trainconf_keeps_all_that_is_in_it(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", THEN)
    assert here("freeze", *workspace.script(), "-o", "old.yaml").code == 0
    pins = workspace.root / ".trainconf/snapshots/pins"
    for pin in pins.iterdir():
        pin.unlink()
    pins.rmdir()
    workspace.write("train.py", NOW)
    assert "snapshot" not in collect(here, "--dry-run", "--drop-pins").out
    assert "pin older" in collect(here).err
    assert here("run", "old.yaml").out == "then\n"
    assert "pin older" in collect(here, "--drop-pins", "older").out


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"),
        lambda data: data.replace(b"# run it again", b"# reviewed by me\n# run it again"),
        lambda data: data + b"\n# the end\n",
    ],
    ids=["crlf", "bom", "both", "a comment", "a comment at the end"],
)
def test_comments_and_line_ends_are_free(edit: Callable[[bytes], bytes], here: Here, workspace: Shell) -> None:
    assert here("freeze", *workspace.script("+params.text='a\n b'"), "-o", "a.lock").code == 0
    path = workspace.root / "a.lock"
    path.write_bytes(edit(path.read_bytes()))
    assert here("freeze", "--check", "a.lock").code == 0
    assert here("run", "a.lock").code == 0


def test_a_link_to_a_frozen_file_is_written_through_and_read(here: Here, workspace: Shell) -> None:
    (workspace.root / "locks").mkdir()
    (workspace.root / "a.lock").symlink_to("locks/real")
    assert here("freeze", *workspace.script(), "-o", "a.lock").code == 0
    assert (workspace.root / "a.lock").is_symlink()
    assert here("freeze", "--check", "a.lock").code == 0
    assert here("run", "a.lock").code == 0


def test_a_file_of_another_kind_is_not_written_over_and_a_failure_leaves_nothing(here: Here, workspace: Shell) -> None:
    text = (workspace.root / "train.py").read_text()
    answer = here("freeze", *workspace.script(), "-o", "train.py")
    assert (answer.code, list(answer.told)) == (2, ["this file is no frozen run, and is not written over"])
    assert (workspace.root / "train.py").read_text() == text
    assert here("freeze", *workspace.script("snapshot.max_mb=0.000001"), "-o", "a.lock").code == 2
    assert not (workspace.root / "a.lock").exists()


def test_a_stream_stays_a_stream(workspace: Shell) -> None:
    answer = workspace("freeze", *workspace.script(), "-o", "/dev/stdout")
    assert (answer.code, answer.out.split("\n")[0]) == (0, "# trainconf frozen run"), answer
    assert workspace("freeze", *workspace.script(), "-o", "/dev/null").code == 0


def test_one_file_that_cannot_be_read_does_not_stop_gc(workspace: Shell) -> None:
    os.mkfifo(workspace.root / "pipe.yaml")  # whoever opens it waits for ever
    workspace.write("x.yaml", "# trainconf frozen run\n").chmod(0)
    assert workspace("gc").code == 0

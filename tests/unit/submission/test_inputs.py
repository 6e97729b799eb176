"""Inputs count by content: a changed one is another run, and what nobody looks at is said in words."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell
from trainconf.errors import SnapshotError
from trainconf.paths import WorkspacePaths
from trainconf.reporter import SILENT, Reporter
from trainconf.snapshot.tree.inputs import digest
from trainconf.snapshot.tree.stat_cache import signature
from trainconf.spec import CodeSpec
from trainconf.submission.inputs import tell_leaving_links

Here = Callable[..., Answer]
READ = "import os, pathlib\nprint(pathlib.Path(os.environ['TRAINCONF_INPUT_DATA']).read_text())\n"


def spec_of(answer: Answer) -> str:
    assert answer.code == 0, answer
    return str(json.loads(answer.out)["spec"]["spec_hash"])


@pytest.fixture
def outside(workspace: Shell) -> Shell:
    """A script whose input lies outside the source directory."""
    workspace.write(".trainconfignore", "data*\n")
    workspace.write("train.py", READ)
    workspace.write("data.csv", "1")
    return workspace


def test_a_changed_input_is_run_again_and_the_same_one_is_not(here: Here, outside: Shell) -> None:
    words = outside.script("+inputs.data=data.csv", "submit.reuse=true")
    assert here(*words).out == "1\n"
    assert "nothing was started" in here(*words).err
    os.utime(outside.root / "data.csv", (1, 1))
    assert "nothing was started" in here(*words).err
    outside.write("data.csv", "2")
    assert here(*words).out == "2\n"
    outside.write("data.csv", "1")
    again = here(*words)
    assert "nothing was started" in again.err
    assert "not looked at" not in again.err


def test_plan_check_and_show_tell_the_content(here: Here, outside: Shell) -> None:
    words = outside.script("+inputs.data=data.csv")
    assert "input        data: data.csv, sha256:6b86b273ff34" in here("plan", *words).out
    assert here("freeze", *words, "-o", "a.lock").code == 0
    assert here("freeze", "--check", "a.lock").err == "a.lock is what would run today\n"
    here("run", "a.lock")
    assert "sha256:6b86b273ff34" in here("show", "last").out
    outside.write("data.csv", "2")
    answer = here("freeze", "--check", "a.lock")
    assert (answer.code, answer.out.splitlines()[0]) == (1, "code differs")
    assert 'input_digests.data: "sha256:6b86b273ff34" -> "sha256:d4735e3a265e"  (command line: +inputs.data=data.csv)' in answer.out
    ran = here("run", "a.lock")
    assert (ran.code, ran.out) == (0, "2\n")
    assert "note: the input data is not as it was" in ran.err
    assert "note: the input data is not as it was" not in here("rerun", "last").err
    outside.write("data.csv", "3")
    earlier = outside.run_dirs()[0].name
    for words in ([], ["+params.a=1"]):
        assert "note: the input data is not as it was" in here("rerun", earlier, *words).err


def test_what_is_too_large_to_read_is_said_not_to_be_looked_at(here: Here, outside: Shell) -> None:
    words = outside.script("+inputs.data=data.csv", "unhashed_inputs=[data]", "submit.reuse=true")
    here(*words)
    outside.write("data.csv", "2")
    assert "nothing was started; the content of the input data was not looked at" in here(*words).err
    assert "its content is not looked at" in here("plan", *words).out
    assert here("freeze", *words, "-o", "a.lock").code == 0
    assert here("freeze", "--check", "a.lock").err == "a.lock is what would run today; the content of the input data was not looked at\n"
    assert "not looked at" in here("show", "last").out
    answer = here(*outside.script("unhashed_inputs=[nope]"))
    assert (answer.code, list(answer.told)) == (2, ["unhashed_inputs names 'nope', which is no input"])


def test_a_sweep_reads_each_input_once_and_reuses_by_content(here: Here, outside: Shell) -> None:
    words = outside.script("+inputs.data=data.csv", "submit.reuse=true", "+params.a=1,2", "-m", "argument_style=none")
    assert here(*words).code == 0
    assert "2 of them completed before" in here(*words).err
    outside.write("data.csv", "2")
    assert "completed before" not in here(*words).err


def test_the_hash_of_a_run_without_inputs_and_of_unhashed_ones_is_that_of_older_versions(here: Here, outside: Shell) -> None:
    from trainconf.spec import RunSpec

    answer = json.loads(here("plan", *outside.script("+inputs.data=data.csv", "unhashed_inputs=[data]"), "--json").out)["spec"]
    del answer["code"]["input_digests"]
    assert RunSpec.from_dict(answer | {"schema_version": 3}, "").spec_hash == answer["spec_hash"]


def test_inputs_in_params_are_paths_where_the_job_reads_them(here: Here, outside: Shell) -> None:
    params_of_job = "json.loads(pathlib.Path(os.environ['TRAINCONF_PARAMS']).read_text())"
    outside.write("train.py", f"import json, os, pathlib, sys\nprint(sys.argv[1:], {params_of_job})\n")
    path = str(outside.root / "data.csv")
    words = outside.script("+inputs.data=data.csv", "+params.path='{inputs.data}'", "+params.more=[1,'x={inputs.data}']")
    argv = ["--more", "1", f"x={path}", "--path", path]
    params = {"more": [1, f"x={path}"], "path": path}
    assert here(*words).out == f"{argv} {params}\n"
    spec = json.loads((outside.run_dirs()[0] / "spec.json").read_text())
    assert spec["params"]["path"] == "{inputs.data}"
    answer = here(*outside.script("+params.path='{inputs.nope}'"))
    assert (answer.code, list(answer.told)) == (2, ["{inputs.nope} in params.path names no input"])


def content(path: object, cache: str = "/nonexistent/x/cache") -> str:
    return digest("data", str(path), cache, SILENT)


def test_a_folder_is_known_by_all_that_is_in_it(workspace: Shell) -> None:
    data = workspace.root / "data"
    workspace.write("data/a/b.txt", "1")
    workspace.write("data/.hidden", "2")
    seen = [content(data)]

    def changed(what: Callable[[], object]) -> None:
        what()
        now = content(data)
        assert now not in seen
        seen.append(now)

    changed(lambda: workspace.write("data/a/b.txt", "2"))
    changed(lambda: workspace.write("data/.hidden", "1"))
    changed(lambda: (data / "a/b.txt").rename(data / "a/c.txt"))
    changed((data / "empty").mkdir)
    changed(lambda: (data / "link").symlink_to("nowhere"))
    changed(lambda: os.mkfifo(data / "pipe"))
    changed(lambda: workspace.write("data/.git/HEAD", "x"))
    changed(lambda: workspace.write("data/__pycache__/x.pyc", "x"))
    shutil.copytree(data, workspace.root / "copy", symlinks=True, ignore=shutil.ignore_patterns("pipe"))
    os.mkfifo(workspace.root / "copy/pipe")
    assert content(workspace.root / "copy") == seen[-1]


def test_links_are_followed_as_the_job_follows_them(workspace: Shell) -> None:
    workspace.write("far/deep/x.txt", "1")
    workspace.write("far/y.txt", "1")
    data = workspace.root / "data"
    data.mkdir()
    (data / "folder").symlink_to("../far/deep")
    (data / "file").symlink_to(workspace.root / "far/y.txt")
    (data / "round").symlink_to(".")
    (data / "up").symlink_to("..")
    link = workspace.root / "to data"
    link.symlink_to("data")
    for name in ("far/deep/x.txt", "far/y.txt"):
        before = content(data)
        assert content(link) == before
        workspace.write(name, "2")
        assert content(data) != before


def test_a_file_is_known_as_sha256sum_knows_it_and_pipes_are_not_opened(workspace: Shell) -> None:
    assert content(workspace.write("x", "1")) == "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
    os.mkfifo(workspace.root / "pipe")
    assert content(workspace.root / "pipe") == ""
    assert content("/dev/zero") == ""


def test_only_what_changed_is_read_again(workspace: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainconf.snapshot.tree import inputs

    cache = str(workspace.root / ".trainconf/cache")
    os.makedirs(os.path.dirname(cache))
    for name in ("a", "b"):
        os.utime(workspace.write(f"data/{name}", name), (1, 1))
    monkeypatch.setattr(time, "time_ns", lambda: 1 << 62)  # long after the last change
    read: list[bytes] = []
    real = inputs._Reader._file
    monkeypatch.setattr(inputs._Reader, "_file", lambda self, path: (read.append(os.path.basename(path)), real(self, path))[1])
    first = content(workspace.root / "data", cache)
    assert read == [b"a", b"b"]
    assert content(workspace.root / "data", cache) == first
    assert read == [b"a", b"b"]
    os.utime(workspace.write("data/b", "c"), (1, 1))
    assert content(workspace.root / "data", cache) != first
    assert read == [b"a", b"b", b"b"]
    for file in (workspace.root / ".trainconf/cache/inputs").iterdir():
        file.write_bytes(file.read_bytes()[:-3])
    assert content(workspace.root / "data", cache) == content(workspace.root / "data")


def test_a_fresh_file_is_not_believed(workspace: Shell) -> None:
    cache = str(workspace.root / ".trainconf/cache")
    os.makedirs(os.path.dirname(cache))
    path = workspace.write("data", "1")
    before, status = content(path, cache), path.stat()
    path.write_text("2")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert content(path, cache) != before


def test_what_cannot_be_read_or_does_not_keep_still_is_told_with_the_way_out(
    workspace: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainconf.snapshot.tree import inputs

    with pytest.raises(SnapshotError, match="does not exist"):
        content(workspace.root / "gone")
    path = workspace.write("data/x", "1")
    ticks = iter(range(100))
    monkeypatch.setattr(inputs, "signature", lambda status: (*signature(status)[:1], next(ticks), *signature(status)[2:]))
    with pytest.raises(SnapshotError, match="changes while it is read") as caught:
        content(path.parent)
    assert caught.value.mistakes[0].hint == "unhashed_inputs=[data] lets it count by its path alone"


def test_links_that_lead_out_of_all_inputs_are_told(tmp_path: Path) -> None:
    for folder in ("data/deep", "other", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data/deep/out").symlink_to("../../elsewhere")
    (tmp_path / "data/absolute").symlink_to(tmp_path / "elsewhere" / "file")
    (tmp_path / "data/inside").symlink_to("deep")
    (tmp_path / "data/to_other").symlink_to("../other")
    (tmp_path / "data/loop").symlink_to("loop")
    code = CodeSpec(inputs=(("data", "data"), ("other", "other")))
    told: list[str] = []

    class Listening(Reporter):
        def info(self, text: str = "") -> None:
            told.append(text)

    tell_leaving_links(code, WorkspacePaths(str(tmp_path)), Listening())
    links = sorted(line.split(" links out")[0] for line in told)
    assert links == ["note: in the input data, absolute", "note: in the input data, deep/out"]

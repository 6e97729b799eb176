"""Files are found below the run's folder alone, never through a link, and a browser gets one by a link that was signed for it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from trainconf.errors import RunNotFoundError, UserError
from trainconf.page.answers.parts import files
from trainconf.page.request import File
from trainconf.paths import RunPaths, WorkspacePaths

from ...history.build import make_run
from .conftest import Ask

RUN = "digits-20261123-0532-aaaa"
STRANGE = os.fsdecode(b"a b%2f'\"\n#?<img src=x onerror=alert(1)>\xff.txt")


@pytest.fixture
def paths(workspace: WorkspacePaths) -> RunPaths:
    found = make_run(workspace, RUN)
    Path(found.outputs, "model.pt").write_bytes(b"weights\0")
    return found


def get(ask: Ask, url: str) -> File:
    names = ("signature", "until", "how", "about", "name")
    found: File = ask(files.signed, params=dict(zip(names, url.removeprefix("/files/").split("/"), strict=True)))
    return found


def content(file: File) -> bytes:
    with open(file.fd, "rb") as stream:
        return stream.read()


def test_a_folder_is_listed_with_what_each_thing_is(ask: Ask, paths: RunPaths) -> None:
    os.symlink("/etc/passwd", os.path.join(paths.outputs, "link.txt"))
    os.mkfifo(os.path.join(paths.outputs, "pipe"))
    os.mkdir(os.path.join(paths.outputs, "deep"))
    Path(paths.outputs, STRANGE).write_text("x")
    found = ask(files.folder, params={"id": RUN}, folder="outputs")
    assert {entry["name"]: (entry["kind"], entry["shown"]) for entry in found["entries"]} == {
        "deep": ("folder", None), "link.txt": ("link", None), "pipe": ("other", None), "model.pt": ("file", "none"),
        STRANGE: ("file", "text"),
    }  # fmt: skip


@pytest.mark.parametrize("path", [
    "", "/etc/passwd", "../x", "outputs/../../x", "outputs//model.pt", "./outputs", "outputs/.", "outputs\0", "outputs/link",
    "outputs/folder/passwd", "outputs/pipe", "outputs", "outputs/device", "nothing", "outputs/model.pt/x",
])  # fmt: skip
def test_nothing_else_is_read(ask: Ask, paths: RunPaths, path: str) -> None:
    """Paths that lead out, links, folders through a link, FIFOs, devices by a link."""
    os.symlink("/etc/passwd", os.path.join(paths.outputs, "link"))
    os.symlink("/etc", os.path.join(paths.outputs, "folder"))
    os.symlink("/dev/zero", os.path.join(paths.outputs, "device"))
    os.mkfifo(os.path.join(paths.outputs, "pipe"))
    for answer, how in ((files.file, {"path": path}), (files.link, {"body": {"path": path}})):
        with pytest.raises(UserError):
            ask(answer, params={"id": RUN}, **how)


def test_outputs_of_a_run_that_goes_on_are_found_in_its_working_directory(ask: Ask, paths: RunPaths) -> None:
    os.rename(paths.outputs, paths.job_outputs)
    os.symlink("code/outputs", paths.outputs)
    assert ask(files.file, params={"id": RUN}, path="outputs/model.pt")["size_bytes"] == 8
    os.rename(paths.job_outputs, os.path.join(paths.code, "moved"))
    os.symlink("/etc", paths.job_outputs)  # as a job may
    with pytest.raises(UserError):
        ask(files.file, params={"id": RUN}, path="outputs/passwd")
    with pytest.raises(UserError):
        ask(files.folder, params={"id": RUN}, folder="outputs")


def test_a_table_has_its_first_rows_and_a_text_its_beginning(ask: Ask, paths: RunPaths) -> None:
    Path(paths.outputs, "t.csv").write_text("a,b\n" + "".join(f"{number},\"x,\ny\"\n" for number in range(500)))
    found = ask(files.file, params={"id": RUN}, path="outputs/t.csv")
    assert (found["shown"], found["rows"], len(found["table"]), found["table"][1]) == ("table", 500, files.TABLE_ROWS + 1, ["0", "x,\ny"])
    Path(paths.outputs, "long.txt").write_bytes(b"a\xff" * files.TEXT_BYTES)
    found = ask(files.file, params={"id": RUN}, path="outputs/long.txt")
    assert (found["is_cut"], len(found["text"]), found["text"][:2]) == (True, files.TEXT_BYTES, "a�")
    import hashlib

    assert ask(files.file, params={"id": RUN}, path="outputs/model.pt")["sha256"] == hashlib.sha256(b"weights\0").hexdigest()


@pytest.mark.parametrize(("name", "content_type", "policy", "saved"), [
    ("a.png", "image/png", files.IMAGE_POLICY, ""), ("a.svg", "image/svg+xml", files.IMAGE_POLICY, ""),
    ("a.html", "text/html; charset=utf-8", files.PAGE_POLICY, ""), ("a.pdf", "application/octet-stream", None, "a.pdf"),
    ("a.js", "application/octet-stream", None, "a.js"), (STRANGE, "application/octet-stream", None, STRANGE),
])  # fmt: skip
def test_a_link_gives_the_file_as_what_it_may_be(
    ask: Ask, paths: RunPaths, name: str, content_type: str, policy: str | None, saved: str
) -> None:
    Path(paths.outputs, name).write_bytes(b"inside")
    file = get(ask, ask(files.link, params={"id": RUN}, body={"path": f"outputs/{name}"})["url"])
    assert (file.content_type, file.name, content(file)) == (content_type, saved, b"inside")
    assert policy is None or file.policy == policy
    assert "allow-same-origin" not in file.policy
    file = get(ask, ask(files.link, params={"id": RUN}, body={"path": f"outputs/{name}", "save": True})["url"])
    assert (file.content_type, file.name) == ("application/octet-stream", name)
    os.close(file.fd)


def test_a_link_is_good_for_its_run_its_path_its_way_and_its_time_alone(
    ask: Ask, paths: RunPaths, workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(workspace, "digits-20261123-0532-bbbb")
    url = ask(files.link, params={"id": RUN}, body={"path": "outputs/model.pt", "save": True})["url"]
    signature, until, how, about, name = url.removeprefix("/files/").split("/")
    other = ask(files.link, params={"id": RUN}, body={"path": "run.json"})["url"].split("/")[5]
    for wrong in (
        (signature, until, how, other, name), (signature, str(int(until) + 1), how, about, name), (signature, until, "show", about, name),
        ("0" * 64, until, how, about, name), ("é", until, how, about, name), (signature, "x", how, about, name),
        (signature, "٣", how, about, name),
    ):  # fmt: skip
        with pytest.raises(RunNotFoundError, match="not made by this page"):
            get(ask, "/files/" + "/".join(wrong))
    late = time.time() + files.LINK_S + 1
    monkeypatch.setattr(files, "time", type("Clock", (), {"time": staticmethod(lambda: late)}))
    with pytest.raises(RunNotFoundError, match="too old"):
        get(ask, url)


def test_a_file_that_was_replaced_by_a_link_is_not_sent(ask: Ask, paths: RunPaths) -> None:
    url = ask(files.link, params={"id": RUN}, body={"path": "outputs/model.pt"})["url"]
    os.unlink(os.path.join(paths.outputs, "model.pt"))
    os.symlink("/etc/passwd", os.path.join(paths.outputs, "model.pt"))
    with pytest.raises(UserError):
        get(ask, url)


def test_images_of_runs_are_grouped_by_name_and_step(ask: Ask, paths: RunPaths, workspace: WorkspacePaths) -> None:
    other = make_run(workspace, "digits-20261123-0532-bbbb")
    for each, steps in ((paths, (0, 10)), (other, (10, 20))):
        os.mkdir(os.path.join(each.outputs, "samples"))
        for step in steps:
            Path(each.outputs, "samples", f"epoch_{step:04}.png").write_bytes(b"")
    found: dict[str, Any] = ask(files.images, runs=f"{RUN},digits-20261123-0532-bbbb,gone")
    assert found["groups"] == [{"name": "samples/epoch_*.png", "steps": [0, 10, 20]}]
    assert [[image["step"] for image in run["images"]] for run in found["runs"]] == [[0, 10], [10, 20]]
    assert found["missing"] == ["gone"]

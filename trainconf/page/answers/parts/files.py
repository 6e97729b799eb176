"""The files of a run: folders, images over steps, the beginning of a text or a table, and links under which a browser may have one.

A path is split, and each part is opened below the one before, never through a link. Only regular files are read.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import os
import re
import stat
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import quote

from trainconf.errors import RunNotFoundError, UserError
from trainconf.history import events
from trainconf.history.logged import records
from trainconf.history.logged.run_files import open_file, open_folders
from trainconf.page.answers.chosen import find_run, run_of, split
from trainconf.page.request import File

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from trainconf.page.request import Request
    from trainconf.paths import RunPaths

LINK_S = 600  # how long a link is good for
MOST_ENTRIES = 1000  # of a folder
MOST_IMAGES = 2000  # of one run
MOST_LOOKED_AT = 20_000  # entries, for images
MOST_RUNS = 20  # of the image grid
TEXT_BYTES = 262_144  # of a text that is shown
TABLE_ROWS = 200
HASHED_BYTES = 1 << 26  # of a file whose SHA-256 is told at once
BLOCK_BYTES = 1 << 20
IMAGES = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp", ".avif": "image/avif",
    ".bmp": "image/bmp", ".svg": "image/svg+xml",
}  # fmt: skip
PAGES = (".html", ".htm")
TABLES: dict[str, str] = {".csv": ",", ".tsv": "\t"}
TEXTS = frozenset((
    ".txt", ".log", ".json", ".jsonl", ".yaml", ".yml", ".toml", ".md", ".py", ".sh", ".ini", ".cfg", ".patch", ".lock", ".xml", ".rst",
))  # fmt: skip
PAGE_POLICY = "sandbox allow-scripts; default-src 'unsafe-inline' data: blob:"
IMAGE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
NUMBERS = re.compile(r"\d+")


def folder(request: Request) -> dict[str, Any]:
    """GET /api/runs/{id}/files: what is in one folder, folders first. A link is named and leads nowhere, but for ./outputs of a job."""
    paths = run_of(request)
    path = request.query.get("folder", "")
    parts = _parts(path) if path else []
    try:
        fds = open_folders(paths, "/".join(parts))
    except OSError as error:
        raise UserError(f"{paths.run_id} has no folder {path!r}", ("because", error.strerror or str(error))) from error
    found: dict[str, dict[str, Any]] = {}
    for fd in fds:
        try:
            for entry in _entries(fd, parts):
                found.setdefault(entry["name"], entry)
        finally:
            os.close(fd)
    entries = sorted(found.values(), key=lambda entry: (entry["kind"] != "folder", entry["name"]))
    return {"folder": "/".join(parts), "entries": entries[:MOST_ENTRIES], "total": len(entries)}


def _entries(fd: int, parts: list[str]) -> Iterator[dict[str, Any]]:
    with os.scandir(fd) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # it vanished meanwhile
            kind = "folder" if stat.S_ISDIR(status.st_mode) else "file" if stat.S_ISREG(status.st_mode) else "other"
            if stat.S_ISLNK(status.st_mode):
                kind = "folder" if not parts and entry.name == "outputs" else "link"
            path = "/".join((*parts, entry.name))
            yield {
                "name": entry.name, "path": path, "kind": kind, "size_bytes": status.st_size if kind == "file" else None,
                "modified": events.text(status.st_mtime), "shown": _shown(entry.name) if kind == "file" else None,
            }  # fmt: skip


def file(request: Request) -> dict[str, Any]:
    """GET /api/runs/{id}/file: size, SHA-256 and the beginning of one file: `text`, or `table` with the first TABLE_ROWS rows.

    sha256: null of a large file, unless `hash=1` asks for it.
    """
    paths = run_of(request)
    path = "/".join(_parts(request.query.get("path", "")))
    fd = _opened(paths, path)
    try:
        status = os.fstat(fd)
        shown = _shown(path)
        told: dict[str, Any] = {
            "path": path, "size_bytes": status.st_size, "modified": events.text(status.st_mtime), "shown": shown, "sha256": None,
            "text": None, "is_cut": status.st_size > TEXT_BYTES, "table": None, "rows": None,
        }  # fmt: skip
        if status.st_size <= HASHED_BYTES or request.query.get("hash") == "1":
            told["sha256"] = _sha256(fd)
        if shown not in ("image",):
            told |= _beginning(fd, path, shown)
        return told
    finally:
        os.close(fd)


def _beginning(fd: int, path: str, shown: str) -> dict[str, Any]:
    """The text that a file begins with; of a table its first rows. Nothing of what is no text."""
    data = os.pread(fd, TEXT_BYTES, 0)
    if b"\0" in data:
        return {"shown": "none" if shown in ("text", "table") else shown}
    text = data.decode("utf-8", "replace")
    if shown != "table":
        return {"text": text, "shown": "text" if shown == "none" else shown}
    whole = text if len(data) < TEXT_BYTES else text.rpartition("\n")[0]
    try:
        rows = [row for row in csv.reader(io.StringIO(whole), delimiter=TABLES[_ending(path)]) if row]
    except csv.Error:
        return {"text": text, "shown": "text"}
    return {"table": rows[: TABLE_ROWS + 1], "rows": len(rows) - 1 if len(data) < TEXT_BYTES else None, "text": text}


def _sha256(fd: int) -> str:
    found, at = hashlib.sha256(), 0
    while block := os.pread(fd, BLOCK_BYTES, at):
        found.update(block)
        at += len(block)
    return found.hexdigest()


# ------------------------------------------------------------ images


def images(request: Request) -> dict[str, Any]:
    """GET /api/images: the images below ./outputs of up to MOST_RUNS runs, in groups of one name, a step for each number in it."""
    ids = split(request.query.get("runs", ""))[:MOST_RUNS]
    found: list[dict[str, Any]] = []
    missing: list[str] = []
    for each in ids:
        try:
            paths = find_run(request.workspace, each)
        except RunNotFoundError:
            missing.append(each)
            continue
        listed = list(_images(paths))
        found.append({"id": paths.run_id, "images": sorted(listed, key=lambda image: (image["group"], image["step"], image["path"]))})
    groups: dict[str, set[int]] = {}
    for run in found:
        for image in run["images"]:
            groups.setdefault(image["group"], set()).add(image["step"])
    return {"runs": found, "missing": missing, "groups": [{"name": name, "steps": sorted(steps)} for name, steps in sorted(groups.items())]}


def _images(paths: RunPaths) -> Iterator[dict[str, Any]]:
    """Each image, where it is, and which step it is of: the last number in its name, or the step that it was recorded with."""
    recorded = {facts.get("file"): facts for kind, facts in records.read(paths) if kind == "image"}
    folders, looked_at, count = ["outputs"], 0, 0
    while folders and looked_at < MOST_LOOKED_AT and count < MOST_IMAGES:
        path = folders.pop()
        try:
            fds = open_folders(paths, path)
        except OSError:
            continue  # it vanished, or is something else
        for fd in fds:
            try:
                entries = sorted(_entries(fd, path.split("/")), key=lambda entry: str(entry["name"]))
            finally:
                os.close(fd)
            looked_at += len(entries)
            folders += [entry["path"] for entry in entries if entry["kind"] == "folder"]
            for entry in entries:
                if entry["shown"] == "image" and count < MOST_IMAGES:
                    count += 1
                    yield _image(entry, recorded.get(entry["path"]) or {})


def _image(entry: dict[str, Any], recorded: dict[str, Any]) -> dict[str, Any]:
    path = str(entry["path"])
    folder_path, _, name = path.removeprefix("outputs/").rpartition("/")
    numbers = list(NUMBERS.finditer(name))
    step, group = 0, name
    if numbers:
        last = numbers[-1]
        step, group = int(last[0][:15]), f"{name[: last.start()]}*{name[last.end() :]}"
    if isinstance(recorded.get("step"), int):
        step, group = recorded["step"], str(recorded.get("name") or group)
    return {"path": path, "group": f"{folder_path}/{group}" if folder_path else group, "step": step, "size_bytes": entry["size_bytes"]}


# ------------------------------------------------------------ links


def link(request: Request) -> dict[str, Any]:
    """POST /api/runs/{id}/link: an address under which a browser may have one file, for LINK_S seconds. `save`: to be saved, not shown.

    `urls` for several `paths`. Raises UserError for what is no file of the run.
    """
    paths = run_of(request)
    wanted = request.body.get("paths", [request.body.get("path")])
    several = [each for each in wanted if isinstance(each, str)] if isinstance(wanted, list) else []
    if not several or len(several) > MOST_ENTRIES or len(several) < len(wanted):
        raise UserError("a link is to a path, or to several", ("allowed", f"at most {MOST_ENTRIES} paths"))
    until = int(time.time()) + LINK_S
    urls = []
    for each in several:
        path = "/".join(_parts(each))
        os.close(_opened(paths, path))
        urls.append(_url(request.site.secret, paths.run_id, path, until, is_saved=request.body.get("save") is True))
    return {"url": urls[0], "urls": urls, "until": events.text(until)}


def _url(secret: bytes, run_id: str, path: str, until: int, *, is_saved: bool) -> str:
    """The run and the path are part of what is signed; the last part of the address is only a name to read."""
    how = "save" if is_saved else "show"
    about = urlsafe_b64encode(os.fsencode(f"{run_id}/{path}")).decode().rstrip("=")
    name = quote(os.path.basename(path).encode("utf-8", "replace"), safe="")
    return f"/files/{_signature(secret, how, until, about)}/{until}/{how}/{about}/{name}"


def _signature(secret: bytes, how: str, until: int, about: str) -> str:
    return hmac.new(secret, f"{how} {until} {about}".encode(), "sha256").hexdigest()


def signed(request: Request) -> File:
    """GET /files/{signature}/{until}/{how}/{about}/{name}: the file of a link. Raises RunNotFoundError for a link that is not good."""
    signature, until, how, about = (request.params[name] for name in ("signature", "until", "how", "about"))
    is_number = until.isascii() and until.isdigit() and len(until) < 12
    good = _signature(request.site.secret, how, int(until) if is_number else 0, about)
    if not is_number or not hmac.compare_digest(good.encode(), signature.encode("utf-8", "replace")):
        raise RunNotFoundError("this link was not made by this page", hint="open the file from the run's Files again")
    if int(until) < time.time():
        hint = "open the file from the run's Files again"
        raise RunNotFoundError("this link is too old", ("allowed", f"{LINK_S // 60} minutes"), hint=hint)
    run_id, _, path = os.fsdecode(urlsafe_b64decode(about + "=" * (-len(about) % 4))).partition("/")
    fd = _opened(find_run(request.workspace, run_id), path)
    size, name, ending = os.fstat(fd).st_size, os.path.basename(path), _ending(path)
    if how == "show" and ending in IMAGES:
        return File(IMAGES[ending], fd, size, policy=IMAGE_POLICY)
    if how == "show" and ending in PAGES:
        return File("text/html; charset=utf-8", fd, size, policy=PAGE_POLICY)
    return File("application/octet-stream", fd, size, name=name or "file")


# ------------------------------------------------------------ paths


def _parts(path: str) -> list[str]:
    """The parts of a path below a run's folder. Raises UserError for one that leads out of it, or is none."""
    parts = path.split("/")
    if not path or "\0" in path or any(part in ("", os.curdir, os.pardir) for part in parts):
        raise UserError(f"{path!r} is no path of a run's file", ("allowed", "a path below the run's folder, such as outputs/model.pt"))
    return parts


def _opened(paths: RunPaths, path: str) -> int:
    """A regular file of a run. Raises UserError for anything else."""
    try:
        return open_file(paths, "/".join(_parts(path)))
    except OSError as error:
        raise UserError(f"{paths.run_id} has no file {path!r} that can be shown", ("because", error.strerror or str(error))) from error


def _ending(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _shown(name: str) -> str:
    """How a file is shown: image, page, table, text, or none."""
    ending = _ending(name)
    if ending in IMAGES:
        return "image"
    if ending in PAGES:
        return "page"
    if ending in TABLES:
        return "table"
    return "text" if ending in TEXTS else "none"

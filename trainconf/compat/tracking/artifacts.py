"""Artifacts: named folders of files with versions, below outputs/<tool>/artifacts/<name>/v<N>, and what each says of itself beside it."""

from __future__ import annotations

import json
import os
import shutil

from trainconf.compat.tracking import media, tables
from trainconf.compat.tracking.folder import Folder, copy, file_name, replace
from trainconf.compat.tracking.notes import unanswered
from trainconf.compat.tracking.values import jsonable
from trainconf.job_api import Run
from trainconf.job_api.files import beside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional


class NotThere(LookupError):
    """There is no artifact of that name; says where one was looked for, and what to declare."""


class Artifact:
    """Files under names, gathered until it is logged."""

    def __init__(
        self, name: str, type: str = "unspecified", description: Optional[str] = None, metadata: Any = None, **options: Any
    ) -> None:
        self._name = str(name)
        self.type = str(type)
        self.description = description
        self.metadata: Dict[str, Any] = dict(metadata or {})
        self.aliases: List[str] = []
        self.tags: List[str] = []
        self.version = ""
        self.state = "PENDING"
        self._files: Dict[str, Any] = {}  # by name: a path, or an object that is written when it is kept
        self._references: Dict[str, str] = {}
        self._path = ""

    @property
    def name(self) -> str:
        return "%s:%s" % (self._name, self.version) if self.version else self._name

    id = qualified_name = source_name = source_qualified_name = name

    @property
    def collection(self) -> str:
        return self._name

    @property
    def source_version(self) -> str:
        return self.version

    @property
    def manifest(self) -> Manifest:
        """Its files: a list, and a mapping by name as `entries`."""
        return Manifest(self.files())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return unanswered("Artifact." + name)

    # Gathered
    def add_file(self, local_path: Any, name: Optional[str] = None, **options: Any) -> Entry:
        """Add one file. Raises ValueError when it is none."""
        path = os.path.abspath(os.fspath(local_path))
        if not os.path.isfile(path):
            raise ValueError("%s is no file" % local_path)
        return self._add(name or os.path.basename(path), path)

    def add_dir(self, local_path: Any, name: Optional[str] = None, **options: Any) -> None:
        """Add all files below a folder. Raises ValueError when it is none."""
        root = os.path.abspath(os.fspath(local_path))
        if not os.path.isdir(root):
            raise ValueError("%s is no folder" % local_path)
        for folder, _, names in os.walk(root):
            for each in names:
                inside = os.path.relpath(os.path.join(folder, each), root)
                self._add(os.path.join(name, inside) if name else inside, os.path.join(folder, each))

    def add(self, obj: Any, name: str, overwrite: bool = False) -> Entry:
        """Add a table or a media."""
        return self._add(name if isinstance(obj, media.Media) else name + ".table.json", obj)

    def add_reference(self, uri: Any, name: Optional[str] = None, **options: Any) -> List[Any]:
        """Note an address; what is there is not fetched."""
        self._references[str(name or os.path.basename(str(uri)) or uri)] = str(uri)
        return []

    def new_file(self, name: str, mode: str = "x", encoding: Optional[str] = None, **options: Any) -> Any:
        """`with artifact.new_file("notes.txt") as stream:` writes a file of the artifact."""
        import tempfile

        path = os.path.join(tempfile.mkdtemp(prefix="trainconf-artifact-"), file_name(name))
        self._add(name, path)
        return open(path, mode, encoding=None if "b" in mode else encoding or "utf-8")

    def remove(self, item: Any) -> None:
        self._files.pop(str(getattr(item, "path", item)), None)

    def _add(self, name: Any, content: Any) -> Entry:
        inside = os.path.normpath(os.fspath(name)).lstrip("/")
        if inside.split(os.sep)[0] == "..":
            raise ValueError("the name %r leads out of the artifact" % (name,))
        self._files[inside] = content
        return Entry(self, inside)

    # Kept
    def _keep(self, folder: Folder, aliases: List[str]) -> None:
        """Copy all files to the next version's folder. Raises OSError and what an object raises; then nothing of it is there."""
        above = os.path.join(folder.path, "artifacts", file_name(self._name))
        os.makedirs(above, exist_ok=True)
        part = beside(os.path.join(above, "next"))
        try:
            for name, content in self._files.items():
                _write(content, os.path.join(part, name))
            os.makedirs(part, exist_ok=True)
            self.version = _take_version(part, above)
            self.aliases = sorted({*self.aliases, *map(str, aliases), "latest"})
            replace(os.path.join(above, self.version + ".json"), json.dumps(self._described(), indent=1) + "\n")
        except BaseException:
            shutil.rmtree(os.path.join(above, self.version) if self.version else part, ignore_errors=True)
            self.version = ""
            raise
        self._path, self.state = os.path.join(above, self.version), "COMMITTED"

    def _described(self) -> Dict[str, Any]:
        return {
            "name": self._name, "type": self.type, "version": self.version, "aliases": self.aliases, "description": self.description,
            "metadata": jsonable(self.metadata), "references": self._references, "files": sorted(self._files),
        }  # fmt: skip

    def save(self, *args: Any, **options: Any) -> None:
        return None

    def wait(self, timeout: Any = None) -> Artifact:
        return self

    def finalize(self) -> None:
        return None

    def is_draft(self) -> bool:
        return not self.version

    def link(self, target_path: str, aliases: Any = None) -> None:
        return None

    # Used
    def download(self, root: Any = None, **options: Any) -> str:
        """The folder of its files; with `root` a copy of them there."""
        if root is None:
            return self._path
        for name in self._names():
            copy(os.path.join(self._path, name), os.path.join(os.fspath(root), name))
        return str(os.fspath(root))

    checkout = download

    def file(self, root: Any = None) -> str:
        """The path of the only file. Raises ValueError when there are several."""
        names = self._names()
        if len(names) != 1:
            raise ValueError("the artifact %s has %d files" % (self.name, len(names)))
        return str(os.path.join(self.download(root), names[0]))

    def files(self, names: Any = None, **options: Any) -> List[Entry]:
        return [Entry(self, name) for name in self._names() if not names or name in names]

    def get_path(self, name: Any) -> Entry:
        """One file of it. Raises KeyError."""
        if os.fspath(name) not in self._names():
            raise KeyError("the artifact %s has no %s; it has %s" % (self.name, name, ", ".join(self._names()[:10]) or "no files"))
        return Entry(self, os.fspath(name))

    get_entry = get_path

    def get(self, name: str) -> Any:
        """A table that was added; None when there is none of that name."""
        path = os.path.join(self._path, name if name.endswith(".table.json") else name + ".table.json")
        if not os.path.isfile(path):
            return media.Image(os.path.join(self._path, name)) if os.path.isfile(os.path.join(self._path, name)) else None
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
        return tables.Table(columns=found["columns"], data=found["data"])

    @property
    def size(self) -> int:
        return sum(os.path.getsize(os.path.join(self._path, name)) for name in self._names()) if self._path else 0

    @property
    def file_count(self) -> int:
        return len(self._names())

    @property
    def digest(self) -> str:
        """A checksum of names and contents."""
        import hashlib

        return hashlib.md5("".join(entry.path + entry.digest for entry in self.files()).encode()).hexdigest()

    def _names(self) -> List[str]:
        if not self._path:
            return sorted(self._files)
        return sorted(os.path.relpath(os.path.join(folder, name), self._path) for folder, _, names in os.walk(self._path) for name in names)

    def __getitem__(self, name: str) -> Any:
        return self.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())


class Entry:
    """One file of an artifact."""

    def __init__(self, artifact: Artifact, path: str) -> None:
        self._artifact = artifact
        self.path = self.name = path

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)  # trackio's entries are mappings

    def download(self, root: Any = None, **options: Any) -> str:
        return os.path.join(self._artifact.download(root), self.path)

    @property
    def size(self) -> int:
        return os.path.getsize(os.path.join(self._artifact._path, self.path))

    @property
    def digest(self) -> str:
        """A checksum of its content."""
        import hashlib

        with open(os.path.join(self._artifact._path, self.path), "rb") as stream:
            return hashlib.md5(stream.read()).hexdigest()


class Manifest(list):  # type: ignore[type-arg]
    """The files of an artifact."""

    @property
    def entries(self) -> Dict[str, Entry]:
        return {entry.path: entry for entry in self}


def of_path(path: Any, name: str, kind: Optional[str]) -> Artifact:
    """An artifact of one file, or of a folder. Raises ValueError when there is none."""
    artifact = Artifact(name, kind or "unspecified")
    (artifact.add_dir if os.path.isdir(path) else artifact.add_file)(path)
    return artifact


def find(asked: str, folder: Folder, run_dir: str) -> Artifact:
    """The artifact `name`, `name:v3` or `name:alias`: of this run, an input of that name, of the newest run that has it. Or NotThere."""
    name, _, wanted = asked.rpartition("/")[2].partition(":")
    tool = os.path.basename(folder.path)
    own = os.path.join(folder.path, "artifacts", file_name(name))
    main = os.path.join(Folder(tool, Run.get_context()).path, "artifacts", file_name(name))
    variable = "TRAINCONF_INPUT_" + "".join(c if c.isascii() and c.isalnum() else "_" for c in name).upper()
    for above in [own, main, None, *_others(run_dir, tool, file_name(name))]:
        found = _of_input(name, os.environ.get(variable, "")) if above is None else _version(above, wanted)
        if found is not None:
            return found
    raise NotThere(
        "there is no artifact %s in this run or in those of the workspace that it sees; declare it as an input of the run: inputs.%s=PATH"
        % (asked, name.replace("-", "_"))
    )  # fmt: skip


def _of_input(name: str, path: str) -> Optional[Artifact]:
    if not path:
        return None
    found = Artifact(name, "input")
    found.version, found.state = "v0", "COMMITTED"
    found._path = path if os.path.isdir(path) else os.path.dirname(path)
    return found


def _others(run_dir: str, tool: str, name: str) -> List[str]:
    """The folders of that artifact in other runs, newest first."""
    import glob

    if not run_dir:
        return []
    inside = os.path.join("*", "outputs", tool, "artifacts", name)
    beside = os.path.dirname(run_dir)  # in a container child runs lie there
    found = glob.glob(os.path.join(glob.escape(os.path.dirname(beside)), "*", inside))
    found += glob.glob(os.path.join(glob.escape(beside), inside))
    return sorted(found, key=os.path.getmtime, reverse=True)


def _version(above: str, wanted: str) -> Optional[Artifact]:
    """The version of that number or alias, else the newest; None when there is none."""
    numbers = sorted((_number(name) for name in (os.listdir(above) if os.path.isdir(above) else ()) if _number(name) >= 0), reverse=True)
    for number in numbers:
        try:
            with open(os.path.join(above, "v%d.json" % number), encoding="utf-8") as stream:
                said = json.load(stream)
        except FileNotFoundError:  # it is being written, or its process was killed
            continue
        if wanted in ("", "latest", said["version"], *said["aliases"]):
            found = Artifact(said["name"], said["type"], said["description"], said["metadata"])
            found.version, found.aliases, found._references = said["version"], said["aliases"], said["references"]
            found._path, found.state = os.path.join(above, "v%d" % number), "COMMITTED"
            return found
    return None


def _take_version(part: str, above: str) -> str:
    """Make a folder the next version: of several processes that do so each gets its own."""
    while True:
        version = "v%d" % (1 + max([_number(name) for name in os.listdir(above)], default=-1))
        try:
            os.rename(part, os.path.join(above, version))
        except OSError:
            if os.path.exists(os.path.join(above, version)):  # another process was faster
                continue
            raise
        return version


def _number(name: str) -> int:
    return int(name[1:]) if name[:1] == "v" and name[1:].isdigit() else -1


def _write(content: Any, path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if isinstance(content, str):
        copy(content, path)
    elif isinstance(content, media.Media):
        saved = content.save(os.path.splitext(path)[0])
        if saved != path and not os.path.splitext(path)[1]:
            os.replace(saved, path + os.path.splitext(saved)[1])
    elif hasattr(content, "described"):
        replace(path, json.dumps(content.described(jsonable)) + "\n")
    else:
        replace(path, json.dumps(jsonable(content)) + "\n")

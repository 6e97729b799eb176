"""Makes a folder a workspace with examples to run. Adds what is missing, and changes nothing that is there."""

from __future__ import annotations

import os

from trainconf import files, paths
from trainconf.errors import StorageError

LOCAL_YAML = """\
# @package _global_
# Facts about this machine, read by every command and kept out of version control. Uncomment what is true here.

# compute:
#   slots: 8  # runs that may be under way at once; a run takes compute.cpus of them. Left out: the number of CPUs
#   gpu_devices: ["0", "1"]  # GPU ids that may be leased. Left out: what CUDA_VISIBLE_DEVICES or the driver says
#   lease_dir: /var/tmp/leases  # folder all runs of this machine share to queue for both. Left out: the machine's own
"""

IGNORED = ("runs/", ".trainconf/", "conf/local.yaml")


class Additions:
    """Files and folders added one by one to a folder; `undo` takes all of them back, newest first."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.made: list[str] = []
        self.kept: list[str] = []
        self._created: list[str] = []
        self._grown: list[tuple[str, int]] = []

    def add_folder(self, path: str) -> None:
        """Create a folder and the parents it lacks."""
        if os.path.isdir(path):
            return
        parent = os.path.dirname(path)
        if parent != path:
            self.add_folder(parent)
        os.mkdir(path)
        self._created.append(path)

    def add_file(self, name: str, data: bytes) -> None:
        """Create a file; one that exists, a dangling link included, is kept as it is."""
        path = os.path.join(self.root, name)
        self.add_folder(os.path.dirname(path))
        if os.path.lexists(path):
            self.kept.append(name)
            return
        with open(path, "xb", buffering=0) as stream:
            self._created.append(path)
            files.write_all(stream.fileno(), data)
        self.made.append(name)

    def add_lines(self, name: str, wanted: tuple[str, ...]) -> None:
        """Append the lines a file lacks; `/runs` says the same as `runs/`."""
        path = os.path.join(self.root, name)
        if not os.path.exists(path):
            self.add_file(name, "".join(f"{line}\n" for line in wanted).encode())
            return
        with open(path, "rb") as stream:
            text = stream.read()
        present = {line.strip().strip(b"/") for line in text.splitlines()}
        missing = [line for line in wanted if line.strip("/").encode() not in present]
        if not missing:
            self.kept.append(name)
            return
        start = "" if not text or text.endswith(b"\n") else "\n"
        with open(path, "ab", buffering=0) as stream:
            self._grown.append((path, len(text)))
            files.write_all(stream.fileno(), (start + "".join(f"{line}\n" for line in missing)).encode())
        self.made.append(f"{name} ({len(missing)} lines added)")

    def undo(self) -> None:
        """Leave everything as it was found."""
        for path, size in self._grown:
            os.truncate(path, size)
        for path in reversed(self._created):
            remove = os.rmdir if os.path.isdir(path) else os.unlink
            remove(path)


def make_workspace(root: str) -> Additions:
    """Put the shipped projects, their experiments and a place for machine facts into `root`; all of it or, on any failure, nothing.

    Raises StorageError.
    """
    additions = Additions(root)
    try:
        additions.add_folder(root)
        additions.add_file("conf/local.yaml", LOCAL_YAML.encode())
        for example in sorted(os.listdir(paths.packaged("projects"))):
            _add_copy(additions, "conf", "experiment", f"{example}.yaml")
            for name in sorted(os.listdir(paths.packaged("projects", example))):
                _add_copy(additions, "projects", example, name)
        additions.add_lines(".gitignore", IGNORED)
    except BaseException as error:
        additions.undo()
        if isinstance(error, OSError):
            raise StorageError.from_os_error(error, f"{root} cannot be made a workspace") from error
        raise
    return additions


def _add_copy(additions: Additions, *names: str) -> None:
    source = paths.packaged(*names)
    if os.path.isfile(source):  # in a checkout, a folder may be what a script run there has left
        with open(source, "rb") as stream:
            additions.add_file("/".join(names), stream.read())

"""Makes a folder a workspace with examples to run. Adds what is missing, and changes nothing that is there."""

from __future__ import annotations

import os

from trainconf import files, paths
from trainconf.errors import Mistake, StorageError, UserError
from trainconf.resolve.search import groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

LOCAL_YAML = """\
# @package _global_
# Facts about this machine, read by every command and kept out of version control. Uncomment what is true here.

# compute:
#   slots: 8  # runs that may be under way at once; a run takes compute.cpus of them. Left out: the number of CPUs
#   gpu_devices: ["0", "1"]  # GPU ids that may be leased. Left out: what CUDA_VISIBLE_DEVICES or the driver says
#   lease_dir: /var/tmp/leases  # folder all runs of this machine share to queue for both. Left out: the machine's own
"""

GROUP_YAML = """\
# @package params.{group}
# What {group}={choice} means: each value arrives as params.{group}.<key>, in the script as --{group}.<key>.
name: {choice}
"""

IGNORED = ("runs/", ".trainconf/")


class Additions:
    """Files and folders added one by one to a folder; `undo` takes all of them back, newest first."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.conf = _conf_of(root)  # where config files go, relative to root
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


def _conf_of(root: str) -> str:
    """`conf`, or `conf/trainconf` where that is there, or where conf/config.yaml is that of a Hydra app."""
    try:
        with open(os.path.join(root, paths.CONF_DIR, "config.yaml"), "rb") as stream:
            is_an_apps = b"schema/config" not in stream.read()
    except OSError:
        is_an_apps = False
    found = paths.WorkspacePaths(root).conf
    return "/".join(paths.OWN_CONF) if is_an_apps else os.path.relpath(found, root)


class Group:
    """A config group of a workspace's own, whose values land in `params.<name>`. Raises UserError for names that cannot be."""

    def __init__(self, name: str, choices: Sequence[str]) -> None:
        wrong = [Mistake(f"{text!r} cannot be the name of a config group or choice", ("from", "--group"),
                         ("allowed", "letters, digits and _, and a letter first"), hint="as in --group model=resnet,vit")
                 for text in (name, *choices) if not (text.isascii() and text.isidentifier())]
        if not wrong and name in groups([paths.packaged("conf")]):
            wrong = [Mistake(f"{name} is a group of trainconf's own", ("from", "--group"), hint="take another name")]
        if wrong:
            raise UserError(wrong)
        self.name = name
        self.choices = list(dict.fromkeys(choices))


def add_group(root: str, group: Group) -> Additions:
    """Add the files of a group to a workspace; all of them or, on any failure, none. Raises StorageError."""
    additions = Additions(root)
    try:
        for choice in group.choices:
            text = GROUP_YAML.format(group=group.name, choice=choice)
            additions.add_file(f"{additions.conf}/{group.name}/{choice}.yaml", text.encode())
    except BaseException as error:
        additions.undo()
        if isinstance(error, OSError):
            raise StorageError.from_os_error(error, f"the group {group.name} cannot be added to {root}") from error
        raise
    return additions


def has_own_files(root: str) -> bool:
    """Whether a folder has more than what `init` puts there and hidden files, such as a project of its user's."""
    try:
        return any(not name.startswith(".") and name not in ("conf", "projects", "runs") for name in os.listdir(root))
    except OSError:  # it is told when the folder is written to
        return False


def make_workspace(root: str, *, with_examples: bool = True) -> Additions:
    """Put the shipped projects, their experiments and a place for machine facts into `root`; all of it or, on any failure, nothing.

    Raises StorageError.
    """
    additions = Additions(root)
    try:
        additions.add_folder(root)
        additions.add_file(f"{additions.conf}/local.yaml", LOCAL_YAML.encode())
        for example in sorted(os.listdir(paths.packaged("projects"))) if with_examples else ():
            _add_copy(additions, additions.conf, paths.packaged("conf"), "experiment", f"{example}.yaml")
            for name in sorted(os.listdir(paths.packaged("projects", example))):
                _add_copy(additions, "projects", paths.packaged("projects"), example, name)
        additions.add_lines(".gitignore", (*IGNORED, f"{additions.conf}/local.yaml"))
    except BaseException as error:
        additions.undo()
        if isinstance(error, OSError):
            raise StorageError.from_os_error(error, f"{root} cannot be made a workspace") from error
        raise
    return additions


def _add_copy(additions: Additions, target: str, shipped: str, *names: str) -> None:
    source = os.path.join(shipped, *names)
    if os.path.isfile(source):  # in a checkout, a folder may be what a script run there has left
        with open(source, "rb") as stream:
            additions.add_file("/".join((target, *names)), stream.read())

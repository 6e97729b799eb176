"""A cell as a script: a file beside the other sources for as long as its submission takes, named by its content.

So equal cells are equal code: `submit.reuse` finds an earlier run, and two notebooks may submit the same cell at the same time.
"""

from __future__ import annotations

import fcntl
import os

from trainconf.control.compose import ComposeRequest, compose
from trainconf.errors import StorageError, TrainconfError, UserError
from trainconf.fast.sha256 import sha256
from trainconf.files import open_regular, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainconf.paths import WorkspacePaths


class CellScript:
    """A context manager. `name` is the script, relative to the source folder; `forget` removes the file before the end."""

    def __init__(self, source: str, folder: str) -> None:
        data = (source.rstrip("\n") + "\n").encode("utf-8", "surrogateescape")
        self.name = f"cell_{sha256(data).hexdigest()[:12]}.py"
        self._path = os.path.join(folder, self.name)
        self._data = data
        self._fd = -1

    def __enter__(self) -> CellScript:
        """Raises StorageError."""
        try:
            while not self._open():
                continue
        except OSError as error:
            raise StorageError.from_os_error(error, "the cell cannot be written beside the sources of the run") from error
        return self

    def __exit__(self, *_: object) -> None:
        self.forget()

    def forget(self) -> None:
        """Remove the file, unless another notebook submits the same cell now: then that one does."""
        if self._fd < 0:
            return
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(self._path)
        except (BlockingIOError, FileNotFoundError):
            pass  # in use, or gone
        finally:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> bool:
        """Whether the file is there, and ours together with whoever else submits it."""
        fd = open_regular(self._path, os.O_RDWR | os.O_CREAT)
        fcntl.flock(fd, fcntl.LOCK_SH)
        try:
            is_there = os.path.samestat(os.fstat(fd), os.stat(self._path))
        except FileNotFoundError:
            is_there = False
        if not is_there:  # it was removed before we had the lock
            os.close(fd)
            return False
        self._fd = fd
        if os.fstat(fd).st_size != len(self._data):  # new, or half of it is left of a kernel that was killed
            os.ftruncate(fd, 0)
            write_all(fd, self._data)
        return True


def check(source: str) -> None:
    """Raises UserError for a cell that no Python can run."""
    try:
        compile(source, "the cell", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        place = f", line {error.lineno}: {(error.text or '').strip()}" if isinstance(error, SyntaxError) else ""
        hint = "the cell runs as a script: magics, `!` and `await` outside of a function are the notebook's own"
        raise UserError(f"the cell is no Python script: {getattr(error, 'msg', error)}", ("from", f"the cell{place}"), hint=hint) from error


def source_folder(words: Sequence[str], workspace: WorkspacePaths) -> str:
    """The folder whose content is recorded: as the words say it, else the experiment; the workspace where these cannot be composed."""
    asked = [word for word in words if word.lstrip("+").startswith(("experiment=", "source_directory="))]
    try:
        found = compose(ComposeRequest(asked), workspace).config.get("source_directory")
    except TrainconfError:  # the command says it, with all other mistakes
        found = None
    folder = os.path.join(workspace.root, found) if isinstance(found, str) else workspace.root
    return folder if os.path.isdir(folder) else workspace.root

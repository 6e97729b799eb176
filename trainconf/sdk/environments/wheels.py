"""Wheels of a user's own, taken into a workspace so that requirements can name them."""

from __future__ import annotations

import filecmp
import os
import re
import shutil

from trainconf.errors import StorageError, UserError
from trainconf.sdk.settings.arguments import Arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.sdk.workspace import Workspace

FOLDER = "wheels"
WHEEL = re.compile(r"[\w.]+-[\w.!+]+(-\d[\w.]*)?-[\w.]+-[\w.]+-[\w.]+\.whl")  # "Binary distribution format": name-version-build-tags


def add_wheel(workspace: Workspace, file_path: str | os.PathLike[str], *, exist_ok: bool = False) -> str:
    """The requirement that names a wheel, which lies in the workspace afterwards. Raises UserError, StorageError."""
    arguments = Arguments("add_private_pip_wheel")
    named = arguments.path("file_path", file_path, optional=False)
    arguments.flag("exist_ok", exist_ok)
    arguments.check()
    path, root = os.path.abspath(str(named)), workspace.root
    if not os.path.isfile(path):
        raise UserError("the wheel does not exist", ("from", arguments.place), ("looked at", path))
    if not WHEEL.fullmatch(os.path.basename(path)):
        raise UserError("that is not the name of a wheel, by which pip knows what it holds", ("from", arguments.place), ("file", path),
                        ("allowed", "NAME-VERSION-PYTHON-ABI-PLATFORM.whl"))
    if not os.path.realpath(path).startswith(os.path.join(os.path.realpath(root), "")):
        target = os.path.join(root, FOLDER, os.path.basename(path))
        if os.path.exists(target) and not filecmp.cmp(path, target, shallow=False) and not exist_ok:
            raise UserError("the workspace has another wheel of that name", ("from", arguments.place), ("there", target),
                            hint="give it another version, or replace it with exist_ok=True")
        temp = f"{target}.{os.getpid()}-{os.urandom(4).hex()}.tmp"
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(path, temp)
            os.replace(temp, target)
        except OSError as error:
            raise StorageError.from_os_error(error, "the wheel cannot be copied into the workspace") from error
        path = target
    return os.path.join(".", os.path.relpath(os.path.realpath(path), os.path.realpath(root)))

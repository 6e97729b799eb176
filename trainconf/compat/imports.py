"""Where a job of another tool's program imports from: the run's own copy of its source directory, then where the submitting process did.

`of` is called when the job is submitted, `take` in the job: standard library.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def of(source: str) -> dict[str, Any]:
    """The places of this process, for a job whose source directory is `source`. Packages of this Python are left to the environment."""
    source = os.path.realpath(source)
    paths = [os.path.realpath(path) for path in sys.path if path and os.path.isdir(path)]
    return {"source": source, "path": [path for path in paths if not is_of_python(path)]}


def take(places: dict[str, Any]) -> None:
    """Import from them. The working directory is the run's copy of the source directory."""
    code, source = os.getcwd(), places["source"]
    inside = [path for path in places["path"] if (path + os.sep).startswith(source + os.sep)]
    sys.path[:0] = [os.path.normpath(os.path.join(code, os.path.relpath(path, source))) for path in inside]
    sys.path += [path for path in places["path"] if path not in inside and path not in sys.path]


def is_of_python(path: str) -> bool:
    """Whether a folder holds the standard library or installed packages."""
    import sysconfig

    if os.path.basename(path) in ("site-packages", "dist-packages"):
        return True
    library = (os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))
    return any((path + os.sep).startswith(folder + os.sep) for folder in library)

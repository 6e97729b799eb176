"""Run ids, and the folder that makes one its owner's: `mkdir` must succeed."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from trainconf.errors import ConfigError
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.resolve.resolver import is_run_name

IGNORE_FILE = ".gitignore"
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # no i, l, o, u: they are misread, or spell words


def new_run_id(experiment_name: str) -> str:
    """`<experiment>-<UTC date>-<UTC time>-<four random letters>`, such as digits-20261123-0532-x7k2."""
    bits = int.from_bytes(os.urandom(4), "big")
    letters = "".join(_ALPHABET[(bits >> shift) & 31] for shift in (0, 5, 10, 15))
    return f"{experiment_name}-{time.strftime('%Y%m%d-%H%M', time.gmtime())}-{letters}"


def claim_run_dir(workspace: WorkspacePaths, experiment_name: str, run_id: str = "") -> RunPaths:
    """Make the folder of a new run; nobody else can have made it.

    Raises OSError, FileExistsError for a given id that is taken, and ConfigError for a name that leaves `runs/`: whatever road it came.
    """
    if not is_run_name(experiment_name):
        raise ConfigError(f"experiment_name cannot be {experiment_name!r}", ("allowed", "letters, digits, `_`, `-`, `.`"))
    folder = os.path.join(workspace.runs, experiment_name)
    while True:
        paths = workspace.run(experiment_name, run_id or new_run_id(experiment_name))
        try:
            os.mkdir(paths.run_dir)
            return paths
        except FileNotFoundError:
            _hide_from_git(workspace)
            os.makedirs(folder, exist_ok=True)  # the first one, or a failed submission took its empty experiment away just now
        except FileExistsError:
            if run_id:
                raise


def remove_run_dir(paths: RunPaths) -> None:
    """Remove what was half made, and the folders above it that nothing else is in."""
    import shutil

    shutil.rmtree(paths.run_dir, ignore_errors=True)
    experiment = os.path.dirname(paths.run_dir)
    runs = os.path.dirname(experiment)
    with suppress(OSError):  # not empty: others are there
        os.rmdir(experiment)
        if os.listdir(runs) == [IGNORE_FILE]:
            os.unlink(os.path.join(runs, IGNORE_FILE))
        os.rmdir(runs)


def _hide_from_git(workspace: WorkspacePaths) -> None:
    """Let git ignore `runs/` and `.trainconf/` when `runs/` is made; what a user does about it afterwards stays. Raises OSError."""
    if os.path.isdir(workspace.runs):
        return
    for folder in (workspace.runs, workspace.state):
        make_ignored(folder)


def make_ignored(folder: str) -> None:
    """Make a folder that git ignores; one that has a `.gitignore` keeps it. Raises OSError."""
    os.makedirs(folder, exist_ok=True)
    with suppress(FileExistsError), open(os.path.join(folder, IGNORE_FILE), "x") as stream:
        stream.write("*\n")

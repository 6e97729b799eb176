"""Calls of functions as runs: they are pickled into a folder named by their content, which the params of their run name."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from trainconf.errors import UserError

# So that calls and results, which often lie within the source directory, are not taken for code.
IGNORE = "# written by trainconf\ncalls-*/\n*_submitted.pkl*\n*_result.pkl*\n*_run_dir\n*_log.out\n*_log.err\n"


def keep(home: Path, write: Callable[[Path], None]) -> str:
    """Have `write` fill a folder below `home`; its path, `calls-<hash>`. The same content has the same folder.

    Raises UserError when it cannot be written, and what `write` raises.
    """
    try:
        make(home)
        _note_what_is_taken_for_code(home)
        with tempfile.TemporaryDirectory(dir=home, prefix=".calls-") as made:
            write(Path(made))
            digest = hashlib.sha256()
            for path in sorted(Path(made).iterdir()):
                data = path.read_bytes()
                digest.update(f"{path.name} {len(data)} ".encode() + data)
            target = home / f"calls-{digest.hexdigest()[:16]}"
            with suppress(FileExistsError):
                os.chmod(made, 0o755)
                if not target.exists():
                    os.rename(made, target)
                    os.mkdir(made)  # what the block removes
    except OSError as error:
        raise UserError(f"the calls cannot be written: {error.strerror}", ("path", str(error.filename or home))) from error
    return str(target)


def _note_what_is_taken_for_code(home: Path) -> None:
    """Say it where somebody else's .trainconfignore stands in the place of ours, and has neither our lines nor `*`."""
    path = home / ".trainconfignore"
    lines = path.read_text(errors="replace").splitlines()
    lacking = [line for line in IGNORE.splitlines()[1:] if line not in lines]
    if lacking and "*" not in lines:
        text = "note: %s lacks the lines %s; without them calls and results are recorded as code when they lie in the source directory"
        logging.getLogger("trainconf").warning(text, path, " ".join(lacking))


def make(folder: Path) -> None:
    """Make a folder of calls and results."""
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError), open(folder / ".trainconfignore", "x") as stream:
        stream.write(IGNORE)

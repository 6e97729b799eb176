"""The files that a dataset names: folders, files and patterns, and the steps that leave some of them out."""

from __future__ import annotations

import glob
import os
import random
import shutil

from trainconf.compat.azureml.data import registry
from trainconf.compat.azureml.exceptions import DatasetValidationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

WILD = frozenset("*?[")


def is_pattern(path: str) -> bool:
    """Whether a path stands for many, and is not one that is there and only looks so."""
    return bool(WILD & set(path)) and not os.path.exists(path)


def base_of(path: str) -> str:
    """The folder that paths of files are relative to: what comes before the first wildcard, or the folder of a file."""
    if is_pattern(path):
        parts = path.split(os.sep)
        fixed = next(index for index, part in enumerate(parts) if WILD & set(part))
        return os.sep.join(parts[:fixed]) or os.sep
    return path if os.path.isdir(path) else os.path.dirname(path)


def files_of(path: str) -> list[str]:
    """The files that one path names, sorted. A folder names all below it."""
    if is_pattern(path):
        found = glob.glob(path, recursive=True)
        return sorted(name for name in found if os.path.isfile(name))
    if os.path.isdir(path):
        return sorted(os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)
    return [path] if os.path.isfile(path) else []


def base(paths: Sequence[str]) -> str:
    """The folder that the files of several paths are relative to."""
    bases = [base_of(path) for path in paths]
    return bases[0] if len(bases) == 1 else os.path.commonpath(bases)


def files(paths: Sequence[str], steps: Sequence[Sequence[Any]] = ()) -> list[str]:
    """The files of several paths in their order, less what the steps leave out."""
    found = list(dict.fromkeys(name for path in paths for name in files_of(path)))
    for step in steps:
        found = stepped(found, step)
    return found


def stepped(rows: Any, step: Sequence[Any]) -> Any:
    """A list after one step: ["take", n], ["skip", n], ["sample", probability, seed] or ["split", share, seed, is_first]."""
    name, *values = step
    if name == "take":
        return rows[: values[0]]
    if name == "skip":
        return rows[values[0] :]
    return [row for row, is_kept in zip(rows, kept(len(rows), step)) if is_kept]  # noqa: B905 (Python 3.8)


def kept(count: int, step: Sequence[Any]) -> Iterator[bool]:
    """Which of some rows a random step keeps: the same ones each time, for the same seed."""
    name, share, seed, *rest = step
    draw = random.Random(seed)
    for _ in range(count):
        is_drawn = draw.random() < share
        yield is_drawn if name == "sample" or rest[0] else not is_drawn


def place(paths: Sequence[str], steps: Sequence[Sequence[Any]], staging: str) -> str:
    """A path that has these files and no others: the one that is there, or else copies in a folder below `staging`.

    A folder stays that folder, a single file that file. Raises DatasetValidationError when there is no file.
    """
    if not steps and len(paths) == 1 and not is_pattern(paths[0]) and os.path.exists(paths[0]):
        return paths[0]
    wanted, top = files(paths, steps), base(paths)
    if not wanted:
        raise DatasetValidationError("the dataset has no files: " + ", ".join(paths))
    if wanted == files_of(top):
        return top
    return _staged(wanted, top, staging)


def _staged(wanted: Sequence[str], top: str, staging: str) -> str:
    """Copies of the files in a folder of their own, made once for files that do not change."""
    from hashlib import sha256

    facts = [(os.path.relpath(name, top), os.stat(name)) for name in wanted]
    told = "".join(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n" for name, stat in facts)
    folder = os.path.join(staging, sha256((top + "\n" + told).encode("utf-8", "surrogateescape")).hexdigest()[:24])
    if not os.path.isdir(folder):
        unfinished = registry.beside(folder)
        for source, (name, _) in zip(wanted, facts):  # noqa: B905 (Python 3.8)
            copy = os.path.join(unfinished, name)
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy2(source, copy)
        try:
            os.rename(unfinished, folder)
        except OSError:
            shutil.rmtree(unfinished)
            if not os.path.isdir(folder):
                raise
    return folder

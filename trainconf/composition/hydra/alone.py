"""Lets one thread at a time compose, without the garbage collector."""

from __future__ import annotations

import _thread
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

_composing = _thread.RLock()  # Hydra and OmegaConf keep what they register for the whole process, and bear one thread at a time


def _after_fork() -> None:
    global _composing
    _composing = _thread.RLock()  # another thread may have held it


os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def without_collector() -> Iterator[None]:
    """Compose alone, and leave garbage alone: thousands of nodes all live to the end, which costs 10 of 60 ms."""
    with _composing:
        yield from _uncollected()


def _uncollected() -> Iterator[None]:
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()

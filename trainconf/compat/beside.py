"""Says so when a package of trainconf's stands in front of an installed one of the same name. Standard library, Python 3.8 grammar."""

from __future__ import annotations

import os
import sys


def installed(name: str, ours: str) -> str:
    """Where else `import name` would find a package; empty where nothing else has it. `ours` is the file of the one in front."""
    folder = os.path.dirname(os.path.dirname(os.path.realpath(ours)))
    for entry in sys.path:
        place = os.path.join(entry or ".", name)
        if os.path.realpath(entry or ".") != folder and (os.path.isdir(place) or os.path.isfile(place + ".py")):
            return place
    return ""


def say(name: str, ours: str) -> None:
    """One line on standard error, which is in the run's log, when an installed package is not used."""
    other = installed(name, ours)
    if other:
        print(
            f"trainconf: `import {name}` gets trainconf's own, for this was asked for (compat). The one in {other} is not used.",
            file=sys.stderr, flush=True,
        )  # fmt: skip

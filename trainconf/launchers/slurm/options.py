"""Checks the settings that become options of sbatch, before anything is made."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from trainconf.errors import ConfigError, Mistake
from trainconf.launchers.slurm.commands import Controller, no_sbatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Options of sbatch that have a setting of their own.
SETTINGS = {
    "partition": "compute.partition", "account": "compute.account", "qos": "compute.qos", "nodes": "distributed.node_count",
    "cpus-per-task": "compute.cpus_per_task", "gpus-per-node": "compute.gpus_per_node", "mem": "compute.mem_gib",
    "time": "compute.time_minutes", "signal": "compute.signal_seconds", "constraint": "compute.constraint",
    "exclusive": "compute.exclusive", "requeue": "compute.requeue", "no-requeue": "compute.requeue",
    "ntasks": "distributed", "ntasks-per-node": "distributed", "array": "a sweep (-m)",
}
# Options by which trainconf finds its job again, or keeps it in its folder.
_OWNED = {
    "job-name", "comment", "output", "error", "input", "open-mode", "chdir", "parsable", "wrap", "wait", "test-only", "export",
    "export-file", "help", "usage", "version", "quiet", "verbose", "clusters", "uid", "gid", "get-user-env",
}


def check(compute: Mapping[str, Any], controller: Controller, node: str = "compute") -> None:
    """Raises ConfigError, every mistake at once. sbatch is asked for its options only when some are handed to it.

    node: whose settings these are, for messages.
    """
    from shutil import which

    if which("sbatch", path=controller.path) is None:
        raise no_sbatch()
    if controller.configuration and not os.path.exists(controller.configuration):  # sbatch waits a minute for it
        raise ConfigError("SLURM_CONF names a file that is not there", ("from", f"environment: SLURM_CONF={controller.configuration}"),
                          hint="without it Slurm's commands look for their cluster themselves")
    mistakes = [*_lines(compute, node), *(_options(compute, controller, node) if compute.get("sbatch") else ())]
    if mistakes:
        raise ConfigError(mistakes)


def _lines(compute: Mapping[str, Any], node: str) -> Iterator[Mistake]:
    """Values that need more than one line of the script. Lines of `setup` are bash, whatever they hold."""
    values = {f"{node}.{name}": value for name, value in compute.items() if name not in ("sbatch", "setup")}
    values |= {f"{node}.sbatch.{name}": value for name, value in (compute.get("sbatch") or {}).items()}
    for name, value in values.items():
        each = value if isinstance(value, list) else [value]
        if any(isinstance(item, (dict, list)) for item in each):
            yield Mistake(f"{name} is a mapping, or holds one", ("allowed", "a text, a number, a list of these, true or false"))
        elif any(_breaks_line(str(item)) for item in each):
            yield Mistake(f"{name}={value!r} does not fit on one line", ("allowed", "text without control characters"))
    for number, line in enumerate(compute.get("setup") or []):
        if "\0" in str(line) or not _can_be_sent(str(line)):
            yield Mistake(f"{node}.setup[{number}]={line!r} cannot be sent to Slurm", ("allowed", "text without NUL and lone surrogates"))


def _breaks_line(text: str) -> bool:
    return any(ord(char) < 32 or ord(char) == 127 for char in text) or len(text.splitlines()) > 1 or not _can_be_sent(text)


def _can_be_sent(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _options(compute: Mapping[str, Any], controller: Controller, node: str) -> Iterator[Mistake]:
    import difflib

    known = set(re.findall(r"--([a-z][a-z-]+)", controller.call("sbatch", "--help").text()))
    for given in compute["sbatch"]:
        name = str(given).replace("_", "-")
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", name) is None:
            yield Mistake(f"{node}.sbatch has {str(given)!r}, which is no name of an option", ("allowed", "letters, digits, - and _"))
        elif name in SETTINGS:
            yield Mistake(f"{node}.sbatch.{given} has a setting of its own", ("allowed", SETTINGS[name].replace("compute", node)))
        elif name in _OWNED:
            yield Mistake(f"{node}.sbatch.{given} is trainconf's own: by it the run is found again, or is kept in its folder")
        elif known and name not in known:
            near = difflib.get_close_matches(name, sorted(known - _OWNED), n=1)
            nearest = [("nearest", f"{node}.sbatch.{near[0]}")] if near else []
            yield Mistake(f"{node}.sbatch.{given} is not an option of sbatch", *nearest, hint="`sbatch --help` lists them")

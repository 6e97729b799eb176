"""The shapes in which the original gives what was logged: they depend on how much it was."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def metrics(found: dict[str, Any]) -> dict[str, Any]:
    """`Run.get_metrics()` of ours, where everything is a list, in the original's shapes.

    One value is that value, several are a list. A table is a mapping of columns, each a list, or of one row each that row's value.
    """
    return {name: _columns(value) if isinstance(value, dict) and _is_table(value) else _several(value) for name, value in found.items()}


def _is_table(value: dict[str, Any]) -> bool:
    return all(isinstance(column, list) for column in value.values())


def _columns(table: dict[str, Any]) -> dict[str, Any]:
    return {name: _several(column) for name, column in table.items()}


def _several(values: Any) -> Any:
    return values[0] if isinstance(values, list) and len(values) == 1 else values


def file_name(name: str, there: Any) -> str:
    """A file of a run by the name it has here, for a name of the original's: `azureml-logs/70_driver_log.txt` is `logs/std_log.txt`.

    there: the names of the run's files. A name that is none of them stays as it is.
    """
    if name in there:
        return name
    for wanted in (f"outputs/{name}", _log_name(name)):
        if wanted in there:
            return wanted
    return name


def _log_name(name: str) -> str:
    """The log of a process: `user_logs/std_log_process_1.txt` and `azureml-logs/70_driver_log_1.txt` are that of rank 1."""
    folder, _, file = name.partition("/")
    if folder not in ("user_logs", "azureml-logs", "logs"):
        return name
    digits = "".join(character for character in file.rpartition("log")[2] if character.isdigit())
    return f"logs/std_log_rank_{digits}.txt" if digits and digits != "0" else "logs/std_log.txt"

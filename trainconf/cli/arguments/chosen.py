"""Reads which runs a verb means: names, or an expression that `ls --where` takes too."""

from __future__ import annotations

from trainconf.errors import RunNotFoundError, UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from trainconf.paths import RunPaths, WorkspacePaths

WHERE_HELP = "instead of names: every run for which this holds, as `trainconf ls --where` has it"


def add_where(parser: argparse.ArgumentParser) -> None:
    """The flag."""
    parser.add_argument("--where", metavar="EXPRESSION", default="", help=WHERE_HELP)


def chosen(workspace: WorkspacePaths, names: Sequence[str], where: str, *, archived: bool | None = False) -> list[RunPaths]:
    """The runs and sweeps, each once. Of those that `where` finds the archived ones are left out, or are the only ones, or both (None).

    Raises UserError for names and an expression together, and for neither; RunNotFoundError when there is nothing.
    """
    if bool(names) == bool(where):
        raise UserError("name runs, or say which with --where" if not names else "name runs, or say which with --where: not both",
                        ("from", "command line"), hint="`last` is the newest run; `trainconf ls` lists them, with --where EXPRESSION some")
    if names:
        from trainconf.control.runs import find_all

        return find_all(workspace, names)
    from trainconf.control.history import ls

    found = [row.paths for row in ls(workspace, where=where, archived=archived)]
    if not found:
        which = {False: "no run that is not archived", True: "no archived run", None: "no run"}[archived]
        raise RunNotFoundError(f"for {which} holds: {where}", ("workspace", workspace.root), hint="`trainconf ls` lists the runs")
    return found

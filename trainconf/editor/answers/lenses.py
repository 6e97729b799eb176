"""What an editor shows above an experiment or a frozen file, to be clicked. The editor carries the commands out, or passes them over."""

from __future__ import annotations

from lsprotocol import types

from trainconf.editor.documents import Opened
from trainconf.editor.workspaces import experiment_name

_EXPERIMENT = (("run", "trainconf.run"), ("plan", "trainconf.plan"), ("sweep", "trainconf.sweep"))
_FROZEN = (("run", "trainconf.run"), ("freeze --check", "trainconf.check"))


def lenses(opened: Opened) -> list[types.CodeLens]:
    """Those of a file: each command has the workspace's folder, and what follows `experiment=` or the path of a frozen file."""
    name = opened.path if opened.is_frozen else experiment_name(opened.path, opened.workspace)
    commands = (_FROZEN if opened.is_frozen else _EXPERIMENT) if name else ()
    first = types.Range(types.Position(0, 0), types.Position(0, 0))
    return [types.CodeLens(first, types.Command(title, command, arguments=[opened.workspace.root, name])) for title, command in commands]

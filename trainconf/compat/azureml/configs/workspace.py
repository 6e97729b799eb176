"""The workspace of a program that submits: the original's names, and one of trainconf's own for its calls."""

from __future__ import annotations

from trainconf.compat.azureml.workspace import Workspace
from trainconf.sdk import workspace


class SubmitWorkspace(Workspace, workspace.Workspace):  # type: ignore[misc,override]  # the original's names win
    """A workspace that `trainconf.Environment.get` and its like take as well."""


SubmitWorkspace.__name__ = SubmitWorkspace.__qualname__ = "Workspace"

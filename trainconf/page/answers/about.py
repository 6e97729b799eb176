"""What this page is of: the workspace, the machine, the user, and how it is reached from elsewhere."""

from __future__ import annotations

import os

from trainconf import __version__
from trainconf.control.tensorboard.server import tunnel
from trainconf.history import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.page.request import Request


def about(request: Request) -> dict[str, Any]:
    """The page's own facts. `ssh` is the command that brings its port to another machine, null where nobody is here by ssh."""
    user, _, host = events.requester().rpartition("@")
    root = request.workspace.root
    return {
        "version": __version__, "workspace": {"name": os.path.basename(root), "path": root}, "host": host, "user": user,
        "read_only": request.read_only, "now": events.now(), "ssh": (tunnel(request.site.port) if request.site.port else "") or None,
    }  # fmt: skip

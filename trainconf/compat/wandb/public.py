"""`wandb.Api()`: there is no server to ask. It says what to type instead."""

from __future__ import annotations

from trainconf.compat.tracking.notes import Unanswered, note
from trainconf.compat.wandb import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional


KEY = "none is needed"  # scripts ask whether there is one before they log


class Api:
    """Answers with nothing, but for artifacts that this run can see."""

    def __init__(self, *args: Any, **options: Any) -> None:
        note("Api", "wandb.Api asks a server, and there is none: `trainconf ls --json` and `trainconf show RUN --json` have the runs")
        self.default_entity: Optional[str] = None
        self.api_key = KEY
        self.settings = {"entity": None, "project": None, "base_url": ""}

    def artifact(self, name: str, type: Optional[str] = None) -> Any:
        """An artifact of this run or of its workspace. Raises CommError."""
        run = current.run()
        return run.use_artifact(name, type) if run is not None else Unanswered("wandb.Api().artifact")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Unanswered("wandb.Api()." + name)


PublicApi = InternalApi = Api
api = Unanswered("wandb.api")
api.api_key = KEY

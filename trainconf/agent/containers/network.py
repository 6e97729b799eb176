"""The network of a run with several containers: made before them, removed after them."""

from __future__ import annotations

import time

from trainconf.agent.containers.container import RETRY_SECONDS, remove
from trainconf.engine import container as contract
from trainconf.engine.client import EngineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.engine.client import Engine

ENDPOINTS_LEFT = (0, 403, 409)  # nobody answers; the engine still takes containers off it


class Network:
    """`body` is that of POST /networks/create; None: no network is needed, and nothing is done."""

    def __init__(self, engine: Engine, body: dict[str, Any] | None, patience_s: float) -> None:
        self._engine = engine
        self._patience_s = patience_s
        self._body = body
        self._id = ""

    def make(self) -> None:
        """Raises EngineError. One of that name with this run's label was made by a request whose answer was lost."""
        if self._body is None:
            return
        give_up_at = time.monotonic() + self._patience_s
        while not self._id:
            try:
                self._id = self._engine.post("/networks/create", body=self._body)["Id"]
            except EngineError as error:
                if error.status == 409:
                    self._id = self._existing(error)
                elif error.status != 0 or time.monotonic() >= give_up_at:
                    raise
                else:
                    time.sleep(RETRY_SECONDS)

    def _existing(self, error: EngineError) -> str:
        assert self._body is not None
        label = f"{contract.LABEL_RUN_DIR}={self._body['Labels'][contract.LABEL_RUN_DIR]}"
        for found in self._engine.get("/networks", {"filters": {"label": [label]}}):
            if found["Name"] == self._body["Name"]:
                return str(found["Id"])
        raise error

    def remove(self) -> str:
        """Why it could not be removed, if so. Blocks."""
        if not self._id:
            return ""
        failure = remove(self._engine, f"/networks/{self._id}", None, f"network {self._id[:12]}", ENDPOINTS_LEFT, self._patience_s)
        self._id = self._id if failure else ""
        return failure

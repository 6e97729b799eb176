"""Finds containers and networks that a run has left behind, by their label, and removes them."""

from __future__ import annotations

import time

from trainconf.engine import container
from trainconf.engine.client import EngineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.engine.client import Engine

POLL_SECONDS = 0.05
GONE_OR_GOING = (404, 409)
ENDPOINTS_LEFT = (403, 409)  # of a network, until the engine has taken its containers off it
NETWORK_PATIENCE_SECONDS = 10.0  # until the engine has taken the containers off it


def remove(engine: Engine, run_dir: str, grace_seconds: float) -> int:
    """End what a run has left, SIGTERM first, and remove it; how many containers were still alive. Raises EngineError."""
    found = _containers(engine, run_dir, only_living=False)
    living = _containers(engine, run_dir, only_living=True)
    kill_at = time.monotonic() + grace_seconds
    if grace_seconds > 0:
        for each in living:
            _ignore_gone(engine, "POST", f"/containers/{each['Id']}/kill", {"signal": "SIGTERM"})
        while _containers(engine, run_dir, only_living=True) and time.monotonic() < kill_at:
            time.sleep(POLL_SECONDS)
    for each in found:
        _ignore_gone(engine, "DELETE", f"/containers/{each['Id']}", {"force": True, "v": True})
    for each in engine.get("/networks", _labelled(run_dir)):
        _remove_network(engine, each["Id"])
    return len(living)


def end_living(engine: Engine, run_dir: str, grace_seconds: float) -> int:
    """As `remove`, if any container of the run is still alive. Raises EngineError."""
    return remove(engine, run_dir, grace_seconds) if _containers(engine, run_dir, only_living=True) else 0


def _labelled(run_dir: str, **filters: Any) -> dict[str, Any]:
    return {"filters": {"label": [f"{container.LABEL_RUN_DIR}={run_dir}"], **filters}}


def _containers(engine: Engine, run_dir: str, *, only_living: bool) -> list[dict[str, Any]]:
    filters = {"status": ["running", "paused", "restarting"]} if only_living else {}
    found: list[dict[str, Any]] = engine.get("/containers/json", {"all": True, **_labelled(run_dir, **filters)})
    return found


def _remove_network(engine: Engine, network: str) -> None:
    """As soon as no container is on it any more."""
    give_up_at = time.monotonic() + NETWORK_PATIENCE_SECONDS
    while True:
        try:
            engine.delete(f"/networks/{network}")
        except EngineError as error:
            if error.is_missing:
                return
            if error.status not in ENDPOINTS_LEFT or time.monotonic() >= give_up_at:
                raise
            time.sleep(POLL_SECONDS)
        else:
            return


def _ignore_gone(engine: Engine, method: str, path: str, query: dict[str, Any]) -> None:
    """Ask for what may have happened by itself meanwhile."""
    try:
        engine.call(method, path, query)
    except EngineError as error:
        if error.status not in GONE_OR_GOING:
            raise

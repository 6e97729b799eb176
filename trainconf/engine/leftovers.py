"""Containers and networks of a run that nobody minds any more: found by label, ended, removed."""

from __future__ import annotations

import time

from trainconf.engine import container
from trainconf.engine.client import EngineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.engine.client import Engine

LOOK_AGAIN_SECONDS = 0.05
GONE_OR_GOING = (404, 409)
NETWORK_PATIENCE_SECONDS = 10.0  # until the engine has taken the containers off it


def remove(engine: Engine, run_dir: str, grace_seconds: float) -> int:
    """End and remove what a run has left; how many containers were still alive. SIGTERM first. Raises EngineError."""
    found = _containers(engine, run_dir, only_living=False)
    living = _containers(engine, run_dir, only_living=True)
    kill_at = time.monotonic() + grace_seconds
    if grace_seconds > 0:
        for each in living:
            _calmly(engine, "POST", f"/containers/{each['Id']}/kill", {"signal": "SIGTERM"})
        while _containers(engine, run_dir, only_living=True) and time.monotonic() < kill_at:
            time.sleep(LOOK_AGAIN_SECONDS)
    for each in found:
        _calmly(engine, "DELETE", f"/containers/{each['Id']}", {"force": True, "v": True})
    for each in engine.get("/networks", _labelled(run_dir)):
        _remove_network(engine, each["Id"])
    return len(living)


def end_living(engine: Engine, run_dir: str, grace_seconds: float) -> int:
    """End and remove what a run has left if any of it still lives; how many containers did. Raises EngineError."""
    return remove(engine, run_dir, grace_seconds) if _containers(engine, run_dir, only_living=True) else 0


def _labelled(run_dir: str, **filters: Any) -> dict[str, Any]:
    return {"filters": {"label": [f"{container.LABEL_RUN_DIR}={run_dir}"], **filters}}


def _containers(engine: Engine, run_dir: str, *, only_living: bool) -> list[dict[str, Any]]:
    filters = {"status": ["running", "paused", "restarting"]} if only_living else {}
    found: list[dict[str, Any]] = engine.get("/containers/json", {"all": True, **_labelled(run_dir, **filters)})
    return found


def _remove_network(engine: Engine, network: str) -> None:
    give_up_at = time.monotonic() + NETWORK_PATIENCE_SECONDS
    while True:
        try:
            engine.delete(f"/networks/{network}")
        except EngineError as error:
            if error.is_missing:
                return
            if error.status not in (403, 409) or time.monotonic() >= give_up_at:
                raise
            time.sleep(LOOK_AGAIN_SECONDS)
        else:
            return


def _calmly(engine: Engine, method: str, path: str, query: dict[str, Any]) -> None:
    """Ask for what may have happened by itself."""
    try:
        engine.call(method, path, query)
    except EngineError as error:
        if error.status not in GONE_OR_GOING:
            raise

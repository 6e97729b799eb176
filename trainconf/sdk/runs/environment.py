"""The environment that a run was given, as an object to change and to submit with again."""

from __future__ import annotations

from trainconf.control import history
from trainconf.errors import RunNotFoundError
from trainconf.sdk.environments import definition
from trainconf.sdk.environments.environment import Environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.paths import RunPaths


def of(paths: RunPaths) -> Environment:
    """It says what the run's config said; what was really installed is in its environment.lock. Raises RunNotFoundError."""
    found = history.origins(paths)
    tree = found[0].get("env") if found is not None else None
    if not isinstance(tree, dict):
        raise RunNotFoundError(f"{paths.run_id} has no environment on record", ("path", paths.record))
    environment = Environment(str(tree.get("name") or "environment"))
    definition.fill(environment, tree, paths.workspace.root)
    return environment

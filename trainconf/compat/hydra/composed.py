"""In the job of a Hydra app: tells when the app has composed another config than was recorded at submission.

Hydra and the standard library. The config of a run is its params, `TRAINCONF_PARAMS`; what stays as it is written there is compared so.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SHOWN = 20
CHOICE = "_choice"
PROPERTY = "hydra_app.differs"
_COMPARED = "TRAINCONF_APP_COMPARED"  # for processes that the app starts, which may be other apps


def compare(config: Any) -> None:
    """Say on standard error, and in the run's properties, which keys differ; once in a run, by its first process."""
    path = os.environ.get("TRAINCONF_PARAMS")
    if not path or os.environ.get(_COMPARED) or os.environ.get("RANK", "0") != "0":
        return
    os.environ[_COMPARED] = "1"
    import json

    with open(path, "rb") as stream:
        recorded = json.loads(stream.read().decode("utf-8"))
    found = differences(recorded, config)
    if found:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        text = "; ".join(found[:SHOWN]) + more
        print("trainconf: the app has composed another config than was recorded at submission: " + text, file=sys.stderr, flush=True)
        from trainconf.job_api import Run

        Run.get_context().add_properties({PROPERTY: text})


def differences(recorded: dict[str, Any], config: Any) -> list[str]:
    """`key: then -> now` for each key that differs. A key that is new counts where no code of the app registers configs."""
    from omegaconf import OmegaConf

    from trainconf.fast.plain import made_plain
    from trainconf.resolve.hydra_app import place_of
    from trainconf.resolve.origins import leaves

    own = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
    written = dict(leaves(made_plain(OmegaConf.to_container(own, resolve=False))))
    choices = {place_of(str(group)): choice for group, choice in config.hydra.runtime.choices.items()}
    known = dict(leaves(recorded))
    found = []
    for key, then in known.items():
        group = key[: -len(CHOICE)] if key.endswith(CHOICE) else ""
        if key in written:
            is_same = _is_same(then, written[key], own, key)
        elif group:
            is_same = group not in choices or str(choices[group]) == then
        else:
            is_same = not then and isinstance(then, dict)  # an empty mapping, which a schema of the app's has filled
        if not is_same:
            now = _shown(written[key]) if key in written else choices[group] if group else "nothing"
            found.append(f"{key}: {_shown(then)} -> {now}")
    if not _registers():
        new = [key for key in written if key not in known and not any(f"{key}.".startswith(f"{other}.") for other in known)]
        found += [f"{key}: nothing -> {_shown(written[key])}" for key in new]
    return found


def _is_same(then: Any, now: Any, config: Any, key: str) -> bool:
    """Whether a recorded value is the one that is written now, or what that stands for."""
    if then == now or not isinstance(now, str) or "${" not in now:
        return str(then) == str(now)  # a schema of the app's may have made a number of a text
    from omegaconf import OmegaConf

    from trainconf.fast.plain import made_plain

    try:
        found = OmegaConf.select(config, key)
        found = OmegaConf.to_container(found, resolve=True) if OmegaConf.is_config(found) else found
    except Exception:  # a resolver of the app's may raise anything, and the app will get it again when it asks
        return False
    return bool(then == made_plain(found))


def _registers() -> bool:
    """Whether the app's code has put configs of its own into Hydra's store."""
    from hydra.core.config_store import ConfigStore

    return any(name not in ("hydra", "_dummy_empty_config_.yaml") for name in ConfigStore.instance().repo)


def _shown(value: Any) -> str:
    import json

    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

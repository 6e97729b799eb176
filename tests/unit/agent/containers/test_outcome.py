"""Ends of containers in words and codes: no engine is asked."""

from __future__ import annotations

from typing import Any

import pytest

from trainconf.agent.containers import outcome
from trainconf.agent.containers.container import ContainerEnd
from trainconf.agent.outcome import Usage
from trainconf.engine.client import EngineError, EngineUnreachable

BODY = {"Image": "image:1", "User": "1:2", "HostConfig": {"Memory": 2 << 30}}


@pytest.mark.parametrize(
    ("facts", "code", "may_retry", "words"),
    [
        ({"code": 3, "usage": "x 1"}, 3, True, "exit code 3"),
        ({"code": 200, "usage": "x 1"}, 200, True, "exit code 200"),
        ({"code": 139, "usage": "x 1"}, 139, True, "exit code 139, as if killed by SIGSEGV"),
        ({"code": 137}, 137, True, "exit code 137: killed by SIGKILL, which trainconf did not send"),
        ({"code": 143, "usage": "got_sigterm"}, 143, True, "killed by SIGTERM, which trainconf did not send"),
        ({"code": 137, "engine_was_away": True}, 137, True, "one without live-restore ends its containers"),
        ({"code": 0, "engine_was_away": True}, 0, True, "told to stop and not by trainconf"),
        ({"code": 0, "engine_was_away": True, "usage": "got_sigterm"}, 0, True, "told to stop and not by trainconf"),
        ({"code": 0, "usage": "got_sigterm", "was_stopped": True}, 0, True, "told to stop and not by trainconf"),
        ({"code": 137, "is_out_of_memory": True}, 137, True, "its limit of 2 GiB (compute.memory_gib)"),
        ({"code": None, "was_removed": True}, None, True, "removed, and not by trainconf"),
        ({"code": 125}, 125, True, "user 1:2 cannot write its log"),
        ({"code": 127, "usage": "cannot_start"}, 127, False, "'prog' was not found in the image"),
        ({"code": 126, "usage": "cannot_start"}, 126, False, "'prog' is not executable"),
        ({"code": 127}, 127, False, "image:1 has no `sh`"),
        ({"refusal": EngineUnreachable("nobody", 2)}, 125, True, "engine at unix:///s cannot be reached: nobody"),
        ({"refusal": EngineError(404, "No such image: image:1")}, 125, False, "image:1 is not there any more"),
        ({"refusal": EngineError(400, "bind source path does not exist: /tmp")}, 125, False, "engine does not see /tmp, which is here"),
        ({"refusal": EngineError(400, "no cpu")}, 125, False, "could not be started: no cpu"),
        ({"refusal": EngineError(400, 'exec: "sh": executable file not found in $PATH')}, 127, False, "has no `sh`"),
    ],
)
def test_what_went_wrong_is_told(facts: dict[str, Any], code: int | None, may_retry: bool, words: str) -> None:
    found = outcome.of(ContainerEnd(**facts), BODY, ["prog"], "unix:///s", 0)
    assert (found.state, found.exit_code, found.may_retry) == ("Failed", code, may_retry)
    assert words in found.reason


@pytest.mark.parametrize("facts", [{}, {"usage": "x 1"}, {"usage": "got_sigterm"}, {"usage": "x 1", "engine_was_away": True}])
def test_a_script_that_ended_well_by_itself_has_completed(facts: dict[str, Any]) -> None:
    assert outcome.of(ContainerEnd(code=0, **facts), BODY, ["prog"], "unix:///s", 0).state == "Completed"


def test_without_a_limit_the_machine_ran_out_of_memory() -> None:
    assert "what the machine has" in outcome.of(ContainerEnd(code=137, is_out_of_memory=True), {"Image": "i"}, ["p"], "a", 0).reason
    assert "out-of-memory killer" in outcome.of(ContainerEnd(code=137), BODY, ["p"], "a", 1).reason


def test_what_a_killed_container_used_is_unknown() -> None:
    usage = Usage()
    usage.add_container(1.5, 100)
    assert usage.facts(2.0) == {"wall_s": 2.0, "cpu_s": 1.5, "peak_rss_bytes": 100}
    usage.add_container(None, None)
    assert usage.facts(2.0) == {"wall_s": 2.0, "cpu_s": None, "peak_rss_bytes": None}

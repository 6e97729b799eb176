"""Carries out a container's request on the real engine as the agent will: for tests of what is asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainconf.distributed.layout import RankLayout
from trainconf.engine import job_shell
from trainconf.engine.address import EngineFacts
from trainconf.engine.client import Engine
from trainconf.launchers.docker import request as container_request
from trainconf.launchers.protocol import Job
from trainconf.spec import DistributedSpec
from trainconf.testing import runs

FACTS = EngineFacts(api="1.41", cpu_count=2)


def make_job(root: Path | str, argv: list[str], *, image: str = "python:3.11-slim", node_count: int = 1, **wishes: Any) -> Job:
    """A job in a container; `wishes` are fields of `trainconf.testing.runs.make_job`."""
    return runs.make_job(str(root), argv, image=image, **{"distributed": DistributedSpec(node_count=node_count), **wishes})


def body(job: Job, facts: EngineFacts = FACTS, place: RankLayout | None = None) -> dict[str, Any]:
    return container_request.body(job, [place or RankLayout()], list(job.spec.code.command), facts)


class Ended:
    """What became of a container, before it was removed."""

    def __init__(self, code: int, log: str, usage: str | None, inspected: dict[str, Any]) -> None:
        self.code = code
        self.log = log
        self.usage = usage
        self.inspected = inspected


def prepare(job: Job) -> None:
    """The files that are there before a container is asked for. May be called again."""
    paths = job.paths
    if not os.path.exists(paths.code):
        runs.make_run_dir(job)
    os.makedirs(paths.workspace.home, exist_ok=True)
    for path in container_request.written_files(paths, [0]):
        with open(path, "ab" if path in (paths.log(0), paths.metrics) else "wb"):
            pass


def carry_out(
    engine: Engine, job: Job, facts: EngineFacts = FACTS, *, text: bytes | None = None, variables: Mapping[str, str] | None = None
) -> Ended:
    """Make, start, wait for and remove the container of rank 0. `text` stands for what is sent to its standard input."""
    prepare(job)
    paths = job.paths
    made = engine.post("/containers/create", body=body(job, facts))["Id"]
    try:
        stdin = engine.attach_stdin(made)
        engine.post(f"/containers/{made}/start")
        stdin.sendall(job_shell.variables_text({**container_request.variables(job), **(variables or {})}) if text is None else text)
        stdin.close()
        code = engine.post(f"/containers/{made}/wait")["StatusCode"]
        inspected = engine.get(f"/containers/{made}/json")
    finally:
        engine.delete(f"/containers/{made}", {"force": True})
    usage = Path(paths.usage(0))
    log = Path(paths.log(0)).read_bytes().decode("utf-8", "surrogateescape")
    return Ended(code, log, usage.read_text() or None, inspected)

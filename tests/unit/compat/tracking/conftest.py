"""Scripts that were written for wandb and trackio, started as a job starts them: in a bare Python, in a run's directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT


class Job:
    """A run's directory, and what a script leaves in it."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        (run_dir / "code" / "outputs").mkdir(parents=True)
        (run_dir / "code" / "logs").mkdir()
        (run_dir / "outputs").symlink_to(run_dir / "code" / "outputs")

    def environ(self, tool: str) -> dict[str, str]:
        path = os.pathsep.join([str(ROOT), str(ROOT / "trainconf" / "compat" / tool / "path")])
        kept = {"PATH": os.environ["PATH"], "HOME": str(self.run_dir), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        return kept | {"TRAINCONF_RUN_DIR": str(self.run_dir), "TRAINCONF_RUN_ID": self.run_dir.name, "TRAINCONF_EXPERIMENT": "e"}

    def __call__(self, script: str, *words: str, tool: str = "wandb", bare: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a script; `bare` is without site packages. It must end well."""
        python = [sys.executable, *(["-S"] if bare else []), "-W", "error"]
        environ = {name: value for name, value in (self.environ(tool) | env).items() if value}
        done = subprocess.run(
            [*python, "-c", script, *words], cwd=self.run_dir / "code", env=environ, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done

    def metrics(self) -> list[tuple[str, Any, Any]]:
        """Name, value and step of each line, in order."""
        lines = map(json.loads, (self.run_dir / "metrics.jsonl").read_text().splitlines())
        return [(line["name"], line["value"], line["step"]) for line in lines]

    def labels(self, kind: str) -> dict[str, Any]:
        """What was said of the run, of one kind together."""
        found: dict[str, Any] = {}
        for line in map(json.loads, (self.run_dir / "records.jsonl").read_text().splitlines()):
            found.update(line.get("label", {}).get(kind, {}))
        return found

    def read(self, name: str) -> Any:
        return json.loads((self.run_dir / "outputs" / name).read_text())

    def media(self, tool: str = "wandb") -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.run_dir / "outputs" / tool / "media.jsonl").read_text().splitlines()]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path / "runs" / "e" / "e-1")

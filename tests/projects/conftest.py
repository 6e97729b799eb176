"""One workspace for a whole session, with the shipped projects: each framework is installed once, for all tests of the process.

The installer's cache is that of the user: what one process of the test suite has fetched, another one links.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Answer, Shell
from trainconf.history import metrics
from trainconf.paths import RunPaths

collect_ignore = ["nice_launcher"]  # a package of its own, whose tests run in an environment of their own
HELD_OUT = 360  # images of digits that are not trained on
PATIENCE_S = 300.0  # a framework is imported within seconds where nobody else wants the cores


class Ended:
    """A Completed run: its record as `show` prints it, and all its metrics."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        self.run_dir = Path(told["run_dir"])

    def values(self, name: str) -> list[Any]:
        """Every value of a metric, in the order of logging."""
        texts = [Path(path).read_text() for path in metrics.files_of(RunPaths(str(self.run_dir)))]
        lines = [json.loads(line) for text in texts for line in text.splitlines()]
        return [line["value"] for line in sorted(lines, key=lambda line: str(line["time"])) if line["name"] == name]

    @property
    def log_count(self) -> int:
        """How many processes have a log of their own."""
        return len(list((self.run_dir / "logs").glob("std_log*.txt")))


class Experiment:
    """A shipped experiment in the session's workspace, its environment built."""

    def __init__(self, workshop: Shell, name: str, *words: str) -> None:
        self.workshop = workshop
        self.words = (f"experiment={name}", *words)
        built = workshop("env", "build", *self.words)
        assert built.code == 0, built
        self.python = Path(built.out.strip())

    def run(self, *words: str, env: dict[str, str] | None = None) -> Ended:
        """Submit it as a user would and follow it to its end, which must be Completed."""
        child = self.workshop.start(*self.words, *words, env=env)
        out, err = child.communicate(timeout=PATIENCE_S)
        assert child.returncode == 0, Answer(child.returncode, out, err)
        return Ended(json.loads(self.workshop("show", "last", "--json").out))

    def here(self, *words: str) -> Ended:
        """Run on this machine, with slots of its own."""
        return self.run("compute=local", f"compute.lease_dir={self.workshop.leases}", "compute.slots=4", *words)

    @cached_property
    def alone(self) -> Ended:
        """The run of one process, with which all others are compared."""
        return self.here()


def walks_the_path_of(one: Ended, many: Ended) -> None:
    """Each step took the same images, so that only the rounding of sums differs: in every epoch, not only at the end.

    That is less than 1e-4 of the loss after the last of them; two processes that train on other images than one would differ by per cents.
    Of the held-out images one may lie so near to two digits that rounding decides.
    """
    assert many.values("loss") == pytest.approx(one.values("loss"), rel=1e-3)
    assert many.values("val_accuracy") == pytest.approx(one.values("val_accuracy"), abs=1.01 / HELD_OUT)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("workshop")
    shell = Shell(folder / "work space", folder / "home")
    shell.root.mkdir()
    shell.home.mkdir()
    shell.env["UV_CACHE_DIR"] = os.environ.get("UV_CACHE_DIR") or os.path.expanduser("~/.cache/uv")
    del shell.env["PYTHONWARNINGS"]  # what the frameworks do when they are imported is theirs
    assert shell("init").code == 0
    yield shell
    shutil.rmtree(shell.root / ".trainconf")  # gigabytes, and pytest keeps the folders of three sessions


@pytest.fixture(scope="session")
def pytorch(workshop: Shell) -> Experiment:
    return Experiment(workshop, "digits_torch")


@pytest.fixture(scope="session")
def tensorflow(workshop: Shell) -> Experiment:
    return Experiment(workshop, "digits_tensorflow")


@pytest.fixture(scope="session", params=["mpi", "mpi_system"])
def mpi(workshop: Shell, request: pytest.FixtureRequest) -> Experiment:
    """By MPICH, which is part of the environment, and by the OpenMPI of the testbed's machine."""
    return Experiment(workshop, "digits_mpi", f"env={request.param}")

"""Lightning, Fabric, accelerate, transformers, torchrun and plain readers of the environment: each knows its rank and the world's size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import ROOT, Answer, Shell
from tests.made_once import python_with
from tests.testbed.cluster import Cluster

pytestmark = [pytest.mark.network, pytest.mark.slow]
# What the projects of the how-tos ask for. torch first: another one would bring gigabytes of CUDA.
ASKED = {line.partition("#")[0].strip() for path in ROOT.glob("projects/tiny_*/requirements.txt") for line in path.read_text().splitlines()}
REQUIREMENTS = tuple(sorted(ASKED, key=lambda line: (not line.startswith("torch="), line)))
LIBRARIES = ("environment", "fabric", "lightning", "accelerate", "transformers")
SCRIPT = Path(__file__).parent / "scripts" / "frameworks.py"
PATIENCE_S = 600.0
# Nodes, and processes on each. The widest of a target goes through what the others do.
IN_CONTAINERS = [*(pytest.param(*counts, marks=pytest.mark.nightly) for counts in ((1, 1), (1, 2))), (2, 1)]
ON_NODES = [*(pytest.param(*counts, marks=pytest.mark.nightly) for counts in ((1, 1), (1, 2), (2, 1))), (2, 2)]


@pytest.fixture(scope="session")
def python() -> Path:
    """A Python with all of them, made once on a machine. pip takes torch's own wheel for CPUs where there is one; uv does not see it."""
    return python_with("frameworks", REQUIREMENTS[:1], REQUIREMENTS)


class Bench:
    """Runs the script in a workspace of its own."""

    def __init__(self, shell: Shell, python: Path) -> None:
        self.shell = shell
        self.python = python
        (shell.root / "train.py").write_text(SCRIPT.read_text())

    def run(self, *words: str, nodes: int = 1, processes: int = 1, libraries: tuple[str, ...], env: dict[str, str] | None = None) -> Path:
        """Run it to its end, which must be Completed; return the run's folder."""
        counts = [f"+env.variables.NODES='{nodes}'", f"+env.variables.PROCESSES='{processes}'"]
        script = [] if any(word.startswith("command=") for word in words) else ["script=train.py", f"arguments=[{','.join(libraries)}]"]
        child = self.shell.start("experiment=adhoc", "env=current", *script, *counts, *words, env=env)
        out, err = child.communicate(timeout=PATIENCE_S)
        assert child.returncode == 0, Answer(child.returncode, out, err)
        return Path(json.loads(self.shell("show", "last", "--json").out)["run_dir"])

    def here(self, *words: str, processes: int = 1, libraries: tuple[str, ...] = LIBRARIES, env: dict[str, str] | None = None) -> Path:
        local = ["compute=local", f"compute.lease_dir={self.shell.leases}", "compute.slots=4", f"env.python.interpreter_path={self.python}"]
        return self.run(*local, *words, processes=processes, libraries=libraries, env=env)


@pytest.fixture
def bench(shell: Shell, python: Path) -> Bench:
    del shell.env["PYTHONWARNINGS"]  # what the libraries do when they are imported is theirs
    return Bench(shell, python)


def worlds(run_dir: Path) -> dict[str, list[list[int]]]:
    """Rank and world size by library, as each process wrote them."""
    found: dict[str, list[list[int]]] = {}
    for path in sorted((run_dir / "outputs").glob("*_*.json")):
        found.setdefault(path.name.rpartition("_")[0], []).append(json.loads(path.read_text()))
    return found


def of(count: int, libraries: tuple[str, ...] = LIBRARIES) -> dict[str, list[list[int]]]:
    return {library: [[rank, count] for rank in range(count)] for library in libraries}


def test_a_process_alone_is_alone_in_every_library_whatever_shell_it_is_submitted_from(bench: Bench) -> None:
    outer = {"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "SLURM_NTASKS": "4", "SLURM_PROCID": "2", "SLURM_JOB_ID": "1",
             "SLURM_NODELIST": "elsewhere", "SLURM_JOB_NAME": "theirs", "PMI_RANK": "2", "PMI_SIZE": "4"}  # fmt: skip
    assert worlds(bench.here(env=outer)) == of(1)


@pytest.mark.parametrize("libraries", [LIBRARIES[:3], LIBRARIES[3:]], ids="-".join)
def test_two_processes_of_this_machine_are_two_ranks_in_every_library(bench: Bench, libraries: tuple[str, ...]) -> None:
    two = bench.here("distributed=pytorch", "distributed.process_count=2", processes=2, libraries=libraries)
    assert worlds(two) == of(2, libraries)


def test_a_torchrun_of_ones_own_starts_two_ranks_of_a_process_alone(bench: Bench) -> None:
    torchrun = bench.python.parent / "torchrun"
    command = f"command=['{torchrun}','--standalone','--nproc-per-node=2',train.py,environment,accelerate]"
    assert worlds(bench.here(command, "script=null", "argument_style=none", processes=2)) == of(2, ("environment", "accelerate"))


def in_container(python: Path, image: str) -> list[str]:
    """The settings of a container. The packages are mounted, not installed again."""
    (packages,) = python.parent.parent.glob("lib/python*/site-packages")
    return [
        "compute=docker", f"env.docker.image={image}", f"+inputs.packages='{packages}'", f"+env.variables.PYTHONPATH='{packages}'",
    ]  # fmt: skip


@pytest.mark.docker
@pytest.mark.parametrize(("nodes", "processes"), IN_CONTAINERS)
def test_containers_are_the_ranks_that_were_asked_for(bench: Bench, docker_base_image: str, nodes: int, processes: int) -> None:
    words = in_container(bench.python, docker_base_image)
    if nodes * processes > 1:
        words += ["distributed=pytorch", f"distributed.node_count={nodes}", f"distributed.process_count_per_node={processes}"]
    assert worlds(bench.run(*words, nodes=nodes, processes=processes, libraries=LIBRARIES)) == of(nodes * processes)


@pytest.mark.slurm
@pytest.mark.parametrize(("nodes", "processes"), ON_NODES)
def test_nodes_of_a_cluster_are_the_ranks_that_were_asked_for(bench: Bench, slurm_cluster: Cluster, nodes: int, processes: int) -> None:
    words = ["compute=slurm", "compute.mem_gib=1.8", f"env.python.interpreter_path={bench.python}"]
    if nodes * processes > 1:
        words += ["distributed=pytorch", f"distributed.node_count={nodes}", f"distributed.process_count_per_node={processes}"]
    run_dir = bench.run(*words, nodes=nodes, processes=processes, libraries=LIBRARIES, env={"SLURM_CONF": slurm_cluster.conf})
    assert worlds(run_dir) == of(nodes * processes)

"""The experiments of docs/lightning.md, accelerate.md, transformers.md and torchrun.md: several processes, on each target, interrupted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, Answer, Shell
from tests.projects.conftest import Ended, Experiment
from tests.projects.test_frameworks import in_container, python
from tests.testbed.cluster import Cluster

__all__ = ["python"]  # a Python with what the projects ask for

PATIENCE_S = 600.0
PAGES = {"tiny_lightning": "lightning", "tiny_accelerate": "accelerate", "tiny_transformers": "transformers", "digits_torchrun": "torchrun"}
TINY = [name for name in PAGES if name.startswith("tiny")]
SAYS = {  # by its library, how many processes there are
    "tiny_lightning": "Starting with {} processes",
    "tiny_accelerate": "{} processes on cpu, from epoch 1",
    "tiny_transformers": "{} processes, from checkpoint None",
}
INTERRUPTED = {  # a command that does less than the experiment's, and what the next attempt says of where it begins
    "tiny_lightning": ('python main.py fit --config "$TRAINCONF_PARAMS" --trainer.max_epochs 2', "Restored all states from the checkpoint"),
    "tiny_accelerate": ('python train.py "$@" --num_epochs 2', "from epoch 3"),
    "tiny_transformers": (
        "python run_tiny.py --output_dir outputs --num_train_epochs 1 --save_strategy epoch", "from checkpoint outputs/checkpoint-",
    ),
}  # fmt: skip


@pytest.fixture
def bench(shell: Shell) -> Shell:
    """A workspace that `init` has laid out."""
    del shell.env["PYTHONWARNINGS"]  # what the libraries do when they are imported is theirs
    assert shell("init").code == 0
    return shell


def run(bench: Shell, *words: str, env: dict[str, str] | None = None) -> Ended:
    """Run it to its end, which must be Completed."""
    child = bench.start(*words, env=env)
    out, err = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 0, Answer(child.returncode, out, err)
    return Ended(json.loads(bench("show", "last", "--json").out))


def here(bench: Shell, python: Path, *words: str) -> Ended:
    return run(bench, f"env.python.interpreter_path={python}", f"compute.lease_dir={bench.leases}", "compute.slots=4", *words)


def log_of(ended: Ended) -> str:
    return (ended.run_dir / "logs" / "std_log.txt").read_text()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_the_experiment_that_is_shipped(name: str) -> None:
    shipped = (ROOT / "conf" / "experiment" / f"{name}.yaml").read_text()
    assert f"```yaml\n{shipped}```\n" in (ROOT / "docs" / f"{PAGES[name]}.md").read_text()


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_two_processes_that_are_interrupted_go_on_with_their_checkpoint(bench: Shell, python: Path, name: str) -> None:
    shipped = yaml.safe_load((ROOT / "conf" / "experiment" / f"{name}.yaml").read_text())
    less, begins = INTERRUPTED[name]
    whole = shipped.get("command", 'exec python train.py "$@"')
    command = f'if [ "$TRAINCONF_ATTEMPT" = 1 ]; then {less}; exit 7; fi; {whole}'
    changed = {"defaults": [name, "_self_"], "script": None, "command": command, "retries": 1, "distributed": {"process_count_per_node": 2}}
    bench.write("conf/experiment/interrupted.yaml", f"# @package _global_\n{json.dumps(changed)}\n")
    ended = here(bench, python, "experiment=interrupted")
    assert ended.told["attempt"] == 2
    assert SAYS[name].format(2) in log_of(ended)
    assert begins in log_of(ended)
    assert shipped["metric"]["name"] in ended.told["metrics"], "read from its event files"


@pytest.mark.network
@pytest.mark.slow
def test_a_torchrun_of_ones_own_is_the_experiment_of_its_page(pytorch: Experiment) -> None:
    torchrun = Experiment(pytorch.workshop, "digits_torchrun").here("params.epochs=2")
    assert torchrun.values("world_size") == [2]
    assert torchrun.values("loss") == pytest.approx(pytorch.alone.values("loss")[:2], rel=1e-3)


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.parametrize("name", [TINY[0], *(pytest.param(name, marks=pytest.mark.nightly) for name in TINY[1:])])
def test_two_containers_run_it_as_it_stands(bench: Shell, python: Path, docker_base_image: str, name: str) -> None:
    words = in_container(python, docker_base_image)
    assert SAYS[name].format(2) in log_of(run(bench, f"experiment={name}", "distributed.node_count=2", *words))


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.slurm
@pytest.mark.parametrize("name", [TINY[1], *(pytest.param(name, marks=pytest.mark.nightly) for name in (TINY[0], TINY[2]))])
def test_two_processes_on_each_of_two_nodes_run_it_as_it_stands(
    bench: Shell, python: Path, slurm_cluster: Cluster, name: str
) -> None:
    words = ["compute=slurm", "compute.mem_gib=1.8", f"env.python.interpreter_path={python}", "distributed.node_count=2"]
    ended = run(bench, f"experiment={name}", *words, "distributed.process_count_per_node=2", env={"SLURM_CONF": slurm_cluster.conf})
    assert SAYS[name].format(4) in log_of(ended)

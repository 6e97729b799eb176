"""Option words of submitit under `compute` are ours by another name: in files, words, trials and changed records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainconf.composition.change import change
from trainconf.composition.compose import compose
from trainconf.composition.layers import Layer
from trainconf.composition.sweep.trial import TrialComposer
from trainconf.errors import ConfigError
from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed

WORDS = ["experiment=adhoc", "env=current", "script=train.py", "experiment_name=mine"]


@pytest.fixture
def workspace(tmp_path: Path) -> WorkspacePaths:
    return WorkspacePaths(str(tmp_path))


def composed(workspace: WorkspacePaths, *words: str) -> Composed:
    return compose([*WORDS, *words], workspace)


def told(workspace: WorkspacePaths, *words: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        composed(workspace, *words)
    return [mistake.render() for mistake in caught.value.mistakes]


def at(found: Composed, key: str) -> Any:
    value: Any = found.config
    for part in key.split("."):
        value = value[part]
    return value


ON_SLURM = {
    "timeout_min=60": ("compute.time_minutes", 60), "slurm_time=60": ("compute.time_minutes", 60), "mem_gb=4": ("compute.mem_gib", 4.0),
    "gpus_per_node=2": ("compute.gpus_per_node", 2), "slurm_gpus_per_node=2": ("compute.gpus_per_node", 2),
    "cpus_per_task=3": ("compute.cpus_per_task", 3), "slurm_partition=gpu": ("compute.partition", "gpu"),
    "slurm_qos=high": ("compute.qos", "high"), "slurm_account=me": ("compute.account", "me"),
    "slurm_constraint=a100": ("compute.constraint", "a100"), "slurm_setup=[module load cuda]": ("compute.setup", ["module load cuda"]),
    "slurm_array_parallelism=4": ("sweep.max_concurrent_runs", 4), "array_parallelism=4": ("sweep.max_concurrent_runs", 4),
    "slurm_additional_parameters={nice: 3}": ("compute.sbatch", {"nice": 3}), "slurm_gres=shard:2": ("compute.sbatch.gres", "shard:2"),
    "slurm_additional_parameters.nice=3": ("compute.sbatch", {"nice": 3}), "mem_per_gpu=4G": ("compute.sbatch.mem-per-gpu", "4G"),
    "slurm_mem=4G": ("compute.sbatch.mem", "4G"), "exclude=n1": ("compute.sbatch.exclude", "n1"),
    "signal_delay_s=90": ("compute.signal_seconds", 90), "slurm_exclusive=true": ("compute.exclusive", True),
    "max_num_timeout=3": ("compute.max_requeues", 3), "max_num_timeout=0": ("compute.requeue", "interrupted"),
    "nodes=2": ("distributed.node_count", 2), "name=hello": ("display_name", "hello"), "tasks_per_node=1": ("distributed.kind", "none"),
    "timeout_min=null": ("compute.time_minutes", None),
}  # fmt: skip
HERE = {
    "timeout_min=1.5": ("max_run_duration_seconds", 90.0), "gpus_per_node=2": ("compute.gpus", 2), "cpus_per_task=3": ("compute.cpus", 3),
    "array_parallelism=4": ("sweep.max_concurrent_runs", 4), "name=hello": ("display_name", "hello"),
}  # fmt: skip


@pytest.mark.parametrize("sign", ["", "+", "++"])
@pytest.mark.parametrize("word", ON_SLURM)
def test_a_word_has_its_meaning_on_slurm(word: str, sign: str, workspace: WorkspacePaths) -> None:
    key, value = ON_SLURM[word]
    if sign == "+" and word.partition("=")[0] in ("gpus_per_node", "cpus_per_task"):
        return  # settings of Slurm's, which are there
    found = composed(workspace, "compute=slurm", f"{sign}compute.{word}")
    assert at(found, key) == value
    assert not found.notes
    if "null" not in word and "=0" not in word and "tasks" not in word:
        leaf = next(name for name in found.origins if f"{name}.".startswith(f"{key}."))
        assert found.origins[leaf] == f"command line: {sign}compute.{word}"


@pytest.mark.parametrize("target", ["local", "docker"])
@pytest.mark.parametrize("word", HERE)
def test_a_word_has_its_meaning_on_this_machine(word: str, target: str, workspace: WorkspacePaths) -> None:
    key, value = HERE[word]
    assert at(composed(workspace, f"compute={target}", f"compute.{word}"), key) == value


def test_memory_is_a_limit_in_docker_and_told_where_there_is_none(workspace: WorkspacePaths) -> None:
    assert at(composed(workspace, "compute=docker", "compute.mem_gb=4"), "compute.memory_gib") == 4
    (note,) = composed(workspace, "compute.mem_gb=4", "compute.slurm_partition=gpu", "compute.stderr_to_stdout=true").notes
    for part in ("no effect on compute=local", "compute.mem_gb ", "compute.slurm_partition ", "command line: compute.slurm_partition=gpu"):
        assert part in note


def test_tasks_are_ranks_and_need_some(workspace: WorkspacePaths) -> None:
    found = composed(workspace, "compute=slurm", "distributed=pytorch", "compute.tasks_per_node=4", "compute.nodes=2")
    assert (at(found, "distributed.process_count_per_node"), at(found, "distributed.node_count")) == (4, 2)
    (text,) = told(workspace, "compute=slurm", "compute.tasks_per_node=4")
    assert "distributed=pytorch distributed.process_count_per_node=4" in text


FILE = """\
# @package _global_
defaults:
  - override /compute: slurm
  - override /env: current
  - _self_
experiment_name: mine
script: t.py
compute:
  timeout_min: 60
  slurm_partition: gpu
  slurm_additional_parameters:
    nice: 3
"""


def write(workspace: WorkspacePaths, text: str, name: str = "experiment/mine") -> None:
    path = Path(workspace.conf, f"{name}.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_file_says_them_and_each_value_has_its_line(workspace: WorkspacePaths) -> None:
    write(workspace, FILE)
    found = compose(["experiment=mine"], workspace)
    assert (at(found, "compute.time_minutes"), at(found, "compute.partition"), at(found, "compute.sbatch")) == (60, "gpu", {"nice": 3})
    assert [found.origins[key] for key in ("compute.time_minutes", "compute.partition", "compute.sbatch.nice")] == [
        f"conf/experiment/mine.yaml:{line}" for line in (9, 10, 12)
    ]
    assert "timeout_min" not in str(found.config)
    assert at(compose(["experiment=mine", "compute.timeout_min=5"], workspace), "compute.time_minutes") == 5


def test_so_does_a_choice_of_compute_of_ones_own(workspace: WorkspacePaths) -> None:
    write(workspace, "defaults:\n  - slurm\n  - _self_\ntimeout_min: 7\nslurm_qos: high\n", "compute/big")
    found = composed(workspace, "compute=big")
    assert (at(found, "compute.time_minutes"), at(found, "compute.qos")) == (7, "high")
    assert found.origins["compute.time_minutes"] == "conf/compute/big.yaml:4"


def test_both_with_different_values_is_a_mistake_with_both_places(workspace: WorkspacePaths) -> None:
    write(workspace, FILE + "  time_minutes: 30\n")
    with pytest.raises(ConfigError) as caught:
        compose(["experiment=mine"], workspace)
    assert "compute.time_minutes and compute.timeout_min are one setting" in str(caught.value)
    assert "mine.yaml:13" in str(caught.value)
    assert "mine.yaml:9" in str(caught.value)
    for words in (["compute.time_minutes=5", "compute.timeout_min=6"], ["compute.timeout_min=6", "compute.time_minutes=5"]):
        (text,) = told(workspace, "compute=slurm", *words)
        assert all(f"command line: {word}" in text for word in words)
    (text,) = told(workspace, "compute=slurm", "compute.timeout_min=5", "compute.slurm_time=6")
    assert "compute.timeout_min and compute.slurm_time are one setting, compute.time_minutes" in text
    assert at(composed(workspace, "compute=slurm", "compute.time_minutes=5", "compute.timeout_min=5"), "compute.time_minutes") == 5


@pytest.mark.parametrize(("word", "parts"), [
    ("compute.timeout_min=x", ("compute.time_minutes cannot be 'x'", "integer", "command line: compute.timeout_min=x")),
    ("compute.slurm_partitoin=x", ("compute.slurm_partitoin is not a setting",)),
    ("compute.mem_gb=-1", ("compute.mem_gib cannot be -1", "command line: compute.mem_gb=-1")),
])  # fmt: skip
def test_a_wrong_value_is_told_with_the_word(word: str, parts: tuple[str, ...], workspace: WorkspacePaths) -> None:
    (text,) = told(workspace, "compute=slurm", word)
    for part in parts:
        assert part in text


def test_minutes_of_this_machine_are_a_number(workspace: WorkspacePaths) -> None:
    (text,) = told(workspace, "compute.timeout_min=x")
    assert "compute.timeout_min cannot be 'x'" in text
    assert "max_run_duration_seconds" in text


def test_the_layer_of_a_program_says_them_too(workspace: WorkspacePaths) -> None:
    given = Layer("submit.py:3", {"compute": {"timeout_min": 7, "gpus_per_node": 2, "name": "cost ${x}"}})
    found = compose([*WORDS, "compute=local"], workspace, layers=[given])
    assert at(found, "max_run_duration_seconds") == 420
    assert (at(found, "compute.gpus"), at(found, "display_name")) == (2, "cost ${x}")
    assert found.origins["compute.gpus"] == "submit.py:3"
    on_slurm = compose([*WORDS, "compute=slurm"], workspace, layers=[given])
    assert (at(on_slurm, "compute.time_minutes"), at(on_slurm, "compute.gpus_per_node")) == (7, 2)
    both = Layer("submit.py:4", {"compute": {"timeout_min": 7, "time_minutes": 8}})
    with pytest.raises(ConfigError) as caught:
        compose([*WORDS, "compute=slurm"], workspace, layers=[both])
    (text,) = [mistake.render() for mistake in caught.value.mistakes]
    assert "submit.py:4" in text


def test_trials_and_changed_records_take_them(workspace: WorkspacePaths) -> None:
    composer = TrialComposer([*WORDS, "compute=slurm"], workspace)
    assert [at(composer.at([f"compute.timeout_min={value}"]), "compute.time_minutes") for value in (1, 2)] == [1, 2]
    record = composed(workspace, "compute=slurm", "compute.timeout_min=3")
    assert at(change(record, [], workspace), "compute.time_minutes") == 3
    assert at(change(record, ["compute.timeout_min=9"], workspace), "compute.time_minutes") == 9

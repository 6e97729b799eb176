"""What somebody meant who named a choice that a shipped group does not have: what says it here, by the words of other tools."""

from __future__ import annotations

import os

# What says it here, and after the colon what it is called elsewhere.
_WORDS = {
    "compute": """
compute.gpus=1: gpu gpus cuda local_gpu
compute=local: cpu host localhost machine laptop here none null default
compute=docker: container podman
compute=slurm: cluster hpc sbatch srun
""",
    "env": """
env=current: venv virtualenv python python3 none null local host system default active .venv
env=bare env.conda_file=environment.yml: conda mamba micromamba anaconda miniconda environment environment.yml
env=bare env.requirements_file=requirements.txt: pip requirements requirements.txt
env=bare env.pyproject=pyproject.toml: uv poetry pdm hatch pyproject pyproject.toml project
env=pytorch: torch lightning
env=tensorflow: tf keras
env=sklearn: scikit-learn scikit
compute=docker: docker container
""",
    "distributed": """
distributed=pytorch: ddp fsdp torch torchrun nccl gloo
distributed=mpi: horovod openmpi mpirun mpich
distributed=tensorflow: tf multiworker
""",
    "sweep": """
sweep=bayes: optuna tpe bayesian bayesopt bo hyperopt cmaes
sweep=grid: gridsearch grid_search basic
sweep=random: randomsearch random_search
sweep/policy=asha: asha hyperband bohb successive_halving
""",
    "sweep/policy": """
sweep/policy=asha: hyperband bohb successive_halving
sweep/policy=median: medianstopping median_stopping
sweep/policy=none: off false
""",
}


def meant(group: str, choice: str) -> str:
    """What to type instead; "" where nothing is known of the word."""
    if not choice:
        return f"name one: {group}=CHOICE"
    if os.sep in choice and choice.endswith(".yaml"):
        return f"instead: {group}={os.path.basename(choice)[: -len('.yaml')]}"
    if group == "experiment":
        script = next((path for path in (choice, f"{choice}.py") if path.endswith(".py") and os.path.isfile(path)), "")
        typed = f"`trainconf {script}` runs the script as it stands, `trainconf init --script {script}` makes it an experiment"
        return typed if script else ""
    for line in _WORDS.get(group, "").strip().splitlines():
        words, _, elsewhere = line.partition(":")
        if choice.lower() in elsewhere.split():
            return f"instead: {words}"
    return ""

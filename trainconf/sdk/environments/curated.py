"""Azure ML's curated environments: which of ours stands for each."""

from __future__ import annotations

import re

# Their names over the years: AzureML-PyTorch-1.6-GPU, AzureML-sklearn-0.24-ubuntu18.04-py37-cpu, acpt-pytorch-2.2-cuda12.1
_PREFIX = re.compile(r"(?i)(azureml|acpt|microsoft)([-_]|$)")
_OURS = (
    (re.compile(r"(?i)(azureml-)?minimal(-.*)?"), "minimal", "numpy"),
    (re.compile(r"(?i)(azureml-)?(tutorial|sklearn|scikit-learn)(-.*)?"), "sklearn", "scikit-learn, scipy, numpy"),
    (re.compile(r"(?i)((azureml-)?(acpt-|acft-)?pytorch|azureml-acpt-pytorch)(-.*)?"), "pytorch", "PyTorch, numpy, TensorBoard"),
    (re.compile(r"(?i)(azureml-)?(tensorflow|acpt-tensorflow)(-.*)?"), "tensorflow", "TensorFlow, Keras, numpy"),
)
LISTED = ("AzureML-Minimal", "AzureML-Tutorial", "AzureML-PyTorch", "AzureML-TensorFlow")


def is_curated(name: str) -> bool:
    """Whether a name is one that Azure ML keeps for its own environments."""
    return _PREFIX.match(name) is not None


def stand_in(name: str) -> tuple[str, str] | None:
    """The choice of `env` that stands for a curated environment, and what it has; None where there is none."""
    if not is_curated(name) and not re.match(r"(?i)(sklearn|tensorflow)-\d", name):
        return None
    return next(((choice, packages) for pattern, choice, packages in _OURS if pattern.fullmatch(name)), None)

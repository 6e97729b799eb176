"""The package `azureml` of a script that was written for Azure ML's SDK v1: trainconf's classes under those names."""

from trainconf.compat.azureml import imports

imports.offer(__name__, __file__)


def __getattr__(name):  # type: ignore[no-untyped-def]
    """A module of it that nobody has imported yet: in the original one brings the others."""
    return imports.below(__name__, name)

"""The package `wandb` of a script that was written for it: what it logs lands in the run of trainconf."""

from trainconf.compat import beside
from trainconf.compat.wandb import answers
from trainconf.compat.wandb.names import VERSION as __version__

beside.say(__name__, __file__)
answers.offer()


def __getattr__(name):  # type: ignore[no-untyped-def]
    value = answers.lookup(__name__, name)
    if answers.stays(__name__, name):
        globals()[name] = value  # `wandb.log` is asked for at every step
    return value


def __dir__():  # type: ignore[no-untyped-def]
    return answers.public()


__all__ = ["__version__", *answers.public()]  # noqa: PLE0604 (texts, all of them)

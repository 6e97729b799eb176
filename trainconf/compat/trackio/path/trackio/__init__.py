"""The package `trackio` of a script that was written for it: what it logs lands in the run of trainconf."""

from trainconf.compat import beside
from trainconf.compat.trackio import api
from trainconf.compat.trackio.api import *  # noqa: F403 (its names are the package's)
from trainconf.compat.trackio.api import __all__ as __all__

beside.say(__name__, __file__)
__version__ = api.VERSION
api.offer(__name__)


def __getattr__(name):  # type: ignore[no-untyped-def]
    return api.lookup(name)

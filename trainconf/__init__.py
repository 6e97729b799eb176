"""trainconf: declare a training run once, run it anywhere, get back exactly what ran.

Importing this package loads nothing else; it also runs inside jobs, on Python 3.8 and later, with nothing installed.
"""

__version__ = "0.1.0"
__all__ = ["Run", "__version__"]


def __getattr__(name):  # type: ignore[no-untyped-def]
    if name == "Run":
        from trainconf.job_api import Run

        return Run
    raise AttributeError("module 'trainconf' has no attribute " + repr(name))

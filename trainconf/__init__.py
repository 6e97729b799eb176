"""trainconf: declare a training run once, run it anywhere, get back exactly what ran.

Importing this package loads nothing else; it also runs inside jobs, on Python 3.8 and later, with nothing installed.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.job_api import Run as Run
    from trainconf.notebook.details import RunDetails as RunDetails
    from trainconf.sdk.compute import ComputeTarget as ComputeTarget
    from trainconf.sdk.distributed import MpiConfiguration as MpiConfiguration
    from trainconf.sdk.distributed import PyTorchConfiguration as PyTorchConfiguration
    from trainconf.sdk.distributed import TensorflowConfiguration as TensorflowConfiguration
    from trainconf.sdk.docker import DockerConfiguration as DockerConfiguration
    from trainconf.sdk.environments import CondaDependencies as CondaDependencies
    from trainconf.sdk.environments import ContainerRegistry as ContainerRegistry
    from trainconf.sdk.environments import DockerBuildContext as DockerBuildContext
    from trainconf.sdk.environments import DockerSection as DockerSection
    from trainconf.sdk.environments import Environment as Environment
    from trainconf.sdk.environments import PythonSection as PythonSection
    from trainconf.sdk.experiment import Experiment as Experiment
    from trainconf.sdk.hyperdrive import BanditPolicy as BanditPolicy
    from trainconf.sdk.hyperdrive import BayesianParameterSampling as BayesianParameterSampling
    from trainconf.sdk.hyperdrive import EarlyTerminationPolicy as EarlyTerminationPolicy
    from trainconf.sdk.hyperdrive import GridParameterSampling as GridParameterSampling
    from trainconf.sdk.hyperdrive import HyperDriveConfig as HyperDriveConfig
    from trainconf.sdk.hyperdrive import HyperDriveRun as HyperDriveRun
    from trainconf.sdk.hyperdrive import MedianStoppingPolicy as MedianStoppingPolicy
    from trainconf.sdk.hyperdrive import NoTerminationPolicy as NoTerminationPolicy
    from trainconf.sdk.hyperdrive import PrimaryMetricGoal as PrimaryMetricGoal
    from trainconf.sdk.hyperdrive import RandomParameterSampling as RandomParameterSampling
    from trainconf.sdk.hyperdrive import TruncationSelectionPolicy as TruncationSelectionPolicy
    from trainconf.sdk.hyperdrive import choice as choice
    from trainconf.sdk.hyperdrive import lognormal as lognormal
    from trainconf.sdk.hyperdrive import loguniform as loguniform
    from trainconf.sdk.hyperdrive import normal as normal
    from trainconf.sdk.hyperdrive import qlognormal as qlognormal
    from trainconf.sdk.hyperdrive import qloguniform as qloguniform
    from trainconf.sdk.hyperdrive import qnormal as qnormal
    from trainconf.sdk.hyperdrive import quniform as quniform
    from trainconf.sdk.hyperdrive import randint as randint
    from trainconf.sdk.hyperdrive import uniform as uniform
    from trainconf.sdk.run import SubmittedRun as SubmittedRun
    from trainconf.sdk.run_configuration import RunConfiguration as RunConfiguration
    from trainconf.sdk.script_run_config import ScriptRunConfig as ScriptRunConfig
    from trainconf.sdk.sweep_run import SweepRun as SweepRun
    from trainconf.sdk.tensorboard import Tensorboard as Tensorboard
    from trainconf.sdk.tensorboard import export_to_tensorboard as export_to_tensorboard
    from trainconf.sdk.workspace import Workspace as Workspace

# Where each public name is: its module is loaded when the name is asked for.
_PLACES = {
    "BanditPolicy": "trainconf.sdk.hyperdrive",
    "BayesianParameterSampling": "trainconf.sdk.hyperdrive",
    "ComputeTarget": "trainconf.sdk.compute",
    "CondaDependencies": "trainconf.sdk.environments",
    "ContainerRegistry": "trainconf.sdk.environments",
    "DockerBuildContext": "trainconf.sdk.environments",
    "DockerConfiguration": "trainconf.sdk.docker",
    "DockerSection": "trainconf.sdk.environments",
    "EarlyTerminationPolicy": "trainconf.sdk.hyperdrive",
    "Environment": "trainconf.sdk.environments",
    "Experiment": "trainconf.sdk.experiment",
    "GridParameterSampling": "trainconf.sdk.hyperdrive",
    "HyperDriveConfig": "trainconf.sdk.hyperdrive",
    "HyperDriveRun": "trainconf.sdk.hyperdrive",
    "MedianStoppingPolicy": "trainconf.sdk.hyperdrive",
    "MpiConfiguration": "trainconf.sdk.distributed",
    "NoTerminationPolicy": "trainconf.sdk.hyperdrive",
    "PrimaryMetricGoal": "trainconf.sdk.hyperdrive",
    "PyTorchConfiguration": "trainconf.sdk.distributed",
    "PythonSection": "trainconf.sdk.environments",
    "RandomParameterSampling": "trainconf.sdk.hyperdrive",
    "Run": "trainconf.job_api",
    "RunConfiguration": "trainconf.sdk.run_configuration",
    "RunDetails": "trainconf.notebook.details",
    "ScriptRunConfig": "trainconf.sdk.script_run_config",
    "SubmittedRun": "trainconf.sdk.run",
    "SweepRun": "trainconf.sdk.sweep_run",
    "Tensorboard": "trainconf.sdk.tensorboard",
    "TensorflowConfiguration": "trainconf.sdk.distributed",
    "TruncationSelectionPolicy": "trainconf.sdk.hyperdrive",
    "Workspace": "trainconf.sdk.workspace",
    "choice": "trainconf.sdk.hyperdrive",
    "export_to_tensorboard": "trainconf.sdk.tensorboard",
    "lognormal": "trainconf.sdk.hyperdrive",
    "loguniform": "trainconf.sdk.hyperdrive",
    "normal": "trainconf.sdk.hyperdrive",
    "qlognormal": "trainconf.sdk.hyperdrive",
    "qloguniform": "trainconf.sdk.hyperdrive",
    "qnormal": "trainconf.sdk.hyperdrive",
    "quniform": "trainconf.sdk.hyperdrive",
    "randint": "trainconf.sdk.hyperdrive",
    "uniform": "trainconf.sdk.hyperdrive",
}

__all__ = [
    "BanditPolicy",
    "BayesianParameterSampling",
    "ComputeTarget",
    "CondaDependencies",
    "ContainerRegistry",
    "DockerBuildContext",
    "DockerConfiguration",
    "DockerSection",
    "EarlyTerminationPolicy",
    "Environment",
    "Experiment",
    "GridParameterSampling",
    "HyperDriveConfig",
    "HyperDriveRun",
    "MedianStoppingPolicy",
    "MpiConfiguration",
    "NoTerminationPolicy",
    "PrimaryMetricGoal",
    "PyTorchConfiguration",
    "PythonSection",
    "RandomParameterSampling",
    "Run",
    "RunConfiguration",
    "RunDetails",
    "ScriptRunConfig",
    "SubmittedRun",
    "SweepRun",
    "Tensorboard",
    "TensorflowConfiguration",
    "TruncationSelectionPolicy",
    "Workspace",
    "__version__",
    "choice",
    "export_to_tensorboard",
    "lognormal",
    "loguniform",
    "normal",
    "qlognormal",
    "qloguniform",
    "qnormal",
    "quniform",
    "randint",
    "uniform",
]


def __getattr__(name):  # type: ignore[no-untyped-def]
    if name not in _PLACES:
        raise AttributeError("module 'trainconf' has no attribute " + repr(name))
    from importlib import import_module

    value = getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__():  # type: ignore[no-untyped-def]
    return sorted(__all__)


def load_ipython_extension(shell):  # type: ignore[no-untyped-def]
    """What `%load_ext trainconf` calls in a notebook: the magics `%trainconf` and `%%trainconf`."""
    from importlib import import_module

    import_module("trainconf.notebook.magics.commands").load(shell)

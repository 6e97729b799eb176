"""Parameter expressions, samplings and policies of sweeps with the original's defaults and exceptions."""

from __future__ import annotations

from trainconf.compat.azureml.configs.told import raising, told
from trainconf.compat.azureml.exceptions import HyperDriveConfigException
from trainconf.sdk import hyperdrive

_told = told(HyperDriveConfigException)


@_told
class RandomParameterSampling(hyperdrive.RandomParameterSampling):
    """Points by chance."""


@_told
class GridParameterSampling(hyperdrive.GridParameterSampling):
    """Every combination of the values of `choice` expressions."""


@_told
class BayesianParameterSampling(hyperdrive.BayesianParameterSampling):
    """Each point by what the ones before were worth."""


@_told
class BanditPolicy(hyperdrive.BanditPolicy):
    """Stops a trial that is further from the best one than the slack."""

    def __init__(
        self, evaluation_interval: int = 1, slack_factor: float | None = None, slack_amount: float | None = None, delay_evaluation: int = 0
    ) -> None:
        super().__init__(evaluation_interval, slack_factor, slack_amount, delay_evaluation)


@_told
class MedianStoppingPolicy(hyperdrive.MedianStoppingPolicy):
    """Stops a trial whose best value is below the median of the other trials' means."""

    def __init__(self, evaluation_interval: int = 1, delay_evaluation: int = 0) -> None:
        super().__init__(evaluation_interval, delay_evaluation)


@_told
class TruncationSelectionPolicy(hyperdrive.TruncationSelectionPolicy):
    """Stops the worst share of the trials that have come as far."""

    def __init__(self, truncation_percentage: int, evaluation_interval: int = 1, delay_evaluation: int = 0) -> None:
        super().__init__(truncation_percentage, evaluation_interval, delay_evaluation)


@_told
class NoTerminationPolicy(hyperdrive.NoTerminationPolicy):
    """Every trial runs to its end."""


choice = raising(HyperDriveConfigException, hyperdrive.choice)
randint = raising(HyperDriveConfigException, hyperdrive.randint)
uniform = raising(HyperDriveConfigException, hyperdrive.uniform)
quniform = raising(HyperDriveConfigException, hyperdrive.quniform)
loguniform = raising(HyperDriveConfigException, hyperdrive.loguniform)
qloguniform = raising(HyperDriveConfigException, hyperdrive.qloguniform)
normal = raising(HyperDriveConfigException, hyperdrive.normal)
qnormal = raising(HyperDriveConfigException, hyperdrive.qnormal)
lognormal = raising(HyperDriveConfigException, hyperdrive.lognormal)
qlognormal = raising(HyperDriveConfigException, hyperdrive.qlognormal)

"""HyperDrive from Python: a search described by a program, which becomes a choice of `sweep` and its values; its results."""

from __future__ import annotations

from trainconf.sdk.hyperdrive.config import HyperDriveConfig as HyperDriveConfig
from trainconf.sdk.hyperdrive.config import PrimaryMetricGoal as PrimaryMetricGoal
from trainconf.sdk.hyperdrive.expressions import choice as choice
from trainconf.sdk.hyperdrive.expressions import lognormal as lognormal
from trainconf.sdk.hyperdrive.expressions import loguniform as loguniform
from trainconf.sdk.hyperdrive.expressions import normal as normal
from trainconf.sdk.hyperdrive.expressions import qlognormal as qlognormal
from trainconf.sdk.hyperdrive.expressions import qloguniform as qloguniform
from trainconf.sdk.hyperdrive.expressions import qnormal as qnormal
from trainconf.sdk.hyperdrive.expressions import quniform as quniform
from trainconf.sdk.hyperdrive.expressions import randint as randint
from trainconf.sdk.hyperdrive.expressions import uniform as uniform
from trainconf.sdk.hyperdrive.policies import BanditPolicy as BanditPolicy
from trainconf.sdk.hyperdrive.policies import EarlyTerminationPolicy as EarlyTerminationPolicy
from trainconf.sdk.hyperdrive.policies import MedianStoppingPolicy as MedianStoppingPolicy
from trainconf.sdk.hyperdrive.policies import NoTerminationPolicy as NoTerminationPolicy
from trainconf.sdk.hyperdrive.policies import TruncationSelectionPolicy as TruncationSelectionPolicy
from trainconf.sdk.hyperdrive.run import HyperDriveRun as HyperDriveRun
from trainconf.sdk.hyperdrive.sampling import BayesianParameterSampling as BayesianParameterSampling
from trainconf.sdk.hyperdrive.sampling import GridParameterSampling as GridParameterSampling
from trainconf.sdk.hyperdrive.sampling import RandomParameterSampling as RandomParameterSampling

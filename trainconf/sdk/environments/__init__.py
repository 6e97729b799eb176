"""Environments from Python: what a run sees, described, registered in `conf/env/`, built. Each becomes a choice of `env` and its values."""

from __future__ import annotations

from trainconf.sdk.environments.conda import CondaDependencies as CondaDependencies
from trainconf.sdk.environments.environment import Environment as Environment
from trainconf.sdk.environments.sections import ContainerRegistry as ContainerRegistry
from trainconf.sdk.environments.sections import DockerBuildContext as DockerBuildContext
from trainconf.sdk.environments.sections import DockerSection as DockerSection
from trainconf.sdk.environments.sections import PythonSection as PythonSection

"""`ComputeTarget` and the classes below it: a choice of `conf/compute/` by a name of the cloud's. Nothing is provisioned."""

from __future__ import annotations

from trainconf.compat.azureml.absent import absent, not_here
from trainconf.compat.azureml.exceptions import ComputeTargetException
from trainconf.compat.azureml.said import once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.compat.azureml.workspace import Workspace

LOCAL = "local"
ANY = "*"


class _ComputeClass(type):
    """A call of `AmlCompute(ws, name)` and of `ComputeTarget(ws, name)` both find the target of that name."""

    def __getattr__(cls, name: str) -> Any:
        if name in ("attach_configuration", "provisioning_configuration", "supported_vmsizes", "create_or_update"):
            return absent(f"azureml.core.compute.{cls.__name__}.{name}", "it is a service of the cloud")
        raise AttributeError(f"trainconf's {cls.__name__} has no {name}; see docs/azureml.md")


class ComputeTarget(metaclass=_ComputeClass):
    """A compute target by name: a choice of conf/compute/, or a name that conf/azureml.yaml maps to one.

    choice: what trainconf calls it. Raises ComputeTargetException, which says what there is, for any other name.
    """

    def __init__(self, workspace: Workspace, name: str, **kwargs: Any) -> None:
        self.workspace = workspace
        self.name = name
        self.choice = choice_of(workspace, name)
        self.type = type(self).__name__
        self.vm_size = LOCAL
        self.provisioning_state = "Succeeded"
        self.provisioning_errors: Any = None
        self.tags: dict[str, str] = {}

    @staticmethod
    def create(workspace: Workspace, name: str, provisioning_configuration: Any = None) -> ComputeTarget:
        """Find it: nothing is made. Raises ComputeTargetException when there is none."""
        found = ComputeTarget(workspace, name)
        once(f"ComputeTarget.create makes nothing here: {name} is compute={found.choice}")
        return found

    @staticmethod
    def attach(workspace: Workspace, name: str, attach_configuration: Any = None) -> ComputeTarget:
        """Find it: nothing is attached. Raises ComputeTargetException when there is none."""
        found = ComputeTarget(workspace, name)
        once(f"ComputeTarget.attach does nothing here: {name} is compute={found.choice}")
        return found

    @staticmethod
    def list(workspace: Workspace) -> list[ComputeTarget]:
        """All compute targets of a workspace."""
        return list(ComputeTarget.all_of(workspace).values())

    @staticmethod
    def all_of(workspace: Workspace) -> dict[str, ComputeTarget]:
        """Every name that is a compute target of a workspace."""
        names = dict.fromkeys([*_choices(workspace), *(name for name in workspace._mapping().targets if name != ANY)])
        return Targets(workspace, {name: AmlCompute(workspace, name) for name in names})

    def wait_for_completion(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: it is there."""
        once("wait_for_completion of a compute target waits for nothing here: it is there")

    wait_for_provisioning = wait_for_completion

    def get_status(self) -> TargetStatus:
        """That it is there."""
        return TargetStatus(self)

    @property
    def status(self) -> TargetStatus:
        return TargetStatus(self)

    def serialize(self) -> dict[str, Any]:
        return {"name": self.name, "type": self.type, "provisioningState": self.provisioning_state, "compute": self.choice}

    def list_nodes(self) -> Any:
        """No node is kept; `trainconf watch` shows what runs."""
        return []

    def refresh_state(self) -> None:
        """Nothing: it is there."""

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: its settings are in conf/compute/."""
        once(f"nothing is changed: the settings of {self.name} are those of compute={self.choice}, in conf/compute/")

    def delete(self) -> None:
        """Nothing: nothing was made."""
        once(f"nothing is removed: {self.name} is compute={self.choice}, and nothing was made for it")

    detach = start = stop = restart = add_identity = delete

    def __getattr__(self, name: str) -> Any:
        if name in ("min_node_count", "scale_settings", "vm_priority", "admin_username", "address", "get_credentials", "applications",
                    "get_active_runs", "cluster_resource_id", "ssh_port", "username"):  # fmt: skip
            raise not_here(f"azureml.core.compute.{type(self).__name__}.{name}", "`trainconf config compute=NAME` shows its settings")
        raise AttributeError(f"trainconf's {type(self).__name__} has no {name}; see docs/azureml.md")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, compute={self.choice})"


class Targets(dict):  # type: ignore[type-arg]
    """`ws.compute_targets`: targets by name. A name that is not among them is looked up once more, for `'*'` of conf/azureml.yaml."""

    def __init__(self, workspace: Workspace, found: dict[str, ComputeTarget]) -> None:
        super().__init__(found)
        self._workspace = workspace

    def __missing__(self, name: str) -> ComputeTarget:
        try:
            return AmlCompute(self._workspace, name)
        except ComputeTargetException as error:
            raise KeyError(str(error)) from None


class TargetStatus:
    """The state of a compute target: it is there."""

    def __init__(self, target: ComputeTarget) -> None:
        self._target = target
        self.provisioning_state = self.allocation_state = "Succeeded"
        self.current_node_count = self.target_node_count = 0
        self.errors: Any = None
        self.scale_settings = self.node_state_counts = self.vm_size = self.vm_priority = None

    def serialize(self) -> dict[str, Any]:
        return {"provisioningState": self.provisioning_state, "compute": self._target.choice, "errors": None}

    def __str__(self) -> str:
        return self.provisioning_state

    __repr__ = __str__


class Provisioning:
    """What a provisioning or attach configuration is: words that nothing is done with."""

    def __init__(self, **kwargs: Any) -> None:
        self.__dict__.update(kwargs)

    def validate(self) -> None:
        """Nothing."""


class AmlCompute(ComputeTarget):
    """A cluster of the cloud's: what stands for it here."""

    @staticmethod
    def provisioning_configuration(*args: Any, **kwargs: Any) -> Provisioning:
        once("AmlCompute.provisioning_configuration does nothing here: no machine is made; conf/compute/ says where runs run")
        return Provisioning(**kwargs)

    @staticmethod
    def supported_vmsizes(workspace: Any = None, location: str | None = None) -> list[dict[str, Any]]:
        """None: no machine is made here."""
        return []


class ComputeInstance(AmlCompute):
    """A machine of the cloud's: what stands for it here."""


class AksCompute(AmlCompute):
    """A cluster for web services: what stands for it here."""


class RemoteCompute(ComputeTarget):
    """A machine by SSH: what stands for it here."""

    @staticmethod
    def attach_configuration(*args: Any, **kwargs: Any) -> Provisioning:
        once("RemoteCompute.attach_configuration does nothing here: no machine is reached by SSH; conf/compute/ says where runs run")
        return Provisioning(**kwargs)


class KubernetesCompute(RemoteCompute):
    """A cluster of Kubernetes: what stands for it here."""


class HDInsightCompute(RemoteCompute):
    """A Spark cluster: what stands for it here."""


def choice_of(workspace: Workspace, name: str) -> str:
    """The choice of `compute` that a name means. Raises ComputeTargetException."""
    mapping = workspace._mapping().targets
    known = _choices(workspace)
    wanted = mapping.get(name) or (name if name in known else mapping.get(ANY, name))
    if wanted in known:
        return wanted
    if name in mapping or ANY in mapping:
        what = f"conf/azureml.yaml maps the compute target {name} to {wanted}, which is no choice of conf/compute"
    else:
        what = f"there is no compute target {name!r}, and nothing can be made in a cloud"
    raise ComputeTargetException(
        f"{what}. There are {', '.join(known)}{''.join(f', {each}' for each in mapping if each != ANY and each != name)}. "
        f"`{name}: {known[0] if LOCAL not in known else LOCAL}` in conf/azureml.yaml maps it to one of these"
    )


def _choices(workspace: Workspace) -> list[str]:
    return list(workspace._ours.compute_targets)

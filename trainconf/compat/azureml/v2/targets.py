"""Where a job runs: the compute target of a job file as a choice of `compute`."""

from __future__ import annotations

import re

from trainconf.control.compose import ComposeRequest, compose
from trainconf.resolve.search import config_dirs, groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainconf.compat.azureml.v2.document import Document
    from trainconf.paths import WorkspacePaths

MAPPING = "conf/azureml.yaml"
_LOCAL = ("local", "azureml:local")


def choice(document: Document, mapping: Mapping[str, str], workspace: WorkspacePaths) -> str:
    """The choice of `compute` for the job's target, `local` where it names none; what is not known is noted as a mistake."""
    named = document.at("compute")
    if named is None or not isinstance(named, str) or named.lower() in _LOCAL:
        return "local"
    name = re.split(r"[/:]", named.strip().rstrip("/"))[-1].partition("@")[0]
    known = choices(workspace)
    wanted = mapping.get(name) or (name if name in known else mapping.get("*", name))
    if wanted in known:
        return wanted
    document.wrong(
        ("compute",), f"there is no compute target {wanted!r}", ("there are", ", ".join(known)),
        *([(MAPPING, ", ".join(f"{other}: {ours}" for other, ours in mapping.items()))] if mapping else []),
        hint=f"add a word such as compute=local to this command, or write the line `{name}: slurm` into {MAPPING}",
    )
    return "local"


def choices(workspace: WorkspacePaths) -> list[str]:
    """The choices of `compute`, such as `local` and `slurm/gpu`."""
    found = groups(config_dirs(workspace))
    nested = [f"{group.removeprefix('compute/')}/{name}" for group in found if group.startswith("compute/") for name in found[group]]
    return [*found.get("compute", []), *nested]


def kind(choice_of_compute: str, workspace: WorkspacePaths) -> str:
    """What carries out the runs of a choice of `compute`: `local`, `docker`, `slurm`, or another launcher. Raises ConfigError."""
    request = ComposeRequest([f"compute={choice_of_compute}", "experiment=adhoc"])
    return str(compose(request, workspace).config["compute"]["target"])

"""mlflow's artifacts of a run: its own ./outputs, by URIs such as `trainconf:/folder/outputs`.

A script may log what is there already, the folder itself included: that stays where it is.
"""

from __future__ import annotations

import os
import shutil
from urllib.parse import quote, unquote

from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SCHEME = "trainconf:"


def uri(folder: str) -> str:
    return SCHEME + quote(folder)


class TrainconfArtifacts(LocalArtifactRepository):  # type: ignore[misc]
    """Files below a run's outputs."""

    def __init__(self, artifact_uri: str, *args: Any, **options: Any) -> None:
        path = artifact_uri[len(SCHEME) :] if artifact_uri.startswith(SCHEME) else artifact_uri
        super().__init__("file://" + quote(unquote("/" + path.lstrip("/"))), *args, **options)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Copy all files below a folder. Those that are in their place already are passed over."""
        source = os.path.realpath(local_dir)
        target = os.path.realpath(self._get_or_create_artifact_dir(artifact_path))
        if source == target:
            return
        found = []
        for folder, folders, names in os.walk(source):
            folders[:] = [name for name in folders if os.path.join(folder, name) != target]  # a copy within its own source has no end
            found.append((folder, names))
        for folder, names in found:
            place = os.path.join(target, os.path.relpath(folder, source))
            os.makedirs(place, exist_ok=True)
            for name in names:
                shutil.copyfile(os.path.join(folder, name), os.path.join(place, name))

"""Names of the environment variables of the original, and those of them that count here."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

API_KEY, BASE_URL, DIR, ENTITY, MODE, NAME = "WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_DIR", "WANDB_ENTITY", "WANDB_MODE", "WANDB_NAME"
NOTES, PROJECT, RESUME, RUN_GROUP = "WANDB_NOTES", "WANDB_PROJECT", "WANDB_RESUME", "WANDB_RUN_GROUP"
RUN_ID, SILENT, TAGS, JOB_TYPE, DISABLED = "WANDB_RUN_ID", "WANDB_SILENT", "WANDB_TAGS", "WANDB_JOB_TYPE", "WANDB_DISABLED"


def given(name: str, variable: str) -> Any:
    """What a call has given, else the environment variable; an empty one is none."""
    return name if name is not None else os.environ.get(variable) or None


def is_on(variable: str) -> bool:
    return os.environ.get(variable, "").strip().lower() in ("1", "true", "yes", "on")


def get_project(default: Optional[str] = None, env: Any = None) -> Optional[str]:
    return os.environ.get(PROJECT, default)


def get_run(default: Optional[str] = None, env: Any = None) -> Optional[str]:
    return os.environ.get(RUN_ID, default)


def get_dir(default: Optional[str] = None, env: Any = None) -> Optional[str]:
    return os.environ.get(DIR, default)


def is_offline(env: Any = None) -> bool:
    return False

"""Job files of Azure ML v2 as a config of trainconf: which groups, which values, and the line that each is from."""

from __future__ import annotations


def is_job(name: str) -> bool:
    """Whether a file is taken for a job by its name."""
    return name.lower().endswith((".yml", ".yaml"))

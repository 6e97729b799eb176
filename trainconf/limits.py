"""Default limits of the schema that commands which load no schema need, too."""

from __future__ import annotations

SNAPSHOT_MAX_MB = 300.0
SNAPSHOT_MAX_FILES = 100_000
MONITOR_INTERVAL_SECONDS = 10.0  # between two samples of what a run uses of its machine

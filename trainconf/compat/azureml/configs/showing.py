"""`RunDetails`, `Tensorboard` and `export_to_tensorboard`: trainconf's own, for runs of the original's names."""

from __future__ import annotations

import sys
from typing import Any


class RunDetails:
    """Shows a run or a sweep in a notebook; in a script `show` prints which run it is, and how to follow it."""

    def __init__(self, run_instance: Any) -> None:
        self.run = run_instance

    def show(self, render_lib: Any = None, widget_settings: Any = None) -> None:
        """Show it."""
        if "IPython" in sys.modules and _in_notebook():
            from importlib import import_module

            import_module("trainconf").RunDetails(self.run._seen).show()
            return
        print(f"run {self.run.id}: {self.run.get_status()}; `trainconf logs -f {self.run.id}` follows it")

    def get_widget_data(self, widget_settings: Any = None) -> dict[str, Any]:
        """What is known of the run."""
        found: dict[str, Any] = self.run.get_details()
        return found


class Tensorboard:
    """TensorBoard on runs: `start` and `stop`."""

    def __init__(self, runs: Any, local_root: str | None = None, port: int = 6006, use_display_name: bool = False, **kwargs: Any) -> None:
        from importlib import import_module

        several = runs if isinstance(runs, (list, tuple)) else [runs]
        kind = import_module("trainconf.sdk.tensorboard").Tensorboard
        self._ours = kind([getattr(run, "_seen", run) for run in several], local_root, port, use_display_name)

    def start(self, start_browser: bool = False) -> str:
        """Start it; its address."""
        return str(self._ours.start(start_browser))

    def stop(self) -> None:
        """End it."""
        self._ours.stop()


def export_to_tensorboard(run_data: Any, logsdir: str, logger: Any = None, recursive: bool = True) -> Any:
    """Write what runs have logged as a log directory for TensorBoard."""
    from importlib import import_module

    several = run_data if isinstance(run_data, (list, tuple)) else [run_data]
    ours = [getattr(run, "_seen", None) or getattr(run, "_ours", run) for run in several]
    export = import_module("trainconf.sdk.tensorboard").export_to_tensorboard
    return export(ours if isinstance(run_data, (list, tuple)) else ours[0], logsdir, recursive=recursive)


def _in_notebook() -> bool:
    from importlib import import_module

    shell = import_module("IPython").get_ipython()
    return shell is not None and shell.__class__.__name__ == "ZMQInteractiveShell"


def set_diagnostics_collection(*args: Any, **kwargs: Any) -> None:
    """Nothing: nothing is sent to anybody."""

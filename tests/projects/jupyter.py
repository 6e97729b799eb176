"""A Python with JupyterLab, nbclient and playwright, and trainconf of this checkout: made once on a machine, from locks/."""

from __future__ import annotations

import json
from pathlib import Path

from tests.made_once import python_of

ROOT = Path(__file__).parents[2]
KERNEL = "trainconf-tests"


def jupyter_python() -> Path:
    """The interpreter. Raises AssertionError with pip's last words."""
    return python_of("build", "run", "notebook", finish=_add_kernel)


def _add_kernel(folder: Path) -> None:
    specs = folder / "share" / "jupyter" / "kernels" / KERNEL
    specs.mkdir(parents=True)
    argv = [str(folder / "bin" / "python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (specs / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}))


def write_notebook(path: Path, *cells: str) -> None:
    """A notebook of code cells, without outputs."""
    code: list[dict[str, object]] = [
        {"cell_type": "code", "id": f"cell-{place}", "metadata": {}, "outputs": [], "execution_count": None, "source": source}
        for place, source in enumerate(cells)
    ]  # fmt: skip
    kernel = {"name": KERNEL, "display_name": "Python 3", "language": "python"}
    path.write_text(json.dumps({"cells": code, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}, indent=1))


def settle(root: Path, leases: Path) -> None:
    """Make a folder a workspace whose runs wait for nobody else's."""
    (root / "conf").mkdir(parents=True, exist_ok=True)
    (root / "conf" / "local.yaml").write_text(f"# @package _global_\ncompute:\n  lease_dir: {json.dumps(str(leases))}\n  slots: 4\n")

"""Executes notebooks as JupyterLab would, without one: `python execute.py KERNEL NOTEBOOK...`; prints what each cell has shown, as JSON.

Each notebook runs in the folder that it lies in. It runs in the Python of tests/projects/jupyter.py.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def shown(output: Any) -> dict[str, str]:
    """What one output says, by MIME type or channel."""
    if output.output_type == "stream":
        return {output.name: output.text}
    return {name: text if isinstance(text, str) else json.dumps(text) for name, text in output.data.items()}


def execute(path: Path, kernel: str) -> dict[str, Any]:
    """Every code cell in order: its source and outputs; and the traceback of the one that failed."""
    notebook = nbformat.read(path, as_version=4)
    failure = ""
    try:
        NotebookClient(notebook, timeout=120, kernel_name=kernel, resources={"metadata": {"path": str(path.parent)}}).execute()
    except CellExecutionError as error:
        failure = str(error)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [[shown(output) for output in cell.outputs if output.output_type != "error"] for cell in cells]
    return {"failure": failure, "cells": [cell.source for cell in cells], "outputs": outputs}


if __name__ == "__main__":
    print(json.dumps({name: execute(Path(name), sys.argv[1]) for name in sys.argv[2:]}))

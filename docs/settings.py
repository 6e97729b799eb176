"""Writes the tables of docs/configuration.md from the schema, between their markers: `python docs/settings.py`.

A test fails when the page and the schema say different things, so the tables cannot drift.
"""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

from trainconf import schema
from trainconf.resolve.settings import Setting, settings

PAGE = Path(__file__).with_name("configuration.md")
NODES = {"compute": schema.LocalCompute, "env": schema.EnvironmentConfig, "sweep": schema.GridSweep}
KINDS = {
    "none": schema.NoDistributed, "pytorch": schema.PyTorchDistributed, "mpi": schema.MpiDistributed,
    "tensorflow": schema.TensorFlowDistributed,
}  # fmt: skip
TARGETS = {"docker": schema.DockerCompute, "slurm": schema.SlurmCompute}  # what they have besides what compute=local has


SWEEPS = {name: schema.GROUPS["sweep"].schemas[name] for name in ("random", "bayes")}  # what they have besides what sweep=grid has
POLICIES = {name: policy for name, policy in schema.GROUPS["sweep/policy"].schemas.items() if name != "none"}


def tables() -> dict[str, str]:
    """The table of each part by the name of its marker: `top`, the group nodes, the compute targets and the kinds of distributed jobs."""
    found = settings(NODES)
    parts: dict[str, list[Setting]] = {"top": [], **{name: [] for name in NODES}}
    for key, setting in found.items():
        node = key.partition(".")[0]
        if key not in NODES:
            parts[node if node in NODES else "top"].append(setting)
    for name, target in TARGETS.items():
        parts[name] = [setting for key, setting in settings({"compute": target}).items() if key not in found]
    for name, kind in KINDS.items():
        parts[name] = [setting for key, setting in settings({"distributed": kind}).items() if key.startswith("distributed.")]
    for name, sweep in SWEEPS.items():
        rows = [setting for key, setting in settings({"sweep": sweep}).items() if key.startswith("sweep.")]
        parts[name] = [row for row in rows if row.key not in found or row.key in ("sweep.kind", "sweep.max_total_runs")]
    for name, policy in POLICIES.items():
        parts[name] = [setting for key, setting in settings({"sweep.policy": policy}).items() if key.startswith("sweep.policy.")]
    return {name: _table(rows) for name, rows in parts.items()}


def rendered(page: str) -> str:
    """The page with every table made anew. Raises KeyError for a marker that names no part."""
    made = tables()
    missing = [name for name in made if f"<!-- settings: {name} -->" not in page]
    if missing:
        raise KeyError(f"{PAGE.name} has no marker for {', '.join(missing)}")
    return re.sub(
        r"(<!-- settings: (\w+) -->\n).*?(<!-- end -->)", lambda match: match[1] + made[match[2]] + match[3], page, flags=re.DOTALL
    )


def _table(rows: list[Setting]) -> str:
    lines = ["| key | allowed | default | meaning |", "|---|---|---|---|"]
    lines += [f"| `{row.key}` | {_cell(row.allowed)} | {_default(row)} | {_cell(row.doc)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _default(row: Setting) -> str:
    factory = row.field.default_factory
    value = row.default if factory is dataclasses.MISSING else factory()
    return "required" if value == "???" else f"`{json.dumps(value)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text()))

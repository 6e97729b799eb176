"""A script that uses the whole interface of `Run`, and what it tells: the same in a job of each kind, and outside any run."""

from __future__ import annotations

import json
from typing import Any

SCRIPT = r"""
import json, os, sys
from trainconf import Run

run = Run.get_context()
for step in range(3):
    run.log("loss", 1 / (step + 1), step=step)
run.log("note", "fine")
run.log_list("fib", (n for n in (1, 1, 2)))
run.log_row("cost", epoch=1, eur=2.5)
run.log_row("cost", epoch=2, note="x")
run.log_table("table", {"a": [1, 2], "b": ["x", "y"]})
chart = {"schema_type": "residuals", "schema_version": "1.0.0", "data": {"bin_edges": [0, 1, 2], "bin_counts": [3, 4]}}
run.log_residuals("res", json.dumps(chart))
os.makedirs("outputs", exist_ok=True)
with open("outputs/p.png", "wb") as stream:
    stream.write(b"\x89PNG\r\n\x1a\n.")
run.log_image("pic", "outputs/p.png", description="a picture")
run.set_tags({"a": "b", "gone": 1})
run.remove_tags("gone")
run.tag("flag")
run.add_properties({"data": "v1"})
run.add_properties({"data": "v1"})
try:
    run.add_properties({"data": "v2"})
    raise SystemExit("a property was changed")
except ValueError:
    pass
run.display_name = "mine"
run.description = "what it is about"
run.upload_file("model.bin", "outputs/p.png")
run.upload_folder("more", "outputs")
os.makedirs("got", exist_ok=True)
fetched = run.download_file("outputs/model.bin", "got")
with run.child_run("kid") as kid:
    kid.log("acc", 0.5)
    kid.tag("k", "v")
    kid.upload_file("outputs/kid.txt", "outputs/p.png")
try:
    with run.child_run("bad") as bad:
        raise ValueError("boom")
except ValueError:
    pass
for child in run.create_children(tag_key="fold", tag_values=[0, 1]):
    child.complete()
try:
    kid.log("acc", 1)
    ended = "takes more"
except RuntimeError:
    ended = "takes nothing more"
told = {
    "metrics": run.get_metrics(), "last": run.metrics, "tags": run.get_tags(), "properties": run.get_properties(), "name": run.name,
    "description": run.description, "status": run.status, "files": [name for name in run.get_file_names() if name.startswith("outputs/")],
    "fetched": fetched,
    "children": [[child.display_name or "", child.status, child.get_tags()] for child in run.get_children()],
    "kid": [kid.get_metrics(), kid.type, kid.parent.id == run.id, ended], "is_text": isinstance(run.experiment, str),
    "folds": len(run.get_children(tags="fold")),
}
run.fail("something is odd", "E42")
run.complete()
run.flush()
print("TOLD " + json.dumps(told), flush=True)
"""

METRICS: dict[str, Any] = {
    "loss": [1.0, 0.5, 1 / 3], "note": ["fine"], "fib": [1, 1, 2], "pic": ["outputs/p.png"],
    "res": [{"schema_type": "residuals", "schema_version": "1.0.0", "data": {"bin_edges": [0, 1, 2], "bin_counts": [3, 4]}}],
    "cost": {"epoch": [1, 2], "eur": [2.5, None], "note": [None, "x"]}, "table": {"a": [1, 2], "b": ["x", "y"]},
}  # fmt: skip
TOLD: dict[str, Any] = {
    "metrics": METRICS,
    "last": {"loss": 1 / 3, "note": "fine", "fib": 2, "cost/epoch": 2, "cost/eur": 2.5, "table/a": 2},
    "tags": {"a": "b", "flag": ""}, "properties": {"data": "v1"}, "name": "mine", "description": "what it is about", "status": "Running",
    "files": ["outputs/model.bin", "outputs/more/model.bin", "outputs/more/p.png", "outputs/p.png"], "fetched": "got/model.bin",
    "children": [
        ["kid", "Completed", {"k": "v"}], ["bad", "Failed", {}], ["", "Completed", {"fold": "0"}], ["", "Completed", {"fold": "1"}],
    ],
    "kid": [{"acc": [0.5]}, "child", True, "takes nothing more"], "is_text": True, "folds": 2,
}  # fmt: skip


def told(output: str) -> dict[str, Any]:
    """What the script has told, from its output."""
    (line,) = [line for line in output.splitlines() if line.startswith("TOLD ")]
    found: dict[str, Any] = json.loads(line.removeprefix("TOLD "))
    return found

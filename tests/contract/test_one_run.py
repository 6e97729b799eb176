"""One interface of `Run` with one behaviour: outside any run, in a job here, in a container, on the nodes of Slurm; and in the history."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trainconf import Run, Workspace
from trainconf.control.interactive.logged import get_metrics
from trainconf.history import events, record
from trainconf.history.find import find
from trainconf.launchers import get
from trainconf.launchers.protocol import RunHandle
from trainconf.paths import RunPaths
from trainconf.testing.runs import last, make_job, output, shell, submit

from .one_run import METRICS, SCRIPT, TOLD, told

ROOT = Path(__file__).parents[2]


def carried_out(target: str, root: Path, script: str, **wishes: Any) -> RunHandle:
    launcher = get(target)
    job = make_job(str(root), ["sh", "-c", 'exec python -c "$0"', script], **wishes)
    handle = submit(launcher, job)
    launcher.wait(handle)
    return handle


def check_history(paths: RunPaths) -> None:
    """What the host knows of a run of the script, after its end."""
    found = record.details(paths)
    assert (found["status"], found["display_name"], found["note"]) == ("Completed", "mine", "what it is about")
    assert (found["tags"], found["properties"]) == (TOLD["tags"], TOLD["properties"])
    assert get_metrics(paths) == METRICS
    assert found["metrics"] == TOLD["last"]
    assert found["tables"] == {"cost": {"rows": 2, "columns": ["epoch", "eur", "note"]}, "table": {"rows": 2, "columns": ["a", "b"]}}
    assert [image["file"] for image in found["images"]] == ["outputs/p.png"]
    assert (found["errors"][0]["text"], found["errors"][0]["code"]) == ("something is odd", "E42")
    assert found["descriptions"] == {"pic": "a picture"}
    assert found["damage"] == []
    children = [record.details(find(paths.workspace, name)) for name in found["children"]]
    assert [child["status"] for child in children] == ["Completed", "Failed", "Completed", "Completed"]
    assert {child["parent"] for child in children} == {paths.run_id}
    assert (children[0]["metrics"], children[0]["tags"], children[0]["type"]) == ({"acc": 0.5}, {"k": "v"}, "child")
    assert "ValueError: boom" in children[1]["reason"]
    assert Path(children[0]["run_dir"], "outputs/kid.txt").read_bytes().startswith(b"\x89PNG")
    assert not os.path.lexists(paths.children)
    check_fetched(paths)


def check_fetched(paths: RunPaths) -> None:
    """The same by the same interface, of a run that is fetched from the history."""
    os.makedirs(paths.workspace.state, exist_ok=True)
    run = Run.get(Workspace(paths.workspace.root), paths.run_id)
    assert (run.get_metrics(), run.metrics) == (METRICS, TOLD["last"])
    assert (run.get_tags(), run.get_properties(), run.name, run.description) == (
        TOLD["tags"], TOLD["properties"], TOLD["name"], TOLD["description"],
    )  # fmt: skip
    assert [name for name in run.get_file_names() if name.startswith("outputs/")] == TOLD["files"]
    children = run.get_children()
    assert [[child.display_name or "", child.status, child.get_tags()] for child in children] == TOLD["children"]
    kid = children[0]
    assert (kid.get_metrics(), kid.type, kid.parent is not None and kid.parent.id) == ({"acc": [0.5]}, "child", run.id)
    assert len(run.get_children(tags="fold")) == 2


def test_outside_any_run_it_is_the_same(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TRAINCONF_")} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert told(done.stdout) == TOLD
    assert "loss = 0.5 (step 1)\n" in done.stdout
    assert "cost: epoch = 2, note = x\n" in done.stdout
    assert not os.path.exists(tmp_path / "runs")


def test_in_a_job_of_this_machine(tmp_path: Path) -> None:
    handle = carried_out("local", tmp_path, SCRIPT)
    assert told(output(handle)) == TOLD
    check_history(handle.paths)


@pytest.mark.docker
def test_in_a_container(tmp_path: Path, docker_engine: str, docker_base_image: str) -> None:
    handle = carried_out("docker", tmp_path, SCRIPT, image=docker_base_image)
    assert told(output(handle)) == TOLD
    check_history(handle.paths)


SUBMITS = """
from trainconf import Run, ScriptRunConfig
run = Run.get_context()
config = ScriptRunConfig(source_directory=".", command=["sh", "-c", "exit 0"], overrides=["env=current", "compute.slots=4"])
child = run.submit_child(config, tags={"a": "b"})
print(child.wait_for_completion()["status"], [each.id for each in run.get_children()] == [child.id], run.experiment.workspace.root)
"""


def test_a_job_submits_a_child_where_trainconf_is_installed(tmp_path: Path) -> None:
    (tmp_path / ".trainconf").mkdir()
    handle = carried_out("local", tmp_path, SUBMITS)
    assert (last(handle)["state"], output(handle)) == ("Completed", f"Completed True {tmp_path}\n")
    (child,) = beside(handle.paths)
    found = record.details(child)
    assert (found["parent"], found["tags"], found["type"]) == (handle.paths.run_id, {"a": "b"}, "script")


def test_a_child_that_its_job_does_not_wait_for_ends_with_the_job_which_says_so(tmp_path: Path) -> None:
    (tmp_path / ".trainconf").mkdir()
    program = SUBMITS.replace("exit 0", "sleep 60")
    handle = carried_out("local", tmp_path, program[: program.index("print(")])
    assert last(handle)["state"] == "Completed"
    (child,) = beside(handle.paths)
    assert f"note: {child.run_id} is " in output(handle)
    assert record.details(child)["status"] in ("Canceled", "Failed")  # its agent, or its script, is the first to get SIGTERM


@pytest.mark.docker
def test_a_container_that_cannot_submit_a_child_says_what_works_there(tmp_path: Path, docker_base_image: str) -> None:
    script = "from trainconf import Run; Run.get_context().submit_child(None)"
    handle = carried_out("docker", tmp_path, script, image=docker_base_image)
    assert last(handle)["state"] == "Failed"
    assert "RuntimeError: the workspace is not seen in a container" in output(handle)


IS_NEW_ENOUGH = "import sys; sys.exit(sys.version_info < (3, 8))"


def pythons() -> list[str]:
    """Interpreters of other versions on this machine, of the oldest and the newest that jobs may have."""
    beside = [str(path) for path in Path("~/.pyenv/versions").expanduser().glob("3.*/bin/python")]
    found = [path for version in (8, 9, 12, 13, 14) if (path := shutil.which(f"python3.{version}"))]
    works = [path for path in (*beside, *found) if not subprocess.run([path, "-c", IS_NEW_ENOUGH], capture_output=True).returncode]
    return sorted(works)


@pytest.mark.parametrize("is_in_run", [False, True])
def test_any_python_that_a_job_may_have_does_the_same_without_a_warning(is_in_run: bool, tmp_path: Path) -> None:
    others = pythons()
    if not others:
        pytest.skip("no other Python is found here")
    for number, python in enumerate(others):
        folder = tmp_path / str(number) / "runs/exp/exp-20261129-0000-aaaa"
        (folder / "code/outputs").mkdir(parents=True)
        (folder / "run.json").write_text('{"run_id": "exp-20261129-0000-aaaa", "experiment_name": "exp"}')
        variables = {"TRAINCONF_RUN_DIR": str(folder), "TRAINCONF_RUN_ID": folder.name, "TRAINCONF_EXPERIMENT": "exp"} if is_in_run else {}
        environ = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **variables}
        command = [python, "-W", "error", "-c", SCRIPT]
        done = subprocess.run(command, cwd=folder / "code", env=environ, capture_output=True, text=True)
        assert done.returncode == 0, f"{python}: {done.stderr}"
        assert told(done.stdout) == TOLD, python


LEAVES_OPEN = """
import os, sys
from trainconf import Run
run = Run.get_context()
open_one = run.child_run("open")
open_one.log("x", 1)
grandchild = open_one.child_run("below")
grandchild.complete()
sys.exit({code})
"""


@pytest.mark.parametrize(("code", "state"), [(0, "Completed"), (3, "Failed")])
def test_a_child_that_is_left_open_ends_as_the_run_above_it(code: int, state: str, tmp_path: Path) -> None:
    check_left_open(carried_out("local", tmp_path, LEAVES_OPEN.format(code=code)).paths, state)


@pytest.mark.docker
@pytest.mark.parametrize(("code", "state"), [(0, "Completed"), (3, "Failed")])
def test_a_child_that_is_left_open_ends_so_in_a_container(code: int, state: str, tmp_path: Path, docker_base_image: str) -> None:
    check_left_open(carried_out("docker", tmp_path, LEAVES_OPEN.format(code=code), image=docker_base_image).paths, state)


def check_left_open(paths: RunPaths, state: str) -> None:
    assert record.describe(paths)["status"] == state
    children = {child["display_name"]: child for child in map(record.describe, beside(paths))}
    assert {name: child["status"] for name, child in children.items()} == {"open": state, "below": "Completed"}
    assert (children["open"]["parent"], children["below"]["parent"]) == (paths.run_id, children["open"]["run_id"])
    assert children["open"]["metrics"] == {"x": 1}


def beside(paths: RunPaths) -> list[RunPaths]:
    folder = os.path.dirname(paths.run_dir)
    return [RunPaths(os.path.join(folder, name)) for name in sorted(os.listdir(folder)) if name != paths.run_id]


CANCELS = """
import time
from trainconf import Run
run = Run.get_context()
run.log("x", 1)
run.cancel()
time.sleep(60)
"""


def test_a_job_that_cancels_itself_is_canceled(tmp_path: Path) -> None:
    handle = carried_out("local", tmp_path, CANCELS)
    assert (last(handle)["state"], get_metrics(handle.paths)) == ("Canceled", {"x": [1]})


@pytest.mark.docker
def test_a_container_that_cancels_itself_is_canceled(tmp_path: Path, docker_base_image: str) -> None:
    handle = carried_out("docker", tmp_path, CANCELS, image=docker_base_image)
    assert (last(handle)["state"], get_metrics(handle.paths)) == ("Canceled", {"x": [1]})


FORGES = r"""
import json, os
from trainconf import Run
run = Run.get_context()
folder = os.path.join(run.run_dir, "code", ".trainconf_children")
os.makedirs(folder)

def make(name, record, event, **files):
    os.makedirs(os.path.join(folder, name))
    for file, value in [("run.json", record), ("events.jsonl", event)]:
        with open(os.path.join(folder, name, file), "w") as stream:
            stream.write(json.dumps(value) + "\n")
    for file, target in files.items():
        os.symlink(target, os.path.join(folder, name, file.replace("_", ".")))

good = {"tags": {"a": "b", "n": 3}, "display_name": "x" * 10000, "parent": "../../etc", "lock": "/etc/passwd", "created": "never"}
pid = {"state": "Failed", "time": "soon", "reason": "r" * 10000, "ranks": [{"rank": 0, "pid": 1, "start_ticks": 1}], "agent": {"pid": 1}}
make("exp-20261129-0000-aaaa", good, pid, metrics_jsonl="/etc/passwd", plan_json="/etc/passwd", outputs="/etc")
make("..x", good, pid)
make("last", good, pid)
make("exp-20261129-0000-bbbb", [1], pid)
make("exp-20261129-0000-cccc", good, {"state": "Nonsense"})
os.symlink("/etc", os.path.join(folder, "exp-20261129-0000-dddd"))
os.mkfifo(os.path.join(folder, "exp-20261129-0000-eeee"))
with open(os.path.join(run.run_dir, "records.jsonl"), "a") as stream:
    for value in ({"child": {"id": "../x"}}, {"child": {"id": 7}}, {"label": {"tags": {"a": 1}}},
                  {"label": {"archived": True, "tags": {"ok": "1"}}}, {"row": {"name": "t", "columns": {"a": [1]}}},
                  {"table": {"name": "t", "columns": 3}}, {"chart": {"name": "c", "value": []}}, [], 7):
        stream.write(json.dumps(value) + "\n")
    stream.write('{"row": {"name": "torn"')
"""


def check_forged(handle: RunHandle) -> None:
    """Nothing that the job says of its children leads out of the workspace, or is believed without being looked at."""
    found = record.details(handle.paths)
    assert (found["status"], found["tags"], found["archived"], found["tables"], found["charts"], found["children"]) == (
        "Completed", {"ok": "1"}, False, {}, [], [],
    )  # fmt: skip
    (child,) = beside(handle.paths)
    told = record.details(child)
    assert (child.run_id, told["status"], told["parent"]) == ("exp-20261129-0000-aaaa", "Failed", handle.paths.run_id)
    assert told["tags"] == {"a": "b"}
    assert len(told["reason"]) == len(told["display_name"]) == 3000
    assert sorted(os.listdir(child.run_dir)) == ["events.jsonl", "logs", "outputs", "run.json"]
    assert not os.path.islink(child.outputs)
    assert all("ranks" not in event and "agent" not in event for event in events.read(child))
    assert json.loads(Path(child.record).read_text())["lock"] == child.lock


def test_a_job_here_cannot_forge_what_the_agent_puts_in_place(tmp_path: Path) -> None:
    check_forged(carried_out("local", tmp_path, FORGES))


@pytest.mark.docker
def test_a_container_cannot_forge_what_the_agent_puts_in_place(tmp_path: Path, docker_base_image: str) -> None:
    check_forged(carried_out("docker", tmp_path, FORGES, image=docker_base_image))


def test_a_second_attempt_is_not_canceled_by_the_request_of_the_first(tmp_path: Path) -> None:
    handle = carried_out("local", tmp_path, "import sys; sys.exit(3)", retries=1, retry_backoff_seconds=0.0)
    Path(handle.paths.records).write_text('{"cancel":{"attempt":1}}\n')
    from trainconf.agent.outcome import Outcome, or_canceled

    assert or_canceled(handle.paths, Outcome("Failed", 3)).state == "Failed"
    Path(handle.paths.records).write_text('{"cancel":{"attempt":2}}\n')
    assert or_canceled(handle.paths, Outcome("Failed", 3)).state == "Canceled"


def test_a_shell_that_is_no_script_has_no_records(tmp_path: Path) -> None:
    launcher = get("local")
    handle = submit(launcher, make_job(str(tmp_path), shell("true")))
    launcher.wait(handle)
    assert not os.path.exists(handle.paths.records)

"""The nineteen defects of Azure ML's SDK v1 that trainconf set out to beat: each is shown by a small test that the original fails."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shell
from trainconf.distributed.layout import layout, variables
from trainconf.search.grammar import quniform
from trainconf.spec import DistributedSpec

NO_NETWORK = """\
import os, sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        place = arguments[0] if event != "socket.connect" else arguments[1]
        if not str(place).startswith(("/", "b'/", "localhost", "127.", "('127.", "('localhost", "::1", "('::1")) and place is not None:
            with open(os.environ["TOUCHED"], "a") as stream:
                print(event, place, file=stream)
            raise OSError("there is no network")
sys.addaudithook(refuse)
"""


def only_run(workspace: Shell) -> Path:
    (run,) = workspace.run_dirs()
    return run


def newest(workspace: Shell) -> Path:
    return max(workspace.run_dirs(), key=lambda run: json.loads((run / "run.json").read_text())["created"])


def end_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "events.jsonl").read_text().splitlines()[-1])
    return found


def said(run: Path, rank: int = 0) -> str:
    return (run / "logs" / (f"std_log_rank_{rank}.txt" if rank else "std_log.txt")).read_text()


def python(workspace: Shell, text: str, **env: str) -> str:
    """What a program prints in the workspace. Its first lines make one."""
    text = f"from trainconf import *\nws = Workspace.create('.')\n{text}"
    words = {**workspace.env, "TRAINCONF_LEASES": str(workspace.leases), **env}
    done = subprocess.run([sys.executable, "-c", text], cwd=workspace.root, env=words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_01_everything_works_without_a_network(shell: Shell, workspace: Shell) -> None:
    touched = workspace.home / "touched"
    workspace.write("hooks/sitecustomize.py", NO_NETWORK)
    hooked = {"PYTHONPATH": f"{workspace.root}/hooks{os.pathsep}{workspace.env['PYTHONPATH']}", "TOUCHED": str(touched)}
    answer = shell(*workspace.script("+params.lr=0.1"), env=hooked)
    assert answer.code == 0, answer
    assert shell("ls", env=hooked).code == shell("show", "last", env=hooked).code == 0
    assert not touched.exists(), touched.read_text()
    shell("azureml", "x.py", env=hooked)
    hook = [sys.executable, "-c", "import urllib.request; urllib.request.urlopen('http://example.com')"]
    assert subprocess.run(hook, env=workspace.env | hooked, capture_output=True).returncode != 0
    assert touched.exists()  # the hook does see a connection


def test_02_a_sweep_runs_on_this_machine(shell: Shell, workspace: Shell) -> None:
    answer = shell("-m", *workspace.script("+params.a=1,2"))
    assert answer.code == 0, answer
    assert {said(run).strip() for run in workspace.run_dirs() if "_" in run.name} == {"['--a', '1']", "['--a', '2']"}


def test_03_a_renamed_folder_is_new_code(shell: Shell, workspace: Shell) -> None:
    workspace.write("old/part.py", "x = 1\n")
    assert shell(*workspace.script()).code == 0
    (workspace.root / "old").rename(workspace.root / "new")
    assert shell(*workspace.script()).code == 0
    code = newest(workspace) / "code"
    assert (code / "new/part.py").exists()
    assert not (code / "old").exists()


def test_04_modes_are_kept_and_loops_and_unreadable_files_are_never_dropped(shell: Shell, workspace: Shell) -> None:
    tool = workspace.write("tool.sh", "#!/bin/sh\n")
    assert shell(*workspace.script()).code == 0
    tool.chmod(0o755)
    (workspace.root / "loop").symlink_to(".")
    assert shell(*workspace.script()).code == 0
    code = newest(workspace) / "code"
    assert os.access(code / "tool.sh", os.X_OK)
    assert (code / "loop").readlink() == Path(".")
    tool.chmod(0)
    assert shutil.which("setpriv") or os.geteuid() != 0, "root reads everything, unless setpriv (util-linux) takes that from it"
    words = [] if os.geteuid() else ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]
    done = subprocess.run([*words, sys.executable, "-m", "trainconf", *workspace.script()], cwd=workspace.root, env=workspace.env,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "tool.sh" in done.stderr


def test_05_nested_ignore_files_count_and_what_is_too_large_is_named(shell: Shell, workspace: Shell) -> None:
    workspace.write("part/.gitignore", "*.bin\n")
    workspace.write("part/ignored.bin", "x")
    (workspace.root / "large.dat").write_bytes(os.urandom(300_000))
    answer = shell(*workspace.script("snapshot.max_mb=0.1"))
    assert answer.code == 2
    assert "large.dat" in answer.err
    assert shell(*workspace.script()).code == 0
    assert not (only_run(workspace) / "code/part/ignored.bin").exists()


def test_06_what_a_constructor_is_given_counts_beside_a_run_config(workspace: Shell) -> None:
    told = python(workspace, """\
shared = RunConfiguration()
shared.target, shared.max_run_duration_seconds, shared.script = "slurm", 5, "other.py"
config = ScriptRunConfig(".", "train.py", run_config=shared, compute_target="local", max_run_duration_seconds=60, environment="current")
print(config.compute_target, config.max_run_duration_seconds, config.script, shared.target)
print(config.explain())
""")
    assert told.splitlines()[0] == "local 60 train.py slurm"
    assert "compute = local  <- " in told


def test_07_waiting_changes_no_later_wait_and_has_a_timeout(workspace: Shell) -> None:
    workspace.write("train.py", "import time\ntime.sleep(1)\n")
    told = python(workspace, """\
exp = Experiment(ws, "waits")
config = ScriptRunConfig(".", "train.py", compute_target="local", environment="current")
run = exp.submit(config)
try:
    run.wait_for_completion(timeout=0.1)
except TimeoutError as error:
    print("timeout", run.get_status() in ("Completed", "Failed"))
run.wait_for_completion(wait_post_processing=True)
print(run.get_status())
second = exp.submit(config)
second.wait_for_completion()
print(second.get_status())
""")
    assert told.splitlines() == ["timeout False", "Completed", "Completed"]


def test_08_a_run_outside_of_a_job_has_the_interface_of_one_inside(shell: Shell, workspace: Shell) -> None:
    workspace.write("train.py", """\
from trainconf import Run
run = Run.get_context()
run.log("loss", 0.5, step=3); run.log_row("t", a=1); run.tag("a", "b"); run.flush()
with open("x.txt", "w") as stream: stream.write("x")
run.upload_file("outputs/x.txt", "x.txt")
print(sorted(name for name in dir(run) if not name.startswith("_")))
print(run.get_metrics(), run.get_tags(), [name for name in run.get_file_names() if name.startswith("outputs")])
""")
    assert shell(*workspace.script()).code == 0
    inside = [line for line in said(only_run(workspace)).splitlines() if line.startswith(("[", "{"))]
    done = subprocess.run([sys.executable, "train.py"], cwd=workspace.root, env=workspace.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    outside = [line for line in done.stdout.splitlines() if line.startswith(("['", "{"))]
    assert outside == inside


def test_09_wide_integers_are_numbers_and_a_table_of_one_row_is_a_table(shell: Shell, workspace: Shell) -> None:
    pytest.importorskip("numpy")
    workspace.write("train.py", """\
import numpy
from trainconf import Run
run = Run.get_context()
run.log("big", numpy.int64(2**40)); run.log("unsigned", numpy.uint64(7))
run.log_row("one", a=1); run.log_row("two", a=1); run.log_row("two", a=2)
found = run.get_metrics()
print(found["big"][0] + 1, found["unsigned"][0] + 1, found["one"], found["two"])
""")
    assert shell(*workspace.script()).code == 0
    assert said(only_run(workspace)).splitlines()[-1] == f"{2**40 + 1} 8 {{'a': [1]}} {{'a': [1, 2]}}"


def test_10_steps_may_be_fractions_seeds_repeat_and_zero_is_a_value(shell: Shell, workspace: Shell) -> None:
    assert quniform(0, 1, 0.1).at(0.33) == 0.3
    workspace.write("train.py", "import sys\nfrom trainconf import Run\nRun.get_context().log('acc', 0.0)\n")
    words = workspace.script("metric.name=acc", "sweep.max_total_runs=3", "sweep.seed=5", "sweep=random", "+params.x=uniform(0, 1)")
    for _ in range(2):
        assert shell("-m", *words, "sweep/policy=bandit", "sweep.policy.slack_amount=0").code == 0
    values = [json.loads((run / "run.json").read_text())["params"] for run in workspace.run_dirs() if "_" in run.name.rpartition("-")[2]]
    assert sorted(map(str, values[:3])) == sorted(map(str, values[3:]))
    best = json.loads(shell("show", "best", "--json").out)
    assert best["metrics"]["acc"] == 0.0


def test_11_two_jobs_of_one_machine_meet_at_ports_of_their_own(shell: Shell, workspace: Shell) -> None:
    workspace.write("train.py", "import os, time\nprint(os.environ['MASTER_PORT'])\ntime.sleep(2)\n")
    words = workspace.script("distributed=pytorch", "submit.detach=true")
    ids = [shell(*words).out.strip() for _ in range(2)]
    for run in ids:
        assert shell("wait", run).code == 0
    ports = [said(run).strip() for run in workspace.run_dirs()]
    assert len(set(ports)) == 2
    assert not {"6105", "2222"} & set(ports)


def test_12_processes_that_do_not_divide_among_the_nodes_are_refused_before_anything_runs(shell: Shell, workspace: Shell) -> None:
    answer = shell(*workspace.script("distributed=pytorch", "distributed.process_count=3", "distributed.node_count=2"))
    assert answer.code == 2
    assert workspace.run_dirs() == []
    with pytest.raises(AssertionError, match="process_count"):
        python(workspace, "PyTorchConfiguration(process_count=3, node_count=2)")


@pytest.mark.parametrize("spec", [
    DistributedSpec(kind="pytorch", node_count=2, processes_per_node=2), DistributedSpec(kind="mpi", node_count=2, processes_per_node=2),
    DistributedSpec(kind="tensorflow", node_count=2, worker_count=4),
], ids=lambda spec: spec.kind)
def test_13_one_consistent_set_of_variables_in_all_three_modes(spec: DistributedSpec) -> None:
    found = [{key: int(value) for key, value in variables(spec, place).items()} for place in layout(spec)]
    assert [(place["RANK"], place["NODE_RANK"], place["LOCAL_RANK"]) for place in found] == [(0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 1, 1)]
    assert {(place["WORLD_SIZE"], place["LOCAL_WORLD_SIZE"]) for place in found} == {(4, 2)}


def test_14_the_whole_repository_decides_whether_it_is_dirty_and_no_token_is_stored(shell: Shell, workspace: Shell) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=workspace.root, env=workspace.env, check=True, capture_output=True)

    workspace.write("job/train.py", "print(1)\n")
    workspace.write("shared/lib.py", "x = 1\n")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "first")
    git("remote", "add", "origin", "https://user:s3cr3t@example.com/a/b.git")
    workspace.write("shared/lib.py", "x = 2\n")
    assert shell(*workspace.script("source_directory=job")).code == 0
    run = only_run(workspace)
    facts = (run / "git.json").read_text()
    assert json.loads(facts)["dirty"] is True
    assert "+x = 2" in (run / "uncommitted.patch").read_text()
    assert "example.com/a/b" in facts
    assert "s3cr3t" not in facts


def test_15_outputs_are_there_also_after_a_kill(shell: Shell, workspace: Shell) -> None:
    workspace.write("train.py", "import os, signal, pathlib\npathlib.Path('outputs/model.bin').write_text('made')\n"
                    "os.kill(os.getpid(), signal.SIGKILL)\n")  # fmt: skip
    assert shell(*workspace.script()).code == 137
    assert (only_run(workspace) / "outputs/model.bin").read_text() == "made"


def test_16_packages_are_for_the_submitting_python_and_their_versions_are_recorded(shell: Shell, workspace: Shell) -> None:
    workspace.write("requirements.txt", "numpy\n")
    words = ["experiment=adhoc", "script=train.py", "env=bare", "env.requirements_file=requirements.txt"]
    spec = json.loads(shell("plan", *words, "--json").out)
    assert spec["spec"]["environment"]["python"] == ".".join(map(str, sys.version_info[:2]))
    assert shell(*workspace.script()).code == 0
    assert "hydra-core==" in (only_run(workspace) / "environment.lock").read_text()


def test_17_an_image_is_never_silently_ignored(shell: Shell, workspace: Shell) -> None:
    answer = shell("plan", *workspace.script("env=bare", "env.docker.image=busybox"))
    assert answer.code == 2
    assert "env.docker.image" in answer.err
    told = python(workspace, """\
from trainconf.errors import UserError
image = Environment.from_docker_image("e", "busybox")
exp = Experiment(ws, "images")
print("compute = docker" in ScriptRunConfig(".", "train.py", environment=image).explain())
try:
    exp.submit(ScriptRunConfig(".", "train.py", environment=image, docker_runtime_config=DockerConfiguration(use_docker=False)))
except UserError as error:
    print(error.mistakes[0].what)
""")
    assert told.splitlines() == ["True", "the environment is an image, and use_docker is False"]


def test_18_export_needs_no_tensorflow_and_keeps_steps(shell: Shell, workspace: Shell) -> None:
    workspace.write("train.py", "from trainconf import Run\nfor step in (0, 10, 20): Run.get_context().log('loss', step / 2, step=step)\n")
    assert shell(*workspace.script()).code == 0
    workspace.write("hooks/tensorflow.py", "raise SystemExit('imported')\n")
    workspace.write("hooks/tensorboard.py", "raise SystemExit('imported')\n")
    hooked = {"PYTHONPATH": f"{workspace.root}/hooks{os.pathsep}{workspace.env['PYTHONPATH']}"}
    answer = shell("tensorboard", "last", "--export", "exported", env=hooked)
    assert answer.code == 0, answer
    workspace.write("second/train.py", "import shutil, sys, glob\nfor name in glob.glob(sys.argv[1] + '/**/events*', recursive=True): "
                    "shutil.copy(name, 'logs')\n")  # fmt: skip
    assert shell(*workspace.script("source_directory=second", f"arguments=[{workspace.root / 'exported'!s}]".replace(" ", "\\ "))).code == 0
    run = newest(workspace)
    rows = [line.split(",") for line in shell("metrics", run.name, "loss", "--csv").out.splitlines()]
    assert [row[rows[0].index("step")] for row in rows[1:]] == ["0", "10", "20"]


def test_19_a_time_limit_ends_what_ignores_it_and_says_so(shell: Shell, workspace: Shell) -> None:
    workspace.write("train.py", "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)\n")
    started = time.monotonic()
    assert shell(*workspace.script("max_run_duration_seconds=1", "grace_seconds=1")).code == 124
    assert time.monotonic() - started < 300
    end = end_of(only_run(workspace))
    assert (end["state"], end["exit_code"]) == ("Failed", 124)
    assert "max_run_duration_seconds" in end["reason"] or "time" in end["reason"]



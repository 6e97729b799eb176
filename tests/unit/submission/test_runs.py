"""A submission from end to end: what is recorded, what it ends with, what stays secret, and that it can be done again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell, wait_for
from trainconf.cli.screen.printer import printer
from trainconf.history import events, liveness
from trainconf.launchers.machine.agent_process import without_folder
from trainconf.paths import RunPaths

Here = Callable[..., Answer]


def shown(here: Here, run: str = "last") -> dict[str, object]:
    body: dict[str, object] = json.loads(here("show", run, "--json").out)
    return body


def status(run_dir: Path) -> str:
    return str((events.last(RunPaths(str(run_dir))) or {}).get("state"))


def test_names_tags_and_metric_are_recorded_and_are_no_part_of_the_spec(here: Here, workspace: Shell) -> None:
    assert here(*workspace.script("+params.lr=0.1")).code == 0
    plain = shown(here)
    assert here(*workspace.script("+params.lr=0.1", "display_name=a name", "+tags.who=me", "metric.name=loss")).code == 0
    named = shown(here)
    assert (named["display_name"], named["tags"], named["params"]) == ("a name", {"who": "me"}, {"lr": 0.1})
    assert json.loads((workspace.run_dirs()[-1] / "run.json").read_text())["metric"]["goal"] == "maximize"
    assert named["spec_hash"] == plain["spec_hash"]
    assert named["run_id"] != plain["run_id"]


def test_a_run_directory_holds_all_that_is_promised(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", "print('hi')\nopen('outputs/model', 'w').close()\nopen('logs/own', 'w').close()\n")
    here(*workspace.script())
    (run_dir,) = workspace.run_dirs()
    names = {path.relative_to(run_dir).as_posix() for path in run_dir.rglob("*")}
    assert names >= {
        "spec.json",
        "config.yaml",
        "run.json",
        "params.json",
        "plan.json",
        "events.jsonl",
        "git.json",
        "environment.lock",
        "code/train.py",
        "outputs/model",
        "logs/own",
        "logs/std_log.txt",
        "logs/agent.log",
    }
    assert not names & {"code/outputs", "code/logs"}  # each file is there once
    assert not (run_dir / "outputs").is_symlink()
    assert (run_dir / "logs/std_log.txt").read_text() == "hi\n"
    assert [event["state"] for event in events.read(RunPaths(str(run_dir)))][-2:] == ["Finalizing", "Completed"]


def test_a_script_whose_name_begins_with_two_dots_is_inside(here: Here, workspace: Shell) -> None:
    workspace.write("..train.py", "print('inside')\n")
    assert here(*workspace.script("script=..train.py")).out == "inside\n"


@pytest.mark.parametrize(("ending", "code"), [("sys.exit(7)", 7), ("sys.exit(2)", 2), ("raise ValueError", 1), ("", 0)])
def test_the_exit_code_is_the_scripts_own(ending: str, code: int, here: Here, workspace: Shell) -> None:
    workspace.write("train.py", f"import sys\n{ending}\n")
    assert here(*workspace.script()).code == code


def test_the_time_limit_ends_with_124(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", "import time\ntime.sleep(60)\n")
    answer = here(*workspace.script("max_run_duration_seconds=0.3", "grace_seconds=0.2"))
    assert answer.code == 124, answer
    assert shown(here)["status"] == "Failed"


@pytest.mark.parametrize("words", [["script=null", "command=[sh,-c,'echo $0 $1; exit 5',a]"], ["script=null", "command='echo a; exit 5'"]])
def test_a_command_runs_as_a_list_or_as_a_text(words: list[str], here: Here, workspace: Shell) -> None:
    answer = here(*workspace.script(*words))
    assert answer.code == 5, answer
    assert answer.out.strip().startswith("a")


def start_sleeper(workspace: Shell, *words: str) -> tuple[subprocess.Popen[bytes], Path]:
    """A run that has begun to sleep, and the process that follows it."""
    workspace.write(
        "train.py",
        "import signal, sys, time\nif 'deaf' in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "open('outputs/up', 'w').close()\ntime.sleep(120)\n",
    )
    child = workspace.start(*workspace.script(*words))
    wait_for(lambda: list(workspace.root.glob("runs/*/*/outputs/up")))
    assert child.stderr is not None
    said = b""
    while b"\n" not in said.partition(b"run ")[2]:  # until then it submits, and an interruption ends it at once
        byte = os.read(child.stderr.fileno(), 1)  # no more: the rest is for `communicate`
        assert byte, said
        said += byte
    return child, workspace.run_dirs()[-1]


def test_ctrl_c_cancels_and_ends_with_130(workspace: Shell) -> None:
    child, run_dir = start_sleeper(workspace)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=300)
    assert child.returncode == 130, err
    assert b"press Ctrl-C again to kill it" in err
    assert status(run_dir) == "Canceled"


def test_a_run_whose_folder_was_removed_while_it_went_on_is_cancelled_by_its_name(workspace: Shell) -> None:
    workspace.write("train.py", "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n")
    started = [workspace(*workspace.script("submit.detach=true", "compute.slots=1")).out.strip() for _ in range(2)]  # the second one waits
    log = workspace.root / "runs" / "adhoc" / started[0] / "logs" / "std_log.txt"
    wait_for(lambda: log.exists() and log.read_text().endswith("\n"))
    job = liveness.identity(int(log.read_text()))
    wait_for(lambda: status(workspace.root / "runs" / "adhoc" / started[1]) == "Queued")  # before that its agent may not have begun
    shutil.rmtree(workspace.root / "runs")
    assert workspace("cancel", started[0], "nonsense").code == 2
    assert liveness.is_alive(job)
    for run_id in reversed(started):
        answer = workspace("cancel", run_id)
        assert answer.code == 0, answer
        assert f"{run_id} was asked to end" in answer.err
    wait_for(lambda: not without_folder(str(workspace.root / "runs")))
    assert not liveness.is_alive(job)
    assert workspace("cancel", started[0]).code == 2


def test_a_ctrl_c_before_anybody_follows_the_run_cancels_it_and_waits_for_its_end(
    here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    workspace.write("train.py", "import time\ntime.sleep(120)\n")
    said = printer.info
    monkeypatch.setattr(printer, "info", lambda text="": signal.raise_signal(signal.SIGINT) if text.startswith("run ") else said(text))
    answer = here(*workspace.script())
    assert answer.code == 130, answer
    assert "press Ctrl-C again to kill it" in answer.err
    assert status(workspace.run_dirs()[-1]) == "Canceled"


def test_a_second_ctrl_c_kills_what_will_not_listen(workspace: Shell) -> None:
    child, run_dir = start_sleeper(workspace, "arguments=[deaf]", "grace_seconds=100")
    child.send_signal(signal.SIGINT)
    wait_for(lambda: "CancelRequested" in (run_dir / "events.jsonl").read_text())
    assert child.poll() is None
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=300)
    assert child.returncode == 130
    assert status(run_dir) == "Canceled"


def test_the_death_of_the_submitter_changes_nothing_for_the_run(workspace: Shell) -> None:
    workspace.write(
        "train.py", "import os, time\nopen('outputs/up', 'w').close()\nwhile not os.path.exists('go'): time.sleep(0.02)\nprint('end')\n"
    )
    child = workspace.start(*workspace.script())
    wait_for(lambda: list(workspace.root.glob("runs/*/*/outputs/up")))
    (run_dir,) = workspace.run_dirs()
    child.kill()
    child.communicate()
    (run_dir / "code/go").touch()
    answer = workspace("wait", "last")
    assert answer.code == 0, answer
    assert status(run_dir) == "Completed"
    assert (run_dir / "logs/std_log.txt").read_text() == "end\n"


def test_a_reader_that_leaves_early_does_not_disturb_the_run(workspace: Shell) -> None:
    workspace.write("train.py", "for i in range(20000): print(i)\n")
    child = workspace.start(*workspace.script())
    assert child.stdout is not None
    assert child.stdout.readline() == b"0\n"
    child.stdout.close()
    assert child.stderr is not None
    err = child.stderr.read()
    child.stderr.close()
    child.wait(timeout=300)
    assert b"Traceback" not in err
    workspace("wait", "last")
    (run_dir,) = workspace.run_dirs()
    assert status(run_dir) == "Completed"
    assert (run_dir / "logs/std_log.txt").read_text().endswith("19999\n")


def test_detached_standard_output_is_the_run_id_alone(workspace: Shell) -> None:
    answer = workspace(*workspace.script("submit.detach=true"))
    assert answer.code == 0, answer
    (run_dir,) = workspace.run_dirs()
    assert answer.out == f"{run_dir.name}\n"
    assert workspace("wait", run_dir.name).code == 0


def test_without_streaming_the_output_is_only_recorded(here: Here, workspace: Shell) -> None:
    answer = here(*workspace.script("submit.stream=false"))
    assert (answer.code, answer.out) == (0, "")
    assert here("logs", "last").out == "[]\n"


def test_reuse_returns_what_completed_with_the_same_spec_and_nothing_else(here: Here, workspace: Shell) -> None:
    words = workspace.script("+params.lr=0.1", "submit.reuse=true")
    assert here(*words).code == 0
    again = here(*words)
    assert (again.code, len(workspace.run_dirs())) == (0, 1)
    assert "completed before as" in again.err
    assert here(*words, "submit.detach=true").out == f"{workspace.run_dirs()[0].name}\n"
    here(*words, "params.lr=0.2")
    assert len(workspace.run_dirs()) == 2
    workspace.write("train.py", "import sys\nsys.exit(3)\n")
    for _ in range(2):
        assert here(*words).code == 3
    assert len(workspace.run_dirs()) == 4


VALUE = "s3cr3t-'\"$x`\\-välue"


def everything_below(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_a_secret_reaches_the_jobs_environment_and_nothing_else(workspace: Shell) -> None:
    workspace.write(
        "train.py",
        "import os, time\nopen('outputs/got', 'w').write(str(len(os.environ['TOKEN'])))\n"
        "while not os.path.exists('go'): time.sleep(0.02)\n",
    )
    words = workspace.script("+env.variables.TOKEN=${secret:MY_SECRET}", "submit.detach=true")
    env = {"MY_SECRET": VALUE}
    planned, frozen = workspace("plan", *words, env=env), workspace("freeze", *words, env=env)
    run = workspace(*words, env=env)
    assert run.code == 0, run
    (run_dir,) = workspace.run_dirs()
    wait_for((run_dir / "outputs/got").exists)
    command_lines = b"".join(path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists())
    (run_dir / "code/go").touch()
    workspace("wait", "last")
    assert (run_dir / "outputs/got").read_text() == str(len(VALUE))
    kept = everything_below(workspace.root) + everything_below(workspace.home) + command_lines
    for said in (planned, frozen, run, workspace("show", "last"), workspace("ls", "--json")):
        kept += os.fsencode(said.out + said.err)
    for spelling in (VALUE.encode(), json.dumps(VALUE).encode(), VALUE.encode("ascii", "backslashreplace"), b"s3cr3t"):
        assert spelling not in kept
    assert b"${secret:MY_SECRET}" in (run_dir / "spec.json").read_bytes()


def test_a_secret_is_found_in_a_file_that_only_its_owner_reads(workspace: Shell) -> None:
    workspace.write("train.py", "import os\nprint(os.environ['TOKEN'][::-1])\n")
    words = workspace.script("+env.variables.TOKEN=x${secret:A}y${secret:B}")
    path = workspace.home / ".config/trainconf/secrets.env"
    path.parent.mkdir(parents=True)
    path.write_text("# comment\nA = from file\nB=1=2\n")
    path.chmod(0o644)
    refused = workspace(*words)
    assert (refused.code, workspace.run_dirs()) == (2, [])
    assert list(refused.told) == ["the file of secrets can be read by others"]
    path.chmod(0o600)
    assert workspace(*words).out == "2=1yelif morfx\n"
    assert workspace(*words, env={"A": "env"}).out == "2=1yvnex\n"
    path.write_text("A=1\n")
    assert list(workspace(*words).told) == ["the secret B is not set"]


def test_the_files_of_a_run_with_a_secret_are_not_more_open_than_others(workspace: Shell) -> None:
    assert workspace(*workspace.script("+env.variables.T=${secret:A}"), env={"A": "abcdef"}).code == 0
    (run_dir,) = workspace.run_dirs()
    assert not any(stat.S_IMODE(path.lstat().st_mode) & 0o002 for path in run_dir.rglob("*") if not path.is_symlink())


def test_a_rerun_takes_the_code_and_config_of_then(here: Here, workspace: Shell) -> None:
    here(*workspace.script("+params.lr=0.1", "+params.text='a \\${x} b'", "display_name=first"))
    first = workspace.run_dirs()[0].name
    workspace.write("train.py", "raise SystemExit('new code')\n")
    again = here("rerun", first, "params.lr=0.5", "+params.new=1")
    assert again.code == 0, again
    assert again.out == "['--lr', '0.5', '--new', '1', '--text', 'a ${x} b']\n", again
    origins = here("show", "last", "--origin").out
    assert "params.lr" in origins
    assert "command line: params.lr=0.5" in origins
    same = here("rerun", first)
    assert "'--lr', '0.1'" in same.out
    specs = [json.loads((run_dir / "spec.json").read_text())["spec_hash"] for run_dir in workspace.run_dirs()]
    assert len(specs) == 3
    assert len(set(specs)) == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["source_directory=."], "a rerun keeps the code of its run"),
        (["env=minimal"], "env was chosen when the run was submitted"),
        (["compute.cpuz=1"], "compute.cpuz is not a setting"),
        (["retries=-1"], "retries cannot be -1"),
        (["+params.x=1,2"], "params.x was given several values, and this is a single run"),
    ],
)
def test_a_rerun_that_cannot_be_is_told(words: list[str], sentence: str, here: Here, workspace: Shell) -> None:
    here(*workspace.script())
    answer = here("rerun", "last", *words)
    assert (answer.code, list(answer.told)) == (2, [sentence]), answer
    assert len(workspace.run_dirs()) == 1


def test_a_requirement_that_cannot_be_resolved_shows_the_installers_words_and_leaves_nothing(here: Here, workspace: Shell) -> None:
    answer = here(*workspace.script("env=minimal", "env.requirements=['--no-index', 'no-such-package-anywhere']"))
    assert answer.code == 2, answer
    assert answer.err.count("no-such-package-anywhere") >= 1
    assert "Traceback" not in answer.err
    assert not (workspace.root / "runs").exists()
    assert here("env", "ls").out == ""


def test_a_command_finds_the_programs_of_its_environment_first(here: Here, workspace: Shell) -> None:
    place = [f"compute.lease_dir={workspace.leases}", "experiment=adhoc", "env=minimal", "env.requirements=[]"]
    answer = here(*place, "command=[python,-c,'import sys; print(sys.prefix)']")
    assert answer.code == 0, answer
    assert answer.out.startswith(f"{workspace.root}/.trainconf/envs/")
    answer = here(*place, "command=[sh,-c,'echo $PATH']", "+env.variables.PATH=/mine:/usr/bin:/bin")
    assert (answer.code, answer.out) == (0, "/mine:/usr/bin:/bin\n")


def test_an_agent_that_cannot_be_started_leaves_nothing(here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    answer = here(*workspace.script("env.python.interpreter_path=/usr/bin/python3"))
    assert answer.code == 1, answer
    assert "the agent cannot be started" in answer.err
    assert not (workspace.root / "runs").exists()

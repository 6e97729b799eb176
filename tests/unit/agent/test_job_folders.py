"""What a script does to ./outputs and ./logs, and what is found of it when the run has ended."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell, wait_for
from trainconf.agent import job_folders
from trainconf.history import events
from trainconf.paths import RunPaths

Here = Callable[..., Answer]

# What is done, then where its result is found and what it holds.
KEPT = {
    "outputs are made anew": ("rm -rf outputs; mkdir outputs; echo m >outputs/m", {"outputs/m": "m\n"}),
    "outputs are emptied": ("echo old >outputs/old; rm -rf outputs/*; echo m >outputs/m", {"outputs/m": "m\n"}),
    "outputs are moved away": ("echo m >outputs/m; mv outputs results", {"code/results/m": "m\n"}),
    "outputs are moved and made anew": (
        "echo 1 >outputs/m; mv outputs first; mkdir outputs; echo 2 >outputs/m", {"code/first/m": "1\n", "outputs/m": "2\n"},
    ),
    "another folder becomes outputs": ("mkdir made; echo m >made/m; rm -r outputs; mv made outputs", {"outputs/m": "m\n"}),
    "outputs become a link in code": ("mkdir made; rm -r outputs; ln -s made outputs; echo m >outputs/m", {"outputs/m": "m\n"}),
    "outputs become a link out of the run": (
        'rm -r outputs; mkdir -p "$AWAY"; ln -s "$AWAY" outputs; echo m >outputs/m', {"outputs/m": "m\n"},
    ),
    "outputs become a file": ("rm -r outputs; echo m >outputs", {"outputs": "m\n"}),
    "outputs are closed": ("echo m >outputs/m; chmod 000 outputs", {}),
    "code is closed": ("echo m >outputs/m; chmod 555 .", {"outputs/m": "m\n"}),
    "the working directory is cleaned": ("echo x >outputs/x; rm -rf ./*; mkdir outputs; echo m >outputs/m", {"outputs/m": "m\n"}),
    "the working directory is removed": ('rm -rf "$PWD"', {}),
    "the script goes elsewhere": ('P=$PWD; cd /; rm -r "$P/outputs"; mkdir "$P/outputs"; echo m >"$P/outputs/m"', {"outputs/m": "m\n"}),
    "logs are made anew": ("rm -rf logs; mkdir logs; echo l >logs/l", {"logs/l": "l\n"}),
    "logs are emptied": ("rm -rf logs/*; echo l >logs/l", {"logs/l": "l\n"}),
    "a log has the name of ours": (
        "echo own >logs/std_log.txt; echo 7 >logs/std_log_rank_7.txt; echo a >logs/agent.log",
        {
            "logs/std_log.txt.from_script": "own\n", "logs/std_log_rank_7.txt.from_script": "7\n", "logs/agent.log.from_script": "a\n",
        },
    ),
    "code becomes a link": ('cd ..; mkdir -p "$AWAY/outputs"; rm -rf code; ln -s "$AWAY" code', {}),
    "logs have a folder like ours": ("mkdir logs/agent; echo l >logs/agent/l; echo c >logs/agents.csv", {"logs/agent/l": "l\n"}),
    "logs become a file": ("rm -r logs; echo l >logs", {"code/logs": "l\n"}),
    "logs become a link": ("rm -r logs; ln -s outputs logs; echo l >logs/l", {"outputs/l": "l\n"}),
    "names hold newlines": ("echo m >'outputs/a\nb'; echo l >'logs/c\nd'; echo x >'e\nf'", {"outputs/a\nb": "m\n", "code/e\nf": "x\n"}),
    "folders in folders": ("mkdir -p outputs/a/b logs/c/d; echo m >outputs/a/b/m; echo l >logs/c/d/l", {"logs/c/d/l": "l\n"}),
    "no files but sockets and pipes": ("mkfifo outputs/pipe logs/pipe pipe; echo m >outputs/m", {"outputs/m": "m\n"}),
}  # fmt: skip


@pytest.mark.parametrize("case", KEPT)
def test_nothing_that_a_script_does_in_its_folder_loses_anything(case: str, here: Here, workspace: Shell, tmp_path: Path) -> None:
    text, found = KEPT[case]
    workspace.write("job.sh", f"echo captured; {text}\n")
    answer = here("experiment=adhoc", "env=current", "command=[sh,job.sh]", f"+env.variables.AWAY={tmp_path}/away")
    assert (answer.code, answer.out) == (0, "captured\n")
    (run_dir,) = workspace.run_dirs()
    assert {name: (run_dir / name).read_text() for name in found} == found
    assert (run_dir / "logs/std_log.txt").read_text() == "captured\n"
    assert (run_dir / "logs/agent.log").is_file()
    assert "Traceback" not in (run_dir / "logs/agent.log").read_text()
    if case == "code becomes a link":
        assert (tmp_path / "away/outputs").is_dir()
    assert here("logs", "last").out == "captured\n"
    for verb in (["show", "last"], ["ls"], ["logs", "last", "--all"]):
        assert here(*verb).code == 0


def test_each_file_is_found_once(here: Here, workspace: Shell) -> None:
    here("experiment=adhoc", "env=current", "command=[sh,-c,'touch outputs/events.out logs/events.out']")
    (run_dir,) = workspace.run_dirs()
    found = [os.path.join(folder, name) for folder, _, names in os.walk(run_dir, followlinks=True) for name in names]
    assert sorted(os.path.relpath(path, run_dir) for path in found if "events.out" in path) == ["logs/events.out", "outputs/events.out"]


def test_a_script_may_take_outputs_away_as_it_may_anywhere(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", "import os, shutil\nshutil.rmtree('outputs')\nos.mkdir('outputs')\nos.rename('outputs', 'o')\n")
    assert here(*workspace.script()).code == 0


def test_a_log_handler_of_the_script_does_not_write_over_the_captured_output(here: Here, workspace: Shell) -> None:
    text = "print('captured')\nimport logging\nlogging.basicConfig(filename='logs/std_log.txt', filemode='w')\nlogging.error('own')\n"
    workspace.write("train.py", text)
    assert here(*workspace.script()).out == "captured\n"
    (run_dir,) = workspace.run_dirs()
    assert (run_dir / "logs/std_log.txt").read_text() == "captured\n"
    assert "own" in (run_dir / "logs/std_log.txt.from_script").read_text()


def test_while_it_runs_its_outputs_are_in_the_run_directory(here: Here, workspace: Shell) -> None:
    text = "echo m >outputs/m; echo l >logs/l; until [ -e go ]; do sleep 0.1; done"
    answer = here("experiment=adhoc", "env=current", f"command=[sh,-c,'{text}']", "submit.detach=true")
    (run_dir,) = workspace.run_dirs()
    wait_for((run_dir / "code/logs/l").exists)
    assert (run_dir / "outputs/m").read_text() == "m\n"
    files = {file["path"] for file in json.loads(here("show", "last", "--json").out)["files"]}
    assert {"outputs/m", "logs/l", "logs/agent.log"} <= files
    assert not any(path.startswith("code") for path in files | ({"code"} if "outputs" in files else set()))
    (run_dir / "code/go").touch()
    assert here("wait", answer.out.strip()).code == 0
    assert not (run_dir / "outputs").is_symlink()


def test_outputs_are_whole_when_the_agent_is_killed(here: Here, workspace: Shell) -> None:
    here("experiment=adhoc", "env=current", "command=[sh,-c,'echo m >outputs/m; sleep 600']", "submit.detach=true")
    (run_dir,) = workspace.run_dirs()
    wait_for(lambda: (run_dir / "outputs/m").is_file() and (run_dir / "outputs/m").read_text() == "m\n")
    agent = next(event["agent"]["pid"] for event in events.read(RunPaths(str(run_dir))) if "agent" in event)
    os.kill(agent, 9)
    assert (run_dir / "outputs/m").read_text() == "m\n"
    assert here("cancel", "last").code == 0
    assert (run_dir / "outputs/m").read_text() == "m\n"
    assert not (run_dir / "outputs").is_symlink()


def test_a_further_attempt_finds_what_the_one_before_left(here: Here, workspace: Shell) -> None:
    text = 'echo "$TRAINCONF_ATTEMPT" >>outputs/tried; [ "$TRAINCONF_ATTEMPT" = 3 ] || { rm -rf logs; exit 1; }; test -d logs'
    words = ["experiment=adhoc", "env=current", "retries=2", "retry_backoff_seconds=0", f"command={json.dumps(['sh', '-c', text])}"]
    assert here(*words).code == 0
    assert (workspace.run_dirs()[0] / "outputs/tried").read_text() == "1\n2\n3\n"


def test_files_left_beside_outputs_are_told_in_one_line(here: Here, workspace: Shell) -> None:
    workspace.write("given.txt", "given\n")
    text = "mkdir -p ck/1 __pycache__; touch ck/1/a ck/b model.pt __pycache__/x outputs/o logs/l; cat given.txt"
    answer = here("experiment=adhoc", "env=current", f"command=[sh,-c,'{text}']")
    notes = [line for line in answer.err.splitlines() if "note:" in line]
    assert notes == ["note: 3 files were left in code/ beside outputs/: ck/, model.pt"]
    assert "3 files were left in code/" in here("show", "last").out


def test_that_outputs_are_no_folder_any_more_is_told(here: Here, workspace: Shell) -> None:
    workspace.write("job.sh", "rm -r outputs; ln -s /nowhere outputs")
    answer = here("experiment=adhoc", "env=current", "command=[sh,job.sh]")
    assert "note: 1 file was left in code/ beside outputs/: outputs (no folder any more)\n" in answer.err
    for verb in ("ls", "show", "logs"):
        assert here(verb, *(["last"] if verb != "ls" else [])).code == 0


def test_nothing_is_told_of_a_run_that_leaves_nothing(here: Here, workspace: Shell) -> None:
    workspace.write("helper.py", "x = 1\n")
    workspace.write("train.py", "import helper\nopen('outputs/m', 'w').close()\n")
    assert "note" not in here(*workspace.script()).err


def test_many_outputs_are_moved_at_once(tmp_path: Path) -> None:
    paths = RunPaths(str(tmp_path / "run"))
    os.makedirs(paths.code)
    job_folders.make(paths)
    for number in range(10_000):
        Path(paths.job_outputs, str(number)).touch()
    inode = os.stat(paths.job_outputs).st_ino
    job_folders.collect(paths)
    assert os.lstat(paths.outputs).st_ino == inode
    job_folders.collect(paths)  # a second time changes nothing
    assert os.lstat(paths.outputs).st_ino == inode


def test_very_many_logs_are_moved_at_once(tmp_path: Path) -> None:
    paths = RunPaths(str(tmp_path / "run"))
    os.makedirs(paths.code)
    job_folders.make(paths)
    for number in range(job_folders.MANY_LOGS + 1):
        Path(paths.job_logs, str(number)).touch()
    job_folders.collect(paths)
    assert len(os.listdir(os.path.join(paths.logs, "logs"))) == job_folders.MANY_LOGS + 1
    assert not os.path.exists(paths.job_logs)


def test_what_cannot_be_moved_stays_where_it_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = RunPaths(str(tmp_path / "run"))
    os.makedirs(paths.code)
    job_folders.make(paths)
    Path(paths.job_outputs, "m").write_text("m")

    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device", target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", full)
        assert job_folders.put_away(paths, "Completed") == {}
    assert Path(paths.outputs, "m").read_text() == "m"
    job_folders.collect(paths)
    assert Path(paths.outputs, "m").read_text() == "m"
    assert not os.path.islink(paths.outputs)


def test_a_run_of_before_keeps_its_folders(tmp_path: Path) -> None:
    paths = RunPaths(str(tmp_path / "run"))
    for folder in (paths.code, paths.outputs, paths.logs):
        os.makedirs(folder)
    os.symlink("../outputs", paths.job_outputs)
    os.symlink("../logs", paths.job_logs)
    Path(paths.job_outputs, "m").write_text("m")
    job_folders.prepare(paths, has_metrics_folder=False)
    job_folders.collect(paths)
    assert Path(paths.outputs, "m").read_text() == "m"
    assert os.readlink(paths.job_logs) == "../logs"

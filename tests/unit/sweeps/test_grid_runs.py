"""`-m`: every combination once and in order, so many at a time, and one account of all at the end."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Answer, Shell, wait_for
from trainconf import files
from trainconf.composition.plain.words import RangeWords
from trainconf.control.results import sweep as sweeps
from trainconf.paths import RunPaths
from trainconf.resolve.resolver import Resolved, resolve_beside
from trainconf.submission import submit
from trainconf.sweeps import batch, journal, searching
from trainconf.sweeps import trials as sweep_trials

Here = Callable[..., Answer]


def sweep_words(workspace: Shell, *words: str) -> list[str]:
    return ["-m", *workspace.script(*words)]


def trials(workspace: Shell) -> list[Path]:
    """The directories of all trials, by number."""
    found = [path for path in workspace.run_dirs() if "_" in path.name]
    return sorted(found, key=lambda path: int(path.name.rpartition("_")[2]))


def record(trial: Path) -> dict[str, object]:
    body: dict[str, object] = json.loads((trial / "run.json").read_text())
    return body


def statuses(workspace: Shell) -> list[str]:
    return [json.loads((trial / "events.jsonl").read_text().splitlines()[-1])["state"] for trial in trials(workspace)]


def test_every_combination_runs_once_in_hydras_order_under_one_parent(here: Here, workspace: Shell) -> None:
    answer = here(*sweep_words(workspace, "+params.a=1,2", "+params.b=x,y", "+params.c=0"))
    assert answer.code == 0, answer
    assert [record(trial)["params"] for trial in trials(workspace)] == [{"a": a, "b": b, "c": 0} for a in (1, 2) for b in ("x", "y")]
    (sweep,) = [path for path in workspace.run_dirs() if "_" not in path.name]
    assert [trial.name for trial in trials(workspace)] == [f"{sweep.name}_{number}" for number in range(4)]
    assert {record(trial)["parent"] for trial in trials(workspace)} == {sweep.name}
    assert json.loads((sweep / "sweep.json").read_text())["trial_count"] == 4
    rows = answer.out.splitlines()
    assert rows[0].split() == ["trial", "params.a", "params.b", "status", "duration", "metric"]
    assert [row.split()[:4] for row in rows[1:]] == [
        [str(n), *ab, "Completed"] for n, ab in enumerate([("1", "x"), ("1", "y"), ("2", "x"), ("2", "y")])
    ]


def test_of_trials_that_differ_in_numbers_alone_one_is_planned_before_they_start(
    here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[object] = []

    def check(resolved: Resolved, *more: Any) -> None:
        planned.append((resolved.config.tree["params"]["name"], resolved.spec.compute.cpus))
        submit.check(resolved, *more)

    monkeypatch.setattr(sweep_trials, "check", check)
    assert here(*sweep_words(workspace, "+params.lr=0.1,0.2,3", "+params.name=a,b", "compute.slots=2", "compute.cpus=1,2")).code == 0
    assert set(planned) == {("a", 1), ("a", 2), ("b", 1), ("b", 2)}
    assert len(planned) < 12
    answer = here(*sweep_words(workspace, "+params.lr=0.1,0.2", "+params.name=a,b", "compute.slots=2", "compute.cpus=1,3"))
    assert (answer.code, "this machine has 2 slots" in answer.err) == (2, True), answer


def test_a_trial_is_the_run_its_words_would_have_been(here: Here, workspace: Shell) -> None:
    here(*sweep_words(workspace, "+params.a=1,2"))
    here(*workspace.script("+params.a=2"))
    alone = [path for path in workspace.run_dirs() if "_" not in path.name and (path / "spec.json").exists()]
    assert (alone[0] / "spec.json").read_bytes() == (trials(workspace)[1] / "spec.json").read_bytes()
    assert len(os.listdir(workspace.root / ".trainconf/snapshots/manifests")) == 1


@pytest.mark.parametrize("words", [("params.a=1,2",), ("sweep=random", "sweep.max_total_runs=2", "params.a=range(1,3)")])
def test_what_refers_to_a_searched_param_is_each_trials_own(words: tuple[str, ...], here: Here, workspace: Shell) -> None:
    workspace.write("conf/experiment/refers.yaml", """\
# @package _global_
defaults: [override /env: current, _self_]
experiment_name: refers
command: echo ${params.a} $SHOWN "$@"
argument_style: none
params: {a: 0}
env: {variables: {SHOWN: "v${params.a}"}}
""")
    answer = here("-m", "experiment=refers", f"compute.lease_dir={workspace.leases}", *words)
    assert answer.code == 0, answer
    said = {(trial / "logs/std_log.txt").read_text() for trial in trials(workspace)}
    assert said == {"1 v1\n", "2 v2\n"}


def test_a_trial_that_fails_ends_with_1_and_the_others_go_on(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", "import sys\nsys.exit(7 if '2' in sys.argv else 0)\n")
    answer = here(*sweep_words(workspace, "+params.a=1,2,3"))
    assert answer.code == 1, answer
    assert statuses(workspace) == ["Completed", "Failed", "Completed"]
    assert "Failed" in answer.out


@pytest.mark.parametrize("word", ["+params.a=1,2,1", "+params.a=choice(1,2,1)"])
def test_equal_values_are_one_and_the_sweep_stays_a_grid(here: Here, workspace: Shell, word: str) -> None:
    """Its exit code, too: 1 when a trial has failed."""
    workspace.write("train.py", "import sys\nsys.exit(7 if '2' in sys.argv else 0)\n")
    answer = here(*sweep_words(workspace, word))
    assert (answer.code, statuses(workspace)) == (1, ["Completed", "Failed"]), answer
    assert "params.a: 1 of its values are there twice, and taken once" in answer.err


def test_the_disk_is_synced_once_for_all_trials_when_all_are_there(here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[str, int]] = []
    files_synced: list[str] = []
    sync, sync_file = files.sync_disk, os.fsync

    def note_disk(path: str) -> None:
        synced.append((os.path.basename(path), sum((trial / "run.json").stat().st_size > 0 for trial in trials(workspace))))
        sync(path)

    def note_file(fd: int) -> None:
        files_synced.append(os.readlink(f"/proc/self/fd/{fd}"))
        sync_file(fd)

    monkeypatch.setattr(batch, "sync_disk", note_disk)
    monkeypatch.setattr(os, "fsync", note_file)
    assert here(*sweep_words(workspace, "+params.a=1,2,3")).code == 0
    assert synced == [(trials(workspace)[0].name.rpartition("_")[0], 3)]
    assert {Path(path).parent for path in files_synced} & set(trials(workspace)) == set()


def test_so_many_are_in_flight_and_no_more(here: Here, workspace: Shell) -> None:
    workspace.write(
        "train.py",
        "import os, sys, time\nbeside = sys.argv[-1]\nmine = os.path.join(beside, os.environ['TRAINCONF_RUN_ID'])\n"
        "open(mine, 'w').close()\nprint('seen', len(os.listdir(beside)))\n"
        "time.sleep(0.2)\nprint('seen', len(os.listdir(beside)))\nos.unlink(mine)\n",
    )
    beside = workspace.home / "beside"
    beside.mkdir()
    words = sweep_words(workspace, f"+params.place={beside}", "+params.a=range(6)", "sweep.max_concurrent_runs=2", "argument_style=none")
    answer = here(*words, f"arguments=[{beside}]")
    assert answer.code == 0, answer
    seen = [int(line.split()[1]) for trial in trials(workspace) for line in (trial / "logs/std_log.txt").read_text().splitlines()]
    assert max(seen) == 2


def test_fewer_slots_than_wished_for_hold_too(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", "import time\nprint(time.monotonic())\ntime.sleep(0.1)\nprint(time.monotonic())\n")
    assert here(*sweep_words(workspace, "+params.a=range(3)", "sweep.max_concurrent_runs=3", "compute.slots=1")).code == 0
    spans = sorted(tuple(map(float, (trial / "logs/std_log.txt").read_text().split())) for trial in trials(workspace))
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_the_best_is_named_by_the_metric_and_its_goal(here: Here, workspace: Shell) -> None:
    workspace.write("train.py", "import sys\nprint('loss=' + sys.argv[2])\n")
    words = sweep_words(
        workspace, "+params.a=0.3,0.1,0.2", "metric.name=loss", "metric.goal=minimize", "+stdout_metrics.loss='loss=([0-9.]+)'"
    )
    answer = here(*words)
    assert answer.code == 0, answer
    assert "best: trial 1, loss 0.1" in answer.err
    assert answer.out.splitlines()[0].split()[-1] == "loss"
    assert answer.out.splitlines()[2].split()[-1] == "0.1"


def test_groups_may_vary_with_what_hangs_on_them(here: Here, workspace: Shell) -> None:
    for name in ("one", "two"):
        workspace.write(f"{name}.py", f"print('{name}')\n")
        workspace.write(f"conf/experiment/{name}.yaml", f"# @package _global_\nexperiment_name: same\nscript: {name}.py\n")
    answer = here("-m", "experiment=one,two", "env=current", f"compute.lease_dir={workspace.leases}", "compute.slots=2")
    assert answer.code == 0, answer
    assert [(trial / "logs/std_log.txt").read_text() for trial in trials(workspace)] == ["one\n", "two\n"]


def test_experiments_of_different_names_lie_where_each_belongs(here: Here, workspace: Shell) -> None:
    for name in ("one", "two"):
        workspace.write(f"conf/experiment/{name}.yaml", f"# @package _global_\nexperiment_name: {name}\nscript: train.py\n")
    answer = here("-m", "experiment=one,two", "env=current", f"compute.lease_dir={workspace.leases}", "compute.slots=2")
    assert answer.code == 0, answer
    assert sorted(trial.parent.name for trial in trials(workspace)) == ["one", "two"]


def test_resources_may_vary(here: Here, workspace: Shell) -> None:
    answer = here(*sweep_words(workspace, "compute.cpus=1,2"))
    assert answer.code == 0, answer
    assert [json.loads((trial / "plan.json").read_text())["slots"]["take"] for trial in trials(workspace)] == [1, 2]


def test_a_value_that_the_target_cannot_carry_out_is_told_before_anything_starts(here: Here, workspace: Shell) -> None:
    answer = here(*sweep_words(workspace, "compute.cpus=1,9"))
    assert answer.code == 2, answer
    assert next(iter(answer.told.values()))["from"] == "command line: compute.cpus=9"
    assert workspace.run_dirs() == []


def test_every_wrong_value_is_told_at_once(here: Here, workspace: Shell) -> None:
    answer = here(*sweep_words(workspace, "+params.a=1,2", "retries=0,-1,x"))
    assert answer.code == 2, answer
    assert set(answer.told) == {"retries cannot be -1", "retries cannot be 'x'"}


def test_ctrl_c_cancels_all_and_what_waits_never_starts(workspace: Shell) -> None:
    workspace.write("train.py", "import time\nopen('outputs/up', 'w').close()\ntime.sleep(120)\n")
    child = workspace.start(*sweep_words(workspace, "+params.a=range(5)", "sweep.max_concurrent_runs=2"))
    wait_for(lambda: len(list(workspace.root.glob("runs/*/*/outputs/up"))) == 2 and len(trials(workspace)) == 5)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=300)
    assert child.returncode == 130, err
    assert statuses(workspace) == ["Canceled"] * 5
    assert len(list(workspace.root.glob("runs/*/*/outputs/up"))) == 2
    assert out.count(b"Canceled") == 5


def test_a_plain_grid_is_stopped_what_runs_goes_on_and_what_waits_is_taken_back(workspace: Shell, tmp_path: Path) -> None:
    workspace.write("train.py", "import os, time\nopen('outputs/up', 'w').close()\n"
                    f"while not os.path.exists({str(tmp_path / 'gate')!r}):\n    time.sleep(0.02)\n")
    answer = workspace(*sweep_words(workspace, "+params.a=range(5)", "sweep.max_concurrent_runs=2", "submit.detach=true"))
    assert answer.code == 0, answer
    wait_for(lambda: len(list(workspace.root.glob("runs/*/*/outputs/up"))) == 2)
    assert workspace("sweep", "pause", "last").code == 0
    answer = workspace("sweep", "stop", "last")
    assert answer.code == 0, answer
    (tmp_path / "gate").write_text("")
    waited = workspace("wait", "last")
    assert waited.code == 1, waited
    assert statuses(workspace) == ["Completed"] * 2 + ["Canceled"] * 3
    assert len(list(workspace.root.glob("runs/*/*/outputs/up"))) == 2
    assert waited.err.count("its sweep was stopped: by `sweep stop`") == 3


def test_a_detached_sweep_prints_its_id_and_goes_on(workspace: Shell) -> None:
    answer = workspace(*sweep_words(workspace, "+params.a=1,2,3", "submit.detach=true"))
    assert answer.code == 0, answer
    sweep_id = answer.out.removesuffix("\n")
    assert [trial.name for trial in trials(workspace)] == [f"{sweep_id}_{number}" for number in range(3)]
    wait_for(lambda: statuses(workspace) == ["Completed"] * 3)


def test_the_death_of_the_submitter_loses_no_trial_that_was_announced(workspace: Shell) -> None:
    workspace.write("train.py", "import time\ntime.sleep(0.2)\n")
    child = workspace.start(*sweep_words(workspace, "+params.a=range(6)", "sweep.max_concurrent_runs=1"))
    wait_for(lambda: any('"end"' in path.read_text() for path in workspace.root.glob("runs/*/*/trials.jsonl")))
    child.kill()
    child.communicate()
    wait_for(lambda: statuses(workspace) == ["Completed"] * 6)


def test_a_secret_of_a_sweep_is_in_no_file(workspace: Shell) -> None:
    workspace.write("train.py", "import os\nprint(len(os.environ['T']))\n")
    answer = workspace(*sweep_words(workspace, "+params.a=1,2", "+env.variables.T=${secret:A}"), env={"A": "s3cr3t-value"})
    assert answer.code == 0, answer
    assert [(trial / "logs/std_log.txt").read_text() for trial in trials(workspace)] == ["12\n", "12\n"]
    assert not any(b"s3cr3t" in path.read_bytes() for path in workspace.root.rglob("*") if path.is_file())


def test_a_single_trial_is_a_sweep_too(here: Here, workspace: Shell) -> None:
    answer = here(*sweep_words(workspace, "+params.a=1"))
    assert (answer.code, len(trials(workspace))) == (0, 1), answer


def test_a_sweep_s_journal_has_every_trial_with_the_values_it_ran_with(here: Here, workspace: Shell) -> None:
    workspace.write("conf/model/small.yaml", "width: 4\n")
    workspace.write("conf/model/large.yaml", "width: 400\n")
    assert here("-m", *workspace.script("+params.a=1,2", "+model@params.model=small,large", "+params.b=0")).code == 0
    (home,) = [RunPaths(str(path)) for path in workspace.run_dirs() if (path / "sweep.json").exists()]
    found = sweeps.results(home)
    assert [trial.values for trial in found.trials] == [
        {"params.a": a, "model@params.model": model} for a in (1, 2) for model in ("small", "large")
    ]
    assert [trial.row["run_id"] for trial in found.trials] == [f"{home.run_id}_{number}" for number in range(4)]
    recorded = [json.loads((Path(home.run_dir).parent / trial.row["run_id"] / "params.json").read_text()) for trial in found.trials]
    assert [params["model"]["width"] for params in recorded] == [4, 400, 4, 400]


def test_an_agent_that_got_ready_for_a_sweep_that_cannot_be_written_is_ended(
    here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[int] = []

    def full(paths: RunPaths, entries: object) -> None:
        began.extend(agents_of(paths.run_dir))
        raise OSError(28, "No space left on device", paths.journal)

    monkeypatch.setattr(journal, "ask", full)
    answer = here(*sweep_words(workspace, "+params.a=1,2"))
    assert answer.code == 2, answer
    assert "No space left" in answer.err
    assert began
    assert workspace.run_dirs() == []
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in began))


def agents_of(folder: str) -> list[int]:
    """The processes that were started for the run or sweep in a folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        found += [int(pid)] if os.fsencode(folder) in words else []
    return found


HUGE = ("+params.a=range(1000000)", "sweep.max_total_runs=2000000")


@pytest.mark.parametrize("more", [(), ("sweep.target=1", "metric.name=loss"), ("max_run_duration_seconds=5,6",)])
def test_a_plan_of_a_huge_grid_resolves_what_it_shows(
    here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    resolved = []

    def counted(*given: Any) -> Resolved:
        resolved.append(given)
        return resolve_beside(*given)

    for module in (batch, searching):
        monkeypatch.setattr(module, "resolve_beside", counted)
    answer = here("plan", *sweep_words(workspace, *HUGE, *more))
    assert answer.code == 0, answer
    assert "0, 1, 2, … 999999 (1000000 values)" in answer.out
    assert "these are the first 10 of" in answer.err
    assert "000000 trials" in answer.err
    assert len(resolved) <= 2_010  # those shown, and the first values of each key


@pytest.mark.parametrize("words", [HUGE[:1], (HUGE[0], "sweep=grid", "sweep.target=1"), (HUGE[0], "+params.b='a b','c d'")])
def test_a_grid_that_is_too_large_is_refused_before_its_values_are_listed(
    here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    made = []
    then = RangeWords._word

    def counted(self: RangeWords, number: int) -> str:
        made.append(number)
        return then(self, number)

    monkeypatch.setattr(RangeWords, "_word", counted)
    answer = here(*sweep_words(workspace, *words))
    assert answer.code == 2
    assert "000000 runs" in answer.err
    assert len(made) < 10
    assert workspace.run_dirs() == []


@pytest.mark.parametrize("words", [(), ("sweep.shuffle=true", "sweep.seed=3"), ("sweep=random", "sweep.max_total_runs=6", "sweep.seed=3")])
def test_trials_beyond_those_that_memory_holds_are_resolved_again(
    here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    given = sweep_words(workspace, "+params.a=range(3)", "+params.b=x,y", *words)
    whole = here(*given)
    then = [record(trial)["params"] for trial in trials(workspace)]
    monkeypatch.setattr(batch, "KEPT", 2)
    assert here(*given).code == whole.code == 0
    now = [record(trial)["params"] for trial in trials(workspace)]
    assert sorted(now, key=str) == sorted(then * 2, key=str)
    assert len(then) == 6
    assert "6 of them completed before" in here(*given, "submit.reuse=true").err

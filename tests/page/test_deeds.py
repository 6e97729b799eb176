"""What can be done from the page, and what it shows of sweeps and files, in a real Chromium with real runs."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Shell, wait_for
from tests.page.conftest import Lab, cases_of

pytestmark = [pytest.mark.network, pytest.mark.slow]
CLEAN: dict[str, list[str]] = {"strangers": [], "dialogs": [], "errors": [], "refused": []}
SLOTS = 4  # of tests/conftest.py
NAME = "<img src=x onerror=alert('file')>.txt"
REPORT = """\
<p id=said></p><script>
const said = [];
try { said.push('parent ' + parent.document.title); } catch (error) { said.push('no parent'); }
try { said.push('token ' + localStorage.getItem('trainconf.token')); } catch (error) { said.push('no token'); }
const show = () => { document.getElementById('said').innerText = said.join(', '); };
fetch('/api/runs').then(() => said.push('api'), () => said.push('no api')).then(show);
</script>"""
TRAIN = f"""\
import os, sys, time
from trainconf import Run
params = dict(word.split("=", 1) for word in sys.argv[1:])
for step in range(int(params.get("steps", 5))):
    Run.get_context().log("score", float(params.get("lr", 1)) * (step + 1), step=step)
    if "until" in params:
        print("turn", step, flush=True)
        if os.path.exists(params["until"].strip("'")):
            break
    time.sleep(float(params.get("pause_s", 0)))
print("last line", flush=True)
if "files" in params:
    for name, text in (({NAME!r}, "x"), ("report.html", {REPORT!r}), ("table.csv", "a,b\\n" + "1,2\\n" * 500),
                       ("drawing.svg", '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>')):
        with open(os.path.join("outputs", name), "w") as stream:
            stream.write(text)
"""
Deed = Callable[..., Any]


@pytest.fixture(scope="module")
def lab(lab: Lab) -> Lab:
    lab.shell.write("train.py", TRAIN)
    return lab


@pytest.fixture(scope="module")
def link(lab: Lab) -> str:
    return lab.serve()


@pytest.fixture(scope="module")
def deed(browser_python: Path) -> Deed:
    return cases_of(browser_python, "deeds.py")


def state(lab: Lab, run: str) -> str:
    return lab.shell("show", run).out.split()[1]


def test_a_run_that_is_cancelled_from_the_page_really_ends(lab: Lab, link: str, deed: Deed) -> None:
    run = lab.start("steps=100000", "pause_s=0.1")
    wait_for(lambda: state(lab, run) == "Running")
    seen = deed("cancel", link, run)
    assert (seen["command"], seen["amiss"]) == (f"trainconf cancel {run}", CLEAN)
    assert "Running" in seen["before"]
    wait_for(lambda: state(lab, run) == "Canceled")


def test_a_run_is_run_again_with_the_words_that_are_shown_and_a_wrong_word_is_told(lab: Lab, link: str, deed: Deed) -> None:
    run = lab.train("lr=0.5", "steps=3")
    seen = deed("rerun", link, run, "lr", "0.25")
    assert shlex.split(seen["command"]) == ["trainconf", "rerun", run, "params.lr=0.25", "submit.detach=true"]
    assert "is not an override" in seen["refused"]
    assert seen["amiss"] == CLEAN
    wait_for(lambda: state(lab, seen["new"]) == "Completed")
    assert re.search(r"lr +0\.25", lab.shell("show", seen["new"]).out)


def test_the_logs_of_all_ranks_are_one_that_goes_on_and_each_line_has_its_rank(lab: Lab, link: str, deed: Deed) -> None:
    words = ["distributed=pytorch", "distributed.process_count=2"]
    run = lab.start("steps=100000", "pause_s=0.1", f"until={lab.shell.root}/end", words=words)
    seen = deed("ranks", link, run, f"{lab.shell.root}/end")
    said = {rank: [line.partition("] ")[2] for line in seen["lines"] if line.startswith(f"[rank {rank}] ")] for rank in (0, 1)}
    for rank in (0, 1):
        written = lab.shell("logs", run, "--rank", str(rank)).out.splitlines()
        assert said[rank][-len(written) :] == written  # in its order, none twice, none left out
    assert sum(map(len, said.values())) == len(seen["lines"])
    assert seen["amiss"] == CLEAN


def test_tags_and_notes_are_given_by_the_keyboard_and_stay_text(lab: Lab, link: str, deed: Deed) -> None:
    run, text = lab.train("steps=2"), "<img src=x onerror=alert('note')>"
    seen = deed("labels", link, run, "pa<b>per", text)
    tagged, noted, untagged = (shlex.split(each) for each in seen["commands"])
    assert (tagged, noted) == (["trainconf", "tag", run, f"pa<b>per={text}"], ["trainconf", "note", run, text])
    assert untagged == ["trainconf", "untag", run, "pa<b>per"]
    assert seen["amiss"] == CLEAN
    shown = lab.shell("show", run).out
    assert text in shown
    assert "pa<b>per" not in shown


def test_a_sweep_is_watched_to_its_end_and_narrowed_by_drag_and_by_fields(lab: Lab, link: str, deed: Deed) -> None:
    words = [word for word in lab.words("steps=10", "pause_s=0.4") if not word.startswith("metric.")]
    words += ["metric.name=score", "metric.goal=maximize", "sweep=random", "+params.lr=interval(0.1,1)", "+params.opt=choice(a,b)"]
    going = lab.shell.start("-m", *words, "sweep.max_total_runs=20", "sweep.max_concurrent_runs=2")
    names: list[str] = []
    wait_for(lambda: names.extend(re.findall(r"\S+(?=  +random)", lab.shell("sweep", "ls").out)) or names)
    seen = deed("sweep", link, names[0])
    assert (seen["counts"][-1], seen["counts"], seen["amiss"]) == (20, sorted(seen["counts"]), CLEAN)
    assert len(seen["counts"]) > 2  # it was seen to go on
    assert "rank association, not cause" in seen["text"]
    going.communicate()
    kept = deed("ranges", link, names[0], "lr")
    assert kept["all"] == 20
    assert 0 < kept["dragged"]["rows"] < 20
    assert "brush=params.lr" in kept["dragged"]["hash"]
    assert kept["dragged"]["same"]  # turned, logarithmic, and after a reload
    assert 0 < kept["typed"] < 20
    assert kept["amiss"] == CLEAN


def test_now_says_who_holds_the_slots_of_this_machine_and_who_waits_for_whom(lab: Lab, link: str, deed: Deed) -> None:
    runs = [lab.start("steps=100000", "pause_s=0.1", words=["metric.name=score"]) for _ in range(SLOTS + 1)]
    try:
        for run in runs[:SLOTS]:
            wait_for(lambda run=run: state(lab, run) == "Running")  # type: ignore[misc]
        seen = deed("here", link, *runs)
    finally:
        lab.shell("cancel", *runs)
    assert re.match(rf"slot \d\s+● {runs[0]}\s+\S+\s+[\d.]+s\s+[\d.]+ score\s+cancel…", seen["held"]), seen["held"]
    assert re.match(rf"1\.\s+◌ {runs[-1]}\s+.*waits for .*held by ", seen["waits"]), seen["waits"]
    assert f"{SLOTS} running, 1 waiting" in seen["text"]
    assert re.search(rf"CPU slots\s+{SLOTS}\s+of {SLOTS}", seen["text"])
    assert (seen["command"], seen["axe"], seen["amiss"]) == (f"trainconf cancel {runs[0]}", [], CLEAN)


def test_a_sweep_is_paused_goes_on_and_is_stopped_from_the_page(lab: Lab, link: str, deed: Deed) -> None:
    words = [word for word in lab.words("steps=10", "pause_s=0.2") if not word.startswith("metric.")]
    words += ["metric.name=score", "metric.goal=maximize", "submit.detach=true", "sweep=bayes", "+params.lr=interval(0.1,1)"]
    begun = lab.shell("-m", *words, "sweep.max_total_runs=30", "sweep.max_concurrent_runs=1")
    assert begun.code == 0, begun
    name = json.loads(lab.shell("sweep", "ls", "--json").out)[0]["sweep_id"]
    seen = deed("steer", link, name, "pause", "pause", "Paused", "resume", "go on", "Running", "stop", "stop", "Completed")
    (paused, at_rest), (resumed, going), (stopped, _) = seen["seen"]
    assert paused == f"trainconf sweep pause {name}"
    assert resumed == f"trainconf sweep resume --detach {name}"
    assert stopped == f"trainconf sweep stop {name}"
    assert (at_rest[0], going[:2]) == ("resume…", ["pause…", "stop…"])
    assert seen["amiss"] == CLEAN
    wait_for(lambda: "Running" not in lab.shell("ls", "--where", f"sweep=='{name}'").out)
    shown = json.loads(lab.shell("sweep", "show", name, "--json").out)
    assert 0 < sum(trial["status"] == "Completed" for trial in shown["trials"]) < 30


def test_a_sweep_that_has_ended_goes_on_with_another_limit_from_its_page(lab: Lab, link: str, deed: Deed) -> None:
    words = [word for word in lab.words("steps=2") if not word.startswith("metric.")]
    words += ["metric.name=score", "metric.goal=maximize", "sweep=random", "+params.lr=interval(0.1,1)"]
    made = lab.shell("-m", *words, "sweep.max_total_runs=2", "sweep.max_concurrent_runs=1")
    assert made.code == 0, made
    name = json.loads(lab.shell("sweep", "ls", "--json").out)[0]["sweep_id"]
    seen = deed("extend", link, name, "4")
    assert "integer >= 1" in seen["refused"]
    assert seen["command"] == f"trainconf sweep extend --detach {name} sweep.max_total_runs=4"
    assert seen["amiss"] == CLEAN | {"refused": ["400 /api/actions/extend"]}
    shown = json.loads(lab.shell("sweep", "show", name, "--json").out)
    assert [trial["status"] for trial in shown["trials"]] == ["Completed"] * 4


def test_a_page_that_a_job_has_written_reaches_nothing_and_names_stay_text(lab: Lab, link: str, deed: Deed) -> None:
    seen = deed("artifacts", link, lab.train("files=1"), "outputs", NAME)
    assert seen["said"] == "no parent, no token, no api"
    assert seen["listed"]
    assert {name: seen["amiss"][name] for name in ("strangers", "dialogs")} == {"strangers": [], "dialogs": []}


def test_a_screen_is_exported_as_one_file_without_a_script(lab: Lab, link: str, deed: Deed, tmp_path: Path) -> None:
    runs = ",".join(lab.train(f"lr={lr}") for lr in (1, 2))
    seen = deed("standing", link, str(tmp_path), f"#/compare?runs={runs}", "#/runs?filter=status:Completed", f"#/runs/{runs[-24:]}/log")
    compared, table, log = seen["files"]
    for each in seen["files"]:
        assert (each["asked"], each["scripts"]) == ([], 0)
        assert "It has no script and does not change." in each["text"]
        assert re.search(r"made 20\d\d-\d\d-\d\d \d\d:\d\d", each["text"])
    assert "lr" in compared["text"]
    assert "status:Completed" in table["text"]
    assert "last line" in log["text"]
    assert compared["images"] >= 1
    assert seen["amiss"] == CLEAN


def test_a_run_and_its_chart_are_exported_as_the_command_line_has_them_and_as_pictures(lab: Lab, link: str, deed: Deed) -> None:
    run = lab.train("lr=3", "steps=4")
    seen = deed("exports", link, run)
    told = {form: lab.shell("metrics", run, f"--{form}").out for form in ("csv", "json")}
    assert (seen["CSV"], seen["JSON"][0]) == ([f"{run}.csv", told["csv"]], f"{run}.json")
    assert json.loads(seen["JSON"][1]) == json.loads(told["json"])
    assert seen["chart PNG"] == ["score.png", b"\x89PNG\r\n\x1a\n".hex()]
    assert seen["chart SVG"][0] == "score.svg"
    assert seen["chart SVG"][1].count("<polyline") == 1
    lines = [f"{run},score,1,{step},{value},{value},{value}," for step, value in enumerate((3, 6, 9, 12))]
    assert seen["chart CSV"] == ["score.csv", "\n".join(["run,metric,attempt,step,min,max,last,smooth", *lines, ""])]
    assert seen["amiss"] == CLEAN


def test_a_page_that_is_read_only_tells_commands_alone(lab: Lab, deed: Deed, tmp_path: Path) -> None:
    shell = Shell(tmp_path, lab.shell.home)
    other = Lab(shell)
    shell.write("train.py", TRAIN)
    run = other.train("steps=2")
    page = shell.start("ui", "--no-browser", "--read-only")
    try:
        assert page.stdout is not None
        seen = deed("read_only", page.stdout.readline().decode().strip(), run)
    finally:
        page.terminate()
        page.communicate()
    assert seen["command"].startswith(f"trainconf note {run}")
    assert seen["buttons"] == ["leave it"]
    assert "read-only" in seen["text"]

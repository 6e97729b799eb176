"""Every verb on terminals of 60, 80 and 200 columns: no line is wider, and nothing is left out without a word."""

from __future__ import annotations

import json

import pytest
from wcwidth import wcswidth

from tests.conftest import Shell
from tests.terminal import WIDTHS, Terminal, too_wide

TRAIN = """
import argparse
from trainconf import Run
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--name")
parser.add_argument("--a_param_with_a_long_name")
args = parser.parse_args()
run = Run.get_context()
print("these are some words that the job itself has written")
for step in range(10):
    run.log("validation_accuracy", 1 - args.lr / (step + 1), step=step)
if args.lr > 0.3:
    raise SystemExit("it is broken: the file 日本語.bin was not found, and this sentence about it is longer than a terminal is wide")
"""
WIDE_NAME = "日本語のとても長い名前とても長い名前"
ALL = """\
import json, sys
from trainconf.cli.main import main
for words in json.loads(sys.argv[1]):
    print("\\x01" + " ".join(words), flush=True)
    try:
        main(words)
    except SystemExit:
        pass
"""
VERBS = """\
--help
nonsense
compute.nodez=2
experimnt=x
ls
ls --group sweep
ls --group experiment
ls --where params.lr>9
ls --limit 1
show last
show SWEEP
show SWEEP:0
show SWEEP:0 --origin
compare SWEEP
compare SWEEP --all
diff SWEEP:0 SWEEP:1
metrics SWEEP
metrics SWEEP:0
metrics SWEEP:0 --table
sweep ls
sweep show SWEEP
sweep best SWEEP
logs SWEEP --failed
logs SWEEP:0
wait SWEEP
download SWEEP:0 logs to
watch --once
env ls
env build env=current
env show none
snapshot ls
snapshot create .
gc --dry-run
doctor
check
config experiment=adhoc
config --origin experiment=adhoc
plan -m WORDS +params.lr=0.1,0.2,0.3 +params.name=a,bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb,c
plan -m WORDS +params.lr=interval(0,1) sweep=bayes sweep.max_total_runs=30 metric.name=x
freeze WORDS +params.lr=1 -o f.yaml
freeze --check f.yaml
tag SWEEP:0 a=b
note SWEEP:0 words-of-a-note
ls --help
sweep --help
env --help
rm --help
ui --help
azureml --help
schema
init
rm SWEEP:0 --yes
"""
TABLES = ["ls", "ls --group sweep", "sweep ls", "sweep show SWEEP", "env ls", "snapshot ls", "metrics SWEEP"]


Lab = tuple[Shell, str]
Answers = tuple[int, dict[str, list[str]]]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A workspace with a sweep of long and wide names, and its id."""
    place = tmp_path_factory.mktemp("lab")
    shell = Shell(place / "work", place / "home")
    shell.root.mkdir()
    shell.home.mkdir()
    shell.write("train.py", TRAIN)
    name = f"+params.name=choice(a, 'a text that has many words and is long', '{WIDE_NAME}')"
    words = shell.script("+params.lr=0.1,0.4", name, "+params.a_param_with_a_long_name=7", "metric.name=validation_accuracy")
    words += ["display_name='some words for people, a line full of them, wider than sixty columns are'", "+tags.owner='☃ 日本'"]
    told = shell("-m", *words)
    assert told.code == 1, told
    assert shell("env", "build", "experiment=adhoc", "script=train.py", "env=bare").code == 0
    return shell, json.loads(shell("sweep", "ls", "--json").out)[0]["sweep_id"]


@pytest.fixture(scope="module", params=WIDTHS)
def answers(lab: Lab, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """What a terminal of so many columns is written by each verb."""
    shell, sweep = lab
    script = tmp_path_factory.mktemp("script") / "all.py"
    script.write_text(ALL)
    words = [
        [word for part in line.replace("SWEEP", sweep).split() for word in (shell.script()[:3] if part == "WORDS" else [part])]
        for line in VERBS.splitlines() if "rm SWEEP" not in line or request.param == WIDTHS[-1]
    ]  # fmt: skip
    terminal = Terminal(shell, [json.dumps(words)], request.param, program=(str(script),))
    terminal.end()
    found: dict[str, list[str]] = {}
    for line in terminal.lines:
        if line.startswith("\x01"):
            found[line[1:].replace(sweep, "SWEEP")] = lines = []
        else:
            lines.append(line)
    return request.param, found


def test_no_verb_writes_a_line_that_is_wider_than_the_terminal(answers: Answers) -> None:
    columns, found = answers
    assert len(found) >= len(VERBS.splitlines()) - 1
    wrong = {verb: too_wide(lines, columns) for verb, lines in found.items()}
    assert not {verb: lines for verb, lines in wrong.items() if lines}
    empty = [verb for verb, lines in found.items() if not any(lines)]
    assert empty == []
    assert not [line for lines in found.values() for line in lines if "Traceback" in line or wcswidth(line) < 0]


def test_a_table_names_the_columns_that_it_leaves_out(answers: Answers, lab: Lab) -> None:
    columns, found = answers
    shell, sweep = lab
    for verb in TABLES:
        piped = [line for line in shell(*verb.replace("SWEEP", sweep).split()).out.splitlines() if line]
        header = next(line for line in piped if line.startswith(("run ", "trial ", "sweep ", "hash ", "snapshot ")))
        shown = " ".join(" ".join(found[verb]).split())
        for name in header.replace("params.", "").removesuffix("curve").split("  "):  # a curve fills what is left
            assert name.strip() in shown, (verb, name, found[verb])
        assert ("no room for" in shown) == (columns == 60 and verb != "snapshot ls") or columns > 60, (verb, found[verb])

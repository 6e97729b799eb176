"""The first word decides; what only reads loads no Hydra; and Hydra's own flags answer over the same files."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from tests.conftest import Answer, Shell
from trainconf.cli.verbs import VERBS

Here = Callable[..., Answer]
HEAVY = {"hydra", "omegaconf", "yaml", "antlr4", "git"}


def loaded_by(shell: Shell, *words: str) -> set[str]:
    """Which of the heavy modules a command loads, in a process of its own."""
    code = (
        "import sys\nfrom trainconf.cli.main import main\n"
        f"code = main(sys.argv[1:])\nprint(code, *({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=shell.root, env=shell.env, capture_output=True, text=True)
    code_and_names = done.stderr.splitlines()[-1].split()
    assert code_and_names[0] == "0", done
    return set(code_and_names[1:])


def test_what_only_reads_loads_no_hydra(workspace: Shell) -> None:
    assert workspace(*workspace.script()).code == 0
    for words in (
        ["--help"],
        ["--version"],
        ["ls"],
        ["ls", "--json"],
        ["show", "last"],
        ["show", "last", "--origin"],
        ["logs", "last"],
        ["wait", "last"],
    ):
        assert loaded_by(workspace, *words) == set(), words


def test_the_third_time_the_same_words_need_no_hydra(workspace: Shell) -> None:
    workspace.write("conf/local.yaml", "")
    assert "hydra" in loaded_by(workspace, *workspace.script())  # it makes the workspace
    time.sleep(2.1)  # until then another write might not show, so nothing is kept
    assert "hydra" in loaded_by(workspace, *workspace.script())
    assert loaded_by(workspace, *workspace.script()) == set()


def test_help_tells_every_verb_every_group_and_its_choices(here: Here, workspace: Shell) -> None:
    workspace.write("conf/experiment/mine.yaml", "# @package _global_\n")
    for words in (["--help"], ["-h"], ["experiment=mine", "--help"]):
        answer = here(*words)
        assert answer.code == 0
        experiments = "adhoc, digits, digits_mpi, digits_search, digits_tensorflow, digits_torch, digits_torchrun, iris_stdlib, mine, tiny_"
        for expected in (*VERBS, "experiment", experiments, "compute", "current, minimal", "--config-dir", "124"):
            assert expected in answer.out, expected


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, here: Here) -> None:
    with pytest.raises(SystemExit) as ended:
        here(verb, "--help")
    assert ended.value.code == 0


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("init",)])
def test_every_verb_refuses_a_flag_it_does_not_know(verb: str, here: Here, workspace: Shell) -> None:
    answer = here(verb, "--nosuch")
    assert (answer.code, answer.out) == (2, ""), answer
    assert "--nosuch" in answer.err or "required" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    "action", [["env", "nosuch"], ["snapshot"], ["snapshot", "show"], ["env", "show", "nosuch"], ["snapshot", "show", "ff"]]
)
def test_an_action_that_is_wrong_is_told(action: list[str], here: Here) -> None:
    answer = here(*action)
    assert (answer.code, len(answer.told)) == (2, 1), answer


def test_the_composed_config_is_shown_in_three_forms(here: Here, workspace: Shell) -> None:
    import json

    import yaml

    words = ["config", "experiment=adhoc", "+params.lr=0.1", "env=current"]
    plain = here(*words)
    assert yaml.safe_load(plain.out)["params"] == {"lr": 0.1}
    assert "# integer >= 1; slots the run occupies while it runs" in plain.out
    origins = here(*words, "--origin").out.splitlines()
    assert any(line.split() == ["params.lr", "=", "0.1", "<-", "command", "line:", "+params.lr=0.1"] for line in origins)
    body = json.loads(here(*words, "--json").out)
    assert set(body) == {"config", "origins", "choices"}
    assert yaml.safe_load(plain.out) == body["config"]


def test_a_plan_is_what_is_sent(here: Here, workspace: Shell) -> None:
    import json

    words = workspace.script("+params.lr=0.1", "+env.variables.A=1")
    planned = json.loads(here("plan", *words, "--json").out)
    assert workspace.run_dirs() == []
    assert "train.py --lr 0.1" in here("plan", *words).out
    here(*words)
    (run_dir,) = workspace.run_dirs()
    sent = json.loads((run_dir / "plan.json").read_text())
    shown = json.loads(json.dumps(planned["plan"]).replace(planned["plan"]["run_id"], run_dir.name))
    assert shown == sent
    assert planned["spec"] == json.loads((run_dir / "spec.json").read_text())


FLAGS: list[tuple[list[str], int, list[str]]] = [
    (["--cfg", "job", "experiment=mine"], 0, ["experiment_name: mine", "lr: ${retries}"]),
    (["--cfg", "job", "--resolve", "experiment=mine"], 0, ["lr: 5"]),
    (["--cfg", "job", "--package", "params", "experiment=mine"], 0, ["lr: ${retries}"]),
    (["--cfg", "hydra"], 0, ["sweeper"]),
    (["--info", "searchpath"], 0, ["conf"]),
    (["--info", "defaults"], 0, ["experiment/digits", "local"]),
    (["--hydra-help"], 0, ["Hydra"]),
    (["--shell-completion", "install=bash"], 0, ["hydra_bash_completion"]),
    (["--cfg", "job", "nosuch=1"], 2, []),
    (["--cfg", "job", "env=mars"], 2, []),
    (["--cfg", "nosuch"], 2, []),
    (["--resolve"], 2, []),
    (["--cfg", "job", "--config-dir", "/no/dir"], 2, []),
    (["--cfg", "job", "--config-name", "nosuch"], 2, []),
]


@pytest.mark.parametrize(("words", "code", "expected"), FLAGS, ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_hydras_flags_answer_over_the_workspaces_and_the_shipped_files(
    words: list[str], code: int, expected: list[str], workspace: Shell
) -> None:
    workspace.write("conf/experiment/mine.yaml", "# @package _global_\nexperiment_name: mine\nparams: {lr: '${retries}'}\nretries: 5\n")
    workspace.write("conf/local.yaml", "# @package _global_\nparams: {}\n")
    answer = workspace(*words, env={"PYTHONWARNINGS": "default"})
    assert answer.code == code, answer
    assert "Traceback" not in answer.err
    for text in expected:
        assert text in answer.out, answer
    assert sorted(path.name for path in workspace.root.iterdir()) == ["conf", "train.py"]


def test_hydras_flags_show_no_credential_of_the_environment(workspace: Shell) -> None:
    params = "{a: '${oc.env:MY_API_TOKEN}', b: '${oc.env:PLACE}', c: '${oc.env:NO_TOKEN,none}', e: '${oc.env:WHO}'}"
    workspace.write("conf/experiment/mine.yaml", f"# @package _global_\nparams: {params}\n")
    env = {"MY_API_TOKEN": "SECRET", "PLACE": "https://me:SECRET@host/", "WHO": "me"}
    for words in (["--cfg", "job", "--resolve"], ["--cfg", "all", "--resolve"], ["--cfg", "job", "-p", "params", "--resolve"]):
        answer = workspace("experiment=mine", *words, env=env)
        assert "a: ${oc.env:MY_API_TOKEN}" in answer.out, answer
        assert "SECRET" not in answer.out + answer.err
        for text in ("b: ${oc.env:PLACE}", "c: none", "e: me"):
            assert text in answer.out, answer


def test_a_value_that_cannot_be_resolved_is_no_traceback_of_hydras_flags(workspace: Shell) -> None:
    for value, said in (("${oc.env:NO_SUCH}", "NO_SUCH"), ("${nothing}", "nothing"), ("${nothing:1}", "nothing")):
        answer = workspace(f"+params.x={value}", "--cfg", "job", "--resolve")
        assert answer.code == 2, answer
        assert said in next(iter(answer.told))
    refused = workspace("env=mars", "--cfg", "job").told
    assert "current" in next(iter(refused.values()))["Hydra says"]


def test_tab_completion_knows_groups_and_choices_of_both_places(workspace: Shell) -> None:
    workspace.write("conf/experiment/mine.yaml", "# @package _global_\n")
    line = {"COMP_LINE": "trainconf experiment=", "COMP_POINT": "21", "COMP_CWORD": "1", "PYTHONWARNINGS": "default"}
    answer = workspace("--shell-completion", "query=bash", env=line)
    assert answer.code == 0, answer
    assert {"experiment=mine", "experiment=digits"} <= set(answer.out.split())


def test_a_folder_given_on_the_command_line_is_searched_first(here: Here, workspace: Shell) -> None:
    workspace.write("more/experiment/digits.yaml", "# @package _global_\nexperiment_name: shadow\nscript: train.py\n")
    for words in (["--config-dir", "more"], ["--config-dir=more"], ["-cd", "more"]):
        assert "shadow" in here(*words, "env=current", f"compute.lease_dir={workspace.leases}", "submit.detach=false").err
    assert '"shadow"' in here("config", "--config-dir", "more", "--json").out
    assert "shadow" in workspace("--cfg", "job", "--config-dir", "more").out


def test_on_a_screen_our_words_begin_a_line_of_their_own(workspace: Shell) -> None:
    workspace.write("train.py", "import sys\nsys.stdout.write('no line end')\n")
    ours, theirs = os.openpty()
    with subprocess.Popen([sys.executable, "-m", "trainconf", *workspace.script()], cwd=workspace.root, env=workspace.env,
                          stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs) as child:  # fmt: skip
        assert child.wait() == 0
    os.close(theirs)
    said = os.read(ours, 65536).decode()
    os.close(ours)
    assert "no line end\r\nCompleted" in said

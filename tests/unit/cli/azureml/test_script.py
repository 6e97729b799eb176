"""`trainconf azureml SCRIPT`: the script runs as it would in Python, with trainconf's `azureml` in front."""

from __future__ import annotations

import sys

import pytest

from tests.conftest import Shell

SCRIPT = """\
import os, sys, pickle
from azureml.core import Run
import beside
class Own: pass
pickle.loads(pickle.dumps(Own()))
print(sys.argv, __name__, os.path.basename(__file__), beside.__name__, sys.modules["__main__"].Own is Own)
print(Run.__module__.split(".")[0], "trainconf" in sys.path[0])
"""


def test_the_script_is_main_with_its_arguments_and_the_modules_beside_it(shell: Shell) -> None:
    shell.write("lib/submit.py", SCRIPT)
    shell.write("lib/beside.py", "")
    shell.write("beside.py", "raise SystemExit('the wrong one')")
    answer = shell("azureml", "lib/submit.py", "--lr", "0.1", "-h", "a b")
    assert answer.code == 0, answer
    assert answer.out == "['lib/submit.py', '--lr', '0.1', '-h', 'a b'] __main__ submit.py beside True\ntrainconf True\n"


@pytest.mark.parametrize(("text", "code", "err"), [
    ("import sys; sys.exit(7)", 7, ""),
    ("import sys; sys.exit('no data')", 1, "no data\n"),
    ("print('done')", 0, ""),
])
def test_its_exit_code_is_ours(shell: Shell, text: str, code: int, err: str) -> None:
    shell.write("submit.py", text)
    answer = shell("azureml", "submit.py")
    assert (answer.code, answer.err) == (code, err)


def test_an_exception_of_the_script_is_shown_as_python_shows_it(shell: Shell) -> None:
    shell.write("submit.py", "def work():\n    raise ValueError('bad data')\nwork()\n")
    answer = shell("azureml", "submit.py")
    lines = answer.err.splitlines()
    assert answer.code == 1
    assert (lines[0], lines[-1]) == ("Traceback (most recent call last):", "ValueError: bad data")
    assert [line.partition(", ")[2] for line in lines if line.startswith("  File")] == ["line 3, in <module>", "line 2, in work"]


def test_what_is_no_script_is_told_before_anything_runs(shell: Shell) -> None:
    shell.write("submit.py", "print(1")
    shell.write("other.py", "")
    assert shell("azureml", "submit.py").told == {
        f"the script is not Python {sys.version_info[0]}.{sys.version_info[1]}: '(' was never closed": {"from": "submit.py:1"}
    }
    answer = shell("azureml", "submitt.py")
    assert answer.code == 2
    assert answer.told["the script 'submitt.py' does not exist"]["there are"] == "other.py, submit.py"
    assert shell("azureml").code == shell("azureml", "--lr").code == 2
    assert "azureml submit.py|job.yml" in shell("azureml", "--help").out


def test_what_we_refuse_is_an_exception_of_the_originals_at_the_scripts_own_line(shell: Shell) -> None:
    shell.write("conf/experiment/x.yaml", "")
    shell.write("submit.py", "from azureml.core import ComputeTarget, Workspace\nws = Workspace.from_config()\nComputeTarget(ws, 'cpu')\n")
    answer = shell("azureml", "submit.py")
    lines = answer.err.splitlines()
    assert answer.code == 1
    assert [line.partition(", ")[2] for line in lines if line.startswith("  File")] == ["line 3, in <module>"]
    assert lines[-1].startswith("azureml.exceptions.ComputeTargetException: there is no compute target 'cpu'")
    shell.write("submit.py", "from azureml.pipeline.core import Pipeline\nPipeline(None)\n")
    answer = shell("azureml", "submit.py")
    told = "azureml.exceptions.NotHereError: azureml.pipeline.core.Pipeline has no meaning in trainconf"
    assert answer.err.splitlines()[-1].startswith(told)

"""Columns are read from values that a run has from its first reading on."""

from __future__ import annotations

import json

from tests.conftest import Shell


def test_columns_have_the_runs_that_were_submitted_since_the_last_look(shell: Shell) -> None:
    shell.write("train.py", "")
    assert shell(*shell.script()).code == 0
    assert len(json.loads(shell("ls", "--json").out)) == 1
    assert shell(*shell.script(), "submit.detach=true").code == 0
    assert len(json.loads(shell("ls", "--json", "--columns", "run").out)) == 2

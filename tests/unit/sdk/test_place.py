"""A place is the user's line, whatever of trainconf lies between."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from trainconf.sdk import place
from trainconf.sdk.place import caller


def run(text: str, file: str, **names: Any) -> Any:
    known = {"caller": caller, **names}
    exec(compile(text, file, "exec"), known)
    return known["found"]


def test_a_file_below_the_current_directory_is_named_relative_to_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("\n\nfound = caller()", str(tmp_path / "src" / "submit.py")) == "src/submit.py:3"


def test_a_file_elsewhere_is_named_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run("found = caller()", str(tmp_path / "submit.py")) == f"{tmp_path}/submit.py:1"


def test_frames_of_trainconf_are_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    ours = os.path.join(os.path.dirname(place.__file__), "other.py")
    inner = run("def found(): return caller()", ours)
    assert run("\nfound = inner()", "submit.py", inner=inner) == "submit.py:2"


def test_a_cell_of_a_notebook_is_named_by_its_number() -> None:
    class Shell:
        execution_count = 7

    assert run("\nfound = caller()", "/tmp/ipykernel_123/456.py", get_ipython=Shell) == "cell 7:2"


def test_a_prompt_is_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("found = caller()", "<stdin>") == "<stdin>:1"


def test_a_current_directory_that_was_removed_is_no_trouble(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert run("found = caller()", "/somewhere/submit.py") == "/somewhere/submit.py:1"

"""A cell as a file beside the other sources, as long as its submission takes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainconf.errors import StorageError, UserError
from trainconf.notebook.magics.cell import CellScript, check, source_folder
from trainconf.paths import WorkspacePaths


def test_the_file_is_there_for_as_long_as_it_is_needed_and_named_by_its_content(tmp_path: Path) -> None:
    with CellScript("print(1)", str(tmp_path)) as script:
        assert [path.name for path in tmp_path.iterdir()] == [script.name]
        assert (tmp_path / script.name).read_text() == "print(1)\n"
        name = script.name
    assert list(tmp_path.iterdir()) == []
    with CellScript("print(1)\n\n", str(tmp_path)) as script:
        assert script.name == name
        script.forget()
        assert list(tmp_path.iterdir()) == []
    with CellScript("print(2)", str(tmp_path)) as script:
        assert script.name != name


def test_two_notebooks_may_submit_the_same_cell_and_the_last_one_removes_it(tmp_path: Path) -> None:
    with CellScript("print(1)", str(tmp_path)) as first:
        with CellScript("print(1)", str(tmp_path)) as second:
            assert first.name == second.name
        assert (tmp_path / first.name).exists()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_kernel_has_left_is_written_again(tmp_path: Path) -> None:
    with CellScript("print(1)", str(tmp_path)) as script:
        path = tmp_path / script.name
    path.write_text("prin")
    with CellScript("print(1)", str(tmp_path)):
        assert path.read_text() == "print(1)\n"
    assert not path.exists()


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the cell cannot be written"), CellScript("x", str(tmp_path / "nosuch")):
        pass


@pytest.mark.parametrize(("source", "words"), [
    ("!ls", "line 1: !ls"), ("x = 1\n%time x", "line 2: %time x"), ("await x", "'await' outside function"), ("x\0", "null bytes"),
])  # fmt: skip
def test_what_only_a_notebook_can_run_is_no_script(source: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        check(source)


def test_what_a_future_of_our_own_code_refuses_is_fine_in_a_cell() -> None:
    check("def f(x: (y := 1)): pass")  # no annotation may hold that, where they are texts


def test_the_source_folder_is_that_of_the_words_else_of_the_experiment(workspace: WorkspacePaths) -> None:
    for folder in ("src", "other"):
        os.mkdir(os.path.join(workspace.root, folder))
    Path(workspace.conf, "experiment", "mine.yaml").write_text("# @package _global_\nexperiment_name: mine\nsource_directory: src\n")
    assert source_folder(["experiment=mine"], workspace) == os.path.join(workspace.root, "src")
    words = ["experiment=mine", "source_directory=other", "+params.lr=1,2"]
    assert source_folder(words, workspace) == os.path.join(workspace.root, "other")
    assert os.path.normpath(source_folder(["experiment=adhoc"], workspace)) == workspace.root
    assert source_folder(["experiment=nosuch"], workspace) == workspace.root
    assert source_folder(["experiment=adhoc", "source_directory=nosuch"], workspace) == workspace.root

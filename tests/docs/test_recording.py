"""The pictures of the terminal are what a terminal shows: their commands are recorded anew, and work."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.docs.test_pages import load

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"
SHOWN = {"first": ["Completed in ", "best: trial 2, accuracy ", "created (UTC)"], "search": ["best: trial ", "lr  0."]}

recording = load(ROOT / "docs" / "recording.py")


def words_of(picture: Path) -> str:
    """All text of a picture, a line for each line of the terminal."""
    return "\n".join("".join(text.itertext()) for text in ElementTree.parse(picture).iter(f"{SVG}text"))


@pytest.mark.slow
@pytest.mark.parametrize("name", recording.RECORDINGS)
def test_the_commands_of_a_recording_work_and_show_what_its_picture_shows(name: str, tmp_path: Path) -> None:
    now, kept = recording.write(name, tmp_path), recording.PICTURES / f"terminal-{name}.svg"
    for picture in (now, kept):
        assert ElementTree.parse(picture).findtext(f"{SVG}desc") == "\n".join(recording.RECORDINGS[name][1]), picture
        shown = words_of(picture)
        assert [words for words in SHOWN[name] if words not in shown] == [], picture
        assert "Traceback" not in shown


def test_the_readme_shows_the_commands_of_its_picture() -> None:
    page = (ROOT / "README.md").read_text()
    block = re.search(r"terminal-first\.svg\)\n\n```sh\n(.*?)```", page, re.DOTALL)
    assert block
    assert block[1].splitlines() == recording.FIRST


def test_a_command_that_fails_ends_the_recording(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    with pytest.raises(RuntimeError, match="ended with 3"):
        recording.record(["echo a", "(exit 3)", "echo b"], tmp_path / "lab")


def test_a_screen_keeps_the_colours_and_marks_of_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    screens = recording.record([r"printf '\033[31;1m<a> & b\033[0m\n'"], tmp_path / "lab")
    (tmp_path / "picture.svg").write_text(recording.svg(screens, "<title>", ["a & b"]))
    (coloured,) = [span for span in ElementTree.parse(tmp_path / "picture.svg").iter(f"{SVG}tspan") if span.text == "<a> & b"]
    assert (coloured.get("fill"), coloured.get("font-weight")) == (recording.COLOURS["red"], "bold")

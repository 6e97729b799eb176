"""The reference is what the docstrings say, every public name is described, and every example in a docstring does what it shows."""

from __future__ import annotations

import doctest
import importlib.util
import inspect
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import trainconf
from trainconf.paths import packaged

ROOT = Path(__file__).parents[2]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FINDER = doctest.DocTestFinder(exclude_empty=True)


def load(path: Path):  # type: ignore[no-untyped-def]
    """A module from a file that is in no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = load(ROOT / "docs/reference.py")


def examples() -> Iterator[doctest.DocTest]:
    """The examples of every public name, its methods' included."""
    for name in reference.names():
        value = getattr(trainconf, name)
        found = FINDER.find(value, name, globs={})
        for base in inspect.getmro(value)[1:-1] if inspect.isclass(value) else ():
            if base.__module__.startswith("trainconf"):
                found += FINDER.find(base, name, globs={})
        yield from {test.name: test for test in found if test.examples}.values()


@pytest.fixture
def made_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with the shipped example `digits` and scripts that the examples name, and the current folder."""
    for name in list(os.environ):
        if name.startswith("TRAINCONF_"):
            monkeypatch.delenv(name)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/local.yaml").write_text(f"compute: {{lease_dir: {tmp_path / 'leases'}, slots: 2}}\n")
    (tmp_path / "train.py").write_text("print('trained')\n")
    (tmp_path / "requirements.txt").write_text("numpy\n")
    (tmp_path / "projects").symlink_to(packaged("projects"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_reference_is_what_the_docstrings_say() -> None:
    assert (ROOT / "docs/reference.md").read_text() == reference.rendered(), "run `python docs/reference.py`"


@pytest.mark.parametrize("name", reference.names())
def test_every_public_name_and_each_of_its_methods_is_described(name: str) -> None:
    value = getattr(trainconf, name)
    assert reference.documentation(value)
    missing = [member for member, found in reference.members(value) if not reference.documentation(found)] if inspect.isclass(value) else []
    assert missing == []


@pytest.mark.parametrize("test", [pytest.param(test, id=test.name) for test in examples()])
def test_every_example_does_what_it_shows(test: doctest.DocTest, made_workspace: Path) -> None:
    told: list[str] = []
    found = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=told.append)
    assert found.failed == 0, "".join(told)


def test_an_example_that_shows_something_else_would_fail() -> None:
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(optionflags=FLAGS).run(wrong, out=lambda text: None).failed == 1

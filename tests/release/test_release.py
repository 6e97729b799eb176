"""What would be uploaded: the source archive and the wheel made of it, what they say of themselves, and how they are installed."""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.conftest import ROOT

LOCK = ROOT / "locks" / "release.txt"
MINORS = range(10, 15)
NOT_CLASSIFIED = {14}  # nobody has run it there; docs/contributing.md says so
SCRIPT = (
    'import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument("--lr", type=float)\nprint("lr", parser.parse_args().lr)\n'
)
# The part of the Citation File Format 1.2.0 that software with named authors needs.
TEXTS = ["message", "title", "abstract", "version", "license", "repository-code", "url"]
AUTHOR = {"anyOf": [{"required": ["name"]}, {"required": ["family-names", "given-names"]}]}
CITATION = {
    "type": "object",
    "required": ["cff-version", "message", "title", "authors", "type", "version", "license"],
    "additionalProperties": False,
    "properties": {
        "cff-version": {"const": "1.2.0"},
        "type": {"const": "software"},
        "authors": {"type": "array", "minItems": 1, "items": AUTHOR},
        "keywords": {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"type": "string"}},
        "date-released": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
        "doi": {"type": "string", "pattern": r"^10\.\d{4,}/"},
        **{key: {"type": "string"} for key in TEXTS},
    },
}


def done(*words: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """What a command printed. Raises AssertionError with its last words where it fails."""
    ended = subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=cwd, env=os.environ | (env or {}))
    assert ended.returncode == 0, f"{words}\n{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"
    return ended.stdout


def uv(*words: str | Path, env: dict[str, str] | None = None) -> str:
    return done(sys.executable, "-m", "uv", *words, env=env)


def tracked() -> set[str]:
    """Every file of the checkout that git does not ignore, committed or not."""
    names = done("git", "ls-files", "-co", "--exclude-standard", "-z", cwd=ROOT).split("\0")
    return {name for name in names if name and (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive of the working tree and the wheel that is built from it."""
    tree = tmp_path_factory.mktemp("checkout")
    for name in tracked():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    (tree / "conf" / "local.yaml").write_text("of this machine alone")
    folder = tmp_path_factory.mktemp("dist")
    done(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, tree)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA") and name.count("/") == 1)
        return message_from_bytes(archive.read(name))


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment with what locks/release.txt has."""
    folder = tmp_path_factory.mktemp("tools") / "venv"
    uv("venv", "-q", "--python", sys.executable, folder)
    uv("pip", "install", "-q", "--require-hashes", "--python", folder / "bin" / "python", "-r", LOCK)
    return folder / "bin"


def test_the_source_archive_holds_what_git_has_and_nothing_else(dist: Path) -> None:
    (found,) = dist.glob("*.tar.gz")
    with tarfile.open(found) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names - {"PKG-INFO"} == tracked()


@pytest.mark.network
def test_the_checks_of_an_index_and_of_wheels_pass(dist: Path, wheel: Path, tools: Path) -> None:
    done(tools / "twine", "check", "--strict", *dist.iterdir())
    done(tools / "check-wheel-contents", wheel, cwd=ROOT)  # its settings are in pyproject.toml


def test_the_metadata_say_what_the_project_says(metadata: Message) -> None:
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert str(metadata.get_payload()).strip() == (ROOT / "README.md").read_text().strip()
    classified = {
        int(minor)
        for minor in re.findall(r"^Programming Language :: Python :: 3\.(\d+)$", "\n".join(metadata.get_all("Classifier") or []), re.M)
    }
    assert classified == set(MINORS) - NOT_CLASSIFIED
    assert f"Python 3.{max(NOT_CLASSIFIED)}" in (ROOT / "docs" / "contributing.md").read_text()


def test_every_extra_that_is_declared_is_told_and_every_one_told_is_declared(metadata: Message) -> None:
    declared = set(metadata.get_all("Provides-Extra") or [])
    table = (ROOT / "docs" / "dependencies.md").read_text().partition("\n## Optional\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z]+)` \| (.+?) \|", table, re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(declared)
    but = set(re.findall(r"`([a-z]+)`", dict(rows)["all"]))
    needed = [re.split(r"; extra == ", line.replace("'", "")) for line in metadata.get_all("Requires-Dist") or [] if "extra ==" in line]
    assert {what for what, extra in needed if extra == "all"} == {what for what, extra in needed if extra not in but | {"all"}}
    texts = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("trainconf/**/*.py")]
    told = {
        extra
        for path in texts
        for words in re.findall(r"trainconf\[([a-z,]+)\]|'\.\[([a-z,]+)\]'", path.read_text())
        for extra in ",".join(words).split(",")
    }
    assert told - {""} <= declared


def test_a_citation_has_the_version_and_the_words_of_the_metadata(metadata: Message) -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    jsonschema.validate(citation, CITATION)
    assert (citation["title"], citation["version"], citation["abstract"]) == (metadata["Name"], metadata["Version"], metadata["Summary"])
    assert citation["license"] == metadata["License-Expression"]
    assert citation["keywords"] == metadata["Keywords"].split(",")
    assert ", ".join(author["name"] for author in citation["authors"]) == metadata["Author"]


def works(trainconf: Path, folder: Path, env: dict[str, str] | None = None) -> None:
    """The command answers, and runs a script that nothing was prepared for."""
    assert "trainconf" in done(trainconf, "--help", cwd=folder)
    (folder / "train.py").write_text(SCRIPT)
    env = {"HOME": str(folder), "PYTHONPATH": "", **(env or {})}
    assert "lr 0.25" in done(trainconf, f"compute.lease_dir={folder / 'leases'}", "train.py", "--lr", "0.25", cwd=folder, env=env)


def interpreter(minor: int) -> str | None:
    """A Python 3.MINOR that answers: by its name, or kept by pyenv."""
    kept = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    for path in [f"python3.{minor}", *sorted(glob.glob(f"{kept}/versions/3.{minor}.*/bin/python"))]:
        found = shutil.which(path)
        if found and subprocess.run([found, "-c", "import venv"], capture_output=True).returncode == 0:
            return found
    return None


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("minor", MINORS)
def test_it_runs_a_script_on_each_python(minor: int, wheel: Path, tmp_path: Path) -> None:
    python = interpreter(minor)
    if not python:
        pytest.skip(f"this machine has no Python 3.{minor}")
    uv("venv", "-q", "--python", python, tmp_path / "venv")
    uv("pip", "install", "-q", "--python", tmp_path / "venv" / "bin" / "python", wheel)
    (tmp_path / "empty").mkdir()
    works(tmp_path / "venv" / "bin" / "trainconf", tmp_path / "empty")


@pytest.mark.network
@pytest.mark.slow
def test_pip_and_pipx_and_uv_install_the_command(wheel: Path, tools: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done(sys.executable, "-m", "venv", tmp_path / "pip")
    done(tmp_path / "pip" / "bin" / "python", "-m", "pip", "install", "-q", wheel)
    works(tmp_path / "pip" / "bin" / "trainconf", tmp_path / "empty")
    places = {"PIPX_HOME": str(tmp_path / "pipx"), "PIPX_BIN_DIR": str(tmp_path / "bin"), "PIPX_MAN_DIR": str(tmp_path / "man")}
    done(tools / "pipx", "install", "--python", sys.executable, wheel, env=places)
    works(tmp_path / "bin" / "trainconf", tmp_path / "empty")
    uv(
        "tool",
        "install",
        "-q",
        "--python",
        sys.executable,
        wheel,
        env={"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "uv")},
    )
    works(tmp_path / "uv" / "trainconf", tmp_path / "empty")
    assert "trainconf" in uv("tool", "run", "-q", "--python", sys.executable, "--from", wheel, "trainconf", "--help")

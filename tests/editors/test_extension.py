"""The extension of VS Code without VS Code: its types, what of it is pure, the package that is installed."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest

from tests.editors.node import EXTENSION, extension, npm

pytestmark = pytest.mark.network
MOST_KB = 300


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return extension(tmp_path_factory.mktemp("vscode"))


def test_the_types_of_the_extension_hold(copy: Path) -> None:
    npm("run", "check", cwd=copy)


def test_a_type_that_does_not_hold_is_found(copy: Path) -> None:
    wrong = copy / "src" / "wrong.ts"
    wrong.write_text('import { number } from "./core/model";\nnumber("2");\n')
    try:
        done = npm("run", "check", cwd=copy, check=False)
    finally:
        wrong.unlink()
    assert done.returncode != 0
    assert "not assignable to parameter of type 'number'" in done.stdout


def test_what_needs_no_vs_code_does_what_it_says(copy: Path) -> None:
    npm("test", cwd=copy)


def test_the_package_is_small_and_has_no_file_too_many(copy: Path) -> None:
    npm("run", "package", cwd=copy)
    package = copy / "dist" / "trainconf.vsix"
    assert package.stat().st_size <= MOST_KB * 1000
    with zipfile.ZipFile(package) as opened:
        names = {name.removeprefix("extension/") for name in opened.namelist() if name.startswith("extension/")}
    media = {f"media/{path.name}" for path in (EXTENSION / "media").iterdir()}
    assert names == {"package.json", "readme.md", "dist/extension.js", *media}


def test_the_lock_file_names_no_host_and_the_packages_have_their_hashes() -> None:
    text = (EXTENSION / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    assert '"resolved"' not in text
    assert all("integrity" in entry for path, entry in packages.items() if path)


def test_the_only_package_that_travels_is_the_language_client() -> None:
    assert list(json.loads((EXTENSION / "package.json").read_text())["dependencies"]) == ["vscode-languageclient"]


def test_each_command_is_declared_and_done() -> None:
    manifest = json.loads((EXTENSION / "package.json").read_text())
    declared = {each["command"].removeprefix("trainconf.") for each in manifest["contributes"]["commands"]}
    source = "\n".join(path.read_text() for path in (EXTENSION / "src").glob("*.ts"))
    registered = set(re.findall(r'registerCommand\("trainconf\.(\w+)"', source))
    listed = re.search(r"const commands: .*?\{\n(.*?)\n    \};", source, re.DOTALL)
    assert listed
    assert declared == registered | set(re.findall(r"^      (\w+):", listed[1], re.MULTILINE))
    in_menus = {each["command"].removeprefix("trainconf.") for menu in manifest["contributes"]["menus"].values() for each in menu}
    assert in_menus <= declared


def test_nothing_starts_in_a_folder_that_is_not_trusted() -> None:
    capabilities = json.loads((EXTENSION / "package.json").read_text())["capabilities"]
    assert capabilities["untrustedWorkspaces"]["supported"] is False
    assert capabilities["virtualWorkspaces"]["supported"] is False

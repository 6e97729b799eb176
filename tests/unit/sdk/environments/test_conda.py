"""CondaDependencies: what pip is asked for, what only conda has, and the file between both."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import yaml

from trainconf import CondaDependencies
from trainconf.errors import UserError
from trainconf.sdk.environments.conda import submitting_python


def told(error: pytest.ExceptionInfo[UserError]) -> str:
    return error.value.render()


def test_packages_of_conda_become_those_of_pip_where_pip_has_them() -> None:
    packages = CondaDependencies.create(
        pip_indexurl="https://example.com/simple", pip_packages=["joblib==1.5.2", "pip-tools"], conda_packages=["pytorch=2.1", "numpy"],
        python_version="3.12",
    )  # fmt: skip
    assert packages.requirements == ["--index-url https://example.com/simple", "torch==2.1.*", "numpy", "joblib==1.5.2", "pip-tools"]
    assert (packages.get_python_version(), packages.conda_packages) == ("3.12", ["pytorch=2.1", "numpy"])
    assert CondaDependencies.create().get_python_version() == submitting_python()


def test_every_mistake_is_told_at_once_with_its_line() -> None:
    with pytest.raises(UserError) as error:
        CondaDependencies.create(
            pip_packages=["numpy=1.26", "--pre", 3], conda_packages=["cudatoolkit=11.8", "ffmpeg"], python_version=3.1,  # type: ignore[list-item,arg-type]
        )  # fmt: skip
    text = told(error)
    for words in ("'numpy=1.26' is no requirement", "numpy==1.26", "set_pip_option('--pre')", "cannot be 3", "cudatoolkit=11.8 needs conda",
                  "ffmpeg needs conda", "python_version cannot be 3.1", "'3.1' in quotes"):  # fmt: skip
        assert words in text, words
    assert text.count("test_conda.py:") == 6


@pytest.mark.parametrize("given", ["numpy", {"numpy": "1"}, 3])
def test_a_list_is_a_list(given: object) -> None:
    with pytest.raises(UserError, match="pip_packages cannot be"):
        CondaDependencies.create(pip_packages=given)  # type: ignore[arg-type]


def test_a_package_takes_the_place_of_one_of_its_name() -> None:
    packages = CondaDependencies.create(pip_packages=["Scikit_Learn==1.5", "numpy"])
    packages.add_pip_package("scikit-learn[plot]>=1.7")
    packages.add_conda_package("pandas=2.1")
    packages.add_conda_package("conda-forge::pandas=2.2")
    assert packages.pip_packages == ["scikit-learn[plot]>=1.7", "numpy"]
    assert packages.conda_packages == ["conda-forge::pandas=2.2"]
    packages.remove_pip_package("SCIKIT.learn")
    packages.remove_conda_package("pandas")
    packages.remove_conda_package("never-there")
    assert packages.requirements == ["numpy"]


def test_python_cannot_be_removed_and_is_chosen_by_its_version() -> None:
    packages = CondaDependencies()
    packages.add_conda_package("python=3.10.4")
    assert packages.get_python_version() == "3.10.4"
    with pytest.raises(UserError, match="has a Python, which cannot be removed"):
        packages.remove_conda_package("python")
    with pytest.raises(UserError, match="does not name one version"):
        packages.add_conda_package("python>=3.9")
    with pytest.raises(UserError, match="version cannot be 'newest'"):
        packages.set_python_version("newest")


def test_options_of_pip_are_set_by_their_name() -> None:
    packages = CondaDependencies()
    packages.set_pip_option("--pre")
    packages.set_pip_option("--index-url https://a.example")
    packages.set_pip_index_url("https://b.example")
    assert packages.pip_options == ["--pre", "--index-url https://b.example"]
    packages.remove_pip_option("--pre")
    packages.remove_pip_index_url()
    assert packages.pip_options == []
    with pytest.raises(UserError, match="add_pip_package"):
        packages.set_pip_option("numpy")


def test_pip_requirements_are_replaced_as_a_whole() -> None:
    packages = CondaDependencies.create(pip_packages=["old"], conda_packages=["numpy"])
    packages.set_pip_requirements(["--pre", "new==1", "-r more.txt"])
    assert (packages.pip_options, packages.pip_packages, packages.conda_packages) == (["--pre"], ["new==1", "-r more.txt"], ["numpy"])


def test_requirements_of_one_package_become_one_line() -> None:
    merged = CondaDependencies.merge_requirements(["numpy>=1", "pandas", "Numpy<2", 'six; python_version < "3.9"', "pandas[all]==2.1.*"])
    assert merged == ["numpy>=1,<2", "pandas[all]==2.1.*", 'six; python_version < "3.9"']
    with pytest.raises(UserError, match="numpy is asked for in two versions"):
        CondaDependencies.merge_requirements(["numpy==1.26.4", "numpy==2.0.0"])


def test_packages_of_azure_mls_own_sdk_are_left_out() -> None:
    packages = CondaDependencies.create(pip_packages=["azureml-defaults", "azureml-train-core==1.2", "azureml", "azure-storage-blob"])
    assert packages.requirements == ["azure-storage-blob"]
    assert packages.left_out == ["azureml-defaults", "azureml-train-core==1.2", "azureml"]


def test_a_file_comes_back_as_it_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    packages = CondaDependencies.create(pip_packages=["a==1"], conda_packages=["numpy=2.1"], python_version="3.11")
    packages.add_channel("conda-forge")
    packages.add_channel("other")
    packages.remove_channel("other")
    packages.set_pip_option("--pre")
    assert packages.save() == "conda_dependencies.yml"
    assert packages.save_to_file(".", "x.yml") == "./x.yml"
    for file in ("conda_dependencies.yml", tmp_path / "x.yml"):
        assert CondaDependencies(file) == packages
    assert yaml.safe_load(packages.serialize_to_string())["channels"] == ["conda-forge"]


def test_a_file_is_read_with_what_it_names_beside_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "envs"
    folder.mkdir()
    (folder / "more.txt").write_text("")
    (folder / "pkg").mkdir()
    file = folder / "environment.yml"
    file.write_text("dependencies: [numpy, {pip: [-r more.txt, ./pkg, -e ./pkg]}]\nvariables: {A: 1}\n")
    with caplog.at_level(logging.WARNING):
        packages = CondaDependencies(file)
    assert packages.pip_packages == [f"-r {folder}/more.txt", f"{folder}/pkg", f"-e {folder}/pkg"]
    assert f"names no Python: it gets {submitting_python()}" in caplog.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dependencies: numpy\n", "are a list"), ("- [", "is not YAML"), ("[" * 3000, "is not YAML"), ("3", "must hold a mapping"),
        ("dependancies: []\n", "dependancies: not a key"), ("dependencies: [r-base, openmpi=4]\n", "openmpi=4 needs conda"),
        ("dependencies: ['python>=3.9']\n", "does not name one version of Python"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_obeyed_is_told(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text(text)
    with pytest.raises(UserError, match=words) as error:
        CondaDependencies(tmp_path / "c.yml")
    assert "test_conda.py:" in told(error)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        CondaDependencies(tmp_path / "absent.yml")
    (tmp_path / "latin.yml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UserError, match="UTF-8"):
        CondaDependencies(tmp_path / "latin.yml")
    with pytest.raises(UserError, match="conda_dependencies_file_path cannot be 3"):
        CondaDependencies(3)  # type: ignore[arg-type]

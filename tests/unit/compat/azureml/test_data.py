"""Datastores and datasets over local folders: what they name, what they keep, what a run gets of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trainconf.compat.azureml.data.datastores import Datastore
from trainconf.compat.azureml.data.factories import Dataset
from trainconf.compat.azureml.data.inputs import InputDatasets
from trainconf.compat.azureml.data.outputs import OutputFileDatasetConfig
from trainconf.compat.azureml.data.references import DataPath, DataReference
from trainconf.compat.azureml.exceptions import DatasetExecutionError, DatasetValidationError, NotHereError, UserErrorException
from trainconf.compat.azureml.workspace import Workspace


@pytest.fixture
def store(ws: Workspace) -> Datastore:
    """The default datastore with pets/cat/1.txt, pets/cat/2.txt, pets/dog/1.txt and pets/list.csv."""
    for name in ("cat/1.txt", "cat/2.txt", "dog/1.txt", "list.csv"):
        path = Path("local", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("name,age\ntom,3\nrex,5\nkim,7\n" if name == "list.csv" else name)
    store = ws.get_default_datastore()
    store.upload(src_dir="local", target_path="pets", overwrite=True, show_progress=False)
    return store  # type: ignore[no-any-return]


def names_in(folder: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def test_an_upload_copies_and_replaces_only_when_asked_to(store: Datastore, ws: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    kept = Path(ws.root, "datastores/workspaceblobstore/pets/cat/1.txt")
    Path("local/cat/1.txt").write_text("new")
    store.upload_files(["local/cat/1.txt"], relative_root="local", target_path="pets")
    assert kept.read_text() == "cat/1.txt"
    assert "cat/1.txt is there already" in capsys.readouterr().out
    store.upload_files(["local/cat/1.txt"], relative_root="local", target_path="pets", overwrite=True)
    assert kept.read_text() == "new"
    assert store.download("copy", prefix="pets/cat") == 2
    assert names_in("copy") == ["pets/cat/1.txt", "pets/cat/2.txt"]
    with pytest.raises(UserErrorException, match=r"not there: local/none\.txt"):
        store.upload_files(["local/none.txt"])
    with pytest.raises(UserErrorException, match="leads out of the datastore"):
        store.path("../../../etc/passwd").location  # noqa: B018


def test_uploaded_data_stays_out_of_snapshots_and_git(store: Datastore, ws: Workspace) -> None:
    assert {name for name in names_in(f"{ws.root}/datastores") if "ignore" in name} == {".gitignore", ".trainconfignore"}


def test_a_datastore_is_a_folder_that_the_mapping_names_and_an_unknown_one_says_how(ws: Workspace, tmp_path: Path) -> None:
    Path("conf/azureml.yaml").write_text(f"datastores:\n  blob: {tmp_path}/elsewhere\n")
    assert Datastore.get(ws, "blob").inside("a/b") == f"{tmp_path}/elsewhere/a/b"
    assert list(ws.datastores) == ["workspaceblobstore", "workspacefilestore", "blob"]
    with pytest.raises(UserErrorException, match=r"`datastores: \{nope: /a/folder\}` in conf/azureml.yaml"):
        Datastore.get(ws, "nope")
    with pytest.raises(NotHereError, match="register_azure_blob_container has no meaning in trainconf"):
        Datastore.register_azure_blob_container(workspace=ws, datastore_name="x")


@pytest.mark.parametrize(("pattern", "expected"), [
    ("pets", ["/cat/1.txt", "/cat/2.txt", "/dog/1.txt", "/list.csv"]),
    ("pets/**", ["/cat/1.txt", "/cat/2.txt", "/dog/1.txt", "/list.csv"]),
    ("pets/*/1.txt", ["/cat/1.txt", "/dog/1.txt"]),
    ("pets/cat/2.txt", ["/2.txt"]),
])
def test_a_file_dataset_names_files_from_its_own_folder_on(store: Datastore, pattern: str, expected: list[str]) -> None:
    dataset = Dataset.File.from_files(path=(store, pattern))
    assert dataset.to_path() == expected
    assert [name.removeprefix(str(Path("copy").absolute())) for name in dataset.download("copy")] == expected


def test_what_a_run_reads_is_the_folder_itself_or_copies_of_the_chosen_files(store: Datastore) -> None:
    whole, file = Dataset.File.from_files((store, "pets")), Dataset.File.from_files((store, "pets/list.csv"))
    chosen = Dataset.File.from_files([(store, "pets/cat/*.txt"), (store, "pets/dog")])
    assert (whole.place(), Dataset.File.from_files((store, "pets/**")).place()) == (store.inside("pets"), store.inside("pets"))
    assert file.place() == store.inside("pets/list.csv")
    assert names_in(chosen.place()) == ["cat/1.txt", "cat/2.txt", "dog/1.txt"]
    assert chosen.place() == chosen.place()
    assert names_in(chosen.skip(1).take(1).place()) == ["cat/2.txt"]
    with chosen.mount() as mounted:
        assert names_in(mounted.mount_point) == ["cat/1.txt", "cat/2.txt", "dog/1.txt"]


def test_a_split_is_the_same_for_the_same_seed_and_loses_nothing(store: Datastore) -> None:
    dataset = Dataset.File.from_files((store, "pets"))
    one, other = dataset.random_split(percentage=0.5, seed=3)
    again, _ = dataset.random_split(percentage=0.5, seed=3)
    assert sorted(one.to_path() + other.to_path()) == dataset.to_path()
    assert one.to_path() == again.to_path()
    unseeded, rest = dataset.random_split(0.5)
    assert sorted(unseeded.files + rest.files) == dataset.files
    assert unseeded.files == unseeded.files


def test_a_dataset_needs_files_and_nothing_is_fetched(ws: Workspace) -> None:
    with pytest.raises(DatasetValidationError, match=r"there is no file at .*/none"):
        Dataset.File.from_files("none")
    address = "https://example.invalid/titanic.csv"
    with pytest.raises(UserErrorException, match=r"trainconf fetches no data.*addresses"):
        Dataset.Tabular.from_delimited_files(path=address)
    Path("titanic.csv").write_text("a\n1\n")
    Path("conf/azureml.yaml").write_text(f"addresses:\n  {address}: titanic.csv\n")
    assert Dataset.Tabular.from_delimited_files(path=address).files == [f"{ws.root}/titanic.csv"]


def test_a_registered_dataset_has_versions_that_a_clone_of_the_workspace_reads(store: Datastore, ws: Workspace) -> None:
    first = Dataset.File.from_files((store, "pets")).register(workspace=ws, name="pets / all", description="d", tags={"a": "b"})
    assert (first.name, first.version, first.description, first.tags) == ("pets / all", 1, "d", {"a": "b"})
    same = Dataset.File.from_files((store, "pets")).register(ws, "pets / all", create_new_version=True)
    assert same.version == 1
    with pytest.raises(UserErrorException, match="create_new_version=True"):
        Dataset.File.from_files((store, "pets/cat")).register(ws, "pets / all")
    second = Dataset.File.from_files((store, "pets/cat")).register(ws, "pets / all", create_new_version=True)
    assert second.version == 2
    assert Dataset.get_by_name(ws, "pets / all").to_path() == ["/1.txt", "/2.txt"]
    assert Dataset.get_by_name(ws, name="pets / all", version=1).id == first.id == Dataset.get_by_id(ws, first.id).id
    assert list(ws.datasets) == ["pets / all"]
    moved = Path(ws.root).rename(Path(ws.root).with_name("moved"))
    cats = moved / "datastores/workspaceblobstore/pets/cat"
    assert Dataset.get_by_name(Workspace._at(str(moved)), "pets / all").files == [str(cats / "1.txt"), str(cats / "2.txt")]
    with pytest.raises(UserErrorException, match="has no version 9; it has 1, 2"):
        Dataset.get_by_name(Workspace._at(str(moved)), "pets / all", version=9)
    with pytest.raises(UserErrorException, match="there are pets / all"):
        Dataset.get_by_name(Workspace._at(str(moved)), "dogs")


def test_two_processes_that_register_at_once_get_two_versions(ws: Workspace) -> None:
    code = (
        "import os, sys\nfrom trainconf.compat.azureml.data import registry\nfrom trainconf.compat.azureml.workspace import Workspace\n"
        "print(registry.register(Workspace.from_config(), 'd', {'kind': 'file', 'paths': [sys.argv[1]]}, None, None, "
        "create_new_version=True)['version'])"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(number)], stdout=subprocess.PIPE, text=True) for number in range(4)]
    assert sorted(int(each.communicate()[0]) for each in started) == [1, 2, 3, 4]


def test_as_an_argument_a_dataset_is_a_path_or_its_id_and_the_job_gets_it_back(store: Datastore) -> None:
    files, table = Dataset.File.from_files((store, "pets")), Dataset.Tabular.from_delimited_files((store, "pets/list.csv"))
    word, values = files.as_named_input("pets").as_mount()._bind()
    assert (word, values["inputs"]) == ("{inputs.pets}", {"pets": store.inside("pets")})
    other, more = table.as_named_input("ages")._bind()
    assert (other, more["inputs"]) == (table.id, {"ages": store.inside("pets/list.csv")})
    variables = {**values["env"]["variables"], **more["env"]["variables"],
                 "TRAINCONF_INPUT_PETS": "/in/pets", "TRAINCONF_INPUT_AGES": "/in/list.csv"}  # fmt: skip
    found = InputDatasets(variables)
    assert (found["pets"], found["ages"].definition["paths"], sorted(found)) == ("/in/pets", ["/in/list.csv"], ["ages", "pets"])
    with pytest.raises(UserErrorException, match="the run has no input 'nope'; it has ages, pets"):
        found["nope"]
    with pytest.raises(UserErrorException, match="'a b' cannot name an input"):
        files.as_named_input("a b")
    with pytest.raises(NotHereError, match="a table is no file"):
        table.as_named_input("t").as_mount()


def test_older_references_lead_to_the_same_paths(store: Datastore) -> None:
    reference = store.path("pets/cat").as_mount()
    assert isinstance(reference, DataReference)
    assert str(reference) == "$AZUREML_DATAREFERENCE_workspaceblobstore"
    assert reference._bind() == ("{inputs.workspaceblobstore}", {"inputs": {"workspaceblobstore": store.inside("pets/cat")}})
    assert Dataset.File.from_files(DataPath(store, "pets/cat")).to_path() == ["/1.txt", "/2.txt"]
    assert DataPath(store, "pets").create_data_reference("mine").location == store.inside("pets")


def test_an_output_is_a_folder_of_the_job(ws: Workspace) -> None:
    word, values = OutputFileDatasetConfig("made").as_upload(overwrite=True)._bind()
    assert (word, values) == ("outputs/made", {"env": {"variables": {"TRAINCONF_AZUREML_OUTPUT_MADE": "outputs/made"}}})
    with pytest.raises(UserErrorException, match="cannot name an output"):
        OutputFileDatasetConfig("a/b")


def test_without_pandas_a_table_says_what_to_install(store: Datastore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(DatasetExecutionError, match="`pip install pandas`"):
        Dataset.Tabular.from_delimited_files((store, "pets/list.csv")).to_pandas_dataframe()


def test_a_registry_that_somebody_edited_is_told_by_its_file(store: Datastore, ws: Workspace) -> None:
    Dataset.File.from_files((store, "pets")).register(ws, "pets")
    path = Path(ws.root, "conf/datasets/pets/1.json")
    assert json.loads(path.read_text())["definition"]["paths"] == ["datastores/workspaceblobstore/pets"]
    path.write_text("{")
    with pytest.raises(UserErrorException, match=r"conf/datasets/pets/1\.json is not the version of a dataset any more"):
        Dataset.get_by_name(ws, "pets")


@pytest.mark.parametrize("use", [
    lambda data: data.to_spark_dataframe(), lambda data: data.as_hdfs(), lambda data: data.filter(1), lambda data: data.get_profile(),
])
def test_what_a_dataset_cannot_do_here_is_told_with_its_name(store: Datastore, use: Any) -> None:
    with pytest.raises(NotHereError, match=r"azureml\.data\.\w+\.\w+ has no meaning in trainconf"):
        use(Dataset.Tabular.from_delimited_files((store, "pets/list.csv")))
    with pytest.raises(AttributeError, match="trainconf's TabularDataset has no nope"):
        Dataset.Tabular.from_delimited_files((store, "pets/list.csv")).nope  # noqa: B018


def test_an_open_dataset_is_what_the_mapping_says_and_otherwise_tells_how(store: Datastore, ws: Workspace) -> None:
    from trainconf.compat.azureml.imports import Module

    mnist = Module("azureml.opendatasets").MNIST
    with pytest.raises(NotHereError, match=r"trainconf fetches no data.*`addresses: \{azureml.opendatasets.MNIST: data/FOLDER\}`"):
        mnist.get_file_dataset()
    Path("conf/azureml.yaml").write_text("addresses:\n  azureml.opendatasets.MNIST: datastores/workspaceblobstore/pets\n")
    assert mnist.get_file_dataset().to_path() == ["/cat/1.txt", "/cat/2.txt", "/dog/1.txt", "/list.csv"]

"""RunSpec: frozen, canonical, hashed by parts; old files stay readable, edited ones are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainconf.errors import FrozenFileError
from trainconf.fast.records import replace
from trainconf.spec import SCHEMA_VERSION, CodeSpec, ComputeSpec, DistributedSpec, EnvironmentSpec, RunSpec, canonical

GOLDEN = Path(__file__).parents[1] / "golden"

SPEC = RunSpec(
    code=CodeSpec(snapshot="ab" * 32, script="train.py", arguments=("--data", "{inputs.data}"), inputs=(("data", "/data"),)),
    params_json=canonical({"lr": 0.1, "layers": [8, 4], "optim": {"name": "sgd"}}),
    environment=EnvironmentSpec(kind="venv", python="3.11", requirements=("numpy==2.3.5",), variables=(("TOKEN", "${secret:TOKEN}"),)),
    compute=ComputeSpec(cpus=2, max_run_duration_seconds=60.0),
)

IMAGE_SPEC = replace(
    SPEC,
    environment=EnvironmentSpec(
        kind="image", python="3.11", requirements=("numpy==2.3.5",), files=(("docker/Dockerfile", "cd" * 32),),
        dockerfile="docker/Dockerfile", build_context="docker", build_args=(("CUDA", "12"),),
    ),
    compute=ComputeSpec(target="docker", options=(("memory_gib", "4.0"), ("network", '"host"'))),
)  # fmt: skip
DISTRIBUTED_SPEC = replace(SPEC, distributed=DistributedSpec(
    kind="tensorflow", node_count=2, worker_count=2, parameter_server_count=1, chief=True, gpu_visibility="process",
))  # fmt: skip
INPUT_SPEC = replace(SPEC, code=replace(SPEC.code, input_digests=(("data", "sha256:" + "ef" * 32),)))
COMPAT_SPEC = replace(SPEC, code=replace(SPEC.code, compat=("azureml", "wandb")))
# By schema version: what tests/golden/spec_v<n>.json was made from.
WRITTEN = {1: SPEC, 2: IMAGE_SPEC, 3: DISTRIBUTED_SPEC, 4: INPUT_SPEC, 5: COMPAT_SPEC}

TEXT = st.text(st.characters(codec="utf-8"), max_size=8) | st.binary(max_size=4).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
NUMBER = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUE = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple)
WORDS = st.lists(TEXT, max_size=3).map(tuple)
SPECS = st.builds(
    RunSpec,
    code=st.builds(
        CodeSpec, snapshot=TEXT, script=TEXT, command=WORDS, arguments=WORDS, argument_style=TEXT, inputs=PAIRS, input_digests=PAIRS,
        compat=WORDS,
    ),
    params_json=st.dictionaries(TEXT, VALUE, max_size=4).map(canonical),
    environment=st.builds(
        EnvironmentSpec, kind=TEXT, interpreter=TEXT, python=TEXT, software_id=TEXT, requirements=WORDS, files=PAIRS, variables=PAIRS,
        image=TEXT, base_image=TEXT, dockerfile=TEXT, build_context=TEXT, build_args=PAIRS,
    ),
    compute=st.builds(
        ComputeSpec,
        target=TEXT,
        cpus=st.integers(1, 99),
        gpus=st.integers(0, 9),
        max_run_duration_seconds=st.none() | st.floats(0.1, 1e6),
        grace_seconds=st.floats(0, 100),
        options=PAIRS,
    ),
    distributed=st.builds(
        DistributedSpec, kind=TEXT, node_count=st.integers(1, 9), processes_per_node=st.integers(1, 9), communication_backend=TEXT,
        worker_count=st.integers(0, 9), parameter_server_count=st.integers(0, 9), chief=st.booleans(), gpu_visibility=TEXT,
    ),
)


@given(SPECS)
def test_what_is_written_is_read_back_with_the_same_hash(spec: RunSpec) -> None:
    read = RunSpec.from_dict(json.loads(spec.to_json()), "the test")
    assert read == spec
    assert (read.spec_hash, read.part_hashes()) == (spec.spec_hash, spec.part_hashes())


def test_the_hash_of_a_spec_is_the_same_on_every_machine_and_in_every_release() -> None:
    assert SPEC.spec_hash == "e9adcec4430357a9594c970337dc5a3a54d7fa3da1e1ee16d4ffa4adfabf741e"
    assert RunSpec().spec_hash == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"  # of {}: all at its default


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("spec_v*.json")), ids=lambda path: path.stem)
def test_specs_of_every_version_stay_readable(path: Path) -> None:
    data = json.loads(path.read_text())
    spec = RunSpec.from_dict(data, str(path))
    assert spec == WRITTEN[data["schema_version"]]
    assert spec.spec_hash == data["spec_hash"]
    if data["schema_version"] == SCHEMA_VERSION:
        assert json.loads(spec.to_json()) == data


def test_there_is_a_file_of_every_version() -> None:
    found = {json.loads(path.read_text())["schema_version"] for path in GOLDEN.glob("spec_v*.json")}
    assert found == set(range(1, SCHEMA_VERSION + 1))


class LaterCompute(ComputeSpec):
    queue: str = ""


class LaterSpec(RunSpec):
    compute: ComputeSpec = LaterCompute()
    storage: str = "none"


def test_a_new_field_with_a_default_changes_no_old_hash() -> None:
    values = {name: getattr(SPEC, name) for name in RunSpec.field_types}
    values["compute"] = LaterCompute(**{name: getattr(SPEC.compute, name) for name in ComputeSpec.field_types})
    later = LaterSpec(**values)
    assert later.spec_hash == SPEC.spec_hash
    assert later.part_hashes() == SPEC.part_hashes()
    assert replace(later, storage="big").spec_hash != SPEC.spec_hash


CHANGES: dict[str, tuple[RunSpec, set[str]]] = {
    "code": (replace(SPEC, code=replace(SPEC.code, snapshot="cd" * 32)), {"code"}),
    "params": (replace(SPEC, params_json=canonical({"lr": 0.2})), {"params"}),
    "environment": (replace(SPEC, environment=replace(SPEC.environment, python="3.12")), {"environment"}),
    "compute": (replace(SPEC, compute=replace(SPEC.compute, cpus=3)), {"compute"}),
    "distributed": (replace(SPEC, distributed=DistributedSpec(node_count=2)), {"distributed"}),
}


@pytest.mark.parametrize("part", CHANGES)
def test_a_change_shows_in_the_hash_and_in_the_hash_of_its_part_alone(part: str) -> None:
    changed, parts = CHANGES[part]
    before, after = SPEC.part_hashes(), changed.part_hashes()
    assert changed.spec_hash != SPEC.spec_hash
    assert {name for name in before if before[name] != after[name]} == parts


@given(SPECS, SPECS)
def test_specs_with_the_same_hash_are_the_same(one: RunSpec, other: RunSpec) -> None:
    assert (one.spec_hash == other.spec_hash) == (one == other)


def test_a_spec_cannot_change() -> None:
    with pytest.raises(AttributeError, match="cannot be changed"):
        SPEC.params_json = "{}"  # type: ignore[misc]
    SPEC.params["lr"] = 7
    assert SPEC.params["lr"] == 0.1


def edited(**changes: Any) -> dict[str, Any]:
    return SPEC.to_dict() | changes


WRONG: dict[str, tuple[Any, str]] = {
    "params edited": (edited(params={"lr": 7}), "edited by hand"),
    "code edited": (edited(code=SPEC.to_dict()["code"] | {"script": "other.py"}), "edited by hand"),
    "its hash taken away": (edited(params={"lr": 7}, spec_hash=None), "edited by hand"),
    "newer": (edited(schema_version=SCHEMA_VERSION + 1), "not one this trainconf can read"),
    "no version": ({}, "not one this trainconf can read"),
    "version is no number": (edited(schema_version="1"), "not one this trainconf can read"),
    "version is true": (edited(schema_version=True), "not one this trainconf can read"),
    "an unknown part": (edited(planet="mars"), "planet: not part of a spec"),
    "an unknown field": (edited(code={"scrpt": "a"}), r"code.scrpt: unknown or of the wrong type"),
    "a text for a number": (edited(compute={"cpus": "2"}), "compute.cpus: unknown or of the wrong type"),
    "true for a number": (edited(compute={"cpus": True}), "compute.cpus: unknown or of the wrong type"),
    "a fraction for a whole number": (edited(compute={"cpus": 1.5}), "compute.cpus: unknown or of the wrong type"),
    "a text for a list": (edited(code={"command": "ls"}), "code.command: unknown or of the wrong type"),
    "a text for pairs": (edited(environment={"files": "ab"}), "environment.files: unknown or of the wrong type"),
    "texts for pairs": (edited(environment={"files": ["ab"]}), "environment.files: unknown or of the wrong type"),
    "a list for a part": (edited(code=[]), "code must be a mapping"),
    "a list for params": (edited(params=[1]), "params must be a mapping"),
    "a number with no end": (edited(params={"lr": float("nan")}), "params hold what JSON does not have"),
    "not a mapping": ([], "the spec must be a mapping"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_damaged_or_edited_spec_is_refused_with_its_file(case: str) -> None:
    data, sentence = WRONG[case]
    with pytest.raises(FrozenFileError, match=sentence) as caught:
        RunSpec.from_dict(data, "runs/x/spec.json")
    assert "runs/x/spec.json" in caught.value.render()


def test_the_id_of_the_software_is_called_packages_in_files_and_in_the_hash() -> None:
    spec = RunSpec(environment=EnvironmentSpec(software_id="ab" * 32))
    written = spec.to_dict()
    assert written["environment"]["packages"] == "ab" * 32
    assert "software_id" not in written["environment"]
    assert spec.spec_hash == "a91d36c4dadae1587b5e63e539de230759af694791c65fef9e2dfdf2c267c0e5"
    assert RunSpec.from_dict(written, "spec.json") == spec

"""What will run: `RunSpec` and its parts. Frozen, standard library only, canonical JSON, hashable.

It holds what can change the result and nothing else: no run id, time, tag or name. A field that stands at its default is left
out of the hash, so a new field with a default changes no old hash; therefore a default here is never changed.
"""

from __future__ import annotations

from functools import cached_property

from trainconf.errors import FrozenFileError
from trainconf.fast.json import canonical as canonical
from trainconf.fast.json import loads
from trainconf.fast.records import Record
from trainconf.fast.sha256 import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SCHEMA_VERSION = 5  # 2: images, 3: the kinds of distributed jobs, 4: the content of inputs, 5: other tools' names

Pairs = tuple[tuple[str, str], ...]
KEYS = {"software_id": "packages"}  # fields that have another name in spec files, which the hashes are over


RUN_ID = "{run.id}"  # in arguments, params and variables: the job gets its run's id, which is no part of what a spec says


class CodeSpec(Record):
    """What is executed: a snapshot, and a script or a command in it."""

    snapshot: str = ""  # id of the source tree; empty only in a plan that took none
    script: str = ""  # path inside the snapshot; empty when `command` is given
    command: tuple[str, ...] = ()  # exec-form argument list; a shell string arrives as ("sh", "-c", text)
    arguments: tuple[str, ...] = ()  # the user's own, before the params; may hold {inputs.<name>}
    argument_style: str = "argparse"  # how params are rendered: argparse, hydra, none
    inputs: Pairs = ()  # (name, path), sorted by name; relative to the workspace for what lies in it, the same in every clone
    input_digests: Pairs = ()  # (name, digest of the content), sorted; without those that count by their path alone
    compat: tuple[str, ...] = ()  # other tools whose names trainconf offers to the job, first on its path first


class EnvironmentSpec(Record):
    """The software a run sees."""

    kind: str = "current"  # current (user-managed), venv or image (made from `requirements` and what follows)
    interpreter: str = ""  # current: path of the Python that was named; empty is the submitter's
    python: str = ""  # current: the full version found, such as 3.11.7; venv: the version that was asked for, may be ""
    software_id: str = ""  # current: digest of the installed names and versions; an image used as it is: its id, or its file's digest
    requirements: tuple[str, ...] = ()  # venv, image: requirement lines, files inlined, in order
    files: Pairs = ()  # venv, image: (path as named, sha256) of every local file or folder the recipe names
    variables: Pairs = ()  # environment variables, sorted; ${secret:NAME} stays symbolic
    image: str = ""  # image: the reference of one that is used as it is; then nothing below or in `requirements` is given
    base_image: str = ""  # image: the reference of what the recipe builds on; empty with a Dockerfile
    dockerfile: str = ""  # image: path of the Dockerfile that makes what the recipe builds on, as named
    build_context: str = ""  # image: path of the folder the Dockerfile copies from, as named
    build_args: Pairs = ()  # image: build arguments of the Dockerfile, sorted


class ComputeSpec(Record):
    """Where it runs and what it may use there."""

    target: str = "local"  # name of the launcher
    cpus: int = 1  # slots of the machine that the run occupies
    gpus: int = 0  # devices
    max_run_duration_seconds: float | None = None  # wall time of an attempt; None is no limit
    grace_seconds: float = 10.0  # between SIGTERM and SIGKILL
    options: Pairs = ()  # what only this target knows, JSON text by name


class DistributedSpec(Record):
    """How many processes, and how they find each other."""

    kind: str = "none"  # none, pytorch, mpi or tensorflow
    node_count: int = 1
    processes_per_node: int = 1  # pytorch, mpi
    communication_backend: str = ""  # pytorch: gloo or nccl
    worker_count: int = 0  # tensorflow, like what follows
    parameter_server_count: int = 0
    chief: bool = False  # besides the workers
    gpu_visibility: str = "node"  # GPUs a process sees: all of its node, or its own share (process)


class RunSpec(Record):
    """Everything that decides the result of a run. Equal specs have equal `spec_hash`."""

    code: CodeSpec = CodeSpec()
    params_json: str = "{}"  # canonical JSON: a value type that cannot change under us
    environment: EnvironmentSpec = EnvironmentSpec()
    compute: ComputeSpec = ComputeSpec()
    distributed: DistributedSpec = DistributedSpec()
    schema_version: int = SCHEMA_VERSION

    @property
    def params(self) -> dict[str, Any]:
        """A fresh copy of the params tree."""
        value: dict[str, Any] = loads(self.params_json)
        return value

    @cached_property
    def spec_hash(self) -> str:
        """SHA-256, hex, of the canonical JSON of all that differs from its default."""
        return sha256_hex(canonical(_sparse(self)))

    def part_hashes(self) -> dict[str, str]:
        """SHA-256 by part: code, params, environment, compute, distributed."""
        parts = {name: _sparse(getattr(self, name)) for name in _PARTS}
        parts["params"] = self.params
        return {name: sha256_hex(canonical(part)) for name, part in parts.items()}

    def to_dict(self) -> dict[str, Any]:
        """All fields, defaults included, as JSON-ready values; `params` as a tree."""
        return {"schema_version": self.schema_version, "spec_hash": self.spec_hash} | {
            "params" if name == "params_json" else name: _plain(self, name) for name in self.field_types if name != "schema_version"
        }

    def to_json(self) -> str:
        """Canonical JSON of `to_dict`, one line and a newline."""
        return canonical(self.to_dict()) + "\n"

    @classmethod
    def from_dict(cls, data: dict[str, Any], source: str) -> RunSpec:
        """Read what `to_dict` wrote, in this or an older version. `source` names the file in messages.

        Raises FrozenFileError: a newer schema version, unknown keys, wrong types, or a `spec_hash` that does not fit.
        """
        if not isinstance(data, dict):
            raise FrozenFileError("this is not a frozen run: the spec must be a mapping", ("from", source))
        data = dict(data)
        version = data.pop("schema_version", None)
        if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= SCHEMA_VERSION:
            raise FrozenFileError(
                f"spec version {version!r} is not one this trainconf can read", ("from", source), ("allowed", f"1 to {SCHEMA_VERSION}"),
                hint="a newer trainconf wrote it: upgrade, or freeze it again with this one",
            )
        recorded = data.pop("spec_hash", None)
        parts: dict[str, Any] = {"params_json": _read_params(data.pop("params", {}), source)}
        for name, part in _PARTS.items():
            parts[name] = _read_part(part, data.pop(name, {}), name, source)
        if data:
            raise FrozenFileError(f"{', '.join(sorted(map(str, data)))}: not part of a spec", ("from", source))
        spec = cls(**parts)
        if recorded != spec.spec_hash:
            raise FrozenFileError(
                "the spec does not have the hash that is written in it: it was edited by hand",
                ("from", source), ("written", str(recorded or "none")), ("computed", spec.spec_hash),
                hint="freeze again to make a changed spec; a frozen file is not meant to be edited",
            )
        return spec


_PARTS = {"code": CodeSpec, "environment": EnvironmentSpec, "compute": ComputeSpec, "distributed": DistributedSpec}


def sha256_hex(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes, in hex."""
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _plain(owner: Record, name: str) -> Any:
    value = getattr(owner, name)
    if name == "params_json":
        return loads(value)
    if isinstance(value, Record):
        return {KEYS.get(field, field): _plain(value, field) for field in value.field_types}
    if isinstance(value, tuple):
        return [list(item) if isinstance(item, tuple) else item for item in value]
    return value


def _sparse(part: Record) -> dict[str, Any]:
    """The fields of a part that differ from their defaults, nested; `schema_version` is about the file, not the run."""
    found: dict[str, Any] = {}
    for name in part.field_types:
        value = getattr(part, name)
        if name == "schema_version":
            continue
        if isinstance(value, Record):
            nested = _sparse(value)
            if nested:
                found[name] = nested
        elif value != getattr(type(part), name):
            found[KEYS.get(name, name)] = _plain(part, name)
    return found


def _read_params(params: Any, source: str) -> str:
    if not isinstance(params, dict):
        raise FrozenFileError("params must be a mapping", ("from", source))
    try:
        return canonical(params)
    except (TypeError, ValueError) as error:
        raise FrozenFileError("params hold what JSON does not have", ("from", source), ("because", str(error))) from error


def _read_part(part: type[Record], data: Any, name: str, source: str) -> Any:
    """Build one part from JSON values, checking every key and type."""
    if not isinstance(data, dict):
        raise FrozenFileError(f"{name} must be a mapping", ("from", source))
    known = {KEYS.get(field, field): field for field in part.field_types}
    wrong = [f"{name}.{key}" for key in data if key not in known]
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key not in known:
            continue
        try:
            values[known[key]] = _read_value(part.field_types[known[key]], value)
        except (TypeError, ValueError):
            wrong.append(f"{name}.{key}")
    if wrong:
        raise FrozenFileError(f"{', '.join(wrong)}: unknown or of the wrong type", ("from", source))
    return part(**values)


def _read_value(type_name: Any, value: Any) -> Any:
    """One JSON value as the annotated type; TypeError or ValueError when it is something else."""
    if type_name == "Pairs":
        pairs = [_exactly(list, pair) for pair in _exactly(list, value)]
        return tuple((_exactly(str, a), _exactly(str, b)) for a, b in pairs)
    if type_name == "tuple[str, ...]":
        return tuple(_exactly(str, item) for item in _exactly(list, value))
    if type_name == "float | None":
        return None if value is None else float(_exactly((int, float), value))
    return {"str": _exactly_str, "int": _exactly_int, "float": _exactly_float, "bool": _exactly_bool}[type_name](value)


def _exactly(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(kind)
    return value


def _exactly_str(value: Any) -> str:
    return str(_exactly(str, value))


def _exactly_int(value: Any) -> int:
    return int(_exactly(int, value))


def _exactly_bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(bool)
    return value


def _exactly_float(value: Any) -> float:
    return float(_exactly((int, float), value))

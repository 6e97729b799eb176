"""Inputs and outputs of a job: paths on this machine, values, and folders below ./outputs."""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple

from trainconf.compat.azureml.v2.command import Value
from trainconf.compat.azureml.v2.document import Document
from trainconf.compat.azureml.v2.fields import INPUT, OUTPUT
from trainconf.compat.azureml.v2.names import hint
from trainconf.compat.azureml.v2.software import relative

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from trainconf.compat.azureml.v2.names import Names
    from trainconf.paths import WorkspacePaths

_NAME = re.compile(r"[A-Za-z_]\w*")
_ELSEWHERE = re.compile(r"(?i)(azureml|https?|wasbs?|abfss?|adl|s3|gs|git\+\w+|hdfs):")
_VALUES: dict[str, tuple[type, ...]] = {"number": (int, float), "integer": (int,), "string": (str,), "boolean": (bool,)}


class Inputs(NamedTuple):
    """paths: of inputs, as `inputs` has them. params: values. names: what the placeholders stand for."""

    paths: dict[str, str]
    params: dict[str, Any]
    names: dict[str, Value]


def read_inputs(document: Document, given: Collection[str], places: Names, workspace: WorkspacePaths) -> Inputs:
    """The inputs; `given` are settings that the command line gives, such as `inputs.data` and `params.lr`. What is wrong is noted."""
    found = Inputs({}, {}, {})
    inputs = document.at("inputs")
    for name, spec in (inputs if isinstance(inputs, dict) else {}).items():
        keys = ("inputs", str(name))
        if not _NAME.fullmatch(str(name)):
            document.wrong(keys, f"{name!r} cannot name an input", ("allowed", "letters, digits and _, not a digit first"))
        elif not isinstance(spec, (dict, list)):
            _take_value(document, keys, spec, {}, given, found)
        elif isinstance(spec, list):
            document.wrong(keys, f"the input {name} is a list", ("allowed", "a value, or a mapping with a path"))
        else:
            right = document.read(keys, INPUT)
            if right.get("type") in _VALUES or ("path" not in right and {"value", "default"} & set(right)):
                _take_value(document, keys, right.get("value", right.get("default")), right, given, found)
            elif "path" in right or f"inputs.{name}" in given:
                path = _path(document, keys, right, f"inputs.{name}" in given, places, workspace)
                found.paths[str(name)] = path
                found.names[f"inputs.{name}"] = Value(_variable("TRAINCONF_INPUT_", str(name).upper()), is_word=True)
            elif right.get("optional"):
                found.names[f"inputs.{name}"] = Value("", is_given=False)
            else:
                document.wrong(keys, f"the input {name} has neither a path nor a value",
                               hint=f"add inputs.{name}=PATH to this command, or write its path into the file")
    return found


def _variable(prefix: str, name: str) -> str:
    return prefix + re.sub(r"[^A-Za-z0-9]", "_", name)


def _take_value(
    document: Document, keys: tuple[str, ...], value: Any, spec: dict[str, Any], given: Collection[str], found: Inputs
) -> None:
    """A value, checked against what the file says of it. Without one it is left out of optional parts of the command."""
    name = keys[-1]
    key = f"params.{name}"
    is_given = value is not None or key in given
    if not is_given and not spec.get("optional"):
        document.wrong(keys, f"the input {name} has no value", hint=f"add {key}=VALUE to this command, or write its value into the file")
    if value is not None:
        _check_value(document, keys, value, spec)
    found.params[name] = value
    found.names[f"inputs.{name}"] = Value("${" + key + "}" if is_given else "", is_given=is_given)


def _check_value(document: Document, keys: tuple[str, ...], value: Any, spec: dict[str, Any]) -> None:
    types = _VALUES.get(spec.get("type", ""), (object,))
    name = ".".join(keys)
    if not isinstance(value, types) or (isinstance(value, bool) and not {bool, object} & set(types)):
        document.wrong(keys, f"{name} is {value!r}", ("allowed", f"a value of type {spec['type']}"))
        return
    if spec.get("enum") is not None and value not in spec["enum"]:
        document.wrong(keys, f"{name} is {value!r}", ("allowed", ", ".join(map(str, spec["enum"]))))
    if isinstance(value, (int, float)):
        for word, is_wrong in (("min", value < spec.get("min", value)), ("max", value > spec.get("max", value))):
            if is_wrong:
                document.wrong(keys, f"{name} is {value!r}", ("allowed", f"its {word} is {spec[word]!r}"))


def _path(
    document: Document, keys: tuple[str, ...], spec: dict[str, Any], is_given: bool, places: Names, workspace: WorkspacePaths
) -> str:
    """The path of an input as our config has it. One that the command line gives is not looked at."""
    text = str(spec.get("path", ""))
    if is_given:
        return text
    here = places.place_of(text)
    if here is None and _ELSEWHERE.match(text):
        document.wrong(keys, f"the input {keys[-1]} is not on this machine", ("path", text),
                       hint=f"fetch it, and add inputs.{keys[-1]}=PATH to this command, or {hint(text)}")
        return text
    path = here if here is not None else document.local(text)
    if not os.path.exists(path):
        document.wrong(keys, f"the input {keys[-1]} does not exist", ("path", path))
    elif spec.get("type") == "uri_file" and os.path.isdir(path):
        document.wrong(keys, f"the input {keys[-1]} is a folder", ("path", path), hint="write `type: uri_folder`, or the path of a file")
    elif spec.get("type") == "uri_folder" and not os.path.isdir(path):
        document.wrong(keys, f"the input {keys[-1]} is a file", ("path", path), hint="write `type: uri_file`, or the path of a folder")
    return relative(path, workspace)


def read_outputs(document: Document) -> tuple[list[str], dict[str, Value]]:
    """Lines of shell that make the folders of the outputs, and what the placeholders stand for. What is wrong is noted."""
    lines, names = [], {}
    outputs = document.at("outputs")
    for name in outputs if isinstance(outputs, dict) else {}:
        keys = ("outputs", str(name))
        if not _NAME.fullmatch(str(name)):
            document.wrong(keys, f"{name!r} cannot name an output", ("allowed", "letters, digits and _, not a digit first"))
            continue
        spec = document.read(keys, OUTPUT)
        variable = f"AZURE_ML_OUTPUT_{name}"
        lines.append(f'export {variable}="$PWD/outputs/{name}"')
        if spec.get("type") != "uri_file":
            lines[-1] += f' && mkdir -p "${variable}"'
        names[f"outputs.{name}"] = Value(variable, is_word=True)
    return lines, names



"""Environments by name: registered ones in `conf/env/`, the shipped ones, and what stands for Azure ML's curated ones.

    conf/env/vision.yaml            the newest version: `env=vision`
    conf/env/vision/1.yaml, 2.yaml  its versions: `env=vision/1`
    conf/env/vision/stable.yaml     a label, which leads to a version: `env=vision/stable`

All of it is for version control, and the command line knows it as it knows files that were written by hand.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from trainconf.errors import StorageError, UserError
from trainconf.files import FileLock, names_in, write_atomic
from trainconf.paths import packaged
from trainconf.resolve.search import config_dirs, groups
from trainconf.sdk.environments import curated, definition
from trainconf.sdk.notes import note
from trainconf.sdk.settings.arguments import Arguments, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf import Environment
    from trainconf.sdk.workspace import Workspace

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
VERSION = re.compile(r"([1-9]\d*)\.yaml")
LATEST = "latest"
ALLOWED_NAME = "letters, digits, _ and -, beginning with a letter or a digit"


def register(environment: Environment, workspace: Workspace) -> Environment:
    """Write the next version of an environment, unless the newest one says the same. See `Environment.register`."""
    arguments = Arguments("Environment.register")
    check_workspace(arguments, workspace)
    name, root = environment.name, workspace.root
    if curated.is_curated(name):
        arguments.wrong(f"the name {name!r} is one of Azure ML's own", hint="clone(NAME) gives it one of yours")
    elif not NAME.fullmatch(name):
        arguments.refuse("name", name, ALLOWED_NAME, hint="clone(NAME) gives it another")
    elif os.path.exists(packaged(f"conf/env/{name}.yaml")):
        arguments.wrong(f"env={name} is one of the environments that ship with trainconf", hint="clone(NAME) gives it another name")
    arguments.check()
    tree = definition.portable(definition.tree_of(environment), root)
    with _alone(workspace):
        version = _version(workspace, name, tree, arguments)
    return type(environment)._of_choice(name, name, workspace, version)


@contextmanager
def _alone(workspace: Workspace) -> Iterator[None]:
    """Let no other program register in the same workspace meanwhile. Raises StorageError."""
    lock = FileLock(os.path.join(workspace._paths.cache, "register.lock"))
    try:
        os.makedirs(workspace._paths.cache, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise StorageError.from_os_error(error, "the environment cannot be registered") from error
    try:
        yield
    finally:
        lock.release()


def _version(workspace: Workspace, name: str, tree: dict[str, Any], arguments: Arguments) -> str:
    """The version that says this: the newest, or the next one, which is written."""
    home = _home(workspace, name)
    known = versions(workspace, name)
    newest = f"{home}.yaml"
    if os.path.exists(newest) and _text_of(newest) not in [_leading_to(name, version) for version in known]:
        raise UserError(f"env={name} was written by hand", ("from", arguments.place), ("file", newest),
                        hint=f"Environment.get(workspace, {name!r}) takes it; clone(NAME) gives yours another name")
    if known and _text_of(_file(home, known[-1])) == _version_text(name, known[-1], tree):
        return known[-1]
    version = str(int(known[-1]) + 1 if known else 1)
    try:
        os.makedirs(home, exist_ok=True)
        write_atomic(_file(home, version), _version_text(name, version, tree))
        write_atomic(newest, _leading_to(name, version))
    except OSError as error:
        raise StorageError.from_os_error(error, "the environment cannot be registered") from error
    return version


def _version_text(name: str, version: str, tree: dict[str, Any]) -> str:
    return definition.file_text(tree, f"Version {version} of {name}, registered from Python: `env={name}/{version}`")


def _leading_to(name: str, version: str, label: str = "") -> str:
    """The text of the file that stands for a version."""
    told = f"The version of {name} with the label {label}: `env={name}/{label}`" if label else f"The newest version of {name}: `env={name}`"
    return f"# {told}\ndefaults:\n  - {name}/{version}@_here_\n  - _self_\n"


def versions(workspace: Workspace, name: str) -> list[str]:
    """The registered versions of an environment, oldest first."""
    found = [match[1] for file in names_in(_home(workspace, name)) if (match := VERSION.fullmatch(file))]
    return sorted(found, key=int)


def get(
    kind: type[Environment], workspace: Workspace, name: str, version: str | int | None = None, label: str | None = None
) -> Environment:
    """The environment with a name. See `Environment.get`."""
    arguments = Arguments("Environment.get")
    check_workspace(arguments, workspace)
    arguments.text("name", name, "the name of an environment, such as 'sklearn'", optional=False)
    if version is not None and (isinstance(version, bool) or not isinstance(version, (str, int))):
        arguments.refuse("version", version, "a version as Environment.versions lists them, or None")
    arguments.text("label", label, "a label, or None")
    if version is not None and label is not None:
        arguments.wrong("Environment.get: version and label are both given", ("allowed", "one of them, or none for the newest"))
    arguments.check()
    known = choices(workspace)
    if name not in known and name in choices(workspace, nested=True):
        known = [name]
    if name not in known and (found := curated.stand_in(name)) is not None:
        choice, packages = found
        asked = f" version {version}" if version is not None else f" label {label}" if label not in (None, LATEST) else ""
        note(f"{name}{asked} stands for env={choice} here: {packages}; `trainconf config env={choice}` shows it")
        return kind._of_choice(name, choice, workspace)
    if name not in known:
        there = ", ".join([*known, *curated.LISTED])
        raise UserError(f"there is no environment {name!r}", ("from", arguments.place), ("there are", there),
                        hint=nearest(name, known) or "Environment.from_pip_requirements(NAME, FILE) describes one of yours")
    own = versions(workspace, name)
    wanted = str(version) if version is not None else label if label not in (None, LATEST) else ""
    if not wanted:
        return kind._of_choice(name, name, workspace, own[-1] if own else None)
    if not os.path.exists(_file(_home(workspace, name), wanted)):
        labels = [file.removesuffix(".yaml") for file in names_in(_home(workspace, name)) if not VERSION.fullmatch(file)]
        raise UserError(f"environment {name} has no {'version' if version is not None else 'label'} {wanted}", ("from", arguments.place),
                        ("versions", ", ".join(own) or "none: it was not registered"), ("labels", ", ".join(sorted(labels)) or "none"))
    meant = wanted if version is not None else _version_of(workspace, name, wanted)
    return kind._of_choice(name, f"{name}/{wanted}", workspace, meant)


def ls(kind: type[Environment], workspace: Workspace) -> dict[str, Environment]:
    """All environments by name. See `Environment.list`."""
    arguments = Arguments("Environment.list")
    check_workspace(arguments, workspace)
    arguments.check()
    found = {}
    for name in choices(workspace):
        own = versions(workspace, name)
        found[name] = kind._of_choice(name, name, workspace, own[-1] if own else None)
    for name in curated.LISTED:
        stands = curated.stand_in(name)
        assert stands is not None
        found[name] = kind._of_choice(name, stands[0], workspace)
    return found


def label(workspace: Workspace, name: str, version: str | int, labels: Any) -> None:
    """Move labels to a version. See `Environment.label`."""
    arguments = Arguments("Environment.label")
    check_workspace(arguments, workspace)
    wanted = [labels] if isinstance(labels, str) else labels
    if not isinstance(wanted, (list, tuple)) or not wanted:
        arguments.refuse("labels", labels, "a label, or a list of labels")
        wanted = []
    for one in wanted:
        if not isinstance(one, str) or not NAME.fullmatch(one) or one.isdigit() or one == LATEST:
            arguments.refuse("a label", one, f"{ALLOWED_NAME}; no number, and not {LATEST}, which is the newest version")
    known = versions(workspace, name) if isinstance(name, str) and NAME.fullmatch(name) else []
    if str(version) not in known:
        arguments.wrong(f"environment {name} has no version {version}", ("versions", ", ".join(known) or "none: it was not registered"))
    arguments.check()
    try:
        for one in wanted:
            write_atomic(_file(_home(workspace, name), one), _leading_to(name, str(version), one))
    except OSError as error:
        raise StorageError.from_os_error(error, "the label cannot be written") from error


def ships(choice: str, workspace: Workspace) -> bool:
    """Whether a choice of `env` is one that ships with trainconf, and that the workspace has not replaced."""
    return os.path.exists(packaged(f"conf/env/{choice}.yaml")) and not os.path.exists(f"{_home(workspace, choice)}.yaml")


def choices(workspace: Workspace, *, nested: bool = False) -> list[str]:
    """The choices of `env`, without versions and labels; or those in folders, such as `team/vision`, and versions and labels."""
    found = groups(config_dirs(workspace._paths))
    if not nested:
        return found.get("env", [])
    return [f"{group.removeprefix('env/')}/{name}" for group in found if group.startswith("env/") for name in found[group]]


def _version_of(workspace: Workspace, name: str, label: str) -> str | None:
    match = re.search(r"^  - [\w-]+/(\d+)@_here_$", _text_of(_file(_home(workspace, name), label)), re.MULTILINE)
    return match[1] if match else None


def check_workspace(arguments: Arguments, workspace: Any) -> None:
    """Raise UserError unless it is a Workspace."""
    from trainconf.sdk.workspace import Workspace

    if not isinstance(workspace, Workspace):
        arguments.refuse("workspace", workspace, "a Workspace", hint="Workspace.from_config() finds the one of the current folder")
        arguments.check()


def _home(workspace: Workspace, name: str) -> str:
    return os.path.join(workspace._paths.conf, "env", name)


def _file(home: str, name: str) -> str:
    return os.path.join(home, f"{name}.yaml")


def _text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError):
        return ""

"""`CondaDependencies`: packages as Azure ML's programs list them. pip installs them; what only conda has is refused by its name."""

from __future__ import annotations

import os
import re
import sys

from trainconf.environments.recipe import conda
from trainconf.sdk.environments import requirement_lines
from trainconf.sdk.environments.reading import read_yaml
from trainconf.sdk.notes import note
from trainconf.sdk.settings.arguments import Arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

KEYS = ("name", "channels", "dependencies", "prefix", "variables")
VERSION = re.compile(r"3\.\d+(\.\d+)?(\.\*)?")
_NO_PACKAGE_OF_A_JOB = re.compile(r"azureml(-|$)")
HINT = "if pip has it, give it by the name it has there: add_pip_package(NAME); else choose an image that has it"


def submitting_python() -> str:
    """The version of the Python that submits, as `3.11`."""
    return ".".join(map(str, sys.version_info[:2]))


class CondaDependencies:
    """The packages of an environment, and its version of Python.

    conda_dependencies_file_path: a conda environment file to begin with. pip installs everything: of conda's packages those that it
    has too, by the name they have there. Raises UserError for a file that cannot be read, and for each package that only conda has.

        >>> from trainconf import CondaDependencies
        >>> packages = CondaDependencies.create(conda_packages=["scikit-learn=1.7"], pip_packages=["joblib==1.5.2"])
        >>> packages.requirements
        ['scikit-learn==1.7.*', 'joblib==1.5.2']
    """

    def __init__(self, conda_dependencies_file_path: str | os.PathLike[str] | None = None) -> None:
        self._channels: list[str] = []
        self._conda: list[str] = []
        self._options: list[str] = []
        self._pip: list[str] = []
        self._python: str | None = None
        self._variables: dict[str, str] = {}
        if conda_dependencies_file_path is not None:
            self._read(conda_dependencies_file_path)

    @classmethod
    def create(
        cls, pip_indexurl: str | None = None, pip_packages: Sequence[str] | None = None, conda_packages: Sequence[str] | None = None,
        python_version: str | None = None, pin_sdk_version: bool = True,
    ) -> CondaDependencies:  # fmt: skip
        """Packages by name. python_version: by default that of the Python that submits. pin_sdk_version: without effect: nothing to pin.

        Raises UserError with every mistake.
        """
        arguments = Arguments("CondaDependencies.create")
        arguments.flag("pin_sdk_version", pin_sdk_version)
        index = arguments.text("pip_indexurl", pip_indexurl, "the address of a package index")
        found = cls()
        found._add_all(arguments, "pip_packages", pip_packages, found._add_pip)
        found._add_all(arguments, "conda_packages", conda_packages, found._add_conda)
        found._set_python(arguments, "python_version", python_version)
        arguments.check()
        if index:
            found.set_pip_index_url(f"--index-url {index}")
        return found

    def _add_all(self, arguments: Arguments, name: str, given: Any, add: Any) -> None:
        if given is None:
            return
        if not isinstance(given, (list, tuple)):
            arguments.refuse(name, given, "a list of texts", hint=f"{name}=[{given!r}]" if isinstance(given, str) else "")
            return
        for line in given:
            if isinstance(line, str) and line.strip():
                add(arguments, line.strip())
            else:
                arguments.refuse(f"an item of {name}", line, "a text, such as 'numpy==2.3.5'")

    def _read(self, path: str | os.PathLike[str]) -> None:
        arguments = Arguments("CondaDependencies")
        named = str(arguments.path("conda_dependencies_file_path", path, optional=False))
        arguments.check()
        self._take(arguments, read_yaml(named, arguments), named)
        if self._python is None:
            note(f"{named} names no Python: it gets {submitting_python()}, that of the Python that submits")

    @classmethod
    def of_document(cls, document: dict[str, Any]) -> CondaDependencies:
        """What a conda environment file says, once it is read. Raises UserError."""
        found = cls()
        found._take(Arguments("CondaDependencies"), document, "conda_dependencies")
        return found

    def _take(self, arguments: Arguments, document: dict[str, Any], named: str) -> None:
        if unknown := sorted(str(key) for key in document if key not in KEYS):
            arguments.wrong(f"{', '.join(unknown)}: not a key of a conda file", ("file", named), ("allowed", ", ".join(KEYS)))
        self._channels = [str(channel) for channel in document.get("channels") or ()]
        self._variables = arguments.texts("variables", document.get("variables"))
        dependencies = document.get("dependencies") or []
        if not isinstance(dependencies, list):
            arguments.wrong("the dependencies of a conda file are a list", ("file", named))
            dependencies = []
        for entry in dependencies:
            if isinstance(entry, dict) and list(entry) == ["pip"]:
                for line in entry["pip"] or ():
                    self._add_line(requirement_lines.with_whole_path(str(line), os.getcwd(), os.path.dirname(os.path.abspath(named))))
            else:
                self._add_conda(arguments, str(entry))
        arguments.check()

    # ------------------------------------------------------------ pip

    def add_pip_package(self, pip_package: str) -> None:
        """Add a package, in the place of one of the same name. Raises UserError for what pip cannot read, and for an option of pip."""
        arguments = Arguments("add_pip_package")
        if arguments.text("pip_package", pip_package, "a text, such as 'numpy==2.3.5'", optional=False):
            self._add_pip(arguments, pip_package.strip())
        arguments.check()

    def _add_pip(self, arguments: Arguments, line: str) -> None:
        if line.startswith("-"):
            arguments.wrong(f"{line!r} is an option of pip, and no package", hint=f"set_pip_option({line!r})")
            return
        mistake = requirement_lines.why_wrong(line)
        if mistake is not None:
            arguments.wrong(mistake.what, *mistake.facts, hint=mistake.hint)
            return
        line = requirement_lines.with_whole_path(line, os.getcwd())
        name = requirement_lines.name_of(line)
        place = next((place for place, other in enumerate(self._pip) if name and requirement_lines.name_of(other) == name), len(self._pip))
        self._pip[place:place + 1] = [line]

    def _add_checked(self, arguments: Arguments, line: str) -> None:
        mistake = None if line.startswith("-") else requirement_lines.why_wrong(line)
        if mistake is None:
            self._add_line(line)  # also a second one of a package, which may have another marker
        else:
            arguments.wrong(mistake.what, *mistake.facts, hint=mistake.hint)

    def _add_line(self, line: str) -> None:
        """A line of a requirements file: a package, an include, an editable package, or an option."""
        is_option = line.startswith("-") and line.split(" ")[0] not in (*requirement_lines.INCLUDES, "-e", "--editable")
        (self._options if is_option else self._pip).append(line)

    def remove_pip_package(self, pip_package: str) -> None:
        """Remove a package, by its name; what is not there is no mistake."""
        name = requirement_lines.name_of(pip_package)
        self._pip = [line for line in self._pip if line != pip_package and (not name or requirement_lines.name_of(line) != name)]

    def set_pip_requirements(self, pip_requirements: Sequence[str]) -> None:
        """Replace everything that pip is given: packages and options, as lines of a requirements file."""
        arguments = Arguments("set_pip_requirements")
        found = CondaDependencies()
        found._add_all(arguments, "pip_requirements", pip_requirements, found._add_checked)
        arguments.check()
        self._pip, self._options = found._pip, found._options

    def set_pip_option(self, pip_option: str) -> None:
        """Set an option of pip, such as `--pre` or `--find-links wheels`, in the place of one of the same name."""
        arguments = Arguments("set_pip_option")
        option = arguments.text("pip_option", pip_option, "a text that begins with a dash", optional=False) or ""
        if option and not option.startswith("-"):
            arguments.refuse("pip_option", option, "a text that begins with a dash", hint=f"add_pip_package({option!r})")
        arguments.check()
        option = requirement_lines.with_whole_path(option.strip(), os.getcwd())
        self.remove_pip_option(option)
        self._options.append(option)

    def remove_pip_option(self, pip_option: str) -> None:
        """Remove an option of pip, by its name."""
        name = re.split(r"[\s=]", pip_option.strip())[0]
        self._options = [option for option in self._options if re.split(r"[\s=]", option)[0] != name]

    def set_pip_index_url(self, index_url: str) -> None:
        """Set the index that packages come from: an address, or `--index-url ADDRESS`."""
        arguments = Arguments("set_pip_index_url")
        given = arguments.text("index_url", index_url, "the address of a package index", optional=False) or ""
        arguments.check()
        self.set_pip_option(given if given.startswith("-") else f"--index-url {given}")

    def remove_pip_index_url(self) -> None:
        """Take packages from the index that this machine is set up for."""
        self.remove_pip_option("--index-url")

    @property
    def pip_packages(self) -> list[str]:
        """What pip is asked for, line by line."""
        return list(self._pip)

    @property
    def pip_options(self) -> list[str]:
        """The options of pip."""
        return list(self._options)

    # ------------------------------------------------------------ conda

    def add_conda_package(self, conda_package: str) -> None:
        """Add a package of conda, in the place of one of the same name. Raises UserError for one that only conda has."""
        arguments = Arguments("add_conda_package")
        if arguments.text("conda_package", conda_package, "a text, such as 'numpy=2.3'", optional=False):
            self._add_conda(arguments, conda_package.strip())
        arguments.check()

    def _add_conda(self, arguments: Arguments, entry: str) -> None:
        name = conda.name_of(entry)
        if name == "python":
            self._set_python(arguments, "conda_package", conda.python_version(entry), entry)
        elif name == "pip":
            return
        elif conda.as_requirement(entry) is None:
            arguments.wrong(f"{entry} needs conda, and pip has no such package", hint=HINT)
        else:
            self._conda = [*(other for other in self._conda if conda.name_of(other) != name), entry]

    def remove_conda_package(self, conda_package: str) -> None:
        """Remove a package of conda, by its name. Raises UserError for python."""
        name = conda.name_of(conda_package) if isinstance(conda_package, str) else ""
        if name == "python":
            arguments = Arguments("remove_conda_package")
            arguments.wrong("an environment has a Python, which cannot be removed", hint="set_python_version(VERSION) chooses another")
            arguments.check()
        self._conda = [entry for entry in self._conda if conda.name_of(entry) != name]

    def add_channel(self, channel: str) -> None:
        """Note a channel of conda. Nothing is fetched from it: pip's index has the packages."""
        arguments = Arguments("add_channel")
        name = arguments.text("channel", channel, "the name of a channel", optional=False)
        arguments.check()
        if name and name not in self._channels:
            self._channels.append(name)

    def remove_channel(self, channel: str) -> None:
        """Forget a channel of conda."""
        self._channels = [name for name in self._channels if name != channel]

    @property
    def conda_packages(self) -> list[str]:
        """Packages of conda, Python left out."""
        return list(self._conda)

    @property
    def conda_channels(self) -> list[str]:
        """Channels of conda."""
        return list(self._channels)

    # ------------------------------------------------------------ Python, and the whole

    def set_python_version(self, version: str) -> None:
        """Choose the version of Python, such as `3.11`. Raises UserError."""
        arguments = Arguments("set_python_version")
        self._set_python(arguments, "version", version)
        arguments.check()

    def _set_python(self, arguments: Arguments, name: str, version: Any, entry: str = "") -> None:
        if version is None and entry:
            arguments.wrong(f"{entry} does not name one version of Python", ("allowed", "python=3.11, python=3.11.7"))
        elif version is not None and version != "" and not (isinstance(version, str) and VERSION.fullmatch(version)):
            arguments.refuse(name, version, "a version of Python as text, such as '3.11'",
                             hint=f"'{version}' in quotes" if isinstance(version, float) else "")
        elif version:
            self._python = version.removesuffix(".*")

    def get_python_version(self) -> str:
        """The version of Python: the one that was chosen, or that of the Python that submits."""
        return self._python or submitting_python()

    @property
    def requirements(self) -> list[str]:
        """What pip is given, as lines of a requirements file. Packages of Azure ML's own SDK are left out: jobs need none of them."""
        taken = [conda.as_requirement(entry) or entry for entry in self._conda]
        lines = [*self._options, *taken, *self._pip]
        return [line for line in lines if not _NO_PACKAGE_OF_A_JOB.match(requirement_lines.name_of(line))]

    @property
    def left_out(self) -> list[str]:
        """The packages of Azure ML's own SDK, which `requirements` leaves out."""
        return [line for line in self._pip if _NO_PACKAGE_OF_A_JOB.match(requirement_lines.name_of(line))]

    @staticmethod
    def merge_requirements(requirements: Iterable[str]) -> list[str]:
        """One line for each package, with what all lines ask of it. Raises UserError where two lines pin different versions."""
        arguments = Arguments("merge_requirements")
        lines = [str(line) for line in requirements]
        for line in lines:
            if (mistake := requirement_lines.why_wrong(line)) is not None:
                arguments.wrong(mistake.what, *mistake.facts, hint=mistake.hint)
        arguments.check()
        found, mistakes = requirement_lines.merged(lines)
        for one in mistakes:
            arguments.wrong(one.what, *one.facts, hint=one.hint)
        arguments.check()
        return found

    def as_dict(self) -> dict[str, Any]:
        """The same as a conda environment file has it."""
        from_pip = [*self._options, *self._pip]
        dependencies: list[Any] = [f"python={self.get_python_version()}", *self._conda]
        if from_pip:
            dependencies += ["pip", {"pip": from_pip}]
        whole: dict[str, Any] = {"name": "project_environment", "channels": list(self._channels), "dependencies": dependencies}
        return {key: value for key, value in whole.items() if value}

    def serialize_to_string(self) -> str:
        """The text of a conda environment file."""
        import yaml

        return str(yaml.safe_dump(self.as_dict(), sort_keys=False, allow_unicode=True))

    def save(self, path: str | os.PathLike[str] = "conda_dependencies.yml") -> str:
        """Write a conda environment file; its path. Raises StorageError."""
        from trainconf.errors import StorageError
        from trainconf.files import write_atomic

        arguments = Arguments("CondaDependencies.save")
        named = arguments.path("path", path, optional=False)
        arguments.check()
        file = os.path.join(str(named), "conda_dependencies.yml") if os.path.isdir(str(named)) else str(named)
        try:
            write_atomic(file, self.serialize_to_string())
        except OSError as error:
            raise StorageError.from_os_error(error, "the conda file cannot be written") from error
        return file

    def save_to_file(self, base_directory: str | os.PathLike[str], conda_file_path: str = "conda_dependencies.yml") -> str:
        """The same, in a folder."""
        return self.save(os.path.join(base_directory, conda_file_path))

    def _copy(self) -> CondaDependencies:
        found = CondaDependencies()
        for name, value in vars(self).items():
            setattr(found, name, value.copy() if isinstance(value, (list, dict)) else value)
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CondaDependencies) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]  # its packages change

    def __repr__(self) -> str:
        return f"CondaDependencies({', '.join([f'python {self.get_python_version()}', *self._conda, *self._pip])})"

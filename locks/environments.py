"""Lock the shipped environments: conf/env/NAME.in, what each asks for, becomes conf/env/NAME.lock.txt, all that it installs, by SHA-256.

uv resolves for every Python and machine at once and tells the digest of each file. Kept are the wheels that one of the machines below can
use, as far as it finds one of everything: no source, because what building it needs has no hash, and no file for a system that trainconf
does not run on. The lines become part of each run's spec, so there is a reason to be brief.
"""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from packaging.markers import Marker
from packaging.utils import canonicalize_name, parse_wheel_filename

from trainconf.environments.recipe.formats import toml_reader

ENVIRONMENTS = Path(__file__).parents[1] / "conf" / "env"
MINORS = range(10, 15)
ARCHITECTURES = ("aarch64", "x86_64")


class Machine(NamedTuple):
    """A kind of machine: a Python 3.`minor`, with or without its global lock, on Linux with one C library and architecture."""

    minor: int
    threading: str  # what CPython's ABI is called after: "", or "t" for the free-threaded one
    libc: str
    architecture: str

    def has_use_for(self, package: dict[str, Any]) -> bool:
        return "marker" not in package or Marker(package["marker"]).evaluate({
            "extra": "", "implementation_name": "cpython", "os_name": "posix", "platform_machine": self.architecture,
            "platform_python_implementation": "CPython", "platform_system": "Linux", "python_full_version": f"3.{self.minor}.9",
            "python_version": f"3.{self.minor}", "sys_platform": "linux",
        })

    def takes(self, wheel: str) -> bool:
        return any(
            self._has_interface(tag.interpreter, tag.abi)
            and (tag.platform == "any" or re.fullmatch(rf"{self.libc}\w*_{self.architecture}", tag.platform))
            for tag in parse_wheel_filename(wheel)[3]
        )

    def _has_interface(self, interpreter: str, abi: str) -> bool:
        kind, minor = interpreter[:2], int(interpreter[3:] or 0)
        if abi == "none":
            return kind == "py" and interpreter[2:3] == "3" and minor <= self.minor
        if abi == "abi3":
            return kind == "cp" and minor <= self.minor and not self.threading
        return interpreter == f"cp3{self.minor}" and abi == interpreter + self.threading


def lock(source: Path) -> str:
    """The text of a lock file."""
    packages = resolved(source)
    asked = [canonicalize_name(re.split(r"[^\w.-]", line)[0]) for line in lines_of(source)]
    packages.sort(key=lambda package: (asked.index(package["name"]) if package["name"] in asked else len(asked), package["name"]))
    machines = [machine for machine in map(Machine._make, product(MINORS, ("", "t"), ("manylinux", "musllinux"), ARCHITECTURES))
                if all(wheels(package, [machine]) for package in packages if machine.has_use_for(package))]
    minors = [f"3.{minor}" for minor in MINORS if any(machine.minor == minor for machine in machines)]
    architectures = sorted({machine.architecture for machine in machines})
    lines = [
        f"# All that env={source.stem} installs, by its SHA-256: written by `make lock` from {source.name}.",
        f"# Wheels for Python {minors[0]} to {minors[-1]} on Linux, {' and '.join(architectures)}.",
    ]
    for package in packages:
        users = [machine for machine in machines if machine.has_use_for(package)]
        if users:
            marker = "" if len(users) == len(machines) else f" ; {package['marker']}"
            digests = (f"    --hash=sha256:{digest}" for digest in wheels(package, users))
            lines.append(" \\\n".join((f"{package['name']}=={package['version']}{marker}", *digests)))
    return "".join(f"{line}\n" for line in lines)


def lines_of(source: Path) -> list[str]:
    """What a file asks for, with the files that it includes."""
    found: list[str] = []
    for line in source.read_text().splitlines():
        if line.startswith("-r "):
            found += lines_of(source.parent / line[3:].strip())
        elif line and not line.startswith("#"):
            found.append(line)
    return found


def resolved(source: Path) -> list[dict[str, Any]]:
    """The packages that uv finds: name, version, perhaps a marker, and wheels (PEP 751)."""
    command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "--universal", "--python-version", f"3.{MINORS[0]}", "--quiet",
               "--format", "pylock.toml", "--only-binary", ":all:", source.name]
    found = toml_reader().loads(subprocess.run(command, cwd=source.parent, check=True, capture_output=True, text=True).stdout)
    return list(found["packages"])


def wheels(package: dict[str, Any], machines: list[Machine]) -> list[str]:
    """The digests of the wheels that one of these machines takes."""
    found = ((wheel["url"].rpartition("/")[2].partition("#")[0], wheel["hashes"]["sha256"]) for wheel in package.get("wheels", ()))
    return sorted(digest for name, digest in found if any(machine.takes(name) for machine in machines))


if __name__ == "__main__":
    for path in sorted(ENVIRONMENTS.glob("*.in")):
        path.with_suffix(".lock.txt").write_text(lock(path))

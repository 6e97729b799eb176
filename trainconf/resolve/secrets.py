"""Secrets by reference: `${secret:NAME}` stays symbolic in everything that is saved; its value is read at launch.

The value comes from the submitter's environment, or from a file that only its owner can read. It reaches the job's environment
and nothing else, so a secret may stand only in `env.variables`.
"""

from __future__ import annotations

import os
import re
import stat

from trainconf.errors import Mistake, SecretError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

REFERENCE = re.compile(r"\$\{secret:([A-Za-z_][A-Za-z0-9_]*)\}")
ENV_READ = re.compile(r"\$\{\s*oc\.env:\s*['\"]?([A-Za-z_][A-Za-z0-9_]*)")
_INDIRECT_ENV_READ = re.compile(r"\$\{\s*oc\.env\s*:\s*(?!['\"]?[A-Za-z_])")  # the name is another value, or put together from some
_CREDENTIAL = re.compile(
    r"(^|_)(API_?KEY|KEY|SECRET|TOKEN|PASSWORD|PASSWD|PWD|CREDENTIALS?|PASSPHRASE|AUTH|ACCESS_?KEY(_ID)?|PRIVATE_?KEY)(_|$)|"
    r"(APIKEY|PASSWORD|TOKEN|SECRET)$", re.IGNORECASE,
)
SECRETS_FILE = "secrets.env"


def symbolic(name: str) -> str:
    """The resolver behind `${secret:NAME}`: it answers with itself."""
    return f"${{secret:{name}}}"


def looks_like_credential(variable: str) -> bool:
    """Whether an environment variable's name says that its value must not be written down. `PWD` alone is the working folder."""
    return variable != "PWD" and bool(_CREDENTIAL.search(variable))


def misplaced(values: Iterable[tuple[str, Any]], origin: Any) -> list[Mistake]:
    """A mistake for every secret outside `env.variables`. `values` are (dotted key, resolved value)."""
    mistakes = []
    for key, value in values:
        if REFERENCE.search(str(value)) and not key.startswith("env.variables."):
            mistakes.append(Mistake(
                f"{key} holds a secret, and its value would be saved or shown",
                ("from", origin(key)), ("allowed", "secrets in env.variables.<NAME> only; the job reads its environment"),
                hint=f"set env.variables.NAME='{value}' and read NAME in the script",
            ))
    return mistakes


def exposed(raw: Iterable[tuple[str, Any]], origin: Any) -> list[Mistake]:
    """A mistake for every `${oc.env:NAME}` whose name looks like a credential, or cannot be looked at because it is not written out.

    `raw` are (dotted key, unresolved value).
    """
    mistakes = []
    for key, value in raw:
        if _INDIRECT_ENV_READ.search(str(value)):
            mistakes.append(Mistake(
                f"{key} reads an environment variable whose name is not written out, so it may be a credential", ("from", origin(key)),
                ("value", str(value)), ("allowed", "${oc.env:NAME}, with the name itself"),
            ))
        for name in ENV_READ.findall(str(value)):
            if looks_like_credential(name):
                mistakes.append(Mistake(
                    f"{key} would write the value of {name} into the run's files", ("from", origin(key)),
                    hint=f"in env.variables, write ${{secret:{name}}}: it stays symbolic and is read at launch",
                ))
    return mistakes


def look_up(variables: Iterable[tuple[str, str]], environ: Mapping[str, str], secrets_file: str) -> dict[str, str]:
    """The value of every secret that variables refer to, by its name.

    Each is looked up in `environ`, then in `secrets_file` (lines NAME=value, mode 0600). Raises SecretError naming all that are
    unset, and a file that others can read.
    """
    wanted = [(key, REFERENCE.findall(value)) for key, value in variables if REFERENCE.search(value)]
    needed = sorted({name for _, names in wanted for name in names})
    kept = _read_file(secrets_file) if any(name not in environ for name in needed) else {}
    found = {name: environ.get(name, kept.get(name)) for name in needed}
    unset = [name for name in needed if found[name] is None]
    if unset:
        raise SecretError(
            Mistake(
                f"the secret {name} is not set", ("from", ", ".join(f"env.variables.{key}" for key, names in wanted if name in names)),
                ("looked in", f"the environment, then {secrets_file}"),
                hint=f"export {name}=..., or put a line {name}=... into that file (mode 0600)",
            )
            for name in unset
        )
    return {name: str(value) for name, value in found.items()}


def fill(variables: Iterable[tuple[str, str]], values: Mapping[str, str]) -> dict[str, str]:
    """The variables that refer to secrets, with their values put in."""
    return {key: REFERENCE.sub(lambda match: values[match[1]], value) for key, value in variables if REFERENCE.search(value)}


def default_file() -> str:
    """The file of secrets: $XDG_CONFIG_HOME/trainconf/secrets.env, by default below ~/.config."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(base, "trainconf", SECRETS_FILE)


def _read_file(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if stat.S_IMODE(mode) & 0o077:
                raise SecretError("the file of secrets can be read by others", ("path", path), hint=f"chmod 600 {path}")
            lines = stream.read().splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}

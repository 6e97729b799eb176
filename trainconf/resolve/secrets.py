"""Secrets by reference: `${secret:NAME}` stays symbolic in everything that is saved; its value is read at launch.

The value comes from the submitter's environment, or from a file that only its owner can read. It reaches the job's environment
and nothing else, so a secret may stand only in `env.variables`.
"""

from __future__ import annotations

import os
import stat

from trainconf.errors import Mistake, SecretError
from trainconf.fast.stdlib import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from typing import Any

REFERENCE = re.compile(r"\$\{secret:([A-Za-z_][A-Za-z0-9_]*)\}")
_CREDENTIAL = re.compile(
    r"(?i)(^|[_.-])(API_?KEY|KEY|SECRET|TOKEN|PASSWORD|PASSWD|PASS|PWD|PW|PAT|CREDENTIALS?|CREDS?|PASSPHRASE|AUTH|ACCESS_?KEY(_ID)?|PRIVATE_?KEY|"
    r"DSN|COOKIES?|JWT|BEARER|CONNECTION_?STRING)\d*([_.-]|$)|"
    r"(APIKEY|PASSWORD|PASSWD|PASSPHRASE|TOKEN|SECRET|CREDENTIALS|COOKIE|(?<!COM)(?<!BY)PASS)\d*$",
)  # fmt: skip
_PLACE = re.compile(r"(?i)[_.-](FILE|PATH|DIR|SOCK)$")  # where a credential lies, which is none
_USER_AND_PASSWORD = re.compile(r"(?i)[a-z][a-z0-9+.-]*://[^/?#\s:@]*:[^/?#\s@]+@")
NEWLINE = b"\n"
SECRETS_FILE = "secrets.env"


def symbolic(name: str) -> str:
    """The resolver behind `${secret:NAME}`: it answers with itself."""
    return f"${{secret:{name}}}"


def is_reference(value: str) -> bool:
    """Whether a text refers to a secret."""
    return "${secret:" in value and bool(REFERENCE.search(value))


def looks_like_credential(variable: str) -> bool:
    """Whether an environment variable's name says that its value must not be written down. `PWD` alone is the working folder."""
    return variable not in ("PWD", "OLDPWD") and not _PLACE.search(variable) and bool(_CREDENTIAL.search(variable))


def holds_credential(value: str) -> bool:
    """Whether a text has a password in it: an address with `user:password@`."""
    return bool(_USER_AND_PASSWORD.search(value))


def misplaced(values: Iterable[tuple[str, Any]], origin: Any) -> list[Mistake]:
    """A mistake for every secret outside `env.variables`. `values` are (dotted key, resolved value)."""
    mistakes = []
    for key, value in values:
        if is_reference(str(value)) and not key.startswith("env.variables."):
            mistakes.append(Mistake(
                f"{key} holds a secret, and its value would be saved or shown",
                ("from", origin(key)), ("allowed", "secrets in env.variables.<NAME> only; the job reads its environment"),
                hint=f"set env.variables.NAME='{value}' and read NAME in the script",
            ))
    return mistakes


def exposed(reads: Mapping[str, Iterable[str]], environ: Mapping[str, str], origin: Callable[[str, str], str]) -> list[Mistake]:
    """A mistake for every environment variable that was read as a value, and is a credential by its name or by what it holds.

    `reads` are names and the dotted keys of the values that asked for them; `origin` tells where a key, given a name, was set.
    """
    mistakes = []
    for name, keys in reads.items():
        if looks_like_credential(name) or holds_credential(environ.get(name, "")):
            mistakes += [
                Mistake(
                    f"{key or 'a defaults list'} would write the value of {name} into the run's files", ("from", origin(key, name)),
                    hint=f"in env.variables, write ${{secret:{name}}}: it stays symbolic and is read at launch",
                )
                for key in dict.fromkeys(keys)
            ]
    return mistakes


def literal(variables: Mapping[str, Any], origin: Callable[[str], str]) -> list[Mistake]:
    """A mistake for every credential that is written out in `env.variables`."""
    mistakes = []
    for name, value in variables.items():
        text = REFERENCE.sub("", str(value or ""))
        if (text == value and value and looks_like_credential(name)) or holds_credential(text):
            mistakes.append(Mistake(
                f"env.variables.{name} holds a credential, and its value would be saved in the run's files",
                ("from", origin(f"env.variables.{name}").partition("=")[0]), ("write", f"env.variables.{name}: ${{secret:{name}}}"),
                hint=f"export {name}=..., or put a line {name}=... into {default_file()} (mode 0600); it is read at launch",
            ))
    return mistakes


def look_up(variables: Iterable[tuple[str, str]], environ: Mapping[str, str], secrets_file: str) -> dict[str, str]:
    """The value of every secret that variables refer to, by its name.

    Each is looked up in `environ`, then in `secrets_file` (lines NAME=value, mode 0600). Raises SecretError naming all that are
    unset, and a file that others can read.
    """
    wanted = [(key, REFERENCE.findall(value)) for key, value in variables if is_reference(value)]
    needed = sorted({name for _, names in wanted for name in names})
    kept = _read_file(secrets_file, needed) if any(name not in environ for name in needed) else {}
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
    return {key: REFERENCE.sub(lambda match: values[match[1]], value) for key, value in variables if is_reference(value)}


def default_file() -> str:
    """The file of secrets: $XDG_CONFIG_HOME/trainconf/secrets.env, by default below ~/.config."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(base, "trainconf", SECRETS_FILE)


def _read_file(path: str, needed: Collection[str]) -> dict[str, str]:
    """The names and values in the file of secrets; none when it is not there. Raises SecretError, which never shows what was read."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:  # a pipe must not stop us
            mode = os.fstat(stream.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise SecretError("the file of secrets is no regular file", ("path", path))
            if stat.S_IMODE(mode) & 0o077:
                raise SecretError("the file of secrets can be read by others", ("path", path), hint=f"chmod 600 {path}")
            text = stream.read().decode("utf-8-sig")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SecretError("the file of secrets cannot be read", ("path", path), ("because", error.strerror or str(error))) from error
    except UnicodeDecodeError as error:
        place = f"{path}:{1 + error.object[: error.start].count(NEWLINE)}"
        raise SecretError("the file of secrets is not UTF-8", ("from", place), hint="save it as UTF-8") from None
    found = {}
    for number, line in enumerate(text.split("\n"), start=1):
        name, equals, value = line.partition("=")
        if not equals or line.lstrip().startswith("#"):
            continue
        word, _, exported = name.strip().partition(" ")
        if word == "export" and exported.strip() in needed:
            raise SecretError("a line of the file of secrets begins with `export`", ("from", f"{path}:{number}"),
                              ("allowed", f"{exported.strip()}=value, the value as it stands, without quotes"))
        if name.strip() in needed and "\0" in value:
            raise SecretError("a secret holds a NUL byte, which no environment variable can", ("from", f"{path}:{number}"))
        found[name.strip()] = value.strip()
    return found

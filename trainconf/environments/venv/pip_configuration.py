"""The user's settings of pip and uv, as far as a build obeys them: where packages come from, and never which ones are taken.

Only the recipe decides which ones, or one recipe would become different software with pip, with uv and on another machine. So neither
installer reads its own configuration. This module reads it and passes on what counts in variables. uv gets pip's settings as well,
because a user who set up a mirror once expects it to be used.

Names and order of precedence: pip 23 to 26, "Configuration" (global, user, site, PIP_CONFIG_FILE, then PIP_* variables);
uv 0.5 and later, "Configuration files" (the project's, the user's, the system's, below UV_* variables).
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from trainconf.environments.recipe.formats import toml_reader

PIP_REACH = (
    "cache-dir", "cert", "client-cert", "default-timeout", "extra-index-url", "find-links", "index-url", "keyring-provider", "no-cache-dir",
    "no-index", "proxy", "resume-retries", "retries", "timeout", "trusted-host", "use-deprecated", "use-feature",
)
PIP_CHOICE = (
    "build-constraint", "config-settings", "constraint", "no-binary", "no-build-isolation", "no-deps", "only-binary", "pre",
    "prefer-binary", "require-hashes", "uploaded-prior-to",
)
UV_REACH = {  # by the name in a configuration file
    "cache-dir": "UV_CACHE_DIR", "concurrent-builds": "UV_CONCURRENT_BUILDS", "concurrent-downloads": "UV_CONCURRENT_DOWNLOADS",
    "concurrent-installs": "UV_CONCURRENT_INSTALLS", "http-proxy": "HTTP_PROXY", "https-proxy": "HTTPS_PROXY",
    "index-strategy": "UV_INDEX_STRATEGY", "keyring-provider": "UV_KEYRING_PROVIDER", "link-mode": "UV_LINK_MODE",
    "native-tls": "UV_NATIVE_TLS", "no-cache": "UV_NO_CACHE", "no-index": "UV_NO_INDEX", "no-proxy": "NO_PROXY", "offline": "UV_OFFLINE",
    "system-certs": "UV_SYSTEM_CERTS", "torch-backend": "UV_TORCH_BACKEND",
}
UV_LISTS = {"UV_FIND_LINKS": ",", "UV_INDEX": " ", "UV_INSECURE_HOST": " "}
UV_REACH_VARIABLES = frozenset((
    *UV_REACH.values(), *UV_LISTS, "UV_CREDENTIALS_DIR", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_HTTP_CONNECT_TIMEOUT",
    "UV_HTTP_RETRIES", "UV_HTTP_TIMEOUT", "UV_LOCK_TIMEOUT", "UV_PYPY_INSTALL_MIRROR", "UV_PYTHON_DOWNLOADS",
    "UV_PYTHON_DOWNLOADS_JSON_URL", "UV_PYTHON_INSTALL_DIR", "UV_PYTHON_INSTALL_MIRROR", "UV_REQUEST_TIMEOUT",
))
UV_CHOICE = (
    "build-constraint", "build-constraint-dependencies", "config-settings", "constraint", "constraint-dependencies", "exclude",
    "exclude-dependencies", "exclude-newer", "exclude-newer-package", "no-binary", "no-binary-package", "no-build", "no-build-isolation",
    "no-build-package", "no-deps", "only-binary", "override", "override-dependencies", "prerelease", "require-hashes", "resolution",
)
# uv's options for where packages come from. If the user has set one of them, uv gets none of pip's.
UV_INDEX_VARIABLES = (
    "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX", "UV_INDEX_URL", "UV_NO_INDEX",
)
# Variables of the shell's own Python, which would make a build install into that one.
OF_A_PYTHON = ("CONDA_PREFIX", "PIP_", "PYTHON", "UV_", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
OF_COLOURS = ("CLICOLOR_FORCE", "FORCE_COLOR")
TRUE = ("1", "on", "t", "true", "y", "yes")


def pip_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables for a pip that reads no configuration file."""
    pip = read_pip_configuration(environ)
    settings = {f"PIP_{name.upper().replace('-', '_')}": pip[name] for name in PIP_REACH if pip.get(name)}
    return _without_a_python(environ) | settings | {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def uv_environ(environ: Mapping[str, str], root: str) -> dict[str, str]:
    """The variables for a uv that reads no configuration file. It gets those of pip's settings that the user has not set for uv."""
    kept = {name: value for name, value in environ.items() if value and (name in UV_REACH_VARIABLES or name.startswith("UV_INDEX_"))}
    written = _uv_settings(environ, root)
    if "UV_INDEX_URL" in kept:
        written.pop("UV_DEFAULT_INDEX", None)
    for name, separator in UV_LISTS.items():
        if name in kept and name in written:
            kept[name] += separator + written[name]
    own, from_pip = written | kept, _from_pip(environ)
    if any(own.get(name) for name in UV_INDEX_VARIABLES):
        from_pip = {name: value for name, value in from_pip.items() if name not in (*UV_INDEX_VARIABLES, "UV_INDEX_STRATEGY")}
    return _without_a_python(environ) | {"UV_PYTHON_DOWNLOADS": "never"} | from_pip | own | {"UV_NO_CONFIG": "1"}


def _without_a_python(environ: Mapping[str, str]) -> dict[str, str]:
    """Nor the wish for colours: an installer's lines are shown by our printer."""
    kept = {name: value for name, value in environ.items() if not name.startswith(OF_A_PYTHON) and name not in OF_COLOURS}
    return kept | {"NO_COLOR": "1"}


def ignored_settings(environ: Mapping[str, str], root: str) -> list[str]:
    """The user's settings that would change which packages are taken, by the names the user knows."""
    found = {f"{name} (pip)" for name in read_pip_configuration(environ) if name in PIP_CHOICE}
    found |= {name for name in environ if name.startswith("UV_") and name[3:].lower().replace("_", "-") in UV_CHOICE and environ[name]}
    for _, settings in _uv_files(environ, root):
        found |= {f"{name} (uv)" for name in settings if name in UV_CHOICE}
    return sorted(found)


def _from_pip(environ: Mapping[str, str]) -> dict[str, str]:
    pip = read_pip_configuration(environ)
    found = _index_variables(pip)
    if pip.get("cert") and not (environ.get("SSL_CERT_FILE") or environ.get("SSL_CERT_DIR")):
        found["SSL_CERT_FILE"] = pip["cert"]
    if pip.get("client-cert") and not environ.get("SSL_CLIENT_CERT"):
        found["SSL_CLIENT_CERT"] = pip["client-cert"]
    if pip.get("proxy") and not any(environ.get(name) for name in ("ALL_PROXY", "HTTPS_PROXY", "https_proxy", "all_proxy")):
        found["ALL_PROXY"] = pip["proxy"]
    if pip.get("trusted-host"):
        found["UV_INSECURE_HOST"] = " ".join(pip["trusted-host"].split())
    if pip.get("timeout", pip.get("default-timeout", "")).isdigit():
        found["UV_HTTP_TIMEOUT"] = pip.get("timeout", pip.get("default-timeout", ""))
    return found


def _index_variables(pip: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    if pip.get("index-url"):
        found["UV_DEFAULT_INDEX"] = pip["index-url"].strip()
    if pip.get("extra-index-url"):
        found["UV_INDEX"] = " ".join(pip["extra-index-url"].split())
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # pip takes the best version of all indexes; uv's default stops at the first
    if pip.get("find-links"):
        found["UV_FIND_LINKS"] = ",".join(pip["find-links"].split())
    if pip.get("no-index", "").lower() in TRUE:
        found["UV_NO_INDEX"] = "1"
    return found


def read_pip_configuration(environ: Mapping[str, str]) -> dict[str, str]:
    """pip's options as `pip install` would see them: long names without dashes in front, such as `index-url`."""
    found: dict[str, str] = {}
    for path in _pip_files(environ):
        found.update(_read_pip_file(path))
    prefix = "PIP_"
    variables = {name[len(prefix):].lower().replace("_", "-"): value for name, value in environ.items() if name.startswith(prefix)}
    found |= {name: value for name, value in variables.items() if value}
    if links := found.get("find-links"):  # relative to where the user is; an installer works elsewhere
        found["find-links"] = " ".join(_absolute(link, os.getcwd()) for link in links.split())
    return found


def reach_of(path: str) -> str:
    """The text of a pip.conf with those settings of another one that say where packages come from."""
    found = _read_pip_file(path)
    lines = (f"{name} = {found[name]}".replace("\n", "\n  ") for name in PIP_REACH if name in found)
    return "\n".join(("[global]", *lines, ""))


def _read_pip_file(path: str) -> dict[str, str]:
    found: dict[str, str] = {}
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return found  # the other files may still set something
    for section in ("global", "install"):
        if parser.has_section(section):
            found.update({name.replace("_", "-"): value for name, value in parser.items(section)})
    return found


def _pip_files(environ: Mapping[str, str]) -> list[str]:
    """pip's configuration files on POSIX, weakest first; PIP_CONFIG_FILE=/dev/null means none."""
    named = environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return []
    home = environ.get("HOME") or os.path.expanduser("~")
    folders = (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    user = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    return [
        *(os.path.join(folder, "pip", "pip.conf") for folder in folders), "/etc/pip.conf", os.path.join(home, ".pip", "pip.conf"),
        os.path.join(user, "pip", "pip.conf"), os.path.join(sys.prefix, "pip.conf"), *([named] if named else []),
    ]


def _uv_settings(environ: Mapping[str, str], root: str) -> dict[str, str]:
    """uv's configuration files as variables."""
    found: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    for folder, settings in _uv_files(environ, root):
        for name, variable in UV_REACH.items():
            if name in settings:
                found.setdefault(variable, str(settings[name]).lower() if isinstance(settings[name], bool) else str(settings[name]))
        for variable, place in _uv_places(settings):
            if variable == "UV_DEFAULT_INDEX":
                found.setdefault(variable, _absolute(place, folder))
            else:
                lists.setdefault(variable, []).append(_absolute(place, folder))
    return found | {variable: UV_LISTS[variable].join(places) for variable, places in lists.items()}


def _uv_places(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(variable, place) of every setting that names a place. An explicit index, which only some packages use, is left out."""
    for index in settings.get("index") or ():
        if isinstance(index, dict) and index.get("url") and not index.get("explicit"):
            variable = "UV_DEFAULT_INDEX" if index.get("default") else "UV_FIND_LINKS" if index.get("format") == "flat" else "UV_INDEX"
            is_named = bool(index.get("name")) and variable != "UV_FIND_LINKS"
            yield variable, f"{index['name']}={index['url']}" if is_named else str(index["url"])
    if settings.get("index-url"):
        yield "UV_DEFAULT_INDEX", str(settings["index-url"])
    for name, variable in (("extra-index-url", "UV_INDEX"), ("find-links", "UV_FIND_LINKS"), ("allow-insecure-host", "UV_INSECURE_HOST")):
        places = settings.get(name) or ()
        for place in [places] if isinstance(places, str) else places:
            yield variable, str(place)


def _absolute(place: str, folder: str) -> str:
    """A relative path made absolute; anything else as it is."""
    is_path = place.startswith((".", "~")) or ("/" in place and not place.startswith("/") and ":" not in place.partition("/")[0])
    return os.path.normpath(os.path.join(folder, os.path.expanduser(place))) if is_path and "=" not in place else place


def _uv_files(environ: Mapping[str, str], root: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """uv's configuration files, strongest first: the folder of each, and its settings with those of its table `pip` on top."""
    if environ.get("UV_NO_CONFIG", "").lower() in TRUE:
        return
    home = environ.get("HOME") or os.path.expanduser("~")
    user = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    if named := environ.get("UV_CONFIG_FILE", ""):
        paths = [named]
    else:
        project = next(filter(None, map(_uv_file_in, _upwards(os.path.abspath(root)))), "")
        paths = [*filter(None, [project]), os.path.join(user, "uv", "uv.toml"), "/etc/uv/uv.toml"]
    for path in paths:
        settings = _uv_table(path)
        pip = settings.get("pip")
        yield os.path.dirname(path), {**settings, **pip} if isinstance(pip, dict) else settings


def _upwards(folder: str) -> Iterator[str]:
    yield folder
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        yield folder


def _uv_file_in(folder: str) -> str:
    """The file of a project that configures uv; empty when this folder has none."""
    paths = (os.path.join(folder, name) for name in ("uv.toml", "pyproject.toml"))
    return next((path for path in paths if os.path.isfile(path) and (path.endswith("uv.toml") or _uv_table(path))), "")


def _uv_table(path: str) -> dict[str, Any]:
    """The settings of uv in a file; none where it cannot be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
        found = toml_reader().loads(text) if path.endswith("uv.toml") or "tool.uv" in text else {}
    except (OSError, ValueError):
        return {}
    table = found if not path.endswith("pyproject.toml") else found.get("tool", {}).get("uv", {})
    return table if isinstance(table, dict) else {}

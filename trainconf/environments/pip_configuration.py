"""pip's configuration in uv's words: uv reads none of it, and a user who set up a mirror once expects it to be used.

Names and order of precedence: pip 23 to 26, "Configuration" (global, user, site, PIP_CONFIG_FILE, then PIP_* variables);
uv 0.5 and later, "Environment variables".
"""

from __future__ import annotations

import os
import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# uv options that say where packages come from; a user who set any of them has decided for uv, and pip's are left alone.
UV_INDEX_VARIABLES = (
    "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INDEX", "UV_INDEX_URL", "UV_NO_INDEX",
)
UV_INDEX_SETTING = re.compile(
    r"^\s*(\[\[(tool\.uv\.)?(pip\.)?index\]\]|(index|index-url|extra-index-url|find-links|no-index)\s*=)", re.MULTILINE
)
UV_TABLE = re.compile(r"^\s*\[+tool\.uv\b", re.MULTILINE)
TRUE = ("1", "on", "t", "true", "y", "yes")


def uv_variables(environ: Mapping[str, str], root: str) -> dict[str, str]:
    """UV_* variables that say what pip's configuration says, for what the user has not told uv already."""
    pip = read_pip_configuration(environ)
    found: dict[str, str] = {}
    if not any(environ.get(name) for name in UV_INDEX_VARIABLES) and not _uv_has_an_index(environ, root):
        found.update(_index_variables(pip))
    if pip.get("cert") and not (environ.get("SSL_CERT_FILE") or environ.get("SSL_CERT_DIR")):
        found["SSL_CERT_FILE"] = pip["cert"]
    if pip.get("client-cert") and not environ.get("SSL_CLIENT_CERT"):
        found["SSL_CLIENT_CERT"] = pip["client-cert"]
    if pip.get("proxy") and not any(environ.get(name) for name in ("ALL_PROXY", "HTTPS_PROXY", "https_proxy", "all_proxy")):
        found["ALL_PROXY"] = pip["proxy"]
    if pip.get("trusted-host") and not environ.get("UV_INSECURE_HOST"):
        found["UV_INSECURE_HOST"] = " ".join(pip["trusted-host"].split())
    if pip.get("timeout", pip.get("default-timeout", "")).isdigit() and not environ.get("UV_HTTP_TIMEOUT"):
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
    import configparser

    found: dict[str, str] = {}
    for path in _pip_files(environ):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue  # pip itself will tell; what uv needs may be elsewhere
        for section in ("global", "install"):
            if parser.has_section(section):
                found.update({name.replace("_", "-"): value for name, value in parser.items(section)})
    prefix = "PIP_"
    variables = {name[len(prefix):].lower().replace("_", "-"): value for name, value in environ.items() if name.startswith(prefix)}
    return found | {name: value for name, value in variables.items() if value}


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


def _uv_has_an_index(environ: Mapping[str, str], root: str) -> bool:
    """Whether one of uv's own configuration files names an index: its variables would silently win over that."""
    home = environ.get("HOME") or os.path.expanduser("~")
    user = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    found = [environ.get("UV_CONFIG_FILE", ""), os.path.join(user, "uv", "uv.toml"), "/etc/uv/uv.toml"]
    folder = os.path.abspath(root)
    while True:
        found += [os.path.join(folder, "uv.toml"), os.path.join(folder, "pyproject.toml")]
        if folder == os.path.dirname(folder):
            break
        folder = os.path.dirname(folder)
    return any(_names_an_index(path) for path in found if path)


def _names_an_index(path: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            text = stream.read()
    except OSError:
        return False
    return bool(UV_INDEX_SETTING.search(text)) and (path.endswith("uv.toml") or bool(UV_TABLE.search(text)))

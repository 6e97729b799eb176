"""Flags of `docker run` as our settings: `--ipc=host` is compute.arguments.ipc_mode."""

from __future__ import annotations

import re

from trainconf.sdk.settings.arguments import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.sdk.settings.arguments import Arguments

_SIZE = re.compile(r"(\d+(?:\.\d+)?)([bkmgt]?)b?", re.IGNORECASE)
_UNITS = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SHORT = {"-v": "--volume", "-e": "--env", "-m": "--memory", "-h": "--hostname", "-l": "--label", "-u": "--user", "-c": "--cpu-shares",
          "-p": "--publish", "--net": "--network", "-w": "--workdir", "-i": "--interactive", "-t": "--tty", "-d": "--detach"}
_SETTINGS = {"--network": "network", "--user": "user", "--pids-limit": "pids_limit", "--gpus": "gpus", "--cpus": "cpu_limit",
             "--memory": "memory_gib", "--shm-size": "shm_size_gib"}
_ONE = {"--ipc": "ipc_mode", "--pid": "pid_mode", "--hostname": "hostname", "--runtime": "runtime", "--cpuset-cpus": "cpuset_cpus",
        "--cpu-shares": "cpu_shares", "--memory-swap": "memswap_limit", "--uts": "uts_mode", "--cgroup-parent": "cgroup_parent"}
_MANY = {"--cap-add": "cap_add", "--cap-drop": "cap_drop", "--device": "devices", "--security-opt": "security_opt", "--dns": "dns",
         "--group-add": "group_add", "--volume": "volumes"}
_PAIRS = {"--label": "labels", "--sysctl": "sysctls"}
_SWITCHES = {"--privileged": "privileged", "--read-only": "read_only"}
_AS_IT_IS = ("--rm", "--init")  # what every container of ours has anyway
_OURS = ("--name", "--detach", "--tty", "--interactive", "--workdir", "--entrypoint", "--restart", "--publish")
_MORE = ("--env", "--ulimit", "--tmpfs", "--add-host")
KNOWN = (*_SETTINGS, *_ONE, *_MANY, *_PAIRS, *_SWITCHES, *_MORE)
_NUMBERS = ("cpu_shares",)


def read_flags(words: list[str], arguments: Arguments) -> dict[str, Any]:
    """The settings that flags stand for, as a tree of values; what is wrong is noted in `arguments`."""
    compute: dict[str, Any] = {}
    further: dict[str, Any] = {}
    variables: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        flag, equals, value = word.partition("=")
        flag = _SHORT.get(flag, flag)
        if flag in _AS_IT_IS:
            continue
        if flag in _SWITCHES:
            further[_SWITCHES[flag]] = value != "false"
        elif flag in _OURS:
            hint = "trainconf starts, follows and removes the container"
            arguments.wrong(f"the flag {flag} of `docker run` is not for you to set", hint=hint)
        elif flag not in KNOWN:
            arguments.refuse("a flag in arguments", word, ", ".join(KNOWN), nearest(flag, KNOWN))
        else:
            text = value if equals else next(rest, "")
            if not text:
                arguments.wrong(f"the flag {flag} of `docker run` needs a value")
            elif not _take(flag, text, compute, further, variables):
                arguments.wrong(f"the flag {flag} of `docker run` cannot be {text!r}")
    tree: dict[str, Any] = {}
    if further:
        compute["arguments"] = further
    if compute:
        tree["compute"] = compute
    if variables:
        tree["env"] = {"variables": variables}
    return tree


def _take(flag: str, text: str, compute: dict[str, Any], further: dict[str, Any], variables: dict[str, str]) -> bool:
    """Put one flag where it belongs; whether its value can be read."""
    name, equals, value = text.partition("=")
    if flag in _SETTINGS:
        setting = _SETTINGS[flag]
        number = size_gib(text) if setting.endswith("_gib") else _number(text) if setting in ("pids_limit", "gpus", "cpu_limit") else text
        if number is not None:
            compute[setting] = number
        return number is not None
    if flag == "--ulimit":
        compute.setdefault("ulimits", {})[name] = value
    elif flag == "--env":
        variables[name] = value
    elif flag == "--tmpfs":
        path, _, options = text.partition(":")
        further.setdefault("tmpfs", {})[path] = options
        return True
    elif flag == "--add-host":
        host, colon, address = text.partition(":")
        further.setdefault("extra_hosts", {})[host] = address
        return bool(colon)
    elif flag in _PAIRS:
        further.setdefault(_PAIRS[flag], {})[name] = value
        return bool(equals) or flag == "--label"
    elif flag in _MANY:
        further.setdefault(_MANY[flag], []).append(text)
        return True
    else:
        further[_ONE[flag]] = _number(text) if _ONE[flag] in _NUMBERS else text
        return further[_ONE[flag]] is not None
    return bool(equals)


def _number(text: str) -> int | float | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def size_gib(text: Any) -> float | None:
    """A size as docker writes it, `512m`, in GiB; None for another text, and for 0."""
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    return float(match[1]) * 1024.0 ** (_UNITS[match[2].lower()] - 3) or None if match else None

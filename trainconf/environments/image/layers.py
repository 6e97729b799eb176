"""From pip's plan for all requirements to layers: what each requirement line adds, in the order of the lines.

A layer holds exact versions, so it depends only on what it holds. The same layers are found again whatever else has changed, and a
changed line leaves the layers below it alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from trainconf.environments.recipe.installed import normalised
from trainconf.environments.recipe.pip_report import requirement
from trainconf.environments.recipe.requirements import CONSTRAINT, local_files, local_requirement

LAYERS_MAX = 7  # besides the one of the empty venv; an image has at most 127, and each costs a container


class Distribution:
    """One distribution of pip's plan. `line` installs exactly it; `hashes` are those that pip can check."""

    def __init__(self, item: Mapping[str, Any]) -> None:
        metadata, download = item["metadata"], item["download_info"]
        self.name = normalised(metadata["name"])
        self.url = str(download["url"])
        self.requires: list[str] = list(metadata.get("requires_dist") or ())
        self.extras: set[str] = set(item.get("requested_extras") or ())
        self.is_local = self.url.startswith("file:")
        archive = download.get("archive_info") or {}
        hashes = sorted(f"{kind}:{value}" for kind, value in (archive.get("hashes") or {}).items())
        self.hashes = [] if item.get("is_direct") else hashes
        self.line = requirement(item)


def read_report(report: Mapping[str, Any]) -> list[Distribution]:
    """The distributions that would be installed (pip, "Installation Report", version 1)."""
    return [Distribution(item) for item in report["install"]]


def layers(lines: Sequence[str], found: Sequence[Distribution], marker_environment: Mapping[str, str]) -> list[list[Distribution]]:
    """A layer for each line: the distributions it adds. Empty layers are left out, and those beyond LAYERS_MAX are joined.

    `lines` are the requirement lines that pip was given, with local paths as it saw them.
    """
    by_name = {distribution.name: distribution for distribution in found}
    left = dict(by_name)
    groups: list[list[Distribution]] = []
    for line in lines:
        if line.startswith(("-", CONSTRAINT)):
            continue
        names = _closure(_root(line, found), by_name, marker_environment)
        groups.append([left.pop(name) for name in sorted(names) if name in left])
    groups.append(list(left.values()))  # what only an extra of an extra adds, or a line that could not be read here
    groups = [group for group in groups if group]
    rest = [distribution for group in groups[LAYERS_MAX - 1 :] for distribution in group]
    return [*groups[: LAYERS_MAX - 1], *([rest] if rest else [])]


def texts(layer: Sequence[Distribution]) -> dict[str, str]:
    """Requirement files that install a layer, by their names. pip checks the hashes of all lines of a file, or of none."""
    hashed = [d for d in layer if d.hashes]
    plain = [d for d in layer if not d.hashes]
    found = {
        "hashed.txt": "".join(f"{d.line} {' '.join(f'--hash={value}' for value in d.hashes)}\n" for d in hashed),
        "plain.txt": "".join(f"{d.line}\n" for d in plain),
    }
    return {name: text for name, text in found.items() if text}


def pin(distribution: Distribution, files: Sequence[tuple[str, str]]) -> str:
    """A distribution as a line of a lock file; a local one by the path that the recipe names."""
    found = re.match(r"\./sources/(\d+)/", distribution.line)
    return local_files(files)[int(found[1])][0] if found else distribution.line


def _root(line: str, found: Sequence[Distribution]) -> tuple[str, set[str]]:
    """The distribution that a line asks for, and its extras; an empty name when that is not known."""
    local = local_requirement(line)
    if local is not None:
        inside = os.path.normpath(local.path)
        names = [d.name for d in found if os.path.normpath(d.line) == inside]
        return (names[0] if names else ""), set()
    try:
        wanted = Requirement(re.split(r"\s--", line, maxsplit=1)[0].strip())
    except InvalidRequirement:
        return next(((d.name, set()) for d in found if d.url in line), ("", set()))
    return normalised(wanted.name), set(wanted.extras)


def _closure(root: tuple[str, set[str]], by_name: Mapping[str, Distribution], environment: Mapping[str, str]) -> set[str]:
    """The names of a distribution and of all it requires that would be installed."""
    seen: dict[str, set[str]] = {}
    pending = [root]
    while pending:
        name, extras = pending.pop()
        if name not in by_name or (name in seen and extras <= seen[name]):
            continue
        extras = seen[name] = seen.get(name, set()) | extras | by_name[name].extras
        for text in by_name[name].requires:
            try:
                wanted = Requirement(text)
            except InvalidRequirement:
                continue  # old metadata; what it adds is installed with the last layer
            if wanted.marker is None or any(wanted.marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras)):
                pending.append((normalised(wanted.name), set(wanted.extras)))
    return set(seen)

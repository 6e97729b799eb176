"""Entries of pip's installation report as requirement lines (pip, "Installation Report", version 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from trainconf.environments.recipe.installed import normalised


def requirement(item: Mapping[str, Any]) -> str:
    """The line that installs exactly this distribution. A copied local requirement is `./sources/…`, relative to the build folder."""
    name, download = normalised(item["metadata"]["name"]), item["download_info"]
    url = str(download["url"])
    if not item.get("is_direct"):
        return f"{name}=={item['metadata']['version']}"
    _, is_copy, rest = unquote(urlsplit(url).path, errors="surrogateescape").partition("/sources/")
    if url.startswith("file:") and is_copy:
        return f"./sources/{rest}"
    vcs = download.get("vcs_info")
    return f"{name} @ {vcs['vcs']}+{url}@{vcs['commit_id']}" if vcs else f"{name} @ {url}"

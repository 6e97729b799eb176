from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainconf.page.request import Request
from trainconf.page.site import Site
from trainconf.paths import WorkspacePaths

HOSTILE = b"a b'\"\n%d$(touch x)\xff\xc3\xa5"
Ask = Callable[..., Any]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkspacePaths:
    """An empty workspace at a hostile path, and the current folder."""
    root = os.path.join(str(tmp_path), os.fsdecode(HOSTILE))
    os.makedirs(os.path.join(root, ".trainconf"))
    monkeypatch.chdir(root)
    return WorkspacePaths(root)


@pytest.fixture
def ask(workspace: WorkspacePaths) -> Ask:
    """Asks an answer: `id` and other names of the path by `params`, the query by name, a body by `body`."""
    sites = {read_only: Site(workspace, read_only=read_only) for read_only in (False, True)}

    def ask(answer: Callable[[Request], Any], read_only: bool = False, body: Any = None, params: Any = None, **query: str) -> Any:
        return answer(Request(sites[read_only], params or {}, query, body or {}))

    return ask

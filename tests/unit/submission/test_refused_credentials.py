"""A credential that is refused is nowhere: not on the terminal, not in a file."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.conftest import Answer, Shell


@pytest.mark.parametrize("line", ["pkg @ https://me:s3cret@host/x.whl", "--index-url https://host/simple?token=s3cret"])
def test_a_requirement_refused_for_its_credential_is_kept_in_no_cache(here: Callable[..., Answer], workspace: Shell, line: str) -> None:
    assert here("plan", "experiment=adhoc", "command=[true]", "env=current").code == 0
    (workspace.root / ".trainconf" / "cache").mkdir(parents=True, exist_ok=True)
    recipe = workspace.write(
        "conf/env/mine.yaml", f"defaults:\n  - /schema/env/recipe@_here_\n  - _self_\nname: mine\nrequirements: [\"{line}\"]\n"
    )
    time.sleep(2.1)  # files that are too fresh are not believed, so nothing would be kept of them
    for _ in range(2):
        answer = here("experiment=adhoc", "command=[true]", "env=mine")
        assert answer.code == 2, answer
        assert "holds a credential" in answer.err
        assert "s3cret" not in answer.out + answer.err
    assert [path for path in workspace.root.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()] == [recipe]

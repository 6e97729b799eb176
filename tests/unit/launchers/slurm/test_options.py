"""No setting can write a second line into the batch script."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.launchers.slurm.stand_in import Answering
from trainconf.errors import ConfigError
from trainconf.launchers.slurm.commands import Controller
from trainconf.launchers.slurm.options import check

NOT_ON_ONE_LINE = ["node1\n#SBATCH --mem=1\ntouch x", "a\rb", "a\x0bb", "a\u2028b", "a\x1b[31m", "\ud83d"]


@pytest.mark.parametrize("text", NOT_ON_ONE_LINE)
@pytest.mark.parametrize("name", ["partition", "account", "qos", "constraint", "python", "gpus_per_node", "time_minutes"])
def test_no_setting_can_hold_more_than_one_line(name: str, text: str) -> None:
    assert "does not fit on one line" in refused({name: text})


@pytest.mark.parametrize("text", NOT_ON_ONE_LINE)
def test_no_option_of_sbatch_can_either_also_inside_a_list(text: str) -> None:
    assert "does not fit on one line" in refused({"sbatch": {"exclude": text}})
    assert "does not fit on one line" in refused({"sbatch": {"exclude": ["node2", text]}})
    assert "is a mapping, or holds one" in refused({"sbatch": {"exclude": [{"a": text}]}})
    assert "which is no name of an option" in refused({"sbatch": {f"exclude{text}": 1}})


def refused(compute: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as error:
        check(compute, Controller({"PATH": "/bin:/usr/bin"}, Answering("--exclude=x")))
    return "\n".join(mistake.what for mistake in error.value.mistakes)

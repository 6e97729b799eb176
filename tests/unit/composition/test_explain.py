"""What is said of an override of a mapping names what to type."""

from __future__ import annotations

import pytest

from trainconf.composition.compose import compose
from trainconf.errors import ConfigError
from trainconf.paths import WorkspacePaths

WORDS = ["experiment=adhoc", "script=train.py", "sweep=random"]
TOLD = {
    "sweep.space={params.lr: uniform(0,1)}": "not in quotes",
    "+sweep.space={params.lr: uniform(0,1)}": "not in quotes",
    "sweep.space={params.lr: 'uniform(0,1)'}": "to add what is new: '+sweep.space={params.lr: '\"'\"'uniform(0,1)'\"'\"'}'",
    "sweep.controller_job.sbatch={reservation: x}": "to add what is new: '+sweep.controller_job.sbatch={reservation: x}'",
    "env.variables={A: 1}": "to add what is new: '+env.variables={A: 1}'",
    "sweep.space=3": "mapping",
}


@pytest.mark.parametrize("word", TOLD)
def test_a_mapping_that_is_refused_says_what_to_type(word: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(ConfigError) as caught:
        compose([*WORDS, word], WorkspacePaths(str(tmp_path_factory.mktemp("explained"))))
    assert TOLD[word] in caught.value.render()
    assert "Drawn" not in caught.value.render()
    assert word in caught.value.render()


@pytest.mark.parametrize("word", [word for word in TOLD if "to add" in TOLD[word]])
def test_what_it_says_works(word: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert compose([*WORDS, f"+{word}"], WorkspacePaths(str(tmp_path_factory.mktemp("explained")))).config["sweep"]["kind"] == "random"


@pytest.mark.parametrize("word", ["params.free.deeper=5", "+params.free.deeper=5", "++params.free.deeper=5", "++params.free.9=5"])
def test_a_key_below_a_list_is_a_mistake_and_no_traceback(word: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    workspace = WorkspacePaths(str(tmp_path_factory.mktemp("explained")))
    with pytest.raises(ConfigError) as caught:
        compose(["experiment=adhoc", "script=train.py", "+params.free=[1,2]", word], workspace)
    assert f"command line: {word}" in caught.value.render()

"""The config of a Hydra app, composed without running the app: its values and their places, typos, and what only the job knows."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.singleton import Singleton
from omegaconf.basecontainer import BaseContainer

from trainconf.control.compose import ComposeRequest, compose, resolve
from trainconf.errors import ConfigError
from trainconf.paths import WorkspacePaths
from trainconf.resolve.composed import Composed

TEMPLATE = Path(__file__).parents[3] / "projects" / "hydra_template"


class App:
    """A workspace with an app, and what its words make of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace = WorkspacePaths(str(root))

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def compose(self, *texts: str) -> Composed:
        return compose(ComposeRequest(["experiment=train", *texts]), self.workspace)

    def params(self, *words: str) -> dict[str, Any]:
        found: dict[str, Any] = self.compose("--", *words).config["params"]
        return found

    def mistakes(self, *texts: str) -> dict[str, dict[str, str]]:
        with pytest.raises(ConfigError) as refused:
            resolve(ComposeRequest(["experiment=train", "env=current", *texts]), self.workspace)
        return {each.what: {**dict(each.facts), "hint": each.hint} for each in refused.value.mistakes}


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    shutil.copytree(TEMPLATE, tmp_path / "an app")
    monkeypatch.chdir(tmp_path / "an app")
    return App(tmp_path / "an app")


def test_values_are_params_with_the_line_that_set_them(app: App) -> None:
    found = app.compose("--", "model=vit", "trainer.max_epochs=9", "experiment=small")
    params = found.config["params"]
    assert params["model"] == {"_target_": "models.Vit", "heads": 4, "width": 32}
    assert [params["trainer"]["max_epochs"], params["optimizer"]["lr"], params["tags"]] == [9, 0.5, ["small"]]
    assert [params["model_choice"], params["optimizer_choice"]] == ["vit", "adam"]
    assert "local_choice" not in params  # an optional file that is not there
    assert found.origins["params.model.heads"] == "configs/model/vit.yaml:2"
    assert found.origins["params.optimizer.lr"] == "configs/experiment/small.yaml:8"
    assert found.origins["params.trainer.max_epochs"] == "command line: -- trainer.max_epochs=9"
    assert found.overrides == ["experiment=train", "--", "model=vit", "trainer.max_epochs=9", "experiment=small"]


def test_what_the_config_alone_decides_is_resolved_and_the_rest_stays_as_it_is_written(app: App) -> None:
    app.write("configs/paths/default.yaml", "root_dir: ${oc.env:DATA_OF_NOBODY}\ndata_dir: x\noutput_dir: ${hydra:runtime.output_dir}\n")
    params = app.params()
    assert params["model"]["width"] == 64
    assert params["paths"] == {"root_dir": "${oc.env:DATA_OF_NOBODY}", "data_dir": "x", "output_dir": "${hydra:runtime.output_dir}"}
    assert params["seed"] == "${double:21}"


def test_no_credential_of_the_environment_is_recorded(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "very-secret-text")
    app.write("configs/data/digits.yaml", "name: a\nbatch_size: 1\nfolder: f\nkey: ${oc.env:WANDB_API_KEY}\ncopy: ${.key}/x\n")
    assert "very-secret-text" not in str(app.compose().config)
    assert app.params()["data"]["copy"] == "${.key}/x"


def test_what_only_code_registers_is_told_once(app: App) -> None:
    notes = app.compose("--", "trainer.precision=16").notes
    assert len(notes) == 1
    for text in ("trainer/trainer_schema", "double", "trainer.precision=16"):
        assert text in notes[0]
    assert app.params("trainer.precision=16")["trainer"] == {"max_epochs": 2, "precision": 16}


def test_every_typo_is_answered_at_once_with_the_nearest(app: App) -> None:
    told = app.mistakes("--", "modle=vit", "model=vti", "optimizer.lrr=1", "trainer.max_epoch=1", "data.batch_size=7")
    assert told["'vti' is not a choice of the app's model"]["nearest"] == "model=vit"
    assert told["modle is not in the app's config"]["nearest"] == "model"
    assert told["optimizer.lrr is not in the app's config"]["nearest"] == "optimizer.lr"
    assert told["trainer.max_epoch is not in the app's config"]["nearest"] == "trainer.max_epochs"
    assert "Could not override 'optimizer.lrr'" in told["optimizer.lrr is not in the app's config"]["Hydra says"]
    assert len(told) == 4


@pytest.mark.parametrize(("word", "hint"), [
    ("-m", "write -m before the words: trainconf -m ... -- ..."), ("--config-name=x", "write hydra_app.config_name=NAME"),
    ("--cfg", "what follows -- are overrides of the app's config"),
])  # fmt: skip
def test_a_flag_behind_the_dashes_is_refused_with_what_to_write(app: App, word: str, hint: str) -> None:
    assert app.mistakes("--", word)[f"{word} is a flag, and no word of the app's config"]["hint"] == hint


def test_a_word_that_is_none_and_one_with_several_values_are_told(app: App) -> None:
    told = app.mistakes("--", "foo", "model=resnet,vit")
    assert told["'foo' is not an override"]["from"] == "command line: -- foo"
    assert "add -m" in told["model was given several values, and this is a single run"]["hint"]


def test_words_without_an_app_are_refused(app: App) -> None:
    app.write("conf/experiment/plain.yaml", "# @package _global_\nexperiment_name: plain\nscript: src/train.py\n")
    with pytest.raises(ConfigError, match="what follows -- is for a Hydra app, and none is named"):
        compose(ComposeRequest(["experiment=plain", "--", "model=vit"]), app.workspace)


def test_the_last_word_of_a_key_counts(app: App) -> None:
    found = app.compose("--", "model=vit", "optimizer.lr=1", "model=resnet", "optimizer.lr=2", "+new=1", "+new=2")
    assert found.config["hydra_app"]["words"] == ["model=resnet", "optimizer.lr=2", "+new=2"]
    assert [found.config["params"]["model_choice"], found.config["params"]["new"]] == ["resnet", 2]


def test_params_are_words_of_the_app_wherever_they_are_set(app: App) -> None:
    app.write("conf/experiment/train.yaml", "# @package _global_\nexperiment_name: train\n"
              "hydra_app: {script: src/train.py, words: [model=vit]}\nparams: {optimizer: {lr: 0.7}, more: 'a b'}\n")  # fmt: skip
    found = app.compose("params.model.heads=8", "--", "data.batch_size=1")
    assert found.config["hydra_app"]["words"] == ["model=vit", "model.heads=8", "data.batch_size=1", "optimizer.lr=0.7", "+more='a b'"]
    assert [found.config["params"]["model"]["heads"], found.config["params"]["more"]] == [8, "a b"]
    assert found.origins["params.optimizer.lr"] == "conf/experiment/train.yaml:4"


def test_nothing_of_the_app_stays_in_this_process(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ConfigStore.instance().repo, "of_this_process.yaml", None)
    before = (dict(Singleton._instances), dict(BaseContainer._resolvers), set(ConfigStore.instance().repo))
    app.compose("--", "model=vit")
    assert dict(Singleton._instances).keys() - before[0].keys() <= {kind for kind in Singleton._instances if kind.__name__ == "Plugins"}
    assert dict(BaseContainer._resolvers).keys() >= before[1].keys()
    assert set(ConfigStore.instance().repo) >= before[2]


def test_the_jobs_words_say_where_its_outputs_are(app: App) -> None:
    found = resolve(ComposeRequest(["experiment=train", "env=current", "--", "model=vit"]), app.workspace)
    assert found.spec.code.script == "src/train.py"
    assert found.spec.code.arguments == ("model=vit", "hydra.run.dir=outputs")
    assert found.spec.code.argument_style == "none"


def test_settings_of_hydra_that_a_run_has_itself_are_told(app: App) -> None:
    app.write("configs/experiment/search.yaml", "# @package _global_\nhydra: {mode: MULTIRUN}\n")
    found = app.compose("--", "experiment=search", "hydra.run.dir=/elsewhere")
    assert found.config["hydra_app"]["words"][-1] == "hydra.mode=RUN"
    assert "hydra.run.dir=/elsewhere" in found.notes[-1]
    assert "MULTIRUN" in found.notes[-1]


MAIN = "import hydra\n@hydra.main(version_base=None, config_path={path}, config_name={name})\ndef main(cfg): ...\n"


@pytest.mark.parametrize(("script", "what", "hint"), [
    (MAIN.format(path="'../configs'", name="'train'") + MAIN.format(path="'c'", name="'d'"), "src/train.py has 2 calls of hydra.main",
     "write all three"),
    ("print(1)\n", "src/train.py has no @hydra.main", "hydra_app.script is the file that has it"),
    ("def f(:\n", "src/train.py is not Python", "hydra_app.script is the file that has it"),
    (MAIN.format(path="HERE + 'x'", name="'train'"), "config_path of @hydra.main is no literal, and the script is not run to know it",
     "write hydra_app.config_path=VALUE"),
    (MAIN.format(path="'../configs'", name="f()"), "config_name of @hydra.main is no literal, and the script is not run to know it",
     "write hydra_app.config_name=VALUE"),
    ("NAME = 'a'\nif len(NAME): NAME = 'train'\n" + MAIN.format(path="'../configs'", name="NAME"),
     "config_name of @hydra.main is no literal, and the script is not run to know it", "write hydra_app.config_name=VALUE"),
    ("import os\n" + MAIN.format(path="os.path.abspath('configs')", name="'train'"),
     "config_path of @hydra.main is no literal, and the script is not run to know it", "write hydra_app.config_path=VALUE"),
    ("import hydra\n@hydra.main(**options())\ndef go(cfg): ...\n",
     "config_path of @hydra.main is no literal, and the script is not run to know it", "write hydra_app.config_path=VALUE"),
    (MAIN.format(path="'../../configs'", name="'train'"),
     "the app's config_path '../../configs' is outside the source directory, so it would not travel", "set source_directory"),
    (MAIN.format(path="'/etc'", name="'train'"), "the app's config_path '/etc' is outside the source directory, so it would not travel",
     "set source_directory"),
    (MAIN.format(path="'nowhere'", name="'train'"), "the app's config_path 'nowhere' is no folder", "relative to the folder of the script"),
])  # fmt: skip
def test_where_the_configs_are_is_told_in_words(app: App, script: str, what: str, hint: str) -> None:
    app.write("src/train.py", script)
    assert hint in app.mistakes()[what]["hint"]


@pytest.mark.parametrize("script", [
    "from hydra import main as entry\n@entry('../configs', 'train', version_base=None)\ndef go(cfg): ...\n",
    "import hydra as h\nif True:\n    h.main(config_name='train', config_path='../configs')(print)\n",
    MAIN.format(path="NAME", name="'other'"),
    "from pathlib import Path\nC = Path(__file__).resolve().parents[1] / 'configs'\n" + MAIN.format(path="str(C)", name="'train'"),
    "from pathlib import Path\nHERE = Path(__file__).parent\n" + MAIN.format(path="str(HERE.parent.joinpath('configs'))", name="'train'"),
    "import os\nNAME: str = 'train'\n" + MAIN.format(path="os.path.join(os.path.dirname(__file__), '..', 'configs')", name="NAME"),
    "import hydra\nOPTIONS = {'config_path': '../configs', 'config_name': 'train'}\n@hydra.main(**OPTIONS)\ndef go(cfg): ...\n",
    "import hydra\nOPTIONS = dict(config_path='../configs')\n@hydra.main(config_name='train', **OPTIONS)\ndef go(cfg): ...\n",
    "from hydra_zen import zen\nzen(print).hydra_main(config_name='train', config_path='../configs', version_base='1.3')\n",
])  # fmt: skip
def test_a_decorator_is_known_in_its_forms_and_settings_win(app: App, script: str) -> None:
    app.write("src/schema.py", (app.root / "src" / "train.py").read_text())
    app.write("src/train.py", script)
    given = ["hydra_app.config_path=../configs", "hydra_app.config_name=train"] if "other" in script else []
    found = app.compose(*given, "--", "model=vit")
    assert found.config["params"]["model"]["heads"] == 4


def test_an_app_of_hydra_zen_has_groups_that_only_its_code_knows(app: App) -> None:
    app.write("src/train.py", "from hydra_zen import store, zen\nzen(print).hydra_main(config_name='app', version_base='1.3')\n")
    found = app.compose("--", "player.name=ivy", "+player/inventory=hard", "~player/pets")
    assert found.config["params"]["player"]["inventory_choice"] == "hard"
    assert found.config["params"]["player"].keys() == {"inventory", "inventory_choice", "name"}
    assert found.config["hydra_app"]["words"] == ["player.name=ivy", "+player/inventory=hard", "~player/pets"]
    assert "player/inventory/hard" in "".join(found.notes)


def test_places_that_are_given_reach_the_job(app: App) -> None:
    found = resolve(ComposeRequest(["experiment=train", "env=current", "hydra_app.config_path=../configs", "hydra_app.config_name=train"]),
                    app.workspace)  # fmt: skip
    assert found.spec.code.arguments[:2] == ("--config-path=../configs", "--config-name=train")


def test_a_missing_script_is_told_with_what_there_is(app: App) -> None:
    assert "there are" not in app.mistakes("hydra_app.script=src/nothing.py")["the script 'src/nothing.py' does not exist"]


@pytest.mark.parametrize("setting", ["script=src/train.py", "command=[ls]", "arguments=[a]", "argument_style=hydra"])
def test_an_app_and_another_way_to_run_are_told(app: App, setting: str) -> None:
    key = setting.partition("=")[0]
    assert f"{key} and hydra_app are both given, and an app has its own" in app.mistakes(setting)


def test_a_file_that_names_what_is_not_there_is_told_with_the_way_out(app: App) -> None:
    app.write("configs/data/digits.yaml", "defaults:\n  - of_a_package\n")
    told = app.mistakes()
    what = next(iter(told))
    assert "data/of_a_package" in what
    assert "hydra_app.registered=[NAME]" in told[what]["hint"]
    assert app.compose("hydra_app.registered=[data/of_a_package]").config["params"]["data_choice"] == "digits"


def test_a_search_path_that_is_not_installed_here_is_left_to_the_job(app: App) -> None:
    text = (app.root / "configs" / "train.yaml").read_text()
    app.write("configs/train.yaml", text + "hydra:\n  searchpath: ['pkg://package_of_nobody.conf', 'file://more']\n")
    app.write("more/model/tiny.yaml", "name: tiny\n")
    found = app.compose("--", "model=tiny")
    assert found.config["params"]["model"] == {"name": "tiny"}
    assert found.origins["params.model.name"] == "more/model/tiny.yaml:1"
    assert "pkg://package_of_nobody.conf" in found.notes[0]


STORE = "from hydra.core.config_store import ConfigStore\n"


def test_names_that_code_makes_up_leave_its_groups_open(app: App) -> None:
    app.write("src/more.py", f"{STORE}for name in NAMES:\n    ConfigStore.instance().store(group='db', name=name)\n")
    found = app.compose("--", "+db=mysql")
    assert "db/mysql" in found.notes[0]
    assert found.config["params"]["db_choice"] == "mysql"


def test_a_group_of_code_is_chosen_by_the_names_that_it_has(app: App) -> None:
    app.write("src/more.py", f"{STORE}cs = ConfigStore.instance()\ncs.store(group='db', name='pg', node={{}})\n")
    assert app.params("+db=pg")["db_choice"] == "pg"
    assert app.mistakes("--", "+db=pq")["'pq' is not a choice of the app's db"]["allowed"] == "pg"

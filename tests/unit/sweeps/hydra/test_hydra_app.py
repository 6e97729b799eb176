"""`hydra/sweeper=trainconf` in an app of somebody's own: the sweep is of the config that the app names, in the folder it names."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import __version__ as HYDRA_VERSION

from tests.conftest import ROOT, Answer, Shell, wait_for

APP = """\
import hydra
from trainconf import schema
from trainconf.composition.hydra.original import VERSION_BASE

schema.register()

@hydra.main(config_path="settings", config_name="other", **VERSION_BASE)
def main(cfg):
    raise AssertionError("trainconf runs the trials")

main()
"""
OTHER = """\
defaults:
  - /schema/config
  - compute: local
  - env: current
  - distributed: none
  - sweep: grid
  - _self_
  - override hydra/sweeper: trainconf
hydra:
  searchpath: ["file://CONF"]
experiment_name: of_the_app
script: train.py
params: {q: 0}
""".replace("CONF", str(ROOT / "conf"))


def test_an_apps_own_config_is_what_its_sweep_runs(workspace: Shell) -> None:
    workspace.write("app.py", APP)
    workspace.write("settings/other.yaml", OTHER)
    workspace.write("settings/config.yaml", OTHER.replace("of_the_app", "another"))
    words = [f"{key}={value}" for key, value in {"compute.lease_dir": workspace.leases, "params.q": "1,2"}.items()]
    done = subprocess.run([sys.executable, "app.py", "-m", *words], cwd=workspace.root, env=workspace.env, capture_output=True, text=True)
    assert done.returncode == 0, done
    params = [json.loads(path.read_text())["q"] for path in sorted(workspace.root.glob("runs/of_the_app/*/params.json"))]
    assert params == [1, 2]
    assert not (workspace.root / "runs/another").exists()


SEARCHED = OTHER.replace("  searchpath:", """\
  sweeper:
    params:
      +params.lr: tag(log, interval(0.001, 1))
      params.q: choice(1,2)
      params.sizes: [3, 4]
      params.opt: sgd,adam
  searchpath:""").replace("sweep: grid", "sweep: random") + "sweep: {max_total_runs: 3, seed: 1, space: {params.q: '5,6'}}\n"


def searched(workspace: Shell) -> list[dict[str, object]]:
    found = [json.loads(path.read_text()) for path in sorted(workspace.root.glob("runs/of_the_app/*/params.json"))]
    assert all(0.001 <= params["lr"] <= 1 and params["q"] in (5, 6) and params["opt"] in ("sgd", "adam") for params in found), found
    assert all(params["sizes"] == [3, 4] for params in found)
    return found


def test_what_hydras_own_sweeper_would_search_is_the_space(workspace: Shell) -> None:
    """In an app of Hydra's and by trainconf's own command; a list is one value, and `sweep.space` comes first."""
    workspace.write("app.py", APP)
    workspace.write("settings/other.yaml", SEARCHED)
    lease = f"compute.lease_dir={workspace.leases}"
    done = subprocess.run([sys.executable, "app.py", "-m", lease], cwd=workspace.root, env=workspace.env, capture_output=True, text=True)
    assert done.returncode == 0, done
    first = searched(workspace)
    assert len(first) == 3
    command = [sys.executable, "-m", "trainconf", "--config-dir", "settings", "--config-name", "other", "-m", lease, "+params.opt=adam"]
    done = subprocess.run(command, cwd=workspace.root, env=workspace.env, capture_output=True, text=True)
    assert done.returncode == 0, done
    assert [params for params in searched(workspace) if params not in first] == [
        {**params, "opt": "adam"} for params in first if params["opt"] != "adam"
    ]


def test_a_mistake_in_what_is_searched_names_its_line(here: Callable[..., Answer], workspace: Shell) -> None:
    workspace.write("settings/other.yaml", SEARCHED.replace("interval(0.001, 1)", "interval(0, 1)").replace("choice(1,2)", "chioce(1,2)"))
    words = ["--config-dir", str(workspace.root / "settings"), "--config-name", "other"]
    answer = here("plan", *words, "-m")
    assert answer.code == 2, answer
    assert "settings/other.yaml:12" in answer.err, answer
    assert here("config", *words).code == 0  # a single run has no use for it


def test_settings_of_another_sweeper_have_their_meaning_here(here: Callable[..., Answer], workspace: Shell) -> None:
    text = SEARCHED.replace("    params:\n", "    n_trials: 4\n    n_jobs: 2\n    direction: minimize\n    params:\n")
    workspace.write("settings/other.yaml", text.replace("max_total_runs: 3, ", ""))
    words = ["--config-dir", str(workspace.root / "settings"), "--config-name", "other", "--json"]
    answer = here("config", *words)
    assert answer.code == 0, answer
    config = json.loads(answer.out)["config"]
    assert (config["sweep"]["max_total_runs"], config["sweep"]["max_concurrent_runs"], config["metric"]["goal"]) == (4, 2, "minimize")


FOREIGN = """\
import hydra, math
from trainconf import Run

@hydra.main(config_path="conf", config_name="config", VERSION)
def main(cfg):
    for epoch in range(cfg.epochs):
        Run.get_context().log("loss", (math.log10(cfg.lr) + 2) ** 2 + cfg.db.cost + epoch / 10, step=epoch)
    print(cfg.lr, cfg.db.cost, cfg.note)

main()
""".replace(", VERSION", ', version_base="1.3"' if HYDRA_VERSION.startswith("1.3") else "")
FILES = {
    "conf/config.yaml": "defaults: [db: one, _self_]\nlr: 0.1\nepochs: 1\nnote: none\n",
    "conf/db/one.yaml": "cost: 1\n",
    "conf/db/two.yaml": "cost: 2\n",
    "conf/search.yaml": """\
defaults: [config, _self_, override hydra/sweeper: trainconf]
hydra:
  sweeper:
    params: {lr: "log_interval(0.0001, 1)", epochs: 3}
    words: [sweep=random, sweep.max_total_runs=4, sweep.seed=3, sweep/policy=median, metric.name=loss, metric.goal=minimize, WHERE]
""",
}


@pytest.fixture
def foreign(workspace: Shell) -> Callable[..., Answer]:
    """Starts a Hydra app that knows nothing of trainconf's config."""
    workspace.write("my_app.py", FOREIGN)
    for name, text in FILES.items():
        workspace.write(name, text.replace("WHERE", f"compute.lease_dir={workspace.leases}, compute.slots=2"))

    def start(*words: str, **env: str) -> Answer:
        command = [sys.executable, "my_app.py", "-m", *words]
        done = subprocess.run(command, cwd=workspace.root, env={**workspace.env, **env}, capture_output=True)
        return Answer(done.returncode, done.stdout, done.stderr)

    return start


def test_each_trial_of_a_foreign_app_is_a_run_of_its_script(
    foreign: Callable[..., Answer], here: Callable[..., Answer], workspace: Shell,
) -> None:  # fmt: skip
    answer = foreign("--config-name", "search", "db=one,two", "note=\"it's, [one]\"")
    assert answer.code == 0, answer
    found = json.loads(here("sweep", "show", "last", "--json").out)
    assert [trial["status"] for trial in found["trials"]] == ["Completed"] * 4
    assert found["best"]["value"] is not None
    for trial in found["trials"]:
        values = trial["values"]
        assert 0.0001 <= values["params.lr"] <= 1
        log = (workspace.root / "runs/my_app" / trial["run_id"] / "logs/std_log.txt").read_text()
        assert log == f"{values['params.lr']} {({'one': 1, 'two': 2})[values['params.db']]} it's, [one]\n"
    assert here("sweep", "extend", "last", "sweep.max_total_runs=5").code == 0
    assert json.loads(here("sweep", "show", "last", "--json").out)["trials"][4]["status"] == "Completed"


def test_what_cannot_be_searched_in_a_foreign_app_is_told(foreign: Callable[..., Answer], workspace: Shell) -> None:
    answer = foreign("hydra/sweeper=trainconf", "+new=1,2", "db@other=one,two", "lr=1,2")
    assert answer.code == 2
    assert list(answer.told) == ["trainconf cannot search +new", "trainconf cannot search db@other"]
    typo = foreign("--config-name", "search", "db.cots=1,2")
    assert (typo.code, list(typo.told)) == (2, ["trainconf cannot search db.cots: the app's config has no such key"]), typo
    assert "nearest  db.cost" in typo.err
    assert not workspace.run_dirs()


def test_a_foreign_app_of_which_nothing_varies_is_one_job(
    foreign: Callable[..., Answer], here: Callable[..., Answer], workspace: Shell,
) -> None:  # fmt: skip
    """As by Hydra's own sweeper."""
    answer = foreign("hydra/sweeper=trainconf", "lr=0.5", f'hydra.sweeper.words=["compute.lease_dir={workspace.leases}"]')
    assert answer.code == 0, answer
    (trial,) = json.loads(here("sweep", "show", "last", "--json").out)["trials"]
    assert (workspace.root / "runs/my_app" / trial["run_id"] / "logs/std_log.txt").read_text() == "0.5 1 none\n"


@pytest.mark.parametrize("more", [[], ["sweep=random", "sweep.max_total_runs=2", "sweep/policy=median"]])
def test_the_words_of_the_best_trial_are_those_of_the_app(
    foreign: Callable[..., Answer], here: Callable[..., Answer], workspace: Shell, more: list[str],
) -> None:  # fmt: skip
    words = ["metric.name=loss", "metric.goal=minimize", f"compute.lease_dir={workspace.leases}", *more]
    answer = foreign("hydra/sweeper=trainconf", "lr=0.01,0.1", "db=two", f"hydra.sweeper.words={json.dumps(words)}")
    assert answer.code == 0, answer
    assert here("sweep", "best", "last", "--words").out == "lr=0.01\n"


def test_a_foreign_app_whose_trials_fail_ends_with_code_1(foreign: Callable[..., Answer], workspace: Shell) -> None:
    words = f'hydra.sweeper.words=["compute.lease_dir={workspace.leases}"]'
    assert foreign("hydra/sweeper=trainconf", "lr=-1,-2", words).code == 1


def test_a_detached_sweep_of_an_app_prints_its_id_and_goes_on_by_itself(
    foreign: Callable[..., Answer], here: Callable[..., Answer], workspace: Shell,
) -> None:  # fmt: skip
    gated = "import os, time\n" + FOREIGN.replace("    print(", "    while not os.path.exists(cfg.note): time.sleep(0.02)\n    print(")
    workspace.write("my_app.py", gated)
    answer = foreign("--config-name", "search", f"note={workspace.root}/gate", "hydra.sweeper.detach=true")
    assert answer.code == 0, answer
    sweep = json.loads(here("sweep", "show", "last", "--json").out)
    assert answer.out.strip() == sweep["sweep_id"]
    assert "Completed" not in [trial["status"] for trial in sweep["trials"]], "it did not wait"
    workspace.write("gate", "")
    wait_for(lambda: json.loads(here("sweep", "show", "last", "--json").out)["status"] == "Completed")


def test_what_detach_may_be_is_told(foreign: Callable[..., Answer], workspace: Shell) -> None:
    answer = foreign("hydra/sweeper=trainconf", "hydra.sweeper.detach=later", "lr=1,2")
    assert (answer.code, list(answer.told)) == (2, ["hydra.sweeper.detach cannot be 'later'"]), answer
    assert not workspace.run_dirs()


def test_a_plain_run_says_once_that_the_sweeper_has_no_effect(foreign: Callable[..., Answer], workspace: Shell) -> None:
    command = [sys.executable, "my_app.py", "hydra/sweeper=trainconf", "hydra.sweeper.detach=true"]
    done = subprocess.run(command, cwd=workspace.root, env=workspace.env, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("has no effect on a single job")) == (0, 1), done
    assert not (workspace.root / "runs").exists()


@pytest.mark.slow
def test_hydra_finds_the_sweeper_of_an_installed_wheel(foreign: Callable[..., Answer], workspace: Shell, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist"], cwd=ROOT, check=True)
    (wheel,) = (tmp_path / "dist").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    workspace.write("my_app.py", FOREIGN + "import hydra_plugins.trainconf_sweeper as found\nprint(found.__file__)\n")
    answer = foreign("--config-name", "search", PYTHONPATH=str(tmp_path / "site"))
    assert answer.code == 0, answer
    assert str(tmp_path / "site") in answer.out
    assert len(list(workspace.root.glob("runs/my_app/*_*/params.json"))) == 4

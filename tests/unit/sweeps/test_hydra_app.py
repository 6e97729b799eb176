"""`hydra/sweeper=trainconf` in an app of somebody's own: the sweep is of the config that the app names, in the folder it names."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

from tests.conftest import ROOT, Answer, Shell

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


def test_settings_of_another_sweeper_are_told_by_their_name_here(here: Callable[..., Answer], workspace: Shell) -> None:
    text = SEARCHED.replace("    params:\n", "    n_trials: 4\n    n_jobs: 2\n    direction: minimize\n    params:\n")
    workspace.write("settings/other.yaml", text)
    answer = here("plan", "--config-dir", str(workspace.root / "settings"), "--config-name", "other", "-m")
    assert answer.code == 2, answer
    assert all(text in answer.err for text in ("sweep.max_total_runs", "sweep.max_concurrent_runs", "metric.goal"))

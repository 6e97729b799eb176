"""`hydra/sweeper=trainconf` in an app of somebody's own: the sweep is of the config that the app names, in the folder it names."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.conftest import ROOT, Shell

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

"""A Hydra app that is tuned by a sweeper of another package, and has `_target_`, a job log and a mode of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell

pytest.importorskip("cloudpickle")

PROJECT = Path(__file__).parent / "scripts" / "hydra_tuned"
SCRIPT = "0_fit/script.py"


@pytest.fixture
def app(shell: Shell) -> Shell:
    """The project, as it stands. What Hydra warns of in the app is the app's."""
    shutil.copytree(PROJECT, shell.root, dirs_exist_ok=True)
    shell.env["PYTHONWARNINGS"] = "ignore"
    return shell


def results(app: Shell) -> list[str]:
    """What the jobs have printed of their results, sorted."""
    logs = [path.parent / "logs" / "std_log.txt" for path in app.root.glob("runs/*/*/spec.json")]
    return sorted(line for log in logs for line in log.read_text().splitlines() if line.startswith("result"))


def multirun(app: Shell, *words: str) -> Answer:
    done = subprocess.run([app.python, SCRIPT, "-m", *words], cwd=app.root, env=app.env, capture_output=True)
    return Answer(done.returncode, done.stdout, done.stderr)


def test_an_experiment_runs_it_once_although_its_files_ask_for_a_multirun(app: Shell) -> None:
    assert app("init", "--script", SCRIPT, "--name", "fit").code == 0
    done = app("experiment=fit", f"compute.lease_dir={app.leases}", "--", "model=tree", "model.depth=2")
    assert done.code == 0, done
    assert results(app) == ["result Tree 6"]
    shown = json.loads(app("show", "last", "--json").out)
    assert [path.name for path in Path(shown["run_dir"], "outputs").glob("*.log")] == ["script_0.log"]
    assert shown["params"]["model"] == {"_target_": "__main__.Tree", "_convert_": "all", "depth": 2, "shape": {"width": 4}}
    assert "hydra_app.differs" not in shown["properties"]
    swept = app("-m", "experiment=fit", f"compute.lease_dir={app.leases}", "--", "model=tree,line")
    assert swept.code == 0, swept
    assert results(app) == ["result Line 8.0", "result Tree 5", "result Tree 6"]


def test_its_multirun_has_our_launcher(app: Shell) -> None:
    words = ("hydra/sweeper=basic", "hydra/launcher=trainconf", f"hydra.launcher.lease_dir={app.leases}", "model=tree", "model.depth=1,2")
    refused = multirun(app, *words)  # Hydra's own sweeper has no options of another, and Hydra says so
    assert "direction" in refused.err, refused
    files = app.root / "0_fit/config/main.yaml"
    text = files.read_text()
    files.write_text(text[: text.index("  sweeper:\n")] + text[text.index("  job_logging:\n"):])
    done = multirun(app, *words)
    assert done.code == 0, done
    assert results(app) == ["result Tree 5", "result Tree 6"]
    assert len(list(app.root.glob("logs/script/*/*/*/script_[01].log"))) == 2


def test_our_sweeper_takes_what_the_files_say_for_another_one(app: Shell) -> None:
    words = ["sweep=random", "sweep.seed=1", f"compute.lease_dir={app.leases}"]
    done = multirun(app, "hydra/sweeper=trainconf", f"hydra.sweeper.words={words}")
    assert done.code == 0, done
    assert "hydra.sweeper.study_name" in done.err
    assert "hydra.sweeper.sampler" in done.err
    found = json.loads(app("sweep", "show", "last", "--json").out)
    assert [trial["status"] for trial in found["trials"]] == ["Completed"] * 2
    assert found["metric"]["goal"] == "maximize"
    assert [list(trial["values"]) for trial in found["trials"]] == [["params.model.slope"]] * 2
    assert json.loads((app.root / "runs/script" / found["sweep_id"] / "sweep.json").read_text())["max_concurrent_runs"] == 1
    assert len(results(app)) == 2


def test_a_search_of_another_sweepers_code_is_refused(app: Shell) -> None:
    done = multirun(app, "hydra/sweeper=trainconf", "+hydra.sweeper.custom_search_space=package_of_nobody.configure", "model=tree")
    assert (done.code, list(done.told)) == (2, ["hydra.sweeper.custom_search_space is of another sweeper, and says what is searched"])
    assert not list(app.root.glob("runs/*/*"))

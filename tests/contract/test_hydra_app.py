"""A Hydra app that an experiment names: `trainconf experiment=train -- WORDS` here, in Docker, on Slurm; swept, run again, frozen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Answer, Shell

TEMPLATE = Path(__file__).parents[1] / "projects" / "hydra_template"


@pytest.fixture
def app(shell: Shell) -> Shell:
    """A workspace with a project in the shape of the usual templates. What Hydra warns of in the app is the app's."""
    shutil.copytree(TEMPLATE, shell.root, dirs_exist_ok=True)
    del shell.env["PYTHONWARNINGS"]
    return shell


def run(app: Shell, *texts: str) -> Answer:
    return app("experiment=train", "env=current", f"compute.lease_dir={app.leases}", "compute.slots=4", *texts)


def shown(app: Shell, name: str = "last") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(app("show", name, "--json").out)
    return found


def params(app: Shell) -> list[dict[str, Any]]:
    """Those of each run, oldest first."""
    return [json.loads((path / "params.json").read_text()) for path in app.run_dirs() if (path / "params.json").exists()]


def result(told: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(told["run_dir"]) / "outputs" / "result.json").read_text())
    return found


def test_its_run_dir_is_the_runs_and_its_values_are_params(app: Shell) -> None:
    done = run(app, "--", "model=vit", "trainer.max_epochs=3", "hydra.job.chdir=true")
    assert done.code == 0, done
    told = shown(app)
    outputs = Path(told["run_dir"]) / "outputs"
    assert sorted(path.name for path in outputs.iterdir()) == [".hydra", "result.json", "train.log"]
    assert result(told)["cwd"].endswith("/outputs")
    assert result(told)["seed"] in (42, "2121")
    assert told["params"]["model"]["heads"] == result(told)["config"]["model"]["heads"] == 4
    assert told["metrics"]["val_loss"] == pytest.approx(result(told)["loss"])
    assert "hydra_app.differs" not in told["properties"]
    found = app("ls", "--json", "--where", 'params.model_choice == "vit" and params.trainer.max_epochs == 3').out
    assert [each["run_id"] for each in json.loads(found)] == [told["run_id"]]
    assert "params.trainer.max_epochs = 3 " in app("show", "last", "--origin").out
    assert not list(app.root.glob("logs/*"))


def test_a_typo_queues_nothing(app: Shell) -> None:
    done = run(app, "--", "model=vti")
    assert done.code == 2
    assert done.told["'vti' is not a choice of the app's model"]["nearest"] == "model=vit"
    assert app.run_dirs() == []


def test_its_words_belong_behind_the_dashes(app: Shell) -> None:
    done = run(app, "model=vit", "trainer.max_epochs=3")
    assert done.code == 2
    assert done.told["model is not a setting"]["hint"] == "a word of the Hydra app stands behind --: -- model=vit"
    assert "-- trainer.max_epochs=3" in done.told["trainer.max_epochs is not a setting"]["hint"]
    shown_by_hydra = app("--cfg", "job", "experiment=train", "--", "model=vit")
    what = "a flag of Hydra's shows the config of trainconf, and words behind -- are of the app's"
    assert (shown_by_hydra.code, list(shown_by_hydra.told)) == (2, [what])


def test_what_its_code_does_is_the_runs_end(app: Shell) -> None:
    assert run(app, "--", "trainer.fail=true").code == 7
    assert shown(app)["exit_code"] == 7
    text = (app.root / "src" / "train.py").read_text()
    app.write("src/train.py", text.replace("import hydra\n", "import nothing_of_this_name\nimport hydra\n"))
    assert run(app, "submit.stream=false").code == 1
    assert "nothing_of_this_name" in (Path(shown(app)["run_dir"]) / "logs" / "std_log.txt").read_text()


def test_an_edit_after_the_submission_changes_nothing(app: Shell) -> None:
    submitted = run(app, "submit.detach=true", "--", "optimizer.lr=0.3")
    app.write("configs/model/resnet.yaml", "_target_: models.Resnet\nlayers: 1\nwidth: 1\n")
    assert app("wait", submitted.out.strip()).code == 0
    assert result(shown(app))["config"]["model"]["layers"] == 18
    again = app("rerun", "last", "--", "model=resnet", "optimizer.lr=0.2")
    assert again.code == 0, again
    told = shown(app)
    assert [told["params"]["model"]["layers"], told["params"]["optimizer"]["lr"]] == [18, 0.2]
    words = json.loads((Path(told["run_dir"]) / "run.json").read_text())["overrides"]
    assert [*words[:2], *words[-5:]] == ["experiment=train", "env=current", "submit.detach=true", "--", "optimizer.lr=0.3", "model=resnet",
                                        "optimizer.lr=0.2"]  # fmt: skip


def test_another_config_in_the_job_is_told_with_its_keys(app: Shell) -> None:
    """The package of its search path is there in the job, and here it is another."""
    text = (app.root / "configs" / "train.yaml").read_text()
    app.write("configs/train.yaml", f"{text}hydra:\n  searchpath: ['file://{app.home}/shared']\n")
    for name, lr in (("now", 0.5), ("then", 0.25)):
        (app.home / name / "optimizer").mkdir(parents=True)
        (app.home / name / "optimizer" / "ours.yaml").write_text(f"lr: {lr}\nnew_{name}: 1\n")
    (app.home / "shared").symlink_to("then")
    app.write("src/models.py", (app.root / "src" / "models.py").read_text())
    app.write("src/hydra_plugins/later.py", f"import os\nif not os.path.samefile('{app.home}/shared', '{app.home}/now'):\n"
              f"    os.unlink('{app.home}/shared')\n    os.symlink('now', '{app.home}/shared')\n")  # fmt: skip
    done = run(app, "--", "optimizer=ours")
    assert done.code == 0, done
    told = shown(app)["properties"]["hydra_app.differs"]
    assert told == "optimizer.lr: 0.25 -> 0.5; optimizer.new_then: 1 -> nothing"
    assert told in (Path(shown(app)["run_dir"]) / "logs" / "std_log.txt").read_text()


def test_a_grid_of_its_words_is_a_sweep(app: Shell) -> None:
    done = app("-m", "experiment=train", "env=current", f"compute.lease_dir={app.leases}", "compute.slots=4", "--", "model=resnet,vit",
               "optimizer.lr=0.1,0.2")  # fmt: skip
    assert done.code == 0, done
    found = [(each["model_choice"], each["optimizer"]["lr"]) for each in params(app)]
    assert found == [("resnet", 0.1), ("resnet", 0.2), ("vit", 0.1), ("vit", 0.2)]
    assert "params.model=vit params.optimizer.lr=0.2" in done.err


def test_a_search_draws_its_words_and_goes_on(app: Shell) -> None:
    words = ("experiment=train", "env=current", f"compute.lease_dir={app.leases}", "compute.slots=4", "sweep=random", "sweep.seed=1",
             "sweep.max_total_runs=3", "--", "model=resnet,vit", "optimizer.lr=tag(log,interval(1e-4,1))")  # fmt: skip
    planned = app("plan", "-m", *words)
    assert "params.optimizer.lr" in planned.out
    assert app("-m", *words).code == 0
    rates = [found["optimizer"]["lr"] for found in params(app)]
    assert len(set(rates)) == 3
    assert all(1e-4 <= rate <= 1 for rate in rates)
    again = app("rerun", "last:0", "--", "optimizer.lr=0.5")
    assert again.code == 0, again
    assert shown(app)["params"]["optimizer"]["lr"] == 0.5


def test_a_frozen_file_has_its_words(app: Shell) -> None:
    frozen = app("freeze", "experiment=train", "env=current", "-o", "train.lock.yaml", "--", "model=vit", "optimizer.lr=0.2")
    assert frozen.code == 0, frozen
    assert app("freeze", "--check", "train.lock.yaml").code == 0
    assert app("run", "train.lock.yaml", "--detach", f"compute.lease_dir={app.leases}").code == 0
    assert app("wait", "last").code == 0
    assert result(shown(app))["config"]["optimizer"]["lr"] == 0.2
    app.write("configs/model/vit.yaml", "_target_: models.Vit\nheads: 5\nwidth: 32\n")
    checked = app("freeze", "--check", "train.lock.yaml")
    assert checked.code == 1
    assert "model.heads: 4 -> 5  (configs/model/vit.yaml:2)" in checked.out


def test_check_composes_what_the_comments_of_its_experiment_say(app: Shell) -> None:
    assert "2 checked, 0 wrong" in app("check").err
    path = app.root / "conf" / "experiment" / "train.yaml"
    path.write_text(path.read_text().replace("model=vit", "model=vti"))
    checked = app("check")
    assert checked.code == 1
    assert "'vti' is not a choice of the app's model" in checked.out


def test_a_broken_plug_in_of_another_is_named_and_ls_does_not_care(app: Shell) -> None:
    app.write("elsewhere/hydra_plugins/bad.py", "\nraise RuntimeError('broken')\n")
    app.env["PYTHONPATH"] += f":{app.root}/elsewhere"
    done = run(app, "--", "model=vit")
    assert done.code == 2
    told = done.told["a plug-in of Hydra's cannot be imported: RuntimeError: broken"]
    assert told["from"] == f"{app.root}/elsewhere/hydra_plugins/bad.py:2"
    assert app("ls").code == 0
    assert app("--info", "all").code == 2


@pytest.mark.slurm
def test_four_on_slurm(app: Shell) -> None:
    done = app("-m", "experiment=train", "env=current", "compute=slurm", "--", "model=resnet,vit", "optimizer.lr=0.1,0.2")
    assert done.code == 0, done
    runs = [path for path in app.run_dirs() if (path / "params.json").exists()]
    assert len([path for path in runs if (path / "outputs" / ".hydra" / "config.yaml").exists()]) == 4


@pytest.mark.docker
@pytest.mark.network
def test_in_a_container(app: Shell, docker_settings: list[str]) -> None:
    done = app("experiment=train", "compute=docker", *docker_settings, 'env.requirements=["hydra-core==1.3.8"]', "--", "model=vit")
    assert done.code == 0, done
    assert result(shown(app))["config"]["model"]["heads"] == 4
    assert "hydra_app.differs" not in shown(app)["properties"]

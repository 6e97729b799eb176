"""`hydra/launcher=trainconf` in a Hydra app of anybody's: Hydra's own suite for launchers, and real apps on each target."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

pytest.importorskip("cloudpickle")

from hydra.core.singleton import Singleton
from hydra.test_utils.launcher_common_tests import BatchedSweeperTestSuite, IntegrationTestSuite, LauncherTestSuite
from hydra.version import VersionBase

from hydra_plugins import trainconf_launcher
from tests.conftest import wait_for
from trainconf import schema
from trainconf.compat.hydra import launcher
from trainconf.composition.hydra.loader import store_of
from trainconf.schema.submitit_words import PREFIX, words


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(Singleton._instances, VersionBase, raising=False)  # what another test of this process has composed by


@pytest.mark.slow
@pytest.mark.parametrize(("launcher_name", "overrides"), [("trainconf", [])])
class TestHydrasOwn(LauncherTestSuite):
    """What each launcher must do."""


@pytest.mark.slow
@pytest.mark.parametrize(("launcher_name", "overrides"), [("trainconf", ["hydra.sweeper.max_batch_size=2"])])
class TestHydrasOwnInBatches(BatchedSweeperTestSuite):
    """The same for a sweeper that asks for a few jobs at a time."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"), [({"defaults": [{"override hydra/launcher": "trainconf"}]}, ["-m"])],
)  # fmt: skip
class TestHydrasOwnInAProcess(IntegrationTestSuite):
    """The same as programs that are started."""


APP = """
import os, sys, time
import hydra
from hydra.core.hydra_config import HydraConfig
import helper

class Odd(Exception):
    def __init__(self, what, number):
        super().__init__(what)

@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg):
    found = HydraConfig.get()
    print(helper.WORD, helper.__file__, os.getcwd(), found.job.num, found.job.id, flush=True)
    if cfg.lr == 0.3:
        raise ValueError("too large")
    if cfg.lr == 0.4:
        sys.exit(3)
    if cfg.lr == 0.6:
        return (value for value in "ab")
    if cfg.lr == 0.7:
        raise Odd("odd", 7)
    if cfg.lr == 0.8:
        return Odd("odd", 8)
    if cfg.lr == 0.5:
        time.sleep(60)
    return cfg.lr * 2

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An app with a config of its own, which knows nothing of trainconf."""
    root = tmp_path / "an app"
    (root / "conf" / "db").mkdir(parents=True)
    (root / "app.py").write_text(APP)
    (root / "helper.py").write_text("WORD = 'first'\n")
    (root / "conf" / "config.yaml").write_text("defaults:\n  - db: mysql\n  - _self_\nlr: 0.1\n")
    for name in ("mysql", "pg"):
        (root / "conf" / "db" / f"{name}.yaml").write_text(f"name: {name}\nuser: me\n")
    return root


def multirun(app: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "app.py", "-m", "hydra/launcher=trainconf", "hydra.sweep.dir=out", *words]
    return subprocess.run(command, cwd=app, capture_output=True, text=True)


def runs_of(app: Path) -> list[Path]:
    return sorted(path.parent for path in (app / "runs").glob("app/*/spec.json"))


def has_begun(app: Path) -> bool:
    logs = [run / "logs" / "std_log.txt" for run in runs_of(app)]
    return any(log.exists() and "first" in log.read_text() for log in logs)


def test_a_multirun_is_a_sweep_that_history_can_be_asked_for(app: Path) -> None:
    done = multirun(app, "lr=0.1,0.2", "db=mysql,pg", "db.user=you")
    assert done.returncode == 0, done.stderr
    assert len(runs_of(app)) == 4
    params = [json.loads((run / "params.json").read_text()) for run in runs_of(app)]
    assert [found["lr"] for found in params] == [0.1, 0.1, 0.2, 0.2]
    assert [found["hydra_job"] for found in params] == [0, 1, 2, 3]
    assert params[0]["db_choice"] == "mysql"
    assert params[0]["db"] == {"user": "you"}
    first = (runs_of(app)[0] / "logs" / "std_log.txt").read_text()
    assert f"first {runs_of(app)[0]}/code/helper.py {app} 0 {runs_of(app)[0].name}" in first
    assert (app / "out" / "3" / ".hydra" / "config.yaml").exists()


def test_params_of_a_job_have_what_json_has_not_and_each_package_of_a_group() -> None:
    found = launcher._point(["lr=nan", "top=inf", "+db@source=pg", "db@target=mysql", "~db", "model/head=mlp", "hydra.job.name=x"], 3)
    assert found == {"params.lr": "nan", "params.top": "inf", "params.source": "pg", "params.target": "mysql", "params.model.head": "mlp",
                     "params.hydra_job": 3}  # fmt: skip


def test_the_store_of_a_job_has_no_option_of_a_plugin_that_it_may_lack() -> None:
    kind = dataclasses.make_dataclass("TPE", [("seed", int, 1)], namespace={"__module__": "hydra_plugins.hydra_optuna_sweeper.config"})
    store = store_of({})
    store.store(group="hydra/sweeper/sampler", name="tpe", node=kind)
    store.store(group="hydra/sweeper", name="basic", node={"a": 1})
    kept = launcher._without_plugins(store.repo)["hydra"]["sweeper"]
    assert (list(kept), kept["sampler"]) == (["sampler", "basic.yaml"], {})


def test_an_app_that_a_tool_of_python_starts_is_copied_and_not_the_tool(app: Path) -> None:
    command = [sys.executable, "-m", "cProfile", "-o", "profile", "app.py", "-m", "hydra/launcher=trainconf", "lr=0.1"]
    done = subprocess.run(command, cwd=app, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (runs_of(app)[0] / "code" / "app.py").exists()


OF_MAIN = """
import threading
import hydra
from hydra.core.utils import JobReturn

class Model:
    def __init__(self, lr):
        self.lr = lr

class Tree(Model):
    pass

class Locked(Model):
    lock = threading.Lock()  # a class that cannot be pickled

calls = []

def called():
    calls.append(1)

def told(returned):
    print("returned", type(returned._return_value) is Tree, returned._return_value.lr)
    return returned._return_value

@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg):
    hydra.utils.instantiate(cfg.called)
    assert calls == [1], calls
    assert hydra.utils.instantiate(cfg.locked).lr == 3
    model = hydra.utils.instantiate(cfg.model, lr=cfg.lr)
    assert isinstance(model, Model), type(model)
    return model

if __name__ == "__main__":
    JobReturn.return_value = property(told, JobReturn.return_value.fset)
    main()
"""


def test_what_the_script_has_by_a_target_is_what_its_function_knows(app: Path) -> None:
    (app / "app.py").write_text(OF_MAIN)
    (app / "conf" / "config.yaml").write_text(
        "lr: 0.1\nmodel: {_target_: __main__.Tree}\nlocked: {_target_: __main__.Locked, lr: 3}\ncalled: {_target_: __main__.called}\n"
    )
    done = multirun(app, "lr=0.1,0.2")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("returned")] == ["returned True 0.1", "returned True 0.2"]


def test_a_job_that_fails_fails_its_run_and_hydra_tells_why(app: Path) -> None:
    done = multirun(app, "lr=0.1,0.3")
    assert done.returncode != 0
    assert "too large" in done.stderr
    states = [(run / "events.jsonl").read_text().splitlines()[-1] for run in runs_of(app)]
    assert ['"Completed"' in states[0], '"Failed"' in states[1]] == [True, True]
    assert "ValueError: too large" in (runs_of(app)[1] / "logs" / "std_log.txt").read_text()


def test_a_job_that_ends_without_returning_is_named(app: Path) -> None:
    done = multirun(app, "lr=0.4")
    assert done.returncode != 0
    assert "has ended without returning: Failed, exit code 3" in done.stderr


def test_a_module_that_cannot_be_imported_in_the_job_alone_fails_its_run_and_is_in_the_log(app: Path) -> None:
    code = "import os\nif 'TRAINCONF_RUN_ID' in os.environ:\n    raise ImportError('not in a job')\nWORD = 'first'\n"
    (app / "helper.py").write_text(code)
    done = multirun(app, "lr=0.1")
    assert done.returncode != 0
    assert "has ended without returning: Failed, exit code 1" in done.stderr
    assert "ImportError: not in a job" in (runs_of(app)[0] / "logs" / "std_log.txt").read_text()


def test_an_app_that_cannot_be_imported_submits_nothing(app: Path) -> None:
    (app / "helper.py").write_text("raise ImportError('nowhere')\n")
    done = multirun(app, "lr=0.1")
    assert done.returncode != 0
    assert "ImportError: nowhere" in done.stderr
    assert not runs_of(app)


def test_a_job_is_composed_once_although_the_sweeper_has_checked_it(app: Path) -> None:
    text = (app / "app.py").read_text()
    counting = (
        "import atexit\nfrom hydra._internal.config_loader_impl import ConfigLoaderImpl as Loader\n"
        "compose, calls = Loader.load_sweep_config, []\n"
        "Loader.load_sweep_config = lambda *given: calls.append(given) or compose(*given)\n"
        "atexit.register(lambda: print('composed', len(calls)))\n"
    )
    (app / "app.py").write_text(counting + text)
    done = multirun(app, "lr=0.1,0.2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "composed 2"


@pytest.mark.parametrize(("lr", "told"), [("0.6", "cannot be pickled"), ("0.7", "Odd: odd"), ("0.8", "cannot be read here")])
def test_what_cannot_travel_back_is_told_and_is_in_the_log(app: Path, lr: str, told: str) -> None:
    done = multirun(app, f"lr={lr}")
    assert done.returncode != 0
    assert told in done.stderr.splitlines()[-1]
    ended = (runs_of(app)[0] / "events.jsonl").read_text().splitlines()[-1]
    assert ('"Completed"' if lr == "0.8" else '"Failed"') in ended
    if lr == "0.7":
        assert "in main\nOdd: odd\n" in (runs_of(app)[0] / "logs" / "std_log.txt").read_text()


def test_a_mistake_in_an_option_is_told_with_the_nearest(app: Path) -> None:
    done = multirun(app, "lr=0.1", "hydra.launcher.compute=slrm")
    assert done.returncode == 2
    assert "slrm" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (app / "runs").exists()


def test_a_job_logs_at_the_level_that_it_has_in_the_apps_own_process(app: Path) -> None:
    """A job_logging that names no level keeps that of hydra_logging, which the app's process has taken before."""
    (app / "conf" / "hydra" / "job_logging").mkdir(parents=True)
    (app / "conf" / "hydra" / "job_logging" / "plain.yaml").write_text(
        "version: 1\nhandlers:\n  console: {class: logging.StreamHandler, stream: ext://sys.stdout}\nroot: {handlers: [console]}\n"
        "disable_existing_loggers: false\n"
    )
    (app / "app.py").write_text(APP.replace("    found =", "    import logging\n    logging.getLogger('of_app').info('told')\n    found ="))
    done = multirun(app, "hydra/job_logging=plain")
    assert done.returncode == 0, done.stderr
    (run,) = runs_of(app)
    assert "told\n" in (run / "logs" / "std_log.txt").read_text()


def test_an_interruption_cancels_the_jobs(app: Path) -> None:
    command = [sys.executable, "app.py", "-m", "hydra/launcher=trainconf", "lr=0.5"]
    with subprocess.Popen(command, cwd=app, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: has_begun(app))
        process.send_signal(signal.SIGINT)
        assert process.wait(300) != 0
    wait_for(lambda: '"Canceled"' in (runs_of(app)[0] / "events.jsonl").read_text())


def test_a_plain_run_says_once_what_a_launcher_is_for(app: Path) -> None:
    done = subprocess.run([sys.executable, "app.py", "hydra/launcher=trainconf"], cwd=app, capture_output=True, text=True)
    assert done.stderr.count("has no effect on a single job") == 1


def test_the_options_of_hydra_submitit_launcher_are_taken(app: Path) -> None:
    done = multirun(app, "hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5", "hydra.launcher.cpus_per_task=1", "lr=0.2")
    assert done.returncode == 0, done.stderr
    assert json.loads((runs_of(app)[0] / "spec.json").read_text())


def test_the_launchers_options_are_the_settings_of_compute() -> None:
    kinds = [schema.group_schema("compute", {"target": target}) for target in ("local", "docker", "slurm")]
    known = {field.name for kind in kinds if kind is not None for field in dataclasses.fields(kind)}
    assert set(trainconf_launcher._COMPUTE) == known - {"target"}
    found = {word.removeprefix(PREFIX) for target in ("local", "docker", "slurm") for word in words(target)}
    assert set(trainconf_launcher._WORDS) == found - known


def test_the_option_words_of_submitit_are_those_of_compute(app: Path) -> None:
    words = ["hydra.launcher.timeout_min=5", "hydra.launcher.cpus_per_task=1", "hydra.launcher.name=mine", "+hydra.launcher.slurm_qos=high"]
    done = multirun(app, *words)
    assert done.returncode == 0, done.stderr
    config = yaml.safe_load((runs_of(app)[0] / "config.yaml").read_text())["config"]
    assert config["max_run_duration_seconds"] == 300
    assert (config["compute"]["cpus"], config["display_name"]) == (1, "mine")
    wrong = multirun(app, "hydra.launcher.timeout_min=soon", "hydra.launcher.tasks_per_node=2")
    assert wrong.returncode == 2
    assert "compute.timeout_min cannot be 'soon'" in wrong.stderr
    assert "hydra.launcher" in wrong.stderr
    assert "compute.tasks_per_node asks for ranks" in wrong.stderr


def test_a_job_that_prints_nothing_has_an_empty_log_and_returns(app: Path) -> None:
    printed = next(line for line in APP.splitlines() if line.startswith("    print("))
    (app / "app.py").write_text(APP.replace(printed + "\n", ""))
    done = multirun(app, "lr=0.1")
    assert done.returncode == 0, done.stderr
    assert (runs_of(app)[0] / "logs" / "std_log.txt").read_text() == ""
    shown = subprocess.run([sys.executable, "-m", "trainconf", "logs", runs_of(app)[0].name], cwd=app, capture_output=True, text=True)
    assert (shown.returncode, shown.stdout) == (0, "")


@pytest.mark.slurm
def test_on_slurm_by_the_names_of_hydra_submitit_launcher(app: Path) -> None:
    done = multirun(app, "hydra/launcher=submitit_slurm", "hydra.launcher.timeout_min=5", "lr=0.1,0.2")
    assert done.returncode == 0, done.stderr
    assert len(runs_of(app)) == 2
    assert all('"Completed"' in (run / "events.jsonl").read_text() for run in runs_of(app))


@pytest.mark.docker
@pytest.mark.network
def test_in_containers(app: Path, docker_settings: list[str]) -> None:
    if any(word.startswith("env.python.version") for word in docker_settings):
        pytest.skip("a pickle is read by the Python that wrote it, and the base image has another")
    quoted = ",".join("'" + word.replace("'", "\\'") + "'" for word in docker_settings)
    done = multirun(app, "hydra.launcher.compute=docker", f"hydra.launcher.words=[{quoted}]", "lr=0.1,0.2")
    assert done.returncode == 0, done.stderr
    assert "first" in (runs_of(app)[0] / "logs" / "std_log.txt").read_text()
    assert (app / "out" / "1" / ".hydra" / "config.yaml").exists()


@pytest.mark.docker
def test_in_containers_of_an_image_of_ones_own(app: Path, docker_base_image: str) -> None:
    packages = sysconfig.get_path("purelib")
    if not docker_base_image.startswith(f"python:{sys.version_info[0]}.{sys.version_info[1]}-"):
        pytest.skip("a pickle is read by the Python that wrote it, and the base image has another")
    words = [f"env.docker.image={docker_base_image}", f"+inputs.packages={packages}", f"+env.variables.PYTHONPATH={packages}"]
    done = multirun(app, "hydra.launcher.compute=docker", f"hydra.launcher.words={words}", "lr=0.1,0.2")
    assert done.returncode == 0, done.stderr
    assert (app / "out" / "1" / ".hydra" / "config.yaml").exists()

"""Whatever a script asks `wandb` and `trackio` for is answered: with what it means here, else with one line, "
"and never an AttributeError."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.unit.compat.tracking.conftest import Job

# Public names of wandb 0.31 and trackio 0.43, as their documentation lists them.
WANDB = (
    "init finish setup save sweep controller config log summary join Api Graph Image Plotly Video Audio Table EvalTable Html box3d "
    "Object3D "
    "Molecule Histogram ArtifactTTL log_artifact use_artifact log_model use_model link_model define_metric watch unwatch plot_table Run "
    "agent "
    "login restore alert Artifact AlertLevel Settings Config Error CommError UsageError termlog termwarn termerror require Classes "
    "JoinedTable "
    "visualize mark_preempting keras sklearn xgboost lightgbm catboost tensorboard gym jupyter sacred api util errors env sdk data_types "
    "plot "
    "integration apis old wandb_run _attach teardown run"
).split()
TRACKIO = (
    "init log log_system log_gpu log_artifact use_artifact log_cpu finish alert AlertLevel show sync freeze delete_project import_csv "
    "import_tf_events save Artifact ArtifactTTL Classes Config EvalTable Graph JoinedTable Molecule Plotly Settings ReferenceHandler "
    "register_reference_handler Image Video Audio Html Object3D Table Trace Histogram Markdown Api TRACKIO_LOGO_DIR config Run"
).split()
NEED_A_FRAMEWORK = {"keras", "xgboost", "catboost", "lightgbm"}


def test_every_public_name_of_the_original_is_there(job: Job) -> None:
    names = [name for name in WANDB if name not in NEED_A_FRAMEWORK]
    job(f"import wandb\nfor name in {names}: getattr(wandb, name)\nfrom wandb import *\ninit; log; Image\n")
    job(f"import trackio\nfor name in {TRACKIO}: getattr(trackio, name)\nfrom trackio import *\ninit\n", tool="trackio")


def test_a_name_that_means_nothing_is_told_once_and_can_be_used_in_any_way(job: Job) -> None:
    done = job(
        "import wandb, wandb.apis.reports as wr\nfrom wandb.integration.gym import monitor\nfrom wandb.nowhere.at_all import Something\n"
        "for _ in range(3): wandb.brand_new(1)(2).more[3]\n"
        "@wandb.decorate\ndef kept(): return 7\nassert kept() == 7\n"
        "class Mine(Something): pass\nassert not isinstance(Mine(), Something) and not wandb.brand_new and list(wandb.brand_new) == []\n"
        "with wandb.context() as inside: inside.x = 1\nmonitor()\n"
        "assert f'{wandb.brand_new:5d}' and not wandb.brand_new > 3 and int(wandb.brand_new) == 0\n"
        "try: 1/0\nexcept wandb.errors.WaitTimeoutError: pass\nexcept ZeroDivisionError: print('right')\n"
        "assert not hasattr(wandb, '__wrapped__')\n"
    )
    told = done.stderr.splitlines()
    assert done.stdout == "right\n"
    assert told.count("trainconf: wandb.brand_new does nothing here; the run is recorded without it") == 1
    assert len(told) == len(set(told))


def test_a_class_has_one_identity_wherever_it_is_imported_from(job: Job) -> None:
    job(
        "import wandb, wandb.data_types, wandb.sdk.wandb_run\nfrom wandb.wandb_run import Run\n"
        "from wandb.sdk.data_types.image import Image\n"
        "from wandb.sdk.lib.runid import generate_id\nfrom wandb.errors import CommError, Error\n"
        "from wandb.util import generate_id as other\n"
        "assert Run is wandb.Run is wandb.sdk.wandb_run.Run and Image is wandb.Image is wandb.data_types.Image and generate_id is other\n"
        "assert issubclass(CommError, Error) and len(generate_id()) == 8 and isinstance(wandb.init(), Run)\n"
    )


def test_libraries_that_look_for_an_installed_distribution_find_one(job: Job) -> None:
    code = (
        "from importlib.metadata import version, metadata\nprint(version({0!r}), metadata({0!r})['Name'])\n"
        "import {0}\nassert version({0!r}) == {0}.__version__ + '+trainconf'\n"
    )
    assert job(code.format("wandb")).stdout == "0.31.0+trainconf wandb\n"
    assert job(code.format("trackio"), tool="trackio").stdout == "0.43.0+trainconf trackio\n"


def test_the_current_run_of_trackio_takes_the_same(job: Job) -> None:
    job(
        "import trackio as wandb\n"
        "run = wandb.init(project='p', name='n', config={'lr': 1})\n"
        "assert wandb.config['lr'] == 1 and wandb.config.lr == 1 and 'lr' in wandb.config\n"
        "wandb.config.update({'lr': 2}, allow_val_change=True)\nwandb.log({'loss': 0.5})\nwandb.log({'loss': 0.25}, step=5)\n"
        "wandb.log_system({'gpu': 1})\n"
        "wandb.log({'t': wandb.Table(columns=['a'], data=[[1]]), 'note': wandb.Markdown('# x')})\n"
        "wandb.alert('low', 'text', level=wandb.AlertLevel.WARN)\n"
        "wandb.context_vars.current_project.get()\nwandb.show()\nrun.anything(1)\nimport trackio.sqlite_storage as storage\n"
        "from trackio.table import Table\nassert Table is wandb.Table and not storage.SQLiteStorage.get_logs('p', 'r')\nwandb.finish()\n",
        tool="trackio",
    )
    assert job.metrics() == [("loss", 0.5, 0), ("loss", 0.25, 5), ("system/gpu", 1, 5)]
    assert [line["kind"] for line in job.media("trackio")] == ["table", "markdown"]
    assert job.read("trackio/config.json") == {"lr": 2}


IN_JOBS = sorted(path for tool in ("tracking", "trackio", "wandb") for path in (ROOT / "trainconf" / "compat" / tool).rglob("*.py"))


@pytest.mark.parametrize("path", IN_JOBS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_jobs_import_is_in_the_grammar_of_python_3_8(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    later = [node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    assert not {"removeprefix", "removesuffix", "is_relative_to", "pairwise", "bit_count"} & set(later)

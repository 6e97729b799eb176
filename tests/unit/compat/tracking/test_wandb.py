"""`import wandb`: what scripts log, say and keep lands in the run, in a bare Python, without an account and a network."""

from __future__ import annotations

import zlib
from pathlib import Path

from tests.unit.compat.tracking.conftest import Job

GREETING = "trainconf: what the script gives to wandb is recorded in the run e-1; no account, no network (docs/tracking.md)\n"


def test_rows_are_metrics_with_their_steps_and_nested_names_are_joined_by_dots(job: Job) -> None:
    done = job(
        "import wandb\nwandb.login(key='x')\nrun = wandb.init(project='p')\n"
        "wandb.log({'loss': 0.5, 'train': {'a': 1, 'b': {'c': True}}})\n"
        "wandb.log({'loss': 0.25}, commit=False)\nwandb.log({'acc': 'good'}, commit=False)\nwandb.log()\n"
        "run.log({'loss': 0.1}, step=7)\nrun.log({'loss': None})\nassert run.step == 8 and wandb.run is run\nwandb.finish()\n"
        "assert wandb.run is None\n"
    )
    assert job.metrics() == [
        ("loss", 0.5, 0), ("train.a", 1, 0), ("train.b.c", True, 0), ("loss", 0.25, 1), ("acc", "good", 1), ("loss", 0.1, 7),
        ("loss", None, 7),
    ]  # fmt: skip
    assert done.stderr == GREETING
    assert job.read("wandb/summary.json") == {"loss": None, "train.a": 1, "train.b.c": True, "acc": "good"}


def test_names_tags_notes_and_config_are_said_of_the_run(job: Job) -> None:
    job(
        "import wandb\n"
        "with wandb.init(project='p', name='first', tags=['base', 'x'], notes='why', group='g', job_type='train', config={'lr': 0.1, "
        "'opt': {'b': [1]}}) as run:\n"
        "    assert (run.name, run.tags, run.notes, run.group, run.id) == ('first', ('base', 'x'), 'why', 'g', 'e-1')\n"
        "    run.config.epochs = 3\n    wandb.config['seed'] = 1\n    wandb.config.update({'lr': 0.2}, allow_val_change=True)\n"
        "    assert dict(wandb.config) == {'lr': 0.2, 'opt': {'b': [1]}, 'epochs': 3, 'seed': 1} and wandb.config.get('no', 5) == 5\n"
        "    wandb.log({'a': 1})\n    run.tags += ('later',)\n"
    )
    assert job.labels("tags") == {"base": "", "x": "", "later": "", "project": "p", "group": "g", "job_type": "train"}
    assert job.labels("properties") == {"config.lr": "0.2", "config.opt.b": "[1]", "config.epochs": "3", "config.seed": "1"}
    assert job.read("wandb/config.json") == {"lr": 0.2, "opt": {"b": [1]}, "epochs": 3, "seed": 1}


def test_a_config_takes_namespaces_and_dataclasses_and_changes_no_value_by_mistake(job: Job) -> None:
    job(
        "import argparse, wandb, dataclasses\nfrom wandb.sdk.lib.config_util import ConfigError\n"
        "@dataclasses.dataclass\nclass Other:\n    depth: int = 3\n"
        "wandb.init(config=argparse.Namespace(lr=0.1, path=None))\nwandb.config.update(Other())\n"
        "wandb.config.setdefaults({'lr': 9, 'new': 1})\n"
        "wandb.config.lr = 0.1\n"
        "try: wandb.config.lr = 0.2\nexcept ConfigError as error: print(error)\n"
        "try: wandb.config.nope\nexcept AttributeError as error: print(error)\n"
        "assert wandb.config.as_dict() == {'lr': 0.1, 'path': None, 'depth': 3, 'new': 1}\n"
    )


def test_params_that_are_no_arguments_are_the_config_and_win_over_the_script(job: Job, tmp_path: Path) -> None:
    (tmp_path / "params.json").write_text('{"lr": 0.5, "epochs": 2, "unset": null}')
    done = job(
        "import wandb\nwandb.init(config={'lr': 0.1, 'epochs': 9})\nwandb.config.update({'lr': 7}, allow_val_change=True)\n"
        "print(dict(wandb.config))",
        "--epochs=9", TRAINCONF_PARAMS=str(tmp_path / "params.json"),
    )  # fmt: skip
    assert done.stdout == "{'lr': 0.5, 'epochs': 9}\n"
    assert "config.lr stays 0.5, as the run was submitted; the script's 0.1 is not used\n" in done.stderr


def test_define_metric_gives_steps_and_what_a_summary_keeps(job: Job) -> None:
    job(
        "import wandb\nrun = wandb.init()\nwandb.define_metric('epoch')\nwandb.define_metric('val/*', step_metric='epoch')\n"
        "wandb.define_metric('val/acc', step_metric='epoch', summary='max,mean')\n"
        "wandb.define_metric('loss', summary='min', goal='minimize')\n"
        "for epoch, acc in ((10, 0.5), (20, 0.9), (30, 0.7)):\n"
        "    wandb.log({'loss': 1 - acc})\n    wandb.log({'epoch': epoch, 'val/acc': acc, 'val/x': float('nan')})\n"
        "assert run.summary['val/acc']['max'] == 0.9 and run.summary['loss']['min'] == 1 - 0.9, run.summary\n"
        "assert abs(run.summary['val/acc']['mean'] - 0.7) < 1e-9 and run.summary.get('loss.min') == 1 - 0.9\n"
        "try: wandb.define_metric('x', summary='most')\nexcept ValueError as error: assert 'min, max' in str(error)\n"
    )
    assert [(name, step) for name, _, step in job.metrics() if name != "val/x"] == [
        ("loss", 0), ("epoch", 1), ("val/acc", 10), ("loss", 2), ("epoch", 3), ("val/acc", 20), ("loss", 4), ("epoch", 5), ("val/acc", 30),
    ]  # fmt: skip


def test_what_a_script_puts_into_the_summary_is_a_metric(job: Job) -> None:
    job(
        "import wandb\nwandb.init()\nwandb.log({'loss': 2})\nwandb.run.summary['best'] = 0.5\n"
        "wandb.summary.update({'loss': 1, 'eval': {'f1': 0.7}})\n"
        "wandb.summary.final = 3\n"
        "assert dict(wandb.summary)['loss'] == 1 and 'best' in wandb.run.summary and wandb.summary['eval']['f1'] == 0.7\n"
    )
    assert job.metrics()[1:] == [("best", 0.5, None), ("loss", 1, None), ("eval.f1", 0.7, None), ("final", 3, None)]


def test_media_and_tables_become_files_and_images_are_those_of_the_run(job: Job) -> None:
    job(
        "import numpy as np, wandb\nwandb.init()\n"
        "open('clip.mp4', 'wb').write(b'film')\nopen('mol.pdb', 'w').write('ATOM')\n"
        "table = wandb.Table(columns=['id', 'picture'])\ntable.add_data(1, wandb.Image(np.zeros((2, 2))))\n"
        "wandb.log({'img': [wandb.Image(np.eye(4), caption='eye'), wandb.Image(np.zeros((3, 3, 3), dtype='uint8'))], 'table': table,\n"
        "  'film': wandb.Video('clip.mp4'), 'page': wandb.Html('<p>x</p>'), 'mol': wandb.Molecule('mol.pdb'), "
        "'cloud': wandb.Object3D(np.ones((2, 3))),\n"
        "  'sound': wandb.Audio(np.zeros(10), sample_rate=8000), 'spread': wandb.Histogram([1, 2, 2, 3], num_bins=2), "
        "'weights': np.arange(6.0),\n"
        "  'cm': wandb.plot.confusion_matrix(y_true=[0, 1, 1], preds=[0, 1, 0], class_names=['cat', 'dog'])})\n"
        "wandb.log({'after': 1})\n",
        bare=False,
    )  # fmt: skip
    kept = {line["name"]: line for line in job.media() if line["kind"] != "image"}
    assert {name: line["kind"] for name, line in kept.items()} == {
        "table": "table", "film": "video", "page": "html", "mol": "molecule", "cloud": "object3d", "sound": "audio",
        "spread": "histogram", "weights": "histogram", "cm": "confusion_matrix",
    }  # fmt: skip
    folder = job.run_dir / "outputs" / "wandb"
    assert (folder / kept["film"]["file"]).read_bytes() == b"film"
    assert (folder / kept["sound"]["file"]).read_bytes()[:4] == b"RIFF"
    assert kept["spread"]["values"] == [1, 3]
    assert job.read("wandb/" + kept["table"]["file"])["data"][0][1]["kind"] == "image"
    assert job.read("wandb/" + kept["cm"]["file"])["data"] == [["cat", "cat", 1], ["cat", "dog", 0], ["dog", "cat", 1], ["dog", "dog", 1]]
    eye = (folder / "media" / "image" / "img_0.png").read_bytes()
    chunk = eye[eye.index(b"IDAT") + 4 : eye.index(b"IEND") - 8]
    assert zlib.decompress(chunk)[:10] == b"\0\xff\0\0\0\0\0\xff\0\0"
    assert job.metrics() == [("after", 1, 1)]
    records = (job.run_dir / "records.jsonl").read_text()
    assert '"file":"outputs/wandb/media/image/img_0.png"' in records
    assert '"matrix":[[1,0],[1,1]]' in records


def test_artifacts_have_versions_and_are_found_again_here_and_in_other_runs(job: Job, tmp_path: Path) -> None:
    job(
        "import os, wandb\nrun = wandb.init()\nopen('m.txt', 'w').write('one')\nos.mkdir('d')\nopen('d/n.txt', 'w').write('n')\n"
        "def art():\n    made = wandb.Artifact('model', type='model', metadata={'acc': 1})\n    made.add_file('m.txt')\n"
        "    made.add_dir('d', name='sub')\n"
        "    with made.new_file('note.txt') as stream: stream.write('hi')\n    return made\n"
        "first = run.log_artifact(art(), aliases=['best'])\nopen('m.txt', 'w').write('two')\nwandb.log_artifact(art()).wait()\n"
        "used = run.use_artifact('me/project/model:best')\nassert used.version == 'v0' == first.version and used.metadata == {'acc': 1}\n"
        "assert open(used.get_path('m.txt').download()).read() == 'one' and sorted(used) == ['m.txt', 'note.txt', 'sub/n.txt']\n"
        "assert open(os.path.join(run.use_artifact('model:latest').download('copy'), 'm.txt')).read() == 'two'\n"
        "try: run.use_artifact('nope:v1')\nexcept wandb.errors.CommError as error: print(error)\n"
    )
    other = Job(tmp_path / "runs" / "e" / "e-2")
    data = tmp_path / "set"
    data.mkdir()
    done = other(
        "import wandb\nrun = wandb.init()\nprint(open(run.use_artifact('model:latest').get_path('m.txt').download()).read())\n"
        "print(run.use_artifact('data:v3').download())\n",
        TRAINCONF_INPUT_DATA=str(data),
    )
    assert done.stdout == f"two\n{data}\n"


def test_saved_files_and_those_in_the_runs_folder_are_outputs(job: Job) -> None:
    job(
        "import os, wandb\nrun = wandb.init()\nopen('a.pt', 'w').write('1')\nassert len(wandb.save('*.pt')) == 1\n"
        "open(os.path.join(wandb.run.dir, 'own.h5'), 'w').write('h')\nopen('a.pt', 'w').write('2')\nos.chdir('/')\n"
    )
    files = job.run_dir / "outputs" / "wandb" / "files"
    assert {path.name: path.read_text() for path in files.iterdir()} == {"a.pt": "2", "own.h5": "h"}


def test_a_sweep_is_told_in_our_words_and_its_agent_calls_the_function_once(job: Job, tmp_path: Path) -> None:
    (tmp_path / "params.json").write_text('{"lr": 0.5}')
    done = job(
        "import wandb\n"
        "def train():\n    with wandb.init() as run: print(run.config.lr, run.config.batch_size)\n"
        "sweep = {'method': 'bayes', 'metric': {'name': 'loss', 'goal': 'minimize'}, 'run_cap': 5, 'parameters': {\n"
        "  'lr': {'distribution': 'log_uniform_values', 'min': 1e-4, 'max': 0.1}, 'batch_size': {'values': [16, 32]}, "
        "'depth': {'min': 1, 'max': 4}}}\n"
        "wandb.agent(wandb.sweep(sweep, project='p'), function=train, count=5)\n",
        TRAINCONF_PARAMS=str(tmp_path / "params.json"),
    )
    assert done.stdout == "0.5 16\n"
    assert (
        "trainconf -m sweep=bayes metric.name=loss metric.goal=minimize sweep.max_total_runs=5 "
        "'+params.lr=log_interval(0.0001,0.1)' '+params.batch_size=16,32' '+params.depth=int(interval(1,4))'\n"
    ) in done.stderr
    assert "its params do not say batch_size, depth, so the first value of the space is taken" in done.stderr


def test_a_disabled_run_takes_every_call_and_leaves_nothing(job: Job) -> None:
    done = job(
        "import wandb\nfrom wandb.sdk.lib import RunDisabled\nrun = wandb.init(mode='disabled', name='n', tags=['t'], config={'a': 1})\n"
        "assert isinstance(run, RunDisabled) and run.config.a == 1\nwandb.log({'x': 1})\nwandb.save('*')\nrun.log_artifact('nope')\n"
        "run.summary['a'] = 1\nwandb.alert('t', 'x')\nwandb.finish()\n"
    )
    assert done.stderr == ""
    assert [path.name for path in job.run_dir.rglob("*") if path.is_file()] == []


def test_a_further_run_of_the_same_script_is_a_child_run(job: Job) -> None:
    (job.run_dir / "run.json").write_text('{"experiment_name": "e"}')
    job(
        "import wandb\nfor fold in range(3):\n    run = wandb.init(name='fold-%d' % fold, reinit=True, config={'fold': fold})\n"
        "    wandb.log({'loss': fold})\n"
        "    if fold == 0: open('m', 'w').write('zero'); run.log_artifact('m', name='model', type='model')\n"
        "    assert open(run.use_artifact('model').file()).read() == 'zero'\n    run.finish()\n"
    )
    assert job.metrics() == [("loss", 0, 0)]
    others = [path for path in job.run_dir.parent.glob("*/metrics.jsonl") if path.parent != job.run_dir]
    children = {path.read_text().split('"value":')[1][0]: path.parent for path in others}
    assert sorted(children) == ["1", "2"]
    assert (children["2"] / "outputs" / "wandb" / "config.json").read_text() == '{\n "fold": 2\n}\n'
    assert '"Completed"' in (children["2"] / "events.jsonl").read_text()


def test_environment_variables_of_the_original_count(job: Job) -> None:
    done = job(
        "import wandb\nrun = wandb.init()\nprint(run.project, run.name, run.tags, run.group, run.id)\n",
        WANDB_PROJECT="p", WANDB_NAME="n", WANDB_TAGS="a, b", WANDB_RUN_GROUP="g", WANDB_RUN_ID="mine", WANDB_SILENT="true",
        WANDB_API_KEY="k",
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("p n ('a', 'b') g mine\n", "")


def test_outside_a_run_it_prints_and_keeps_files_below_outputs(job: Job) -> None:
    done = job(
        "import wandb\nwandb.init(config={'lr': 1})\nwandb.log({'loss': 0.5})\nwandb.log({'page': wandb.Html('x')})\n",
        TRAINCONF_RUN_DIR="", TRAINCONF_RUN_ID="",
    )  # fmt: skip
    assert done.stdout == "loss = 0.5 (step 0)\n"
    assert job.read("wandb/config.json") == {"lr": 1}
    assert not (job.run_dir / "metrics.jsonl").exists()


def test_an_attempt_that_resumes_goes_on_after_the_last_step(job: Job) -> None:
    job("import wandb\nwandb.init(id='a', resume='allow')\nwandb.log({'loss': 1}, step=41)\n")
    job("import wandb\nrun = wandb.init(id='a', resume='allow')\nassert run.resumed\nwandb.log({'loss': 2})\n", TRAINCONF_ATTEMPT="2")
    assert job.metrics() == [("loss", 1, 41), ("loss", 2, 42)]


def test_scripts_replace_the_config_copy_it_and_put_it_into_checkpoints(job: Job) -> None:
    job(
        "import copy, pickle, wandb\nwandb.config = {'before': 1}\nrun = wandb.init(config={'lr': 0.1})\nassert wandb.config.lr == 0.1\n"
        "copied = copy.deepcopy(wandb.config)\ncopied.lr = 0.1\nassert pickle.loads(pickle.dumps(wandb.config)).lr == 0.1\n"
        "wandb.summary['a'] = 1\nassert pickle.loads(pickle.dumps(wandb.summary)) == {'a': 1} == dict(wandb.summary)\n"
        "assert pickle.loads(pickle.dumps(run)) is run\n"
        "wandb.config = {'epochs': 3, 'lr': 0.2}\nassert wandb.config['epochs'] == 3 and run.config.lr == 0.2\n"
        "if wandb.api.api_key is None: raise SystemExit('no key')\n"
    )
    assert job.read("wandb/config.json") == {"lr": 0.2, "epochs": 3}
    assert job.run_dir.joinpath("metrics.jsonl").read_text().count("\n") == 1


def test_the_command_wandb_does_nothing_and_says_so(job: Job) -> None:
    done = job("import runpy, sys\nsys.argv = ['wandb', 'login', 'key']\nrunpy.run_module('wandb', run_name='__main__')")
    assert done.stderr.startswith("trainconf: wandb login key does nothing here")

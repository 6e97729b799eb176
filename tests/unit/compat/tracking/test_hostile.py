"""Odd values, odd order, threads, forks and a full disk: what cannot be recorded is told once, and the training goes on."""

from __future__ import annotations

import pytest

from tests.unit.compat.tracking.conftest import Job


def test_values_of_every_kind_are_recorded_or_told(job: Job) -> None:
    done = job(
        "import wandb, decimal, datetime, numpy as np\nwandb.init()\n"
        "class Odd:\n    def __str__(self): raise RuntimeError('no text')\n"
        "class Item:\n    def item(self): raise KeyError('x')\n"
        "loop = {}; loop['loop'] = loop\n"
        "wandb.log({'nan': float('nan'), 'inf': -float('inf'), 'f16': np.float16(0.5), 'i64': np.int64(2**62), 'b': np.bool_(True), "
        "'one': np.array([3.0]),\n"
        "  'd': decimal.Decimal('1.5'), 't': datetime.date(2026, 1, 2), 1: 2, ('a', 'b'): 3, '': 4, 'odd': Odd(), 'item': Item(), "
        "'list': [1, 2], 'loop': loop,\n"
        "  'set': {2, 1}, 'bytes': b'x', 'f': len, 'empty': {}, 'huge': 10**400, 'n' * 5000: 1})\n"
        "wandb.log({'k%d' % n: {'x': n} for n in range(3000)})\nwandb.log({'end': 1})\n",
        bare=False,
    )
    found = {name: value for name, value, _ in job.metrics()}
    assert found["nan"] != found["nan"]
    assert (found["inf"], found["f16"], found["i64"], found["b"], found["one"], found["d"]) == (-float("inf"), 0.5, 2**62, True, 3.0, 1.5)
    assert (found["t"], found["1"], found["('a', 'b')"], found["(no name)"], found["k2999.x"]) == ("2026-01-02", 2, 3, 4, 2999)
    kept = {line["name"]: line.get("value") for line in job.media()}
    assert (kept["list"], kept["set"], kept["empty"]) == ([1, 2], [1, 2], {})
    assert found["end"] == 1
    assert "the name 1 is no text; it counts as '1'" in done.stderr
    assert "Traceback" not in done.stderr


def test_calls_in_a_wrong_order_are_told_once_and_go_on(job: Job) -> None:
    done = job(
        "import wandb\n"
        "for call in (lambda: wandb.log({'a': 1}), lambda: wandb.config.lr, lambda: wandb.save('x')):\n"
        "    try: call()\n    except wandb.Error as error: print(error)\n"
        "wandb.finish()\nrun = wandb.init(config={'a': 1})\n"
        "assert wandb.init(config={'b': 2}) is run and dict(run.config) == {'a': 1, 'b': 2}\n"
        "run.log({'x': 1}, step=5)\nrun.log({'x': 2}, step=3)\nrun.log({'x': 3}, step='odd')\nrun.finish()\nrun.finish()\n"
        "for _ in range(3): run.log({'x': 4}); wandb.log({'x': 5})\n"
        "try: run.log([1])\nexcept TypeError as error: print(error)\n"
    )
    assert done.stdout.splitlines() == [
        "wandb.log: call wandb.init() first", "wandb.config: call wandb.init() first", "wandb.save: call wandb.init() first",
        "wandb.log takes a dict of names and values, not a list",
    ]  # fmt: skip
    assert job.metrics() == [("x", 1, 5), ("x", 2, 3), ("x", 3, 5)]
    told = done.stderr.splitlines()
    assert len(told) == len(set(told)) == 6, told


def test_threads_and_forked_processes_log_whole_rows(job: Job) -> None:
    job(
        "import os, threading, wandb\nrun = wandb.init()\n"
        "def many(name):\n    for n in range(200): run.log({name: n})\n"
        "threads = [threading.Thread(target=many, args=('t%d' % n,)) for n in range(4)]\n"
        "[t.start() for t in threads]\npid = os.fork()\n"
        "if not pid: many('child'); os._exit(0)\n"
        "[t.join() for t in threads]\nassert os.waitpid(pid, 0)[1] == 0\n"
    )
    found = job.metrics()
    for name in ("t0", "t1", "t2", "t3", "child"):
        assert [value for other, value, _ in found if other == name] == list(range(200))
    assert sorted(step for name, _, step in found if name != "child") == list(range(800))


def test_a_script_that_dies_has_its_config_and_one_that_fails_its_summary(job: Job) -> None:
    job("import os, wandb\nwandb.init(config={'a': 1})\nwandb.config.b = 2\nwandb.log({'x': 1})\nos._exit(0)\n")
    assert job.read("wandb/config.json") == {"a": 1, "b": 2}
    job("import sys, wandb\nwandb.init()\nwandb.log({'x': 1})\nsys.exit(0)\n")
    assert job.read("wandb/summary.json") == {"x": 1}


@pytest.mark.parametrize(
    "what", ["resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))", "import shutil; shutil.rmtree('outputs'); open('outputs', 'w')"]
)
def test_a_disk_that_refuses_never_ends_the_training(job: Job, what: str) -> None:
    done = job(
        f"import resource, signal, wandb\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n{what}\n"
        "run = wandb.init(config={'a': 'x' * 200}, name='n')\n"
        "for n in range(50): wandb.log({'loss': n, 'page': wandb.Html('x' * 500), 't': wandb.Table(columns=['a'], data=[['x' * 500]])})\n"
        "artifact = wandb.Artifact('m', type='model')\nopen('/tmp/nothing', 'a').close()\nartifact.add(wandb.Html('y' * 500), 'p')\n"
        "run.log_artifact(artifact)\n"
        "wandb.save('*')\nrun.dir\nwandb.finish()\nprint('trained')\n"
    )
    assert done.stdout == "trained\n"
    assert 1 <= len(done.stderr.splitlines()) < 12, done.stderr
    assert not list(job.run_dir.rglob("*.part"))


def test_figures_and_pictures_that_cannot_be_read_are_told_by_name(job: Job) -> None:
    done = job(
        "import numpy as np, wandb\nwandb.init()\n"
        "class Figure:\n    def savefig(self, *a, **k): raise RuntimeError('no backend')\nFigure.__module__ = 'matplotlib.figure'\n"
        "wandb.log({'fig': Figure(), 'film': wandb.Video(np.zeros((2, 3))), 'gone': wandb.Image('/no/such.png')})\n"
        "try: wandb.Image(np.zeros((2, 2, 9)))\nexcept ValueError as error: print(error)\n"
        "wandb.log({'after': 1})\n",
        bare=False,
    )
    assert done.stdout == "a picture of shape (2, 2, 9); (height, width) or (height, width, 1 to 4) is one\n"
    assert "'fig' cannot be kept, the script goes on without: RuntimeError: no backend" in done.stderr
    assert job.metrics() == [("after", 1, 1)]


def test_threads_that_keep_the_same_file_or_artifact_at_a_time_do_not_mix_them(job: Job) -> None:
    job(
        "import json, os, threading, wandb\nfrom trainconf.compat.tracking.folder import replace\nrun = wandb.init()\nwrong = []\n"
        "def keep(number):\n  try:\n    for _ in range(50): replace('same.json', json.dumps([number] * 1000))\n"
        "    art = wandb.Artifact('model', type='model')\n"
        "    with art.new_file('n.txt') as stream: stream.write(str(number))\n"
        "    run.log_artifact(art)\n  except BaseException as error: wrong.append(repr(error))\n"
        "all = [threading.Thread(target=keep, args=(number,)) for number in range(4)]\n"
        "for one in all: one.start()\nfor one in all: one.join()\n"
        "assert not wrong, wrong\nassert len(set(json.load(open('same.json')))) == 1\n"
    )
    kept = job.run_dir / "outputs" / "wandb" / "artifacts" / "model"
    assert sorted((kept / f"v{number}" / "n.txt").read_text() for number in range(4)) == list("0123")
    assert sorted(path.name for path in kept.iterdir()) == sorted(f"v{number}{ending}" for number in range(4) for ending in ("", ".json"))

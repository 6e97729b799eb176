"""Writes docs/pictures/*.png, of what runs in a real Chromium: notebook-* of a JupyterLab, page-* of `trainconf ui`,
vscode-* of the extension of VS Code.

    python docs/pictures.py [notebook|page|vscode]

It needs what `tests/testbed/up browser` brings, and a package index the first time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, os.fspath(ROOT))

from tests.conftest import Shell  # noqa: E402  it is no part of the package
from tests.editors.code_server import SCRIPT as CODE  # noqa: E402
from tests.editors.code_server import serving, write_workspace  # noqa: E402
from tests.page.conftest import SCRIPTS, Lab  # noqa: E402
from tests.projects.jupyter import jupyter_python, settle, write_notebook  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
SCRIPT = """\
import argparse, math, random, time
from trainconf import Run

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--pause", type=float, default=0.0)
args = parser.parse_args()
run, chance = Run.get_context(), random.Random(args.batch)
for epoch in range(24):
    loss = math.exp(-epoch * args.lr) + 0.15 + chance.uniform(0, 0.05)
    run.log("loss", loss, step=epoch)
    run.log("val_accuracy", 1 - 0.6 * math.exp(-epoch * args.lr / 2) - chance.uniform(0, 0.03), step=epoch)
    print(f"epoch {epoch} loss {loss:.4f}", flush=True)
    time.sleep(args.pause)
"""
CELLS = [
    "%load_ext trainconf\nfrom trainconf import RunDetails, Workspace, Run",
    "%trainconf experiment=adhoc env=current script=train.py +params.lr=0.15 +params.pause=0.25 metric.name=val_accuracy --detach",
    "!{python} -m trainconf -m experiment=adhoc env=current script=train.py +params.lr=0.02,0.05,0.1,0.3 +params.batch=16,64 "
    "metric.name=val_accuracy 2>/dev/null >/dev/null\nRunDetails('last').show()",
    "RunDetails(['last:0', 'last:4', 'last:7']).show()",
]


TRAIN = """\
import math, random, sys, time
from trainconf import Run

params = dict(word.split("=", 1) for word in sys.argv[1:])
run, lr, pause_s = Run.get_context(), float(params["lr"]), float(params.get("pause_s", 0))
chance = random.Random(lr)
for epoch in range(400):
    loss = 0.08 + 2.2 * math.exp(-epoch * lr / 12) + chance.uniform(0, 0.09)
    accuracy = 0.985 - 0.8 * math.exp(-epoch * lr / 16) - chance.uniform(0, 0.03)
    run.log("train/loss", loss, step=epoch)
    run.log("val_loss", loss * 1.1 + chance.uniform(0, 0.05), step=epoch)
    run.log("val_accuracy", accuracy, step=epoch)
    norm = 0.4 + 3 * math.exp(-epoch / 60) + chance.uniform(0, 0.4)
    run.log("train/grad_norm", float("nan") if lr > 0.8 and epoch == 211 else norm, step=epoch)
    print(f"\\x1b[32mepoch\\x1b[0m {epoch:3d}  loss {loss:.4f}  \\x1b[1mval_accuracy\\x1b[0m {accuracy:.4f}")
    for turn in range(5):
        print(f"\\r{turn * 25:3d} % {'█' * turn * 4}", end="", flush=True)
        time.sleep(pause_s / 5)
    print()
    if lr > 0.8 and epoch == 211:
        raise FloatingPointError("the gradient is not finite after step 211; loss scale 1.0")
"""
SHOTS = [
    "runs light 1440 760 /runs?chosen={chosen}&smooth=0.8&columns=params.lr,metrics.val_loss:min",
    "charts dark 1440 860 /runs/{failed}/charts?smooth=0.6",
    "log light 1440 620 /runs/{failed}/log",
    "compare light 1440 760 /compare?runs={chosen}",
    "run light 1440 820 /runs/{going}",
    "sweep light 1440 900 /sweeps/{sweep}",
    "now dark 1440 560 /now",
    "narrow dark 400 820 /runs/{failed}",
]


def main(what: list[str]) -> None:
    """Write every picture, or one kind."""
    PICTURES.mkdir(exist_ok=True)
    for name, write in {"notebook": notebook, "page": page, "vscode": vscode}.items():
        if not what or name in what:
            write()


def page() -> None:
    """What `trainconf ui` shows of runs that have ended, and of one that goes on."""
    with tempfile.TemporaryDirectory() as name:
        shell = Shell(Path(name) / "digits-lab", Path(name) / "home")
        shell.root.mkdir()
        shell.home.mkdir()
        lab = Lab(shell)
        venv = Path(name) / "venv"
        venv.symlink_to(sys.prefix)  # where it lies here is nobody's business
        shell.python = os.fspath(venv / "bin" / "python")
        shell.write("train.py", TRAIN)
        done = [lab.train(f"lr={lr}") for lr in (0.05, 0.1, 0.2, 0.4, 0.6)]
        failed = lab.train("lr=0.9", "pause_s=0.01")
        search = ["sweep=random", "sweep.seed=1", "+params.lr=log_interval(0.02,0.8)", "+params.optimizer=choice(adam,sgd)"]
        shell("-m", *lab.words(), *search, "sweep.max_total_runs=24", "sweep.max_concurrent_runs=2")
        (sweep,) = [path.parent.name for path in shell.root.glob("runs/*/*/sweep.json")]
        going, *others = [lab.start("lr=0.3", "pause_s=0.5") for _ in range(5)]  # one more than there are slots
        link = lab.serve()
        try:
            named = {"chosen": ",".join([done[0], done[2], failed, going]), "failed": failed, "going": going, "sweep": sweep}
            shots = [shot.format_map(named).split() for shot in SHOTS]
            words = [os.fspath(word) for word in (jupyter_python(), SCRIPTS / "browse.py", "pictures", link, PICTURES)]
            subprocess.run([*words, *(word for shot in shots for word in shot)], check=True)
        finally:
            lab.close()
            shell("cancel", going, *others)
            shell("wait", going, *others)


def notebook() -> None:
    """What a notebook shows."""
    python = jupyter_python()
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name) / "work", Path(name) / "out"
        settle(folder, Path(name) / "leases")
        out.mkdir()
        (folder / "train.py").write_text(SCRIPT)
        write_notebook(folder / "pictures.ipynb", *(cell.replace("{python}", str(python)) for cell in CELLS))
        lab = (python, ROOT / "tests" / "projects" / "scripts" / "lab.py", "pictures", folder, out)
        subprocess.run([os.fspath(word) for word in lab], check=True, env=os.environ | {"PYTHONPATH": os.fspath(ROOT)})
        for path in out.glob("*.png"):
            (PICTURES / path.name).write_bytes(path.read_bytes())


def vscode() -> None:
    """What VS Code shows on the way of its test."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving(write_workspace(folder / "lab"), folder) as link:
            subprocess.run([jupyter_python(), CODE, link, folder], check=True, stdout=subprocess.DEVNULL)
        for path in folder.glob("vscode-*.png"):
            (PICTURES / path.name).write_bytes(path.read_bytes())


if __name__ == "__main__":
    main(sys.argv[1:])

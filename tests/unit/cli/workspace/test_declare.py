"""An experiment made of a script: what the script declares is read without running it, and what is written composes to just that."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainconf.cli.workspace.declare import declare
from trainconf.cli.workspace.script_reader import goal_of, read
from trainconf.composition.compose import compose
from trainconf.errors import ConfigError, UserError
from trainconf.paths import WorkspacePaths

ARGPARSE = '''
import argparse
raise SystemExit("it was run")
p = argparse.ArgumentParser()
group = p.add_argument_group("x")
p.add_argument("data")
group.add_argument("-l", "--lr", type=float, default=0.1, help="step # size\\n'")
p.add_argument("--n-estimators", type=int, required=True)
p.add_argument("--opt", choices=["sgd", "adam"], default="sgd")
p.add_argument("--amp", action="store_true")
p.add_argument("--no-bias", dest="bias", action="store_false")
p.add_argument("--warm", action=argparse.BooleanOptionalAction, default=True)
p.add_argument("--layers", nargs="+", type=int, default=(8, 4))
p.add_argument("--optim.lr", default=-1)
p.add_argument("--out", default=__file__)
p.add_argument("--version", action="version")
'''
CLICK = '''
import click
@click.command()
@click.option("--lr", "-l", default=0.1, help="rate")
@click.option("--shout/--no-shout", default=True)
@click.option("--quiet", is_flag=True)
@click.option("--opt", type=click.Choice(["a", "b"]), required=True)
@click.argument("path")
def main(**words): ...
'''
TYPER = '''
import typer
from typing import Annotated
app = typer.Typer()
def helper(x: int = 3): ...
@app.command()
def main(data: str, lr: float = 0.1, n_epochs: Annotated[int, typer.Option(help="passes")] = 5, fast: bool = False,
         warm: bool = True, name: str = typer.Option(..., "--title", help="x"), *, seed: int = 1): ...
'''
ABSL = '''
from absl import flags
flags.DEFINE_float("lr", 0.1, "rate")
flags.DEFINE_bool("amp", True, "mixed precision")
flags.DEFINE_enum("opt", "sgd", ["sgd", "adam"], "which")
'''
COMMANDS = {
    """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--verbose", action="store_true")
commands = parser.add_subparsers(dest="command", required=True)
p = commands.add_parser("eval")
p.add_argument("checkpoint")
p.add_argument("--split", default="test")
p = commands.add_parser("fit", help="train")
p.add_argument("data")
group = p.add_argument_group("optimizer")
group.add_argument("--lr", type=float, default=0.1)
commands.add_parser("list")
""": (["fit", "???"], {"lr": 0.1}, "one of eval, fit, list; before it: --verbose; data"),
    """
import argparse
commands = argparse.ArgumentParser().add_subparsers()
for name in ("fit", "test"):
    p = commands.add_parser(name)
    p.add_argument("--trainer.max_epochs", type=int, default=3)
commands.add_parser("test2")
""": (["fit"], {"trainer": {"max_epochs": 3}}, "one of fit, test, test2"),
    """
from jsonargparse import ArgumentParser
parser = ArgumentParser()
parser.add_argument("--config")
fit, test = ArgumentParser(), ArgumentParser()
commands = parser.add_subcommands()
learn = ArgumentParser()
learn.add_argument("--trainer.max_epochs", type=int, default=5)
commands.add_subcommand("fit", learn)
other = ArgumentParser()
other.add_argument("--split", default="a")
commands.add_subcommand("test", other)
""": (["fit"], {"trainer": {"max_epochs": 5}}, "one of fit, test; before it: --config"),
    """
import lightning.pytorch.cli as lightning_cli
lightning_cli.LightningCLI()
""": (["fit"], {}, "one of fit, predict, test, validate"),
    """
import click
@click.group()
@click.option("--debug", is_flag=True)
def cli(debug): ...
@cli.command()
def evaluate_it(): ...
@cli.command("learn")
@click.option("--lr", default=0.5)
def learn_it(lr): ...
""": (["learn"], {"lr": 0.5}, "one of evaluate-it, learn; before it: --debug"),
    """
import typer
app = typer.Typer()
@app.command()
def train(lr: float = 0.2): ...
@app.command()
def evaluate(data: str, batch: int = 3, top: int = 5): ...
""": (["train"], {"lr": 0.2}, "one of evaluate, train"),
}
READ: dict[str, tuple[dict[str, Any], list[str]]] = {
    ARGPARSE: ({"lr": 0.1, "n-estimators": "???", "opt": "sgd", "amp": False, "no-bias": False, "no-warm": False, "layers": [8, 4],
                "optim": {"lr": -1}, "out": None}, ["data"]),
    CLICK: ({"lr": 0.1, "no-shout": False, "quiet": False, "opt": "???"}, ["path"]),
    TYPER: ({"lr": 0.1, "n-epochs": 5, "fast": False, "no-warm": False, "title": "???", "seed": 1}, ["data"]),
    ABSL: ({"lr": 0.1, "noamp": False, "opt": "sgd"}, []),
    "LR = 0.1\nprint('x')\n": ({}, []),
    "": ({}, []),
}  # fmt: skip


def composed(root: Path, name: str, *words: str) -> dict[str, Any]:
    return compose([f"experiment={name}", *words], WorkspacePaths(str(root))).config


@pytest.mark.parametrize("code", COMMANDS)
def test_of_a_script_with_commands_the_one_that_trains_is_declared(code: str, tmp_path: Path) -> None:
    arguments, params, told = COMMANDS[code]
    (tmp_path / "tool.py").write_text(code)
    declared = declare(str(tmp_path), str(tmp_path / "tool.py"))
    text = (tmp_path / "conf" / "experiment" / "tool.yaml").read_text()
    given = [word.replace("???", "x") for word in arguments]
    assert composed(tmp_path, "tool", f"arguments={given}")["params"] == params
    assert f"  # {told}\n" in text
    assert [word.strip("'") for word in text.partition("arguments: [")[2].partition("]")[0].split(", ")] == arguments
    assert "command" in dict(declared.guesses)


@pytest.mark.parametrize(("code", "told"), [
    ("import fire\ndef f(lr=1): ...\nfire.Fire(f)\n", "fire makes options of the code"),
    ("from jsonargparse import auto_cli\ndef f(lr=1): ...\nauto_cli(f)\n", "jsonargparse makes options of the code"),
    ("from lightning.pytorch.cli import LightningCLI\nclass Mine(LightningCLI): ...\nMine()\n", "docs/lightning.md has them in a file"),
    ("import sys\nprint(sys.argv)\n", "no arguments were found in the script"),
])  # fmt: skip
def test_options_that_are_made_of_signatures_are_named_as_such(code: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(code)
    assert told in dict(declare(str(tmp_path), str(tmp_path / "train.py")).guesses)["params"]


def test_a_module_of_a_package_is_run_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "train.py").write_text("def f():\n    from . import model\n")
    declared = declare(str(tmp_path), str(tmp_path / "pkg" / "train.py"))
    assert composed(tmp_path, "train")["command"] == ["python", "-m", "pkg.train"]
    assert dict(declared.guesses)["command"] == "python -m pkg.train: its relative imports want that"


@pytest.mark.parametrize("code", READ)
def test_what_a_script_declares_is_what_composes(code: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(code)
    params, positionals = READ[code]
    declare(str(tmp_path), str(tmp_path / "train.py"))
    given_words = [f"params.{name}=x" for name, value in params.items() if value == "???"]
    if positionals:
        with pytest.raises(ConfigError, match="arguments has no value"):
            composed(tmp_path, "train", *given_words)
        given_words += [f"arguments=[{','.join(positionals)}]"]
    config = composed(tmp_path, "train", *given_words)
    assert config["params"] == {name: "x" if value == "???" else value for name, value in params.items()}
    assert config["script"] == "train.py"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    default=st.one_of(
        st.text(max_size=8), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.none(),
        st.lists(st.text(max_size=4), max_size=2),
    ),
    text=st.text(max_size=20), name=st.from_regex(r"[a-z][a-z0-9_-]{0,6}", fullmatch=True),
)  # fmt: skip
def test_any_default_and_any_help_arrive_as_they_are(default: Any, text: str, name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("a workspace")
    call = f"parser.add_argument({'--' + name!r}, default={default!r}, help={text!r})"
    ast.parse(call)
    (root / "train.py").write_text(call, "utf-8", "surrogatepass")
    declare(str(root), str(root / "train.py"))
    hypothesis.assume("???" not in (default if isinstance(default, list) else [default]))
    assert composed(root, "train")["params"] == {name: default}


def test_software_and_metric_are_guessed_and_told(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/main.py").write_text("import wandb\nwandb.log({'train_loss': 1, 'val_acc': 2})\nrun.log('lr', 3)\n")
    (tmp_path / "requirements.txt").write_text("numpy\n")
    declared = declare(str(tmp_path), str(tmp_path / "src/main.py"))
    assert declared.experiment == "src"
    config = composed(tmp_path, "src")
    assert config["metric"] == {"name": "val_acc", "goal": "maximize"}
    assert config["env"]["requirements_file"] == "requirements.txt"
    assert composed(tmp_path, "src", "env=current")["env"]["requirements_file"] is None  # what is told of it holds
    (tmp_path / "eval.py").write_text("")
    assert declare(str(tmp_path), str(tmp_path / "eval.py")).additions.kept == ["conf/env/project.yaml"]
    assert config["compat"] == ["wandb"]
    assert [what for what, _ in declared.guesses] == ["software", "imports", "params", "metric"]


def test_extras_and_groups_of_a_pyproject_are_named_and_compose_when_they_are_taken(tmp_path: Path) -> None:
    (tmp_path / "t.py").write_text("")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\ndependencies = ["numpy"]\n[project.optional-dependencies]\n"a-b" = ["rich"]\n'
        '[dependency-groups]\ndev = ["ruff"]\n'
    )
    declared = declare(str(tmp_path), str(tmp_path / "t.py"))
    assert [text for what, text in declared.guesses if what == "not installed"] == [
        "'a-b' of pyproject.toml: `pyproject_extras: [...]` adds some", "'dev' of pyproject.toml: `pyproject_groups: [...]` adds some",
    ]
    path = tmp_path / "conf" / "env" / "project.yaml"
    assert composed(tmp_path, "t")["env"]["pyproject_extras"] == []
    path.write_text(path.read_text().replace("# pyproject", "pyproject"))
    env = composed(tmp_path, "t")["env"]
    assert (env["pyproject_extras"], env["pyproject_groups"]) == (["a-b"], ["dev"])


@pytest.mark.parametrize(("metric", "goal"), [
    ("val_loss", "minimize"), ("f1", "maximize"), ("mAP", "maximize"), ("lr", ""), ("loss_score", ""),
])  # fmt: skip
def test_the_goal_is_guessed_only_where_the_name_says_it(metric: str, goal: str) -> None:
    assert goal_of(metric) == goal


def test_what_cannot_be_declared_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    root = tmp_path / "work"
    root.mkdir()
    (tmp_path / "outside.py").write_text("")
    (root / "broken.py").write_text("def (")
    for script in ("../outside.py", "broken.py", "missing.py", "."):
        with pytest.raises(UserError):
            declare(str(root), str(root / script))
    assert {path.name for path in root.iterdir()} == {"broken.py"}
    (root / "fine.py").write_text("")
    declare(str(root), str(root / "fine.py"))
    with pytest.raises(UserError, match=r"fine\.yaml is there already"):
        declare(str(root), str(root / "fine.py"))
    assert declare(str(root), str(root / "fine.py"), "other").experiment == "other"


def test_a_logged_name_is_no_logarithm(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("math.log('a'); np.log('b'); logger.log('c'); run.log('loss', 1); writer.add_scalar('acc', 1)\n")
    assert [name for name, _ in read(str(path)).metrics] == ["loss", "acc"]


@pytest.mark.parametrize(("code", "is_app"), [
    ("import hydra\n@hydra.main(version_base=None)\ndef f(cfg): ...\n", True),
    ("from hydra import main\n@main(config_path='c')\ndef f(cfg): ...\n", True),
    ("from hydra_zen import zen\nzen(f).hydra_main(config_name='c', version_base='1.3')\n", True),
    ("zen(f).hydra_main(config_name='c')\n", False),
    ("import hydra\ndef main(cfg): ...\nmain(hydra.compose('c'))\n", False),
    ("from mine import main\n@main()\ndef f(cfg): ...\n", False),
])
def test_an_app_of_hydras_is_named_as_one(code: str, is_app: bool, tmp_path: Path) -> None:
    (tmp_path / "t.py").write_text(code)
    made = declare(str(tmp_path), str(tmp_path / "t.py"))
    text = (tmp_path / "conf" / "experiment" / "t.yaml").read_text()
    assert ("hydra_app: {script: t.py}" in text, "\nscript: t.py" in text) == (is_app, not is_app)
    assert ("trainconf experiment=t -- KEY=VALUE" in dict(made.guesses)["params"]) is is_app


PRINTS = """\
for epoch in range(3):
    loss = 1 / (epoch + 1)
    print(f"epoch {epoch}, train loss {loss:.4f} val_acc={1 - loss}", flush=True)
    print("rmse:", loss ** 2)
    print("the accuracy is good", "loss: 3", 7)
"""


def test_numbers_that_are_printed_by_name_are_suggested_as_a_comment_that_works(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(PRINTS)
    declared = declare(str(tmp_path), str(tmp_path / "train.py"))
    assert ("printed", "loss, val_acc, rmse: stdout_metrics stands there as a comment, a guess") in declared.guesses
    assert composed(tmp_path, "train")["stdout_metrics"] == {}
    place = tmp_path / "conf/experiment/train.yaml"
    place.write_text(place.read_text().replace("# stdout_metrics", "stdout_metrics").replace("# metric", "metric"))
    config = composed(tmp_path, "train")
    assert config["metric"] == {"name": "val_acc", "goal": "maximize"}
    line = "epoch 2, train loss 0.3333 val_acc=6.7e-01\nrmse: 0.25\n"
    found = {name: re.findall(pattern, line) for name, pattern in config["stdout_metrics"].items()}
    assert found == {"loss": ["0.3333"], "val_acc": ["6.7e-01"], "rmse": ["0.25"]}


def test_a_script_that_logs_or_prints_no_number_by_name_gets_no_suggestion(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text('print("loss")\nprint(f"{x} loss")\nprint("step", step)\nprint("loss", 0.5)\n')
    declare(str(tmp_path), str(tmp_path / "train.py"))
    assert "stdout_metrics" not in (tmp_path / "conf/experiment/train.yaml").read_text()


def test_the_lock_file_of_uv_comes_first(tmp_path: Path) -> None:
    for name in ("train.py", "uv.lock", "requirements.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = []\n[dependency-groups]\ndev = ["six"]\n')
    declare(str(tmp_path), str(tmp_path / "train.py"))
    assert "uv_lock: uv.lock\n# pyproject_groups: [dev]" in (tmp_path / "conf/env/project.yaml").read_text()
    assert composed(tmp_path, "train")["env"]["uv_lock"] == "uv.lock"

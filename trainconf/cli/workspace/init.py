"""`trainconf init [DIR]`: make a folder a workspace, or give one an experiment or a config group."""

from __future__ import annotations

import os
import shlex

from trainconf.cli.arguments.parser import Arguments
from trainconf.cli.screen.printer import one_line, printer
from trainconf.control.workspace.init import Additions, Group, add_group, has_own_files, make_workspace
from trainconf.errors import UserError


def run(argv: list[str]) -> int:
    """Make the workspace, tell what was made and what was kept, and what to type next. Raises StorageError."""
    parser = Arguments("init")
    parser.add_argument("dir", nargs="?", default=".", metavar="DIR", help="made when missing (default: the current folder)")
    parser.add_argument("--group", metavar="NAME=CHOICE,...", help="add a config group for params instead, such as model=resnet,vit")
    parser.add_argument("--script", metavar="FILE", help="make an experiment of a script instead: its options become params")
    parser.add_argument("--name", metavar="NAME", help="with --script: the experiment's name (default: the script's)")
    parser.add_argument("--examples", action="store_true", help="add the examples also to a folder that has files of its own")
    given = parser.parse_args(argv)
    folder = given.dir
    if folder.endswith(".py") and os.path.isfile(folder):
        raise UserError(f"{folder} is a script, and init makes a folder a workspace", ("from", "command line"),
                        hint=f"to make an experiment of it: `trainconf init --script {shlex.quote(folder)}`")
    if given.name is not None and given.script is None:
        raise UserError("--name goes with --script FILE", ("from", "command line"))
    if given.group is not None:
        return _add_group(os.path.abspath(folder), given.group)
    if given.script is not None:
        return _add_script(os.path.abspath(folder), given.script, given.name or "")
    with_examples = given.examples or not has_own_files(folder)
    additions = make_workspace(os.path.abspath(folder), with_examples=with_examples)
    _tell(additions)
    if not with_examples:
        printer.info("""
  trainconf init --script train.py     make an experiment of a script of yours
  trainconf init --examples            add the examples""")
        return 0
    printer.info("")
    if os.path.abspath(folder) != os.getcwd():
        printer.info(f"  cd {shlex.quote(folder)}")
    printer.info("  python -m trainconf        train a model on handwritten digits")
    printer.info("  trainconf ls               find its run again")
    return 0


def _add_script(root: str, script: str, wanted: str) -> int:
    """Make the experiment of a script, and tell what was guessed. Raises UserError, StorageError."""
    from trainconf.cli.workspace.declare import declare

    declared = declare(root, script, wanted)
    _tell(make_workspace(root, with_examples=False))
    _tell(declared.additions)
    for what, text in declared.guesses:
        printer.info(f"      {what:<11}{one_line(text)}")
    name = declared.experiment
    printer.info(f"\n  trainconf plan experiment={name}     what would run\n  trainconf experiment={name}          run it")
    return 0


def _add_group(root: str, text: str) -> int:
    """Make the files of a group, and tell how an experiment takes it. Raises UserError, StorageError."""
    name, _, choices = text.partition("=")
    group = Group(name, choices.split(",") if choices else ["first", "second"])
    _tell(add_group(root, group))
    printer.info(f"""
In an experiment, conf/experiment/NAME.yaml:

defaults:
  - /{name}: {group.choices[0]}
  - _self_

Then `trainconf experiment=NAME {name}={group.choices[-1]}` takes another choice, and `-m {name}={",".join(group.choices)}` tries each.""")
    return 0


def _tell(additions: Additions) -> None:
    for label, names in (("made", additions.made), ("kept", additions.kept)):
        for name in names:
            printer.info(f"{label}  {name}")

"""`trainconf --help`: the verbs, and the groups with their choices. Loads no Hydra."""

from __future__ import annotations

import os

from trainconf.cli.screen.printer import printer
from trainconf.cli.verbs import HEADINGS, VERBS
from trainconf.errors import UserError
from trainconf.paths import WorkspacePaths, find_workspace, packaged
from trainconf.resolve.search import config_dirs, groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_USAGE = """\
trainconf declares a training run once and gets back exactly what ran.

Usage:
  trainconf [key=value | group=choice]...     submit a run, wait, and end with the script's exit code
  trainconf -m key=v1,v2 ...                  submit one run for every combination
  trainconf [key=value]... train.py --lr 0.1  run a script as it stands: what follows it is its own
  trainconf [key=value]... -- model=vit       what follows -- is for the Hydra app of the experiment
  trainconf VERB ...                          `trainconf VERB --help` tells more

{verbs}

Groups (group=choice):
{groups}{own}

Settings are listed by `trainconf config`. Overrides follow Hydra's grammar (key=value, +key=value, ~key), and Hydra's flags work:
  -m, --multirun          run every combination of the values given
  --config-dir DIR        one more folder of config files, searched first
  --config-name NAME      another primary config than `config`
  --cfg job, --resolve, --package P, --info, --hydra-help, --shell-completion
Exit codes: the script's own; 2 a mistake in the request, 1 a fault of trainconf, 124 time limit, 130 interrupted.
"""


def show() -> int:
    """Print the help."""
    width = max(map(len, VERBS)) + 2
    verbs = "\n".join(
        (f"\n{HEADINGS[verb]}:\n" if verb in HEADINGS else "") + f"  {verb:<{width}}{text}" for verb, (_, text) in VERBS.items()
    ).lstrip("\n")
    try:
        workspace = find_workspace(os.getcwd())
    except UserError:  # another user's: help is for everybody, and shows what ships
        workspace = WorkspacePaths(os.devnull)
    found, shipped = groups(config_dirs(workspace)), groups([packaged("conf")])
    own = _listed(found, [name for name in found if name not in shipped])
    own = f"\n\nGroups of this workspace:\n{own}" if own else ""
    printer.data(_USAGE.format(verbs=verbs, groups=_listed(found, list(shipped)), own=own).removesuffix("\n"))
    return 0


def _listed(found: Mapping[str, Sequence[str]], names: Sequence[str]) -> str:
    return "\n".join(f"  {name:<14}{', '.join(found[name])}" for name in names if name in found)

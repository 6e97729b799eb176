"""`trainconf --help`: the verbs, and the groups with their choices. Loads no Hydra."""

from __future__ import annotations

import os

from trainconf.cli.screen.printer import printer
from trainconf.cli.verbs import HEADINGS, VERBS
from trainconf.errors import UserError
from trainconf.paths import WorkspacePaths, find_workspace
from trainconf.resolve.search import config_dirs, groups

_USAGE = """\
trainconf declares a training run once and gets back exactly what ran.

Usage:
  trainconf [key=value | group=choice]...     submit a run, wait, and end with the script's exit code
  trainconf -m key=v1,v2 ...                  submit one run for every combination
  trainconf VERB ...                          `trainconf VERB --help` tells more

{verbs}

Groups (group=choice):
{groups}

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
    found = groups(config_dirs(workspace))
    listed = "\n".join(f"  {name:<14}{', '.join(choices)}" for name, choices in found.items())
    printer.data(_USAGE.format(verbs=verbs, groups=listed).removesuffix("\n"))
    return 0

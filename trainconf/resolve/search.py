"""Where config files are looked for, and which groups and choices there are. Loads no Hydra."""

from __future__ import annotations

import os
import sys

from trainconf import plugins
from trainconf.errors import Mistake
from trainconf.paths import WorkspacePaths, folders_above, is_inside, is_workspace, packaged

_OWN_PLUGINS = {"trainconf_launcher", "trainconf_sweeper"}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def config_dirs(workspace: WorkspacePaths, config_dir: str | None = None, *, with_plugins: bool = True) -> list[str]:
    """Folders searched for a config file, first hit wins: `--config-dir`, the workspace's `conf/`, the packaged one, plug-ins'."""
    offered = plugins.config_dirs() if with_plugins else []
    wanted = [config_dir and os.path.abspath(config_dir), workspace.conf, packaged("conf"), *offered]
    found: list[str] = []
    for folder in wanted:
        if folder and os.path.isdir(folder) and not any(os.path.samefile(folder, other) for other in found):
            found.append(folder)
    return found


def groups(dirs: Sequence[str]) -> dict[str, list[str]]:
    """Config groups and their choices, both sorted: `{"compute": ["local"], "env": [...], ...}`, nested groups by path."""
    choices: dict[str, set[str]] = {}
    for root in dirs:
        for folder, _, files in os.walk(root):
            group = os.path.relpath(folder, root)
            names = {name.removesuffix(".yaml") for name in files if name.endswith(".yaml")}
            if group != "." and names:
                choices.setdefault(group.replace(os.sep, "/"), set()).update(names)
    return {group: sorted(names) for group, names in sorted(choices.items())}


def choice_files(dirs: Sequence[str]) -> dict[str, dict[str, str]]:
    """The same with the file of each choice, the one that is found first: `{"compute": {"local": ".../conf/compute/local.yaml"}, ...}`."""
    found: dict[str, dict[str, str]] = {}
    for group, choices in groups(dirs).items():
        paths = ((choice, [os.path.join(root, group, f"{choice}.yaml") for root in dirs]) for choice in choices)
        found[group] = {choice: next(path for path in places if os.path.lexists(path)) for choice, places in paths}
    return found


def label(path: str, workspace: WorkspacePaths) -> str:
    """A config file's path as a user knows it: relative to the workspace, or marked as shipped with trainconf."""
    for folder, base, mark in (
        (workspace.conf, workspace.root, ""),
        (packaged("conf"), packaged(), "shipped "),  # before the workspace, which often holds the venv that trainconf is installed in
        (workspace.root, workspace.root, ""),
    ):
        if is_inside(path, folder):
            return mark + os.path.relpath(path, base)
    return path


def show_as_known(mistakes: Iterable[Mistake], workspace: WorkspacePaths) -> None:
    """Name a file that a mistake comes from as a user knows it; whoever reads files knows only where they lie."""
    for mistake in mistakes:
        mistake.facts = tuple(
            (name, label(text, workspace) if name == "from" and os.path.isabs(text) else text) for name, text in mistake.facts
        )


def has_foreign_plugins() -> bool:
    """Whether somebody else's Hydra plugins are installed; only then is Hydra's plugin scan worth its 10 to 20 ms."""
    for entry in sys.path:
        try:
            names = os.listdir(os.path.join(entry, "hydra_plugins"))
        except OSError:
            continue
        if any(name.partition(".")[0] not in _OWN_PLUGINS and name != "__pycache__" for name in names):
            return True
    return False


def no_experiment(workspace: WorkspacePaths, cwd: str) -> Mistake:
    """Nothing was named to run, and the default experiment is not here: which experiments there are, or where they were looked for."""
    if own := groups([workspace.conf]).get("experiment", []):
        facts = [("workspace", workspace.root), ("experiments", ", ".join(own))]
        return Mistake("no experiment was named", *facts, hint=f"`trainconf experiment={own[0]}` runs one")
    hint = "`trainconf train.py` runs a script as it stands; `trainconf init --script train.py` makes an experiment of it, and "
    hint += "`trainconf init --examples` brings some to try"
    if is_workspace(workspace.root):
        return Mistake("no experiment was named, and this workspace has none", ("workspace", workspace.root), hint=hint)
    facts = [("searched", ", ".join(folders_above(cwd))), ("for", "conf/ or .trainconf/")]
    return Mistake("no workspace was found", *facts, hint=hint)

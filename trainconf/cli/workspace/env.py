"""`trainconf env`: the environments of this workspace, and lock files for their recipes."""

from __future__ import annotations

import os

from trainconf.cli.screen.printer import printer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from trainconf.environments.store import BuiltEnvironment
    from trainconf.paths import WorkspacePaths


def run(argv: list[str]) -> int:
    """One of ls, show NAME, build [overrides], lock [overrides] [-o FILE], rm NAME."""
    from trainconf.cli.arguments.compose import add_arguments
    from trainconf.cli.arguments.parser import Arguments
    from trainconf.paths import find_workspace

    parser = Arguments("env")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ls|show|build|lock|rm")
    actions.add_parser("ls", help="what is built here")
    for name, text in (("show", "the recipe and contents of one"), ("rm", "remove one; it is built again when it is needed")):
        actions.add_parser(name, help=text).add_argument("name", metavar="NAME", help="a hash, the beginning of one, or a name")
    add_arguments(actions.add_parser("build", help="make the environment of env=... now"))
    lock = actions.add_parser("lock", help="pin every version of env=... in a file for version control")
    add_arguments(lock)
    lock.add_argument("--output", "-o", metavar="FILE", help="where to write it; standard output when left out")
    args = parser.parse_args(argv)
    return {"ls": _ls, "show": _show, "rm": _rm, "build": _build, "lock": _lock}[args.action](args, find_workspace(os.getcwd()))


def _ls(_: argparse.Namespace, workspace: WorkspacePaths) -> int:
    from trainconf.environments import store
    from trainconf.environments.image import find

    found = store.ls(workspace)
    here = find.ids() if any(isinstance(built, store.BuiltImage) for built in found) else None
    rows = [
        (built.hash, built.name, built.kind, built.python_version or "none", str(len(built.packages())), built.created[:19],
         _where(built, here))
        for built in found
    ]  # fmt: skip
    printer.table(("hash", "name", "kind", "python", "packages", "built (UTC)", "image"), rows)
    return 0


def _where(built: BuiltEnvironment, here: set[str] | None) -> str:
    """The image, and whether it is `here`: among the engine's, when that could be asked."""
    from trainconf.cli.screen.printer import size
    from trainconf.environments.store import BuiltImage

    if not isinstance(built, BuiltImage):
        return ""
    return f"{built.image}, " + (size(built.size_bytes) if here is None or built.image_id in here else "no longer in the engine")


def _show(args: argparse.Namespace, workspace: WorkspacePaths) -> int:
    from trainconf.environments import store

    built = store.show(workspace, args.name)
    printer.data(f"{built.hash}  {built.name}  built {built.created}\n\npython  {built.python}\n\n{built.lock_text()}".rstrip())
    return 0


def _rm(args: argparse.Namespace, workspace: WorkspacePaths) -> int:
    from functools import partial

    from trainconf.environments.removal import rm
    from trainconf.history.users import users

    printer.info(f"removed {rm(workspace, args.name, partial(users, workspace))}")
    return 0


def _build(args: argparse.Namespace, workspace: WorkspacePaths) -> int:
    from trainconf import environments
    from trainconf.cli.arguments.compose import request_of
    from trainconf.control.compose import compose
    from trainconf.errors import ConfigError, Mistake
    from trainconf.resolve.resolver import environment

    composed = compose(request_of(args), workspace, printer)
    mistakes: list[Mistake] = []
    spec = environment(composed, workspace, mistakes)
    if mistakes:
        raise ConfigError(mistakes)
    env = composed.typed.env
    ready = environments.ensure(
        environments.EnvironmentRequest(spec, workspace, env.name, printer.info, image_build=vars(env.docker.build))
    )
    printer.info("built" if ready.built else "it is there already")
    printer.data(ready.image or ready.python)
    return 0


def _lock(args: argparse.Namespace, workspace: WorkspacePaths) -> int:
    from trainconf import launchers
    from trainconf.cli.arguments.compose import request_of
    from trainconf.control.compose import compose
    from trainconf.environments.lock import lock
    from trainconf.files import write_atomic

    config = compose(request_of(args), workspace, printer).typed
    as_image = launchers.get(config.compute.target).needs_image
    text = lock(
        config.tree["env"], workspace.root, report=printer.info, as_image=as_image, image_build=vars(config.env.docker.build)
    )
    if args.output:
        write_atomic(args.output, text)
        printer.info(f"pinned in {args.output}; name it as env.requirements_file to use it")
    else:
        printer.data(text.rstrip("\n"))
    return 0

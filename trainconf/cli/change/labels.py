"""`trainconf tag`, `untag`, `note`, `rename`, `archive` and `unarchive`: what people say of runs after they were submitted."""

from __future__ import annotations

import os

from trainconf.cli.arguments.chosen import add_where, chosen
from trainconf.cli.arguments.parser import RUNS_HELP, Arguments
from trainconf.cli.screen.printer import one_line, printer
from trainconf.control import labels
from trainconf.paths import RunPaths, find_workspace

TAGS_ARE_SHARED = "A sweep's tags are those of its trials too."


def tag(argv: list[str]) -> int:
    """Give runs tags: the words with `=` are tags, the others name runs."""
    parser = Arguments("tag", f"Give runs tags, in place of those of the same name. {TAGS_ARE_SHARED}")
    parser.add_argument("words", metavar="RUN|NAME=VALUE", nargs="+", help=f"{RUNS_HELP}; and tags")
    add_where(parser)
    args = parser.parse_args(argv)
    tags = dict(_split(word) for word in args.words if _is_tag(word))
    if not tags:
        parser.error("tag needs name=value")
    runs = _chosen([word for word in args.words if not _is_tag(word)], args.where)
    labels.tag(runs, tags)
    _tell(runs)
    return 0


def untag(argv: list[str]) -> int:
    """Take tags away from a run."""
    parser = Arguments("untag", f"Take tags away from a run, also those it was submitted with. {TAGS_ARE_SHARED}")
    parser.add_argument("words", metavar="RUN NAME", nargs="+", help=f"{RUNS_HELP}; then names of tags. With --where all are names of tags")
    add_where(parser)
    args = parser.parse_args(argv)
    names, tags = ([], args.words) if args.where else (args.words[:1], args.words[1:])
    if not tags:
        parser.error("untag needs the name of a tag")
    runs = _chosen(names, args.where)
    labels.untag(runs, tags)
    _tell(runs)
    return 0


def note(argv: list[str]) -> int:
    """Say something of runs."""
    parser = Arguments("note", 'Say something of runs, in place of what was said before; "" takes it away.')
    parser.add_argument("runs", metavar="RUN", nargs="*", help=RUNS_HELP)
    parser.add_argument("text", metavar="TEXT", help="what to say; empty takes it away")
    add_where(parser)
    args = parser.parse_args(argv)
    runs = _chosen(args.runs, args.where)
    labels.note(runs, args.text)
    _tell(runs)
    return 0


def rename(argv: list[str]) -> int:
    """Give a run another display name."""
    parser = Arguments("rename", 'Give a run another display name; "" brings back the one it was submitted with. Its id stays.')
    parser.add_argument("run", metavar="RUN", help=RUNS_HELP)
    parser.add_argument("name", metavar="NAME", help="the new name; empty brings back the first one")
    args = parser.parse_args(argv)
    runs = _chosen([args.run], "")
    labels.rename(runs, args.name)
    _tell(runs)
    return 0


def archive(argv: list[str]) -> int:
    """Leave runs out of lists."""
    return _archive("archive", "Leave runs, and sweeps with their trials, out of lists. Nothing of them is removed.", argv, archived=True)


def unarchive(argv: list[str]) -> int:
    """Take runs into lists again."""
    return _archive("unarchive", "Take archived runs, and sweeps with their trials, into lists again.", argv, archived=False)


def _archive(verb: str, about: str, argv: list[str], *, archived: bool) -> int:
    parser = Arguments(verb, about)
    parser.add_argument("runs", metavar="RUN", nargs="*", help=RUNS_HELP)
    add_where(parser)
    args = parser.parse_args(argv)
    runs = _chosen(args.runs, args.where, archived=not archived)
    labels.archive(runs, archived=archived)
    _tell(runs)
    return 0


def _chosen(names: list[str], where: str, *, archived: bool = False) -> list[RunPaths]:
    return chosen(find_workspace(os.getcwd()), names, where, archived=archived)


def _is_tag(word: str) -> bool:
    """Whether a word is a tag. A folder's name may hold `=` too, behind a `/`."""
    name, equals, _ = word.partition("=")
    return bool(equals) and os.sep not in name


def _split(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name, value


def _tell(runs: list[RunPaths]) -> None:
    """Say what is known of each run now."""
    for paths in runs:
        printer.info(one_line(f"{paths.run_id}  {labels.words(paths)}"))

"""Which ignore rules are in force in a folder, and which files decided that.

An `.amlignore` in the source's root replaces every .gitignore, even when it is empty. Otherwise each `.gitignore` from the root of the
repository down counts, as git reads them. A user's global excludes do not count, because the same tree must have the same id everywhere.
`.trainconfignore` files are read in the same folders and come last: they may leave out what git keeps, or take back (`!`) what git
ignores.
"""

from __future__ import annotations

import os

from trainconf.git.command import find_root
from trainconf.git.index import index_path
from trainconf.snapshot.tree import tracked
from trainconf.snapshot.tree.stat_cache import signature_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.snapshot.tree.ignore import RuleFile
    from trainconf.snapshot.tree.stat_cache import RepositoryRecord, Signature, StatCache

GITIGNORE, AMLIGNORE, OURS = b".gitignore", b".amlignore", b".trainconfignore"


class Scope:
    """One ignore file, read when it is first needed. Its patterns are matched to `prefix` and a source path without `cut` bytes."""

    __slots__ = ("_rules", "cut", "file", "prefix")

    def __init__(self, file: bytes, *, prefix: bytes = b"", cut: int = 0) -> None:
        self.file = file
        self.prefix = prefix
        self.cut = cut
        self._rules: RuleFile | None = None

    def verdict(self, name: bytes, path: bytes, *, is_dir: bool) -> bool | None:
        """As RuleFile.verdict. Raises OSError when the file cannot be read."""
        if self._rules is None:
            self._rules = self._parse()
        return self._rules.verdict(name, self.prefix + path[self.cut :], is_dir=is_dir)

    def _parse(self) -> RuleFile:
        from trainconf.snapshot.tree.ignore import RuleFile

        if os.path.islink(self.file) or not os.path.isfile(self.file):  # git follows no link to an ignore file either
            return RuleFile(())
        try:
            with open(self.file, "rb") as stream:
                return RuleFile.parse(stream.read())
        except FileNotFoundError:
            return RuleFile(())  # gone since it was listed


class Context:
    """The rules in force in one folder, nearest last. `only_tracked`: the folder is ignored, but git tracks something in it."""

    __slots__ = ("git", "only_tracked", "ours")

    def __init__(self, git: tuple[Scope, ...], ours: tuple[Scope, ...], *, only_tracked: bool = False) -> None:
        self.git = git
        self.ours = ours
        self.only_tracked = only_tracked


def decide(scopes: tuple[Scope, ...], name: bytes, path: bytes, *, is_dir: bool) -> bool | None:
    """The verdict of the nearest ignore file that has one."""
    for scope in reversed(scopes):
        verdict = scope.verdict(name, path, is_dir=is_dir)
        if verdict is not None:
            return verdict
    return None


class RuleBook:
    """Finds the ignore rules of a source, and records every file that it read for that.

    `unchanged`: every such file so far is what it was when the stat cache was written.
    """

    def __init__(self, source: bytes, cache: StatCache | None) -> None:
        self.source = source
        self.watched: dict[bytes, Signature | None] = {}
        self.repositories: list[RepositoryRecord] = []
        self.unchanged = cache is not None and cache.rules_current()
        self._known_files = cache.watched if cache else {}
        self._known_repositories = {record[0]: record for record in cache.repositories} if cache else {}
        self._tracked: set[bytes] = set()
        self._leads_to_tracked: set[bytes] = set()
        self._uses_git = True

    def above(self) -> Context:
        """The rules of the folders above the source, and of an `.amlignore` in it."""
        amlignore = os.path.join(self.source, AMLIGNORE)
        self._uses_git = self._watch(amlignore) is None
        missing: list[bytes] = []
        repository = find_root(self.source, missing)
        self.watched.update(dict.fromkeys(missing))
        git: tuple[Scope, ...] = ()
        ours: tuple[Scope, ...] = ()
        if repository is not None:
            self._watch(os.path.join(repository, b".git"))
            self._add_repository(repository, self.source, b"")
            between = self.source[len(repository) :].strip(b"/").split(b"/") if self.source != repository else []
            for depth in range(len(between)):
                folder = os.path.join(repository, *between[:depth])
                prefix = b"/".join(between[depth:]) + b"/"
                git += self._scope(os.path.join(folder, GITIGNORE), prefix=prefix)
                ours += self._scope(os.path.join(folder, OURS), prefix=prefix)
        return Context(git if self._uses_git else (Scope(amlignore),), ours)

    def inside(self, context: Context, path: bytes, names: list[bytes]) -> Context:
        """The rules in a folder of the source: those of its parent, and its own ignore files. `path` ends in a slash or is empty."""
        git, ours = context.git, context.ours
        folder = self.source + b"/" + path
        if self._uses_git:
            if b".git" in names and path:
                self._add_repository(folder.rstrip(b"/"), folder, path)
            if GITIGNORE in names:
                git += self._scope(folder + GITIGNORE, cut=len(path))
        if OURS in names:
            ours += self._scope(folder + OURS, cut=len(path))
        return Context(git, ours, only_tracked=context.only_tracked)

    def enters(self, context: Context, name: bytes, path: bytes) -> Context | None:
        """The context to enter a folder with; None when it is left out."""
        ours = decide(context.ours, name, path, is_dir=True)
        if ours is True:
            return None
        if not context.only_tracked and (ours is False or not decide(context.git, name, path, is_dir=True)):
            return context
        return Context(context.git, context.ours, only_tracked=True) if path in self._leads_to_tracked else None

    def enters_again(self, context: Context, name: bytes, path: bytes) -> Context:
        """As `enters`, for a folder that is known to be entered. Evaluates a rule only when that can change the context."""
        return (self.enters(context, name, path) or context) if path in self._leads_to_tracked else context

    def keeps(self, context: Context, name: bytes, path: bytes) -> bool:
        """Whether a file or link travels."""
        ours = decide(context.ours, name, path, is_dir=False)
        if ours is True:
            return False
        if not context.only_tracked and (ours is False or not decide(context.git, name, path, is_dir=False)):
            return True
        return path in self._tracked

    def _scope(self, file: bytes, *, prefix: bytes = b"", cut: int = 0) -> tuple[Scope, ...]:
        return () if self._watch(file) is None else (Scope(file, prefix=prefix, cut=cut),)

    def _watch(self, file: bytes) -> Signature | None:
        seen = self.watched[file] = signature_at(file)
        if self._known_files.get(file) != seen:
            self.unchanged = False
        return seen

    def _add_repository(self, repository: bytes, asked_from: bytes, prefix: bytes) -> None:
        """Add what the repository tracks below `asked_from`. Asks git only when its index has changed since."""
        if not self._uses_git:
            return
        index = index_path(repository)
        seen = signature_at(index)
        known = self._known_repositories.get(repository)
        if known and known[1:3] == (index, seen):
            paths = known[3]
        else:
            paths = [prefix + path for path in tracked.tracked_though_ignored(repository, asked_from)] if seen else []
            if not known or known[3] != paths:
                self.unchanged = False
        self.repositories.append((repository, index, seen, paths))
        self._tracked.update(paths)
        for path in paths:
            while path := path.rpartition(b"/")[0]:
                self._leads_to_tracked.add(path)

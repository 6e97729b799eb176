"""Asks git once for the parts of its configuration that matter here, with includes and all levels: filters, and remotes."""

from __future__ import annotations

from trainconf.fast.stdlib import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.git.command import Repository

ASKED = r"^(filter\..*|remote\..*\.url|branch\..*\.remote|url\..*\.insteadof|core\.worktree)$"


class GitSettings:
    """Names of filters; the remotes' addresses as written; what `insteadOf` replaces. `trouble`: why git must not be asked more."""

    def __init__(self) -> None:
        self.filters: list[str] = []
        self.trouble = ""
        self.work_tree = ""  # core.worktree: the files may lie elsewhere
        self._remotes: dict[str, str] = {}
        self._branches: dict[str, str] = {}
        self._instead: list[tuple[str, str]] = []  # (written beginning, what replaces it)

    def repository(self, branch: str) -> str | None:
        """The address of the branch's remote, else of origin, else of the first remote; without credentials."""
        wanted = self._branches.get(branch, "origin")
        url = self._remotes.get(wanted) or self._remotes.get("origin") or next(iter(self._remotes.values()), None)
        if url is None:
            return None
        fitting = [(short, base) for short, base in self._instead if url.startswith(short)]
        written, base = max(fitting, default=("", ""), key=lambda pair: len(pair[0]))
        return without_credentials(base + url[len(written) :])

    def add(self, key: str, value: str) -> None:
        section, _, rest = key.partition(".")
        name, _, last = rest.rpartition(".")
        if section == "filter" and name not in self.filters:
            self.filters.append(name)
            if "=" in name:  # git -c takes everything before the first = as the key
                self.trouble = f"its filter {name!r} has a name that cannot be switched off"
        elif section == "remote":
            self._remotes.setdefault(name, value)
        elif section == "branch":
            self._branches[name] = value
        elif section == "url":
            self._instead.append((value, name))
        elif last == "worktree":
            self.work_tree = value


def read(repository: Repository) -> GitSettings:
    """Ask git for the settings of a repository, whose filters are emptied from then on."""
    found = GitSettings()
    answer = repository.ask("config", "-z", "--get-regexp", ASKED)
    if not answer.found or answer.returncode not in (0, 1):  # 1: there is none of them
        found.trouble = repository.why(answer)
        return found
    for record in answer.stdout.decode("utf-8", "surrogateescape").split("\0"):
        key, _, value = record.partition("\n")
        if key:
            found.add(key, value)
    repository.filters = found.filters
    return found


def without_credentials(url: str) -> str:
    """A remote's address without user, password or token. The user of an ssh address is part of the address and stays."""
    helper = re.match(r"[A-Za-z0-9][A-Za-z0-9+.-]*::", url) if "::" in url else None  # gitremote-helpers(7): <transport>::<address>
    if helper:
        return helper.group() + without_credentials(url[helper.end() :])
    scheme, separator, rest = url.partition("://")
    if not separator:
        return _without_password(url)
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    path = path.partition("?")[0].partition("#")[0]
    if scheme in ("ssh", "git+ssh", "ssh+git"):
        return f"{scheme}://{user.partition(':')[0]}{at}{host}{slash}{path}"
    return f"{scheme}://{host}{slash}{path}"


def _without_password(address: str) -> str:
    """A path, or ssh's short form `user@host:path`, without what was meant as a password (`user:TOKEN@host:path`)."""
    return re.sub(r"\A([^/:@]+):[^/]*@(?=[^/@:]+:)", r"\1@", address) if address.count(":") > 1 else address

"""The commits between two, asked with GitPython (the extra `git`), which is imported here alone, and only when somebody asks.

Submission does not come here: it asks plain git (ADR 5). Nothing in the repository may run a program or fetch anything.
"""

from __future__ import annotations

import os

from trainconf.fast.records import Record
from trainconf.git.checkout import COMMIT
from trainconf.git.command import NOT_OURS, SAFE_ENV, SAFE_SETTINGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from git import Commit as GitCommit
    from git import Repo

MISSING = "the commits between are read with GitPython: pip install 'trainconf[git]'"
MOST_COMMITS = 200  # of each side


class Commit(Record):
    """A commit. `time` is in seconds since the epoch; `subject` is the first line of its message."""

    sha: str
    author: str
    time: float
    subject: str


class Between(Record):
    """The commits that only one of two has, newest first, at most MOST_COMMITS of each. `note`: what is not known, and why."""

    only_a: list[Commit]
    only_b: list[Commit]
    note: str = ""


def between(root: str, a: str, b: str) -> Between:
    """The commits that lead to `a` and not to `b`, and the other way round, in the repository at a folder."""
    if not COMMIT.fullmatch(a) or not COMMIT.fullmatch(b):
        return Between([], [], "a recorded commit is no full hash")
    try:
        import git
    except ImportError as error:  # it also looks for git itself
        return Between([], [], "git is not installed" if getattr(error, "name", None) is None else MISSING)
    others = {name: os.environ.pop(name) for name in NOT_OURS if name in os.environ}  # GitPython would ask about another repository
    try:
        with git.Repo(root, expand_vars=False) as repo:
            return _between(repo, a, b)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError):
        return Between([], [], f"there is no repository any more at {root}")
    except git.GitCommandNotFound:
        return Between([], [], "git is not installed")
    except (git.GitCommandError, ValueError, OSError) as error:
        return Between([], [], _why(root, str(getattr(error, "stderr", error))))
    finally:
        os.environ.update(others)


def _between(repo: Repo, a: str, b: str) -> Between:
    repo.git.update_environment(**SAFE_ENV)
    repo.git.set_persistent_git_options(c=list(SAFE_SETTINGS))
    gone = [sha for sha in (a, b) if _is_missing(repo, sha)]
    is_shallow = os.path.exists(os.path.join(str(repo.common_dir), "shallow"))
    if gone:
        shallow = ", which is shallow (`git fetch --unshallow` gets the rest)" if is_shallow else ""
        return Between([], [], f"{' and '.join(sha[:12] for sha in gone)} is not in the clone at {repo.working_dir}{shallow}")
    only_a, only_b = (list(map(_commit, repo.iter_commits(f"{old}..{new}", max_count=MOST_COMMITS + 1))) for old, new in ((b, a), (a, b)))
    notes = ["the clone is shallow, so older commits may be missing"] * is_shallow
    if max(len(only_a), len(only_b)) > MOST_COMMITS:
        notes.append(f"more than {MOST_COMMITS} commits: the newest are listed")
    return Between(only_a[:MOST_COMMITS], only_b[:MOST_COMMITS], "; ".join(notes))


def _is_missing(repo: Repo, sha: str) -> bool:
    import git

    try:
        repo.git.cat_file("-e", f"{sha}^{{commit}}")
    except git.GitCommandError as error:
        if "ownership" in str(error.stderr):
            raise
        return True
    return False


def _commit(commit: GitCommit) -> Commit:
    subject = commit.message.decode("utf-8", "replace") if isinstance(commit.message, bytes) else commit.message
    return Commit(commit.hexsha, str(commit.author.name or commit.author.email), float(commit.committed_date), subject.split("\n", 1)[0])


def _why(root: str, said: str) -> str:
    if "ownership" in said:
        return f"the repository belongs to another user: `git config --global --add safe.directory {root}` makes git read it"
    lines = said.strip().splitlines()
    return f"git could not tell the commits between: {lines[-1].strip() if lines else 'no reason was given'}"

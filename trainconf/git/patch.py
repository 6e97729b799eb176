"""The uncommitted changes as a patch that a person can read: bounded in size, what is binary or large by its hash."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.git.command import Repository

PATCH_BYTES = 10_000_000  # of all files together
FILE_BYTES = 1_000_000  # of one file; git itself shows a larger one by its hash
MOST_EXCLUDED = 500  # paths on one command line
DIFF = (
    "diff", "--full-index", "--no-ext-diff", "--no-textconv", "--no-color", "--no-relative", "--ignore-submodules=dirty",
    "--submodule=short", "-O/dev/null", "--src-prefix=a/", "--dst-prefix=b/", "HEAD", "--",
)  # fmt: skip
FILE = re.compile(rb"^diff --git ", re.MULTILINE)
DELETED = re.compile(rb"^deleted file mode ", re.MULTILINE)
NO_TEXT = re.compile(rb"^Binary files .* differ\n", re.MULTILINE)


def of(repository: Repository, excluded: list[str]) -> tuple[bytes, list[str], str]:
    """(the patch from the commit to the tracked files as they are, the files it has by hash alone, why there is none).

    A deleted file is not among those, because the commit has its content. `excluded`: paths whose changes git does not know.
    """
    if len(excluded) > MOST_EXCLUDED:
        return b"", [], f"{len(excluded)} files pass a filter"
    paths = [".", *(f":(exclude,literal){path}" for path in excluded)] if excluded else []
    answer = repository.ask(*DIFF, *paths, settings=[f"core.bigFileThreshold={FILE_BYTES}"])
    if not answer.ok:
        return b"", [], repository.why(answer)
    starts = [match.start() for match in FILE.finditer(answer.stdout)]
    kept = [answer.stdout[: starts[0]]] if starts else []
    by_hash: list[str] = []
    size = 0
    for start, end in zip(starts, [*starts, len(answer.stdout)][1:], strict=True):
        text = answer.stdout[start:end]
        has_text = not NO_TEXT.search(text)
        is_too_much = has_text and size + len(text) > PATCH_BYTES
        if (is_too_much or not has_text) and not DELETED.search(text):
            by_hash.append(_name(text))
        if is_too_much:
            text = text.partition(b"\n--- ")[0] + b"\nBinary files differ\n"
        size += len(text)
        kept.append(text)
    return b"".join(kept), by_hash, ""


def _name(text: bytes) -> str:
    """The path after the change, as git writes it in the first line of a file's part."""
    line = text.partition(b"\n")[0].decode("utf-8", "surrogateescape")
    return line.rpartition(" b/")[2].rstrip('"') if " b/" in line else line.rpartition(' "b/')[2].rstrip('"')

"""Requirement lines as pip reads them: inlines files, drops comments, finds local paths, refuses credentials.

It resolves no versions: a line is text that an installer will read. It must not need `packaging`.
"""

from __future__ import annotations

import os

from trainconf.environments.recipe.installed import normalised
from trainconf.errors import Mistake
from trainconf.fast.records import Record
from trainconf.fast.stdlib import re
from trainconf.paths import packaged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

CONSTRAINT = "--constraint "  # marks one line of an inlined constraints file
TORCH_BACKEND = "--torch-backend "  # a line that only trainconf knows: see torch_backend.py
ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
# Patterns are compiled when a line first needs one: a plain pin needs none, and compiling them all is a third of a cache hit.
COMMENT = r"(^|\s)#.*$"
OPTION = r"(--[a-z][a-z-]*|-[a-zA-Z])(?:\s*=\s*|\s+|$|(?<=-[a-zA-Z]))(.*)"
SECRET_IN_URL = r"\b([a-zA-Z][a-zA-Z0-9+.-]*)://([^/\s@]+)@"
SECRET_IN_QUERY = (
    r"([?&;][\w.-]*(?:token|secret|passw(?:or)?d|api[-_]?key|access[-_]?key|auth|credential|signature|\bsig|\bpat|\bkey)[\w.-]*=)([^&;#\s]+)"
)
VARIABLE = r"\$\{([A-Z0-9_]+)\}"
HIDDEN = "***"
PIN = r"([\w.-]+)\s*(?:\[[^\]]*\])?\s*==\s*([^\s;]+)"
HASH = r"--hash=sha256:([0-9a-f]{64})"
KEPT_LINES, LAST_LINES = 200, 20  # of an installer's output: those to search after a failure, and those to show
NO_HASH = "one line with a hash asks for a hash of every package. The lines of a shipped environment without them: -r conf/env/NAME.in"
OTHER_FILE = (
    "your index serves another file than the one that was locked: find out why before you trust it. "
    "A shipped environment without its lock: env.requirements=['-r conf/env/NAME.in']"
)
LOCAL = r"(?P<path>.*?)(?P<extras>\[[^\[\]/]*\])?(?P<tail>\s*;.*|\s+--.*)?"
SHIPPED = (os.path.join("conf", ""), os.path.join("projects", ""))
OTHER_HOST = r"(?:^|@\s*)file://(?!/|localhost/)"  # RFC 8089: what follows two slashes is the name of a machine
NAMED_URL = r"[A-Za-z0-9][\w.-]*\s*(?P<extras>\[[^\]]*\])?\s*@\s*(?P<url>(?:file:|[./]).*)"


class LocalRequirement(Record):
    """A requirement that names a file or folder of this machine. `rest` is what follows the path: extras, marker, options."""

    path: str
    rest: str


def local_requirement(line: str) -> LocalRequirement | None:
    """The local path in a requirement line, as written; None when the line names none."""
    extras = ""
    may_be_local = line.startswith(".") or "/" in line or "file:" in line or any(ending in line.lower() for ending in ARCHIVES)
    if line.startswith("-") or not may_be_local:
        return None
    if named := re.fullmatch(NAMED_URL, line):
        line, extras = named["url"], named["extras"] or ""
    match = re.fullmatch(LOCAL, line)
    if match is None:
        return None
    path, rest = match["path"], extras + (match["extras"] or "") + (match["tail"] or "")
    if path.startswith("file:"):
        from urllib.parse import unquote, urlsplit

        return LocalRequirement(unquote(urlsplit(path).path), rest)
    if "://" in path or " @ " in path:
        return None
    return LocalRequirement(path, rest) if path.startswith(".") or "/" in path or path.lower().endswith(ARCHIVES) else None


class RequirementReader:
    """Reads the lines of everything a recipe names, in order, and gathers all mistakes instead of the first.

    lines:    normalised. Local paths are relative to the workspace where they are inside it (`./pkg`), editable installs are plain ones
              (a run sees what was hashed, not what the tree becomes), constraints are `--constraint X`
    digests:  the SHA-256 of the content of each local path
    """

    def __init__(self, root: str, mistakes: list[Mistake]) -> None:
        self.root = root
        self.mistakes = mistakes
        self.lines: list[str] = []
        self.digests: dict[str, str] = {}
        self._reading: list[str] = []

    def read_file(self, path: str, source: str, *, constraints: bool = False) -> None:
        """Inline a requirements file and all that it includes. `source` is what named it."""
        if path in self._reading:
            self._wrong("the requirements file includes itself", ("from", source), ("file", path))
            return
        text = self.read_text(path, "the requirements file", source)
        if text is not None:
            self._reading.append(path)
            self.read_lines(text, os.path.dirname(path), path, constraints=constraints)
            self._reading.pop()

    def read_text(self, path: str, what: str, source: str) -> str | None:
        """The text of a file that the recipe names; None, and a mistake, when it cannot be read."""
        try:
            with open(path, encoding="utf-8-sig") as stream:
                return stream.read()
        except FileNotFoundError:
            self._wrong(f"{what} does not exist", ("from", source), ("looked at", path))
        except IsADirectoryError:
            self._wrong(f"{what} is a folder", ("from", source), ("looked at", path))
        except OSError as error:
            self._wrong(f"{what} cannot be read: {error.strerror}", ("from", source), ("looked at", path))
        except UnicodeDecodeError:
            self._wrong(f"{what} is not UTF-8 text", ("from", source), ("looked at", path))
        return None

    def read_lines(self, text: str, folder: str, source: str, *, constraints: bool = False) -> None:
        """Read requirement lines. Includes are relative to `folder`; local paths to the workspace, else to `folder`."""
        for number, line in logical_lines(text):
            self._read_line(line, folder, f"{source}:{number}", constraints)

    def _read_line(self, line: str, folder: str, source: str, constraints: bool) -> None:
        option = re.fullmatch(OPTION, line) if line.startswith("-") else None
        name, value = (option[1], option[2].strip()) if option else ("", "")
        if hidden := with_secret_hidden(line):
            self._wrong(
                "a requirement holds a credential, which would be saved with every run", ("from", source), ("line", hidden),
                hint="put it into pip's or uv's own configuration or keyring, or write ${NAME} for an environment variable",
            )
        elif name in ("-r", "--requirement", "-c", "--constraint"):
            self._include(value, folder, source, constraints or name in ("-c", "--constraint"))
        elif name in ("-e", "--editable"):
            self._add(value, folder, source, constraints, always_local="://" not in value and " @ " not in value)
        elif name in ("-f", "--find-links") and "://" not in value:
            self.lines.append(f"--find-links {self._relative(self._find(value, folder) or value)}")
        elif name == TORCH_BACKEND.strip():
            self.take_torch_backend(value, source)
        elif name:
            self.lines.append(line)
        else:
            self._add(line, folder, source, constraints)

    def take_torch_backend(self, value: str, source: str) -> None:
        """Read which builds of PyTorch are taken. They are one for all lines."""
        from trainconf.environments.recipe import torch_backend

        backend, other = torch_backend.read(value, source, self.mistakes), backend_of(self.lines)
        if backend and not other:
            self.lines.append(TORCH_BACKEND + backend)
        elif backend and backend != other:
            facts = (("from", source), ("already", other), ("here", backend))
            self._wrong("the recipe asks for two builds of PyTorch", *facts, hint="drop one of them")

    def _include(self, value: str, folder: str, source: str, constraints: bool) -> None:
        if "://" in value:
            self._wrong(
                "a requirements file on the network may change unseen", ("from", source), ("file", value),
                hint="download it into the workspace and include the copy",
            )
        else:
            named = os.path.relpath(os.path.join(folder, value), self.root)
            self.read_file(shipped_or_own(named, self.root), source, constraints=constraints)

    def _add(self, line: str, folder: str, source: str, constraints: bool, *, always_local: bool = False) -> None:
        if "file://" in line and re.search(OTHER_HOST, line):
            self._wrong("a local requirement names a file of another machine", ("from", source), ("line", line),
                        hint="file:///absolute/path has three slashes; a path such as ./package needs none")  # fmt: skip
            return
        local = local_requirement(f"./{line}" if always_local and not line.startswith(("/", ".", "file:")) else line)
        if local is not None:
            line = self._local_line(local, source, folder)
        self.lines.append(CONSTRAINT + line if constraints else line)

    def _local_line(self, local: LocalRequirement, source: str, folder: str) -> str:
        found = self._find(local.path, folder)
        if found is None:
            hint = "write the path out: what a variable holds is no part of the recipe" if "${" in local.path else ""
            looked = "\n".join(dict.fromkeys(os.path.normpath(os.path.join(base, local.path)) for base in (self.root, folder)))
            self._wrong("a local requirement does not exist", ("from", source), ("named", local.path), ("looked at", looked), hint=hint)
            return local.path + local.rest
        path = self._relative(found)
        if path not in self.digests:
            from trainconf.environments.recipe.contents import digest

            try:
                self.digests[path] = digest(found)
            except OSError as error:
                looked_at = ("looked at", error.filename or found)
                self._wrong(f"a local requirement cannot be read: {error.strerror}", ("from", source), looked_at)
        return path + local.rest

    def _find(self, path: str, folder: str) -> str | None:
        candidates = (os.path.normpath(os.path.join(base, path)) for base in (self.root, folder))
        return next((candidate for candidate in candidates if os.path.exists(candidate)), None)

    def _relative(self, path: str) -> str:
        """`./relative` for what is in the workspace, so that another clone of it has the same identity; else the path as it is."""
        inside = os.path.relpath(path, self.root) if os.path.isabs(path) else path
        return path if inside.startswith("..") else os.path.join(".", inside) if inside != "." else "."

    def _wrong(self, what: str, *facts: tuple[str, str], hint: str = "") -> None:
        self.mistakes.append(Mistake(what, *facts, hint=hint))


def shipped_or_own(named: str, root: str) -> str:
    """The path of a file that the recipe names: in the workspace, or else among those that ship with trainconf if it is there."""
    own, named = os.path.normpath(os.path.join(root, named)), os.path.normpath(named)
    ships = named.startswith(SHIPPED) and not os.path.exists(own) and os.path.exists(packaged(named))
    return packaged(named) if ships else own


def local_files(files: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The (path, digest) pairs of a spec that requirements name. Those of a Dockerfile and its context have a mark before the path."""
    return [pair for pair in files if pair[0].startswith((".", "/"))]


def option_lines(lines: Iterable[str]) -> list[str]:
    """The lines that are options of the installer, such as an index."""
    return [line for line in lines if line.startswith("-") and not line.startswith(CONSTRAINT)]


def backend_of(lines: Iterable[str]) -> str:
    """The builds of PyTorch that lines ask for; empty where they ask for none."""
    return next((line.removeprefix(TORCH_BACKEND) for line in lines if line.startswith(TORCH_BACKEND)), "")


def for_installer(lines: Sequence[str], rename: dict[str, str]) -> tuple[str, str]:
    """The texts of a requirements file and of a constraints file, without the line that only trainconf knows.

    `rename` maps local paths to those that the installer reads.
    """
    texts: tuple[list[str], list[str]] = ([], [])
    for line in lines:
        if line.startswith(TORCH_BACKEND):
            continue
        text = line.removeprefix(CONSTRAINT)
        local = local_requirement(text)
        if local is not None and local.path in rename:
            text = rename[local.path] + local.rest
        texts[line.startswith(CONSTRAINT)].append(text + "\n")
    return "".join(texts[0]), "".join(texts[1])


def with_hashes(pins: Iterable[str], lines: Iterable[str]) -> list[str]:
    """Add to pins the hashes that requirement lines give for them."""
    known: dict[str, list[str]] = {}
    for line in lines:
        if "--hash=" in line and (match := re.match(PIN, line)):
            known.setdefault(f"{normalised(match[1])}=={match[2]}", []).extend(re.findall(r"--hash=\S+", line))
    return [" ".join((pin, *known.get(pin, ()))) for pin in pins]


def logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines with their numbers, with continuations joined and without comments and blank lines."""
    found: list[tuple[int, str]] = []
    held, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        start = start if held else number
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            held += line[:-1].strip() + " "
            continue
        found.append((start, _without_comment(held + line.strip()).strip()))
        held = ""
    found.append((start, held.strip()))
    return [(number, line) for number, line in found if line]


def _without_comment(line: str) -> str:
    return "" if line.startswith("#") else re.sub(COMMENT, "", line) if "#" in line else line


def with_secret_hidden(line: str) -> str:
    """The line with its credential as ***; empty when it holds none. A ${VARIABLE} or an ssh user name is no secret."""
    hidden = line
    for scheme, user in re.findall(SECRET_IN_URL, line) if "://" in line else ():
        name, colon, password = user.partition(":")
        secret = password if colon else "" if scheme.endswith("ssh") else name
        if secret and not re.fullmatch(VARIABLE, secret):
            hidden = re.sub(SECRET_IN_URL, rf"\1://{HIDDEN}@", hidden)
    for match in re.finditer(SECRET_IN_QUERY, line, re.IGNORECASE) if "=" in line and "://" in line else ():
        if not re.fullmatch(VARIABLE, match[2]):
            hidden = hidden.replace(match[0], match[1] + HIDDEN)
    return hidden if hidden != line else ""


def variables(lines: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The values of those variables that requirement lines name and that are set. An installer reads them."""
    names = {name for line in lines if "${" in line for name in re.findall(VARIABLE, line)}
    return {name: environ[name] for name in sorted(names) if environ.get(name)}


def redacted(text: str, named: Mapping[str, str]) -> str:
    """An installer's output without the values of variables, which may be credentials."""
    return _replaced(text, named, lambda _: HIDDEN)


def end_of(output: str, lines: Iterable[str] = ()) -> str:
    """The last lines of an installer's output, without the hashes that `lines` allow: it may list dozens before the one it found."""
    allowed = {found[1] for line in lines for found in re.finditer(HASH, line)}
    kept = [line for line in output.splitlines() if line.split(":")[-1].split(" ")[-1] not in allowed]
    return "\n".join(kept[-LAST_LINES:])


def unexpanded(text: str, named: Mapping[str, str]) -> str:
    """A text with `${NAME}` in place of its value."""
    return _replaced(text, named, lambda name: f"${{{name}}}")


def _replaced(text: str, named: Mapping[str, str], with_what: Callable[[str], str]) -> str:
    if not named:
        return text
    from urllib.parse import quote

    for name, value in sorted(named.items(), key=lambda item: -len(item[1])):
        for written in {value, quote(value), quote(value, safe="")}:
            text = text.replace(written, with_what(name))
    return text

"""The page's modules joined into two scripts: what the first screen needs, and what other screens add. Fifty requests become two.

Each module becomes a function that runs once, in the order in which a browser would run it. `modules` has what each exports. The forms of
`import` and `export` that our modules use are known here; another form is refused, and a test joins all modules.
"""

from __future__ import annotations

import posixpath
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MAIN, FIRST, REST = "main.js", "first.js", "rest.js"
STATIC_IMPORT = re.compile(r'^(import|export) (?:([\w\s{},]+) from )?"([^"]+)";', re.MULTILINE)
LATER_IMPORT = re.compile(r'import\("([^"]+)"\)(?=[,} ]|$)', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) (\w+))", re.MULTILINE)
LIST = re.compile(r"export *\{([^}]*)\};")
DEFAULT = re.compile(r"^export default ", re.MULTILINE)
UNKNOWN = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
MAP = re.compile(r"^//# sourceMappingURL=.*", re.MULTILINE)


def joined(read: Callable[[str], bytes]) -> dict[str, bytes]:
    """Both scripts by their names. `read` answers a module by its path. Raises ValueError: a form that is not known, a circle."""
    modules: dict[str, str] = {}
    later: dict[str, None] = {}
    _take(MAIN, read, modules, later, ())
    first = list(modules)
    while waiting := [path for path in later if path not in modules]:
        _take(waiting[0], read, modules, later, ())
    scripts = {FIRST: "export const modules = {};\n", REST: f'import {{ modules }} from "./{FIRST}";\nexport {{ modules }};\n'}
    for path, text in modules.items():
        scripts[FIRST if path in first else REST] += f'modules["{path}"] = (() => {{\n{text}}})();\n'
    return {name: text.encode() for name, text in scripts.items()}


def _take(path: str, read: Callable[[str], bytes], modules: dict[str, str], later: dict[str, None], above: tuple[str, ...]) -> None:
    """Add a module after all that it imports. later: the modules that are loaded when they are needed, which grow as they are found."""
    if path in modules:
        return
    if path in above:
        raise ValueError(f"{path} imports itself: {' -> '.join([*above, path])}")
    text = read(path).decode()
    folder = posixpath.dirname(path)
    exported: list[str] = []

    def known(match: re.Match[str]) -> str:
        there = posixpath.normpath(posixpath.join(folder, match[3]))
        _take(there, read, modules, later, (*above, path))
        names = match[2]
        if names is None:
            return ""
        if not names.startswith("{"):
            return f'const {names} = modules["{there}"].default;'
        pairs = _pairs(names[1:-1])
        if match[1] == "export":
            exported.extend(name for _, name in pairs)
        return f'const {{ {", ".join(own if own == name else f"{own}: {name}" for own, name in pairs)} }} = modules["{there}"];'

    def lazily(match: re.Match[str]) -> str:
        there = posixpath.normpath(posixpath.join(folder, match[1]))
        later[there] = None
        return f'import("./{REST}").then(({{ modules }}) => modules["{there}"])'

    def named(match: re.Match[str]) -> str:
        exported.append(match[1])
        return ""

    def several(match: re.Match[str]) -> str:
        exported.extend(f"{name}: {own}" for own, name in _pairs(match[1]))
        return ""

    text = STATIC_IMPORT.sub(known, MAP.sub("", text))
    if "import(" in text:
        text = LATER_IMPORT.sub(lazily, text)
    text = LIST.sub(several, EXPORT.sub(named, text))
    if DEFAULT.search(text):
        text = DEFAULT.sub("const theDefault = ", text)
        exported.append("default: theDefault")
    if odd := UNKNOWN.search(text):
        raise ValueError(f"{path}: this form of import or export is not known: {odd[0]}")
    modules[path] = f"{text.strip()}\nreturn {{ {', '.join(exported)} }};\n"


def _pairs(names: str) -> list[tuple[str, str]]:
    """`a, b as c` as pairs: the name there, and the name here."""
    found = [name.strip().partition(" as ") for name in names.split(",") if name.strip()]
    return [(own, name or own) for own, _, name in found]

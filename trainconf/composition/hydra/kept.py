"""What compositions for an editor keep for the next one, in which somebody has typed on in one file.

Kept is a composition as it was before that file was merged: its defaults list, and all that the files before it have set. The next one
begins there if everything that led there is as it was, and comes to the same as a composition from nothing: a property test holds us to it.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

from hydra.plugins.config_source import ConfigSource

from trainconf.composition.hydra.yaml_files import ConfigFiles, File
from trainconf.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.composition.hydra.loader import ConfigLoader

MOST = 16  # compositions: of the open files, and of the commands in their comments
_PARTS = ("cfg", "origins", "hydra", "aliases", "reads", "choices")
_READ = "read"


class AskedFiles(ConfigFiles):
    """The files of one composition. asked: each question with its answer."""

    def __init__(self, files: ConfigFiles) -> None:
        self.asked: dict[tuple[str, str], Any] = {}
        self._files = files

    def is_file(self, path: str) -> bool:
        return bool(self._answer("is_file", path))

    def is_folder(self, path: str) -> bool:
        return bool(self._answer("is_folder", path))

    def read(self, path: str) -> tuple[str, Any, Any]:
        found: tuple[str, Any, Any] = self._answer(_READ, path)
        return found

    def _answer(self, question: str, path: str) -> Any:
        found = self.asked[question, path] = getattr(self._files, question)(path)
        return found


class Begun(NamedTuple):
    """A composition up to the file `edited`. place: of that file in the defaults list. head: what of it decides about the defaults list."""

    asked: dict[tuple[str, str], Any]
    edited: str
    head: str
    defaults: Any
    place: int
    parts: dict[str, Any]
    files: list[File]

    def copied(self) -> dict[str, Any]:
        """The parts, for one composition to change."""
        return {**copy.deepcopy(self.parts), "files": [*self.files]}

    def is_current(self, files: ConfigFiles) -> bool:
        """Whether a composition from nothing would come to the same."""
        try:
            for (question, path), before in self.asked.items():
                now = getattr(files, question)(path)
                if now is not before and (question != _READ or path != self.edited or _head(now) != self.head):
                    return False
        except ConfigError:  # it is told when it is read
            return False
        return True


class Kept:
    """Of one editor. edited: the file in which somebody types. A `composition` is a `Composition` of `composition/compose.py`, above."""

    def __init__(self, files: ConfigFiles) -> None:
        self.edited = ""
        self._files = files
        self._begun: dict[Any, Begun] = {}

    def find(self, composition: Any) -> Begun | None:
        """Where a composition can begin; None for from nothing."""
        begun = self._begun.get(_key(composition))
        return begun if begun is not None and begun.is_current(self._files) else None

    def place_of(self, defaults: list[Any], loader: ConfigLoader, repository: Any) -> int:
        """The first place of the edited file in a defaults list; -1 for none, and for the primary config, which decides about more."""
        edited = self.edited or None
        place = next((number for number, default in enumerate(defaults) if loader.path_of(default, repository) == edited), -1)
        return -1 if place >= 0 and defaults[place].primary else place

    def keep(self, composition: Any, defaults: Any, place: int, path: str) -> None:
        """Keep a composition that has come to the edited file. path: of that file; meanwhile somebody may type in another one."""
        files = composition.loader.config_files
        if not isinstance(files, AskedFiles):
            return
        while len(self._begun) >= MOST:
            del self._begun[next(iter(self._begun))]
        parts = copied(composition)
        head = _head(files.asked[_READ, path])
        self._begun[_key(composition)] = Begun(dict(files.asked), path, head, defaults, place, parts, [*composition.files])


def copied(composition: Any) -> dict[str, Any]:
    """What a composition has come to so far, for another one to change."""
    return copy.deepcopy({name: getattr(composition, name) for name in _PARTS})


def _key(composition: Any) -> Any:
    folders = (element.path for element in composition.loader.config_search_path.get_path())
    return *folders, composition.loader.config_name, *composition.texts


def _head(read: tuple[str, Any, Any]) -> str:
    """What of a file decides about the defaults list: its header, and its own list. Differs from any other where it cannot be told."""
    text, _, value = read
    try:
        header = ConfigSource._get_header_dict(text[:512])
    except ValueError:
        return text
    return repr((header, value.get("defaults", ...))) if isinstance(value, dict) else repr((header, value))

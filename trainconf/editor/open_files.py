"""Config files for the composer: the text of an open file as it stands in the editor, others as on disk, each parsed once."""

from __future__ import annotations

import os
import time
from typing import Any

from trainconf.composition.hydra.kept import Kept
from trainconf.composition.hydra.yaml_files import ConfigFiles, read_yaml
from trainconf.files import fingerprint, is_settled

MAX_PARSED = 2_000


class OpenFiles(ConfigFiles):
    """texts: those of open files, by path. kept: what their compositions keep."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.kept: Kept = Kept(self)
        self._parsed: dict[str, tuple[Any, tuple[str, Any, Any]]] = {}

    def is_file(self, path: str) -> bool:
        return path in self.texts or os.path.isfile(path)

    def read(self, path: str) -> tuple[str, Any, Any]:
        text = self.texts.get(path)
        seen: Any = fingerprint(path) if text is None else text
        known = self._parsed.get(path)
        if known is not None and known[0] == seen:
            return known[1]
        started_ns = time.time_ns()
        found = read_yaml(path, text)
        if text is not None or is_settled(seen, started_ns):
            if len(self._parsed) >= MAX_PARSED:
                self._parsed.clear()
            self._parsed[path] = seen, found
        return found

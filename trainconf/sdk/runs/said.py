"""What is said of a run of the history: tags, properties, a name, a description. The same words that `trainconf tag` and `note` say."""

from __future__ import annotations

from trainconf.control import labels
from trainconf.job_api import Run
from trainconf.sdk.settings.arguments import Arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from trainconf.paths import RunPaths


class SaidRun(Run):
    """The calls that say something of a run, for whoever is not its own process. `_paths` are its files."""

    _paths: RunPaths

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Give it these tags besides those it has. Raises UserError, StorageError."""
        arguments = Arguments("set_tags")
        texts = arguments.texts("tags", tags)
        arguments.check()
        if texts:
            labels.tag([self._paths], texts)

    def remove_tags(self, tags: str | Sequence[str]) -> None:
        """Take tags away, one or several. A name that the run does not have is passed over."""
        wanted = [tags] if isinstance(tags, str) else list(tags)
        names = [name for name in wanted if name in self.get_tags()]
        if names:
            labels.untag([self._paths], names)

    def get_tags(self) -> dict[str, str]:
        """The present tags, those of the submission included."""
        return dict(labels.read(self._paths).tags)

    def get_properties(self) -> dict[str, str]:
        """What was said of it once and for all."""
        return dict(labels.read(self._paths).properties)

    @property
    def display_name(self) -> str | None:
        """The name that people read beside the id; settable. None where nobody gave one."""
        return labels.read(self._paths).display_name

    @display_name.setter
    def display_name(self, name: str) -> None:
        labels.rename([self._paths], self._text("display_name", name))

    @property
    def description(self) -> str | None:
        """What the run is about, in words: its note; settable. None where nobody said anything."""
        return labels.read(self._paths).note

    @description.setter
    def description(self, text: str) -> None:
        labels.note([self._paths], self._text("description", text))

    def _text(self, name: str, value: Any) -> str:
        arguments = Arguments(type(self).__name__)
        if not isinstance(value, str):
            arguments.refuse(name, value, "a text")
        arguments.check()
        return str(value)

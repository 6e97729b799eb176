"""What is said of a run: tags, properties, a display name, a description. Of all but properties the later word counts."""

from __future__ import annotations

from trainconf.job_api import values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Mapping, Optional, Sequence, Union

LONGEST_TEXT = 1 << 16  # characters, as for `trainconf tag`


class Labelled:
    """The calls that say something of the run; `trainconf tag`, `note` and `ls` see it at once."""

    _store: Any

    def tag(self, key: str, value: Any = None) -> None:
        """Give the run a tag, a text; one of the same name is replaced. Without a value the tag is empty."""
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Give the run these tags besides those it has; of the same name they replace them."""
        self._say({"tags": _checked("tags", tags)})

    def remove_tags(self, tags: Union[str, Sequence[str]]) -> None:
        """Take tags away, one or several. A name that the run does not have is passed over."""
        names = [tags] if isinstance(tags, str) else list(tags)
        self._say({"untag": [values.check_name(name, "tag") for name in names]})

    def get_tags(self) -> Dict[str, str]:
        """The present tags, those of the submission included; read anew, for others may have changed them."""
        found: Dict[str, str] = {}
        for line in self._store.labels():
            if isinstance(line.get("tags"), dict):
                found.update(line["tags"])
            for name in line.get("untag") or ():
                found.pop(name, None)
        return found

    @property
    def tags(self) -> Dict[str, str]:
        """The present tags: `get_tags()`."""
        return self.get_tags()

    def add_properties(self, properties: Mapping[str, Any]) -> None:
        """Say what will not change any more, such as a data set's version. Raises ValueError for another value of a known property."""
        given = _checked("properties", properties)
        known = self.get_properties()
        wrong = ["%s is %r, not %r" % (key, known[key], value) for key, value in given.items() if known.get(key, value) != value]
        if wrong:
            raise ValueError("a property never changes; what may is a tag: %s" % "; ".join(wrong))
        new = {key: value for key, value in given.items() if key not in known}
        if new:
            self._say({"properties": new})

    def get_properties(self) -> Dict[str, str]:
        """All properties of the run."""
        found: Dict[str, str] = {}
        for line in self._store.labels():
            for key, value in (line.get("properties") or {}).items():
                found.setdefault(key, value)
        return found

    @property
    def properties(self) -> Dict[str, str]:
        """All properties of the run: `get_properties()`."""
        return self.get_properties()

    @property
    def display_name(self) -> Optional[str]:
        """The name that people read beside the id; settable. None where nobody gave one."""
        return self._last_text("display_name")

    @display_name.setter
    def display_name(self, name: str) -> None:
        self._say({"display_name": _text("the display name", name)})

    @property
    def description(self) -> Optional[str]:
        """What the run is about, in words: what `trainconf note` sets; settable. None where nobody said anything."""
        return self._last_text("note")

    @description.setter
    def description(self, text: str) -> None:
        self._say({"note": _text("the description", text)})

    def _last_text(self, key: str) -> Optional[str]:
        found = None
        first = None  # of the submission, which "" brings back
        for number, line in enumerate(self._store.labels()):
            if isinstance(line.get(key), str):
                first = line[key] if number == 0 else first
                found = line[key] or first
        return found

    def _say(self, facts: Dict[str, Any]) -> None:
        self._store.record("label", facts)
        self._store.flush()


def _checked(what: str, given: Mapping[str, Any]) -> Dict[str, str]:
    texts = values.texts(what, given)
    for key, value in texts.items():
        _text("%s %r" % (what, key), value)
    return texts


def _text(what: str, text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError("%s must be a text, not %s" % (what, values.article(text)))
    if len(text) > LONGEST_TEXT:
        raise ValueError("%s has %d characters; allowed are %d; put it into a file in ./outputs" % (what, len(text), LONGEST_TEXT))
    return text

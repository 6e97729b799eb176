"""Values as overrides of Hydra's grammar."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hydra._internal.grammar.utils import escape_special_characters
from hydra.core.override_parser.types import Quote, QuotedString

# Texts that the grammar reads as themselves.
NAME = re.compile(r"(?!(?:null|true|false|nan|inf)$)[a-z_][a-z0-9_-]*", re.IGNORECASE | re.ASCII)


def written(value: Any) -> str:
    """A value as an override has it."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{escape_special_characters(str(key))}:{written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(written, value)) + "]"
    if isinstance(value, str) and not NAME.fullmatch(value):
        return QuotedString(value.replace("${", "\\${"), Quote.single).with_quotes()
    return "null" if value is None else str(value)

"""Lone surrogates: halves of a character that JSON can carry and UTF-8 cannot.

The API returns one where a client cut a text in the middle of an emoji. Such a text is compared and
sent back as it is, shown escaped, and stored (in files and in the ledger) with U+FFFD in its place.
"""

import re
from collections.abc import Mapping
from typing import Any

REPLACEMENT = "\ufffd"
_LONE = re.compile("[\ud800-\udfff]")


def has_lone_surrogate(text: str) -> bool:
    """Return whether UTF-8 cannot express a text."""
    # `isascii` reads a flag of the string, so most texts are never searched.
    return not text.isascii() and _LONE.search(text) is not None


def escaped(text: str) -> str:
    r"""Return a text with each lone surrogate as `\udXXX`, which within JSON is the same text."""
    return text if text.isascii() else _LONE.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def repaired(text: str) -> str:
    """Return a text with U+FFFD in the place of each lone surrogate."""
    return text if text.isascii() else _LONE.sub(REPLACEMENT, text)


def repaired_tree(value: Any) -> Any:
    """Return a tree with every text and key repaired; no two keys become one."""
    match value:
        case str():
            return repaired(value)
        case Mapping():
            result: dict[str, Any] = {}
            for key, item in value.items():
                name = repaired(key)
                while name in result or (name != key and name in value):
                    name += REPLACEMENT
                result[name] = repaired_tree(item)
            return result
        case list() | tuple():
            return [repaired_tree(item) for item in value]
        case _:
            return value

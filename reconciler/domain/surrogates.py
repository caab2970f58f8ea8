"""Lone surrogates: halves of a character, which JSON can represent but UTF-8 cannot.

The API returns one if a client has cut a string in the middle of an emoji. Such a text is compared
and sent back unchanged, shown escaped, and stored (in files and in the ledger) with U+FFFD in its
place.
"""

import re
from collections.abc import Mapping
from typing import Any

REPLACEMENT = "\ufffd"
_LONE = re.compile("[\ud800-\udfff]")


def has_lone_surrogate(text: str) -> bool:
    """Return whether UTF-8 cannot encode a text."""
    # `isascii` reads a flag of the string, so most texts are never searched.
    return not text.isascii() and _LONE.search(text) is not None


def escaped(text: str) -> str:
    r"""Return a text with each lone surrogate as `\udXXX`, which is equivalent within JSON."""
    return text if text.isascii() else _LONE.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def repaired(text: str) -> str:
    """Return a text with U+FFFD in place of each lone surrogate."""
    return text if text.isascii() else _LONE.sub(REPLACEMENT, text)


def repaired_tree(value: Any) -> Any:
    """Return a tree with every text and key repaired; different keys stay different."""
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

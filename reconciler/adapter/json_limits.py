"""Limits of forwarded JSON documents: bounded depth, finite numbers, text in UTF-8.

The MCP library fails on any other result after the tool has run, and a client would assume that the
call was never made.
"""

import json
from collections.abc import Iterable
from typing import Final

from reconciler.domain.surrogates import repaired_tree

MAX_DEPTH: Final = 100
"""Levels of objects and lists. Parsers of clients stop at 200 and pydantic serializes at most 255;
a tool result and its envelope need some of them."""

_CONTAINERS: Final = (dict, list, tuple)


def is_too_deep(document: object) -> bool:
    """Return whether objects and lists are nested deeper than `MAX_DEPTH`."""
    # Level by level, because a recursive walk would itself fail on such documents.
    level: list[object] = [document] if isinstance(document, _CONTAINERS) else []
    for _ in range(MAX_DEPTH):
        nested: list[object] = []
        for container in level:
            nested += [item for item in _members(container) if isinstance(item, _CONTAINERS)]
        if not nested:
            return False
        level = nested
    return True


def _members(container: object) -> Iterable[object]:
    if isinstance(container, dict):
        return container.values()
    return container if isinstance(container, list | tuple) else ()


def sanitized(document: object) -> object:
    """Return a copy of a document that clients can parse.

    U+FFFD replaces lone surrogates. Raises ValueError for a document that no client could parse.
    """
    if is_too_deep(document):
        raise ValueError("too deep")
    copy = repaired_tree(document)
    try:
        to_json_text(copy)
    except TypeError:  # an `UnreadableValue`, which has no JSON form
        raise ValueError("not JSON") from None
    return copy


def to_json_text(document: object) -> str:
    """Return a document as JSON; raises ValueError for one that cannot be forwarded."""
    if is_too_deep(document):
        raise ValueError("too deep")
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    text.encode()  # raises for a lone surrogate, which UTF-8 cannot express
    return text

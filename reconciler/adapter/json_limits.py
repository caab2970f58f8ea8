"""Which JSON documents can be passed on: bounded depth, finite numbers, text in UTF-8.

The library behind the MCP port gives up on any other result after the tool has run, and a client
would take that for a call that was never made.
"""

import json
from typing import Any, Final

from reconciler.domain.surrogates import repaired_tree

MAX_DEPTH: Final = 100
"""Levels of objects and lists. Parsers of clients stop at 200 and pydantic writes 255 at most; a
tool result and its envelope need some of them."""

_CONTAINERS: Final = (dict, list, tuple)


def is_too_deep(document: Any) -> bool:
    """Return whether objects and lists are nested deeper than `MAX_DEPTH`."""
    level = [document] if isinstance(document, _CONTAINERS) else []
    for _ in range(MAX_DEPTH):
        inside: list[Any] = []
        for container in level:
            members = container.values() if isinstance(container, dict) else container
            inside += [item for item in members if isinstance(item, _CONTAINERS)]
        if not inside:
            return False
        level = inside
    return True


def sanitized(document: Any) -> Any:
    """Return a document in the form in which it can be passed on.

    U+FFFD takes the place of half a character. Raises ValueError for what no client could read.
    """
    if is_too_deep(document):
        raise ValueError("too deep")
    mended = repaired_tree(document)
    try:
        to_json_text(mended)
    except TypeError:  # a number that JSON does not have
        raise ValueError("not JSON") from None
    return mended


def to_json_text(document: Any) -> str:
    """Return a document as JSON; raises ValueError for one that cannot be passed on."""
    if is_too_deep(document):
        raise ValueError("too deep")
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    text.encode()  # raises for a lone surrogate, which UTF-8 cannot express
    return text

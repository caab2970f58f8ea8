"""Shorten long values so that a reader still sees where two of them differ.

What is left out is counted. A value that decides where a credential is sent is never shortened: the
end of a host name is the part that counts. The views use this, and approvals for their messages.
"""

import re

from reconciler.domain.schema import any_provider_schema, parse_path
from reconciler.domain.tree import Path

LONGEST_VALUE = 200
"""Characters of a value up to which all of it is shown."""

_HEAD = _TAIL = 60
_AROUND = 20
"""Characters that are shown on both sides of a difference."""

_LONGEST_DIFFERENCE = 400
"""Characters of a difference up to which all of it is shown."""

_SMALLEST_GAP = 40
"""A shorter gap is shown, for the note about it would be as long."""

_URL = re.compile(r"\S*://\S*")


def is_shown_whole(path: str, *values: object) -> bool:
    """Return whether a change at this path is never shortened: hosts, headers, anything like a URL.

    A field that no model describes counts as a host, and so does a path that cannot be read.
    """
    steps = parse_path(path)
    if steps is None or _bears_host(steps):
        return True
    return any(isinstance(value, str) and _URL.fullmatch(value) for value in values)


def _bears_host(path: Path) -> bool:
    schema = any_provider_schema()
    facts = schema.at(path).facts
    in_headers = any(schema.at(path[:end]).facts.headers for end in range(1, len(path)))
    return facts.host or facts.endpoint or in_headers


def left_out(count: int) -> str:
    """Return the note in place of characters that are left out."""
    return f"…[{count} characters left out]…"


def abridged(text: str, limit: int = LONGEST_VALUE) -> str:
    """Return a text of at most `limit` characters, else its head and tail around a note."""
    if len(text) <= limit:
        return text
    side = max((limit - len(left_out(len(text)))) // 2, 1)
    return f"{text[:side]}{left_out(len(text) - 2 * side)}{text[len(text) - side :]}"


def abridged_pair(before: str, after: str, limit: int = LONGEST_VALUE) -> tuple[str, str]:
    """Return two texts, each with head, tail and the part that differs if it is over `limit`."""
    shortest = min(len(before), len(after))
    # Common parts at both ends are found first; they must not overlap in the shorter text.
    start = next((i for i in range(shortest) if before[i] != after[i]), shortest)
    ends = range(1, shortest - start + 1)
    alike = next((i - 1 for i in ends if before[-i] != after[-i]), shortest - start)
    return _around(before, start, alike, limit), _around(after, start, alike, limit)


def _around(text: str, start: int, alike_at_end: int, limit: int) -> str:
    """Return the parts of a text that matter: both ends, and what differs from `start` on."""
    if len(text) <= limit:
        return text
    end = len(text) - alike_at_end
    parts = [(0, _HEAD)]
    if end - start <= _LONGEST_DIFFERENCE:
        parts.append((start - _AROUND, end + _AROUND))
    else:
        half = _LONGEST_DIFFERENCE // 2
        parts += [(start - _AROUND, start + half), (end - half, end + _AROUND)]
    parts.append((len(text) - _TAIL, len(text)))
    shown, position = "", 0
    for first, last in parts:
        if first - position > _SMALLEST_GAP:
            shown += left_out(first - position)
            position = first
        shown += text[position : max(position, last)]
        position = max(position, last)
    return shown

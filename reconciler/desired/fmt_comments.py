"""Find the comments of a YAML text, and hand each out once.

Outside of scalars a text holds only indicators, white space and comments, so a `#` there begins a
comment. Who prints them where: `desired.fmt`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment and where it stands. `after_blank` tells that an empty line is above it."""

    start: int
    line: int
    column: int
    text: str
    after_blank: bool


class Comments:
    """The comments of a text that nobody has taken yet."""

    def __init__(self, text: str, roots: list[Any]) -> None:
        self._waiting = list(_found(text, sorted(_scalars(roots))))

    @property
    def left(self) -> int:
        """Give how many are still to be taken."""
        return len(self._waiting)

    def before(self, position: int, *, beyond: int = -1) -> list[Comment]:
        """Take those in front of a position, up to the first at or before the column `beyond`."""
        count = 0
        for comment in self._waiting:
            if comment.start >= position or comment.column <= beyond:
                break
            count += 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    def on_line(self, line: int, *, behind: int, ahead_of: int | None = None) -> str:
        """Take the one that ends a line, between two positions; an empty text for none."""
        for index, comment in enumerate(self._waiting):
            is_ahead = ahead_of is None or comment.start < ahead_of
            if comment.line == line and comment.start >= behind and is_ahead:
                return self._waiting.pop(index).text
        return ""

    def within(self, start: int, end: int) -> bool:
        """Tell whether there is one between two positions."""
        return any(start <= comment.start < end for comment in self._waiting)


def _found(text: str, spans: list[tuple[int, int]]) -> Iterator[Comment]:
    position = 0
    for start, end in [*spans, (len(text), len(text))]:
        while (at := text.find("#", position, start)) >= 0:
            position = _line_end(text, at)
            begin = text.rfind("\n", 0, at) + 1
            yield Comment(
                start=at,
                line=text.count("\n", 0, at),
                column=at - begin,
                text=text[at:position].rstrip(),
                after_blank=is_after_blank(text, at),
            )
        position = max(position, end)


def is_after_blank(text: str, at: int) -> bool:
    """Tell whether the line above the one of a position is empty."""
    begin = text.rfind("\n", 0, at) + 1
    above = text[text.rfind("\n", 0, max(0, begin - 1)) + 1 : max(0, begin - 1)]
    return begin > 0 and not above.strip()


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _scalars(nodes: list[Any]) -> Iterator[tuple[int, int]]:
    waiting = [node for node in nodes if node is not None]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.MappingNode):
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif node.end_mark.index > node.start_mark.index:
            yield node.start_mark.index, node.end_mark.index

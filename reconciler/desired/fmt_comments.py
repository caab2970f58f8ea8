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
        # The first one is last, where taking it away costs nothing.
        self._waiting = list(_found(text, sorted(_scalars(roots))))[::-1]

    @property
    def left(self) -> int:
        """Give how many are still to be taken."""
        return len(self._waiting)

    def before(self, position: int, *, beyond: int = -1) -> list[Comment]:
        """Take those in front of a position, up to the first at or before the column `beyond`."""
        taken = []
        while self._waiting:
            first = self._waiting[-1]
            if first.start >= position or first.column <= beyond:
                break
            taken.append(self._waiting.pop())
        return taken

    def on_line(self, line: int, *, behind: int, ahead_of: int | None = None) -> str:
        """Take the one that ends a line, between two positions; an empty text for none."""
        for index in range(len(self._waiting) - 1, -1, -1):
            comment = self._waiting[index]
            if comment.line > line or (ahead_of is not None and comment.start >= ahead_of):
                break
            if comment.line == line and comment.start >= behind:
                return self._waiting.pop(index).text
        return ""

    def within(self, start: int, end: int) -> bool:
        """Tell whether there is one between two positions."""
        for comment in reversed(self._waiting):
            if comment.start >= start:
                return comment.start < end
        return False


def _found(text: str, spans: list[tuple[int, int]]) -> Iterator[Comment]:
    position = line = counted = 0
    for start, end in [*spans, (len(text), len(text))]:
        while (at := text.find("#", position, start)) >= 0:
            position = _line_end(text, at)
            begin = text.rfind("\n", 0, at) + 1
            line, counted = line + text.count("\n", counted, at), at
            yield Comment(
                start=at,
                line=line,
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

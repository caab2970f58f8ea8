"""Layout of styled lines for a terminal of any width, with or without colour.

`reconciler.views.terminal` decides the content of the lines. On a terminal, a line that is too long
is continued under its own text, and broken only between words. Elsewhere, it stays one line. A
continuation never looks like a command to a CI.
"""

import re
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import TYPE_CHECKING, TypeAlias

from reconciler.views.escape import visible

# rich takes 40 ms to import, and plain ASCII does not need it. Therefore each function imports only
# what it needs: the widths of non-ASCII characters, or all of rich for colour.
if TYPE_CHECKING:
    from rich.text import Text

Part: TypeAlias = "str | tuple[str, str] | Text"
"""Part of a line: text, or text with a rich style."""

_CONTROL_CODES = dict.fromkeys(map(ord, "\a\b\v\f\r"))
"""Characters that rich also strips from a styled line."""


def columns(text: str) -> int:
    """Return the width of a text in terminal columns; some characters take two or none."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def padded(text: str, width: int) -> str:
    """Pad a text with spaces to a number of terminal columns."""
    return text + " " * (width - columns(text))


def table_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows of a table as lines with aligned columns; each row has the same cells."""
    widths = [max(map(columns, cells)) for cells in zip(*rows, strict=True)]
    return [
        "  ".join(padded(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


_COMMAND = re.compile(r"`[^`]+`|(?<=: )reconcile .*$")
"""Text that readers copy as a whole, although it has spaces."""


class TextLayout:
    """Lines that are collected and joined into one text; without a width no line is broken."""

    def __init__(self, *, width: int | None, color: bool) -> None:
        # COLUMNS can be set to any number, but words need some room.
        self._width = None if width is None else max(width, 20)
        self._color = color
        self._lines: list[Text | str] = []

    def line(self, *parts: Part, indent: int = 0, hang: int = 2) -> None:
        """Add a line; its continuations are indented by `hang` more."""
        text = self._joined(" " * indent, *parts)
        if isinstance(text, str):
            text = text.rstrip()
        else:
            text.rstrip()  # `Text` is stripped in place, a string is not
        if self._width is None or columns(str(text)) <= self._width:
            self._lines.append(text)
        else:
            self._wrap(text, self._width, indent=indent + hang)

    def whole(self, *parts: Part, indent: int = 0) -> None:
        """Add a line that users copy, such as a command; it is never broken."""
        self._lines.append(self._joined(" " * indent, *parts))

    def blank(self) -> None:
        """Add a blank line, unless there is one."""
        if self._lines and str(self._lines[-1]):
            self._lines.append("")

    def text(self) -> str:
        """Return all lines, ended by a newline."""
        if not self._color:
            return "".join(str(line).rstrip() + "\n" for line in self._lines)
        return self._colored()

    def _colored(self) -> str:
        from rich.console import Console
        from rich.text import Text

        # An empty environment, because only the caller decides width and colour.
        console = Console(
            file=StringIO(),
            width=self._width or 80,  # without effect: the lines are not broken again
            force_terminal=True,
            color_system="standard",
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
            _environ={},
        )
        lines = [Text(line) if isinstance(line, str) else line for line in self._lines]
        with console.capture() as capture:
            # The lines are already broken, and `whole` ones must not be.
            console.print(Text("\n").join(lines), soft_wrap=True)
        return capture.get()

    def _joined(self, *parts: Part) -> "Text | str":
        """Join the parts of a line; without colour, into a string, which is ten times as fast."""
        if self._color:
            from rich.text import Text

            return Text.assemble(*parts)
        texts = [part[0] if isinstance(part, tuple) else str(part) for part in parts]
        # As `Text` does, so that output has the same characters with and without colour.
        return "".join(texts).translate(_CONTROL_CODES)

    def _wrap(self, text: "Text | str", width: int, *, indent: int) -> None:
        """Add a long line as several lines."""
        # A deep indent must leave room for the text in a narrow terminal.
        indent = min(indent, width // 2)
        # One column is reserved for the backslash of `_harmless`.
        room = width - indent - 1
        end = _break(str(text), width, after=room)
        self._lines.append(text[:end])
        for first, last in _continuations(str(text), end, room):
            self._lines.append(self._joined(" " * indent, _harmless(text[first:last])))


def fitted(text: str, width: int) -> str:
    """Break the lines of a message between words where they are longer than the terminal.

    Indented lines are excerpts, places and commands, which are read and copied as a whole.
    """
    page = TextLayout(width=width, color=False)
    for line in text.removesuffix("\n").split("\n"):
        if line[:1].isspace() or "\x1b" in line:
            page.whole(line)
        else:
            page.line(line)
    # A newline at the end is kept: it may end a blank line before a question or a result.
    return page.text() if text.endswith("\n") else page.text().removesuffix("\n")


def _continuations(text: str, start: int, room: int) -> Iterator[tuple[int, int]]:
    """Return where the continuation lines of a text begin and end."""
    while start < len(text):
        rest = text[start:].lstrip()
        start = len(text) - len(rest)
        end = start + _break(rest, room, after=room)
        yield start, end
        start = end


def _break(text: str, room: int, *, after: int) -> int:
    """Return the position at which a line ends: the last gap within the room, else the next one.

    A word that has no room in the next line either stays in this one, so that the terminal breaks
    it and it is copied as a whole.
    """
    if columns(text) <= room:
        return len(text)
    limit = len(_cut(text, room))
    gaps = [*_gaps(text), len(text)]
    inside = [gap for gap in gaps if gap <= limit]
    beyond = gaps[len(inside)]
    if not inside or columns(text[inside[-1] : beyond].strip()) > after:
        return beyond
    return inside[-1]


def _gaps(text: str) -> Iterator[int]:
    """Yield the positions of spaces between words; a command is one word."""
    commands = [match.span() for match in _COMMAND.finditer(text)]
    for match in re.finditer(" +", text):
        at = match.start()
        is_inside = any(first < at < last for first, last in commands)
        # A line with only its symbol would be empty.
        if len(text[:at].strip()) > 1 and not is_inside:
            yield at


def _cut(text: str, room: int) -> str:
    """Return the beginning of a text with this width in columns."""
    if text.isascii():
        return text[:room]
    from rich.cells import set_cell_size

    return set_cell_size(text, room)


def _harmless(line: "Text | str") -> "Text | str":
    # A break inside a value can move `::` to the start of a line, which a CI would execute.
    safe = visible(str(line), limit=None)
    return line if safe == str(line) else safe

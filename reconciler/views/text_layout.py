"""Layout of styled lines for a terminal of any width, with or without colour.

`reconciler.views.terminal` decides the content of the lines. A line that is too long is
continued under its own text; a continuation never looks like a command to a CI.
"""

from collections.abc import Iterator, Sequence
from io import StringIO
from typing import TYPE_CHECKING, TypeAlias

from reconciler.views.escape import visible

# rich takes 40 ms to import, and plain ASCII needs nothing of it. So each function imports what it
# needs: the widths of characters beyond ASCII, or all of it for colour.
if TYPE_CHECKING:
    from rich.text import Text

Part: TypeAlias = "str | tuple[str, str] | Text"
"""Part of a line: text, or text with a rich style."""

_CONTROL_CODES = dict.fromkeys(map(ord, "\a\b\v\f\r"))
"""What rich strips of a styled line as well."""


def columns(text: str) -> int:
    """Return the number of terminal columns that a text takes; some characters take two or none."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def padded(text: str, width: int) -> str:
    """Return a text with spaces behind it, up to a number of terminal columns."""
    return text + " " * (width - columns(text))


def table_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows of a table as lines with aligned columns; each row has the same cells."""
    widths = [max(map(columns, cells)) for cells in zip(*rows, strict=True)]
    return [
        "  ".join(padded(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


class TextLayout:
    """Lines that are collected and joined into one text."""

    def __init__(self, *, width: int, color: bool) -> None:
        # COLUMNS can be set to any number; the words need some room.
        self._width = max(width, 20)
        self._color = color
        self._lines: list[Text | str] = []

    def line(self, *parts: Part, indent: int = 0, hang: int = 2) -> None:
        """Add a line; its continuations are indented by `hang` more."""
        text = self._joined(" " * indent, *parts)
        if isinstance(text, str):
            text = text.rstrip()
        else:
            text.rstrip()  # `Text` is stripped in place, a string is not
        if columns(str(text)) <= self._width:
            self._lines.append(text)
        else:
            self._wrap(text, indent=indent + hang)

    def whole(self, *parts: Part, indent: int = 0) -> None:
        """Add a line that readers copy, such as a command; it is never broken."""
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

        # An empty environment: width and colour are decided by the caller alone.
        console = Console(
            file=StringIO(),
            width=self._width,
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
            # The lines are broken already, and `whole` ones must stay whole.
            console.print(Text("\n").join(lines), soft_wrap=True)
        return capture.get()

    def _joined(self, *parts: Part) -> "Text | str":
        """Join the parts of a line; without colour to a string, which is ten times as fast."""
        if self._color:
            from rich.text import Text

            return Text.assemble(*parts)
        texts = [part[0] if isinstance(part, tuple) else str(part) for part in parts]
        # As `Text` does, so that a page has the same characters with and without colour.
        return "".join(texts).translate(_CONTROL_CODES)

    def _wrap(self, text: "Text | str", *, indent: int) -> None:
        """Add a line that is too long as several."""
        # A deep indent must not take the room of the text in a narrow terminal.
        indent = min(indent, self._width // 2)
        # One column stays free for the backslash of `_harmless`.
        room = self._width - indent - 1
        end = _break(str(text), self._width, after=room)
        self._lines.append(text[:end])
        for first, last in _continuations(str(text), end, room):
            self._lines.append(self._joined(" " * indent, _harmless(text[first:last])))


def _continuations(text: str, start: int, room: int) -> Iterator[tuple[int, int]]:
    """Find where the further lines of a text begin and end."""
    while start < len(text):
        rest = text[start:].lstrip()
        start = len(text) - len(rest)
        end = start + _break(rest, room, after=room)
        yield start, end
        start = end


def _break(text: str, room: int, *, after: int) -> int:
    """Return the position at which a line ends: at a space, else where the room ends.

    A space in the first half is taken only if the word behind it then fits into the room `after`
    this line: a value is read and copied as one.
    """
    end = len(_cut(text, room).rstrip()) if columns(text) > room else len(text)
    if end >= len(text):
        return len(text)
    space = text.rfind(" ", 0, end + 1)
    word = text[space + 1 :].split(" ", 1)[0]
    more_than_a_symbol = len(text[: max(space, 0)].strip()) > 1
    if space > end // 2 or (more_than_a_symbol and columns(word) <= after):
        return space
    return max(end, 1)


def _cut(text: str, room: int) -> str:
    """Return the beginning of a text that takes this number of columns."""
    if text.isascii():
        return text[:room]
    from rich.cells import set_cell_size

    return set_cell_size(text, room)


def _harmless(line: "Text | str") -> "Text | str":
    # A break inside a value may bring `::` to the start of a line; CIs would obey it.
    safe = visible(str(line), limit=None)
    return line if safe == str(line) else safe

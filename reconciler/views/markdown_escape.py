"""Put foreign text into Markdown so that it stays text: code spans, fences and `<code>`.

Inside these GitHub resolves no mention, link, image, HTML, emoji or issue number. Backslashes
would not do: GitHub links `@name` and `a@b.c` after Markdown has been rendered.
"""

import html
import re
from collections.abc import Iterable

from reconciler.views.escape import visible

_BACKTICKS = re.compile("`+")


def code(text: str) -> str:
    """Make a code span; a space stands for nothing, since an empty span does not exist."""
    line = visible(text, limit=None) or " "
    ticks = "`" * _longer_than_any(line, least=1)
    # CommonMark takes one space off each side; it does not of a span that is nothing but spaces.
    padded = f" {line} " if line.strip() and (line[0] in "` " or line[-1] in "` ") else line
    return f"{ticks}{padded}{ticks}"


def fence(lines: Iterable[str], *, language: str = "text") -> str:
    """Make a fenced block of one-line texts, ended by a newline."""
    body = "".join(visible(line, limit=None) + "\n" for line in lines)
    ticks = "`" * _longer_than_any(body, least=3)
    return f"{ticks}{language}\n{body}{ticks}\n"


def html_code(text: str) -> str:
    """Make a `<code>` element, for places where Markdown is not read, such as `<summary>`."""
    return f"<code>{html.escape(visible(text, limit=None))}</code>"


def _longer_than_any(text: str, *, least: int) -> int:
    return max(least, 1 + max(map(len, _BACKTICKS.findall(text)), default=0))

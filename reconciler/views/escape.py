"""Make foreign text safe to show: what other people wrote is data, never terminal or CI commands.

Used by every view. Escaping for one format (HTML, Markdown, annotations) comes on top of this, in
the view that knows the format.
"""

import re

from reconciler.planning.value_excerpts import abridged

_INVISIBLE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # soft hyphen, fillers, marks
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, line separators, bidi
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\ud800-\udfff"  # lone surrogates cannot be encoded
    "\U000e0000-\U000e0fff"  # tag characters, variation selectors
    "]"
)
_COMMAND = re.compile(r"^(\s*)(::|##\[)")
_CUT = "…"

LONGEST_SENTENCE = 2000
"""Characters of a message up to which all of it is shown."""


def visible(text: str, limit: int | None = 200) -> str:
    """Show control, bidi and zero-width characters escaped and cut after `limit` characters.

    The result is one line that starts neither with `::` nor with `##[`, so no CI takes it for a
    command. A limit of None keeps all of it.
    """
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + _CUT
    return _COMMAND.sub(_defuse, _INVISIBLE.sub(_escape, text))


def shortened(text: str, limit: int | None = LONGEST_SENTENCE) -> str:
    """Return a text as `visible` shows it; of one over `limit` its head and tail, with a count."""
    return visible(text if limit is None else abridged(text, limit), limit=None)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    named = {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}.get(code)
    if named:
        return named
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _defuse(match: re.Match[str]) -> str:
    return match[1] + "\\" + match[2]

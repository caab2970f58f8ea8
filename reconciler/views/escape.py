"""Escape foreign text for display, so that it is unambiguous and never a terminal or CI command.

Every view uses this. The view of a format (HTML, Markdown, annotations) also escapes for that
format.
"""

import json
import re
import unicodedata

from reconciler.diagnostics import Diagnostic, abridged

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
# GitHub Actions executes lines that begin with `::`, Azure Pipelines those with `##[`.
_COMMAND = re.compile(r"^(\s*)(::|##\[)")
_CUT = "…"

# A shortened host could look like another one.
_NAMES_HOSTS = frozenset(
    {"credential-retarget", "host-not-allowed", "not-approved", "undeclared-host", "wrong-target"}
)

LONGEST_SENTENCE = 2000
"""Maximum length of a message that is shown completely."""


def visible(text: str, limit: int | None = 200) -> str:
    """Escape control, bidi and zero-width characters of a text, and cut it at `limit`.

    The result is one line that starts neither with `::` nor with `##[`, so no CI treats it as a
    command. A limit of None keeps the whole text.
    """
    if limit is not None and len(text) > limit:
        # Before escaping, so that no escape is cut in half.
        text = text[: limit - 1] + _CUT
    return _COMMAND.sub(_defuse, _INVISIBLE.sub(_escape, text))


def shortened(text: str, limit: int | None = LONGEST_SENTENCE) -> str:
    """Return a text escaped; if it is longer than `limit`, only its head and tail, with a count."""
    return visible(text if limit is None else abridged(text, limit), limit=None)


def summary_of(diagnostic: Diagnostic) -> str:
    """Return the summary for display; one that names a host is not shortened."""
    limit = None if diagnostic.code in _NAMES_HOSTS else LONGEST_SENTENCE
    return shortened(diagnostic.summary, limit)


def look_alike(one: str, other: str) -> bool:
    """Return whether two different texts look the same to a reader.

    Such texts differ only in Unicode normalization (one character, or a letter and a mark), in
    compatibility forms such as a full-width letter or a no-break space, or in characters that have
    no width.
    """
    return one != other and _rendered(one) == _rendered(other)


def spelled_out(text: str) -> str:
    """Return a text as JSON in which every non-ASCII character is escaped: `"caf\u00e9"`."""
    return json.dumps(text, ensure_ascii=True)


def _rendered(text: str) -> str:
    """Return a text by appearance: compatibility forms folded, format characters removed."""
    folded = unicodedata.normalize("NFKC", text)
    return "".join(" " if c.isspace() else c for c in folded if unicodedata.category(c) != "Cf")


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

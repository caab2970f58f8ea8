"""Show how two texts differ that look the same on a screen.

They differ only in Unicode normalization (one character, or a letter and a mark), in compatibility
forms such as a full-width letter or a no-break space, or in characters that have no width.
"""

import json
import unicodedata


def look_alike(one: str, other: str) -> bool:
    """Whether two different texts look the same to a reader."""
    return one != other and _seen(one) == _seen(other)


def spelled_out(text: str) -> str:
    """Return a text as JSON in which every character beyond ASCII is its code: `"caf\\u00e9"`."""
    return json.dumps(text, ensure_ascii=True)


def _seen(text: str) -> str:
    """Return what a reader sees: compatibility forms folded, format characters left out."""
    folded = unicodedata.normalize("NFKC", text)
    return "".join(" " if c.isspace() else c for c in folded if unicodedata.category(c) != "Cf")

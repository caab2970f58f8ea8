"""The hidden first line by which a comment or an issue is found again.

It is an HTML comment that names the environment and the digest of what is reported. It only counts
at the very beginning of a text, where no name or value that is being reported can stand.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

NO_DIGEST = "none"
"""Stands for the digest of something that could not be made."""

_LINE = re.compile(r"\A<!-- reconcile:([a-z]+) environment=(\S+) digest=(\S+) -->(?:\r?\n|\Z)")


class MarkerKind(StrEnum):
    """What is reported."""

    PLAN = "plan"
    RESULT = "result"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class Marker:
    """What one report is about; `environment` is as the user wrote it."""

    kind: MarkerKind
    environment: str
    digest: str = NO_DIGEST

    @property
    def line(self) -> str:
        """Give the line, ended by a newline."""
        return (
            f"<!-- reconcile:{self.kind.value} environment={_word(self.environment)} "
            f"digest={_word(self.digest)} -->\n"
        )

    def heads(self, text: str) -> bool:
        """Tell whether a text was written for the same kind and environment, of any digest."""
        found = _LINE.match(text)
        return found is not None and found.group(1, 2) == (self.kind, _word(self.environment))


def digest_of(text: str) -> str | None:
    """Give the digest that a text's marker names, None without a marker."""
    found = _LINE.match(text)
    return found[3] if found else None


def without(text: str) -> str:
    """Take the marker off a text."""
    return _LINE.sub("", text, count=1)


def _word(text: str) -> str:
    # Without space and `>` no name ends the comment or says what the digest is.
    return quote(text, safe=":")

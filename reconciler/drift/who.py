"""Answers of an attribution, as values and as JSON.

Pure. `reconciler.drift.attribution` finds the answers. A user's id is personal data, so a
report has these values only with `--who`.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any

from reconciler.frozen_dataclass import dataclass


class Certainty(StrEnum):
    """How much is known about who changed something."""

    KNOWN = "known"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Reason why a verdict names no writer, or allows for writers that the log does not show."""

    # No record fits, and the log does not reach back to the last run.
    LOG_BEGINS_LATER = "log-begins-later"
    NO_RECORD = "no-record"
    LOG_INCOMPLETE = "log-incomplete"
    # The change may be older than what the log shows.
    EARLIER_CHANGE = "earlier-change"
    # The effect of the only request that fits is not known.
    UNKNOWN_EFFECT = "unknown-effect"


@dataclass(frozen=True, slots=True)
class Writer:
    """Request that may have made a change: its time, who sent it, the method and the source.

    `time` and `id` are None and `method` is empty if the log does not have them; `actor` and
    `source` are values of `reconciler.drift.codec.WriterDocument`.
    """

    time: str | None
    actor: str
    id: str | None
    method: str
    source: str

    def as_json(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "time": self.time,
            "actor": self.actor,
            "id": self.id,
            "method": self.method,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class FieldWho:
    """Who changed one field; `path` is None for an integration that was created or deleted.

    `writers` has the latest request of each writer that fits, newest first.
    """

    slug: str
    path: str | None
    verdict: Certainty
    writers: tuple[Writer, ...] = ()
    reason: Reason | None = None

    def as_json(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "slug": self.slug,
            "path": self.path,
            "verdict": self.verdict.value,
            "reason": None if self.reason is None else self.reason.value,
            "writers": [writer.as_json() for writer in self.writers],
        }


@dataclass(frozen=True)
class Who:
    """Answers for all fields that differ, and the time range of the log that was read.

    `since` and `until` are None, and `calls` is 0, if nothing had to be read.
    """

    fields: tuple[FieldWho, ...] = ()
    since: str | None = None
    until: str | None = None
    complete: bool = True
    calls: int = 0

    @cached_property
    def by_place(self) -> Mapping[tuple[str, str | None], FieldWho]:
        """Return the answers by slug and path."""
        return MappingProxyType({(item.slug, item.path): item for item in self.fields})

    def as_json(self) -> dict[str, Any]:
        """Return the member `who` of the drift document."""
        return {
            "since": self.since,
            "until": self.until,
            "complete": self.complete,
            "calls": self.calls,
            "fields": [item.as_json() for item in self.fields],
        }

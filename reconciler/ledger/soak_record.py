"""How long each integration of a target has had its content without drift.

It is a row of the table `meta`, kept only for targets that others are promoted from. An entry
starts when a run has applied the content, or when a check first finds that content in the API. Each
later check without a difference extends it; a difference that was made in the API ends it. A
damaged row counts as missing, so that the time restarts.

The row also has the newest time of any check. Content that a run applies while a clock is behind
that time starts then, because otherwise it would seem to be older than it is.
"""

from collections.abc import Collection, Mapping
from dataclasses import field
from datetime import datetime, timedelta
from types import MappingProxyType

from reconciler.domain.instants import parse_instant
from reconciler.domain.state import LastApplied
from reconciler.domain.tree import Tree, digest
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger.codec import parse_document, to_json, tree_to_text
from reconciler.ledger.errors import LedgerError

_NEWEST = ""
"""Key of the newest check; no slug is empty."""

MAX_SETBACK = timedelta(days=7)
"""Maximum time by which a clock may seem to be behind; beyond it, the newest check was wrong."""


@dataclass(frozen=True, slots=True)
class SoakEntry:
    """Content of one integration, and the first and the newest time at which it was confirmed.

    `content` is the digest of what was applied, None for an integration that was removed.
    """

    content: str | None
    since: str
    checked: str


@dataclass(frozen=True, slots=True)
class SoakCheck:
    """What a run or a check has found: the content of the integrations in sync, by slug.

    `ended` are those whose time restarts, because they were changed in the API or by a run, and
    `removed` those that a run was about to delete.
    """

    in_sync: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    ended: Collection[str] = ()
    removed: Collection[str] = ()


def name_of(target: int) -> str:
    """Return the name of the row for a target's id."""
    return f"soak of target {target}"


def content_of(fields: Tree) -> str:
    """Return the digest of what an integration declares; hidden values are not part of it."""
    return digest(tree_to_text(fields))


def from_text(text: str | None) -> dict[str, SoakEntry]:
    """Parse the text of a row; return an empty result if it is damaged."""
    entries = _parsed(text)
    entries.pop(_NEWEST, None)
    return entries


def _parsed(text: str | None) -> dict[str, SoakEntry]:
    """Parse the text of a row with the newest check."""
    try:
        entries = {
            slug: SoakEntry(found["content"], found["since"], found["checked"])
            for slug, found in parse_document(text or "{}").items()
        }
    except (LedgerError, KeyError, TypeError):
        return {}
    for entry in entries.values():
        is_content = entry.content is None or isinstance(entry.content, str)
        if not is_content or _instant(entry.since) is None or _instant(entry.checked) is None:
            return {}
    return entries


def updated(
    text: str | None, check: SoakCheck, *, last_applied: Mapping[str, LastApplied], now: str
) -> str:
    """Return the text of a row after a check.

    Only content that a run has applied counts, according to `last_applied`.
    """
    entries = _parsed(text)
    start = _later(entries.pop(_NEWEST, None), now)
    for slug in check.ended:
        entries.pop(slug, None)
    for slug in check.removed:
        # A delete that failed leaves the declaration.
        if slug not in last_applied:
            entries[slug] = SoakEntry(None, start, now)
    for slug, content in check.in_sync.items():
        known, past = entries.get(slug), last_applied.get(slug)
        if past is None or past.declared is None or content_of(past.declared) != content:
            # The API has content that no run has applied, so nothing is known about the applied
            # content.
            entries.pop(slug, None)
            continue
        continues = known is not None and known.content == content
        entries[slug] = SoakEntry(content, known.since if known and continues else start, now)
    # A removed integration stays removed until an entry shows otherwise.
    absent = [s for s, e in entries.items() if e.content is None and s not in last_applied]
    for slug in absent:
        entries[slug] = SoakEntry(None, entries[slug].since, now)
    entries[_NEWEST] = SoakEntry(None, start, start)
    return to_json(
        {
            slug: {"content": e.content, "since": e.since, "checked": e.checked}
            for slug, e in entries.items()
        }
    )


def _later(newest: SoakEntry | None, now: str) -> str:
    """Return the later of the newest check and now, unless the clock of that check was wrong."""
    before, current = _instant(newest.checked) if newest else None, _instant(now)
    if newest is None or before is None or current is None:
        return now
    return newest.checked if current < before <= current + MAX_SETBACK else now


def _instant(text: object) -> datetime | None:
    return parse_instant(text) if isinstance(text, str) else None

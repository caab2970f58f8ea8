"""How much of a declaration an integration shows: what is missing, and whether it may be ours.

Secrets are not compared: the API never shows them (`reconciler.planning.credentials`).
"""

from datetime import datetime

from reconciler.domain.fields import IMMUTABLE_FIELDS, is_uuid, show_path
from reconciler.domain.memory import Remembered
from reconciler.domain.state import Declared, Observed
from reconciler.planning.comparison import compare
from reconciler.planning.diff import FieldChange, changed_fields

CLOCK_SKEW = 120.0
"""Seconds by which the API's clock may differ from ours when a creation time is judged."""

_IDENTIFYING = frozenset({"name", "ai_provider_id", "configurations", "workspace_id"})


def missing(declared: Declared, found: Observed, remembered: Remembered) -> list[str]:
    """Name the declared fields that an integration does not show as declared."""
    return [show_path(change.path) for change in _changes(declared, found, remembered)]


def equals_ours(declared: Declared, found: Observed) -> bool:
    """Tell whether an integration has the name, provider and configurations that we declare."""
    return not any(
        change.path[0] in _IDENTIFYING for change in _changes(declared, found, Remembered())
    )


def created_between(found: Observed, began: float, ended: float) -> bool:
    """Tell whether the API made it in a span of epoch seconds, as far as clocks agree."""
    if found.created_at is None:
        return False
    try:
        created = datetime.fromisoformat(found.created_at).timestamp()
    except ValueError:
        return False
    return began - CLOCK_SKEW <= created <= ended + CLOCK_SKEW


def _changes(declared: Declared, found: Observed, remembered: Remembered) -> list[FieldChange]:
    comparison = compare(declared, found, remembered, just_written=True)
    return [
        change
        for change in changed_fields(comparison.found, comparison.wanted)
        if not _is_other_form(change)
    ]


def _is_other_form(change: FieldChange) -> bool:
    """Tell whether an id merely comes back as a UUID where a slug was sent, or the reverse."""
    return (
        change.path[0] in IMMUTABLE_FIELDS
        and change.had
        and change.has
        and is_uuid(change.before) != is_uuid(change.after)
    )

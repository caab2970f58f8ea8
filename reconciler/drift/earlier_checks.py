"""Proof by earlier checks: a field that now differs was as declared when it was read.

Pure. A request before that read cannot have made the change, so the audit log does not need to be
read that far back. Only a part that was read and shows its value is a proof.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from reconciler.domain.instants import parse_instant
from reconciler.domain.state import Observed
from reconciler.domain.tree import lookup
from reconciler.drift.record_fit import Question
from reconciler.ledger.models import SeenState
from reconciler.planning.actions import ActionKind
from reconciler.planning.normalize import normalize
from reconciler.remote.audit_log import Place

MARGIN = timedelta(hours=1)
"""Margin before a read: clocks differ, and a response may be slightly stale."""


def in_sync_at(
    question: Question, seen: Mapping[str, SeenState], *, now: datetime
) -> datetime | None:
    """Return a time at which the subject of a question was certainly as declared, else None."""
    state = seen.get(question.slug)
    if state is None or not _was_in_sync(question, state.observed):
        return None
    read_at = parse_instant(state.read_at)
    # The clock of a check in the future was wrong, so nothing is known about its time.
    return None if read_at is None or read_at > now else read_at - MARGIN


def _was_in_sync(question: Question, earlier: Observed) -> bool:
    if not earlier.detailed or earlier.is_archived:
        return False
    if question.path is None:
        # It existed then, and does not exist now.
        return question.action.kind is ActionKind.CREATE
    current = question.action.subject.observed
    # An object with the same slug may have been deleted and re-created.
    if current is None or current.id is None or current.id != earlier.id:
        return False
    change = next((c for c in question.action.changes if c.path == question.path), None)
    # A hidden value or a mask does not show whether the value was the same.
    if change is None or change.sensitive or not _has_read(question, earlier):
        return False
    before = lookup(normalize(earlier.fields), question.steps)
    return before == change.after and before != change.before


def _has_read(question: Question, earlier: Observed) -> bool:
    """Return whether the part of an integration that contains the field was read."""
    match question.place:
        case Place.MODELS:
            return earlier.models_read
        case Place.WORKSPACES:
            return earlier.workspaces_read
        case _:
            return True

"""How much of a declaration an integration shows: what is missing, and whether it may be ours.

Secrets are not compared: the API never shows them (`reconciler.planning.credentials`). Only of one
just sent it can be told that what is shown is a picture from before.
"""

from collections.abc import Mapping
from datetime import datetime

from reconciler.domain.field_paths import show_path
from reconciler.domain.identifiers import is_uuid
from reconciler.domain.last_applied import LastApplied
from reconciler.domain.schema import immutable_fields
from reconciler.domain.secrets import Mask, MaskVerdict, Redacted, SecretRef
from reconciler.domain.state import Declared, Observed
from reconciler.domain.tree import lookup
from reconciler.execution.secret_values import sent_secrets
from reconciler.planning.actions import Action, ActionKind
from reconciler.planning.comparison import Comparison, SecretLocation, compare
from reconciler.planning.diff import FieldChange, changed_fields
from reconciler.planning.normalize import normalize

CLOCK_SKEW = 120.0
"""Seconds by which the API's clock may differ from ours when a creation time is judged."""

_IDENTIFYING = frozenset({"name", "ai_provider_id", "configurations", "workspace_id"})


def missing(declared: Declared, found: Observed, remembered: LastApplied) -> list[str]:
    """Name the declared fields that an integration does not show as declared."""
    return [show_path(change.path) for change in _changes(declared, found, remembered)]


def unseen_secrets(
    action: Action, found: Observed, values: Mapping[SecretRef, Redacted]
) -> list[str]:
    """Name the secrets that were sent and are still shown as they were before the update.

    That takes a mask that contradicts the new value: one that does not may be the new one's, too.
    """
    had = action.subject.observed
    if had is None or action.kind is not ActionKind.UPDATE:
        return []
    if found.last_updated_at != had.last_updated_at:
        return []  # not a picture from before, so the mask has a format that we cannot read
    before, now = normalize(had.fields), normalize(found.fields)
    return [
        show_path(path)
        for path, _, value in sent_secrets(action, values)
        if isinstance(mask := lookup(now, path), Mask)
        and mask == lookup(before, path)
        and value.judged_by(mask) is MaskVerdict.CONTRADICTS
    ]


def equals_ours(declared: Declared, found: Observed) -> bool:
    """Whether an integration has the name, provider and configurations that we declare.

    Of secrets, only a value that both sides hold in the clear can differ.
    """
    comparison = compare(declared, found, LastApplied(), just_written=True)
    return not any(change.path[0] in _IDENTIFYING for change in _differing(comparison)) and not any(
        _differs_in_the_clear(site) for site in comparison.sites
    )


def _differs_in_the_clear(site: SecretLocation) -> bool:
    """Whether a hidden value that the API shows is not the one that the file holds."""
    if site.path[0] not in _IDENTIFYING or isinstance(site.declared, SecretRef):
        return False
    if isinstance(site.declared, Redacted):
        return isinstance(site.stored, Redacted) and not site.declared.equals(site.stored)
    return isinstance(site.stored, Redacted)


def created_between(found: Observed, began: float, ended: float) -> bool:
    """Tell whether the API made it in a span of epoch seconds, as far as clocks agree."""
    if found.created_at is None:
        return False
    try:
        created = datetime.fromisoformat(found.created_at).timestamp()
    except ValueError:
        return False
    return began - CLOCK_SKEW <= created <= ended + CLOCK_SKEW


def _changes(declared: Declared, found: Observed, remembered: LastApplied) -> list[FieldChange]:
    return _differing(compare(declared, found, remembered, just_written=True))


def _differing(comparison: Comparison) -> list[FieldChange]:
    return [
        change
        for change in changed_fields(comparison.found, comparison.wanted)
        if not _is_other_form(change)
    ]


def _is_other_form(change: FieldChange) -> bool:
    """Tell whether an id merely comes back as a UUID where a slug was sent, or the reverse."""
    return (
        change.path[0] in immutable_fields()
        and change.had
        and change.has
        and is_uuid(change.before) != is_uuid(change.after)
    )

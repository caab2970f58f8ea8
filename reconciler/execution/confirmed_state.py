"""What an apply has made true and the next plan has to know: declarations and written secrets.

Only fingerprints and masks of secrets are taken down. How they are judged later:
`reconciler.planning.credentials`. How they are stored: `reconciler.ledger`.
"""

from collections.abc import Mapping
from dataclasses import replace

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.facts import SubResource
from reconciler.domain.field_paths import show_path
from reconciler.domain.last_applied import LastApplied, SecretRecord
from reconciler.domain.schema import fields_of
from reconciler.domain.secrets import Mask, MaskVerdict, Pepper, Redacted, SecretRef
from reconciler.domain.state import DesiredState, Observed, ObservedState
from reconciler.domain.tree import Path, Tree, leaves, lookup
from reconciler.execution.result import Outcome
from reconciler.execution.secret_values import sent_secrets
from reconciler.ledger.models import Confirmed
from reconciler.planning.actions import Action, ActionKind, Change, ChangeKind
from reconciler.planning.normalize import normalize
from reconciler.planning.options import Selection
from reconciler.planning.plan import Plan

_PARTS = {
    OperationName.UPDATE_MODELS: fields_of(SubResource.MODELS),
    OperationName.UPDATE_WORKSPACES: fields_of(SubResource.WORKSPACES),
}
"""What a create leaves to writes of their own."""


def by_action(
    action: Action,
    outcome: Outcome,
    *,
    values: Mapping[SecretRef, Redacted],
    pepper: Pepper | None,
) -> Confirmed:
    """Give what an action that was applied made true; it must be of something declared."""
    subject = action.subject
    assert subject.declared is not None  # noqa: S101 - only a delete declares nothing
    before, after = _tree(subject.observed), _tree(outcome.seen_after)
    records = {
        path: _record(
            reference,
            value,
            masks=(lookup(before, path), lookup(after, path)),
            known=subject.remembered.secrets.get(path),
            pepper=pepper,
        )
        for path, reference, value in sent_secrets(action, values)
    }
    removed = {change.path for change in action.changes if _takes_away(change)}
    fields = normalize(subject.declared.fields)
    places = {path for tree in (before, fields) for path, _ in leaves(tree)} if removed else set()
    seen = subject.observed if action.kind is ActionKind.UPDATE else None
    return Confirmed(
        subject.declared,
        records,
        removed=frozenset(path for path in places if show_path(path) in removed),
        identity=outcome.identity or (seen.id if seen is not None else None),
    )


def announced(
    call: Call, *, values: Mapping[SecretRef, Redacted], pepper: Pepper | None
) -> dict[Path, str]:
    """Return the fingerprints of the secrets that a call carries, by path."""
    if call.body is None or pepper is None:
        return {}
    found = {}
    for path, leaf in leaves(normalize(call.body)):
        value = values.get(leaf) if isinstance(leaf, SecretRef) else leaf
        if isinstance(value, Redacted):
            found[path] = value.fingerprint(pepper)
    return found


def by_beginning(
    action: Action,
    outcome: Outcome,
    *,
    values: Mapping[SecretRef, Redacted],
    pepper: Pepper | None,
) -> Confirmed | None:
    """Give what a create has made true that got no further; None where nothing of it is certain.

    It is ours from then on, and its secret was sent. A write without an answer adds nothing.
    """
    if not outcome.accepted:
        return None
    whole = by_action(action, outcome, values=values, pepper=pepper)
    left = {name for operation in _PARTS.keys() - outcome.accepted for name in _PARTS[operation]}
    fields = {name: value for name, value in whole.declared.fields.items() if name not in left}
    return Confirmed(
        replace(whole.declared, fields=fields),
        {path: record for path, record in whole.secrets.items() if path[0] not in left},
        identity=whole.identity,
    )


def in_sync(
    plan: Plan, *, desired: DesiredState, observed: ObservedState, selection: Selection
) -> list[Confirmed]:
    """Give what was declared and selected and needed no action."""
    acted = {action.slug for action in plan.actions}
    ids = {slug: seen.id for slug, seen in observed.integrations.items()}
    return [
        Confirmed(declared, identity=ids.get(slug))
        for slug, declared in sorted(desired.integrations.items())
        if slug not in acted and selection.includes(slug)
    ]


def gone(
    known: Mapping[str, LastApplied],
    *,
    desired: DesiredState,
    observed: ObservedState,
    selection: Selection,
) -> list[str]:
    """Give what is remembered although Git withdrew it and somebody else has deleted it."""
    return sorted(
        slug
        for slug in known
        if slug not in desired.integrations
        and slug not in observed.live
        and selection.includes(slug)
    )


def _takes_away(change: Change) -> bool:
    return change.sensitive and change.op is ChangeKind.REMOVE


def _tree(observed: Observed | None) -> Tree:
    return normalize(observed.fields) if observed is not None else {}


def _record(
    reference: SecretRef,
    value: Redacted,
    *,
    masks: tuple[object, object],
    known: SecretRecord | None,
    pepper: Pepper | None,
) -> SecretRecord:
    before, after = masks
    fingerprint = value.fingerprint(pepper) if pepper is not None else None
    if not isinstance(after, Mask):
        return SecretRecord(reference, fingerprint)
    agrees = value.judged_by(after) is not MaskVerdict.CONTRADICTS
    same_value = known is not None and known.fingerprint == fingerprint is not None
    if not agrees and after == before and not same_value:
        # A reading from before our write, most likely: it says nothing about what we sent.
        return SecretRecord(reference, fingerprint)
    return SecretRecord(reference, fingerprint, after, mask_agreed=agrees)

"""Plan the creation of one integration, and find what is missing for a create or a replace.

Neither keeps anything that is stored, so only the file counts. Changes of an existing integration:
`updates`. Deletes: `removals`.
"""

from collections.abc import Mapping

from reconciler.diagnostics import Diagnostic
from reconciler.domain.providers import needs_configurations
from reconciler.domain.schema import show_path
from reconciler.domain.secrets import Mask, Redacted, SecretRef
from reconciler.domain.state import (
    Declared,
    LastApplied,
    Observed,
    has_credential,
    lacks_credential,
)
from reconciler.domain.tree import as_mapping, is_empty, is_enabled, leaves, plain, references
from reconciler.planning import messages
from reconciler.planning.actions import (
    Action,
    ActionInputs,
    ActionKind,
    Change,
    ChangeKind,
    ChangeOrigin,
    Risk,
    highest,
    risk_of_new,
)
from reconciler.planning.normalize import normalize
from reconciler.planning.plan import IntegrationPlan
from reconciler.planning.update_calls import create_calls


def plan_create(
    declared: Declared,
    remembered: LastApplied,
    *,
    values: Mapping[SecretRef, Redacted],
    is_past_known: bool,
) -> IntegrationPlan:
    """Plan the creation of one integration.

    `is_past_known` is True if a slug without a record was certainly not declared before.
    """
    origin = _origin(remembered, is_past_known=is_past_known)
    changes = _new_changes(declared, origin=origin)
    blocks = creation_blocks(declared)
    missing = missing_values(declared, values)
    access = as_mapping(normalize(declared.fields).get("workspaces"))
    granted = [id_ for id_, entry in access.items() if is_enabled(entry)]
    action = Action(
        slug=declared.slug,
        kind=ActionKind.CREATE,
        reason="it does not exist",
        risk=highest([change.risk for change in changes]) or Risk.ADDITIVE,
        changes=changes,
        source=declared.source,
        blocked_by=tuple(block.code for block in blocks),
        calls=create_calls(declared),
        subject=ActionInputs(declared, None, remembered),
    )
    notes = messages.without_provider(declared, granted)
    return IntegrationPlan(action=action, diagnostics=(*blocks, *missing, *notes))


def _origin(remembered: LastApplied, *, is_past_known: bool) -> ChangeOrigin:
    if remembered.declared is not None:
        # Git declared it before and it no longer exists, so it was removed in the API.
        return ChangeOrigin.REMOTE
    return ChangeOrigin.LOCAL if is_past_known else ChangeOrigin.UNKNOWN


def _new_changes(declared: Declared, *, origin: ChangeOrigin) -> tuple[Change, ...]:
    """Return the leaves of a create, each as `add`; fields that are declared empty have none."""
    changes = []
    for path, value in leaves(normalize(declared.fields)):
        if is_empty(value):
            continue
        field = declared.schema.at(path)
        sensitive = field.facts.sensitive
        changes.append(
            Change(
                path=show_path(path),
                op=ChangeKind.ADD,
                risk=risk_of_new(field),
                unknown_field=sensitive and not field.is_known,
                after=None if sensitive else plain(value),
                sensitive=sensitive,
                origin=origin,
                reference=str(value) if isinstance(value, SecretRef) else None,
            )
        )
    # Sorted again: leaves are ordered by steps, changes by the shown path.
    return tuple(sorted(changes, key=lambda change: change.path))


def creation_blocks(declared: Declared) -> list[Diagnostic]:
    """Return why the API would refuse to create this integration from its file alone."""
    provider = str(declared.fields.get("ai_provider_id"))
    # Only one reason at a time, because the authentication mode in configurations decides whether a
    # key is needed (remote/API.md §3).
    if is_empty(declared.fields.get("configurations")) and needs_configurations(provider):
        return [messages.missing_configurations(declared)]
    if lacks_credential(declared.fields):
        return [messages.no_credential(declared)]
    return []


def missing_values(declared: Declared, values: Mapping[SecretRef, Redacted]) -> list[Diagnostic]:
    """Return a warning for every secret that creating this integration sends without a value."""
    return [
        messages.missing_value(declared, path, str(reference))
        for path, reference in references(normalize(declared.fields))
        if reference not in values
    ]


def replacement_blocks(declared: Declared, observed: Observed) -> list[Diagnostic]:
    """Return why an integration cannot be deleted and re-created from its file alone.

    Nothing stored survives a replace, so only the requirements of the new record count.
    """
    if _stores_credential(observed) and not has_credential(declared.fields):
        return [messages.missing_credential(declared)]
    return creation_blocks(declared)


def _stores_credential(observed: Observed) -> bool:
    # Redacted, because a sensitive value that the API shows in clear text is wrapped during
    # decoding.
    return any(isinstance(value, Mask | Redacted) for _, value in leaves(observed.fields))

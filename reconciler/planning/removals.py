"""Plan a delete, and find what a delete or a replace removes.

A plan is an approval, so it must list what is lost: every stored value that is not restored. That
is known only for an integration that was read completely, and only the list determines which ones
to read: `is_candidate`.
"""

from collections.abc import Iterator

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.identifiers import differ_in_form
from reconciler.domain.policy import Prune
from reconciler.domain.schema import FieldSchema, immutable_fields, integration_schema, show_path
from reconciler.domain.secrets import Mask, Redacted, SecretRef
from reconciler.domain.state import Declared, DesiredState, LastApplied, LastAppliedState, Observed
from reconciler.domain.tree import (
    Path,
    Tree,
    Value,
    as_mapping,
    is_empty,
    is_enabled,
    leaves,
    plain,
)
from reconciler.planning.actions import (
    TOMBSTONE,
    Action,
    ActionInputs,
    ActionKind,
    Change,
    ChangeKind,
    ChangeOrigin,
    Precondition,
    Risk,
    risk_of,
    risk_of_new,
)
from reconciler.planning.comparison import Comparison
from reconciler.planning.normalize import fingerprint, normalize
from reconciler.planning.plan import PlanOptions

_SHORT_COMMIT = 12


def owns(desired: DesiredState, current: Observed) -> bool:
    """Return whether an existing integration is in the scope of the target."""
    workspace = current.fields.get("workspace_id")
    return desired.target.scope.owns(
        slug=current.slug, kind=current.kind, workspace_id=str(workspace) if workspace else None
    )


def was_declared(remembered: LastApplied, current: Observed) -> bool:
    """Return whether Git used to declare this integration, and not another one with its slug."""
    return remembered.declared is not None and not remembered.is_another(current.id)


def deletion_reason(
    slug: str, *, desired: DesiredState, options: PlanOptions, was_in_git: bool
) -> str | None:
    """Return why an integration without a file is deleted, None if it is left unchanged.

    `was_in_git` is True if Git used to declare it.
    """
    tombstone = desired.tombstones.get(slug)
    prune = options.prune or desired.target.prune
    # A tombstone names its slug, so it applies under every prune rule, including `none`.
    if tombstone is not None:
        return f"{TOMBSTONE}{tombstone.reason or 'no reason given'}"
    if prune is Prune.ALL or (prune is Prune.MANAGED and was_in_git):
        return "no longer declared" if was_in_git else "not declared, and prune is all"
    return None


def is_candidate(
    row: Observed, *, desired: DesiredState, last_applied: LastAppliedState, options: PlanOptions
) -> bool:
    """Return whether, according to its row in the list, an integration is deleted or replaced."""
    # These are never deleted, so their details need not be read.
    if row.is_archived or not options.selection.includes(row.slug) or not owns(desired, row):
        return False
    declared = desired.integrations.get(row.slug)
    if declared is not None:
        return _is_replaced(declared, row)
    was_in_git = was_declared(last_applied.of(row.slug), row)
    return (
        deletion_reason(row.slug, desired=desired, options=options, was_in_git=was_in_git)
        is not None
    )


def _is_replaced(declared: Declared, row: Observed) -> bool:
    for name in immutable_fields():
        want, have = declared.fields.get(name), row.fields.get(name)
        ignored = any(entry.path == (name,) for entry in declared.lifecycle.ignore)
        # Ids of two forms may name one object, so they are no reason to replace it.
        if name not in declared.fields or ignored or differ_in_form(want, have):
            continue
        # The list shows an empty field as null or leaves it out.
        if want != have and not (is_empty(want) and is_empty(have)):
            return True
    return False


def plan_delete(
    current: Observed, remembered: LastApplied, reason: str, *, is_wanted: bool
) -> Action:
    """Plan the deletion of one integration.

    The deletion of a `protected` integration is blocked unless a tombstone names it (`is_wanted`).
    """
    origin = ChangeOrigin.LOCAL if was_declared(remembered, current) else ChangeOrigin.UNKNOWN
    # A row has no configurations (remote/API.md §1.2), so its fingerprint would match no record.
    seen = fingerprint(current) if current.detailed else None
    return Action(
        slug=current.slug,
        kind=ActionKind.DELETE,
        reason=_with_last_declaration(reason, remembered),
        risk=Risk.DELETE,
        changes=_lost_by_delete(current, origin=origin),
        precondition=Precondition(current.last_updated_at, seen),
        blocked_by=("protected",) if remembered.protected and not is_wanted else (),
        calls=delete_calls(current.slug),
        subject=ActionInputs(None, current, remembered),
    )


def delete_calls(slug: str) -> tuple[Call, ...]:
    """Return the call that deletes an integration."""
    return (Call(OperationName.DELETE, slug),)


def _with_last_declaration(reason: str, remembered: LastApplied) -> str:
    """Add the file and the commit that last declared an integration, if they are known."""
    found = remembered.declared_at
    if found is None:
        return reason
    commit = f" at commit {found.commit[:_SHORT_COMMIT]}" if found.commit else ""
    return f"{reason}; last declared in {found.place.file}:{found.place.line}{commit}"


def _lost_by_delete(current: Observed, *, origin: ChangeOrigin) -> tuple[Change, ...]:
    """Return a change for every value that is lost with an integration, ordered by path."""
    schema = _schema_of(current)
    lost = _stored(normalize(current.fields), schema)
    changes = [_lost(path, value, schema.at(path), origin) for path, value in lost]
    return tuple(sorted(changes, key=lambda change: change.path))


def lost_and_recreated(
    declared: Declared,
    observed: Observed,
    comparison: Comparison,
    changes: list[Change],
) -> list[Change]:
    """Return what a replace changes: the differences, the losses, and the secrets to send again.

    A replace creates from the file alone. Values that only the API has are lost. Values that both
    sides have are sent again, as is every secret of the file, regardless of what is known about the
    stored one.
    """
    # All other changes follow from the change of the immutable field, so they have the same origin.
    origin = next(change.origin for change in changes if change.path in immutable_fields())
    # Secrets are added below, together with all others of the file.
    changes = [
        change for change in changes if change.op not in {ChangeKind.ROTATE, ChangeKind.RESEND}
    ]
    known = {change.path for change in changes}
    stored_as = _schema_of(observed)
    # The whole file, including ignored fields, because a replace keeps nothing that is stored.
    sent = dict(_sent(comparison.declared, declared.schema))
    result = [
        _lost(path, value, stored_as.at(path), origin)
        for path, value in _stored(comparison.observed, stored_as)
        if path not in sent and show_path(path) not in known
    ]
    result += [
        _recreated(path, value, declared.schema.at(path), origin)
        for path, value in sent.items()
        if show_path(path) not in known
    ]
    return changes + result


def _stored(tree: Tree, schema: FieldSchema) -> Iterator[tuple[Path, Value]]:
    """Yield the leaves that have an effect: no empty value, no entry without access."""
    for path, value in leaves(_without_idle_entries(tree, schema)):
        facts = schema.at(path).facts
        is_default = len(path) == 1 and facts.default is not None and value == facts.default
        if path and not is_empty(value) and not is_default and not facts.server_added:
            yield path, value


def _sent(declared: Tree, schema: FieldSchema) -> Iterator[tuple[Path, Value]]:
    for path, value in leaves(_without_idle_entries(declared, schema)):
        if path and not is_empty(value) and not schema.at(path).facts.write_only:
            yield path, value


def _without_idle_entries(tree: Tree, schema: FieldSchema) -> dict[str, Value]:
    """Leave out workspaces and base models that are off, and access of all that is not granted."""
    result = {
        name: value
        for name, value in tree.items()
        if not schema.child(name).has_switch or is_enabled(value)
    }
    for name in ("models", "workspaces"):
        entries = as_mapping(result.get(name))
        result[name] = {
            identity: entry
            for identity, entry in entries.items()
            if is_enabled(entry) or as_mapping(entry).get("is_custom")
        }
    return result


def _schema_of(observed: Observed) -> FieldSchema:
    provider = observed.fields.get("ai_provider_id")
    return integration_schema(provider if isinstance(provider, str) else None)


def _lost(path: Path, value: Value, field: FieldSchema, origin: ChangeOrigin) -> Change:
    sensitive = field.facts.sensitive or isinstance(value, Mask | Redacted | SecretRef)
    return Change(
        path=show_path(path),
        op=ChangeKind.REMOVE,
        risk=_risk_of_loss(field, sensitive=sensitive),
        before=None if sensitive else plain(value),
        sensitive=sensitive,
        unknown_field=sensitive and not field.is_known,
        origin=origin,
    )


def _recreated(path: Path, value: Value, field: FieldSchema, origin: ChangeOrigin) -> Change:
    sensitive = field.facts.sensitive or isinstance(value, SecretRef | Redacted)
    shown = None if sensitive else plain(value)
    return Change(
        path=show_path(path),
        op=ChangeKind.RESEND,
        risk=risk_of_new(field),
        before=shown,
        after=shown,
        sensitive=sensitive,
        unknown_field=sensitive and not field.is_known,
        origin=origin,
        reference=str(value) if isinstance(value, SecretRef) else None,
    )


def _risk_of_loss(field: FieldSchema, *, sensitive: bool) -> Risk:
    """Return the risk of a loss; a limit that is lost with its workspace is not lifted."""
    if sensitive:
        return Risk.CREDENTIAL
    risk = risk_of(field, before=True, after=None, adds=False)
    return Risk.RESTRICTIVE if risk is Risk.ADDITIVE else risk

"""Plan the creation of one integration: its changes, its calls, and what is missing for them.

The same is missing for a replace: neither keeps anything that is stored, so only the file counts.
Changes of an existing integration: `updates`. Deletes: `removals`.
"""

from collections.abc import Mapping

from reconciler.diagnostics import Diagnostic
from reconciler.domain.calls import Call, OperationName
from reconciler.domain.providers import needs_configurations
from reconciler.domain.schema import UNKNOWN, FieldSchema, any_provider_schema, show_path
from reconciler.domain.secrets import Mask, Redacted, SecretRef
from reconciler.domain.state import (
    Declared,
    LastApplied,
    Observed,
    has_credential,
    lacks_credential,
)
from reconciler.domain.tree import (
    Tree,
    Value,
    as_mapping,
    is_empty,
    is_enabled,
    is_mapping,
    leaves,
    plain,
    references,
)
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
from reconciler.planning.normalize import (
    SHARED_ACCESS,
    allows_all_models,
    models_switch,
    normalize,
    to_wire,
)
from reconciler.planning.plan import IntegrationPlan


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


def create_calls(declared: Declared) -> tuple[Call, ...]:
    """Return the calls that create an integration; nothing empty is sent."""
    fields, schema = normalize(declared.fields), any_provider_schema()
    # The slug is always sent, because a generated slug would match no file (remote/API.md §1.3).
    body: dict[str, Value] = {"slug": declared.slug, **_default_provider(fields, schema)}
    for name, value in fields.items():
        field = schema.child(name)
        is_sent = field.facts.sub_resource is None and not field.facts.write_only
        # Empty values are omitted: a new record does not have them anyway, and the API may refuse
        # them.
        if is_sent and not is_empty(value):
            body[name] = _without_nulls(to_wire(value, field))
    calls = [Call(OperationName.CREATE, body=body)]
    models = as_mapping(fields.get("models"))
    # A new integration allows all models, so the switch alone can require a call.
    if models or not allows_all_models(fields, {}):
        calls.append(models_call(declared, fields, models))
    workspaces = as_mapping(fields.get("workspaces"))
    # A new record grants nothing yet, so there is nothing to revoke.
    granted = {id_: as_mapping(entry) for id_, entry in workspaces.items() if is_enabled(entry)}
    access = as_mapping(fields.get(SHARED_ACCESS))
    if granted or is_enabled(access):
        shared = access if is_enabled(access) else None
        calls.append(workspaces_call(declared, fields, granted, shared))
    return tuple(calls)


def _without_nulls(value: Value) -> Value:
    """Return a tree without null members, which a new record does not have anyway."""
    if is_mapping(value):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return value


def models_call(declared: Declared, fields: Tree, entries: Tree) -> Call:
    """Return the call that writes models; `fields` decide about all others."""
    models = to_wire(entries, any_provider_schema().child("models"))
    body = {"models": models, **models_switch(fields)}
    return Call(OperationName.UPDATE_MODELS, declared.slug, body=body)


def workspaces_call(
    declared: Declared, fields: Tree, entries: Mapping[str, Tree], shared: Tree | None
) -> Call:
    """Return the call that writes access of workspaces and, with `shared`, that of all others."""
    schema = any_provider_schema()
    workspaces = schema.child("workspaces")
    listed = as_mapping(fields.get("workspaces"))
    inner = workspaces.entries or UNKNOWN
    with_provider = {
        id_: {**entry, **_write_only(as_mapping(listed.get(id_)), inner)}
        for id_, entry in entries.items()
    }
    body = {
        "workspaces": to_wire(with_provider, workspaces),
        **_default_provider(fields, schema),
    }
    if shared is not None:
        body[SHARED_ACCESS] = to_wire(shared, schema.child(SHARED_ACCESS))
    return Call(OperationName.UPDATE_WORKSPACES, declared.slug, body=body)


def _write_only(fields: Tree, schema: FieldSchema) -> dict[str, Value]:
    return {name: v for name, v in fields.items() if schema.child(name).facts.write_only}


def _default_provider(fields: Tree, schema: FieldSchema) -> dict[str, Value]:
    """Return the write-only fields, which request that a write also creates a provider.

    Flags are always sent, because by default the API creates providers that are not managed.
    """
    body: dict[str, Value] = {}
    for name, field in schema.fields.items():
        if field.facts.write_only and field.is_flag:
            body[name] = bool(fields.get(name))
        elif field.facts.write_only and fields.get(name):
            body[name] = fields[name]
    return body

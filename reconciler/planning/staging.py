"""Staged rotation: the shadow integration in which a new credential is tested first.

On a target with `rotation.staged`, an action that writes a credential first creates `SLUG--next`
with the new credential, probes it, and later removes it. A shadow is recognized by its name, by its
description, which names the run that created it, and by the ledger, which has recorded that this
run would create it. `reconciler.execution.staging` executes a rotation.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from reconciler.diagnostics import Diagnostic, error, notice, warning
from reconciler.domain.calls import Call, OperationName
from reconciler.domain.policy import Target
from reconciler.domain.schema import any_provider_schema, show_path
from reconciler.domain.secrets import Mask, Redacted, SecretRef
from reconciler.domain.state import (
    SHADOW_SUFFIX,
    Declared,
    DesiredState,
    LastApplied,
    LastAppliedState,
    Observed,
    ObservedState,
)
from reconciler.domain.tree import Path, Tree, Value, as_mapping, is_empty, is_mapping, leaves
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import LEFT_OVER, Action, ActionKind, Risk, Staging
from reconciler.planning.comparison import compare
from reconciler.planning.normalize import normalize, to_wire
from reconciler.planning.plan import IntegrationPlan, Selection
from reconciler.planning.removals import plan_delete
from reconciler.planning.update_calls import merged

LONGEST_SLUG = 255
_LONGEST_NAME = 240
_COPIED = ("ai_provider_id", "configurations", "key", "secret_mappings", "workspace_id")
"""Fields that decide whether a credential works."""

_ACCESS = frozenset({"models", "workspaces"})
_MARK = re.compile(r"Shadow of (?P<slug>\S+) while its credential is rotated, by run (?P<run>\S+)")


def shadow_slug(slug: str) -> str:
    """Return the slug of the shadow of an integration."""
    return f"{slug}{SHADOW_SUFFIX}"


def mark_of(slug: str, run: str) -> str:
    """Return the description of a shadow, by which it is recognized."""
    return f"Shadow of {slug} while its credential is rotated, by run {run}"


def _carries_secret(call: Call) -> bool:
    return any(_holds_secret(value) for value in (call.body or {}).values())


def _holds_secret(value: Value) -> bool:
    if is_mapping(value):
        return any(_holds_secret(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(_holds_secret(item) for item in value)
    return isinstance(value, SecretRef | Redacted)


# -- shadows that exist ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shadow:
    """Existing integration with the name and the description of a shadow.

    `is_ours` is True if the ledger has recorded that its run would create it, `in_flight` if this
    run may still be in progress.
    """

    observed: Observed
    integration: str
    is_ours: bool
    in_flight: bool


def marked_run(observed: Observed) -> str | None:
    """Return the run that an integration names as that of its rotation, None without a mark."""
    description = observed.fields.get("description")
    found = _MARK.fullmatch(description) if isinstance(description, str) else None
    if found is None or shadow_slug(found["slug"]) != observed.slug:
        return None
    return found["run"]


def find_shadow(
    observed: Observed, *, desired: DesiredState, last_applied: LastAppliedState
) -> Shadow | None:
    """Return what is known about a shadow, None for any other integration.

    On a target that does not stage, only an integration that the ledger proves is a shadow.
    """
    if not observed.slug.endswith(SHADOW_SUFFIX):
        return None
    # What a file declares, or used to declare, is an integration like any other.
    if observed.slug in desired.integrations or last_applied.of(observed.slug).declared is not None:
        return None
    # The name alone proves nothing, because anyone can create an integration with this suffix.
    run = marked_run(observed)
    if run is None or observed.is_archived:
        return None
    is_ours = run in last_applied.shadows.get(observed.slug, ())
    if not is_ours and not desired.target.rotation.staged:
        return None
    return Shadow(
        observed,
        observed.slug.removesuffix(SHADOW_SUFFIX),
        is_ours=is_ours,
        in_flight=run in last_applied.rotating,
    )


def find_shadows(
    desired: DesiredState, observed: ObservedState, last_applied: LastAppliedState
) -> Mapping[str, Shadow]:
    """Return the existing shadows by their slug."""
    found: dict[str, Shadow] = {}
    for slug, current in observed.live.items():
        shadow = find_shadow(current, desired=desired, last_applied=last_applied)
        if shadow is not None:
            found[slug] = shadow
    return found


def plan_leftovers(
    shadows: Mapping[str, Shadow], planned: Iterable[Action], selection: Selection
) -> tuple[list[Action], list[Diagnostic]]:
    """Return the deletes of shadows that rotations have left behind, and notices about the others.

    A staged action removes the shadow of its integration itself.
    """
    staged = {action.staged_by for action in planned}
    actions, notes = [], []
    for slug, shadow in sorted(shadows.items()):
        # By the slug of the integration, because its shard also rotates its credential.
        if slug in staged or not selection.includes(shadow.integration):
            continue
        if shadow.in_flight or not shadow.is_ours:
            notes.append(_note_on(shadow))
            continue
        reason = f"{LEFT_OVER}{shadow.integration}"
        # Wanted, so that the protection of the integration does not keep its shadow alive.
        actions.append(plan_delete(shadow.observed, LastApplied(), reason, is_wanted=True))
    return actions, notes


def _note_on(shadow: Shadow) -> Diagnostic:
    slug, of = shadow.observed.slug, shadow.integration
    if shadow.in_flight:
        summary = f"{slug} is a shadow of {of}, whose credential another run is rotating"
        return notice("rotation-in-flight", summary, hint="wait for that run to end")
    return _unknown_shadow(slug)


def _unknown_shadow(slug: str) -> Diagnostic:
    of = slug.removesuffix(SHADOW_SUFFIX)
    summary = f"{slug} looks like a shadow of {of}, but the ledger does not know it"
    hint = "delete it in the console if it is left over; this tool does not change it"
    return notice("unknown-shadow", summary, hint=hint)


def unknown_shadows(unmanaged: Iterable[str], observed: ObservedState) -> list[Diagnostic]:
    """Return notices about unmanaged integrations with the mark of a shadow."""
    return [
        _unknown_shadow(slug)
        for slug in unmanaged
        if slug.endswith(SHADOW_SUFFIX) and marked_run(observed.integrations[slug]) is not None
    ]


def edited_shadows(
    desired: DesiredState,
    observed: ObservedState,
    last_applied: LastAppliedState,
    planned: Iterable[Action],
    selection: Selection,
) -> list[Diagnostic]:
    """Return warnings about integrations that were created as shadows and no longer look like one.

    Such a shadow still has a credential, and nothing removes it. It is reported even if it is not
    in the scope of the target, because a run of this target has created it.
    """
    actions = list(planned)
    # The error about the rotation that it blocks is sufficient.
    reported = {shadow_slug(a.slug) for a in actions if "shadow-conflict" in a.blocked_by}
    reported |= {action.slug for action in actions}
    found = []
    for slug in sorted(last_applied.shadows.keys() & observed.live.keys()):
        is_declared = slug in desired.integrations or last_applied.of(slug).declared is not None
        is_marked = marked_run(observed.live[slug]) is not None
        if not is_declared and not is_marked and slug not in reported and selection.includes(slug):
            found.append(_edited_shadow(slug))
    return found


def _edited_shadow(slug: str) -> Diagnostic:
    of = slug.removesuffix(SHADOW_SUFFIX)
    summary = (
        f"{slug} has the name of a shadow of {of} that a run created, "
        "but another description: it may hold a credential of a rotation"
    )
    hint = (
        f"if it is left over, delete it in the console, or list {slug} under `deletions`; "
        "else rename it"
    )
    return warning("edited-shadow", summary, hint=hint)


# -- updates that are staged -------------------------------------------------------------


def with_staging(
    part: IntegrationPlan,
    *,
    desired: DesiredState,
    observed: ObservedState,
    remembered: LastApplied,
    shadows: Mapping[str, Shadow],
) -> IntegrationPlan:
    """Return the plan of an integration whose credential is staged, or a block if it cannot be."""
    action = part.action
    # A blocked action sends nothing, so there is no credential to try.
    if action is None or action.blocked_by or not _is_staged(action):
        return part
    declared = action.subject.declared
    assert declared is not None  # noqa: S101 - only a delete declares nothing
    slug = shadow_slug(action.slug)
    shadow = shadows.get(slug)
    body = _shadow_body(action, declared, remembered)
    # An archived integration counts as deleted; a create shows whether its slug is free.
    taken = slug in observed.live or slug in observed.unreadable
    other = desired.integrations.get(slug)
    found = _obstacle(declared, body, taken=taken, shadow=shadow, other=other)
    if found is not None:
        blocked = replace(action, blocked_by=(found.code,), calls=())
        return replace(part, action=blocked, diagnostics=(*part.diagnostics, found))
    staging = Staging(
        slug,
        _shadow_calls(slug, body, desired.target),
        leftover=shadow.observed if shadow is not None else None,
    )
    return replace(part, action=replace(action, staged_by=slug, staging=staging))


def _is_staged(action: Action) -> bool:
    """Return whether an action writes a credential of the integration itself."""
    if action.kind is not ActionKind.UPDATE:
        return action.kind is not ActionKind.DELETE
    # A credential of a custom model is not part of a shadow, which has no models.
    own = [c for c in action.changes if re.split(r"[.\[]", c.path)[0] not in _ACCESS]
    if any(change.risk is Risk.CREDENTIAL for change in own):
        return True
    return any(
        call.operation is OperationName.UPDATE and _carries_secret(call) for call in action.calls
    )


def _obstacle(
    declared: Declared,
    body: Mapping[str, Value],
    *,
    taken: bool,
    shadow: Shadow | None,
    other: Declared | None,
) -> Diagnostic | None:
    """Return why a rotation cannot be staged, None if it can; `other` is declared as its shadow."""
    slug, at = shadow_slug(declared.slug), declared.source
    if len(slug) > LONGEST_SLUG:
        summary = f"{declared.slug}: the slug is too long for a shadow {slug}"
        hint = "use a shorter slug, or set `rotation: {staged: false}` for this run"
        return error("cannot-stage", summary, hint=hint, at=at)
    if other is not None:
        summary = f"{declared.slug}: its shadow would be {slug}, which a file declares"
        hint = f"rename {slug}, or set `rotation: {{staged: false}}` for this run"
        return error("shadow-conflict", summary, hint=hint, at=at)
    if shadow is not None and shadow.in_flight:
        summary = f"{declared.slug}: another run is rotating its credential"
        return error("shadow-conflict", summary, hint="wait for that run to end", at=at)
    if taken and (shadow is None or not shadow.is_ours):
        summary = f"{declared.slug}: {slug} exists and is not a shadow of this target"
        hint = f"check {slug} in the console, and rename or delete it; it was not changed"
        return error("shadow-conflict", summary, hint=hint, at=at)
    hidden = [show_path(path) for path in _masks(body)]
    if hidden:
        summary = f"{declared.slug}: its rotation cannot be staged without {', '.join(hidden)}"
        hint = "declare these secrets as references: the API shows only a mask of them"
        return error("cannot-stage", summary, hint=hint, at=at)
    return None


def _masks(body: Mapping[str, Value]) -> list[Path]:
    return [path for path, value in leaves(body) if isinstance(value, Mask)]


def _shadow_body(action: Action, declared: Declared, remembered: LastApplied) -> dict[str, Value]:
    """Return the fields that decide whether the credential works, as they are after the action.

    A secret that only the API has is a mask.
    """
    current = action.subject.observed
    fields: Tree
    stored: Tree
    if current is None or action.kind is not ActionKind.UPDATE:
        # Nothing that is stored becomes part of a new integration.
        fields, stored = normalize(declared.fields), as_mapping(None)
    else:
        comparison = compare(declared, current, remembered)
        fields, stored = comparison.desired, comparison.observed
    body: dict[str, Value] = {}
    for name in _COPIED:
        value = stored.get(name)
        if name in fields:
            value = merged(fields[name], value, any_provider_schema().child(name))
        if not is_empty(value):
            body[name] = value
    shown = fields.get("name") or stored.get("name") or declared.slug
    # Cut first, so that the mark at the end stays within the longest name that the API takes.
    body["name"] = f"{str(shown)[:_LONGEST_NAME]} (next)"
    return body


def _filled(value: Value) -> Value:
    """Return a tree without its empty members, which a new integration lacks anyway."""
    if not is_mapping(value):
        return value
    return {name: _filled(item) for name, item in value.items() if not is_empty(item)}


def _shadow_calls(slug: str, body: Mapping[str, Value], target: Target) -> tuple[Call, ...]:
    """Return the calls that create a shadow, with as little access as its probe needs."""
    schema = any_provider_schema()
    probe = target.probe
    workspace = probe.workspace if probe is not None else None
    sent = {name: _filled(to_wire(value, schema.child(name))) for name, value in body.items()}
    none: dict[str, Value] = {"create_default_provider": False}
    provider = none
    is_scoped = "workspace_id" in body
    if workspace is not None:
        # The gateway only has providers; this provider is removed with the shadow.
        provider = {"create_default_provider": True, "default_provider_slug": slug}
    # An integration that belongs to a workspace gets its provider with the create, any other one
    # with the grant below.
    at_create = provider if is_scoped else none
    create = Call(OperationName.CREATE, body={"slug": slug, **sent, **at_create})
    if workspace is None or is_scoped:
        return (create,)
    granted: dict[str, Value] = {"workspaces": [{"id": workspace, "enabled": True}], **provider}
    return create, Call(OperationName.UPDATE_WORKSPACES, slug, body=granted)

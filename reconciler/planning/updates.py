"""Plan an integration that is declared and exists: its changes, secrets and obstacles."""

from datetime import datetime

from reconciler.diagnostics import Diagnostic
from reconciler.domain.schema import FieldSchema, immutable_fields, show_path
from reconciler.domain.state import Declared, LastApplied, Observed
from reconciler.domain.surrogates import repaired
from reconciler.domain.tree import (
    Path,
    Tree,
    Value,
    as_mapping,
    is_empty,
    is_enabled,
    lookup,
    plain,
)
from reconciler.planning import messages
from reconciler.planning.actions import (
    Action,
    ActionInputs,
    ActionKind,
    Change,
    ChangeKind,
    ChangeOrigin,
    Precondition,
    Risk,
    highest,
    risk_of,
)
from reconciler.planning.comparison import Comparison, compare, redirects
from reconciler.planning.creates import create_calls, missing_values, replacement_blocks
from reconciler.planning.credentials import (
    SecretAssessment,
    SecretEvidence,
    SecretStatus,
    assess,
    keeps_key,
    secret_change,
    secrets_to_send,
    write_blocks,
)
from reconciler.planning.diff import FieldChange, changed_fields
from reconciler.planning.identifier_forms import differing_forms
from reconciler.planning.normalize import fingerprint
from reconciler.planning.plan import IntegrationPlan, Unverified
from reconciler.planning.removals import delete_calls, lost_and_recreated
from reconciler.planning.undeclared import undeclared_values, unlisted_workspaces
from reconciler.planning.update_calls import update_calls


def plan_update(
    declared: Declared,
    observed: Observed,
    remembered: LastApplied,
    *,
    evidence: SecretEvidence,
    push_secrets: bool,
    now: datetime | None,
    audited: Observed | None = None,
) -> IntegrationPlan:
    """Plan one integration; no action depends on `audited`, the record with undeclared parts."""
    if observed.is_archived:
        return _archived(declared, observed, remembered)
    comparison = compare(declared, observed, remembered, now=now)
    beyond = comparison if audited is None else compare(declared, audited, remembered, now=now)
    # In this order, so that `before` is the API's value and `after` that of the file.
    differing = changed_fields(comparison.observed_diff, comparison.desired_diff)
    assessments = [assess(site, remembered, evidence) for site in comparison.secrets]
    sent = secrets_to_send(assessments, differing, schema=declared.schema, push=push_secrets)
    changes = _changes(differing, sent, declared.schema, comparison.past)
    paths = [change.path for change in differing] + [assessment.path for assessment, _ in sent]
    replaced = _immutable_changes(comparison, differing)
    if replaced:
        # Nothing of the old record is kept, so an in-place write has no obstacle here.
        changes = lost_and_recreated(declared, observed, comparison, changes)
        blocks = replacement_blocks(declared, observed)
        notes = missing_values(declared, evidence.values)
    else:
        blocks = write_blocks(declared, comparison, paths=paths, sent=sent)
        notes = _notes_on_writing(declared, assessments, sent)
    notes += _uncertain_forms(declared, comparison)
    notes += messages.without_provider(declared, _first_grants(comparison, differing))
    left_out = _left_out(declared, audited or observed, remembered, beyond, replaced=replaced)
    return IntegrationPlan(
        action=_action(
            declared,
            observed,
            remembered=remembered,
            comparison=comparison,
            changes=changes,
            paths=paths,
            immutable=replaced,
            codes={block.code for block in blocks},
        ),
        # A new integration gets all declared secrets, so none stays unverified.
        unverified=() if replaced else _unverified(declared, assessments),
        undeclared=left_out.undeclared,
        diagnostics=(*blocks, *notes, *left_out.diagnostics),
        repeated_secrets=sum(assessment.is_repeated for assessment, _ in sent),
    )


def _left_out(
    declared: Declared,
    observed: Observed,
    remembered: LastApplied,
    comparison: Comparison,
    *,
    replaced: list[str],
) -> IntegrationPlan:
    """Return the values of the API that the file leaves out.

    A replace because of the fields `replaced` removes them, as the action's changes show.
    """
    # Also reported for a replace, because until it is applied, the credential may be sent to the
    # host.
    warnings = _hosts_and_access(declared, comparison, remembered)
    if replaced:
        return IntegrationPlan(diagnostics=tuple(warnings))
    warnings += _lists_left_behind(declared, observed, comparison)
    warnings += _unlisted_access(declared, observed, comparison)
    undeclared = undeclared_values(declared.slug, declared.schema, comparison)
    return IntegrationPlan(undeclared=undeclared, diagnostics=tuple(warnings))


def _changes(
    differing: list[FieldChange],
    sent: list[tuple[SecretAssessment, ChangeKind]],
    schema: FieldSchema,
    past: Tree | None,
) -> list[Change]:
    """Return the changes of fields and, after them, the secrets that the write contains."""
    fields = [_field_change(change, schema, past) for change in differing]
    secrets = [secret_change(assessment, op, schema.at(assessment.path)) for assessment, op in sent]
    return [*fields, *secrets]


def _unverified(declared: Declared, assessments: list[SecretAssessment]) -> tuple[Unverified, ...]:
    return tuple(
        Unverified(declared.slug, show_path(assessment.path), assessment.shown_reference)
        for assessment in assessments
        # A literal has no name by which it could be listed, and no store in which it could change.
        if assessment.state is SecretStatus.UNVERIFIED and assessment.shown_reference
    )


def _notes_on_writing(
    declared: Declared,
    assessments: list[SecretAssessment],
    sent: list[tuple[SecretAssessment, ChangeKind]],
) -> list[Diagnostic]:
    """Return diagnostics about what an in-place write lacks, and about what it leaves unchanged."""
    notes = _missing_values(declared, sent)
    notes += _in_doubt(declared, sent)
    notes += _kept_keys(declared, assessments)
    return notes


def _missing_values(
    declared: Declared, sent: list[tuple[SecretAssessment, ChangeKind]]
) -> list[Diagnostic]:
    return [
        messages.missing_value(declared, assessment.path, str(assessment.reference))
        for assessment, _ in sent
        if not assessment.at_hand
    ]


def _in_doubt(
    declared: Declared, sent: list[tuple[SecretAssessment, ChangeKind]]
) -> list[Diagnostic]:
    return [
        messages.sent_again(declared, assessment.path)
        for assessment, _ in sent
        if assessment.in_doubt
    ]


def _lists_left_behind(
    declared: Declared, observed: Observed, comparison: Comparison
) -> list[Diagnostic]:
    past: Tree = comparison.past or {}
    return [
        messages.no_longer_managed(declared, name)
        for name in ("models", "workspaces")
        if name not in declared.fields
        # `_unlisted_access` reports these workspaces.
        and not (name == "workspaces" and unlisted_workspaces(declared, observed))
        and any(is_enabled(entry) for entry in as_mapping(past.get(name)).values())
    ]


def _kept_keys(declared: Declared, assessments: list[SecretAssessment]) -> list[Diagnostic]:
    return [
        messages.key_kept(declared)
        for assessment in assessments
        if keeps_key(assessment) and assessment.state is SecretStatus.CHANGED
    ]


def _hosts_and_access(
    declared: Declared, comparison: Comparison, remembered: LastApplied
) -> list[Diagnostic]:
    """Return a warning for each host and each access that no file declares."""
    hosts = [
        messages.undeclared_host(declared, path)
        for path in comparison.undeclared
        if redirects(declared.schema, path)
    ]
    # Without a record, Git may have declared the access before, so the message must not claim
    # otherwise.
    is_past_known = remembered.declared is not None
    access = [
        messages.undeclared_access(declared, path, known=is_past_known)
        for path in comparison.undeclared_access
    ]
    return hosts + access


def _uncertain_forms(declared: Declared, comparison: Comparison) -> list[Diagnostic]:
    """Return a warning for each id that could not be compared exactly."""
    names = differing_forms(comparison.desired, comparison.observed)
    differing = [messages.differing_form(declared, name) for name in names]
    aligned = [messages.aligned_form(declared, path) for path in comparison.aligned]
    return differing + aligned


def _unlisted_access(
    declared: Declared, observed: Observed, comparison: Comparison
) -> list[Diagnostic]:
    """Return one warning about all workspaces with access that no file lists, by name if known."""
    count = unlisted_workspaces(declared, observed)
    if not count:
        return []
    listed = as_mapping(comparison.observed.get("workspaces"))
    names = sorted(id_ for id_, entry in listed.items() if is_enabled(entry))
    return [messages.unlisted_access(declared, count, names)]


def _archived(declared: Declared, observed: Observed, remembered: LastApplied) -> IntegrationPlan:
    """Block an archived integration, which has no details to compare."""
    # An action, although nothing can be written: without one, the plan would be in sync.
    action = Action(
        slug=declared.slug,
        kind=ActionKind.UPDATE,
        reason="it is archived",
        risk=Risk.RESTRICTIVE,
        source=declared.source,
        precondition=Precondition(observed.last_updated_at),
        blocked_by=("archived",),
        subject=ActionInputs(declared, observed, remembered),
    )
    return IntegrationPlan(action=action, diagnostics=(messages.archived(declared),))


def _origin(change: FieldChange, past: Tree | None) -> ChangeOrigin:
    """Return the side that changed, by comparing both with what Git declared before."""
    if past is None:
        return ChangeOrigin.UNKNOWN
    if change.path[0] not in past:
        return ChangeOrigin.LOCAL  # Git did not declare it, so its earlier value is not known
    was = lookup(past, change.path)
    local = not _alike(was, change.after)
    remote = not _alike(was, change.before)
    if local and remote:
        return ChangeOrigin.BOTH
    return ChangeOrigin.REMOTE if remote else ChangeOrigin.LOCAL


def _alike(one: Value, other: Value) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return repaired(one) == repaired(other)  # the ledger has U+FFFD for a lone surrogate
    return bool(one == other) or (_is_nothing(one) and _is_nothing(other))


def _is_nothing(value: Value) -> bool:
    return is_empty(value) or value is False


def _field_change(change: FieldChange, schema: FieldSchema, past: Tree | None) -> Change:
    field = schema.at(change.path)
    return Change(
        path=show_path(change.path),
        op=_kind_of(change),
        risk=risk_of(field, before=change.before, after=change.after, adds=not change.had),
        before=plain(change.before),
        after=plain(change.after),
        origin=_origin(change, past),
    )


def _not_compared(comparison: Comparison) -> list[str]:
    return differing_forms(comparison.desired, comparison.observed)


def _kind_of(change: FieldChange) -> ChangeKind:
    if not change.has:
        return ChangeKind.REMOVE
    return ChangeKind.REPLACE if change.had else ChangeKind.ADD


def _immutable_changes(comparison: Comparison, differing: list[FieldChange]) -> list[str]:
    """Return the fields that differ and that no call can change in place."""
    if not differing:
        return []
    # An id in another form may name the same object, so it is no reason to replace it.
    changed = {change.path[0] for change in differing} - set(
        differing_forms(comparison.desired, comparison.observed)
    )
    return [name for name in immutable_fields() if name in changed]


def _first_grants(comparison: Comparison, differing: list[FieldChange]) -> list[str]:
    known = as_mapping(comparison.observed.get("workspaces"))
    return [
        change.path[1]
        for change in differing
        if change.path[0] == "workspaces"
        and change.path[2:] == ("enabled",)
        and change.after
        # A revoked workspace stays listed (remote/API.md §5.2), so this is not the first grant.
        and change.path[1] not in known
    ]


def _action(
    declared: Declared,
    observed: Observed,
    *,
    remembered: LastApplied,
    comparison: Comparison,
    changes: list[Change],
    paths: list[Path],
    immutable: list[str],
    codes: set[str],
) -> Action | None:
    if not changes:
        return None
    # An id in another form is reported as `id-form`, and no write can correct it.
    dropped = _not_compared(comparison)
    changes = [change for change in changes if change.path not in dropped]
    paths = [path for path in paths if path[0] not in dropped]
    if not changes:
        return None
    if immutable:
        kind, risk = ActionKind.REPLACE, Risk.REPLACE
        reason = f"{' and '.join(immutable)} cannot be changed in place"
        calls = (*delete_calls(declared.slug), *create_calls(declared))
    else:
        kind = ActionKind.UPDATE
        risk = highest([change.risk for change in changes]) or Risk.RESTRICTIVE
        reason = _reason(paths)
        calls = update_calls(declared, comparison, paths)
    # An update of a protected integration is allowed; only its deletion is not.
    if immutable and declared.lifecycle.protected:
        codes.add("protected")
    return Action(
        slug=declared.slug,
        kind=kind,
        reason=reason,
        risk=risk,
        changes=tuple(sorted(changes, key=lambda c: c.path)),
        source=declared.source,
        precondition=Precondition(observed.last_updated_at, fingerprint(observed)),
        # Sorted, because a set has no stable order and plans are stored.
        blocked_by=tuple(sorted(codes)),
        calls=calls,
        subject=ActionInputs(declared, observed, remembered),
    )


def _reason(paths: list[Path]) -> str:
    fields = sorted({path[0] for path in paths})
    verb = "differs" if len(fields) == 1 and not fields[0].endswith("s") else "differ"
    return (
        f"{', '.join(fields[:-1])} and {fields[-1]} {verb}" if fields[1:] else f"{fields[0]} {verb}"
    )

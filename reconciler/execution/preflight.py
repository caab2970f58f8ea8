"""Every check between a plan and its first write.

A plan is carried out only if nothing blocks it, its approval covers it, and every secret value that
its calls send is available and has the form that its field accepts.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from reconciler.diagnostics import Diagnostic, Severity, abridged_pair, error, named
from reconciler.domain.instants import parse_zoned_instant
from reconciler.domain.policy import Target
from reconciler.domain.secrets import Redacted, SecretError, SecretRef
from reconciler.domain.state import Declared, DesiredState
from reconciler.domain.tree import references
from reconciler.errors import InvalidInput, Refused
from reconciler.execution.secret_values import references_of, with_values
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import Action, Change, ChangeKind, is_shown_whole
from reconciler.planning.approval import (
    NotApproved,
    beyond_approval,
    renews_secrets_only,
    with_other_staging,
)
from reconciler.planning.plan import Plan
from reconciler.remote.errors import InvalidCall
from reconciler.remote.wire_secrets import encode_body, object_secrets

CLOCK_SKEW = timedelta(minutes=10)
"""Maximum time by which the clock of the planning machine may be ahead of this one."""

_LONGEST = 80
"""Maximum length of a value that a message shows completely; a host is never shortened."""

_WHOLE_DIGEST = re.compile("sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Approval:
    """Approval in place of a prompt: a digest to match, plans to stay within, or `--yes`.

    `break_freeze` is the reason to run outside the windows or during the freeze of the target, and
    `allow_unsoaked` the reason to ignore its soak time. They approve no change.
    """

    digest: str | None = None
    plans: tuple[Plan, ...] = ()
    assumed: bool = False
    break_freeze: str | None = None
    allow_unsoaked: str | None = None

    @property
    def asks(self) -> bool:
        """Whether the user must still confirm."""
        return not (self.assumed or self.digest or self.plans)


def require_ready(
    plan: Plan,
    approval: Approval,
    *,
    desired: DesiredState,
    values: Mapping[SecretRef, Redacted],
    missing: Mapping[SecretRef, SecretError],
    now: datetime,
    probes: bool = False,
) -> None:
    """Raise unless a plan may be carried out; the user may still have to confirm it.

    `values` are the available secret values, `missing` the reasons why others are not; with
    `probes`, the run probes credentials. Raises
    `Refused` for a guard or an approval, and `InvalidInput` for a value that cannot be sent.
    """
    refuse_blocked(plan)
    refuse_unjudged(plan, desired.target)
    max_age_hours = desired.target.limits.plan_age_hours
    found = objections(approval, plan, now=now, max_age_hours=max_age_hours)
    if found:
        raise Refused(found, plan=plan)
    # Values are checked last: a plan that is refused anyway must not require secrets.
    require_values(needed_secrets(plan), values, missing, desired, plan)
    require_writable(values, plan)
    staged = next((action for action in plan.actions if action.staging is not None), None)
    if staged is not None and not probes:
        # A shadow without a probe proves nothing.
        summary = f"{staged.slug}: its rotation is staged, and this run has no probe"
        raise InvalidInput([error("no-probe", summary, at=staged.source)], plan=plan)


# -- guards ------------------------------------------------------------------------------


def refuse_blocked(plan: Plan) -> None:
    """Raise `Refused` for a plan with a blocked action, with the errors that block it."""
    if not plan.blocked:
        return
    codes = {code for action in plan.blocked for code in action.blocked_by}
    # A warning about an action that is not blocked can have the same code.
    reasons = [d for d in plan.diagnostics if d.code in codes and d.severity is Severity.ERROR]
    raise Refused(reasons or list(plan.diagnostics), plan=plan)


def refuse_unjudged(plan: Plan, target: Target) -> None:
    """Raise `Refused` for a plan without the verdicts of its target's policies."""
    known = [verdict.name for verdict in plan.policies]
    # Compared by name and order: verdicts of policies other than those of the files do not count.
    if plan.actions and known != [policy.name for policy in target.policies]:
        summary = f"the policies of target `{target.name}` were not run for this plan"
        hint = "run `apply` from the command line, which runs them"
        raise Refused([error("policy-not-run", summary, hint=hint)], plan=plan)


# -- approval ----------------------------------------------------------------------------


def objections(
    approval: Approval, fresh: Plan, *, now: datetime, max_age_hours: float
) -> list[Diagnostic]:
    """Return the reasons why an approval does not cover the current plan; empty if it does."""
    # Checked alone, because a digest covers the target, the policies and every action.
    if approval.digest is not None and not fresh.has_digest(approval.digest):
        return [
            error(
                "digest-mismatch",
                f"the plan's digest is {fresh.digest}, but {approval.digest} was expected",
                hint=_digest_hint(approval.digest),
            )
        ]
    found = [problem for plan in approval.plans for problem in _wrong_target(plan, fresh)]
    found += _other_policies(approval.plans, fresh)
    found += [_not_approved(excess) for excess in with_other_staging(fresh, approval.plans)]
    # A rotated secret needs no separate approval, so the age of an earlier one does not matter.
    if renews_secrets_only(fresh):
        return found
    max_age = timedelta(hours=max_age_hours)
    found += [p for plan in approval.plans for p in _wrong_age(plan, now=now, max_age=max_age)]
    # A plan for another target, or one that has expired, is refused as a whole and not compared.
    if found or not approval.plans:
        return found
    return [_not_approved(excess) for excess in beyond_approval(fresh, approval.plans)]


def _digest_hint(given: str) -> str:
    # Text output shows only the first digits. They approve nothing, because a different plan with
    # the same first digits can be constructed.
    if not _WHOLE_DIGEST.fullmatch(given):
        return "pass the whole digest: `reconcile -v plan` and --format json show all digits"
    return "review and approve the new plan: something changed after the approval"


def _wrong_target(plan: Plan, fresh: Plan) -> Iterable[Diagnostic]:
    same = (plan.target.name, plan.target.base_url) == (fresh.target.name, fresh.target.base_url)
    # An empty list does not show the organisation, so it is compared only if both are known.
    known = plan.target.organisation_id is not None and fresh.target.organisation_id is not None
    if not same or (known and plan.target.organisation_id != fresh.target.organisation_id):
        yield error(
            "wrong-target",
            f"the plan was made for {plan.target.name} at {plan.target.base_url}",
            hint="apply it to that target, or plan again for this one",
        )


def _other_policies(approved: Iterable[Plan], fresh: Plan) -> Iterable[Diagnostic]:
    if not fresh.policies and not any(plan.policies for plan in approved):
        return ()
    # Imported late, because few targets have policies.
    from reconciler.planning.policy_guard import objections

    return objections(approved, fresh)


def _wrong_age(plan: Plan, *, now: datetime, max_age: timedelta) -> Iterable[Diagnostic]:
    """Check the time since the plan was approved, or made if no approval is recorded."""
    event = "made" if plan.approved_at is None else "approved"
    since = plan.approved_at or plan.created_at
    age = now - parse_zoned_instant(since)
    if age > max_age:
        when = f"more than {max_age / timedelta(hours=1):g} hours ago"
    elif age < -CLOCK_SKEW:
        when = "which is in the future"
    else:
        return
    yield error(
        "expired-plan",
        f"the plan was {event} at {since}, {when}",
        hint="create the plan again and have it approved",
    )


def _not_approved(excess: NotApproved) -> Diagnostic:
    what = f"{excess.kind.value} {excess.slug}"
    if excess.unrecorded:
        return error(
            "not-approved",
            f"the approved plan does not list the values that would be lost: {what}",
            hint="plan again and approve the new plan: this one was saved by an older release",
        )
    if excess.other_staging:
        return error(
            "not-approved",
            f"the approved plan and this one differ in whether they stage the rotation: {what}",
            hint="plan again and approve the new plan: `rotation` of the target was changed",
        )
    if excess.change is not None:
        what += f": {_describe(excess.change)}"
    if excess.approved is not None:
        what += f"; the approved plan has: {_describe(excess.approved)}"
    return error(
        "not-approved",
        f"no approved plan contains this: {what}",
        hint="review and approve the current plan: the change appeared after the approval",
    )


def _describe(change: Change) -> str:
    """Describe a change; for a secret, only the names of its references are shown."""
    before, after = _json(change.before), _json(change.after)
    if not is_shown_whole(change.path, change.before, change.after):
        before, after = abridged_pair(before, after, _LONGEST)
    if change.sensitive:
        before, after = change.before_reference or "", change.reference or ""
    match change.op:
        case ChangeKind.REMOVE:
            value = before
        case ChangeKind.REPLACE:
            value = f"{before} → {after}"
        case _:
            value = after
    return f"{change.op.value} {change.path} {value}".rstrip()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


# -- secret values -----------------------------------------------------------------------


def needed_secrets(plan: Plan) -> set[SecretRef]:
    """Return the references whose values the calls of a plan send."""
    needed: set[SecretRef] = set()
    for action in plan.actions:
        staged = action.staging.calls if action.staging is not None else ()
        needed.update(*(references_of(call) for call in (*action.calls, *staged)))
    return needed


def require_values(
    needed: Iterable[SecretRef],
    values: Mapping[SecretRef, Redacted],
    reasons: Mapping[SecretRef, SecretError],
    desired: DesiredState,
    plan: Plan,
) -> None:
    """Raise `InvalidInput` with an error for every required value that is not available."""
    missing = sorted(ref for ref in set(needed) if ref not in values)
    if missing:
        users = _users(desired)
        found = [_missing(ref, reasons.get(ref), users.get(ref, []), desired) for ref in missing]
        raise InvalidInput(found, plan=plan)


def require_writable(values: Mapping[SecretRef, Redacted], plan: Plan) -> None:
    """Raise `InvalidInput` for a value that its field cannot accept.

    Otherwise, a replace would fail after the old integration was deleted.
    """
    found = []
    for action in plan.actions:
        problem = _unwritable(action, values)
        if problem is not None:
            summary = f"{action.slug}: {problem.summary}"
            hint = "correct the value at its source; it is not shown"
            found.append(error(problem.code, summary, hint=hint, at=action.source))
    if found:
        raise InvalidInput(found, plan=plan)


def _unwritable(action: Action, values: Mapping[SecretRef, Redacted]) -> InvalidCall | None:
    staged = action.staging.calls if action.staging is not None else ()
    for call in (*action.calls, *staged):
        names = {path[-1] for path, _ in references(call.body or {})}
        if not object_secrets().intersection(names):
            continue  # every text is a valid value
        try:
            encode_body(with_values(call, values).body or {})
        except InvalidCall as problem:
            return problem
    return None


def _users(desired: DesiredState) -> dict[SecretRef, list[Declared]]:
    """Return the integrations that name each reference, ordered by slug."""
    users: dict[SecretRef, list[Declared]] = {}
    for _, declared in sorted(desired.integrations.items()):
        named = {reference for _, reference in references(declared.fields)}
        for reference in named:
            users.setdefault(reference, []).append(declared)
    return users


def _missing(
    reference: SecretRef,
    reason: SecretError | None,
    users: list[Declared],
    desired: DesiredState,
) -> Diagnostic:
    code = reason.code if reason else "missing-value"
    summary = reason.summary if reason else f"{reference} has no value"
    hint = (reason.hint if reason else "") or "make the value available to this command"
    if not users:
        return error(code, summary, hint=hint)
    needed_by = named([user.slug for user in users], limit=1)
    at = desired.location_of(users[0], reference)
    return error(code, f"{summary}; needed by {needed_by}", hint=hint, at=at)

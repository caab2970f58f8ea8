"""Insist on the values that a run would send, and say of each missing one why and to whom."""

from collections.abc import Iterable, Mapping

from reconciler.diagnostics import Diagnostic, error
from reconciler.domain.rejection import InvalidInput
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import Declared, DesiredState
from reconciler.domain.tree import references
from reconciler.errors import ReconcilerError
from reconciler.execution.secret_values import references_of, with_values
from reconciler.planning.actions import Action
from reconciler.planning.plan import Plan
from reconciler.remote.errors import InvalidCall
from reconciler.remote.request_body import OBJECT_SECRETS, encode_body


def needed_secrets(plan: Plan) -> set[SecretRef]:
    """Give the references whose values the plan's calls carry."""
    return {ref for action in plan.actions for call in action.calls for ref in references_of(call)}


def require_values(
    needed: Iterable[SecretRef],
    values: Mapping[SecretRef, Redacted],
    reasons: Mapping[SecretRef, ReconcilerError],
    desired: DesiredState,
    plan: Plan,
) -> None:
    """Raise `InvalidInput` that holds the plan and names every value that is not at hand."""
    missing = sorted(ref for ref in set(needed) if ref not in values)
    if missing:
        users = _users(desired)
        found = [_missing(ref, reasons.get(ref), users.get(ref, [])) for ref in missing]
        raise InvalidInput(found, plan=plan)


def require_writable(values: Mapping[SecretRef, Redacted], plan: Plan) -> None:
    """Raise `InvalidInput` for a value that its field cannot take, before anything is written.

    A replace would otherwise find out when the old integration is gone already.
    """
    found = [
        error(
            problem.code,
            f"{action.slug}: {problem.summary}",
            hint="repair the value where it is kept; it is not shown",
            at=action.source,
        )
        for action in plan.actions
        if (problem := _unwritable(action, values)) is not None
    ]
    if found:
        raise InvalidInput(found, plan=plan)


def _unwritable(action: Action, values: Mapping[SecretRef, Redacted]) -> InvalidCall | None:
    for call in action.calls:
        names = {path[-1] for path, _ in references(call.body or {})}
        if not OBJECT_SECRETS.intersection(names):
            continue  # any text will do
        try:
            encode_body(with_values(call, values).body or {})
        except InvalidCall as problem:
            return problem
    return None


def _users(desired: DesiredState) -> dict[SecretRef, list[Declared]]:
    """Tell which integrations name each reference, in the order of their slugs."""
    users: dict[SecretRef, list[Declared]] = {}
    for _, declared in sorted(desired.integrations.items()):
        for ref in {ref for _, ref in references(declared.fields)}:
            users.setdefault(ref, []).append(declared)
    return users


def _missing(
    reference: SecretRef, reason: ReconcilerError | None, users: list[Declared]
) -> Diagnostic:
    code = reason.code if reason else "missing-value"
    summary = reason.summary if reason else f"{reference} has no value here"
    hint = (reason.hint if reason else "") or "make the value available where this runs"
    if not users:
        return error(code, summary, hint=hint)
    more = f" and {len(users) - 1} more" if users[1:] else ""
    return error(code, f"{summary}; needed by {users[0].slug}{more}", hint=hint, at=users[0].source)

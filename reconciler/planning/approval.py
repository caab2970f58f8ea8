"""Comparison of the current plan with the plans that were approved.

A saved plan is an approval: it must contain everything that the current plan would do. Actions that
have been done in the meantime need no approval, so a smaller plan is always covered.
"""

from collections.abc import Iterable, Iterator

from reconciler.domain.instants import parse_zoned_instant
from reconciler.domain.schema import show_path
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import Action, ActionKind, Change, ChangeKind
from reconciler.planning.plan import Plan, Unverified


@dataclass(frozen=True, slots=True)
class NotApproved:
    """Change that no approved plan contains; without `change`, it is the whole action.

    `approved` is the change that was approved for the same field, if any. `unrecorded` is True if a
    removal was approved by a plan that does not list what it removes, `other_staging` if only one
    of both plans stages the rotation.
    """

    slug: str
    kind: ActionKind
    change: Change | None = None
    approved: Change | None = None
    unrecorded: bool = False
    other_staging: bool = False


def beyond_approval(fresh: Plan, approved: Iterable[Plan]) -> tuple[NotApproved, ...]:
    """Return what the current plan would do beyond the union of the approved plans."""
    actions: dict[tuple[str, ActionKind], list[Action]] = {}
    sendable: set[Unverified] = set()
    for plan in approved:
        for action in plan.actions:
            # The union of all plans: pull requests are approved one by one, and applied together.
            actions.setdefault((action.slug, action.kind), []).append(action)
        # A secret that an approved plan could not verify can turn out to be a different one.
        sendable |= {*plan.unverified, *_sent_by(plan)}
    excess: list[NotApproved] = []
    for action in fresh.actions:
        same = actions.get((action.slug, action.kind))
        # Such an update can be missing in the approved plan: the secret was unverified when that
        # plan was made, and an unverified secret causes no action.
        rotates_only = all(_is_known_secret(action, c, sendable) for c in action.changes)
        # By kind: who approved an update has not approved that the integration is replaced.
        if same is None and not (action.kind is ActionKind.UPDATE and rotates_only):
            excess.append(NotApproved(action.slug, action.kind))
            continue
        before: list[Change] = []
        for other in same or ():
            before += other.changes
        if action.kind is ActionKind.DELETE and action.changes and not before:
            # Plans of 0.1.0 do not list what a delete removes, so they approve no delete that
            # removes values.
            excess.append(NotApproved(action.slug, action.kind, unrecorded=True))
            continue
        allowed = {_key(change) for change in before}
        by_path = {change.path: change for change in before}
        excess += [
            NotApproved(action.slug, action.kind, change, by_path.get(change.path))
            for change in action.changes
            if _key(change) not in allowed and not _is_known_secret(action, change, sendable)
        ]
    return tuple(excess)


def with_other_staging(fresh: Plan, approved: Iterable[Plan]) -> list[NotApproved]:
    """Return the actions that only one of both sides stages.

    This is also checked if a rotation needs no approval: a plan that was shown as staged must not
    be applied without its shadow.
    """
    ways: dict[tuple[str, ActionKind], set[str | None]] = {}
    for plan in approved:
        for action in plan.actions:
            ways.setdefault((action.slug, action.kind), set()).add(action.staged_by)
    return [
        NotApproved(action.slug, action.kind, other_staging=True)
        for action in fresh.actions
        if action.staged_by not in ways.get((action.slug, action.kind), {action.staged_by})
    ]


def approved_at(plan: Plan, merged_at: str | None) -> str | None:
    """Return when a merge approved a plan, None unless that was after the plan was made.

    With None, the age of the approval counts from the creation of the plan.
    """
    try:
        merged = parse_zoned_instant(merged_at or "")
    except ValueError:
        return None
    if merged <= parse_zoned_instant(plan.created_at):
        return None
    return merged.strftime("%Y-%m-%dT%H:%M:%SZ")


def sends_secrets_only(plan: Plan) -> bool:
    """Return whether a plan has actions, and all of them only send secrets of files."""
    return bool(plan.actions) and all(
        action.kind is ActionKind.UPDATE and all(map(_sends_secret, action.changes))
        for action in plan.actions
    )


def renews_secrets_only(fresh: Plan) -> bool:
    """Return whether a plan only sends secrets whose references are those last applied.

    In that case, only values in the secret store have changed and no files, so there is nothing to
    approve in a pull request.
    """
    return (
        # An undo sends secrets from before a run, which no file names.
        fresh.run is None
        and sends_secrets_only(fresh)
        and all(_keeps_references(action) for action in fresh.actions)
    )


def _sends_secret(change: Change) -> bool:
    return change.op in {ChangeKind.ROTATE, ChangeKind.RESEND} and change.reference is not None


def _keeps_references(action: Action) -> bool:
    records = action.subject.remembered.secrets.items()
    # Changes have paths as strings, records have them as steps.
    applied = {show_path(path): str(record.reference) for path, record in records}
    return all(applied.get(change.path) == change.reference for change in action.changes)


def _key(change: Change) -> tuple[str, ChangeKind, str]:
    """Return what must be equal: path, op, both values, and the references of a secret."""
    # As text, because lists and mappings have no hash, and because 1 == True.
    shown = (change.before, change.after, change.reference, change.before_reference)
    return change.path, change.op, repr(shown)


def _sent_by(plan: Plan) -> Iterator[Unverified]:
    """Yield the secrets that a plan sends; an interrupted run may have to send them again."""
    for action in plan.actions:
        for change in action.changes:
            if change.reference is not None and change.op is not ChangeKind.REMOVE:
                yield Unverified(action.slug, change.path, change.reference)


def _is_known_secret(action: Action, change: Change, sendable: set[Unverified]) -> bool:
    """Return whether an approved plan also sends this secret, or could not verify it."""
    if not _sends_secret(change) or change.reference is None:
        return False
    return Unverified(action.slug, change.path, change.reference) in sendable

"""What has happened to an integration that differs: deleted or changed in the API, ahead in Git.

A report's items are the actions that would end the difference. Readers of a drift report look for
its cause, so each action is named by what happened, and also by the effect of an apply if that
removes something.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import StrEnum

from reconciler.diagnostics import counted
from reconciler.domain.instants import parse_instant
from reconciler.domain.schema import any_provider_schema, parse_path
from reconciler.drift.report import DriftReport
from reconciler.planning.actions import Action, ActionKind, Change, ChangeKind, ChangeOrigin
from reconciler.views import phrases
from reconciler.views.plan_outline import ActionItem, ChangeItem, of_action

_ENTRY = 2
"""Steps of the path of an entry: its list and its key."""

_LISTS = frozenset({"models", "workspaces"})
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


class DriftState(StrEnum):
    """Cause of a difference, in the order of a report."""

    DELETED = "deleted"
    GRANTED = "granted"
    CHANGED = "changed"
    BOTH = "both"
    AHEAD = "ahead"
    UNKNOWN = "unknown"


_SYMBOLS = {DriftState.DELETED: "-", DriftState.GRANTED: "+"}


def state_of(report: DriftReport, action: Action) -> DriftState:
    """Return what has happened to the integration of an action."""
    match report.origin(action.slug):
        case ChangeOrigin.REMOTE if action.kind is ActionKind.CREATE:
            return DriftState.DELETED
        case ChangeOrigin.REMOTE if action.changes and all(map(is_grant, action.changes)):
            return DriftState.GRANTED
        case ChangeOrigin.REMOTE:
            return DriftState.CHANGED
        case ChangeOrigin.BOTH:
            return DriftState.BOTH
        case ChangeOrigin.LOCAL:
            return DriftState.AHEAD
        case _:
            return DriftState.UNKNOWN


def is_grant(change: Change) -> bool:
    """Return whether the API grants access that Git denies or does not list."""
    path = parse_path(change.path)
    return (
        path is not None
        and change.origin is ChangeOrigin.REMOTE
        and change.before is True
        and change.after is not True
        and path[_ENTRY:] == ("enabled",)
        and grants_access(path[0])
    )


def grants_access(name: str) -> bool:
    """Return whether the entries of a list, such as `workspaces`, grant access."""
    field = any_provider_schema().child(name)
    return field.key is not None and field.entries is not None and field.entries.grants_access


def undeclared_grants(report: DriftReport) -> int:
    """Return the number of models and workspaces that the API enables and no file lists."""
    paths = (parse_path(item.path) for item in report.plan.undeclared)
    return sum(len(path) == _ENTRY and grants_access(path[0]) for path in paths if path)


def item_of(report: DriftReport, action: Action, costs: Sequence[str] = ()) -> ActionItem:
    """Return an action, described as drift; its changes name their origin if origins are mixed.

    `costs` are the lines about its budgets and prices.
    """
    # A resend follows from another change and has no separate origin.
    origins = {change.origin for change in action.changes if change.op is not ChangeKind.RESEND}
    item = of_action(action, origins=phrases.DRIFT_NOTES if len(origins) > 1 else {})
    state = state_of(report, action)
    changes = tuple(
        _in_words_of_drift(shown, is_named=len(origins) > 1 and is_grant(change))
        for shown, change in zip(item.changes, action.changes, strict=True)
    )
    symbol = item.symbol if item.blocks else _SYMBOLS.get(state, item.symbol)
    word = f"{_words(report, action, state)}:"
    item = replace(
        item,
        symbol=symbol,
        word=word,
        changes=changes,
        drift_state=state.value,
        costs=tuple(costs),
    )
    if report.who is None:
        return item
    from reconciler.views.attribution import with_who  # noqa: PLC0415  needed with --who alone

    return with_who(item, action, report.who)


def counts_of(report: DriftReport) -> Iterable[tuple[DriftState, int]]:
    """Yield the number of integrations in each state, without empty states."""
    states = [state_of(report, action) for action in report.items]
    for state in DriftState:
        if state in states:
            yield state, states.count(state)


def _words(report: DriftReport, action: Action, state: DriftState) -> str:
    words = phrases.DRIFT_STATES[state]
    if state is DriftState.UNKNOWN:
        words = phrases.DRIFT_UNKNOWN_WORDS[action.kind]
    if state is DriftState.CHANGED:
        words += _age(report, action)
    parts = [words]
    if action.kind in phrases.DRIFT_REMOVALS:
        parts.append(phrases.DRIFT_REMOVALS[action.kind])
    if action.blocked_by:
        parts.append("blocked")
    return ", ".join(parts)


def _age(report: DriftReport, action: Action) -> str:
    """Return how long before the report the integration was changed, empty if unknown."""
    changed = action.precondition.last_updated_at
    # Access has no separate time, and a change of access may not update that of the integration.
    is_own = any(
        change.origin is ChangeOrigin.REMOTE and (parse_path(change.path) or ("",))[0] not in _LISTS
        for change in action.changes
    )
    at, now = parse_instant(changed), parse_instant(report.plan.created_at)
    # A clock that is behind the API's would yield a negative age.
    if not is_own or at is None or now is None or at > now:
        return ""
    return f" {_duration(int((now - at).total_seconds()))} ago"


def _duration(seconds: int) -> str:
    if seconds < _HOUR:
        return f"{max(1, seconds // _MINUTE)} min"
    if seconds < _DAY:
        return f"{seconds // _HOUR} h"
    return counted(seconds // _DAY, "day")


def _in_words_of_drift(item: ChangeItem, *, is_named: bool) -> ChangeItem:
    note = phrases.DRIFT_STATES["granted"] if is_named else item.note
    return replace(item, note=note, sides=phrases.DRIFT_SIDES)

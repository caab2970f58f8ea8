"""Actions in one line each, for plans with more of them than a person reads in full."""

from collections.abc import Iterator

from reconciler.diagnostics import counted
from reconciler.domain.schema import parse_path
from reconciler.planning.actions import ActionKind, Risk
from reconciler.views.plan_outline import ActionItem

SHOWN_IN_FULL = 20
"""How many actions a text shows in full, whatever they do."""

REMOVALS = frozenset({ActionKind.REPLACE, ActionKind.DELETE})
_LISTS = {"models": "model", "workspaces": "workspace"}


def needs_room(item: ActionItem) -> bool:
    """Return whether an action has to be shown in full, whatever its position.

    Nothing that removes, that moves a credential or names a host, and nothing blocked is shortened.
    """
    return (
        bool(item.blocks)
        or item.kind in REMOVALS
        or item.risk.rank >= Risk.CREDENTIAL.rank
        or any(change.is_whole or change.risk for change in item.changes)
        # Its reason is all that an action without changes has to show.
        or not item.changes
    )


def row_of(item: ActionItem) -> str:
    """Return what an action does in one line: what a create contains, the changes of an update."""
    if item.kind is ActionKind.CREATE:
        return " · ".join(_contents(item))
    return "; ".join(f"{change.symbol} {change.text}" for change in item.essential_changes)


def _contents(item: ActionItem) -> Iterator[str]:
    if item.name:
        yield item.name
    members: dict[str, set[str]] = {name: set() for name in _LISTS}
    for change in item.changes:
        if change.path == "ai_provider_id":
            yield f"provider {change.after}"
        steps = parse_path(change.path)
        if steps and len(steps) > 1 and steps[0] in members:
            members[steps[0]].add(steps[1])
    for name, noun in _LISTS.items():
        if members[name]:
            yield counted(len(members[name]), noun)

"""Changes of budgets that the actions of a plan make, and the sums that they change.

Budgets are read from what the plan has read anyway. An integration that this run does not select
counts as its file declares it, so that every shard sees the same sums.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from decimal import Decimal

from reconciler.domain.facts import SubResource
from reconciler.domain.schema import any_provider_schema, fields_of, parse_path
from reconciler.domain.state import Declared, Observed
from reconciler.domain.tree import Path, Tree, Value, as_mapping, is_enabled
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import Action, ActionKind, Change, ChangeKind
from reconciler.planning.costs import (
    COST,
    NEVER,
    UNLIMITED,
    Budget,
    BudgetChange,
    BudgetTotal,
    exact,
)
from reconciler.planning.normalize import normalize

Budgets = Mapping[str | None, Budget]
"""Budgets of an integration by workspace; the key None is that of each new workspace."""


def trees_of(action: Action) -> tuple[Tree, Tree]:
    """Return the canonical fields of an integration before and after an action of a fresh plan."""
    subject = action.subject
    before = normalize(subject.observed.fields) if subject.observed is not None else {}
    if action.kind is ActionKind.DELETE:
        return before, {}
    if action.kind is ActionKind.UPDATE:
        # Not the file alone, because a field that it leaves out keeps its value.
        return before, _changed(before, action.changes)
    declared = subject.declared
    return before, normalize(declared.fields) if declared is not None else {}


def budget_changes(action: Action) -> Iterator[BudgetChange]:
    """Yield the budgets that an action changes, access without a budget included."""
    before, after = (budgets_of(tree) for tree in trees_of(action))
    # Each new workspace comes last.
    for workspace in sorted(before.keys() | after.keys(), key=lambda name: (name is None, name)):
        old, new = before.get(workspace), after.get(workspace)
        if old != new:
            yield BudgetChange(action.slug, workspace, old, new)


def budgets_of(fields: Tree) -> Budgets:
    """Return the budget of each workspace with access; `fields` are canonical.

    A budget of a workspace without access allows nothing, so it does not count.
    """
    found: dict[str | None, Budget] = {}
    schema = any_provider_schema()
    for name in fields_of(SubResource.WORKSPACES):
        value, field = fields.get(name), schema.child(name)
        if field.has_switch:
            # The switch for workspaces that no list names.
            found |= {None: _budget(as_mapping(value))} if is_enabled(value) else {}
        elif field.key is not None:
            entries = as_mapping(value)
            found |= {id_: _budget(as_mapping(e)) for id_, e in entries.items() if is_enabled(e)}
    return found


def _budget(access: Tree) -> Budget:
    limit = as_mapping(access.get("usage_limits"))
    amount = exact(limit.get("credit_limit"))
    if amount is None:
        return UNLIMITED
    days = limit.get("periodic_reset_days")
    period = limit.get("periodic_reset") or (str(days) if days else NEVER)
    # Without a type, the amount counts as money, because a guard must not overlook it.
    return Budget(amount, str(limit.get("type") or COST), str(period))


def _changed(fields: Tree, changes: Iterable[Change]) -> Tree:
    """Return fields after changes; secrets and unreadable paths are left as they are."""
    result: Tree = fields
    for change in changes:
        path = parse_path(change.path)
        if path is None or change.sensitive or change.op is ChangeKind.RESEND:
            continue
        result = _with(result, path, change.after)
    return result


def _with(tree: Tree, path: Path, value: Value) -> Tree:
    name, rest = path[0], path[1:]
    inner = _with(as_mapping(tree.get(name)), rest, value) if rest else value
    return {**tree, name: inner}


@dataclass(frozen=True, slots=True)
class BudgetSums:
    """Sums of budgets by unit and period, before and after a plan; `unlimited` are counts.

    `selected` are the sums before, of the integrations that the run selects.
    """

    before: Mapping[tuple[str, str], Decimal]
    after: Mapping[tuple[str, str], Decimal]
    selected: Mapping[tuple[str, str], Decimal]
    unlimited: tuple[int, int]

    def totals(self) -> tuple[BudgetTotal, ...]:
        """Return the sums that change, ordered by unit and period."""
        kinds = sorted(self.before.keys() | self.after.keys())
        zero = Decimal(0)
        sums = [(kind, self.before.get(kind, zero), self.after.get(kind, zero)) for kind in kinds]
        return tuple(BudgetTotal(*kind, old, new) for kind, old, new in sums if old != new)


def sums_of(
    actions: Collection[Action],
    *,
    declared: Mapping[str, Declared],
    observed: Mapping[str, Observed],
    includes: Callable[[str], bool],
) -> BudgetSums:
    """Return the sums over all declared integrations and those that the plan deletes.

    `includes` returns whether the run selects a slug.
    """
    old, new, selected = _Sum(), _Sum(), _Sum()
    access = fields_of(SubResource.WORKSPACES)
    for action in actions:
        before, after = trees_of(action)
        for side in (old, selected):
            side.add(budgets_of(before))
        new.add(budgets_of(after))
    for slug in declared.keys() - {action.slug for action in actions}:
        current, is_selected = observed.get(slug), includes(slug)
        # What no one has read counts as it is declared, and so does what other shards read.
        is_read = is_selected and current is not None and current.workspaces_read
        fields = current.fields if is_read and current is not None else declared[slug].fields
        kept = budgets_of(normalize({k: v for k, v in fields.items() if k in access}))
        old.add(kept)
        new.add(kept)
        if is_selected:
            selected.add(kept)
    return BudgetSums(old.amounts, new.amounts, selected.amounts, (old.unlimited, new.unlimited))


class _Sum:
    """Sum under construction."""

    def __init__(self) -> None:
        self.amounts: dict[tuple[str, str], Decimal] = {}
        self.unlimited = 0

    def add(self, budgets: Budgets) -> None:
        for workspace, budget in budgets.items():
            # How many workspaces will be made is unknown.
            if workspace is None:
                continue
            if budget.amount is None:
                self.unlimited += 1
            else:
                self.amounts[budget.kind] = (
                    self.amounts.get(budget.kind, Decimal(0)) + budget.amount
                )

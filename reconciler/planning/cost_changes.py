"""Changes of budgets and prices that a plan makes, and whether they exceed the limits.

Budgets are taken from data that the plan reads anyway. An integration that this run does not select
counts as declared in its file, so that every shard computes the same sums.

A missing multiplier is inherited from `default`, and a missing `default` is 1, the listed price.
Creating or deleting an integration changes no price.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, localcontext

from reconciler.domain.facts import SubResource
from reconciler.domain.identifiers import is_uuid
from reconciler.domain.integration import allows_all_models
from reconciler.domain.pricing import PRICING
from reconciler.domain.schema import any_provider_schema, fields_of, parse_path
from reconciler.domain.state import Declared, DesiredState, Observed, ObservedState
from reconciler.domain.tree import Path, Tree, Value, as_mapping, is_enabled, is_mapping, lookup
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import Action, ActionInputs, ActionKind, Change, ChangeKind
from reconciler.planning.budget_guard import BudgetEvidence, check_budgets
from reconciler.planning.comparison import compare
from reconciler.planning.costs import (
    COST,
    EXACT,
    NEVER,
    UNLIMITED,
    Budget,
    BudgetChange,
    BudgetTotal,
    Costs,
    PriceChange,
    exact,
)
from reconciler.planning.guards import GuardViolation
from reconciler.planning.normalize import normalize
from reconciler.planning.plan import PlanOptions

_MULTIPLIER = (PRICING, "multiplier")
_PRICES = ("pricing_config", "pay_as_you_go")
_DEFAULT = ("default",)
_LISTED = Decimal(1)

Budgets = Mapping[str | None, Budget]
"""Budgets of an integration by workspace; the key None has the budget of each new workspace."""


def costs_of(
    actions: Sequence[Action], desired: DesiredState, observed: ObservedState, options: PlanOptions
) -> tuple[Costs | None, GuardViolation | None]:
    """Return the costs of a plan, None if there are none, and the violated guard."""
    with localcontext(EXACT):
        return _costs_of(actions, desired, observed, options)


def _costs_of(
    actions: Sequence[Action], desired: DesiredState, observed: ObservedState, options: PlanOptions
) -> tuple[Costs | None, GuardViolation | None]:
    budgets = tuple(change for action in actions for change in budget_changes(action))
    prices = tuple(change for action in actions for change in price_changes(action))
    has_budgets = any(change.is_limited for change in budgets)
    limits = desired.target.limits
    is_guarded = bool(budgets) and limits.limits_budgets and not options.allow_budget
    # The sums below read every integration of the target, so a plan without budgets skips them.
    if not has_budgets and not is_guarded:
        return (Costs(prices=prices) if prices else None), None
    sums = sums_of(
        actions,
        declared=desired.integrations,
        observed=observed.live,
        includes=options.selection.includes,
    )
    totals, violation = sums.totals(), None
    if is_guarded:
        evidence = BudgetEvidence(desired.target.name, budgets, totals, sums.selected)
        violation = check_budgets(actions, evidence, limits)
    if not has_budgets and not prices:
        return None, violation
    return Costs(budgets, totals, sums.unlimited, prices), violation


def trees_of(action: Action) -> tuple[Tree, Tree]:
    """Return the canonical fields of an integration before and after an action of a plan."""
    subject = action.subject
    before = _stored(subject)
    if action.kind is ActionKind.DELETE:
        return before, {}
    if action.kind is ActionKind.UPDATE:
        # Not only from the file, because a field that it omits keeps its value.
        return before, _changed(before, action.changes)
    declared = subject.declared
    return before, normalize(declared.fields) if declared is not None else {}


def _stored(subject: ActionInputs) -> Tree:
    """Return the canonical fields that the API has, with the ids that the changes name."""
    observed, declared = subject.observed, subject.declared
    if observed is None:
        return {}
    fields = normalize(observed.fields)
    # Compared a second time only where an id can differ, because an integration can have thousands
    # of models.
    if declared is None or not any(map(is_uuid, as_mapping(fields.get("workspaces")))):
        return fields
    return compare(declared, observed, subject.remembered).observed


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
    amount = _amount(limit.get("credit_limit"))
    if amount is None:
        return UNLIMITED
    days = limit.get("periodic_reset_days")
    period = limit.get("periodic_reset") or (str(days) if days else NEVER)
    # Without a type, the amount counts as money, because a guard must not overlook it.
    return Budget(amount, str(limit.get("type") or COST), str(period))


def _amount(value: Value) -> Decimal | None:
    """Return the amount of a budget, None if there is none.

    A string without a number counts as a budget of 0: if it counted as no budget, everything would
    be allowed, and no increase would exceed the limits.
    """
    if value is None:
        return None
    number = exact(value)
    return Decimal(0) if number is None else number


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

    `selected` are the sums of the selected integrations before the plan.
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
        # Integrations that were not read, and those of other shards, count as declared.
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
            # The number of future workspaces is unknown.
            if workspace is None:
                continue
            if budget.amount is None:
                self.unlimited += 1
            else:
                self.amounts[budget.kind] = (
                    self.amounts.get(budget.kind, Decimal(0)) + budget.amount
                )


def price_changes(action: Action) -> Iterator[PriceChange]:
    """Yield the changes of the integration's multipliers, then those of its models' prices."""
    if action.kind not in {ActionKind.UPDATE, ActionKind.REPLACE}:
        return
    before, after = trees_of(action)
    yield from _multipliers(action.slug, before, after)
    old, new = as_mapping(before.get("models")), as_mapping(after.get("models"))
    for model in sorted(old.keys() & new.keys()):
        yield from _model(action.slug, model, as_mapping(old[model]), as_mapping(new[model]))


def _multipliers(slug: str, before: Tree, after: Tree) -> Iterator[PriceChange]:
    old = dict(_numbers(lookup(before, _MULTIPLIER)))
    new = dict(_numbers(lookup(after, _MULTIPLIER)))
    old_default, new_default = old.get(_DEFAULT, _LISTED), new.get(_DEFAULT, _LISTED)
    models = _models(after)
    own = sorted((old.keys() | new.keys()) - {_DEFAULT})
    sides = {kind: (old.get(kind, old_default), new.get(kind, new_default)) for kind in own}
    # A kind that changes exactly like the default needs no separate line.
    apart = [kind for kind in own if sides[kind] != (old_default, new_default)]
    if old_default != new_default:
        yield PriceChange(
            slug,
            model=None,
            kind="",
            before=old_default,
            after=new_default,
            models=models,
            unaffected=tuple(".".join(kind) for kind in apart),
        )
    for kind in apart:
        was, becomes = sides[kind]
        if was != becomes:
            yield PriceChange(
                slug, model=None, kind=".".join(kind), before=was, after=becomes, models=models
            )


def _model(slug: str, model: str, before: Tree, after: Tree) -> Iterator[PriceChange]:
    old, new = (dict(_numbers(lookup(side, _PRICES))) for side in (before, after))
    for kind in sorted(old.keys() | new.keys()):
        was, becomes = old.get(kind), new.get(kind)
        if was != becomes:
            # `request_token.price` is the price of `request_token`.
            name = ".".join(step for step in kind if step != "price")
            yield PriceChange(slug, model, name, was, becomes, models=1)


def _numbers(value: Value, path: Path = ()) -> Iterator[tuple[Path, Decimal]]:
    """Yield the numbers in a tree; null inherits, and is left out."""
    if is_mapping(value):
        for name in sorted(value):
            yield from _numbers(value[name], (*path, name))
    else:
        number = exact(value)
        if number is not None:
            yield path, number


def _models(fields: Tree) -> int | None:
    """Return how many models the integration allows, None if that is not known."""
    if allows_all_models(fields) or "models" not in fields:
        return None
    return sum(is_enabled(entry) for entry in as_mapping(fields["models"]).values())

"""Changes of prices that the actions of a plan make: multipliers, and prices of single models.

A multiplier that is missing is inherited from `default`, and a missing `default` is 1, the listed
price. Creating or deleting an integration changes no price.
"""

from collections.abc import Iterator
from decimal import Decimal

from reconciler.domain.integration import allows_all_models
from reconciler.domain.pricing import PRICING
from reconciler.domain.tree import Path, Tree, Value, as_mapping, is_enabled, is_mapping, lookup
from reconciler.planning.actions import Action, ActionKind
from reconciler.planning.budget_changes import trees_of
from reconciler.planning.costs import PriceChange, exact

_MULTIPLIER = (PRICING, "multiplier")
_PRICES = ("pricing_config", "pay_as_you_go")
_DEFAULT = ("default",)
_LISTED = Decimal(1)


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
    # A kind that changes exactly as the default needs no line of its own.
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

"""Budgets and prices of a plan, compared with a table made by hand."""

from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pytest

from reconciler.domain.policy import Limits
from reconciler.domain.state import LastApplied, LastAppliedState
from reconciler.domain.valid_values import built
from reconciler.planning.codec import decode, encode
from reconciler.planning.plan import Plan, PlanOptions, Selection
from reconciler.planning.planner import make_plan
from reconciler.remote.exchange import read_json
from reconciler.views.plan_outline import of_plan
from tests.builders import NOON, declared, desired, observed, state

Access = dict[str, Any]


def limit(amount: float | None, period: str | int | None = "monthly", unit: str = "cost") -> Access:
    """Return access with a budget; without an amount, the list of limits is empty."""
    if amount is None:
        return {"enabled": True, "usage_limits": []}
    entry: Access = {"type": unit, "credit_limit": amount}
    if isinstance(period, int):
        entry["periodic_reset_days"] = period
    elif period:
        entry["periodic_reset"] = period
    return {"enabled": True, "usage_limits": [entry]}


OFF = {"enabled": False}


def workspaces(**entries: Access) -> list[Access]:
    return [{"id": name.replace("_", "-"), **entry} for name, entry in entries.items()]


def models(count: int, *, off: int = 0) -> dict[str, Any]:
    """Return fields that allow only some models, and list `off` more that are disabled."""
    listed = [{"slug": f"m-{n}", "enabled": n < count} for n in range(count + off)]
    return {"allow_all_models": False, "models": listed}


def priced(multiplier: Any, **more: Any) -> dict[str, Any]:
    return {"pricing_adjustments": {"multiplier": multiplier}, **more}


def own_price(price: Any, kind: str = "request_token") -> dict[str, Any]:
    config = None if price is None else {"pay_as_you_go": {kind: {"price": price}}}
    return {"models": [{"slug": "gpt-5", "enabled": True, "pricing_config": config}]}


def lines(planned: Plan) -> list[str]:
    shown = of_plan(planned, ledger="fresh")
    return [line for action in shown.actions for line in action.costs] + list(shown.costs)


def plan(*, want: list[Any], have: list[Any], **more: Any) -> Plan:
    options = PlanOptions(**more.pop("options", {}))
    last_applied = more.pop("last_applied", LastAppliedState())
    return make_plan(
        desired=desired(*want, **more),
        observed=state(*have),
        last_applied=last_applied,
        options=options,
        created_at=NOON,
    )


BUDGETS: list[tuple[Any, Any, list[str]]] = [
    # An increase and a decrease, in each period.
    (
        workspaces(ws_support=limit(500)),
        workspaces(ws_support=limit(2000)),
        [
            "budget of ws-support 500 → 2,000 per month",
            "sum of budgets on production 500 → 2,000 per month",
        ],
    ),
    (
        workspaces(ws_a=limit(1000, "weekly")),
        workspaces(ws_a=limit(250, "weekly")),
        [
            "budget of ws-a 1,000 → 250 per week",
            "sum of budgets on production 1,000 → 250 per week",
        ],
    ),
    (
        workspaces(ws_a=limit(10, 30)),
        workspaces(ws_a=limit(11, 30)),
        [
            "budget of ws-a 10 → 11 every 30 days",
            "sum of budgets on production 10 → 11 every 30 days",
        ],
    ),
    (
        workspaces(ws_a=limit(10, 1)),
        workspaces(ws_a=limit(11, 1)),
        ["budget of ws-a 10 → 11 per day", "sum of budgets on production 10 → 11 per day"],
    ),
    (
        workspaces(ws_a=limit(1, None)),
        workspaces(ws_a=limit(1234567, None)),
        [
            "budget of ws-a 1 → 1,234,567 in total",
            "sum of budgets on production 1 → 1,234,567 in total",
        ],
    ),
    # The API stores a fraction: 0.1 + 0.2 is 0.3.
    (
        workspaces(ws_a=limit(0.1), ws_b=limit(0.2), ws_c=limit(5)),
        workspaces(ws_a=limit(0.1), ws_b=limit(0.2), ws_c=limit(6)),
        [
            "budget of ws-c 5 → 6 per month",
            "sum of budgets on production 5.3 → 6.3 per month",
        ],
    ),
    # Tokens are not money.
    (
        workspaces(ws_a=limit(5000, unit="tokens"), ws_b=limit(7)),
        workspaces(ws_a=limit(9000, unit="tokens"), ws_b=limit(7)),
        [
            "budget of ws-a 5,000 → 9,000 tokens per month",
            "sum of budgets on production 5,000 → 9,000 tokens per month",
        ],
    ),
    # Different periods are not added.
    (
        workspaces(ws_a=limit(500), ws_b=limit(70, "weekly")),
        workspaces(ws_a=limit(600), ws_b=limit(80, "weekly")),
        [
            "budget of ws-a 500 → 600 per month",
            "budget of ws-b 70 → 80 per week",
            "sum of budgets on production 500 → 600 per month",
            "sum of budgets on production 70 → 80 per week",
        ],
    ),
    # Another period and another unit are named on both sides.
    (
        workspaces(ws_a=limit(500, "weekly")),
        workspaces(ws_a=limit(500)),
        [
            "budget of ws-a 500 per week → 500 per month",
            "sum of budgets on production 0 → 500 per month",
            "sum of budgets on production 500 → 0 per week",
        ],
    ),
    (
        workspaces(ws_a=limit(500)),
        workspaces(ws_a=limit(500, unit="tokens")),
        [
            "budget of ws-a 500 per month → 500 tokens per month",
            "sum of budgets on production 500 → 0 per month",
            "sum of budgets on production 0 → 500 tokens per month",
        ],
    ),
    # No budget is not 0.
    (
        workspaces(ws_a=limit(500)),
        workspaces(ws_a=limit(None)),
        [
            "budget of ws-a 500 per month → unlimited",
            "sum of budgets on production 500 → 0 per month",
            "workspace grants without a budget on production: 0 → 1",
        ],
    ),
    (
        workspaces(ws_a=limit(None)),
        workspaces(ws_a=limit(500)),
        [
            "budget of ws-a unlimited → 500 per month",
            "sum of budgets on production 0 → 500 per month",
            "workspace grants without a budget on production: 1 → 0",
        ],
    ),
    (
        workspaces(ws_a=limit(500), ws_b=limit(None)),
        workspaces(ws_a=limit(501), ws_b=limit(None)),
        [
            "budget of ws-a 500 → 501 per month",
            "sum of budgets on production 500 → 501 per month",
            "workspace grants without a budget on production: 1",
        ],
    ),
    # Granted and revoked access.
    (
        workspaces(ws_a=limit(500)),
        workspaces(ws_a=limit(500), ws_b=limit(300)),
        [
            "budget of ws-b no access → 300 per month",
            "sum of budgets on production 500 → 800 per month",
        ],
    ),
    (
        workspaces(ws_a=limit(500), ws_b=limit(300)),
        workspaces(ws_a=limit(500), ws_b=OFF),
        [
            "budget of ws-b 300 per month → no access",
            "sum of budgets on production 800 → 500 per month",
        ],
    ),
    # The budget of disabled access does not count.
    (
        workspaces(ws_a={**limit(900), "enabled": False}, ws_b=limit(1)),
        workspaces(ws_a=limit(900), ws_b=limit(1)),
        [
            "budget of ws-a no access → 900 per month",
            "sum of budgets on production 1 → 901 per month",
        ],
    ),
    # A change without an effect on sums or budgets is not shown.
    (workspaces(ws_a=limit(500)), workspaces(ws_a={**limit(500), "rate_limits": []}), []),
    (workspaces(ws_a=limit(None)), workspaces(ws_a=limit(None), ws_b=limit(None)), []),
    # Moved from one workspace to another.
    (
        workspaces(ws_a=limit(500), ws_b=limit(100)),
        workspaces(ws_a=limit(100), ws_b=limit(500)),
        ["budget of ws-a 500 → 100 per month", "budget of ws-b 100 → 500 per month"],
    ),
]


PRICES: list[tuple[Any, Any, list[str]]] = [
    (
        priced({"default": 0.8}, **models(14)),
        priced({"default": 1.0}, **models(14)),
        ["multiplier 0.8 → 1.0 raises the reported cost of 14 models by 25 %"],
    ),
    (
        priced({"default": 1.0}, **models(1, off=3)),
        priced({"default": 0.8}, **models(1, off=3)),
        ["multiplier 1.0 → 0.8 lowers the reported cost of 1 model by 20 %"],
    ),
    # Without a multiplier the listed price counts.
    (
        {"pricing_adjustments": None, **models(2)},
        priced({"default": 1.5}, **models(2)),
        ["multiplier 1.0 → 1.5 raises the reported cost of 2 models by 50 %"],
    ),
    (
        priced({"default": 1.1}),
        priced({"default": 1.21}),
        ["multiplier 1.10 → 1.21 raises the reported cost of its models by 10 %"],
    ),
    # 0.1 and 0.3 are not exact in binary.
    (
        priced({"default": 0.1}),
        priced({"default": 0.3}),
        ["multiplier 0.1 → 0.3 raises the reported cost of its models by 200 %"],
    ),
    (
        priced({"default": 3}),
        priced({"default": 1}),
        ["multiplier 3.0 → 1.0 lowers the reported cost of its models by 66.7 %"],
    ),
    (
        priced({"default": 1000}),
        priced({"default": 1000.1}),
        ["multiplier 1000.0 → 1000.1 raises the reported cost of its models by 0.01 %"],
    ),
    # There is no percentage of an increase from zero.
    (
        priced({"default": 0}),
        priced({"default": 1}),
        ["multiplier 0.0 → 1.0 raises the reported cost of its models from nothing"],
    ),
    (
        priced({"default": 1}),
        priced({"default": 0}),
        ["multiplier 1.0 → 0.0 lowers the reported cost of its models by 100 %"],
    ),
    # A kind of token inherits the default, unless it has a multiplier of its own.
    (
        priced({"default": 1, "request_token": 1.2}),
        priced({"default": 2, "request_token": 1.2}),
        [
            (
                "multiplier 1.0 → 2.0 raises the reported cost of its models by 100 %, "
                "but not of request_token"
            )
        ],
    ),
    (
        priced({"request_token": 1.2}),
        priced({"request_token": 1.5}),
        [
            (
                "multiplier request_token 1.2 → 1.5 raises the reported cost of request_token of "
                "its models by 25 %"
            )
        ],
    ),
    (
        priced({"default": 0.5, "image": {"default": 0.5}}),
        priced({"default": 0.5, "image": {"default": 1}}),
        [
            (
                "multiplier image.default 0.5 → 1.0 raises the reported cost of image.default of "
                "its models by 100 %"
            )
        ],
    ),
    (
        priced({"default": 0.5, "additional_units": {"web_search": 2}}),
        priced({"default": 0.5, "additional_units": {"web_search": None}}),
        [
            (
                "multiplier additional_units.web_search 2.0 → 0.5 lowers the reported cost of "
                "additional_units.web_search of its models by 75 %"
            )
        ],
    ),
    (
        own_price(0.00025),
        own_price(0.001),
        ["price of request_token of gpt-5 0.00025 → 0.001 raises its reported cost by 300 %"],
    ),
    (own_price(None), own_price(0.5), ["price of request_token of gpt-5 as listed → 0.5"]),
    # Text with another precision is the same number.
    (priced({"default": 1}), priced({"default": 1.0}), []),
]


@pytest.mark.parametrize(("before", "after", "said"), BUDGETS)
def test_budgets_and_their_sums_equal_the_table(before: Any, after: Any, said: list[str]) -> None:
    planned = plan(want=[declared(workspaces=after)], have=[observed(workspaces=before)])
    assert lines(planned) == said
    assert bool(planned.costs) is bool(said)
    assert decode(encode(planned), name="p").costs == planned.costs


def renamed(entries: list[Access]) -> list[Access]:
    """Return the entries as listed by an API that identifies workspaces by UUID."""
    return [{**entry, "id": str(uuid5(NAMESPACE_OID, entry["id"]))} for entry in entries]


@pytest.mark.parametrize(("before", "after", "said"), BUDGETS)
def test_the_table_is_also_valid_for_an_api_that_lists_workspaces_by_uuid(
    before: Any, after: Any, said: list[str]
) -> None:
    planned = plan(
        want=[declared(workspaces=after)],
        have=[observed(workspaces=renamed(before))],
        last_applied=LastAppliedState({"alpha": LastApplied({"workspaces": before})}),
    )
    assert lines(planned) == said


@pytest.mark.parametrize(("before", "after", "said"), PRICES)
def test_prices_equal_the_table(before: Any, after: Any, said: list[str]) -> None:
    planned = plan(want=[declared(**after)], have=[observed(**before)])
    assert lines(planned) == said
    assert decode(encode(planned), name="p").costs == planned.costs


def test_the_sum_counts_every_declared_integration_and_what_is_deleted() -> None:
    planned = plan(
        want=[
            declared("alpha", workspaces=workspaces(ws_support=limit(2000))),
            declared("beta", workspaces=workspaces(ws_support=limit(3600))),
            declared("gamma", workspaces=workspaces(ws_new=limit(100))),
        ],
        have=[
            observed("alpha", workspaces=workspaces(ws_support=limit(500))),
            observed("beta", workspaces=workspaces(ws_support=limit(3600))),
            observed("old", workspaces=workspaces(ws_old=limit(100))),
            observed("unmanaged", workspaces=workspaces(ws_other=limit(9))),
        ],
        tombstones=("old",),
    )
    assert lines(planned) == [
        "budget of ws-new no access → 100 per month",
        "budget of ws-support 500 → 2,000 per month",
        "budget of ws-old 100 per month → no access",
        "sum of budgets on production 4,200 → 5,700 per month",
    ]


def test_a_budget_of_new_workspaces_is_in_no_sum() -> None:
    before = {"global_workspace_access": limit(100)}
    after = {"global_workspace_access": limit(200)}
    planned = plan(want=[declared(**after)], have=[observed(**before)])
    assert lines(planned) == ["budget of each new workspace 100 → 200 per month"]


def test_an_integration_outside_the_selection_counts_as_declared() -> None:
    planned = plan(
        want=[
            declared("alpha", workspaces=workspaces(ws_a=limit(20))),
            declared("beta", workspaces=workspaces(ws_a=limit(5))),
        ],
        have=[observed("alpha", workspaces=workspaces(ws_a=limit(10))), observed("beta")],
        options={"selection": Selection(only=("alpha",))},
    )
    assert lines(planned)[-1] == "sum of budgets on production 15 → 25 per month"


def test_amounts_are_strings_in_json_and_unlimited_is_null() -> None:
    planned = plan(
        want=[declared(workspaces=workspaces(ws_a=limit(None), ws_b=limit(3)))],
        have=[observed(workspaces=workspaces(ws_a=limit(0.3), ws_b=OFF))],
    )
    assert planned.as_json()["costs"] == {
        "budgets": [
            {
                "slug": "alpha",
                "workspace": "ws-a",
                "before": {"amount": "0.3", "unit": "cost", "period": "monthly"},
                "after": {"amount": None, "unit": "cost", "period": "never"},
            },
            {
                "slug": "alpha",
                "workspace": "ws-b",
                "before": None,
                "after": {"amount": "3", "unit": "cost", "period": "monthly"},
            },
        ],
        "totals": [{"unit": "cost", "period": "monthly", "before": "0.3", "after": "3"}],
        "unlimited": {"before": 0, "after": 1},
        "prices": [],
    }


GUARDED: list[tuple[Any, Any, dict[str, Any], bool]] = [
    # The total: exceeded only if strictly greater, and only by an increase.
    (workspaces(a=limit(500)), workspaces(a=limit(6000)), {"budget_total": 6000}, False),
    (workspaces(a=limit(500)), workspaces(a=limit(6001)), {"budget_total": 6000}, True),
    (workspaces(a=limit(9000)), workspaces(a=limit(7000)), {"budget_total": 6000}, False),
    (workspaces(a=limit(9000)), workspaces(a=limit(9000)), {"budget_total": 6000}, False),
    (
        workspaces(a=limit(9000), b=limit(100)),
        workspaces(a=limit(7000), b=limit(200)),
        {"budget_total": 6000},
        False,
    ),
    (
        workspaces(a=limit(0.1), b=limit(1)),
        workspaces(a=limit(0.1), b=limit(2)),
        {"budget_total": 2.1},
        False,
    ),
    (
        workspaces(a=limit(5000), b=limit(900)),
        workspaces(a=limit(5000), b=limit(1100)),
        {"budget_total": 6000},
        True,
    ),
    # Periods and units are limited separately.
    (
        workspaces(a=limit(5000), b=limit(900, "weekly")),
        workspaces(a=limit(5000), b=limit(1100, "weekly")),
        {"budget_total": 6000},
        False,
    ),
    (
        workspaces(a=limit(9, unit="tokens")),
        workspaces(a=limit(90000, unit="tokens")),
        {"budget_total": 6000},
        False,
    ),
    # The increase, of the sum.
    (workspaces(a=limit(1000)), workspaces(a=limit(1500)), {"budget_increase": 0.5}, False),
    (workspaces(a=limit(1000)), workspaces(a=limit(1501)), {"budget_increase": 0.5}, True),
    (workspaces(a=limit(10)), workspaces(a=limit(11)), {"budget_increase": 0.1}, False),
    (workspaces(a=limit(10)), workspaces(a=limit(11)), {"budget_increase": 0}, True),
    (
        workspaces(a=limit(100), b=limit(900)),
        workspaces(a=limit(400), b=limit(900)),
        {"budget_increase": 0.3},
        False,
    ),
    (
        workspaces(a=limit(100), b=limit(900)),
        workspaces(a=limit(401), b=limit(900)),
        {"budget_increase": 0.3},
        True,
    ),
    (
        workspaces(a=limit(100, unit="tokens")),
        workspaces(a=limit(300, unit="tokens")),
        {"budget_increase": 0.5},
        True,
    ),
    # First budgets have no previous value.
    (workspaces(a=OFF), workspaces(a=limit(500)), {"budget_increase": 0.5}, False),
    # Another period is compared with the worst case.
    (workspaces(a=limit(500, "weekly")), workspaces(a=limit(500)), {"budget_increase": 0}, False),
    (workspaces(a=limit(500)), workspaces(a=limit(500, "weekly")), {"budget_increase": 2}, True),
    (workspaces(a=limit(500)), workspaces(a=limit(500, None)), {"budget_increase": 0}, False),
    (workspaces(a=limit(500, None)), workspaces(a=limit(1)), {"budget_increase": 5}, True),
    # A budget that moves to another period is not part of the sum for the other budgets.
    (
        workspaces(a=limit(500, "weekly"), b=OFF),
        workspaces(a=limit(500), b=limit(600, "weekly")),
        {"budget_increase": 0.5},
        False,
    ),
    # Removing a budget is an unlimited increase.
    (workspaces(a=limit(500)), workspaces(a=limit(None)), {"budget_total": 6000}, True),
    (workspaces(a=limit(500)), workspaces(a=limit(None)), {"budget_increase": 9}, True),
    (workspaces(a=OFF), workspaces(a=limit(None)), {"budget_total": 6000}, True),
    (workspaces(a=limit(5)), workspaces(a=limit(5, unit="tokens")), {"budget_total": 9}, True),
    (workspaces(a=limit(None)), workspaces(a=limit(500)), {"budget_total": 6000}, False),
    (
        workspaces(a=limit(None), b=limit(500)),
        workspaces(a=limit(None), b=limit(600)),
        {"budget_total": 6000, "budget_increase": 0.5},
        False,
    ),
    (workspaces(a=limit(500)), workspaces(a=OFF), {"budget_total": 0, "budget_increase": 0}, False),
    # Without a limit there is no check.
    (workspaces(a=limit(500)), workspaces(a=limit(None)), {}, False),
]


@pytest.mark.parametrize(("before", "after", "limits", "blocked"), GUARDED)
def test_limits_block_a_raise_beyond_them(
    before: Any, after: Any, limits: dict[str, Any], blocked: bool
) -> None:
    sides: dict[str, Any] = {
        "want": [declared(workspaces=after)],
        "have": [observed(workspaces=before)],
        "limits": limits,
    }
    planned = plan(**sides)
    assert [a.blocked_by for a in planned.actions] == [("budget-exceeded",)] * blocked or (
        not blocked and not planned.blocked
    )
    allowed = plan(**sides, options={"allow_budget": True})
    assert allowed.blocked == ()
    assert allowed.digest == planned.digest
    sides["have"] = [observed(workspaces=renamed(before))]
    past = LastAppliedState({"alpha": LastApplied({"workspaces": before})})
    assert bool(plan(**sides, last_applied=past).blocked) is blocked


def test_new_workspaces_without_a_budget_are_blocked_too() -> None:
    want = [declared(global_workspace_access={"enabled": True})]
    have = [observed(global_workspace_access={"enabled": False})]
    planned = plan(want=want, have=have, limits={"budget_total": 6000})
    [found] = [d for d in planned.diagnostics if d.code == "budget-exceeded"]
    assert found.summary == "each new workspace on alpha would spend without a budget"


def test_only_actions_that_raise_a_budget_are_blocked_with_one_diagnostic() -> None:
    planned = plan(
        want=[
            declared("alpha", workspaces=workspaces(ws_a=limit(5000))),
            declared("beta", workspaces=workspaces(ws_a=limit(10))),
            declared("gamma", workspaces=workspaces(ws_a=limit(None))),
        ],
        have=[
            observed("alpha", workspaces=workspaces(ws_a=limit(500))),
            observed("beta", workspaces=workspaces(ws_a=limit(20))),
            observed("gamma", workspaces=workspaces(ws_a=limit(20))),
        ],
        limits={"budget_total": 1000, "budget_increase": 0.5},
    )
    assert [(a.slug, a.blocked_by) for a in planned.actions] == [
        ("alpha", ("budget-exceeded",)),
        ("beta", ()),
        ("gamma", ("budget-exceeded",)),
    ]
    [found] = [d for d in planned.diagnostics if d.code == "budget-exceeded"]
    assert found.summary == (
        "ws-a on gamma would spend without a budget; "
        "the budgets on production would add up to 5,010 per month, but the limit is 1,000; "
        "the budgets on production would rise by 827.8 % from 540 to 5,010 per month, "
        "but the limit is 50 %"
    )
    assert "--allow-budget" in found.hint


def test_shards_together_raise_no_more_than_the_whole() -> None:
    names = [f"i-{number}" for number in range(12)]
    sides: dict[str, Any] = {
        "want": [declared(name, workspaces=workspaces(ws_a=limit(14))) for name in names],
        "have": [observed(name, workspaces=workspaces(ws_a=limit(10))) for name in names],
    }
    shards = [
        plan(
            **sides,
            limits={"budget_increase": 0.3},
            options={"selection": Selection(shard=(index, 3))},
        )
        for index in (1, 2, 3)
    ]
    assert all(shard.blocked for shard in shards if shard.actions)
    totals = plan(
        **sides,
        limits={"budget_total": 160},
        options={"selection": Selection(shard=(1, 3))},
    )
    assert totals.blocked


def test_a_selection_without_budgets_is_compared_with_the_whole_target() -> None:
    sides: dict[str, Any] = {
        "want": [
            declared("alpha", workspaces=workspaces(ws_a=limit(700))),
            declared("beta", workspaces=workspaces(ws_a=limit(351))),
        ],
        "have": [observed("alpha", workspaces=workspaces(ws_a=limit(700)))],
        "limits": {"budget_increase": 0.5},
    }
    for selection in (Selection(), Selection(only=("beta",))):
        assert _exceeds(plan(**sides, options={"selection": selection}))
    sides["limits"] = {"budget_increase": 0.6}
    for selection in (Selection(), Selection(only=("beta",))):
        assert not _exceeds(plan(**sides, options={"selection": selection}))


def _exceeds(planned: Plan) -> bool:
    return any(found.code == "budget-exceeded" for found in planned.diagnostics)


def test_limits_are_decimals_with_the_digits_of_the_file() -> None:
    limits = built(Limits, {"budget_total": 0.3, "budget_increase": 0.1})
    assert (limits.budget_total, limits.budget_increase) == (Decimal("0.3"), Decimal("0.1"))


EXTREMES = [0, 1e-9, 0.1, 1, 1e22, 10**30, 1e308, 1.7976931348623157e308]


@pytest.mark.parametrize("before", EXTREMES)
@pytest.mark.parametrize("after", EXTREMES)
def test_prices_of_any_size_can_be_compared(before: float, after: float) -> None:
    planned = plan(
        want=[declared(**priced({"default": after}))],
        have=[observed(**priced({"default": before}))],
    )
    assert len(lines(planned)) == (before != after)
    assert decode(encode(planned), name="p").costs == planned.costs


def test_a_sum_of_very_different_budgets_is_exact() -> None:
    planned = plan(
        want=[declared(workspaces=workspaces(ws_a=limit(10**40), ws_b=limit(0.1)))],
        have=[observed(workspaces=workspaces(ws_a=limit(1), ws_b=limit(0.1)))],
        limits={"budget_total": 1, "budget_increase": 0.5},
    )
    assert planned.costs is not None
    [total] = planned.costs.totals
    assert total.after == Decimal(f"{10**40}.1")
    assert planned.blocked


@pytest.mark.parametrize("stored", ["500", "500.0", "much", "", "1e999999999", "nan", True, [], {}])
def test_a_stored_amount_of_another_type_does_not_count_as_unlimited(stored: Any) -> None:
    planned = plan(
        want=[declared(workspaces=workspaces(ws_a=limit(80_000)))],
        have=[observed(workspaces=workspaces(ws_a=limit(stored)))],
        limits={"budget_total": 1000},
    )
    assert planned.blocked


@pytest.mark.parametrize("known", ["weekly", "monthly"])
@pytest.mark.parametrize("other", ["yearly", "٩", "-1", "1.5"])
def test_a_change_from_a_period_that_is_not_known_exceeds_the_limit(known: str, other: str) -> None:
    planned = plan(
        want=[declared(workspaces=workspaces(ws_a=limit(500, known)))],
        have=[observed(workspaces=workspaces(ws_a=limit(500, other)))],
        limits={"budget_increase": 0.5},
    )
    assert planned.blocked
    assert any(f"in the period {other}" in line for line in lines(planned))


@pytest.mark.parametrize(
    ("answered", "shown"),
    [
        ("0.8", "0.8"),
        ("0.12345678901234567890123", "0.12345678901234567890123"),
        # As a program writes a float that prints 17, 20 or all digits of it.
        ("0.10000000000000001", "0.1"),
        ("0.1000000000000000055511151231257827", "0.1"),
        ("0.1000000000000000055511151231257827021181583404541015625", "0.1"),
    ],
)
def test_a_price_of_the_api_is_not_rounded(answered: str, shown: str) -> None:
    answer = read_json(f'{{"default": {answered}}}')
    planned = plan(
        want=[declared("a", **priced({"default": 2}))], have=[observed("a", **priced(answer))]
    )
    assert planned.costs is not None
    [price] = planned.costs.as_json()["prices"]
    assert (price["before"], price["after"]) == (shown, "2")

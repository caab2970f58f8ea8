"""A budget has one kind of reset interval: declaring one removes the other."""

from typing import Any

import pytest

from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from tests.builders import NOON, changes_of, declared, desired, observed, state
from tests.cli.project import Here

MONTHLY = {"periodic_reset": "monthly"}
DAYS = {"periodic_reset_days": 3}


def access(**reset: Any) -> dict[str, Any]:
    limit = {"type": "cost", "credit_limit": 500, **reset}
    return {
        "workspaces": [{"id": "ws", "enabled": True, "usage_limits": [limit]}],
        "global_workspace_access": {"enabled": True, "usage_limits": [limit]},
    }


def plan(want: dict[str, Any], have: dict[str, Any], **limits: Any) -> Plan:
    return make_plan(
        desired=desired(declared(**access(**want)), limits=limits),
        observed=state(observed(**access(**have))),
        created_at=NOON,
    )


@pytest.mark.parametrize(
    ("want", "have"),
    [
        (DAYS, MONTHLY),
        (MONTHLY, DAYS),
        ({"periodic_reset": "weekly"}, DAYS),
        ({**DAYS, "periodic_reset": ""}, MONTHLY),
        ({**MONTHLY, "periodic_reset_days": None}, DAYS),
    ],
)
def test_the_other_kind_of_reset_is_removed_and_not_sent(
    want: dict[str, Any], have: dict[str, Any]
) -> None:
    planned = plan(want, have)
    [kept] = {name for name, value in want.items() if value}
    [gone] = have
    for place in ("workspaces[ws]", "global_workspace_access"):
        limits = f"{place}.usage_limits"
        changes = {p: op for p, (op, _, _) in changes_of(planned).items() if p.startswith(limits)}
        assert changes == {f"{limits}.{kept}": "add", f"{limits}.{gone}": "remove"}
    (call,) = planned.actions[0].calls
    assert call.body is not None
    for sent in (call.body["workspaces"][0], call.body["global_workspace_access"]):
        [limit] = sent["usage_limits"]
        assert limit[kept] == want[kept]
        assert not limit.get(gone)


def test_an_equal_or_an_undeclared_reset_is_not_a_difference() -> None:
    assert plan(MONTHLY, MONTHLY).actions == ()
    assert plan(DAYS, {**DAYS, "periodic_reset": ""}).actions == ()
    assert plan({}, MONTHLY).actions == ()
    assert plan({"periodic_reset": ""}, DAYS).actions == ()


def test_a_shorter_interval_counts_as_a_higher_budget() -> None:
    planned = plan(DAYS, MONTHLY, budget_increase=5)
    assert planned.actions[0].blocked_by == ("budget-exceeded",)


def test_the_api_accepts_the_change_and_its_undo(tmp_path: Any) -> None:
    project = Here(tmp_path)
    project.integration("alpha", **access(**MONTHLY))
    project.apply()
    project.integration("alpha", **access(**DAYS))
    project.apply()
    assert project.run("plan", "--detailed-exitcode").code == 0
    run = project.run("history", "--format", "json").json["runs"][-1]["run"]
    undone = project.run("undo", run, "--out", "undo.json")
    assert undone.code == 0, undone.err
    assert project.run("apply", "undo.json").code == 0
    project.integration("alpha", **access(**MONTHLY))
    assert project.run("plan", "--detailed-exitcode").code == 0

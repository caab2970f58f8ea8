"""A workspace that is granted again is compared with the limits that the API has kept."""

from typing import Any

import pytest

from reconciler.domain.state import LastApplied, LastAppliedState
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from tests.builders import NOON, changes_of, declared, desired, observed, state

USAGE = [{"type": "cost", "credit_limit": 500, "periodic_reset": "monthly"}]
LOWER = [{"type": "cost", "credit_limit": 100, "periodic_reset": "monthly"}]
RATE = [{"type": "requests", "unit": "rpm", "value": 5}]
GRANT = ("replace", False, True)


def entry(*, enabled: bool = True, **limits: Any) -> dict[str, Any]:
    return {"id": "ws", "enabled": enabled, **limits}


def regrant(want: dict[str, Any], kept: dict[str, Any], **more: Any) -> Plan:
    return make_plan(
        desired=desired(declared(workspaces=[want])),
        observed=state(observed(workspaces=[kept | {"enabled": False}])),
        created_at=NOON,
        **more,
    )


def sent(planned: Plan) -> Any:
    (call,) = planned.actions[0].calls
    assert call.body is not None
    return call.body["workspaces"]


@pytest.mark.parametrize(
    ("want", "kept", "changes"),
    [
        # The same limits as before: only the access changes.
        (entry(usage_limits=USAGE), entry(usage_limits=USAGE), {}),
        (
            entry(usage_limits=USAGE, rate_limits=RATE),
            entry(usage_limits=USAGE, rate_limits=RATE),
            {},
        ),
        # Another limit: the value before is the one that the API has kept.
        (
            entry(usage_limits=LOWER),
            entry(usage_limits=USAGE),
            {"workspaces[ws].usage_limits.credit_limit": ("replace", 500, 100)},
        ),
        # A limit that is declared empty is removed, which is shown.
        (
            entry(rate_limits=None),
            entry(rate_limits=RATE),
            {
                "workspaces[ws].rate_limits.type": ("remove", "requests", None),
                "workspaces[ws].rate_limits.unit": ("remove", "rpm", None),
                "workspaces[ws].rate_limits.value": ("remove", 5, None),
            },
        ),
        # Without kept limits, the limits are new.
        (
            entry(rate_limits=RATE),
            entry(),
            {
                "workspaces[ws].rate_limits.type": ("add", None, "requests"),
                "workspaces[ws].rate_limits.unit": ("add", None, "rpm"),
                "workspaces[ws].rate_limits.value": ("add", None, 5),
            },
        ),
    ],
)
def test_a_new_grant_shows_only_what_changes(
    want: dict[str, Any], kept: dict[str, Any], changes: dict[str, Any]
) -> None:
    planned = regrant(want, kept)
    assert changes_of(planned) == {"workspaces[ws].enabled": GRANT} | changes


def test_a_kept_limit_does_not_count_as_a_change_in_the_api() -> None:
    want = entry(usage_limits=USAGE)
    last_applied = LastAppliedState({"alpha": LastApplied({"workspaces": []})}, complete=True)
    planned = regrant(want, entry(usage_limits=USAGE), last_applied=last_applied)
    assert {c.path: c.origin.value for c in planned.actions[0].changes} == {
        "workspaces[ws].enabled": "local"
    }


def test_a_limit_that_no_file_declares_is_kept_sent_and_reported() -> None:
    planned = regrant(entry(), entry(usage_limits=USAGE))
    assert changes_of(planned) == {"workspaces[ws].enabled": GRANT}
    assert sent(planned) == [entry(usage_limits=USAGE)]
    assert [item.path for item in planned.undeclared] == ["workspaces[ws].usage_limits"]


def test_a_limit_that_is_declared_empty_is_cleared_by_the_call() -> None:
    planned = regrant(entry(usage_limits=[]), entry(usage_limits=USAGE))
    assert sent(planned) == [entry(usage_limits=None)]


def test_a_revoked_workspace_is_in_sync_with_any_kept_limits() -> None:
    planned = regrant(entry(enabled=False), entry(usage_limits=USAGE))
    assert planned.in_sync
    assert planned.undeclared == ()


def test_access_for_new_workspaces_that_is_switched_on_again_keeps_its_limits() -> None:
    on = {"enabled": True, "usage_limits": USAGE}
    planned = make_plan(
        desired=desired(declared(global_workspace_access=on)),
        observed=state(observed(global_workspace_access=on | {"enabled": False}, workspaces=[])),
        created_at=NOON,
    )
    assert changes_of(planned) == {"global_workspace_access.enabled": GRANT}
    (call,) = planned.actions[0].calls
    assert call.body is not None
    assert call.body["global_workspace_access"] == on

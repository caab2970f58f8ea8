"""Guard for used integrations: changes that count as removals, and actions that show users."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.domain.policy import Limits, Probe, Prune, Rotation
from reconciler.domain.state import LastApplied, LastAppliedState
from reconciler.domain.usage import Usage, UsageReading, UsingConfig, UsingProvider
from reconciler.planning.actions import ActionKind
from reconciler.planning.plan import Plan, PlanOptions, Selection
from reconciler.planning.planner import make_plan
from reconciler.planning.usage_guard import concerned, with_usage
from tests.builders import NOON, declared, desired, observed, state

USED = Usage((UsingProvider("openai", "ws-a"),))
HAVE: dict[str, Any] = {
    "models": [{"slug": "gpt-5", "enabled": True}, {"slug": "gpt-4", "enabled": True}],
    "workspaces": [{"id": "ws-a", "enabled": True}, {"id": "ws-b", "enabled": True}],
    "allow_all_models": True,
    "description": "before",
}


def update(**want: Any) -> Plan:
    return make_plan(
        desired=desired(declared(**want)),
        observed=state(observed(**HAVE, id="id-1")),
        created_at=NOON,
    )


def guarded(
    plan: Plan, usage: Usage = USED, *, limit: int = 0, options: PlanOptions = PlanOptions()
) -> Plan:
    reading = UsageReading(
        {action.slug: usage for action in plan.actions}, {"ws-a": "ws-a", "uuid-a": "ws-a"}
    )
    return with_usage(plan, reading, limits=Limits(used_removals=limit), options=options)


REVOKED_A = {"workspaces": [{"id": "ws-a", "enabled": False}]}
REVOKED_B = {"workspaces": [{"id": "ws-b", "enabled": False}]}
DISABLED = {"models": [{"slug": "gpt-5", "enabled": False}]}


@pytest.mark.parametrize(
    ("want", "shown", "removals"),
    [
        ({"description": "after"}, False, 0),
        ({"workspaces": [{"id": "ws-c", "enabled": True}]}, False, 0),
        (REVOKED_A, True, 1),
        (REVOKED_B, True, 0),
        (DISABLED, True, 1),
        ({**REVOKED_A, **DISABLED}, True, 2),
        ({"allow_all_models": False}, True, 1),
    ],
)
def test_each_removal_of_something_in_use_counts(
    want: dict[str, Any], *, shown: bool, removals: int
) -> None:
    plan = update(**want)
    assert bool(concerned(plan)) is shown
    for limit in range(3):
        [action] = guarded(plan, limit=limit).actions
        assert (action.used_by is not None) is shown
        assert action.blocked_by == (("in-use",) if removals > limit else ())


def _deployment(name: str, **fields: Any) -> dict[str, Any]:
    known = {"azure_api_version": "2024-10-21", "azure_model_slug": "gpt-4o"}
    return {"azure_deployment_name": name, **known, **fields}


def _azure(deployments: list[dict[str, Any]]) -> dict[str, Any]:
    mode = {"azure_auth_mode": "managed", "azure_resource_name": "main"}
    return {
        "ai_provider_id": "azure-openai",
        "configurations": {**mode, "azure_deployment_config": deployments},
    }


FIRST = _deployment("first", is_default=True)
SECOND = _deployment("second", alias="small")


@pytest.mark.parametrize(
    ("deployments", "removals"),
    [
        ([FIRST, SECOND, _deployment("third", alias="new")], 0),
        ([FIRST, {**SECOND, "azure_api_version": "2025-04-01-preview"}], 0),
        ([{**FIRST, "alias": "large"}, SECOND], 0),
        ([FIRST], 1),
        ([FIRST, {**SECOND, "alias": "tiny"}], 1),
        ([FIRST, {**SECOND, "alias": ""}], 1),
        ([{**FIRST, "azure_model_slug": "gpt-5"}, SECOND], 1),
        # Callers reach a renamed deployment by another name.
        ([_deployment("renamed", is_default=True), SECOND], 1),
        ([_deployment("renamed", is_default=True)], 2),
    ],
)
def test_a_deployment_that_callers_can_no_longer_name_is_a_removal(
    deployments: list[dict[str, Any]], *, removals: int
) -> None:
    plan = make_plan(
        desired=desired(declared(**_azure(deployments))),
        observed=state(observed(**_azure([FIRST, SECOND]), id="id-1")),
        last_applied=LastAppliedState({"alpha": LastApplied(_azure([FIRST, SECOND]))}),
        created_at=NOON,
    )
    assert bool(concerned(plan)) is bool(removals)
    for limit in range(3):
        [action] = guarded(plan, limit=limit).actions
        assert action.blocked_by == (("in-use",) if removals > limit else ())
    assert not guarded(plan, Usage()).blocked


@pytest.mark.parametrize("workspace", [None, "ws-b", "00000000-0000-4000-8000-000000000001"])
def test_a_possibly_equal_workspace_is_in_use(workspace: str | None) -> None:
    usage = Usage((UsingProvider("openai", workspace),))
    assert guarded(update(**REVOKED_B), usage).blocked


def test_another_workspace_of_the_same_form_is_not_in_use() -> None:
    usage = Usage((UsingProvider("openai", "ws-c"),), (UsingConfig("pc-a", "ws-c"),))
    assert not guarded(update(**REVOKED_B), usage).blocked


SHARED_OFF = {"global_workspace_access": {"enabled": False}}


@pytest.mark.parametrize(
    ("used_in", "removals"),
    [("ws-a", 0), ("ws-b", 0), ("ws-new", 0), ("ws-revoked", 1), ("ws-elsewhere", 1), (None, 1)],
)
@pytest.mark.parametrize("want", [SHARED_OFF, {"global_workspace_access": None}])
def test_shared_access_is_in_use_if_a_workspace_has_no_separate_access(
    want: dict[str, Any], used_in: str | None, *, removals: int
) -> None:
    entries = [{"id": "ws-new", "enabled": True}, {"id": "ws-revoked", "enabled": False}]
    plan = make_plan(
        desired=desired(declared(**want, workspaces=entries)),
        observed=state(
            observed(**HAVE, id="id-1", global_workspace_access={"enabled": True}),
        ),
        created_at=NOON,
    )
    usage = Usage((UsingProvider("openai", used_in),))
    assert concerned(plan)
    assert bool(guarded(plan, usage).blocked) is bool(removals)
    assert not guarded(plan, Usage()).blocked
    assert guarded(plan, Usage(complete=False)).blocked


def test_an_incomplete_usage_is_in_use() -> None:
    for want in (REVOKED_A, REVOKED_B, DISABLED):
        blocked = guarded(update(**want), Usage(complete=False))
        assert blocked.blocked
        [found] = [d for d in blocked.diagnostics if d.code == "in-use"]
        assert "usage not read completely" in found.summary


def test_an_action_without_usage_counts_as_in_use() -> None:
    plan = with_usage(update(**DISABLED), UsageReading(), limits=Limits(), options=PlanOptions())
    assert plan.blocked


def test_the_digest_depends_neither_on_users_nor_on_the_verdict() -> None:
    plan = update(**REVOKED_A)
    assert guarded(plan).digest == guarded(plan, Usage()).digest == plan.digest


def test_a_refused_read_only_adds_a_notice() -> None:
    plan = update(**REVOKED_A)
    found = with_usage(plan, UsageReading(refusal="no"), limits=Limits(), options=PlanOptions())
    assert replace(found, diagnostics=plan.diagnostics) == plan
    assert [d.code for d in found.diagnostics if d not in plan.diagnostics] == ["usage-unknown"]


def test_each_shard_has_its_share_of_the_limit() -> None:
    verdicts = set()
    for index in range(1, 5):
        selection = Selection(shard=(index, 4))
        options = PlanOptions(selection=selection, prune=Prune.ALL, max_deletes=99)
        plan = make_plan(
            desired=desired(declared("kept")),
            observed=state(observed("kept"), *(observed(f"i-{n}") for n in range(40))),
            options=options,
            created_at=NOON,
        )
        deletes = len([a for a in plan.actions if a.kind is ActionKind.DELETE])
        is_blocked = bool(guarded(plan, limit=40, options=options).blocked)
        assert is_blocked == (deletes > selection.share(40))
        verdicts.add(is_blocked)
    assert verdicts == {True, False}


def test_a_leftover_shadow_of_a_rotation_has_no_users() -> None:
    mark = "Shadow of alpha while its credential is rotated, by run run-1"
    plan = make_plan(
        desired=desired(
            declared("alpha"), probe=Probe(command=("alive",)), rotation=Rotation(staged=True)
        ),
        observed=state(observed("alpha"), observed("alpha--next", description=mark)),
        last_applied=LastAppliedState(shadows={"alpha--next": frozenset({"run-1"})}),
        created_at=NOON,
    )
    assert [action.slug for action in plan.actions] == ["alpha--next"]
    assert [action.blocked_by for action in guarded(plan).actions] == [()]

"""Effects of an apply on the API, and its outcomes, against the core of the simulator."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from reconciler.domain.calls import Call, Reply
from reconciler.domain.policy import Prune
from reconciler.domain.secrets import Mask, Redacted
from reconciler.domain.state import LastApplied, LastAppliedState
from reconciler.errors import InvalidInput, Refused
from reconciler.execution.events import ActionEnded, ActionStarted, CallStarted, Event
from reconciler.execution.preflight import Approval
from reconciler.execution.result import Outcome
from reconciler.planning.plan import Plan
from reconciler.remote.api import IntegrationsAPI
from reconciler.simulator.switches import Switches
from tests.builders import KEY, declared, desired
from tests.runs import World


def create(world: World, slug: str, **fields: Any) -> None:
    body = {"slug": slug, "name": slug.title(), "ai_provider_id": "openai", "key": "sk-value-abc"}
    world.put("POST", "/integrations", body | fields)


@dataclass
class Yielding:
    """API whose calls yield to other tasks, like calls over a network."""

    api: IntegrationsAPI

    async def call(self, call: Call) -> Reply:
        await asyncio.sleep(0)
        return await self.api.call(call)


def writes(world: World) -> list[tuple[str, str | None]]:
    return [
        (e.call.operation.value, e.call.slug) for e in world.events if isinstance(e, CallStarted)
    ]


FULL = {
    "key": KEY,
    "description": "Customer traffic",
    "configurations": {"openai_organization": "org-1"},
    "tags": {"team": "search"},
    "allow_all_models": False,
    "models": [
        {"slug": "gpt-5", "enabled": True},
        {"slug": "tuned", "enabled": True, "is_custom": True, "base_model_slug": "gpt-5"},
    ],
    "workspaces": [
        {"id": "ws-a", "enabled": True, "usage_limits": [{"type": "cost", "credit_limit": 5}]}
    ],
}


def test_declared_integrations_exist_after_an_apply_and_the_next_plan_is_empty() -> None:
    world = World()
    want = desired(declared(**FULL), declared("beta", key=KEY))
    result = world.apply(want)
    assert result.summary == {"applied": 2, "failed": 0, "skipped": 0, "unknown": 0}
    assert world.remote.integrations["alpha"]["key"] == "sk-value-abc"
    assert world.plan(want).in_sync
    assert world.remote.providers == []
    assert [o.warnings for o in result.outcomes] == [(), ()]


def rotated(**switches: Any) -> tuple[World, Outcome]:
    """Apply a different key than the one that `alpha` was created with."""
    world = World(Switches(**switches))
    create(world, "alpha")
    world.seconds += 60
    result = world.apply(
        desired(declared("alpha", key=KEY)), secrets={KEY: Redacted("tt-another-xyz")}
    )
    (outcome,) = result.outcomes
    return world, outcome


def test_a_rotated_key_is_read_back_until_its_mask_is_shown() -> None:
    _, outcome = rotated(stale_read_ms=300)
    assert outcome.seen_after is not None
    assert outcome.seen_after.fields["key"] == Mask("tt*****xyz")
    assert outcome.warnings == ()


def test_a_rotated_key_whose_mask_is_never_shown_is_a_warning() -> None:
    _, outcome = rotated(stale_read_ms=60_000)
    assert (outcome.status, outcome.warnings) == ("applied", ("the API does not show yet: key",))


def test_a_mask_that_is_shown_at_once_causes_no_wait() -> None:
    world, outcome = rotated()
    assert (world.seconds, outcome.warnings) == (60, ())


def test_the_second_apply_writes_nothing() -> None:
    world = World()
    want = desired(declared(**FULL))
    world.apply(want)
    world.events.clear()
    world.apply(want)
    assert writes(world) == []


@pytest.mark.parametrize(("parallelism", "at_once"), [(1, 1), (4, 6)])
def test_more_actions_run_than_calls_are_in_flight_unless_the_limit_is_one(
    parallelism: int, at_once: int
) -> None:
    world = World()
    under_way: set[str] = set()
    most: list[int] = []

    def count(event: Event) -> None:
        if isinstance(event, ActionStarted):
            under_way.add(event.action.slug)
        if isinstance(event, ActionEnded):
            under_way.remove(event.action.slug)
        most.append(len(under_way))

    want = desired(*(declared(f"i-{n}", key=KEY) for n in range(9)))
    world.apply(want, listen=count, api=Yielding(world.api), parallelism=parallelism)
    assert max(most) == at_once


def test_deletes_run_last() -> None:
    world = World()
    create(world, "old")
    world.apply(desired(declared(key=KEY), declared("beta", key=KEY), prune=Prune.ALL))
    assert writes(world)[-1] == ("delete-integration", "old")
    assert set(world.remote.integrations) == {"alpha", "beta"}


def test_a_failed_action_stops_only_deletes() -> None:
    world = World()
    create(world, "old")
    bad = declared("bad", key=KEY, configurations={"masked_key": "x"})
    want = desired(bad, *(declared(f"i-{n}", key=KEY) for n in range(11)), prune=Prune.ALL)
    result = world.apply(want)
    assert result.summary == {"applied": 11, "failed": 1, "skipped": 1, "unknown": 0}
    failure = next(o.error for o in result.outcomes if o.slug == "bad")
    assert failure is not None
    assert failure.code == "AB01"
    assert "old" in world.remote.integrations


def test_on_error_abort_starts_no_action_after_the_first_failure() -> None:
    world = World()
    bad = declared("a-bad", key=KEY, configurations={"masked_key": "x"})
    want = desired(bad, *(declared(f"i-{n}", key=KEY) for n in range(5)))
    result = world.apply(want, abort_on_error=True, parallelism=1)
    assert result.summary == {"applied": 0, "failed": 1, "skipped": 5, "unknown": 0}


def test_a_change_made_after_the_plan_is_kept_and_reported() -> None:
    world = World()
    create(world, "alpha", description="old")

    def somebody_edits(_plan: object) -> bool:
        world.put("PUT", "/integrations/alpha", {"description": "by hand"})
        return True

    result = world.apply(
        desired(declared(description="ours")), approval=Approval(), confirm=somebody_edits
    )
    (outcome,) = result.outcomes
    assert outcome.status.value == "failed"
    assert outcome.error is not None
    assert outcome.error.code == "changed-since-plan"
    assert world.remote.integrations["alpha"]["description"] == "by hand"


def test_an_integration_created_after_the_plan_is_not_adopted() -> None:
    world = World()

    def another_client_creates(_plan: object) -> bool:
        create(world, "alpha", name="Theirs")
        return True

    result = world.apply(
        desired(declared(key=KEY)), approval=Approval(), confirm=another_client_creates
    )
    assert result.outcomes[0].error is not None
    assert result.outcomes[0].error.code == "changed-since-plan"
    assert world.remote.integrations["alpha"]["name"] == "Theirs"


def test_a_replace_deletes_confirms_the_absence_and_creates() -> None:
    world = World()
    create(world, "alpha", ai_provider_id="anthropic")
    result = world.apply(desired(declared(key=KEY)), options={"allow_replace": True})
    assert result.complete
    assert writes(world) == [("delete-integration", "alpha"), ("create-integration", None)]
    assert world.remote.integrations["alpha"]["ai_provider_id"] == "openai"


@pytest.mark.parametrize("missing", ["404_AB08", "403_AB03"])
def test_absence_is_confirmed_in_every_form_of_the_api(missing: Any) -> None:
    world = World(Switches(missing=missing))
    create(world, "old")
    result = world.apply(desired(declared(key=KEY), prune=Prune.ALL))
    assert result.complete
    assert set(world.remote.integrations) == {"alpha"}


def test_a_blocked_action_blocks_the_whole_run() -> None:
    world = World()
    create(world, "vital")
    last_applied = LastAppliedState({"vital": LastApplied({}, protected=True)})
    with pytest.raises(Refused) as caught:
        world.apply(desired(declared(key=KEY)), last_applied=last_applied)
    assert caught.value.exit_code == 4
    assert [d.code for d in caught.value.diagnostics] == ["protected"]
    assert writes(world) == []


def test_a_missing_value_stops_the_run_before_the_first_write() -> None:
    world = World()
    with pytest.raises(InvalidInput) as caught:
        world.apply(desired(declared(key=KEY), declared("beta", key=None)), secrets={})
    assert "env:SECRET_KEY" in caught.value.summary
    assert writes(world) == []


def test_a_missing_value_that_no_call_would_send_is_ignored() -> None:
    world = World()
    create(world, "alpha", description="old")
    assert world.apply(desired(declared(key=KEY, description="new")), secrets={}).complete


def test_require_secrets_applies_to_a_plan() -> None:
    world = World()
    create(world, "alpha")
    from reconciler.errors import ReconcilerError

    missing = {KEY: ReconcilerError("env:SECRET_KEY is unset", code="unset-variable")}
    with pytest.raises(InvalidInput):
        world.plan(desired(declared(key=KEY)), secrets={}, missing=missing, require_secrets=True)


def test_an_invalid_secret_value_stops_the_run_before_the_first_write() -> None:
    world = World()
    configurations = {
        "vertex_auth_type": "serviceAccount",
        "vertex_region": "us",
        "vertex_service_account_json": KEY,
    }
    vertex = declared("beta", ai_provider_id="vertex-ai", configurations=configurations)
    files = desired(declared(key=None), vertex)
    with pytest.raises(InvalidInput) as caught:
        world.apply(files, secrets={KEY: Redacted("sk-not-an-object")})
    (problem,) = caught.value.diagnostics
    assert problem.summary.startswith("beta: the request body needs a JSON object")
    assert "sk-not" not in repr(caught.value.diagnostics)
    assert writes(world) == []
    assert world.apply(desired(vertex), secrets={KEY: Redacted('{"a": "b"}')}).complete


def test_a_missing_value_names_the_integrations_and_returns_the_plan() -> None:
    world = World()
    files = desired(declared("beta", key=KEY), declared("alpha", key=KEY))
    with pytest.raises(InvalidInput) as caught:
        world.apply(files, secrets={})
    (problem,) = caught.value.diagnostics
    assert "alpha and 1 more" in problem.summary
    assert problem.at == files.integrations["alpha"].source
    assert isinstance(caught.value.plan, Plan)
    assert [action.slug for action in caught.value.plan.actions] == ["alpha", "beta"]


def test_the_answer_no_writes_nothing() -> None:
    world = World()
    with pytest.raises(Refused) as caught:
        world.apply(desired(declared(key=KEY)), approval=Approval())
    assert caught.value.code == "declined"
    assert writes(world) == []


def test_another_digest_than_the_expected_one_is_refused() -> None:
    world = World()
    with pytest.raises(Refused) as caught:
        world.apply(desired(declared(key=KEY)), approval=Approval(digest="sha256:0"))
    assert caught.value.code == "digest-mismatch"


def test_the_expected_digest_replaces_the_question() -> None:
    world = World()
    want = desired(declared(key=KEY))
    assert world.apply(want, approval=Approval(digest=world.plan(want).digest)).complete


def test_a_plan_is_applied_only_if_it_was_approved() -> None:
    world = World()
    want = desired(declared(key=KEY))
    approved = world.plan(want)
    wider = desired(declared(key=KEY), declared("beta", key=KEY))
    with pytest.raises(Refused) as caught:
        world.apply(wider, approval=Approval(plans=(approved,)))
    assert caught.value.code == "not-approved"
    assert writes(world) == []
    assert world.apply(want, approval=Approval(plans=(approved,))).complete


def test_an_old_plan_and_one_for_another_target_are_refused() -> None:
    world = World()
    want = desired(declared(key=KEY))
    approved = world.plan(want)
    with pytest.raises(Refused) as caught:
        world.apply(desired(declared(key=KEY), name="other"), approval=Approval(plans=(approved,)))
    assert caught.value.code == "wrong-target"
    world.seconds -= 3600
    with pytest.raises(Refused) as caught:
        world.apply(want, approval=Approval(plans=(approved,)))
    assert "in the future" in caught.value.summary
    world.seconds += 169 * 3600 + 1
    with pytest.raises(Refused) as caught:
        world.apply(want, approval=Approval(plans=(approved,)))
    assert caught.value.code == "expired-plan"


def test_another_organisation_behind_a_known_target_is_refused() -> None:
    world = World()
    create(world, "alpha")
    with pytest.raises(Refused) as caught:
        world.plan(desired(declared()), known_organisation="somebody-else")
    assert caught.value.code == "wrong-target"


def test_rotation_sends_exactly_one_put_with_the_key() -> None:
    world = World()
    create(world, "alpha")
    result = world.apply(desired(declared(key=KEY)), secrets={KEY: Redacted("sk-other-xyz")})
    assert result.complete
    assert writes(world) == [("update-integration", "alpha")]
    assert world.remote.integrations["alpha"]["key"] == "sk-other-xyz"

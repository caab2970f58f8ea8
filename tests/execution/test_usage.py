"""Usage is read again when an apply begins, because the shown plan may be outdated."""

import pytest

from reconciler.domain.policy import Prune
from reconciler.errors import Refused
from reconciler.execution.preflight import Approval
from reconciler.planning.plan import Plan
from reconciler.simulator.seeds import apply_seed
from tests.builders import desired
from tests.runs import World

FILES = desired(prune=Prune.ALL, usage=True)


def world_of_users() -> World:
    world = World()
    apply_seed(world.remote, "usage")
    for slug in ("openai-main", "anthropic-eu"):
        world.put("DELETE", f"/integrations/{slug}")
    return world


def test_an_unused_integration_is_deleted() -> None:
    world = world_of_users()
    result = world.apply(FILES, options={"allow_empty": True})
    assert result.complete
    assert world.remote.integrations == {}


def test_a_provider_added_during_the_prompt_refuses_the_apply() -> None:
    world = world_of_users()

    def answer_late(plan: Plan) -> bool:
        assert not plan.blocked
        provider = {"name": "p", "integration_id": "bedrock-us", "workspace_id": "ws-idle"}
        world.put("POST", "/providers", provider)
        return True

    with pytest.raises(Refused) as caught:
        world.apply(FILES, approval=Approval(), confirm=answer_late, options={"allow_empty": True})
    assert [item.code for item in caught.value.diagnostics] == ["in-use"]
    assert "bedrock-us" in world.remote.integrations
    assert world.events == []

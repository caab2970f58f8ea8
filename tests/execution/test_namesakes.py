"""An integration is deleted while it is written, and re-created under the same slug."""

from typing import Any

from reconciler.domain.state import DesiredState
from reconciler.execution.result import Outcome
from tests.builders import KEY, declared, desired
from tests.execution.stories import OURS, before
from tests.runs import World

LOOKS = {"name": "Alpha", "ai_provider_id": "openai"}
WORKSPACES = [{"id": "ws-a", "enabled": True}]


def create(world: World, key: str) -> None:
    world.put("POST", "/integrations", {"slug": "alpha", "key": key, **LOOKS})


def replaced_before(method: str, path: str, want: DesiredState, **more: Any) -> Outcome:
    """Run an apply, and replace the integration by an equal one right before a request."""
    world = World()
    if more.pop("exists", True):
        create(world, OURS)

    def replace() -> None:
        world.put("DELETE", "/integrations/alpha")
        create(world, "tt-their-own")

    before(world, method, path, replace, **more)
    (outcome,) = world.apply(want).outcomes
    assert world.remote.integrations["alpha"]["key"] == "tt-their-own"
    return outcome


def test_a_write_to_a_namesake_is_never_reported_as_applied() -> None:
    want = desired(declared("alpha", **LOOKS, workspaces=WORKSPACES))
    outcome = replaced_before("PUT", "/integrations/alpha/workspaces", want)
    assert outcome.status.value == "unknown"
    assert outcome.error is not None
    assert outcome.error.code == "changed-since-plan"
    assert "the write may have reached the new one" in outcome.error.message


def test_an_integration_replaced_right_after_its_create_is_not_ours() -> None:
    want = desired(declared("alpha", **LOOKS, key=KEY))
    outcome = replaced_before("GET", "/integrations/alpha", want, skip=1, exists=False)
    assert outcome.status.value == "unknown"
    assert outcome.error is not None
    assert outcome.error.code == "changed-since-plan"
    assert outcome.seen_after is None

"""A target with policies that are not run: plans state this, and nothing is applied."""

import pytest

from reconciler.domain.policy import PolicyCommand
from reconciler.errors import Refused
from tests.builders import KEY, declared, desired
from tests.runs import World

FILES = desired(
    declared(key=KEY), policies=(PolicyCommand(name="rules", command=("conftest", "test")),)
)


def test_a_plan_states_that_no_policy_was_run() -> None:
    [found] = [d for d in World().plan(FILES).diagnostics if d.code == "policy-not-run"]
    assert "were not run for this plan: rules" in found.summary


def test_an_apply_is_refused_before_the_first_write() -> None:
    world = World()
    with pytest.raises(Refused, match="were not run for this plan") as caught:
        world.apply(FILES)
    assert [d.code for d in caught.value.diagnostics] == ["policy-not-run"]
    assert world.events == []

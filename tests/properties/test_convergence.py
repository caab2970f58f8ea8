"""From any state, one apply makes the API equal to the files, and the next plan is empty."""

from typing import Any

import pytest
from hypothesis import Phase, given, settings

from reconciler.domain.policy import Prune
from reconciler.domain.state import DesiredState, LastApplied, LastAppliedState
from reconciler.execution.events import CallStarted
from reconciler.simulator.switches import Switches
from tests.builders import desired
from tests.properties.strategies import as_declared, integrations, switches
from tests.runs import World

pytestmark = pytest.mark.slow

NO_LIMITS = {
    "deletes": 99,
    "delete_ratio": 1,
    "replaces": 99,
    "credential_changes": 99,
    "access_removals": 99,
}


# Shrinking complete organisations takes minutes, and the generated examples are readable without
# it.
NO_SHRINKING = tuple(phase for phase in Phase if phase not in {Phase.shrink, Phase.explain})


def wish(trees: dict[str, dict[str, Any]], *, prune: Prune = Prune.ALL) -> DesiredState:
    return desired(*as_declared(trees), prune=prune, limits=NO_LIMITS)


def memory_of(trees: dict[str, dict[str, Any]]) -> LastAppliedState:
    return LastAppliedState({slug: LastApplied(fields) for slug, fields in trees.items()})


def granted(world: World, slug: str) -> set[str]:
    """Return the workspaces with access, by the ids that were written."""
    entries = world.remote.integrations[slug]["workspaces"]
    return {id_ for id_, entry in entries.items() if entry["enabled"]}


@settings(max_examples=100, phases=NO_SHRINKING)
@given(before=integrations(), after=integrations(), behaviour=switches)
def test_apply_then_plan_is_empty(
    before: dict[str, Any], after: dict[str, Any], behaviour: Switches
) -> None:
    world = World(behaviour)
    assert world.apply(wish(before)).complete
    past = memory_of(before)
    options = {"allow_empty": True}
    result = world.apply(wish(after), last_applied=past, options=options)
    assert result.complete
    assert {o.slug: o.warnings for o in result.outcomes if o.warnings} == {}
    now_past = memory_of(after)
    again = world.plan(wish(after), last_applied=now_past, options=options)
    assert again.as_json()["actions"] == []
    assert set(world.remote.integrations) == set(after)
    for slug, fields in after.items():
        if "workspaces" in fields:
            assert granted(world, slug) == {w["id"] for w in fields["workspaces"] if w["enabled"]}
    world.events.clear()
    world.apply(wish(after), last_applied=now_past, options=options)
    assert not any(isinstance(event, CallStarted) for event in world.events)


@settings(max_examples=60)
@given(before=integrations(), after=integrations())
def test_undeclared_integrations_are_never_changed(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    world = World()
    world.apply(wish(before))
    untouched = {s: world.remote.snapshot() for s in before if s not in after}
    kept = {slug: dict(world.remote.integrations[slug]) for slug in untouched}
    world.apply(wish(after, prune=Prune.MANAGED))
    assert {slug: dict(world.remote.integrations[slug]) for slug in kept} == kept


@settings(max_examples=60)
@given(before=integrations(), after=integrations())
def test_the_order_of_files_and_entries_does_not_matter(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    world = World()
    world.apply(wish(before))
    turned = {slug: _reversed(after[slug]) for slug in reversed(after)}
    options = {"allow_empty": True}
    one = world.plan(wish(after), options=options)
    other = world.plan(wish(turned), options=options)
    assert one.as_json() == other.as_json()


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _reversed(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [_reversed(item) for item in reversed(value)]
    return value

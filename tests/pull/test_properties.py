"""For any files and any state of the API, the plan after a pull is empty."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.desired.yaml_writer import document, flow
from reconciler.domain.policy import Prune
from reconciler.domain.secrets import SecretRef
from reconciler.simulator.switches import Switches
from tests.builders import desired
from tests.properties.strategies import as_declared, integrations, switches
from tests.pull.pulling import IN_PRODUCTION, Repository
from tests.runs import World

pytestmark = pytest.mark.slow

ALLOWED = {"deletes": 99, "credential_changes": 99, "access_removals": 99}
STYLES = ("block", "flow", "json", "one line")


def organisation(trees: dict[str, Any], behaviour: Switches) -> Repository:
    """Return an organisation in this state, without files."""
    world = World(behaviour)
    wish = desired(*as_declared(trees), prune=Prune.ALL, limits=ALLOWED)
    assert world.apply(wish).complete
    here = Repository(world, config=IN_PRODUCTION)
    here.write("environments/production/none.yaml", "{}\n")
    return here


def written(tree: dict[str, Any], style: str) -> str:
    """Write a document in one of several styles."""
    if style == "json":
        return json.dumps(tree, indent=2, default=lambda ref: ref.as_written)
    if style == "one line":
        return flow(tree)
    if style == "flow":
        return "".join(f"{name}: {flow(value)}   # {name}\n" for name, value in tree.items())
    return "# head\n" + document(tree) + "# foot\n"


@settings(max_examples=30)
@given(there=integrations(), behaviour=switches)
def test_after_a_pull_the_plan_is_empty_for_any_state_of_the_api(
    there: dict[str, Any], behaviour: Switches
) -> None:
    here = organisation(there, behaviour)
    adoption = here.pull()
    assert adoption.diagnostics == ()
    assert adoption.plan.in_sync
    assert here.plan().as_json()["actions"] == []
    assert set(adoption.slugs) == set(there)
    assert here.pull().changed == {}


@settings(max_examples=80)
@given(
    there=integrations(),
    said=integrations(),
    style=st.sampled_from(STYLES),
    overlay_style=st.sampled_from(STYLES),
    moved=st.sets(st.sampled_from(["description", "tags", "models", "workspaces"])),
)
def test_after_a_pull_in_place_the_plan_is_empty_for_any_files(
    there: dict[str, Any], said: dict[str, Any], style: str, overlay_style: str, moved: set[str]
) -> None:
    here = organisation(there, Switches())
    overlay = {}
    for slug, fields in said.items():
        tree = {"slug": slug, "ai_provider_id": "openai", **fields}
        here.write(f"integrations/{slug}.yaml", written({**tree, **_kept(tree, moved)}, style))
        if patch := {name: tree[name] for name in sorted(moved) if name in tree}:
            overlay[slug] = patch
    if overlay:
        here.write("environments/production/all.yaml", written(overlay, overlay_style))
    before = dict(here.files)
    adoption = here.pull()
    both = tuple(sorted(set(there) & set(said)))
    plan = here.plan(options={"prune": Prune.NONE})
    assert [a.as_json() for a in plan.actions if a.slug in there] == []
    assert adoption.plan.digest == here.plan().digest
    assert here.pull().changed == {}
    for path, content in before.items():
        assert (
            path.startswith("environments") or path[13:-5] in both or (here.files[path] == content)
        )


def _kept(tree: dict[str, Any], moved: set[str]) -> dict[str, Any]:
    """Return values for the base, so that the overlay overrides some."""
    below = {"description": "below", "tags": {"below": "x"}, "models": [], "workspaces": []}
    return {name: below[name] for name in moved if name in tree}


def test_references_of_the_files_are_never_changed() -> None:
    here = Repository()
    here.create()
    here.write("integrations/alpha.yaml", "slug: alpha\nname: B\nkey: ${env:MINE}\n" + PROVIDER)
    here.pull()
    state = here.loaded().state
    assert state is not None
    assert state.integrations["alpha"].fields["key"] == SecretRef("env", "MINE")


PROVIDER = "ai_provider_id: openai\n"

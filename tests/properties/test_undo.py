"""After any apply, an undo restores the store, except times, ids and secrets."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from reconciler.domain.state import DesiredState
from reconciler.execution.ledger_listener import LedgerListener
from reconciler.execution.undo import options_for, undo_of
from reconciler.ledger.location import TargetKey
from reconciler.ledger.models import RunFacts
from reconciler.ledger.store import Ledger, open_ledger
from reconciler.planning.plan import PlanOptions
from reconciler.simulator.switches import Switches
from tests.builders import target
from tests.properties.strategies import integrations, switches
from tests.properties.test_convergence import NO_LIMITS, NO_SHRINKING, wish
from tests.runs import World

pytestmark = pytest.mark.slow

KEY = TargetKey.of(name="production", base_url="http://127.0.0.1:1/v1", organisation=None)
# An id that is returned as a UUID is sent as a UUID, which is equal for the API but not as text.
named = switches.map(lambda s: replace(s, workspace_id_form="slug", reference_form="as_sent"))
BOOKKEEPING = {
    *("id", "organisation_id", "owner_id", "created_at", "last_updated_at", "last_reset_at"),
    *("status", "next_usage_reset_at", "current_usage", "provider_auth_type"),
}
OPTIONS = {"allow_empty": True}


def essence(record: dict[str, Any]) -> dict[str, Any]:
    """Return a stored record without the values that are not compared."""
    found = _filled({k: v for k, v in record.items() if k not in {"models", "workspaces"}})
    everything = record["allow_all_models"]
    found["models"] = {
        slug: _filled(entry)
        for slug, entry in record["models"].items()
        if entry["is_custom"] or entry["enabled"] is not everything
    }
    found["workspaces"] = {
        id_: _filled(entry) for id_, entry in record["workspaces"].items() if entry["enabled"]
    }
    if not (found.get("global_workspace_access") or {}).get("enabled"):
        found.pop("global_workspace_access", None)
    return dict(found)


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {k: _filled(v) for k, v in value.items() if k not in BOOKKEEPING}
        return {k: v for k, v in kept.items() if v not in (None, "", [], {}, False)}
    if not isinstance(value, list):
        return value
    items = [_filled(item) for item in value]
    return sorted(items, key=repr)


def store(world: World) -> dict[str, Any]:
    return {slug: essence(record) for slug, record in world.remote.integrations.items()}


def differences(one: Any, other: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """Return the paths at which two stores differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            found
            for name in sorted({*one, *other})
            for found in differences(one.get(name), other.get(name), f"{path}/{name}")
        ]
    return [] if one == other else [(path, one, other)]


def apply(world: World, ledger: Ledger, run: str, desired: DesiredState, **more: Any) -> None:
    """Apply like the command, with the records of the ledger."""
    books = LedgerListener(ledger, key=KEY, facts=RunFacts(run=run), now=world.now)
    books.values = world.session(desired).secrets
    undo = more.get("undo")
    books.declared_in_git = undo.declared_in_git if undo is not None else None
    given = {"last_applied": ledger.last_applied(KEY), "options": OPTIONS, **more}
    result = world.apply(desired, listen=books.emit, **given)
    assert [outcome.error for outcome in result.outcomes if outcome.error] == []


def undone(world: World, ledger: Ledger, run: str, as_run: str) -> None:
    images = ledger.pre_images(run)
    rules = target(limits=NO_LIMITS)
    undo = undo_of(run, images, target=rules, last_applied=ledger.last_applied(KEY))
    options = options_for(images, PlanOptions())
    given = {name: getattr(options, name) for name in ("selection", "prune", "allow_empty")}
    apply(
        world,
        ledger,
        as_run,
        undo.desired,
        last_applied=undo.last_applied,
        undo=undo,
        options=given,
    )


@settings(max_examples=20, phases=NO_SHRINKING, deadline=None)
@given(before=integrations(), after=integrations(), behaviour=named)
def test_undo_after_apply_restores_the_store_field_by_field(
    before: dict[str, Any], after: dict[str, Any], behaviour: Switches
) -> None:
    world = World(behaviour)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        with open_ledger(None, path=path, pepper="p") as ledger:
            apply(world, ledger, "first", wish(before))
            was = store(world)
            apply(world, ledger, "second", wish(after))
            if len(ledger.history()) < 2:
                return  # there were no changes, so there is no run to undo
            is_now = store(world)
            undone(world, ledger, "second", "third")
            assert differences(was, store(world)) == []
            undone(world, ledger, "third", "fourth")
            assert differences(is_now, store(world)) == []

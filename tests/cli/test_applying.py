"""A ledger that fails in the middle or at the end of a run."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

from reconciler.apply_workflow import Applied
from reconciler.cli.apply_run import run_apply
from reconciler.execution.cancellation import CancelToken
from reconciler.execution.events import CallEnded, Event, RunEnded
from reconciler.execution.ledger_listener import LedgerListener
from reconciler.execution.preflight import Approval
from reconciler.execution.result import Status
from reconciler.ledger.location import TargetKey
from reconciler.ledger.models import RunFacts
from reconciler.ledger.store import open_ledger
from reconciler.planning.plan import PlanOptions
from tests.builders import KEY, declared, desired
from tests.runs import World

TARGET = TargetKey.of(name="production", base_url="http://127.0.0.1:1/v1", organisation=None)


def applied(folder: Path, world: World, when: Callable[[Event], bool]) -> Applied:
    """Apply two integrations, and drop a table of the ledger at an event."""
    path = folder / "ledger.db"

    def strike(event: Event) -> None:
        if when(event):
            with sqlite3.connect(path) as connection:
                connection.execute("DROP TABLE IF EXISTS secrets")
            connection.close()

    wish = desired(declared("alpha", key=KEY), declared("beta", key=KEY))
    with open_ledger(None, path=path, pepper="p") as ledger:
        listener = LedgerListener(ledger, key=TARGET, facts=RunFacts(run="run-1"), now=world.now)
        session = world.session(wish, parallelism=1)
        listener.values = session.secrets
        return asyncio.run(
            run_apply(
                session,
                PlanOptions(),
                Approval(assumed=True),
                run="run-1",
                ledger_listener=listener,
                listeners=[strike],
                confirm=lambda _plan: True,
                cancel=CancelToken(),
            )
        )


def test_a_ledger_that_fails_in_the_middle_stops_the_run_before_the_next_write(
    tmp_path: Path,
) -> None:
    world = World()
    done = applied(tmp_path, world, lambda event: isinstance(event, CallEnded))
    assert [o.status for o in done.result.outcomes] == [Status.APPLIED, Status.SKIPPED]
    assert list(world.remote.integrations) == ["alpha"]


def test_a_ledger_that_fails_after_the_last_write_is_a_warning_beside_the_result(
    tmp_path: Path,
) -> None:
    world = World()
    done = applied(tmp_path, world, lambda event: isinstance(event, RunEnded))
    assert done.result.complete
    (found,) = done.diagnostics
    assert found.code.startswith("ledger-")
    assert found.hint

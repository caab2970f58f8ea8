"""The shared ledger on a real PostgreSQL server."""

import threading
from pathlib import Path

import pytest

from reconciler.cli.ledger_access import read_snapshot
from reconciler.errors import Refused
from reconciler.ledger.database import Database
from reconciler.ledger.errors import LedgerError
from reconciler.ledger.location import LedgerState, Location
from reconciler.ledger.models import Confirmed, Holder
from reconciler.ledger.store import Ledger, open_ledger
from tests.ledger.builders import KEY, PEPPER, declared, observed, record_run, seen
from tests.ledger.test_opening import FIRST_VERSION
from tests.ledger.test_shadows import SHADOW, rotate

pytestmark = pytest.mark.needs_system

NOWHERE = Path("/nonexistent/ledger.db")
HOLDER = Holder(pid=4711, host="runner-3", since="2026-03-01T10:00:00Z")


def opened(url: str, *, pepper: str | None = PEPPER) -> Ledger:
    return open_ledger(url, path=NOWHERE, pepper=pepper)


def test_everything_is_stored_as_in_a_file(url: str) -> None:
    with opened(url) as ledger:
        assert ledger.state is LedgerState.SHARED
        ledger.store_confirmed(KEY, [Confirmed(declared("a", protected=True))])
        ledger.store_seen_states(KEY, {"a": seen("a")})
        record_run(ledger, "r-1", "a", "b")
        record_run(ledger, "r-2", "a")
    with opened(url) as ledger:
        assert ledger.last_applied(KEY).of("a").declared == declared("a").fields
        assert ledger.seen_states(KEY) == {"a": seen("a")}
        assert [run["run"] for run in ledger.history(key=KEY)] == ["r-1", "r-2"]
        assert [run["run"] for run in ledger.history(key=KEY, slug="b")] == ["r-1"]
        assert ledger.count(key=KEY, slug="a") == 2
        assert ledger.pre_images("r-1")[1].observed == observed("b")
        recorded = ledger.actions(["r-2", "r-1"], slug="a")
        assert [[a.slug for a in recorded[run]] for run in ("r-1", "r-2")] == [["a"], ["a"]]
        assert [call["slug"] for call in ledger.calls("r-1")] == ["a", "b"]
        assert ledger.verify() == []
    found = read_snapshot(url, path=NOWHERE, pepper=PEPPER, key=KEY)
    assert list(found.last_applied.integrations) == ["a"]
    assert found.organisations == {"org-1"}


def test_an_empty_database_has_no_records(url: str) -> None:
    found = read_snapshot(url, path=NOWHERE, pepper=PEPPER, key=KEY)
    assert found.diagnostics == ()
    assert found.state is LedgerState.SHARED


def test_a_ledger_of_the_first_version_is_migrated(url: str) -> None:
    engine = Database(Location.of(url, default=NOWHERE), read_only=False)
    with engine.session() as session:
        script = FIRST_VERSION.replace("id INTEGER PRIMARY KEY", "id SERIAL PRIMARY KEY")
        session.exec_driver_sql(script)
    engine.close()
    found = read_snapshot(url, path=NOWHERE, pepper=PEPPER, key=KEY)
    assert found.diagnostics == ()
    assert found.last_applied.of("a").secrets[("key",)].mask_agreed
    with opened(url) as ledger:
        record_run(ledger, "r-1", "a")
        assert ledger.verify() == []


def test_without_the_variable_no_fingerprint_is_stored_which_is_reported(url: str) -> None:
    with opened(url, pepper=None) as ledger:
        assert ledger.pepper is None
        assert [d.code for d in ledger.diagnostics] == ["no-pepper"]


def test_the_lock_holds_across_connections_and_names_its_holder(url: str) -> None:
    with opened(url) as one, opened(url) as two:
        with one.run_lock(KEY, HOLDER):
            with pytest.raises(Refused) as stop, two.run_lock(KEY, HOLDER):
                raise AssertionError("two runs hold one lock")
            assert stop.value.code == "locked"
            assert "process 4711 on runner-3 since 2026-03-01T10:00:00Z" in stop.value.summary
        with two.run_lock(KEY, HOLDER):
            two.store_confirmed(KEY, [])


def test_a_dead_session_releases_the_lock(url: str) -> None:
    with opened(url) as one, opened(url) as two, one.run_lock(KEY, HOLDER):
        with two._database.session() as session:
            session.exec_driver_sql(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND application_name = 'reconcile'"
            )
        with two.run_lock(KEY, HOLDER):
            two.store_confirmed(KEY, [])


def test_concurrent_opening_creates_one_ledger(url: str) -> None:
    problems: list[Exception] = []

    def make() -> None:
        try:
            opened(url).close()
        except LedgerError as problem:
            problems.append(problem)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_a_failure_shows_neither_password_nor_statement(url: str) -> None:
    with opened(url) as ledger:
        ledger.store_confirmed(KEY, [Confirmed(declared("a"))])
        with ledger._database.session() as session:
            session.exec_driver_sql("DROP TABLE declared CASCADE")
        with pytest.raises(LedgerError) as stop:
            ledger.last_applied(KEY)
    assert "canary" not in str(stop.value)
    assert "SELECT" not in str(stop.value)
    assert stop.value.__suppress_context__


def test_shards_share_the_lock_that_a_whole_run_has_alone(url: str) -> None:
    def holder(shard: str | None) -> Holder:
        return Holder(pid=1, host="h", since="2026", shard=shard)

    with opened(url) as one, opened(url) as two, opened(url) as three:
        with one.run_lock(KEY, holder("1/2")), two.run_lock(KEY, holder("2/2")):
            for shard in ("1/2", "2/2", None):
                with pytest.raises(Refused), three.run_lock(KEY, holder(shard)):
                    raise AssertionError("two runs hold one lock")
        with three.run_lock(KEY, holder(None)), pytest.raises(Refused):  # noqa: SIM117  in this order
            with one.run_lock(KEY, holder("1/2")):
                raise AssertionError("two runs hold one lock")
        with one.run_lock(KEY, holder("1/2")):
            one.store_confirmed(KEY, [])


def test_a_rotation_in_progress_is_known_to_other_machines(url: str) -> None:
    with opened(url) as ledger, opened(url) as other:
        rotate(ledger, "r-1", ends=False)
        with ledger.run_lock(KEY, HOLDER):
            found = other.with_shadows(KEY, other.last_applied(KEY))
            assert (found.shadows, found.rotating) == ({SHADOW: frozenset({"r-1"})}, {"r-1"})
        assert other.with_shadows(KEY, found).rotating == frozenset()
        # Checking the lock has not acquired it.
        with ledger.run_lock(KEY, HOLDER):
            pass

"""Shared ledger whose connection fails or hangs while a run writes: no record is lost."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from reconciler.ledger.location import TargetKey
from reconciler.ledger.store import open_ledger
from tests.cli.scene import Scene, scene
from tests.end_to_end.harness import Done
from tests.ledger.builders import record_run
from tests.ledger.servers import NOWHERE, Proxy, execute

pytestmark = pytest.mark.needs_system

SLUGS = ("alpha", "beta", "gamma")
END_ALL = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND application_name = 'reconcile'
"""
# A process that a test runner starts in the background may inherit an ignored SIGINT.
STARTED = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from reconciler.cli.main import main
main()
"""
END_LOCKS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_locks
    WHERE locktype = 'advisory' AND pid <> pg_backend_pid()
"""
UNTIL_OTHERS_ARE_GONE = """
    DO $$ BEGIN
        WHILE EXISTS (
            SELECT FROM pg_stat_activity WHERE application_name = 'reconcile'
            AND state = 'idle' AND pid <> pg_backend_pid()
            AND pid NOT IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')
        ) LOOP
            PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
        END LOOP;
    END $$
"""


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path) as made:
        for slug in SLUGS:
            made.file(slug)
        yield made


def apply(at: Scene, url: str, *options: object) -> Done:
    words = ("apply", "--yes", "--parallelism", "1", "--format", "json", *options)
    return at.project.run(*words, RECONCILE_LEDGER_URL=url)


def statuses(done: Done) -> dict[str, str]:
    return {item["slug"]: item["status"] for item in done.json["outcomes"]}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_cut_connection_leaves_a_result_with_the_completed_writes(
    at: Scene, url: str, number: int
) -> None:
    def cut(_request: object) -> None:
        if len(at.upstream.writes) == number:
            execute(url, END_ALL)

    at.upstream.on_write = cut
    done = apply(at, url)
    assert done.code == 5
    assert done.json["kind"] == "apply_result"
    found = statuses(done)
    created = set(at.upstream.remote.integrations)
    assert {slug for slug, status in found.items() if status == "applied"} == created
    assert set(found) == set(SLUGS)
    assert done.json["ledger"]["error"]["code"] in {"lock-lost", "ledger-unreachable"}
    assert "canary" not in done.out + done.err
    assert apply(at, url).code == 0
    verified = at.project.run("history", "--verify", RECONCILE_LEDGER_URL=url)
    assert verified.code == 0, verified.err


@pytest.mark.parametrize("table", ["declared", "outcomes", "calls", "meta"])
def test_a_table_dropped_during_a_run_is_a_ledger_error(at: Scene, url: str, table: str) -> None:
    assert apply(at, url, "--only", "alpha").code == 0
    at.upstream.on_write = lambda _request: execute(url, f"DROP TABLE {table} CASCADE")
    done = apply(at, url)
    assert (done.code, done.json["kind"]) == (5, "apply_result")
    assert f'"{table}" does not exist' in done.json["ledger"]["error"]["message"]
    assert "Traceback" not in done.err
    assert "SELECT" not in done.err


def test_a_run_that_lost_its_lock_stops_writing(at: Scene, url: str) -> None:
    def lose(_request: object) -> None:
        at.upstream.on_write = None
        execute(url, END_LOCKS)

    at.upstream.on_write = lose
    done = apply(at, url)
    assert done.code == 5
    assert len(at.upstream.writes) == 1
    assert done.json["ledger"]["error"]["code"] == "lock-lost"


def test_an_idle_session_keeps_the_lock(at: Scene, url: str) -> None:
    name = url.partition("@/")[2].partition("?")[0]
    execute(url, f"ALTER DATABASE {name} SET idle_session_timeout = '300ms'")

    held = []

    def wait(_request: object) -> None:
        at.upstream.on_write = None
        # This session becomes idle last; when it is closed, the timeout of every other one has
        # passed.
        with psycopg.connect(url, application_name="reconcile", autocommit=True):
            execute(url, UNTIL_OTHERS_ARE_GONE)
        held.append(execute(url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"))

    at.upstream.on_write = wait
    done = apply(at, url)
    assert done.code == 0, done.err
    assert held == [1]


def test_a_second_run_closes_the_first_and_the_chain_is_valid(at: Scene, url: str) -> None:
    """The lock was lost, and another run has started before the first one noticed."""

    def overtake(_request: object) -> None:
        at.upstream.on_write = None
        execute(url, END_LOCKS)
        key = TargetKey.of(name="here", base_url=at.upstream.url, organisation=None)
        with open_ledger(url, path=NOWHERE, pepper=None) as ledger:
            record_run(ledger, "rival", "gamma", key=key)

    at.upstream.on_write = overtake
    first = apply(at, url)
    assert first.code == 5
    assert len(at.upstream.writes) == 1
    done = at.project.run("history", "--verify", "--format", "json", RECONCILE_LEDGER_URL=url)
    assert done.json["diagnostics"] == []
    assert [run["finished_at"] is None for run in done.json["runs"]] == [True, False]


@pytest.mark.parametrize("command", [("plan",), ("drift",), ("apply", "--yes")])
def test_a_database_that_hangs_does_not_outlast_the_deadline(
    at: Scene, url: str, proxy: Proxy, command: tuple[str, ...]
) -> None:
    proxy.freeze()
    words = (*command, "--deadline", "2", "--format", "json")
    done = at.project.run(*words, RECONCILE_LEDGER_URL=proxy.url(url))
    assert done.code == {"plan": 0, "drift": 1, "apply": 4}[command[0]]
    assert "ledger-" in done.out
    assert at.upstream.writes == []


def test_a_database_that_hangs_later_leaves_a_result(at: Scene, url: str, proxy: Proxy) -> None:
    assert apply(at, url, "--only", "gamma").code == 0
    at.upstream.on_write = lambda _request: proxy.freeze()
    done = apply(at, proxy.url(url), "--deadline", "3")
    assert (done.code, done.json["kind"]) == (5, "apply_result"), done.out
    assert statuses(done)["alpha"] == "applied"
    assert len(at.upstream.writes) == 2
    # The server does not respond, which is not a defect of this program.
    problem = done.json["ledger"]["error"]
    assert problem["code"] in {"ledger-timeout", "lock-lost"}
    assert "no response within" in problem["message"] or "did not respond" in problem["message"]


@pytest.mark.parametrize("number", [signal.SIGTERM])
def test_one_signal_ends_a_run_whose_database_hangs_before_the_first_write(
    at: Scene, url: str, proxy: Proxy, number: signal.Signals
) -> None:
    proxy.freeze()
    with started(at, proxy.url(url)) as process:
        assert proxy.stuck.wait(30)
        process.send_signal(number)
        out, _ = process.communicate(timeout=8)
    assert process.returncode == 128 + number
    assert "Traceback" not in out
    assert at.upstream.writes == []


@pytest.mark.parametrize("number", [signal.SIGINT])
def test_a_second_signal_ends_a_run_whose_database_hangs_after_a_write(
    at: Scene, url: str, proxy: Proxy, number: signal.Signals
) -> None:
    at.upstream.on_write = lambda _request: proxy.freeze()
    with started(at, proxy.url(url)) as process:
        assert proxy.stuck.wait(30)
        process.send_signal(number)
        assert process.stderr is not None
        for line in process.stderr:
            if "finishing the calls in progress" in line:
                break
        process.send_signal(number)
        process.communicate(timeout=4)
    assert process.returncode == 128 + number


@contextmanager
def started(at: Scene, url: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", STARTED, "apply", "--yes"],
        cwd=at.project.folder,
        env={**at.project.environment, "RECONCILE_LEDGER_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()

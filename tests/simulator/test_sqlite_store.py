"""The store on disk: answered writes are kept, processes share it, and errors are explained."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.auth import ApiService
from reconciler.simulator.faults import Wire
from reconciler.simulator.messages import Request
from reconciler.simulator.sqlite_store import SimulatorStateError, SqliteStore
from reconciler.simulator.switches import Switches
from tests.contract.api import KEY, ManualClock, make_remote, openai

WRITER = """
import sys, uuid
from pathlib import Path
from reconciler.simulator.messages import Request
from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.sqlite_store import SqliteStore
from reconciler.simulator.switches import Switches
name, path, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
remote = SimulatedAPI(Switches(), lambda: "2026-01-01T00:00:00.000Z", lambda: str(uuid.uuid4()),
                SqliteStore(path))
for number in range(count):
    body = {"slug": f"{name}-{number}", "name": "x", "ai_provider_id": "openai", "key": "k"}
    assert remote.handle(Request("POST", "/integrations", {}, body)).status == 200
    shared = {"slug": f"shared-{number}", "name": name, "ai_provider_id": "openai", "key": "k"}
    assert remote.handle(Request("POST", "/integrations", {}, shared)).status in (200, 409)
    print(number, flush=True)
if count == 1:
    sys.stdin.read()
"""


def open_remote(path: Path, switches: Switches | None = None) -> SimulatedAPI:
    memory = make_remote()
    clock = ManualClock()
    return SimulatedAPI(
        switches or Switches(), clock.now, memory._organisation.new_id, SqliteStore(path)
    )


def writer(name: str, path: Path, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, name, str(path), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_reopened_file_shows_the_state(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "simulator.db"
    first = open_remote(path)
    first.handle(Request("POST", "/integrations", {}, openai(configurations={"a": {"b": [1]}})))
    models = {"models": [{"slug": "m", "enabled": True}]}
    first.handle(Request("PUT", "/integrations/openai-main/models", {}, models))
    organisation = first.organisation_id
    second = open_remote(path)
    assert second.integrations == first.integrations
    assert second.organisation_id == organisation


def test_a_killed_process_leaves_every_answered_write(tmp_path: Path) -> None:
    path = tmp_path / "simulator.db"
    with writer("killed", path, 1) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "0\n"
        process.send_signal(signal.SIGKILL)
    assert "killed-0" in open_remote(path).integrations


def test_two_processes_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "simulator.db"
    count = 60
    with writer("a", path, count) as a, writer("b", path, count) as b:
        for process in (a, b):
            process.communicate(timeout=60)
            assert process.returncode == 0
    remote = open_remote(path)
    assert len(remote.integrations) == 3 * count
    page = remote.handle(Request("GET", "/integrations", {"page_size": "1"})).body
    assert page["total"] == 3 * count


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "simulator.db"
    path.touch(mode=0o644)
    remote = open_remote(path)
    remote.handle(Request("POST", "/integrations", {}, openai()))
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file.name


def test_a_file_other_than_a_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "simulator.db"
    path.write_bytes(b"this is no database, and it is long enough to be noticed" * 20)
    with pytest.raises(SimulatorStateError) as caught:
        open_remote(path)
    assert str(path) in caught.value.summary
    assert "delete" in caught.value.hint
    assert caught.value.exit_code == 1


def test_a_file_of_another_version_is_named(tmp_path: Path) -> None:
    path = tmp_path / "simulator.db"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(SimulatorStateError, match="version 99"):
        open_remote(path)


def test_a_row_without_valid_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "simulator.db"
    remote = open_remote(path)
    remote.handle(Request("POST", "/integrations", {}, openai()))
    with sqlite3.connect(path) as database:
        database.execute("UPDATE integrations SET record = '{'")
    database.close()
    for request in (Request("GET", "/integrations"), Request("GET", "/integrations/openai-main")):
        with pytest.raises(SimulatorStateError):
            remote.handle(request)


def test_a_directory_instead_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SimulatorStateError):
        open_remote(tmp_path)


def test_a_locked_file_is_named_after_the_busy_timeout(tmp_path: Path) -> None:
    path = tmp_path / "simulator.db"
    open_remote(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    clock = ManualClock()
    records = SqliteStore(path, busy_timeout_seconds=0.01)
    remote = SimulatedAPI(Switches(), clock.now, lambda: "id", records)
    with pytest.raises(SimulatorStateError, match="locked"):
        remote.handle(Request("POST", "/integrations", {}, openai()))
    delivery = ApiService(Wire(remote)).respond("POST", "/integrations", KEY, b'{"name": "x"}')
    assert delivery.status == 500
    assert b"locked" in delivery.content
    assert remote.handle(Request("GET", "/integrations")).status == 200
    holder.execute("ROLLBACK")
    assert remote.handle(Request("POST", "/integrations", {}, openai())).status == 200
    holder.close()


def test_a_refused_write_stores_nothing(tmp_path: Path) -> None:
    remote = open_remote(tmp_path / "simulator.db")
    body = openai("one", workspace_id="ws-a", default_provider_slug="mine")
    assert remote.handle(Request("POST", "/integrations", {}, body)).status == 200
    body = openai("two", workspace_id="ws-a", default_provider_slug="mine")
    assert remote.handle(Request("POST", "/integrations", {}, body)).status == 400
    assert set(remote.integrations) == {"one"}
    assert len(remote.providers) == 1


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_partly_carried_out_write_is_rolled_back(tmp_path: Path, kind: str) -> None:
    remote = make_remote() if kind == "memory" else open_remote(tmp_path / "simulator.db")
    body = openai("one", workspace_id="ws-b", default_provider_slug="mine")
    remote.handle(Request("POST", "/integrations", {}, body))
    remote.handle(Request("POST", "/integrations", {}, openai("two")))
    both = [{"id": "ws-a", "enabled": True}, {"id": "ws-b", "enabled": True}]
    grants = {"workspaces": both, "default_provider_slug": "mine"}
    assert remote.handle(Request("PUT", "/integrations/two/workspaces", {}, grants)).status == 400
    assert [provider["workspace_id"] for provider in remote.providers] == ["ws-b"]


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_both_stores_keep_order_ids_and_deletes(tmp_path: Path, kind: str) -> None:
    remote = make_remote() if kind == "memory" else open_remote(tmp_path / "simulator.db")

    def slugs(**query: str) -> list[str]:
        body = remote.handle(Request("GET", "/integrations", query)).body
        return [row["slug"] for row in body["data"]]

    first = remote.handle(Request("POST", "/integrations", {}, openai("a"))).body["id"]
    remote.handle(Request("POST", "/integrations", {}, openai("b")))
    remote.handle(Request("DELETE", "/integrations/a"))
    assert slugs() == ["b"]
    second = remote.handle(Request("POST", "/integrations", {}, openai("a"))).body["id"]
    assert slugs() == slugs(type="organisation") == ["b", "a"]
    assert remote.handle(Request("GET", f"/integrations/{first}")).status == 404
    assert remote.handle(Request("GET", f"/integrations/{second}")).body["slug"] == "a"
    assert remote.handle(Request("GET", "/integrations/a"), stale=True).status == 404


def test_a_closed_file_is_named(tmp_path: Path) -> None:
    records = SqliteStore(tmp_path / "simulator.db")
    records.close()
    with pytest.raises(SimulatorStateError):
        records.entry("a")
    assert os.listdir(tmp_path) == ["simulator.db"]  # noqa: PTH208  names suffice

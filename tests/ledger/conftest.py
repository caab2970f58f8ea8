"""Fixture with the PostgreSQL server for tests of a shared ledger, started on first use."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ledger.servers import Proxy, Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        started = Server(Path(name))
        started.start()
        try:
            yield started
        finally:
            started.stop()


@pytest.fixture
def url(server: Server) -> str:
    return server.new_database()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    made = Proxy(server)
    yield made
    made.close()

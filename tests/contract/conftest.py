"""Fixtures that test each fact in the process and over a socket."""

from collections.abc import Iterator

import pytest

from tests.contract.api import Api, reach


@pytest.fixture(params=["in process", "over HTTP"])
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    with reach(request.param) as one:
        yield one

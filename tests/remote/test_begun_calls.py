"""Reads can be sent before they are needed: the response is used once, a failure never."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import httpx
import pytest

from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.domain.secrets import Redacted
from reconciler.remote.api import MeasuredRate
from reconciler.remote.client import Client
from reconciler.remote.errors import DeadlineExceeded, ReadOnlyViolation, RemoteError
from reconciler.remote.pagination import first_page, list_all
from tests.remote.builders import answering, client, detail, error_answer, page
from tests.remote.virtual_time import run_virtually

CANARY = "sk-begun-canary-77"
GET = Call(OperationName.GET, "a")
LISTED = httpx.Response(200, json=page(["a"], 1))
T = TypeVar("T")


class Held(httpx.AsyncBaseTransport):
    """Transport that answers after some seconds, and counts requests and cancellations."""

    def __init__(self, seconds: float, status: int = 200) -> None:
        self.requests = self.cancelled = 0
        self._seconds = seconds
        self._status = status

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        try:
            await asyncio.sleep(self._seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return httpx.Response(self._status, json=page(["a"], 1))


def now() -> float:
    return asyncio.get_running_loop().time()


def in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """Run a test in virtual time, and check that no task is left."""

    async def whole() -> T:
        result = await main
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return run_virtually(whole())


def test_only_a_list_uses_the_page_that_was_requested_early() -> None:
    async def main() -> None:
        transport = Held(5)
        async with client(transport) as api:
            api.begin(first_page())
            await asyncio.sleep(4)
            assert (await list_all(api)).slugs == {"a"}
            assert (now(), transport.requests) == (5, 1)
            # A second list sends a separate call, and so does a list with another page size.
            await list_all(api)
            await list_all(api, page_size=50)
            assert (now(), transport.requests) == (15, 3)

    in_virtual_time(main())


def test_a_response_that_has_arrived_is_kept_for_its_call() -> None:
    async def main() -> None:
        transport, seen = answering(LISTED, httpx.Response(200, json=detail()))
        async with client(transport) as api:
            api.begin(first_page())
            await asyncio.sleep(60)
            assert (await api.call(GET)).body["slug"] == "a"
            assert (await api.call(first_page())).body["total"] == 1
            assert len(seen) == 2

    in_virtual_time(main())


@pytest.mark.parametrize(
    "failure",
    [
        error_answer(401),
        error_answer(503),
        httpx.Response(200, content=b"{"),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
    ],
)
def test_a_failure_is_repeated_like_a_first_attempt(failure: httpx.Response | Exception) -> None:
    async def main() -> None:
        transport, seen = answering(failure, LISTED)
        async with client(transport) as api:
            api.begin(first_page())
            await asyncio.sleep(1)
            assert (await list_all(api)).slugs == {"a"}
            assert len(seen) == 2

    in_virtual_time(main())


def test_a_lasting_failure_is_the_error_of_the_call_and_hides_secrets_known_since() -> None:
    async def main() -> RemoteError:
        transport, seen = answering(error_answer(403, message=f"no {CANARY}"))
        async with client(transport) as api:
            api.begin(first_page())
            await asyncio.sleep(1)
            api.keep_secret([Redacted(CANARY)])
            with pytest.raises(RemoteError) as caught:
                await list_all(api)
            assert len(seen) == 2
        return caught.value

    problem = in_virtual_time(main())
    assert problem.http_status == 403
    assert CANARY not in f"{problem.summary} {problem.hint} {problem!r}"


def test_closing_cancels_an_early_call() -> None:
    async def main() -> None:
        transport = Held(1000)
        async with client(transport) as api:
            api.begin(first_page())
            await asyncio.sleep(1)
        assert (now(), transport.requests, transport.cancelled) == (1, 1, 1)

    in_virtual_time(main())


def test_cancelling_a_waiter_cancels_the_early_call() -> None:
    async def main() -> None:
        transport = Held(1000)
        async with client(transport) as api:
            api.begin(first_page())
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2):
                    await list_all(api)
            assert (now(), transport.cancelled) == (2, 1)

    in_virtual_time(main())


@pytest.mark.parametrize("read_only", [True, False])
def test_a_write_cannot_be_sent_early(*, read_only: bool) -> None:
    async def main() -> None:
        transport, seen = answering(LISTED)
        async with client(transport, read_only=read_only) as api:
            with pytest.raises(ReadOnlyViolation if read_only else ValueError):
                api.begin(Call(OperationName.DELETE, "a"))
            await asyncio.sleep(1)
        assert seen == []

    in_virtual_time(main())


def test_calls_after_it_keep_a_rate_that_is_known_later() -> None:
    async def main() -> None:
        transport, seen = answering(LISTED, httpx.Response(200, json=detail()))
        async with client(transport) as api:
            api.begin(first_page())
            await asyncio.sleep(0.01)
            api.rate_limiter.begin_at(MeasuredRate(2, 1))
            await list_all(api)
            for _ in range(4):
                await api.call(GET)
            assert len(seen) == 5
            assert now() >= 1.5

    in_virtual_time(main())


def test_a_throttled_early_call_waits_and_measures_the_rate() -> None:
    async def main() -> None:
        transport, seen = answering(error_answer(429, "AB06", retry_after="7"), LISTED)
        async with client(transport) as api:
            api.begin(first_page())
            assert (await list_all(api)).slugs == {"a"}
            assert (len(seen), api.rate_limiter.throttled) == (2, 1)
            assert now() >= 7

    in_virtual_time(main())


def test_the_deadline_ends_an_early_call() -> None:
    async def main(api: Client) -> Reply:
        async with api:
            api.begin(first_page())
            await asyncio.sleep(1)
            return await api.call(first_page())

    async def expect() -> None:
        transport = Held(1000)
        with pytest.raises(DeadlineExceeded):
            await main(client(transport, deadline=3.0, call_timeout=50.0))
        assert (now(), transport.requests) == (3, 1)

    in_virtual_time(expect())

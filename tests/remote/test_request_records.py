"""Records of requests, and requests that are never sent."""

import asyncio
from typing import Any

import httpx
import pytest

from reconciler import __version__
from reconciler.domain.calls import Call, OperationName
from reconciler.domain.secrets import Redacted
from reconciler.errors import InvalidInput
from reconciler.remote.api import RequestRecord
from reconciler.remote.errors import (
    Answered,
    DeadlineExceeded,
    NoAnswer,
    ReadOnlyViolation,
    RemoteError,
    Throttled,
)
from tests.remote.builders import KEY, answering, body_of, client, detail, error_answer
from tests.remote.virtual_time import run_virtually, virtual_timing

GET = Call(OperationName.GET, "a")
PUT = Call(OperationName.UPDATE, "a", body={"name": "A", "key": Redacted("body-canary")})
FINE = httpx.Response(200, json=detail())


class Slow(httpx.AsyncBaseTransport):
    """Transport that answers after some seconds."""

    def __init__(self, answer: httpx.Response | Exception, *, seconds: float = 2.5) -> None:
        self.answer, self.seconds = answer, seconds
        self.seen: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        await asyncio.sleep(self.seconds)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def heard(call: Call, answer: httpx.Response | Exception) -> RequestRecord:
    """Return the record of one exchange that takes two and a half seconds."""
    exchanges: list[RequestRecord] = []

    async def main() -> None:
        async with client(Slow(answer), on_request=exchanges.append) as api:
            await asyncio.sleep(10)
            await asyncio.gather(api.call_once(call), return_exceptions=True)

    run_virtually(main())
    [exchange] = exchanges
    return exchange


DATE = "Fri, 01 Jan 2027 00:00:00 GMT"
TOLD = {"x-request-id": "r-1", "date": DATE}


@pytest.mark.parametrize(
    ("answer", "exchange"),
    [
        (
            httpx.Response(200, json=detail(), headers=TOLD),
            RequestRecord("GET", "/integrations/a", 2.5, 200, "r-1", None, DATE),
        ),
        (
            error_answer(404, "AB08", x_request_id="r-1", date=DATE),
            RequestRecord("GET", "/integrations/a", 2.5, 404, "r-1", "AB08", DATE),
        ),
        (FINE, RequestRecord("GET", "/integrations/a", 2.5, 200)),
        (
            httpx.Response(200, html="<html>"),
            RequestRecord("GET", "/integrations/a", 2.5, 200, None, "not-json"),
        ),
        (
            httpx.ReadError("reset"),
            RequestRecord("GET", "/integrations/a", 2.5, None, None, "connection-lost"),
        ),
    ],
    ids=["fine", "refused", "bare", "html", "reset"],
)
def test_a_listener_receives_the_outcome_of_an_exchange(
    answer: httpx.Response | Exception, exchange: RequestRecord
) -> None:
    assert heard(GET, answer) == exchange


def test_a_listener_receives_an_internal_error_without_a_code() -> None:
    assert heard(GET, KeyError("ours")) == RequestRecord("GET", "/integrations/a", 2.5)


def failure(call: Call, transport: httpx.AsyncBaseTransport, **settings: Any) -> RemoteError:
    async def main() -> RemoteError:
        async with client(transport, **settings) as api:
            with pytest.raises(RemoteError) as caught:
                await api.call_once(call)
        return caught.value

    return run_virtually(main())


def test_after_the_deadline_nothing_is_sent_and_an_error_is_raised() -> None:
    transport, seen = answering(FINE)
    error = failure(PUT, transport, deadline=0)
    assert isinstance(error, DeadlineExceeded)
    assert error.summary == "the run's deadline passed before PUT /integrations/a was sent"
    assert error.hint == "allow more time with --deadline; completed calls are not undone"
    assert (error.code, error.attempts, seen) == ("deadline", 0, [])


def test_a_write_of_a_read_only_client_is_refused_with_an_error() -> None:
    transport, seen = answering(FINE)
    error = failure(PUT, transport, read_only=True)
    assert isinstance(error, ReadOnlyViolation)
    assert error.summary == "PUT /integrations/a was not sent: this command only reads"
    assert (error.code, error.attempts, seen) == ("read-only", 0, [])


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        ({}, 30.0),
        ({"call_timeout": 7.0}, 7.0),
        ({"deadline": 3.0}, 3.0),
        ({"deadline": None}, 30.0),
    ],
)
def test_a_call_is_limited_by_its_timeout_and_the_deadline_of_the_run(
    settings: dict[str, Any], seconds: float
) -> None:
    async def main() -> tuple[str, float]:
        async with client(Slow(FINE, seconds=1000), **settings) as api:
            with pytest.raises(NoAnswer) as caught:
                await api.call_once(GET)
        return caught.value.summary, asyncio.get_running_loop().time()

    assert run_virtually(main()) == ("GET /integrations/a: no complete response in time", seconds)


def test_the_default_deadline_is_a_quarter_of_an_hour() -> None:
    async def main() -> list[str]:
        codes = []
        async with client(answering(FINE)[0]) as api:
            for moment in (899.0, 2.0):
                await asyncio.sleep(moment)
                [result] = await asyncio.gather(api.call_once(GET), return_exceptions=True)
                codes.append(getattr(result, "code", "fine"))
        return codes

    assert run_virtually(main()) == ["fine", "deadline"]


def test_a_request_has_accept_headers() -> None:
    async def main() -> list[httpx.Request]:
        transport, seen = answering(FINE)
        async with client(transport) as api:
            await api.call_once(PUT)
        return seen

    [request] = run_virtually(main())
    assert body_of(request) == {"name": "A", "key": "body-canary"}
    assert request.headers["accept"] == "application/json"
    assert request.headers["accept-encoding"] == "gzip"
    assert request.headers["user-agent"] == f"portkey-reconciler/{__version__}"
    assert request.headers["x-portkey-api-key"] == KEY


def test_the_user_agent_can_be_set() -> None:
    async def main() -> str:
        transport, seen = answering(FINE)
        async with client(transport, user_agent="other/1") as api:
            await api.call_once(GET)
        return str(seen[0].headers["user-agent"])

    assert run_virtually(main()) == "other/1"


@pytest.mark.parametrize("answer", [error_answer(429, "AB06"), error_answer(503)])
def test_a_call_without_retries_is_sent_once(answer: httpx.Response) -> None:
    async def main() -> tuple[RemoteError, int, int, float]:
        transport, seen = answering(answer)
        async with client(transport) as api:
            with pytest.raises(Answered) as caught:
                await api.call_once(GET)
            throttled = api.rate_limiter.throttled
        return caught.value, len(seen), throttled, asyncio.get_running_loop().time()

    error, requests, throttled, seconds = run_virtually(main())
    assert (error.attempts, requests, throttled, seconds) == (1, 1, 0, 0.0)
    assert isinstance(error, Throttled) == (error.http_status == 429)


@pytest.mark.parametrize(
    "texts", [["body-canary"], [KEY], ["kept-canary"], ["later-canary", "kept-canary", KEY]]
)
def test_no_known_secret_is_repeated_in_a_message(texts: list[str]) -> None:
    words = " and ".join(texts)

    async def main() -> str:
        async with client(answering(error_answer(400, "AB01", words))[0]) as api:
            api.keep_secret([Redacted("kept-canary")])
            api.keep_secret(iter([Redacted("later-canary")]))
            with pytest.raises(Answered) as caught:
                await api.call(PUT)
        return caught.value.message

    assert run_virtually(main()) == " and ".join(["[redacted]"] * len(texts))


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("r-1", "r-1"),
        (f"r-{KEY}", None),
        ("r-body-canary-1", None),
        ("r-Ym9keS1jYW5hcnk", None),
        ("r-four", None),
        ("r-abc", "r-abc"),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_an_id_that_repeats_a_sent_secret_is_dropped(
    status: int, told: str, kept: str | None
) -> None:
    exchanges: list[RequestRecord] = []
    headers = {"custom_headers": {"x": Redacted("four"), "y": Redacted("abc")}}
    body: Any = {"key": Redacted("body-canary"), "configurations": headers}

    async def main() -> str | None:
        transport, _ = answering(
            httpx.Response(status, json={"success": status == 200}, headers={"x-request-id": told})
        )
        async with client(transport, on_request=exchanges.append) as api:
            try:
                return (await api.call(Call(OperationName.UPDATE, "a", body=body))).request_id
            except RemoteError as error:
                return error.request_id

    assert run_virtually(main()) == kept
    assert [exchange.request_id for exchange in exchanges] == [kept]


def test_an_id_that_repeats_a_key_without_a_known_prefix_is_left_out() -> None:
    async def main() -> list[str | None]:
        told = httpx.Response(200, json={}, headers={"x-request-id": "r-plain-canary"})
        settings: dict[str, Any] = {"api_key": Redacted("plain-canary")}
        ids = []
        for more in (settings, {"api_key": None}):
            async with client(answering(told)[0], **more) as api:
                ids.append((await api.call(GET)).request_id)
        return ids

    assert run_virtually(main()) == [None, "r-plain-canary"]


@pytest.mark.parametrize(
    ("key", "words", "hint"),
    [
        (" ", "is empty", "set the variable"),
        ("canary\n", "ends with a space or a line break", "remove it"),
        ("\tcanary", "begins or ends", "remove it"),
        ("canary of mine", "contains a space", "copy the key again"),
        ("c\u00e4nary", "is not ASCII", "copy the key again"),
        ("can\r\nary", "a line break", "copy the key again"),
    ],
)
def test_a_key_that_is_invalid_in_a_header_is_reported_as_such(
    key: str, words: str, hint: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        client(answering(FINE)[0], api_key=Redacted(key))
    assert words in caught.value.summary
    assert hint in caught.value.hint
    assert caught.value.code == "bad-api-key"
    assert "nary" not in str(caught.value.diagnostics)


@pytest.mark.parametrize(("asked", "connections"), [(3, 3), (1, 1), (0, 1), (-5, 1), (None, 10)])
def test_there_are_as_many_connections_as_requested_and_at_least_one(
    asked: int | None, connections: int
) -> None:
    async def main() -> int:
        transport = Slow(FINE, seconds=5)
        settings = {} if asked is None else {"concurrency": asked}
        async with client(transport, **settings) as api, asyncio.TaskGroup() as group:
            for _ in range(12):
                group.create_task(api.call_once(GET))
            await asyncio.sleep(1)
            return len(transport.seen)

    assert run_virtually(main()) == connections


def test_a_successful_second_attempt_counts_both() -> None:
    async def main() -> tuple[int, int, int]:
        transport, _ = answering(error_answer(503), FINE)
        async with client(transport, clock=virtual_timing(random=0.0)) as api:
            first = await api.call(GET)
            second = await api.call(GET)
            return first.attempts, second.attempts, api.retries.used

    assert run_virtually(main()) == (2, 1, 1)

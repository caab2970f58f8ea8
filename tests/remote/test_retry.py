"""Retries, in virtual time."""

import asyncio
from dataclasses import replace

import httpx
import pytest

from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.remote.errors import (
    DeadlineExceeded,
    NoAnswer,
    NotFound,
    NotSent,
    RemoteError,
    ServerFault,
)
from tests.remote.builders import answering, client, detail, error_answer
from tests.remote.virtual_time import run_virtually, virtual_timing

GET = Call(OperationName.GET, "a")
PUT = Call(OperationName.UPDATE, "a", body={"name": "A"})
DELETE = Call(OperationName.DELETE, "a")
POST = Call(OperationName.CREATE, body={"name": "A"})
FINE = httpx.Response(200, json=detail())


def outcome(
    call: Call, *answers: httpx.Response | Exception, random: float = 0.5, deadline: float = 900
) -> tuple[Reply | RemoteError, int, float]:
    """Make a call; return the result, the number of requests and the seconds passed."""

    async def main() -> tuple[Reply | RemoteError, int, float]:
        transport, seen = answering(*answers)
        result: Reply | RemoteError
        async with client(transport, clock=virtual_timing(random=random), deadline=deadline) as api:
            try:
                result = await api.call(call)
            except RemoteError as error:
                result = error
        return result, len(seen), asyncio.get_running_loop().time()

    return run_virtually(main())


@pytest.mark.parametrize("call", [GET, PUT, DELETE])
@pytest.mark.parametrize(
    "fault",
    [
        *(error_answer(status) for status in (408, 425, 500, 502, 503, 504)),
        httpx.ConnectError("no"),
        httpx.ConnectTimeout("no"),
        httpx.ReadTimeout("no"),
        httpx.ReadError("no"),
        httpx.WriteError("no"),
        httpx.RemoteProtocolError("no"),
        httpx.ProxyError("no"),
    ],
    ids=lambda fault: getattr(fault, "status_code", type(fault).__name__),
)
def test_a_transient_fault_is_resolved_by_a_second_attempt(
    call: Call, fault: httpx.Response | Exception
) -> None:
    result, requests, _ = outcome(call, fault, FINE)
    assert isinstance(result, Reply)
    assert (result.attempts, requests) == (2, 2)


@pytest.mark.parametrize(
    "fault",
    [error_answer(500), httpx.ReadError("no"), httpx.ConnectError("no"), error_answer(503)],
    ids=["500", "reset", "unreachable", "503"],
)
def test_a_post_is_never_retried_blindly(fault: httpx.Response | Exception) -> None:
    result, requests, _ = outcome(POST, fault, FINE)
    assert isinstance(result, RemoteError)
    assert (result.attempts, requests) == (1, 1)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 413, 422, 501, 505])
def test_a_permanent_error_is_not_retried(status: int) -> None:
    _, requests, seconds = outcome(GET, error_answer(status))
    assert (requests, seconds) == (1, 0.0)


def test_an_html_response_is_not_retried() -> None:
    _, requests, _ = outcome(GET, httpx.Response(200, html="<html>"))
    assert requests == 1


def test_a_permanent_fault_ends_after_four_attempts_with_its_own_error() -> None:
    result, requests, seconds = outcome(GET, error_answer(500), random=0.999)
    assert isinstance(result, ServerFault)
    assert (result.attempts, requests) == (4, 4)
    assert 3.4 < seconds < 3.5  # 0.5 + 1 + 2 with maximum jitter


def test_an_unreachable_server_ends_after_four_attempts() -> None:
    result, requests, seconds = outcome(GET, httpx.ConnectError("no"))
    assert isinstance(result, NotSent)
    assert (result.code, result.attempts, requests) == ("unreachable", 4, 4)
    assert seconds < 5


def test_a_fault_can_set_the_pause() -> None:
    result, _, seconds = outcome(GET, error_answer(503, retry_after="9"), FINE)
    assert isinstance(result, Reply)
    assert seconds == 9.0


def test_a_fault_that_requests_too_long_a_pause_is_final() -> None:
    _, requests, _ = outcome(GET, error_answer(503, retry_after="301"), FINE)
    assert requests == 1


def test_no_attempt_starts_after_the_deadline() -> None:
    result, requests, seconds = outcome(GET, error_answer(503, retry_after="9"), deadline=5)
    assert isinstance(result, ServerFault)
    assert (requests, seconds) == (1, 0.0)
    late, requests, _ = outcome(GET, FINE, deadline=0)
    assert isinstance(late, DeadlineExceeded)
    assert (late.attempts, requests) == (0, 0)


def test_a_429_is_not_counted_as_an_attempt_or_in_the_retry_budget() -> None:
    throttled = error_answer(429, "AB06", retry_after="1")
    result, requests, _ = outcome(GET, *[throttled] * 6, error_answer(500), FINE)
    assert isinstance(result, Reply)
    assert (result.attempts, requests) == (2, 8)


def test_a_run_has_one_retry_budget() -> None:
    async def main() -> tuple[int, int]:
        transport, seen = answering(error_answer(500))
        async with client(transport) as api:
            for _ in range(100):
                with pytest.raises(ServerFault):
                    await api.call(GET)
            return len(seen), api.retries.used

    requests, used = run_virtually(main())
    assert used <= 0.1 * 100 + 10
    assert requests == 100 + used


def test_an_endless_response_is_abandoned_after_the_total_timeout() -> None:
    class Stuck(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, stream=Drip())

    class Drip(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]
            while True:
                await asyncio.sleep(4)
                yield b" "

    async def main() -> tuple[RemoteError, float]:
        async with client(Stuck()) as api:
            with pytest.raises(NoAnswer) as caught:
                await api.call(POST)
        return caught.value, asyncio.get_running_loop().time()

    error, seconds = run_virtually(main())
    assert (error.code, seconds) == ("timeout", 30.0)
    assert error.outcome_unknown


def test_a_refusal_after_a_lost_response_leaves_the_first_attempt_unknown() -> None:
    lost, refused = httpx.ReadError("reset"), error_answer(404, "AB08")
    error, _, _ = outcome(PUT, lost, refused)
    assert isinstance(error, NotFound)
    assert error.outcome_unknown
    error, _, _ = outcome(PUT, refused)
    assert isinstance(error, NotFound)
    assert not error.outcome_unknown


def test_a_call_that_was_never_sent_is_known_not_to_be_applied() -> None:
    error, requests, _ = outcome(PUT, *[httpx.ConnectError("refused")] * 4)
    assert isinstance(error, NotSent)
    assert requests == 4
    assert not error.outcome_unknown


@pytest.mark.parametrize(("asked", "seconds"), [("300", 300.0), ("301", 0.0)])
def test_the_longest_pause_that_a_fault_can_request_is_five_minutes(
    asked: str, seconds: float
) -> None:
    _, _, passed = outcome(GET, error_answer(503, retry_after=asked), FINE)
    assert passed == seconds


@pytest.mark.parametrize(("random", "pauses"), [(0.0, [0, 0, 0]), (0.5, [0.25, 0.5, 1.0])])
def test_the_pause_before_each_attempt_is_a_random_fraction_of_a_doubling_one(
    random: float, pauses: list[float]
) -> None:
    _, _, seconds = outcome(GET, error_answer(500), random=random)
    assert seconds == sum(pauses)


def test_a_shorter_retry_after_does_not_shorten_the_pause() -> None:
    _, _, seconds = outcome(GET, error_answer(503, retry_after="0.1"), FINE, random=0.5)
    assert seconds == 0.25


def test_an_attempt_whose_pause_ends_with_the_deadline_is_not_made() -> None:
    fault = error_answer(503, retry_after="9")
    _, requests, seconds = outcome(GET, fault, FINE, deadline=9)
    assert (requests, seconds) == (1, 0.0)
    _, requests, seconds = outcome(GET, fault, FINE, deadline=9.5)
    assert (requests, seconds) == (2, 9.0)


@pytest.mark.parametrize(("calls", "repetitions"), [(1, 3), (3, 9), (4, 11), (10, 11), (30, 13)])
def test_the_retry_budget_is_one_in_ten_calls_and_ten_more(calls: int, repetitions: int) -> None:
    async def main() -> tuple[int, int, int]:
        transport, seen = answering(error_answer(500))
        async with client(transport) as api:
            for _ in range(calls):
                with pytest.raises(ServerFault):
                    await api.call(GET)
            return api.retries.calls, api.retries.used, len(seen)

    assert run_virtually(main()) == (calls, repetitions, calls + repetitions)


def test_a_permanent_error_is_not_retried_after_a_transient_fault() -> None:
    error, requests, _ = outcome(GET, error_answer(500), error_answer(404, "AB08"), FINE)
    assert isinstance(error, NotFound)
    assert (error.attempts, requests) == (2, 2)


def test_the_pauses_are_configurable() -> None:
    paused: list[float] = []

    async def main() -> Reply:
        async def sleep(seconds: float) -> None:
            paused.append(seconds)

        clock = replace(virtual_timing(), sleep=sleep)
        transport, _ = answering(error_answer(503), error_answer(503), FINE)
        async with client(transport, clock=clock) as api:
            return await api.call(GET)

    assert run_virtually(main()).attempts == 3
    assert paused == [0.25, 0.5]

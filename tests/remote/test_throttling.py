"""Rate limiter against throttling servers, in virtual time."""

import asyncio
from collections import deque
from collections.abc import Callable
from email.utils import formatdate

import httpx
import pytest

from reconciler.domain.calls import Call, OperationName
from reconciler.remote.api import MeasuredRate
from reconciler.remote.client import Client
from reconciler.remote.errors import DeadlineExceeded, RemoteError, Throttled
from tests.remote.builders import answering, client, detail, error_answer
from tests.remote.virtual_time import run_virtually

GET = Call(OperationName.GET, "a")


class Window(httpx.AsyncBaseTransport):
    """Server that accepts `rate` calls in any `window` seconds, by arrival."""

    def __init__(self, rate: int, *, window: float = 1.0, jitter: float = 0.0) -> None:
        self.rate, self.window, self.jitter = rate, window, jitter
        self.times: deque[float] = deque()
        self.accepted = self.refused = 0

    def room(self, now: float) -> bool:
        while self.times and now - self.times[0] >= self.window:
            self.times.popleft()
        return len(self.times) < self.rate

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        swing = (self.accepted * 7 % 10) / 10 * self.jitter
        await asyncio.sleep(0.01 + swing)
        now = asyncio.get_running_loop().time()
        if not self.room(now):
            self.refused += 1
            return error_answer(429, "AB06", retry_after=str(int(self.window)))
        self.times.append(now)
        self.accepted += 1
        return httpx.Response(200, json=detail())


class Bucket(Window):
    """Token bucket with `burst` tokens that gains `rate` tokens per second."""

    def __init__(self, rate: int, *, burst: int) -> None:
        super().__init__(rate)
        self.burst, self.tokens, self.at = burst, float(burst), 0.0

    def room(self, now: float) -> bool:
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


def seconds_for(
    calls: int,
    server: Window,
    *,
    workers: int = 10,
    begin: Callable[[Client], object] = lambda _: None,
    end: Callable[[Client], object] = lambda _: None,
) -> float:
    async def main() -> float:
        left = iter(range(calls))
        async with client(server, concurrency=workers) as api:
            begin(api)

            async def work() -> None:
                for _ in left:
                    await api.call(GET)

            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(work())
            end(api)
        return asyncio.get_running_loop().time()

    return run_virtually(main())


@pytest.mark.parametrize("jitter", [0.0, 0.01, 0.1])
def test_a_sliding_window_is_used_almost_fully_and_rarely_exceeded(jitter: float) -> None:
    server = Window(20, jitter=jitter)
    seconds = seconds_for(400, server)
    assert server.accepted == 400
    assert seconds <= (1.02 + 0.6 * jitter) * 400 / 20
    assert server.refused <= 10  # calls that were already in flight at the first refusal


def test_a_token_bucket_is_used_almost_fully_and_rarely_exceeded() -> None:
    server = Bucket(20, burst=20)
    seconds = seconds_for(400, server)
    assert seconds <= 1.04 * 400 / 20
    assert server.refused <= 0.04 * 400


def test_the_rate_of_a_large_bucket_is_learned_after_its_burst() -> None:
    server = Bucket(20, burst=100)
    seconds = seconds_for(1000, server)
    assert seconds <= 1.10 * 1000 / 20
    assert server.refused <= 0.05 * 1000


def test_a_limit_per_minute_is_observed() -> None:
    server = Window(60, window=60.0)
    seconds = seconds_for(180, server)
    assert seconds <= 1.10 * 180
    assert server.refused <= 0.10 * 180


def test_a_server_without_a_limit_is_not_throttled() -> None:
    server = Window(10**9)
    assert seconds_for(1000, server) == pytest.approx(1000 / 10 * 0.01, rel=0.02)


@pytest.mark.parametrize(
    "make",
    [lambda: Window(20), lambda: Window(20, jitter=0.1), lambda: Bucket(20, burst=20)],
    ids=["window", "window with jitter", "bucket"],
)
def test_a_run_that_starts_at_a_measured_rate_has_no_refusal(
    make: Callable[[], Window],
) -> None:
    first, second = make(), make()
    learnt: list[MeasuredRate | None] = []
    seconds_for(400, first, end=lambda api: learnt.append(api.rate_limiter.measured))
    (known,) = learnt
    assert known is not None
    assert first.refused > 0

    def begin(api: Client) -> None:
        api.rate_limiter.begin_at(known)

    seconds = seconds_for(400, second, begin=begin)
    assert second.refused == 0
    assert seconds <= 1.10 * 400 / 20


def test_a_run_without_refusals_measures_no_rate() -> None:
    learnt: list[MeasuredRate | None] = []
    server = Window(10**9)
    seconds_for(100, server, end=lambda api: learnt.append(api.rate_limiter.measured))
    assert learnt == [None]


def test_a_measured_rate_that_has_become_too_high_is_corrected() -> None:
    server = Window(20)
    seconds = seconds_for(
        400, server, begin=lambda api: api.rate_limiter.begin_at(MeasuredRate(40.0, 1.0))
    )
    assert server.refused <= 0.04 * 400
    assert seconds <= 1.10 * 400 / 20


@pytest.mark.slow
def test_after_a_long_time_without_refusal_a_higher_rate_is_tried() -> None:
    server = Window(20)

    async def main() -> float:
        left = iter(range(8_000))
        async with client(server, deadline=None) as api:

            async def work() -> None:
                for done in left:
                    server.rate = 40 if done > 200 else 20
                    await api.call(GET)

            async with asyncio.TaskGroup() as group:
                for _ in range(10):
                    group.create_task(work())
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) < 0.8 * 8_000 / 20
    assert server.refused <= 0.02 * 8_000


def test_one_refusal_pauses_every_worker_long_enough() -> None:
    moments: list[float] = []

    async def main() -> None:
        all_sent = asyncio.Event()

        class Once(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                moments.append(asyncio.get_running_loop().time())
                first = len(moments) == 1
                if len(moments) == 3:
                    all_sent.set()
                await all_sent.wait()
                if first:
                    return error_answer(429, "AB06", retry_after="7")
                await asyncio.sleep(0.1)
                return httpx.Response(200, json=detail())

        async with client(Once(), concurrency=3) as api:
            await asyncio.gather(*(api.call(GET) for _ in range(20)))

    run_virtually(main())
    assert moments[:3] == [0.0, 0.0, 0.0]  # already in flight
    assert all(moment >= 7.0 for moment in moments[3:])
    assert len(moments) == 21


def test_a_single_refusal_at_the_start_does_not_slow_the_whole_run() -> None:
    async def main() -> float:
        transport, _ = answering(
            error_answer(429, "AB06", retry_after="1"), httpx.Response(200, json=detail())
        )
        async with client(transport) as api:
            for _ in range(500):
                await api.call(GET)
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) < 12


def test_a_quota_used_by_other_clients_does_not_count_as_the_limit() -> None:
    server = Window(20)
    server.times.extend([0.0] * 20)
    assert seconds_for(400, server) <= 1.20 * 400 / 20


@pytest.mark.parametrize("value", ["3", formatdate(1_800_000_003, usegmt=True)])
def test_both_forms_of_retry_after_are_observed(value: str) -> None:
    async def main() -> float:
        transport, _ = answering(
            error_answer(429, "AB06", retry_after=value), httpx.Response(200, json=detail())
        )
        async with client(transport) as api:
            reply = await api.call(GET)
            assert reply.attempts == 1
        return asyncio.get_running_loop().time()

    assert 3.0 <= run_virtually(main()) < 4.0


@pytest.mark.parametrize("value", ["soon", "-5", "0", ""])
def test_an_invalid_retry_after_leads_to_the_default_pause(value: str) -> None:
    async def main() -> float:
        throttled = error_answer(429, "AB06", retry_after=value)
        transport, _ = answering(throttled, throttled, httpx.Response(200, json=detail()))
        async with client(transport) as api:
            await api.call(GET)
        return asyncio.get_running_loop().time()

    assert 0.5 <= run_virtually(main()) < 20


def test_a_post_is_sent_again_after_a_429_because_it_was_not_applied() -> None:
    async def main() -> list[httpx.Request]:
        transport, seen = answering(
            error_answer(429, "AB06", retry_after="1"), httpx.Response(200, json={"slug": "a"})
        )
        async with client(transport) as api:
            await api.call(Call(OperationName.CREATE, body={"name": "A"}))
        return seen

    assert [request.content for request in run_virtually(main())] == [b'{"name":"A"}'] * 2


def failure_of(call: Call, answer: httpx.Response, **settings: float) -> tuple[RemoteError, float]:
    async def main() -> tuple[RemoteError, float]:
        transport, _ = answering(answer)
        async with client(transport, **settings) as api:
            with pytest.raises(RemoteError) as caught:
                await api.call(call)
        return caught.value, asyncio.get_running_loop().time()

    return run_virtually(main())


def test_a_pause_of_more_than_five_minutes_ends_the_run_at_once_with_a_reason() -> None:
    error, seconds = failure_of(GET, error_answer(429, "AB06", retry_after="301"))
    assert isinstance(error, Throttled)
    assert (error.retry_after, seconds) == (301.0, 0.0)
    assert "301 s" in error.hint


def test_a_pause_beyond_the_deadline_ends_the_run_at_once() -> None:
    error, seconds = failure_of(GET, error_answer(429, "AB06", retry_after="60"), deadline=30)
    assert isinstance(error, Throttled)
    assert seconds == 0.0


def test_a_server_that_always_throttles_is_abandoned_at_the_deadline() -> None:
    error, seconds = failure_of(GET, error_answer(429, "AB06", retry_after="1"), deadline=30)
    assert isinstance(error, Throttled | DeadlineExceeded)
    assert 25 <= seconds <= 30


def test_a_waiting_call_fails_at_the_deadline() -> None:
    async def main() -> list[str]:
        gate = asyncio.Event()

        class Slow(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                gate.set()
                return error_answer(429, "AB06", retry_after="6")

        async with client(Slow(), deadline=10) as api:
            results = await asyncio.gather(
                api.call(GET), api.call(GET), api.call(GET), return_exceptions=True
            )
        return [getattr(result, "code", "") for result in results]

    assert set(run_virtually(main())) <= {"AB06", "deadline"}

"""The transport of a simulator: responses, and the errors of broken connections."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.remote.errors import BrokenConnection
from reconciler.remote.exchange import RawAnswer, Request
from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.auth import (
    ApiService,
    Throttle,
    accept_any_key,
    accept_only,
    accept_without_key,
)
from reconciler.simulator.faults import Fault, FaultKind, FaultScript, Wire
from reconciler.simulator.transport import SimulatorTransport
from tests.contract.api import KEY, make_remote, openai


class Sleeps:
    """Sleep function that returns at once and records the seconds."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


def ask(
    service: ApiService,
    method: str = "GET",
    path: str = "/integrations",
    *,
    body: Any = None,
    sleep: Sleeps | None = None,
    latency: Callable[[], float] | None = None,
) -> RawAnswer:
    transport = SimulatorTransport(service, sleep=sleep or Sleeps(), latency=latency)
    content = None if body is None else json.dumps(body).encode()
    request = Request(method, f"http://simulator{path}", [("Accept", "*/*")], content)
    return asyncio.run(transport.send(request))


def faulty(kind: FaultKind, remote: SimulatedAPI | None = None, **fields: Any) -> ApiService:
    faults = FaultScript([Fault(kind=kind, **fields)])
    return ApiService(Wire(remote or make_remote(), faults=faults), accepts=accept_without_key)


def test_it_returns_json_without_a_socket() -> None:
    response = ask(ApiService(Wire(make_remote()), accepts=accept_without_key))
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    assert json.loads(response.body) == {"object": "list", "total": 0, "data": []}


def test_it_reads_queries_and_bodies() -> None:
    service = ApiService(Wire(make_remote()), accepts=accept_without_key)
    assert ask(service, "POST", body=openai()).status == 200
    assert json.loads(ask(service, path="/integrations?current_page=1").body)["data"] == []
    assert ask(service, path="/integrations?type=").status == 200
    assert json.loads(ask(service, path="/integrations/openai-main").body)["name"] == "OpenAI"


@pytest.mark.parametrize("kind", [FaultKind.RESET_BEFORE, FaultKind.RESET_AFTER])
def test_a_reset_is_a_broken_connection(kind: FaultKind) -> None:
    remote = make_remote()
    with pytest.raises(BrokenConnection):
        ask(faulty(kind, remote), "POST", body=openai())
    assert bool(remote.integrations) is (kind is FaultKind.RESET_AFTER)


def test_a_truncated_response_fails_while_it_is_read() -> None:
    with pytest.raises(BrokenConnection):
        ask(faulty(FaultKind.TRUNCATE))


@pytest.mark.parametrize("kind", [FaultKind.HANG_BEFORE, FaultKind.HANG_AFTER])
def test_a_hanging_call_ends_with_a_timeout(kind: FaultKind) -> None:
    sleep = Sleeps()
    with pytest.raises(TimeoutError):
        ask(faulty(kind), sleep=sleep)
    assert sleep.slept == [30]


def test_a_slow_response_arrives_late_or_times_out() -> None:
    sleep = Sleeps()
    assert ask(faulty(FaultKind.SLOW, seconds=3), sleep=sleep).status == 200
    with pytest.raises(TimeoutError):
        ask(faulty(FaultKind.SLOW, seconds=31), sleep=sleep)
    assert sleep.slept == [3, 30]


def test_latency_passes_before_each_response() -> None:
    sleep = Sleeps()
    ask(
        ApiService(Wire(make_remote()), accepts=accept_without_key),
        sleep=sleep,
        latency=lambda: 0.25,
    )
    assert sleep.slept == [0.25]


def test_closing_the_client_closes_the_store_once() -> None:
    closed: list[str] = []

    async def run() -> None:
        service = ApiService(Wire(make_remote()))
        transport = SimulatorTransport(service, on_close=lambda: closed.append("closed"))
        await transport.aclose()
        await transport.aclose()

    asyncio.run(run())
    assert closed == ["closed"]


@pytest.mark.parametrize(
    ("accepts", "headers", "status"),
    [
        (accept_any_key, {}, 401),
        (accept_any_key, {"x-portkey-api-key": ""}, 401),
        (accept_any_key, {"authorization": "Basic abc"}, 401),
        (accept_any_key, {"authorization": "bearer abc"}, 200),
        (accept_without_key, {}, 200),
        (accept_only("right"), {"x-portkey-api-key": "right"}, 200),
        (accept_only("right"), {"x-portkey-api-key": "wrong"}, 401),
        (accept_only("right"), {}, 401),
    ],
)
def test_a_key_is_required_as_configured(
    accepts: Callable[[str | None], bool], headers: dict[str, str], status: int
) -> None:
    delivery = ApiService(Wire(make_remote()), accepts=accepts).respond(
        "GET", "/integrations", headers, b""
    )
    assert delivery.status == status


@pytest.mark.parametrize(
    "content",
    [b"{", b"\xff", b"[" * 100_000, b'{"name": NaN}', b"1" * 5000, b'"\\ud800"'],
)
def test_a_body_without_valid_json_is_400(content: bytes) -> None:
    delivery = ApiService(Wire(make_remote())).respond("POST", "/integrations", KEY, content)
    assert delivery.status == 400


def test_a_body_over_one_mebibyte_is_413() -> None:
    service = ApiService(Wire(make_remote()))
    body = b'{"name": "' + b"x" * 2**20 + b'"}'
    assert service.respond("POST", "/integrations", KEY, body).status == 413


def test_a_rate_limit_allows_its_number_in_any_second() -> None:
    now = [0.0]
    service = ApiService(Wire(make_remote()), throttle=Throttle(2, lambda: now[0]))

    def status() -> int:
        return service.respond("GET", "/integrations", KEY, b"").status

    assert [status() for _ in range(3)] == [200, 200, 429]
    now[0] = 0.9
    assert status() == 429
    now[0] = 1.0
    assert [status() for _ in range(3)] == [200, 200, 429]


def test_a_throttled_request_has_a_retry_after() -> None:
    remote = make_remote()
    service = ApiService(Wire(remote), throttle=Throttle(0, lambda: 0.0))
    delivery = service.respond("POST", "/integrations", KEY, b"{}")
    assert (delivery.status, delivery.headers["retry-after"]) == (429, "1")
    assert remote.integrations == {}

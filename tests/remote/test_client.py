"""Client with a fake transport: what it sends, what it refuses, and what it never reveals."""

import asyncio
import traceback
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.secrets import Redacted
from reconciler.errors import InvalidInput
from reconciler.remote.api import RequestRecord
from reconciler.remote.errors import InvalidCall, NoAnswer, ReadOnlyViolation, RemoteError
from reconciler.remote.operations import OPERATIONS
from tests.remote.builders import BASE, KEY, answering, body_of, client, detail, error_answer
from tests.remote.virtual_time import run_virtually

CANARY = "sk-body-canary-42=="
FINE = httpx.Response(200, json=detail())
CREATE = Call(OperationName.CREATE, body={"name": "A", "key": Redacted(CANARY)})


def sent(call: Call, **settings: Any) -> httpx.Request:
    async def main() -> httpx.Request:
        transport, seen = answering(FINE)
        async with client(transport, **settings) as api:
            await api.call(call)
        return seen[0]

    return run_virtually(main())


def failure(call: Call, *answers: httpx.Response | Exception, **settings: Any) -> RemoteError:
    async def main() -> RemoteError:
        transport, _ = answering(*answers)
        async with client(transport, **settings) as api:
            with pytest.raises(RemoteError) as caught:
                await api.call(call)
        return caught.value

    return run_virtually(main())


def test_a_request_has_the_key_and_a_user_agent() -> None:
    request = sent(Call(OperationName.LIST, query={"current_page": 0, "workspace_id": "a b&c"}))
    assert str(request.url) == f"{BASE}/integrations?current_page=0&workspace_id=a+b%26c"
    assert request.headers["x-portkey-api-key"] == KEY
    assert "authorization" not in request.headers
    assert request.headers["user-agent"].startswith("portkey-reconciler/")
    assert "content-type" not in request.headers


def test_the_key_can_go_as_a_bearer_token() -> None:
    request = sent(Call(OperationName.GET, "a"), auth_header="authorization")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert "x-portkey-api-key" not in request.headers


def test_without_a_key_no_credential_is_sent() -> None:
    request = sent(Call(OperationName.GET, "a"), api_key=None)
    assert not {"authorization", "x-portkey-api-key"} & set(request.headers)


def test_a_body_is_sent_as_json_with_its_values() -> None:
    request = sent(CREATE)
    assert (request.method, request.url.path) == ("POST", "/v1/integrations")
    assert request.headers["content-type"] == "application/json"
    assert body_of(request) == {"name": "A", "key": CANARY}


def test_a_trailing_slash_of_the_base_url_is_ignored() -> None:
    assert str(sent(Call(OperationName.GET, "a"), base_url=BASE + "/").url) == (
        f"{BASE}/integrations/a"
    )


@pytest.mark.parametrize("name", [n for n, row in OPERATIONS.items() if not row.safe])
def test_a_read_only_client_sends_no_write(name: OperationName) -> None:
    async def main() -> int:
        transport, seen = answering(FINE)
        operation = OPERATIONS[name]
        call = Call(
            name,
            "a" if operation.takes_slug else None,
            {"slugs": "m"} if operation.query else {},
            {} if operation.body else None,
        )
        async with client(transport, read_only=True) as api:
            with pytest.raises(ReadOnlyViolation):
                await api.call(call)
            await api.call(Call(OperationName.GET, "a"))
        return len(seen)

    assert run_virtually(main()) == 1


def test_a_bad_slug_sends_nothing() -> None:
    async def main() -> int:
        transport, seen = answering(FINE)
        async with client(transport) as api:
            with pytest.raises(InvalidCall):
                await api.call(Call(OperationName.GET, ".."))
        return len(seen)

    assert run_virtually(main()) == 0


@pytest.mark.parametrize(
    "answer",
    [
        error_answer(400, "AB01", f"bad key {CANARY} from {KEY}"),
        httpx.Response(200, html="<html>"),
        httpx.Response(302, headers={"location": f"http://elsewhere/{KEY}"}),
        httpx.ReadError(f"{CANARY} {KEY}"),
        httpx.ConnectError(f"{CANARY} {KEY}"),
        httpx.LocalProtocolError(f"Illegal header value {KEY}"),
        httpx.ReadTimeout(KEY),
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_no_failure_shows_a_value_or_the_request(answer: httpx.Response | Exception) -> None:
    error = failure(CREATE, answer)
    chain: list[BaseException | None] = [error, error.__cause__, error.__context__]
    shown = "".join(traceback.format_exception(error)) + repr(vars(error)) + error.hint
    assert CANARY not in shown
    assert KEY not in shown
    assert not any(isinstance(link, httpx.HTTPError) for link in chain)


def test_no_exception_of_httpx_is_raised_after_retries() -> None:
    error = failure(Call(OperationName.GET, "a"), httpx.ReadError(KEY))
    link: BaseException | None = error
    while link is not None:
        assert not isinstance(link, httpx.HTTPError)
        link = link.__cause__ or link.__context__
    assert isinstance(error, NoAnswer)


@pytest.mark.parametrize("key", ["", "two words", "line\n", "ümlaut", "a\x7f"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        client(answering(FINE)[0], api_key=Redacted(key))
    assert caught.value.code == "bad-api-key"
    assert not key or key not in caught.value.summary + caught.value.hint


def test_a_ca_file_that_cannot_be_read_is_bad_input(tmp_path: Path) -> None:
    text = tmp_path / "ca.pem"
    text.write_text("not a certificate")
    for path in (tmp_path / "missing.pem", text):
        with pytest.raises(InvalidInput) as caught:
            client(None, base_url="https://127.0.0.1/v1", ca_file=path)  # type: ignore[arg-type]
        assert caught.value.code == "ca-file"


@pytest.mark.parametrize(
    "url",
    [
        "user:hunter2@nowhere",
        "http://user:hunter2@127.0.0.1:99999",
        "socks5://user:hunter2@127.0.0.1:1080",
    ],
)
def test_a_proxy_that_is_not_a_url_is_bad_input_without_showing_it(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        client(None, proxy=url)  # type: ignore[arg-type]
    assert caught.value.code == "bad-proxy"
    assert "hunter2" not in caught.value.summary + caught.value.hint


def test_the_number_of_concurrent_requests_is_limited() -> None:
    async def main() -> tuple[int, int]:
        running = most = done = 0
        gate = asyncio.Event()

        class Counting(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                nonlocal running, most, done
                running += 1
                most = max(most, running)
                if running == 4:
                    gate.set()
                await gate.wait()
                running -= 1
                done += 1
                return httpx.Response(200, json=detail())

        async with client(Counting(), concurrency=4) as api:
            await asyncio.gather(*(api.call(Call(OperationName.GET, "a")) for _ in range(12)))
        return most, done

    assert run_virtually(main()) == (4, 12)


def test_a_listener_receives_every_exchange() -> None:
    heard: list[RequestRecord] = []

    async def main() -> None:
        transport, _ = answering(error_answer(500), FINE)
        async with client(transport, on_request=heard.append) as api:
            await api.call(Call(OperationName.GET, "a"))

    run_virtually(main())
    assert [(e.method, e.path, e.status, e.error) for e in heard] == [
        ("GET", "/integrations/a", 500, "AB04"),
        ("GET", "/integrations/a", 200, None),
    ]


@pytest.mark.parametrize("header", ["x-request-id", "x-portkey-trace-id"])
def test_a_request_id_that_repeats_sent_data_is_dropped(header: str) -> None:
    heard: list[RequestRecord] = []
    sent = "word-of-a-secret"
    echoes = [f"id-{KEY}", f"id-{sent}", "id-1"]
    transport, _ = answering(
        *(httpx.Response(200, json={}, headers={header: echo}) for echo in echoes)
    )
    put = Call(OperationName.UPDATE, "a", body={"key": Redacted(sent)})

    async def main() -> list[str | None]:
        async with client(transport, on_request=heard.append) as api:
            return [(await api.call(put)).request_id for _ in echoes]

    assert asyncio.run(main()) == [None, None, "id-1"]
    assert [exchange.request_id for exchange in heard] == [None, None, "id-1"]

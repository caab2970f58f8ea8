"""The raw operations over REST: one upstream request for each, with only the adapter's headers."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from reconciler.adapter.service import RAW_OPERATIONS
from tests.adapter.ports import KEY, UPSTREAM, WRITER, Ports, Wire, bearer, refuses, says

INBOUND = bearer(
    cookie="session=inbound-canary",
    forwarded="for=inbound-canary",
    x_forwarded_for="10.9.8.7",
    x_portkey_api_key=WRITER,
    x_portkey_trace_id="inbound-canary",
    x_portkey_config="inbound-canary",
    user_agent="inbound-canary",
)
BODY = {
    "slug": "a-1",
    "name": 'Ä \u2028 "quoted"',
    "ai_provider_id": "openai",
    "key": "sk-provider",
    "configurations": {"openai_project": "p", "anything": [1, 2.5, None, True, {"deep": "er"}]},
    "create_default_provider": False,
}
CHANGE = {"description": "", "configurations": {}}

CALLS: list[tuple[str, str, Any, str, str]] = [
    ("GET", "/v1/integrations", None, "GET", "/v1/integrations"),
    (
        "GET",
        "/v1/integrations?current_page=0&page_size=1000&workspace_id=ws%20%2Fa%26&type=all",
        None,
        "GET",
        "/v1/integrations?current_page=0&page_size=1000&workspace_id=ws+%2Fa%26&type=all",
    ),
    ("GET", "/v1/integrations?page_size=7", None, "GET", "/v1/integrations?page_size=7"),
    ("POST", "/v1/integrations", BODY, "POST", "/v1/integrations"),
    ("GET", "/v1/integrations/a-1", None, "GET", "/v1/integrations/a-1"),
    ("PUT", "/v1/integrations/a-1", CHANGE, "PUT", "/v1/integrations/a-1"),
    ("DELETE", "/v1/integrations/A_b-9", None, "DELETE", "/v1/integrations/A_b-9"),
]


@pytest.mark.parametrize(("method", "target", "body", "sent_method", "sent_target"), CALLS)
def test_each_request_sends_exactly_one_upstream(
    method: str, target: str, body: Any, sent_method: str, sent_target: str
) -> None:
    ports = Ports(wire=Wire(says(200, {"id": "1"})))
    response = ports.ask(method, target, headers=INBOUND, json=body)
    assert (response.status_code, response.json()) == (200, {"id": "1"})
    [sent] = ports.wire.requests
    assert sent.method == sent_method
    assert sent.url.raw_path.decode() == sent_target
    assert (json.loads(sent.content) if sent.content else None) == body
    assert ("content-type" in sent.headers) == (body is not None)


@pytest.mark.parametrize(("method", "target", "body", "sent_method", "sent_target"), CALLS)
def test_only_the_adapters_headers_are_sent_upstream(
    method: str, target: str, body: Any, sent_method: str, sent_target: str
) -> None:
    ports = Ports()
    ports.ask(method, target, headers=INBOUND, json=body)
    [sent] = ports.wire.requests
    names = {"host", "accept", "accept-encoding", "user-agent", "x-portkey-api-key"}
    assert set(sent.headers) - {"content-type", "content-length"} == names
    assert sent.headers["x-portkey-api-key"] == KEY
    assert "canary" not in str(sent.headers).replace(KEY, "")
    assert WRITER not in str(sent.headers)
    assert str(sent.url).startswith(UPSTREAM)


def test_the_targets_auth_header_may_be_bearer() -> None:
    ports = Ports(auth_header="authorization")
    ports.ask("GET", "/v1/integrations")
    assert ports.wire.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert "x-portkey-api-key" not in ports.wire.requests[0].headers


def test_the_answer_is_relayed_byte_for_byte() -> None:
    content = (
        b'{ "big": 12345678901234567890123, "tiny": 1.10, "twice": 1, "twice": 1, "u": "\\u00e4" }'
    )

    def answer(_request: httpx.Request) -> httpx.Response:
        headers = {"content-type": "application/json; charset=utf-8", "set-cookie": "a=b"}
        return httpx.Response(201, headers={**headers, "x-request-id": "up-1"}, content=content)

    response = Ports(wire=Wire(answer)).ask("POST", "/v1/integrations", json=BODY)
    assert response.status_code == 201
    assert response.content == content
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-upstream-request-id"] == "up-1"
    assert "set-cookie" not in response.headers


def test_a_response_with_two_values_of_one_name_is_refused() -> None:
    content = b'{"slug": "a", "slug": "b"}'
    wire = Wire(lambda _request: httpx.Response(201, content=content))
    response = Ports(wire=wire).ask("POST", "/v1/integrations", json=BODY)
    assert response.status_code == 502
    assert "a name with several values" in response.json()["detail"]


def test_an_empty_upstream_answer_stays_empty() -> None:
    wire = Wire(lambda _request: httpx.Response(204))
    response = Ports(wire=wire).ask("DELETE", "/v1/integrations/a")
    assert (response.status_code, response.content) == (204, b"")
    assert "content-type" not in response.headers


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_no_request_is_ever_repeated(status: int) -> None:
    for method, target, body, _, _ in CALLS:
        ports = Ports(wire=Wire(refuses(status, retry_after="0")))
        ports.ask(method, target, json=body)
        assert len(ports.wire.requests) == 1, (method, target)


def test_a_throttled_call_does_not_delay_the_next_one() -> None:
    answers = iter([refuses(429, retry_after="3600"), says(200, {"ok": True})])

    def answer(request: httpx.Request) -> httpx.Response:
        return next(answers)(request)

    wire = Wire(answer)
    first, second = Ports(wire=wire).ask_all([("GET", "/v1/integrations", {})] * 2)
    assert (first.status_code, first.headers["retry-after"]) == (429, "3600")
    assert second.status_code == 200


def test_requests_are_sent_concurrently() -> None:
    waiting, both = [], asyncio.Event()

    class Gate(Wire):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            waiting.append(request)
            if len(waiting) == 8:
                both.set()
            await both.wait()
            return says()(request)

    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(Ports(wire=Gate(says())).rest)
        async with httpx.AsyncClient(transport=transport, headers=bearer()) as client:
            url = "http://127.0.0.1:8080/v1/integrations"
            return await asyncio.gather(*(client.get(url) for _ in range(8)))

    assert [response.status_code for response in asyncio.run(run())] == [200] * 8


def test_the_table_has_five_raw_operations() -> None:
    assert [(row.method, row.path) for row in RAW_OPERATIONS] == [
        ("GET", "/integrations"),
        ("POST", "/integrations"),
        ("GET", "/integrations/{slug}"),
        ("PUT", "/integrations/{slug}"),
        ("DELETE", "/integrations/{slug}"),
    ]

"""The answer to the caller when the upstream refuses, fails, or does not answer."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from reconciler.adapter.problems import upstream_problem
from reconciler.domain.calls import OperationName
from reconciler.remote.errors import Rejected
from tests.adapter.ports import (
    KEY,
    UPSTREAM,
    Answer,
    Ports,
    Stuck,
    Wire,
    is_problem,
    refuses,
    says,
)
from tests.adapter.test_tools import call

ONE = "/v1/integrations/a"
SECRET = "sk-provider-canary-0001"
PAGE = b"<html>gateway</html>"


def raw(status: int, content: bytes, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _request: httpx.Response(status, headers=named, content=content)


def breaks(error: type[Exception]) -> Answer:
    def answer(_request: httpx.Request) -> httpx.Response:
        raise error("canary in a foreign message")

    return answer


@pytest.mark.parametrize("status", [400, 402, 403, 404, 409, 422])
def test_a_refusal_keeps_status_code_and_message(status: int) -> None:
    ports = Ports(wire=Wire(refuses(status, "AB07", "Slug is taken")))
    response = ports.ask("PUT", ONE, json={"name": "A"})
    assert is_problem(response)
    problem = response.json()
    assert response.status_code == status
    assert (problem["upstream_code"], problem["detail"]) == ("AB07", "Slug is taken")
    assert problem["type"] == "urn:reconcile:problem:upstream-refused"


@pytest.mark.parametrize(
    "form",
    [
        {"success": False, "data": {"message": "no", "errorCode": "AB01"}},
        {"error": {"message": "no", "code": "AB01"}, "success": False},
        {"success": False, "message": "no", "code": "AB01"},
    ],
)
def test_every_known_form_of_a_refusal_is_read(form: dict[str, Any]) -> None:
    problem = Ports(wire=Wire(says(400, form))).ask("GET", ONE).json()
    assert (problem["upstream_code"], problem["detail"]) == ("AB01", "no")


def test_secrets_in_a_refusal_are_redacted() -> None:
    message = f"key {SECRET} and {KEY} are no good"
    ports = Ports(wire=Wire(refuses(400, "AB01", message)))
    response = ports.ask("PUT", ONE, json={"key": SECRET})
    assert response.json()["detail"] == "key [redacted] and [redacted] are no good"


@pytest.mark.parametrize(
    ("asked", "shown"), [("7", "7"), ("0.2", "1"), ("Mon, 23 Nov 2026 12:00:30 GMT", "30")]
)
def test_a_429_keeps_its_retry_after_in_seconds(asked: str, shown: str) -> None:
    date = "Mon, 23 Nov 2026 12:00:00 GMT"
    wire = Wire(refuses(429, "AB06", "Slow down", retry_after=asked, date=date))
    response = Ports(wire=wire).ask("GET", ONE)
    assert is_problem(response)
    assert (response.status_code, response.headers["retry-after"]) == (429, shown)
    assert response.json()["type"].endswith(":upstream-throttled")


def test_a_429_without_retry_after_gets_none() -> None:
    response = Ports(wire=Wire(refuses(429))).ask("GET", ONE)
    assert response.status_code == 429
    assert "retry-after" not in response.headers


def test_a_401_is_about_the_adapters_credential_and_becomes_502() -> None:
    response = Ports(wire=Wire(refuses(401, "AB05", "Invalid API key"))).ask("GET", ONE)
    assert is_problem(response)
    assert response.status_code == 502
    assert "www-authenticate" not in response.headers
    assert response.json()["upstream_code"] == "AB05"
    assert response.json()["type"] == "urn:reconcile:problem:upstream-credential"


USELESS: list[tuple[str, Answer]] = [
    ("301", raw(301, b"", location="https://evil.test/")),
    ("307", raw(307, b"", location="/v1/integrations/b")),
    ("html", raw(200, PAGE, content_type="text/html")),
    ("html 404", raw(404, PAGE, content_type="text/html")),
    ("html 403", raw(403, PAGE, content_type="text/html")),
    ("html 500", raw(500, PAGE, content_type="text/html")),
    ("broken json", raw(200, b'{"a":', content_type="application/json")),
    ("no json", raw(200, b"canary", content_type="application/json")),
    ("nan", raw(200, b'{"a": NaN}', content_type="application/json")),
    ("list", raw(200, b"[]", content_type="application/json")),
    ("empty", raw(200, b"")),
    ("refusal as 200", refuses(200)),
    ("teapot", refuses(418)),
    ("500", refuses(500, "AB04")),
    ("503", refuses(503, "AB04")),
    ("504", refuses(504, "AB04")),
    ("408", refuses(408, "AB04")),
    ("oversized", raw(200, b" " * (10 * 2**20 + 1), content_type="application/json")),
    ("zipped badly", raw(200, b"no gzip", content_encoding="gzip")),
    ("truncated", breaks(httpx.RemoteProtocolError)),
    ("reset", breaks(httpx.ReadError)),
    ("unreachable", breaks(httpx.ConnectError)),
    ("no proxy", breaks(httpx.ProxyError)),
]


@pytest.mark.parametrize("answer", [a for _, a in USELESS], ids=[name for name, _ in USELESS])
def test_an_unusable_answer_is_502(answer: Answer) -> None:
    ports = Ports(wire=Wire(answer))
    response = ports.ask("GET", ONE)
    assert is_problem(response)
    assert response.status_code == 502
    assert "canary" not in response.text
    assert UPSTREAM not in response.text
    assert "upstream.test" not in response.text
    assert len(ports.wire.requests) == 1
    assert ports.defects == []


def slow_connection(_request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("canary")


@pytest.mark.parametrize("make", [Stuck, lambda: Wire(slow_connection)])
def test_a_slow_upstream_is_504(make: Callable[[], Wire]) -> None:
    response = Ports(wire=make(), timeout=0.02).ask("GET", ONE)
    assert is_problem(response)
    assert response.status_code == 504


def test_after_a_write_without_an_answer_the_outcome_is_unknown() -> None:
    for answer in (breaks(httpx.ReadError), refuses(500)):
        detail = Ports(wire=Wire(answer)).ask("PUT", ONE, json={}).json()["detail"]
        assert "is unknown whether" in detail
    refused = Ports(wire=Wire(breaks(httpx.ConnectError))).ask("PUT", ONE, json={}).json()
    assert "not sent" in refused["detail"]
    read = Ports(wire=Wire(breaks(httpx.ReadError))).ask("GET", ONE).json()
    assert "unknown" not in read["detail"]


def test_every_detail_consists_of_complete_sentences() -> None:
    unknown = " It is unknown whether the call was carried out; read the integration to check."
    cases = {
        "The upstream gave no reason.": raw(400, b""),
        "The upstream responded with 500." + unknown: raw(500, b""),
        "The upstream responded with 500: broken." + unknown: refuses(500, "AB04", "broken"),
        "The upstream responded with 503: Later!" + unknown: refuses(503, "AB04", "Later!"),
    }
    asked = [Ports(wire=Wire(answer)).ask("PUT", ONE, json={}) for answer in cases.values()]
    assert [response.json()["detail"] for response in asked] == list(cases)


def test_waiting_for_a_connection_counts_as_slowness() -> None:
    async def run() -> list[int]:
        ports = Ports(wire=Stuck(), timeout=0.05)
        transport = httpx.ASGITransport(ports.rest)
        headers = {"x-portkey-api-key": "writer-token-0123456789abcdef0123"}
        async with httpx.AsyncClient(transport=transport, headers=headers) as client:
            url = "http://127.0.0.1:8080/v1/integrations"
            answers = await asyncio.gather(*(client.get(url) for _ in range(15)))
        return [answer.status_code for answer in answers]

    assert asyncio.run(run()) == [504] * 15


def nested(depth: int) -> bytes:
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


UNSERIALISABLE = [
    nested(101),
    nested(255),
    nested(300),
    nested(900),
    nested(100_000),
    b'{"a": ' + b"[" * 300 + b"]" * 300 + b"}",
    b'{"a": NaN}',
    b'{"a": [{"b": 1e999}]}',
    b'{"a": -Infinity}',
    b'{"a": ' + b"9" * 5000 + b"}",
]


def test_a_lone_surrogate_in_one_record_does_not_hide_others() -> None:
    """REST relays the bytes; a tool result must be UTF-8."""
    content = b'{"total": 1, "data": [{"name": "Ops \\ud83d", "tags": {"\\uDFFF": ["\\ud800"]}}]}'
    ports = Ports(wire=Wire(raw(200, content, content_type="application/json")))
    response = ports.ask("GET", "/v1/integrations")
    assert (response.status_code, response.content) == (200, content)
    result = call(ports, "list-all-integrations", {})
    assert not result.is_error
    assert result.structured_content["data"] == [
        {"name": "Ops \ufffd", "tags": {"\ufffd": ["\ufffd"]}}
    ]


@pytest.mark.parametrize("content", UNSERIALISABLE)
def test_an_answer_that_cannot_be_passed_on_reports_the_outcome_of_the_write(
    content: bytes,
) -> None:
    ports = Ports(wire=Wire(raw(200, content, content_type="application/json")))
    for method, body in (("PUT", {"name": "A"}), ("DELETE", None), ("GET", None)):
        response = ports.ask(method, ONE, json=body)
        assert is_problem(response)
        assert response.status_code == 502
        assert ("is unknown whether the call was carried out" in response.text) is (method != "GET")
    for name, arguments in (
        ("create-integration", {"body": {"name": "A", "ai_provider_id": "openai"}}),
        ("update-integration", {"slug": "a", "body": {"name": "A"}}),
        ("delete-integration", {"slug": "a"}),
        ("get-integration", {"slug": "a"}),
    ):
        result = call(ports, name, arguments)
        assert result.is_error
        assert result.structured_content["status"] == 502
        shown = "is unknown whether the call was carried out" in result.content[0].text
        assert shown is (name != "get-integration")
    assert ports.defects == []
    assert len(ports.wire.requests) == 7


def test_the_most_deeply_nested_answer_is_relayed_in_full() -> None:
    content = nested(100)
    ports = Ports(wire=Wire(raw(200, content, content_type="application/json")))
    assert ports.ask("GET", ONE).content == content
    result = call(ports, "get-integration", {"slug": "a"})
    assert not result.is_error
    assert json.loads(result.content[0].text) == result.structured_content == json.loads(content)


def test_a_refusal_with_a_lone_surrogate_is_passed_on() -> None:
    refusal = Rejected("refused", code="AB01", http_status=400, message="no \ud800 good")
    problem = upstream_problem(refusal, OperationName.UPDATE).as_json("1")
    assert problem["detail"] == "no ? good"

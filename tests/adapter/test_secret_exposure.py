"""A known secret, in every place that can hold one, never appears in any output."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx

from reconciler.adapter import telemetry
from reconciler.adapter.problems import Problem
from tests.adapter.ports import (
    KEY,
    READER,
    WRITER,
    Answer,
    Ports,
    Stuck,
    Wire,
    bearer,
    refuses,
    says,
)
from tests.adapter.test_tools import CALLS as TOOL_CALLS
from tests.adapter.test_tools import connected

PROVIDER = "sk-provider-canary-77aa"
WRONG = "somebody-elses-token-canary-0000000000"
SECRETS = (KEY, READER, WRITER, PROVIDER, WRONG)
REPEATED = f"{KEY} {WRITER} {PROVIDER}"
BODY: dict[str, Any] = {
    "slug": "a",
    "name": "A",
    "ai_provider_id": "openai",
    "key": PROVIDER,
    "configurations": {
        "custom_headers": {"x": PROVIDER},
        "aws_secret_access_key": PROVIDER,
        "vertex_service_account_json": {"private_key": PROVIDER},
    },
}


def leaks(_request: httpx.Request) -> httpx.Response:
    raise RuntimeError(REPEATED)


def breaks(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadError(REPEATED, request=request)


def repeats(status: int) -> Answer:
    """Refuse the request, and repeat it in the message."""

    def answer(request: httpx.Request) -> httpx.Response:
        for part in (request.content, request.content[-150:], str(request.headers.raw).encode()):
            if KEY.encode() in part or PROVIDER.encode() in part:
                return refuses(status, "AB01", part.decode())(request)
        return refuses(status)(request)

    return answer


ANSWERS: tuple[Answer, ...] = (
    says(200, {"slug": "a"}),
    repeats(400),
    repeats(401),
    repeats(409),
    repeats(429),
    repeats(500),
    says(302, {}, location=f"https://evil.test/{KEY}"),
    lambda _request: httpx.Response(200, content=REPEATED.encode()),
    breaks,
    leaks,
)


def requests() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Return requests with secrets in valid and invalid places."""
    one = "/v1/integrations/a"
    yield "POST", "/v1/integrations", {"json": BODY}
    yield "PUT", one, {"json": {"key": PROVIDER, "configurations": BODY["configurations"]}}
    yield "GET", one, {"headers": {"x-portkey-api-key": READER}}
    yield "DELETE", one, {"headers": bearer(READER)}
    yield "GET", one, {"headers": bearer(WRONG)}
    yield "GET", one, {"headers": bearer(x_portkey_api_key=WRONG)}
    yield "POST", "/v1/integrations", {"json": {**BODY, "key": [PROVIDER]}}
    yield "POST", "/v1/integrations", {"json": {**BODY, "tags": {"a": {PROVIDER: 1}}}}
    yield "POST", "/v1/integrations", {"content": PROVIDER.encode(), "headers": bearer()}
    yield "POST", "/v1/integrations", {"headers": {**bearer(), "content-type": PROVIDER}}
    yield "GET", "/metrics", {}
    yield "GET", "/openapi.json", {}
    yield "GET", "/nowhere", {}


def log_of(ports: Ports) -> str:
    lines = [telemetry.request_line(e, time="", seconds=0) for e in ports.contexts]
    lines += [telemetry.failure_line("id", error, time="") for error in ports.defects]
    return "\n".join(lines)


def assert_clean(text: str) -> None:
    found = [secret for secret in SECRETS if secret in text]
    assert found == [], text


def test_no_answer_and_no_log_line_over_rest_shows_a_secret() -> None:
    for answer in ANSWERS:
        ports = Ports(wire=Wire(answer))
        for response in ports.ask_all(list(requests())):
            assert_clean(f"{response.headers}{response.text}")
        assert_clean(log_of(ports))
        assert len(ports.contexts) == len(list(requests()))


def test_no_result_of_a_tool_and_no_log_line_shows_a_secret() -> None:
    async def run(ports: Ports) -> list[str]:
        async with connected(ports) as client:
            calls = [*((name, given) for name, given, *_ in TOOL_CALLS)]
            calls.append(("create-integration", {"body": BODY}))
            calls.append(("create-integration", {"body": {**BODY, "key": [PROVIDER]}}))
            calls.append(("create-integration", {"body": json.dumps(BODY)}))
            results = [await client.call_tool(name, given) for name, given in calls]
        return [result.model_dump_json() for result in results]

    for answer in ANSWERS:
        ports = Ports(wire=Wire(answer))
        for text in asyncio.run(run(ports)):
            assert_clean(text)
        assert_clean(log_of(ports))


def test_a_slow_upstream_shows_no_secret() -> None:
    ports = Ports(wire=Stuck(), timeout=0.01)
    response = ports.ask("POST", "/v1/integrations", json=BODY)
    assert response.status_code == 504
    assert_clean(response.text + log_of(ports))


def test_no_repr_shows_a_secret() -> None:
    ports = Ports()
    assert_clean(repr(ports.tokens) + repr(ports.config) + repr(ports.service))
    assert_clean(repr(Problem("internal", 500, "x")))

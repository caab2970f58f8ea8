"""Requests that are refused before a request is sent upstream, case by case."""

import asyncio
from typing import Any

import httpx
import pytest

from reconciler.adapter.auth import Tokens
from reconciler.adapter.middleware import BODY_LIMIT
from tests.adapter.ports import (
    KEY,
    READER,
    WRITER,
    ManualClock,
    Ports,
    Wire,
    bearer,
    is_problem,
    says,
)

LIST = "/v1/integrations"
ONE = "/v1/integrations/a"
GOOD = {"name": "A", "ai_provider_id": "openai", "key": "sk-never-shown"}
JSON = {"content-type": "application/json"}


def refused(ports: Ports, response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert is_problem(response)
    assert ports.wire.requests == []
    assert ports.defects == []
    document: dict[str, Any] = response.json()
    return document


@pytest.mark.parametrize(
    "slug",
    ["", "..", ".", "%2e%2e", "%2E", "a%2Fb", "%2F", "%00", "a%0a", "a b", "ä", "a.b", "a" * 256],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_bad_slug_is_400(method: str, slug: str) -> None:
    ports = Ports()
    target = f"{LIST}/{slug}".replace("ä", "%C3%A4").replace(" ", "%20")
    body = {"name": "x"} if method == "PUT" else None
    document = refused(ports, ports.ask(method, target, json=body), 400)
    assert document["type"] == "urn:reconcile:problem:bad-slug"


@pytest.mark.parametrize(
    "query",
    [
        "page=1",
        "current_page=-1",
        "current_page=",
        "current_page=1.0",
        "current_page=one",
        "current_page=+1",
        "current_page=0&current_page=0",
        "page_size=0",
        "page_size=1001",
        "page_size=99999999999999999999",
        "type=organization",
        "type=",
        "current_page=%D9%A1",
        "workspace_id=%ff",
    ],
)
def test_a_bad_query_is_400(query: str) -> None:
    ports = Ports()
    refused(ports, ports.ask("GET", f"{LIST}?{query}"), 400)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"name": NaN}',
        b"\xff",
        b"[" * 100_000,
        b'{"name": "A", "ai_provider_id": "openai", "tags": {"a": 1e999}}',
    ],
)
def test_a_body_that_is_not_a_json_object_is_400(body: bytes) -> None:
    ports = Ports()
    response = ports.ask("POST", LIST, content=body, headers={**bearer(), **JSON})
    refused(ports, response, 400)


@pytest.mark.parametrize(
    "change",
    [
        {"nme": "typo"},
        {"name": 7},
        {"name": ""},
        {"name": "n" * 256},
        {"slug": "../x"},
        {"slug": "x\n"},
        {"key": ["sk-never-shown"]},
        {"key": {"sk-never-shown": 1}},
        {"configurations": "sk-never-shown"},
        {"secret_mappings": [{"target_field": "sk-never-shown", "secret_reference_id": "r"}]},
        {"create_default_provider": "sk-never-shown"},
        {"tags": {"a": {"b": "sk-never-shown"}}},
    ],
)
def test_a_wrong_field_is_400_and_its_value_is_not_repeated(change: dict[str, Any]) -> None:
    ports = Ports()
    response = ports.ask("POST", LIST, json={**GOOD, **change})
    document = refused(ports, response, 400)
    assert "sk-never-shown" not in response.text
    assert next(iter(change)) in document["detail"]


def test_a_field_that_an_update_cannot_change_is_400() -> None:
    ports = Ports()
    refused(ports, ports.ask("PUT", ONE, json={"ai_provider_id": "openai"}), 400)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": WRITER},
        {"authorization": f"Basic {WRITER}"},
        {"authorization": f"Bearer {WRITER} {WRITER}"},
        {"authorization": f"Bearer {WRITER}x"},
        {"authorization": f"Bearer {WRITER[:-1]}"},
        {"authorization": f"Bearer {KEY}"},
        {"x-portkey-api-key": ""},
        {"x-portkey-api-key": KEY},
        {"x-portkey-api-key": f"Bearer {WRITER}"},
        {"authorization": f"Bearer {WRITER}", "x-portkey-api-key": READER},
        {"authorization": f"Bearer {WRITER}", "x-portkey-api-key": KEY},
        [("authorization", f"Bearer {WRITER}"), ("authorization", f"Bearer {WRITER}")],
        [("x-portkey-api-key", WRITER), ("x-portkey-api-key", READER)],
        {"cookie": f"reconcile_session={WRITER}"},
    ],
)
@pytest.mark.parametrize("path", [LIST, ONE, "/metrics", "/openapi.json", "/nowhere"])
def test_without_exactly_one_valid_credential_it_is_401(headers: Any, path: str) -> None:
    ports = Ports()
    response = ports.ask("GET", path, headers=headers)
    refused(ports, response, 401)
    assert response.headers["www-authenticate"].startswith('Bearer realm="reconcile"')
    assert [context.principal for context in ports.contexts] == [None]


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {WRITER}"},
        {"authorization": f"bearer   {WRITER}"},
        {"x-portkey-api-key": WRITER},
        {"authorization": f"Bearer {WRITER}", "x-portkey-api-key": WRITER},
    ],
)
def test_the_token_is_taken_from_either_header(headers: dict[str, str]) -> None:
    ports = Ports()
    assert ports.ask("GET", LIST, headers=headers).status_code == 200
    assert ports.contexts[0].caller.name == "ci"


def test_without_tokens_every_caller_is_accepted() -> None:
    assert Ports(tokens=Tokens(())).ask("GET", LIST, headers={}).status_code == 200


@pytest.mark.parametrize(("method", "target"), [("POST", LIST), ("PUT", ONE), ("DELETE", ONE)])
def test_a_write_is_403_for_a_reader_and_in_read_only_mode(method: str, target: str) -> None:
    by_reader = Ports()
    body = None if method == "DELETE" else GOOD
    response = by_reader.ask(method, target, json=body, headers=bearer(READER))
    assert refused(by_reader, response, 403)["type"].endswith(":forbidden")
    read_only = Ports(read_only=True)
    response = read_only.ask(method, target, json=body)
    assert refused(read_only, response, 403)["type"].endswith(":read-only")


def test_a_reader_reads() -> None:
    ports = Ports(read_only=True)
    assert ports.ask("GET", LIST, headers=bearer(READER)).status_code == 200
    assert ports.ask("GET", ONE, headers=bearer(READER)).status_code == 200


def test_a_slug_that_files_declare_is_409_and_the_file_is_named() -> None:
    async def declared_in(slug: str) -> str | None:
        return "desired-state/integrations/a.yaml" if slug == "a" else None

    for method, body in (("PUT", {"name": "B"}), ("DELETE", None)):
        ports = Ports(declared_in=declared_in)
        document = refused(ports, ports.ask(method, ONE, json=body), 409)
        assert "desired-state/integrations/a.yaml" in document["detail"]
        assert ports.ask(method, f"{LIST}/other", json=body).status_code == 200
        assert ports.ask("GET", ONE).status_code == 200


@pytest.mark.parametrize(
    "id_", ["0f8fad5b-d9cb-469f-a165-70867728950e", "0F8FAD5BD9CB469FA16570867728950E"]
)
def test_an_id_does_not_bypass_the_guard(id_: str) -> None:
    async def declared_in(_slug: str) -> str | None:
        return None

    for method, body in (("PUT", {"name": "B"}), ("DELETE", None)):
        guarded = Ports(declared_in=declared_in)
        document = refused(guarded, guarded.ask(method, f"{LIST}/{id_}", json=body), 409)
        assert "send the slug" in document["detail"]
        assert guarded.ask("GET", f"{LIST}/{id_}").status_code == 200
        assert Ports().ask(method, f"{LIST}/{id_}", json=body).status_code == 200


@pytest.mark.parametrize(
    ("method", "target", "allow"),
    [
        ("PUT", LIST, "GET, POST"),
        ("DELETE", LIST, "GET, POST"),
        ("PATCH", ONE, "GET, PUT, DELETE"),
        ("POST", ONE, "GET, PUT, DELETE"),
        ("HEAD", ONE, "GET, PUT, DELETE"),
        ("TRACE", ONE, "GET, PUT, DELETE"),
        ("POST", "/metrics", "GET, HEAD"),
        ("DELETE", "/openapi.json", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_405_with_allow(method: str, target: str, allow: str) -> None:
    ports = Ports()
    response = ports.ask(method, target)
    assert response.status_code == 405
    assert response.headers["allow"] == allow
    assert ports.wire.requests == []


@pytest.mark.parametrize(
    "target",
    [
        "/nowhere",
        "/v1",
        "/v1/",
        "/v2/integrations",
        "/v1/integrations/a/models",
        "/v1/integrations/a/workspaces",
        "/v1/integrations/a/b",
        "/v1/providers",
        "/v1/configs",
        "/v1/configs/a",
        "/v1/admin/workspaces",
        "/v1//integrations",
        "/v1/integrations%2Fa",
        "//v1/integrations",
        "/healthz/",
    ],
)
def test_an_unknown_path_is_404(target: str) -> None:
    ports = Ports()
    for method in ("GET", "DELETE"):
        refused(ports, ports.ask(method, target), 404)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/jsonp"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_another_content_type_is_415(headers: dict[str, str]) -> None:
    ports = Ports()
    response = ports.ask("POST", LIST, content=b"{}", headers={**bearer(), **headers})
    refused(ports, response, 415)


def test_json_with_a_charset_is_accepted() -> None:
    headers = {**bearer(), "content-type": 'application/json; charset="UTF-8"'}
    assert Ports().ask("PUT", ONE, content=b"{}", headers=headers).status_code == 200


def test_a_body_over_a_mebibyte_is_413_with_and_without_content_length() -> None:
    async def dripping() -> Any:
        for _ in range(BODY_LIMIT // 65536 + 1):
            yield b"x" * 65536

    for content in (b"x" * (BODY_LIMIT + 1), dripping()):
        ports = Ports()
        response = ports.ask("POST", LIST, content=content, headers={**bearer(), **JSON})
        refused(ports, response, 413)
        assert response.headers["connection"] == "close"


def test_a_body_that_does_not_arrive_is_408() -> None:
    async def stuck() -> Any:
        yield b"{"
        await asyncio.Event().wait()

    ports = Ports(body_seconds=0.01)
    response = ports.ask("POST", LIST, content=stuck(), headers={**bearer(), **JSON})
    refused(ports, response, 408)


@pytest.mark.parametrize(
    "headers",
    [
        [("content-length", "2"), ("transfer-encoding", "chunked")],
        [("content-length", "2"), ("content-length", "2")],
        [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
    ],
)
def test_an_ambiguous_length_is_400_and_ends_the_connection(headers: Any) -> None:
    ports = Ports()
    given = [*bearer().items(), *JSON.items(), *headers]
    response = ports.ask("POST", LIST, content=b"{}", headers=given)
    refused(ports, response, 400)
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize(
    "host",
    [
        "evil.test",
        "evil.test:8080",
        "localhost",
        "localhost:8081",
        "localhost:8080.evil.test",
        "localhost:",
        "localhost.:8080",
        "127.0.0.1:80801",
        "0.0.0.0:8080",
        "proxy.test:1",
        "",
    ],
)
@pytest.mark.parametrize("path", [LIST, "/healthz", "/"])
def test_an_unknown_host_is_421(host: str, path: str) -> None:
    ports = Ports(hosts=("proxy.test", "named.test:99"))
    refused(ports, ports.ask("GET", path, headers={**bearer(), "host": host}), 421)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8080",
        "localhost:8080",
        "LOCALHOST:8080",
        "[::1]:8080",
        "proxy.test",
        "proxy.test:8080",
        "named.test:99",
    ],
)
def test_loopback_and_allowed_hosts_are_served(host: str) -> None:
    ports = Ports(hosts=("proxy.test", "named.test:99"))
    assert ports.ask("GET", LIST, headers={**bearer(), "host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.test",
        "http://localhost",
        "http://localhost:8081",
        "https://localhost:8080",
        "http://localhost:8080.evil.test",
        "http://page.test",
        "",
    ],
)
def test_an_unknown_origin_is_403(origin: str) -> None:
    ports = Ports(origins=("https://page.test",))
    response = ports.ask("GET", LIST, headers={**bearer(), "origin": origin})
    refused(ports, response, 403)
    assert "access-control-allow-origin" not in response.headers


def test_an_allowed_origin_may_read_the_answer_and_send_a_preflight() -> None:
    ports = Ports(origins=("https://page.test",))
    origin = {"origin": "https://page.test"}
    response = ports.ask("GET", LIST, headers={**bearer(), **origin})
    assert response.headers["access-control-allow-origin"] == "https://page.test"
    assert response.headers["vary"] == "origin"
    asked = {**origin, "access-control-request-method": "PUT"}
    before = ports.ask("OPTIONS", ONE, headers=asked)
    assert (before.status_code, before.content) == (204, b"")
    assert "authorization" in before.headers["access-control-allow-headers"]
    assert len(ports.wire.requests) == 1


def test_the_rate_limit_applies_to_each_token() -> None:
    ports, rest = Ports(rate=0.5, clock=ManualClock()), ("GET", LIST, {})
    asked = [rest, rest, rest, ("GET", LIST, {"headers": bearer(READER)})]
    answers = ports.ask_all(asked)
    assert [answer.status_code for answer in answers] == [200, 200, 429, 200]
    assert answers[2].headers["retry-after"] == "2"
    assert is_problem(answers[2])
    assert [answers[0].headers[f"ratelimit-{name}"] for name in ("limit", "remaining")] == [
        "2",
        "1",
    ]
    assert len(ports.wire.requests) == 3


@pytest.mark.parametrize(("elapsed", "shown"), [(0.0, "4"), (1.0, "3"), (1.5, "3"), (3.0, "1")])
def test_the_wait_of_a_refused_caller_is_rounded_up_to_whole_seconds(
    elapsed: float, shown: str
) -> None:
    clock, answered = ManualClock(), says()

    def answer_later(request: httpx.Request) -> httpx.Response:
        clock.seconds += elapsed
        return answered(request)

    # The bucket holds one request and is refilled after four seconds.
    ports = Ports(Wire(answer_later), rate=0.25, clock=clock)
    first, second = ports.ask_all([("GET", LIST, {})] * 2)
    assert first.status_code == 200
    assert (second.status_code, second.headers["retry-after"]) == (429, shown)


@pytest.mark.parametrize("query", ["current_page=null", "page_size=null&type=null"])
def test_null_for_a_typed_query_parameter_leaves_it_unset(query: str) -> None:
    ports = Ports()
    assert ports.ask("GET", f"{LIST}?{query}").status_code == 200
    assert [sent.url.raw_path for sent in ports.wire.requests] == [LIST.encode()]


def test_null_for_text_in_the_query_is_text() -> None:
    ports = Ports()
    assert ports.ask("GET", f"{LIST}?workspace_id=null").status_code == 200
    assert ports.wire.requests[0].url.query == b"workspace_id=null"


def test_the_probes_need_no_credential() -> None:
    for path, word in (("/healthz", "ok"), ("/readyz", "ready")):
        response = Ports().ask("GET", path, headers={})
        assert (response.status_code, response.json()) == (200, {"status": word})

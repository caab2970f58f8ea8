"""Access log and metrics: one line for each request, without its contents."""

import json

from reconciler.adapter import telemetry
from reconciler.adapter.auth import Principal, TokenScope
from reconciler.adapter.request_context import RequestContext
from tests.adapter.ports import READER, WRITER, Ports, bearer


def context(**facts: object) -> RequestContext:
    made = RequestContext("id-1", "rest", 0.0, lambda _id, _error: None)
    for name, value in facts.items():
        setattr(made, name, value)
    return made


def test_a_log_line_has_exactly_these_fields() -> None:
    shown = context(
        principal=Principal("ci", TokenScope.WRITE),
        operation="get-integration",
        slug="a",
        status=200,
    )
    line = telemetry.request_line(shown, time="2026-11-23T12:00:00.000Z", seconds=0.01234)
    assert json.loads(line) == {
        "time": "2026-11-23T12:00:00.000Z",
        "id": "id-1",
        "protocol": "rest",
        "client": None,
        "principal": "ci",
        "operation": "get-integration",
        "slug": "a",
        "status": 200,
        "duration_ms": 12.34,
    }


def test_control_characters_cannot_forge_a_line() -> None:
    shown = context(operation="a\n{}\x1b[2J\x7f\u202e\u2028")
    line = telemetry.request_line(shown, time="", seconds=0)
    assert line.isascii()
    assert line.isprintable()


def test_a_failure_line_has_code_locations_and_no_message() -> None:
    try:
        raise ValueError("canary")
    except ValueError as error:
        line = telemetry.failure_line("id-1", error, time="")
    shown = json.loads(line)
    assert (shown["id"], shown["failure"]) == ("id-1", "ValueError")
    assert shown["at"][-1].startswith("test_telemetry.py:")
    assert "canary" not in line


def test_every_request_is_logged_once() -> None:
    ports = Ports()
    ports.ask_all(
        [
            ("GET", "/v1/integrations", {}),
            ("GET", "/v1/integrations/a", {}),
            ("POST", "/v1/integrations", {"json": {"slug": "b", "name": "B"}}),
            ("DELETE", "/v1/integrations/..", {}),
            ("GET", "/v1/integrations", {"headers": {}}),
            ("GET", "/healthz", {"headers": {}}),
        ]
    )
    shown = [(e.operation, e.slug, e.status) for e in ports.contexts]
    assert shown == [
        ("list-all-integrations", None, 200),
        ("get-integration", "a", 200),
        ("create-integration", None, 400),
        (None, None, 400),
        (None, None, 401),
        ("healthz", None, 200),
    ]
    assert len({e.id for e in ports.contexts}) == 6


def test_the_answer_has_the_request_id_of_the_log() -> None:
    ports = Ports()
    response = ports.ask("GET", "/v1/integrations/..")
    assert response.headers["x-request-id"] == ports.contexts[0].id
    assert response.json()["instance"] == f"urn:uuid:{ports.contexts[0].id}"


def test_metrics_need_a_token() -> None:
    ports = Ports()
    ports.ask("GET", "/v1/integrations/secret-slug")
    for shown in ports.contexts:
        ports.metrics.count(shown, 0.01)
    response = ports.ask("GET", "/metrics", headers=bearer(READER))
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert (
        'reconcile_adapter_requests_total{operation="get-integration",protocol="rest",status="200"}'
        " 1.0" in response.text
    )
    assert (
        'reconcile_adapter_upstream_requests_total{operation="get-integration",result="200"} 1.0'
        in response.text
    )
    assert "secret-slug" not in response.text
    assert WRITER not in response.text

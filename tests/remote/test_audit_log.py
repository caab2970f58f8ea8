"""Audit log: the parser drops all secrets, and an incomplete log is not used."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.remote.audit_body import read_page
from reconciler.remote.audit_log import (
    ActorKind,
    AuditLog,
    AuditRecord,
    LogProblem,
    Place,
    Source,
    decode_record,
    read_audit_log,
)
from reconciler.remote.errors import Forbidden, NoAnswer, RemoteError, ServerFault
from reconciler.remote.exchange import RawAnswer, Sent, read_answer

CANARY = "sk-canary-0d1f2e3c4b5a"
START = datetime(2026, 11, 23, 12, tzinfo=UTC)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["timestamp", "method", "uri", "user_id", "user_type", "response_status_code", "request_id"]
)


UUID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
AT = "2026-11-23T12:00:0{}.000Z"


def row(number: int = 0, **members: Any) -> dict[str, Any]:
    """Return a record; a member that is `...` is omitted."""
    record = {
        "timestamp": "2026-11-23T12:00:00.000Z",
        "method": "PUT",
        "uri": "/v1/integrations/openai",
        "request_id": f"req-{number}",
        "user_id": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
        "user_type": "user",
        "response_status_code": 200,
        "resource_type": "integrations",
    }
    return {name: value for name, value in (record | members).items() if value is not ...}


def parsed(**members: Any) -> AuditRecord:
    """Return a record after both steps of parsing, as in a page of the API."""
    page: Any = read_page(json.dumps({"records": [row(**members)]}).encode())
    return decode_record(page["records"][0])


# -- what the parser drops ---------------------------------------------------------------


@pytest.mark.parametrize(
    "members",
    [
        {"request_body": json.dumps({"key": CANARY})},
        {"request_body": {"key": CANARY, "uri": CANARY}},
        {"request_body": [{"records": [{"key": CANARY}]}]},
        {"request_headers": json.dumps({"authorization": CANARY, "user-agent": "curl"})},
        {"request_headers": {"user-agent": "curl", "cookie": CANARY}},
        {"request_headers": f"not json {CANARY}"},
        {"query_params": json.dumps({"key": CANARY})},
        {"uri": f"/v1/integrations/openai?key={CANARY}"},
        {"client_ip": CANARY, "country": CANARY, "action": CANARY, "organisation_id": CANARY},
        {"anything": {"new": CANARY}},
        {"resource_type": {"uri": CANARY}, "user_type": [CANARY], "records": [CANARY]},
    ],
)
def test_no_printable_value_contains_a_possible_secret(members: dict[str, Any]) -> None:
    body = json.dumps({"records": [row(**members)], "total": 1, "extra": CANARY}).encode()
    answer = RawAnswer(200, {"content-type": "application/json"}, body)
    reply = read_answer(Sent("GET", "/audit-logs", read_body=read_page), answer, wall_clock=0)
    assert (reply.content, CANARY in repr(answer)) == (b"", False)
    assert CANARY not in repr(reply) + json.dumps(reply.body)
    assert CANARY not in repr(decode_record(reply.body["records"][0]))


@pytest.mark.parametrize("body", [b"{", b'{"records": [{"request_body": "' + CANARY.encode()])
def test_an_error_does_not_quote_a_page_that_cannot_be_parsed(body: bytes) -> None:
    answer = RawAnswer(200, {}, body)
    with pytest.raises(NoAnswer) as caught:
        read_answer(Sent("GET", "/audit-logs", read_body=read_page), answer, wall_clock=0)
    assert CANARY not in repr(caught.value) + str(caught.value.__cause__)
    assert caught.value.__context__ is None


def test_an_id_that_looks_like_a_secret_is_not_kept() -> None:
    assert parsed(user_id=CANARY).actor.id is None


# -- what a record means -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "place", "reference"),
    [
        ("/v1/integrations", Place.INTEGRATIONS, None),
        ("/v1/integrations/", Place.INTEGRATIONS, None),
        ("/v1/integrations/openai", Place.INTEGRATION, "openai"),
        ("/integrations/openai/", Place.INTEGRATION, "openai"),
        ("https://api.portkey.ai/v1/integrations/openai?x=1#y", Place.INTEGRATION, "openai"),
        ("https://api.portkey.ai", Place.UNKNOWN, None),
        ("/ai_gw/admin/v2/integrations/openai/models", Place.MODELS, "openai"),
        ("/v1/integrations/openai/integration-models", Place.MODELS, "openai"),
        ("/v1/integrations/openai/workspaces", Place.WORKSPACES, "openai"),
        ("/v1/integrations/integrations/workspaces", Place.WORKSPACES, "integrations"),
        ("/v1/integrations/openai/rotate", Place.OTHER_PART, "openai"),
        ("/v1/integrations/openai/models/gpt-5", Place.OTHER_PART, "openai"),
        ("/v1/integrations/open%61i", Place.INTEGRATION, "openai"),
        (f"/v1/integrations/{UUID.upper()}/models", Place.MODELS, UUID),
        ("/v1/workspaces/ws-a/integrations", Place.INTEGRATIONS, None),
        ("/v1/admin/workspaces/ws-a/integrations/openai", Place.OTHER_PART, "openai"),
        ("/v1/mcp-integrations/openai", Place.ELSEWHERE, None),
        ("/v1/virtual-keys/openai", Place.ELSEWHERE, None),
        ("/v1/admin/workspaces/ws-a", Place.WORKSPACE, "ws-a"),
        ("/v1/admin/workspaces", Place.ELSEWHERE, None),
        ("", Place.UNKNOWN, None),
        (None, Place.UNKNOWN, None),
    ],
)
def test_a_path_names_a_part_of_an_integration(
    uri: str | None, place: Place, reference: str | None
) -> None:
    record = parsed(uri=uri)
    assert (record.place, record.reference) == (place, reference)


def test_a_record_without_a_path_is_classified_by_its_resource() -> None:
    assert parsed(uri=..., resource_type="prompts").place is Place.ELSEWHERE
    assert parsed(resource_type="prompts").is_about_other


@pytest.mark.parametrize(
    ("members", "kind", "source"),
    [
        ({}, ActorKind.USER, Source.UI),
        ({"request_headers": '{"User-Agent": "Mozilla/5.0"}'}, ActorKind.USER, Source.UI),
        ({"request_headers": '{"user-agent": "curl/8.5"}'}, ActorKind.USER, Source.API),
        ({"request_headers": '{"user-agent": "cu*****"}'}, ActorKind.USER, Source.UI),
        ({"user_type": "api_key"}, ActorKind.API_KEY, Source.API),
        ({"user_type": "api_key", "request_headers": "[]"}, ActorKind.API_KEY, Source.API),
        ({"user_type": "scim"}, ActorKind.UNKNOWN, Source.UNKNOWN),
        ({"user_type": ...}, ActorKind.UNKNOWN, Source.UNKNOWN),
    ],
)
def test_the_source_is_determined_by_the_record(
    members: dict[str, Any], kind: ActorKind, source: Source
) -> None:
    record = parsed(**members)
    assert (record.actor.kind, record.source) == (kind, source)


@pytest.mark.parametrize(
    ("identity", "is_identified"),
    [
        ("3c90c3cc", True),
        ("3c9****cc", False),
        ("3c…", False),
        ("", False),
        (None, False),
        (7, False),
    ],
)
def test_a_masked_or_missing_id_identifies_no_writer(identity: object, is_identified: bool) -> None:
    assert parsed(user_id=identity).actor.is_identified is is_identified


@pytest.mark.slow
@given(st.dictionaries(NAMES | st.text(max_size=5), JSON_VALUES))
def test_any_record_can_be_read(record: dict[str, Any]) -> None:
    page: Any = read_page(json.dumps({"records": [record]}).encode())
    read_record = decode_record(page["records"][0])
    assert read_record.actor.kind in ActorKind
    assert read_record.status is None or type(read_record.status) is int


# -- pages -------------------------------------------------------------------------------


class Pages:
    """API whose log has these pages, or raises an error in place of a page."""

    def __init__(self, pages: Callable[[int], Any]) -> None:
        self.pages = pages
        self.calls: list[Call] = []

    async def call(self, call: Call) -> Reply:
        assert call.operation is OperationName.LIST_AUDIT_LOGS
        self.calls.append(call)
        answer = self.pages(int(call.query["current_page"]))
        if isinstance(answer, RemoteError):
            raise answer
        return Reply(200, answer, date="Mon, 23 Nov 2026 13:00:00 GMT")


def read(pages: Callable[[int], Any]) -> tuple[AuditLog, int]:
    api = Pages(pages)
    log = asyncio.run(
        read_audit_log(
            api,
            organisation="org",
            since=START - timedelta(days=1),
            until=START,
            now=lambda: START,
        )
    )
    return log, len(api.calls)


def pages_of(count: int, *, size: int = 100, **more: Any) -> Callable[[int], Any]:
    rows = [row(number) for number in range(count)]
    return lambda page: {"records": rows[page * size : (page + 1) * size], "total": count} | more


@pytest.mark.parametrize(
    ("count", "calls"), [(0, 1), (1, 1), (99, 1), (101, 2), (200, 2), (250, 3), (1001, 11)]
)
def test_every_page_is_read_once(count: int, calls: int) -> None:
    log, made = read(pages_of(count))
    assert (len(log.records), made, log.problem) == (count, calls, None)


def test_after_a_full_page_without_a_larger_total_another_page_is_read() -> None:
    log, made = read(pages_of(100))
    assert (len(log.records), made, log.problem) == (100, 2, None)
    rows = [row(number) for number in range(150)]
    log, _ = read(lambda page: {"records": rows[page * 100 : page * 100 + 100], "total": 100})
    assert (len(log.records), log.problem) == (150, None)


@pytest.mark.parametrize("size", [10, 20, 25, 50])
def test_after_a_smaller_page_that_counts_only_itself_another_page_is_read(size: int) -> None:
    rows = [row(number) for number in range(2 * size + 3)]

    def own_total(page: int) -> Any:
        records = rows[page * size : (page + 1) * size]
        return {"records": records, "total": len(records)}

    log, _ = read(own_total)
    assert (len(log.records), log.problem) == (len(rows), None)


@pytest.mark.parametrize("total", [None, "250", True, 3])
def test_without_a_total_pages_are_read_until_one_is_empty(total: object) -> None:
    log, made = read(pages_of(250, total=total))
    assert (len(log.records), made, log.problem) == (250, 4, None)


def test_pages_can_be_smaller_than_requested() -> None:
    log, made = read(pages_of(120, size=50))
    assert (len(log.records), made, log.problem) == (120, 3, None)


def test_pages_that_overlap_count_each_record_once() -> None:
    rows = [row(number) for number in range(250)]

    def shifted(page: int) -> Any:
        # A record was added at the beginning after the first page.
        start = page * 100 - (1 if page else 0)
        return {"records": rows[start : start + 100], "total": 250 + (1 if page else 0)}

    log, _ = read(shifted)
    assert (len(log.records), log.problem) == (250, None)


def test_requests_with_the_same_id_are_all_kept() -> None:
    rows = [row(user_id=f"user-{number % 3}", timestamp=AT.format(number)) for number in range(3)]
    log, _ = read(lambda page: {"records": rows[page : page + 1]})
    assert {record.actor.id for record in log.records} == {"user-0", "user-1", "user-2"}


def test_a_record_that_gets_its_status_later_counts_once() -> None:
    rows = [row(number) for number in range(3)]
    first = [rows[0], rows[1] | {"response_status_code": None}]
    log, made = read(lambda page: {"records": [rows[1], rows[2]] if page else first, "total": 3})
    assert (len(log.records), made, log.problem) == (3, 2, None)


def test_equal_records_without_an_id_on_one_page_are_separate() -> None:
    rows = [row(request_id=...) for _ in range(3)]
    log, made = read(lambda _page: {"records": rows, "total": 3})
    assert (len(log.records), made, log.problem) == (3, 1, None)


@pytest.mark.parametrize(
    "pages",
    [
        lambda page: pages_of(250)(min(page, 1)),
        lambda page: pages_of(250)(page) if page < 2 else {"records": [], "total": 250},
        lambda page: pages_of(250)(page) if page < 2 else {"total": 250},
        lambda page: pages_of(250)(page) if page < 2 else [],
        lambda page: pages_of(250)(page) if page < 2 else {"records": [None], "total": 250},
        lambda page: pages_of(250)(page) if page < 1 else Forbidden("no", code="AB03"),
        lambda page: pages_of(250)(page) if page < 1 else NoAnswer("late", code="timeout"),
        lambda _page: ServerFault("failed", code="AB04", http_status=500),
        lambda page: {"records": [row(page)], "total": None},
    ],
)
def test_an_incomplete_log_has_no_records(pages: Callable[[int], Any]) -> None:
    log, made = read(pages)
    assert (log.records, log.problem) == ((), LogProblem.INCOMPLETE)
    assert 1 <= made <= 1000


def test_a_refusal_is_distinct_from_an_incomplete_log() -> None:
    log, made = read(lambda _page: Forbidden(f"no {CANARY}", code="AB03", http_status=403))
    assert (log.problem, log.detail, made) == (LogProblem.REFUSED, "status 403", 1)


def test_the_clock_of_the_server_is_compared_with_ours() -> None:
    log, _ = read(pages_of(1))
    assert log.ahead == timedelta(hours=1)

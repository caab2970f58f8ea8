"""Faults: which request they hit, and what then arrives."""

import json
from random import Random
from typing import Any

import pytest

from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.faults import (
    ConnectionEnd,
    Delivery,
    Fault,
    FaultKind,
    FaultScript,
    InvalidFaults,
    SeededFaults,
    Wire,
    deliver,
    merge_patch,
    parse_faults,
)
from reconciler.simulator.messages import Request
from reconciler.simulator.switches import Switches
from tests.contract.api import make_remote, openai

LIST = Request("GET", "/integrations")
GET = Request("GET", "/integrations/openai-main")
CREATE = Request("POST", "/integrations", {}, openai())


def kinds_hit(script: FaultScript, *requests: Request) -> list[str | None]:
    hit = [script.next_fault(request) for request in requests]
    return [fault.kind.value if fault else None for fault in hit]


def one(kind: FaultKind, **fields: Any) -> Fault:
    return Fault(kind=kind, **fields)


def body(delivery: Delivery) -> Any:
    return json.loads(delivery.content)


def filled(count: int = 1) -> SimulatedAPI:
    remote = make_remote()
    for number in range(count):
        remote.handle(Request("POST", "/integrations", {}, openai(f"i-{number}")))
    return remote


def test_a_fault_hits_as_often_as_its_times() -> None:
    script = FaultScript([one(FaultKind.SLOW, times=2)])
    assert kinds_hit(script, LIST, LIST, LIST) == ["slow", "slow", None]


def test_a_fault_can_let_requests_pass_first() -> None:
    script = FaultScript([one(FaultKind.SLOW, skip=2)])
    assert kinds_hit(script, LIST, LIST, LIST, LIST) == [None, None, "slow", None]


def test_a_fault_can_hit_every_request() -> None:
    script = FaultScript([one(FaultKind.SLOW, times=-1)])
    assert kinds_hit(script, *[LIST] * 50) == ["slow"] * 50


def test_a_fault_hits_by_method_and_path() -> None:
    script = FaultScript([one(FaultKind.SLOW, method="get", path="^/integrations/[^/]+$")])
    assert kinds_hit(script, LIST, CREATE, GET) == [None, None, "slow"]


@pytest.mark.parametrize("path", ["^/integrations$", "^/v1/integrations$"])
def test_a_path_may_be_written_with_the_version_or_without(path: str) -> None:
    assert kinds_hit(FaultScript([one(FaultKind.SLOW, path=path)]), LIST) == ["slow"]


def test_the_first_matching_fault_hits_a_request() -> None:
    script = FaultScript([one(FaultKind.SLOW, skip=1), one(FaultKind.HTML, times=2)])
    assert kinds_hit(script, LIST, LIST, LIST) == ["html", "slow", "html"]


def test_a_fault_can_be_added_while_running() -> None:
    script = FaultScript()
    assert kinds_hit(script, LIST) == [None]
    script.add(one(FaultKind.EMPTY))
    assert kinds_hit(script, LIST) == ["empty"]


@pytest.mark.parametrize(
    ("kind", "applied", "ending"),
    [
        (FaultKind.STATUS, False, ConnectionEnd.COMPLETE),
        (FaultKind.STATUS_AFTER, True, ConnectionEnd.COMPLETE),
        (FaultKind.RESET_BEFORE, False, ConnectionEnd.RESET),
        (FaultKind.RESET_AFTER, True, ConnectionEnd.RESET),
        (FaultKind.HANG_BEFORE, False, ConnectionEnd.NEVER),
        (FaultKind.HANG_AFTER, True, ConnectionEnd.NEVER),
        (FaultKind.LATE, False, ConnectionEnd.NEVER),
        (FaultKind.SLOW, True, ConnectionEnd.COMPLETE),
        (FaultKind.TRUNCATE, True, ConnectionEnd.TRUNCATED),
        (FaultKind.HTML, False, ConnectionEnd.COMPLETE),
        (FaultKind.RAW, False, ConnectionEnd.COMPLETE),
        (FaultKind.EMPTY, True, ConnectionEnd.COMPLETE),
        (FaultKind.EDIT, True, ConnectionEnd.COMPLETE),
        (FaultKind.STALE, True, ConnectionEnd.COMPLETE),
        (FaultKind.DUPLICATE_PAGE, True, ConnectionEnd.COMPLETE),
        (FaultKind.WRONG_TOTAL, True, ConnectionEnd.COMPLETE),
        (FaultKind.MISSING_TOTAL, True, ConnectionEnd.COMPLETE),
    ],
)
def test_each_kind_carries_out_the_write_or_not_and_ends_as_documented(
    kind: FaultKind, applied: bool, ending: ConnectionEnd
) -> None:
    remote = make_remote()
    delivery = deliver(remote, CREATE, one(kind))
    assert ("openai-main" in remote.integrations) is applied
    assert delivery.ending is ending


def test_a_late_request_arrives_after_some_others() -> None:
    remote = make_remote()
    wire = Wire(remote, faults=FaultScript([one(FaultKind.LATE, method="POST", amount=1)]))
    assert wire.deliver(CREATE).ending is ConnectionEnd.NEVER
    totals = [body(wire.deliver(LIST))["total"] for _ in range(3)]
    assert totals == [0, 1, 1]


def test_late_requests_can_be_delivered_at_once() -> None:
    remote = make_remote()
    wire = Wire(remote, faults=FaultScript([one(FaultKind.LATE, amount=9)]))
    wire.deliver(CREATE)
    wire.deliver_late()
    assert set(remote.integrations) == {"openai-main"}
    remote.handle(Request("DELETE", "/integrations/openai-main"))
    wire.deliver_late()
    assert remote.integrations == {}


def test_other_clients_can_write_before_each_request() -> None:
    remote = make_remote(Switches(list_order="newest", page_max=1))
    count = iter(range(9))

    def insert(_request: Request) -> None:
        remote.handle(Request("POST", "/integrations", {}, openai(f"foreign-{next(count)}")))

    wire = Wire(remote, before=insert)
    pages = [
        body(wire.deliver(Request("GET", "/integrations", {"current_page": str(page)})))
        for page in range(3)
    ]
    assert [page["total"] for page in pages] == [1, 2, 3]
    assert [page["data"][0]["slug"] for page in pages] == ["foreign-0"] * 3


def test_a_status_has_its_code_message_and_headers() -> None:
    fault = one(
        FaultKind.STATUS, status=429, code="AB06", message="slow down", headers={"Retry-After": "3"}
    )
    delivery = deliver(make_remote(), LIST, fault)
    assert (delivery.status, delivery.headers["Retry-After"]) == (429, "3")
    assert body(delivery)["data"] == {"message": "slow down", "errorCode": "AB06"}


def test_html_and_raw_are_sent_unchanged() -> None:
    html = deliver(make_remote(), LIST, one(FaultKind.HTML))
    assert (html.status, html.headers["content-type"]) == (200, "text/html")
    raw = deliver(make_remote(), LIST, one(FaultKind.RAW, body="[[[", status=302))
    assert (raw.status, raw.content) == (302, b"[[[")


def test_a_page_can_be_returned_twice() -> None:
    request = Request("GET", "/integrations", {"current_page": "1", "page_size": "2"})
    delivery = deliver(filled(4), request, one(FaultKind.DUPLICATE_PAGE))
    assert [row["slug"] for row in body(delivery)["data"]] == ["i-0", "i-1"]


def test_a_total_can_be_wrong_or_missing() -> None:
    assert body(deliver(filled(2), LIST, one(FaultKind.WRONG_TOTAL, amount=-1)))["total"] == 1
    assert "total" not in body(deliver(filled(2), LIST, one(FaultKind.MISSING_TOTAL)))


def test_a_read_can_be_stale() -> None:
    remote = filled()
    remote.handle(Request("PUT", "/integrations/i-0", {}, {"name": "New"}))
    read = Request("GET", "/integrations/i-0")
    assert body(deliver(remote, read, one(FaultKind.STALE)))["name"] == "OpenAI"
    assert body(deliver(remote, read))["name"] == "New"


def test_a_response_can_be_edited() -> None:
    fault = one(FaultKind.EDIT, merge={"name": "Other", "tags": None})
    shown = body(deliver(filled(), Request("GET", "/integrations/i-0"), fault))
    assert shown["name"] == "Other"
    assert "tags" not in shown


def test_merging_follows_the_json_merge_patch() -> None:
    assert merge_patch({"a": {"b": 1, "c": 2}}, {"a": {"b": None, "d": [1]}}) == {
        "a": {"c": 2, "d": [1]}
    }
    assert merge_patch([1], {"a": 1}) == {"a": 1}
    assert merge_patch({"a": 1}, "text") == "text"


def test_the_same_seed_draws_the_same_faults() -> None:
    def story(seed: int) -> list[Fault | None]:
        faults = SeededFaults(Random(seed), rate=0.5)
        return [faults.next_fault(LIST) for _ in range(200)]

    assert story(1) == story(1)
    assert story(1) != story(2)
    assert {fault.kind for fault in story(1) if fault} == set(FaultKind)


def test_seeded_faults_can_be_restricted_and_stopped() -> None:
    faults = SeededFaults(Random(1), rate=1.0, kinds=[FaultKind.RESET_AFTER])
    hit = [faults.next_fault(LIST) for _ in range(9)]
    assert {fault.kind for fault in hit if fault} == {FaultKind.RESET_AFTER}
    faults.stop()
    assert faults.next_fault(LIST) is None


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_kind_can_be_written_in_a_script(kind: FaultKind) -> None:
    assert parse_faults([{"kind": kind.value, "times": 3}]) == (Fault(kind=kind, times=3),)


@pytest.mark.parametrize(
    "entries",
    [
        {"kind": "slow"},
        ["slow"],
        [{}],
        [{"kind": "unheard-of"}],
        [{"kind": "slow", "how": "much"}],
        [{"kind": "slow", "path": "("}],
        [{"kind": "slow", "times": "3"}],
        [{"kind": "slow", "seconds": "3"}],
        [{"kind": "slow", "method": 7}],
        [{"kind": ["slow"]}],
        [{"kind": "slow", 7: 7}],
        [{"kind": "status", "headers": {"a": 1}}],
        [{"kind": "status", "times": True}],
    ],
)
def test_an_invalid_script_is_refused(entries: Any) -> None:
    with pytest.raises(InvalidFaults) as caught:
        parse_faults(entries)
    assert caught.value.exit_code == 3
    assert "faults" in caught.value.summary


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ({}, list(FaultKind)),
        ({"kind": "unheard-of"}, list(FaultKind)),
        ({"kind": "slow", "how": "much"}, ["method", "times", "seconds"]),
        ({"kind": "slow", "times": "3"}, ["method", "times", "seconds"]),
    ],
)
def test_a_refused_fault_names_what_can_be_written(fault: Any, named: list[str]) -> None:
    with pytest.raises(InvalidFaults) as caught:
        parse_faults([fault])
    hint = caught.value.hint or ""
    assert [name for name in named if name not in hint] == []
    assert ".py" not in hint


def test_seconds_may_be_a_whole_number() -> None:
    (fault,) = parse_faults([{"kind": "slow", "seconds": 3}])
    assert fault.seconds == 3

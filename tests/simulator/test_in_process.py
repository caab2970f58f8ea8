"""The API protocol in the process: calls in, replies or the errors of the client out."""

import asyncio
from typing import Any

import pytest

from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.domain.secrets import Redacted
from reconciler.remote import errors
from reconciler.simulator.api import SimulatedAPI
from reconciler.simulator.faults import Fault, FaultKind, FaultScript, Wire
from reconciler.simulator.transport import InProcessAPI
from tests.contract.api import make_remote, openai

LIST = Call(OperationName.LIST)
GET = Call(OperationName.GET, "openai-main")
CREATE = Call(OperationName.CREATE, body=openai(key=Redacted("sk-canary-9f8e7d6c5b4a")))


def call(remote: SimulatedAPI, *calls: Call, fault: Fault | None = None) -> Reply:
    api = InProcessAPI(Wire(remote, faults=FaultScript([fault] if fault else [])))

    async def run() -> Reply:
        for one in calls[:-1]:
            await api.call(one)
        return await api.call(calls[-1])

    return asyncio.run(run())


def test_a_call_reaches_the_state_with_its_secrets() -> None:
    remote = make_remote()
    reply = call(remote, CREATE, GET)
    assert reply.body["masked_key"] == "sk*****b4a"
    assert remote.integrations["openai-main"]["key"] == "sk-canary-9f8e7d6c5b4a"


def test_numbers_in_a_query_are_accepted() -> None:
    reply = call(make_remote(), CREATE, Call(OperationName.LIST, query={"current_page": 0}))
    assert reply.body["total"] == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": FaultKind.STATUS, "status": 401}, errors.Unauthorised),
        ({"kind": FaultKind.STATUS, "status": 403}, errors.Forbidden),
        ({"kind": FaultKind.STATUS, "status": 404}, errors.NotFound),
        ({"kind": FaultKind.STATUS, "status": 409}, errors.Conflict),
        ({"kind": FaultKind.STATUS, "status": 422}, errors.Rejected),
        ({"kind": FaultKind.STATUS, "status": 429}, errors.Throttled),
        ({"kind": FaultKind.STATUS_AFTER, "status": 503}, errors.ServerFault),
        ({"kind": FaultKind.RESET_BEFORE}, errors.NoAnswer),
        ({"kind": FaultKind.RESET_AFTER}, errors.NoAnswer),
        ({"kind": FaultKind.HANG_AFTER}, errors.NoAnswer),
        ({"kind": FaultKind.TRUNCATE}, errors.NoAnswer),
        ({"kind": FaultKind.HTML}, errors.NoAnswer),
        ({"kind": FaultKind.EMPTY}, errors.NoAnswer),
        ({"kind": FaultKind.RAW, "body": "["}, errors.NoAnswer),
        ({"kind": FaultKind.RAW, "status": 302}, errors.NoAnswer),
    ],
)
def test_each_fault_is_the_error_that_the_client_raises(
    fault: dict[str, Any], error: type[errors.RemoteError]
) -> None:
    with pytest.raises(error) as caught:
        call(make_remote(), LIST, fault=Fault(**fault))
    assert type(caught.value) is error


def test_a_late_call_fails_and_is_delivered_later() -> None:
    remote = make_remote()
    late = Fault(kind=FaultKind.LATE, method="POST", amount=9)
    seen: list[str] = []
    wire = Wire(
        remote, faults=FaultScript([late]), before=lambda request: seen.append(request.method)
    )
    with pytest.raises(errors.NoAnswer):
        asyncio.run(InProcessAPI(wire).call(CREATE))
    assert remote.integrations == {}
    wire.deliver_late()
    assert set(remote.integrations) == {"openai-main"}
    assert seen == ["POST"]


def test_a_missing_slug_is_not_found() -> None:
    with pytest.raises(errors.NotFound):
        call(make_remote(), GET)


def test_a_snapshot_restores_every_response() -> None:
    remote = make_remote()
    call(remote, CREATE)
    before = remote.snapshot()
    call(remote, Call(OperationName.DELETE, "openai-main"))
    remote.restore(before)
    assert remote.snapshot() == before
    assert call(remote, GET).body["name"] == "OpenAI"


def test_a_snapshot_is_a_copy() -> None:
    remote = make_remote()
    call(remote, CREATE)
    remote.snapshot()["entries"][0][1]["name"] = "Changed"
    shown = call(remote, GET).body
    shown["configurations"]["odd"] = 1
    assert remote.integrations["openai-main"]["name"] == "OpenAI"
    assert remote.integrations["openai-main"]["configurations"] == {}

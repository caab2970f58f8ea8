"""Call sender: the record of the writes of one action."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.domain.secrets import Redacted
from reconciler.errors import ReconcilerError
from reconciler.execution.call_sender import CallSender
from reconciler.execution.cancellation import CancelToken, Interrupted
from reconciler.execution.events import CallEnded, CallStarted, Emit, Event
from reconciler.planning.actions import Action, ActionKind, Risk
from reconciler.remote.errors import NoAnswer, NotSent, Rejected, RemoteError
from tests.builders import KEY, observed

VALUE = Redacted("sk-value-abc")
ACTION = Action("alpha", ActionKind.UPDATE, "", Risk.COSMETIC)
UPDATE = Call(OperationName.UPDATE, "alpha", body={"key": KEY})
MODELS = Call(OperationName.UPDATE_MODELS, "alpha", body={})
FULL = ReconcilerError("the ledger is full", code="ledger-failed", hint="make room")


@dataclass
class Api:
    """API that returns these answers in turn."""

    answers: list[Reply | RemoteError]
    got: list[Call] = field(default_factory=list)

    async def call(self, call: Call) -> Reply:
        self.got.append(call)
        answer = self.answers.pop(0)
        if isinstance(answer, RemoteError):
            raise answer
        return answer


def sender(
    *answers: Reply | RemoteError, emit: Emit = lambda _event: None
) -> tuple[CallSender, Api]:
    api = Api(list(answers))
    return CallSender(api, {KEY: VALUE}, ACTION, emit, CancelToken()), api


def refuses(kind: type[Event]) -> Callable[[Event], None]:
    def emit(event: Event) -> None:
        if isinstance(event, kind):
            raise FULL

    return emit


def ok(request_id: str | None = None, attempts: int = 1) -> Reply:
    return Reply(200, {}, request_id, attempts)


LOST = NoAnswer(
    "the connection was closed", code="connection-lost", attempts=2, request_id="req-lost"
)
REFUSED = Rejected("no", code="AB01", http_status=400, request_id="req-no")


def test_a_call_is_announced_sent_with_its_values_and_recorded() -> None:
    heard: list[Event] = []
    seen = observed()
    writes, api = sender(ok(request_id="req-1"), emit=heard.append)
    reply = asyncio.run(writes.send(UPDATE, last_seen=seen))
    assert reply.request_id == "req-1"
    assert api.got == [Call(OperationName.UPDATE, "alpha", body={"key": VALUE})]
    assert heard == [CallStarted(ACTION, UPDATE, seen), CallEnded(ACTION, UPDATE, "req-1")]
    assert (writes.done, writes.unanswered, writes.doubt) == ([UPDATE], [], "")
    assert writes.request_ids == ["req-1"]


def test_a_refused_call_is_reported_to_listeners_as_not_carried_out() -> None:
    heard: list[Event] = []
    writes, _ = sender(REFUSED, emit=heard.append)
    with pytest.raises(Rejected):
        asyncio.run(writes.send(UPDATE))
    assert heard[1:] == [CallEnded(ACTION, UPDATE, "req-no", error="AB01", refused=True)]
    assert (writes.done, writes.unanswered, writes.request_ids) == ([], [], ["req-no"])


def test_a_call_without_a_response_is_unknown_until_it_is_resolved() -> None:
    heard: list[Event] = []
    writes, _ = sender(ok(), LOST, LOST, emit=heard.append)

    async def run() -> None:
        await writes.send(UPDATE)
        for call in (UPDATE, MODELS):
            with pytest.raises(NoAnswer):
                await writes.send(call)

    asyncio.run(run())
    assert heard[-1] == CallEnded(ACTION, MODELS, "req-lost", error="connection-lost")
    assert writes.done == [UPDATE]
    assert writes.doubt == "not known to be carried out: fields, models"
    writes.settle()
    assert (writes.doubt, writes.unanswered) == ("", [])


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (OperationName.CREATE, "created"),
        (OperationName.UPDATE, "fields"),
        (OperationName.DELETE, "deleted"),
        (OperationName.UPDATE_MODELS, "models"),
        (OperationName.DELETE_MODELS, "custom models deleted"),
        (OperationName.UPDATE_WORKSPACES, "workspaces"),
    ],
)
def test_each_write_has_a_description(operation: OperationName, words: str) -> None:
    writes, _ = sender(ok(), ok(), LOST)

    async def run() -> None:
        await writes.send(UPDATE)
        await writes.send(Call(operation, "alpha"))
        with pytest.raises(NoAnswer):
            await writes.send(Call(operation, "alpha"))

    asyncio.run(run())
    assert writes.progress == f"fields, {words}"
    assert writes.doubt == f"not known to be carried out: {words}"


def test_attempts_are_those_of_the_call_with_the_most() -> None:
    writes, _ = sender(ok(attempts=2), NotSent("no", code="unreachable", attempts=3), ok())
    assert writes.attempts == 0

    async def run() -> None:
        await writes.send(UPDATE)
        with pytest.raises(NotSent):
            await writes.send(UPDATE)
        await writes.send(MODELS)

    asyncio.run(run())
    assert writes.attempts == 5


def test_after_a_stop_no_call_is_announced_or_sent() -> None:
    heard: list[Event] = []
    writes, api = sender(emit=heard.append)
    writes.cancel.request("interrupted by SIGINT")
    with pytest.raises(Interrupted) as caught:
        asyncio.run(writes.send(UPDATE))
    told = (caught.value.summary, caught.value.code, caught.value.hint)
    assert told == ("interrupted by SIGINT", "interrupted", "run apply again")
    assert (heard, api.got) == ([], [])


def test_a_call_whose_intent_cannot_be_stored_is_not_sent_and_ends_the_run() -> None:
    writes, api = sender(emit=refuses(CallStarted))
    with pytest.raises(Interrupted) as caught:
        asyncio.run(writes.send(UPDATE))
    told = (caught.value.summary, caught.value.code, caught.value.hint)
    assert told == ("the ledger is full", "ledger-failed", "make room")
    assert writes.cancel.reason == "the ledger is full"
    assert (api.got, writes.unanswered) == ([], [])


def test_a_response_that_cannot_be_stored_ends_the_run_but_is_evaluated() -> None:
    writes, _ = sender(ok(request_id="req-1"), emit=refuses(CallEnded))
    assert asyncio.run(writes.send(UPDATE)).request_id == "req-1"
    assert (writes.cancel.requested, writes.cancel.reason) == (True, "the ledger is full")
    assert writes.done == [UPDATE]


def test_an_asynchronous_listener_is_awaited_before_the_call() -> None:
    order: list[str] = []

    def emit(event: Event) -> Awaitable[None] | None:
        async def keep() -> None:
            order.append(f"kept before {len(api.got)} calls")

        return keep() if isinstance(event, CallStarted) else None

    writes, api = sender(ok(), emit=emit)

    async def run() -> None:
        await writes.send(UPDATE)
        order.append("sent")

    asyncio.run(run())
    assert order == ["kept before 0 calls", "sent"]

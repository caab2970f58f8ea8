"""The probe names what each stand-in does, and cleans up whatever goes wrong on the way."""

import asyncio
from typing import Any

import pytest

from reconciler.doctor.health import Check, Verdict
from reconciler.doctor.probing import Probe
from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.domain.secrets import Redacted
from reconciler.simulator.faults import Fault, FaultKind, FaultScript
from reconciler.simulator.messages import Request
from reconciler.simulator.switches import Switches
from tests.runs import World

SLUG = "reconcile-probe-1"


def probed(world: World) -> tuple[Check, Probe]:
    probe = Probe(world.api, SLUG, Redacted("sk-probe-0123456789"))
    return asyncio.run(probe.run()), probe


def left_in(world: World) -> list[str]:
    body: Any = world.remote.handle(Request("GET", "/integrations", {}, None)).body
    return [row["slug"] for row in body["data"] if row["status"] == "active"]


@pytest.mark.parametrize(
    ("switches", "question", "answer"),
    [
        (Switches(), "chosen_slug", "honoured"),
        (Switches(configurations_put="merge"), "configurations_put", "merge"),
        (Switches(configurations_put="replace"), "configurations_put", "replace"),
        (Switches(duplicate_slug="409_AB07"), "duplicate_slug", "409 AB07"),
        (Switches(duplicate_slug="400_AB01"), "duplicate_slug", "400 AB01"),
        (Switches(missing="404_AB08"), "get_after_delete", "404 AB08"),
        (Switches(missing="403_AB03"), "get_after_delete", "403 AB03"),
        (Switches(delete="archived"), "get_after_delete", "200 archived"),
        (Switches(delete="archived"), "listed_after_delete", "archived"),
        (Switches(), "listed_after_delete", "no"),
        (Switches(empty_put="accept"), "empty_put", "accepted"),
        (Switches(empty_put="refuse"), "empty_put", "400 AB01"),
        (Switches(description_null="clear"), "description_null", "clears"),
        (Switches(description_null="keep"), "description_null", "keeps"),
        (Switches(), "description_empty", "clears"),
        (Switches(), "masked_key", "2 + ***** + 3 characters, as sent"),
        (Switches(slug_reuse_after_delete=True), "slug_reuse", "allowed"),
    ],
)
def test_each_way_of_answering_is_recognised(
    switches: Switches, question: str, answer: str
) -> None:
    world = World(switches)
    check, probe = probed(world)
    assert check.verdict is Verdict.OK, check
    assert probe.answers[question] == answer
    assert left_in(world) == []


@pytest.mark.parametrize(
    ("switches", "left"),
    [
        (Switches(), "10 questions answered, reconcile-probe-1 is gone again"),
        (
            Switches(delete="archived", slug_reuse_after_delete=False),
            "10 questions answered, this API keeps what it deletes, archived: reconcile-probe-1",
        ),
    ],
)
def test_it_says_what_the_probe_leaves(switches: Switches, left: str) -> None:
    check, _ = probed(World(switches))
    assert (check.verdict, check.summary) == (Verdict.OK, left)


def test_a_server_that_makes_another_slug_of_a_duplicate_is_cleaned_up_twice() -> None:
    world = World(Switches(duplicate_slug="suffixed"))
    check, probe = probed(world)
    assert check.verdict is Verdict.OK
    assert probe.answers["duplicate_slug"].startswith("created ")
    assert left_in(world) == []


def test_a_slug_that_may_not_be_used_again_is_an_answer() -> None:
    world = World(Switches(slug_reuse_after_delete=False))
    check, probe = probed(world)
    assert check.verdict is Verdict.OK
    assert probe.answers["slug_reuse"][:3] in {"400", "409"}


@pytest.mark.parametrize("kind", [FaultKind.STATUS, FaultKind.RESET_AFTER, FaultKind.HTML])
@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
@pytest.mark.parametrize("skip", [0, 1, 2])
def test_one_failure_at_any_place_leaves_nothing_behind(
    kind: FaultKind, method: str, skip: int
) -> None:
    status = {"status": 500} if kind is FaultKind.STATUS else {}
    fault = Fault(kind=kind, method=method, skip=skip, **status)
    world = World(faults=FaultScript([fault]))
    check, _ = probed(world)
    assert check.verdict in {Verdict.OK, Verdict.FAIL}
    assert left_in(world) == []


def test_what_cannot_be_removed_is_named_with_what_to_do() -> None:
    fault = Fault(kind=FaultKind.STATUS, method="DELETE", times=-1, status=403, code="AB03")
    world = World(faults=FaultScript([fault]))
    check, _ = probed(world)
    assert check.verdict is Verdict.FAIL
    assert SLUG in check.summary
    assert "console" in check.hint
    assert left_in(world) == [SLUG]


def test_a_key_that_may_not_write_is_told_the_scopes_it_needs() -> None:
    fault = Fault(kind=FaultKind.STATUS, method="POST", times=-1, status=403, code="AB03")
    check, _ = probed(World(faults=FaultScript([fault])))
    assert check.verdict is Verdict.FAIL
    assert ".create" in check.hint


class Cancelling:
    """The API, whose user loses patience at the first update."""

    def __init__(self, world: World) -> None:
        self._api = world.api
        self.task: asyncio.Task[Check] | None = None

    async def call(self, call: Call) -> Reply:
        reply = await self._api.call(call)
        if call.operation is OperationName.UPDATE and self.task is not None:
            self.task.cancel()
        await asyncio.sleep(0)
        return reply


def test_a_probe_that_is_cancelled_still_cleans_up() -> None:
    world = World()
    api = Cancelling(world)

    async def run() -> None:
        api.task = asyncio.create_task(Probe(api, SLUG, Redacted("sk-probe-012")).run())
        with pytest.raises(asyncio.CancelledError):
            await api.task

    asyncio.run(run())
    assert left_in(world) == []


def test_the_made_up_key_shows_nowhere() -> None:
    world = World()
    check, probe = probed(world)
    assert "0123456789" not in repr((check, probe, probe.answers))

"""A 403 can mean absence or denial; a complete list distinguishes them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.domain.state import Observed
from reconciler.execution.verification import ExistenceCheck
from reconciler.remote.errors import Forbidden, NoAnswer, NotFound, RemoteError
from tests.builders import observed

DENIED = Forbidden("not for you", code="AB03", http_status=403)
MISSING = NotFound("no such thing", code="AB08", http_status=404)
BROKEN = NoAnswer("the connection was closed", code="connection-lost")


@dataclass
class One:
    """API with one integration, `alpha`; `answer` is the response to reading it."""

    answer: RemoteError | str
    lists: int = 0
    asked: list[Call] = field(default_factory=list)
    now_listed: tuple[str, ...] = ()

    async def call(self, call: Call) -> Reply:
        self.asked.append(call)
        if isinstance(self.answer, RemoteError):
            raise self.answer
        if call.operation is not OperationName.GET:
            return Reply(200, {"total": 0, "data": [], "models": [], "workspaces": []})
        body = {"slug": "alpha", "name": "Alpha", "ai_provider_id": "openai"}
        return Reply(200, {**body, "status": self.answer})

    async def list_again(self) -> Mapping[str, Observed]:
        self.lists += 1
        return {slug: observed(slug) for slug in self.now_listed}

    def existence(self, *listed: str) -> ExistenceCheck:
        return ExistenceCheck(self, frozenset(listed), self.list_again)


@pytest.mark.parametrize(("status", "there"), [("active", True), ("archived", False)])
def test_an_archived_integration_is_read_and_marked(status: str, there: bool) -> None:
    api = One(status)
    found = asyncio.run(api.existence().read("alpha"))
    assert found is not None
    assert (found.slug, found.is_archived) == ("alpha", not there)
    assert asyncio.run(api.existence().exists("alpha")) is there
    assert {call.slug for call in api.asked} == {"alpha"}


def test_a_404_is_absence_and_needs_no_list() -> None:
    api = One(MISSING, now_listed=("alpha",))
    assert asyncio.run(api.existence("alpha").read("alpha", certain=True)) is None
    assert not asyncio.run(api.existence("alpha").exists("alpha", certain=True))
    assert api.lists == 0


@pytest.mark.parametrize(
    ("listed", "certain", "listed_now", "denied", "lists"),
    [
        pytest.param((), False, ("alpha",), False, 0, id="never listed: absent"),
        pytest.param(("alpha",), False, ("alpha",), True, 1, id="listed then and now"),
        pytest.param(("alpha",), False, ("beta",), False, 1, id="no longer listed: absent"),
        pytest.param((), True, ("alpha",), True, 1, id="written since, and listed"),
        pytest.param((), True, (), False, 1, id="written since, and not listed: absent"),
        pytest.param(("beta",), False, ("alpha",), False, 0, id="another one was listed"),
    ],
)
def test_a_denial_of_a_listed_integration_means_that_it_exists(
    listed: tuple[str, ...], certain: bool, listed_now: tuple[str, ...], denied: bool, lists: int
) -> None:
    api = One(DENIED, now_listed=listed_now)
    existence = api.existence(*listed)
    if denied:
        with pytest.raises(Forbidden):
            asyncio.run(existence.read("alpha", certain=certain))
    else:
        assert asyncio.run(existence.read("alpha", certain=certain)) is None
    assert api.lists == lists
    assert asyncio.run(existence.exists("alpha", certain=certain)) is denied


def test_by_default_the_list_of_the_plan_is_used() -> None:
    api = One(DENIED, now_listed=("alpha",))
    assert asyncio.run(api.existence().read("alpha")) is None
    assert not asyncio.run(api.existence().exists("alpha"))


def test_a_failed_read_proves_nothing() -> None:
    with pytest.raises(NoAnswer):
        asyncio.run(One(BROKEN).existence().exists("alpha"))


@pytest.mark.parametrize(
    ("parts", "read"),
    [
        ({}, set()),
        ({"models": True}, {"models"}),
        ({"workspaces": True}, {"workspaces"}),
        ({"models": True, "workspaces": True}, {"models", "workspaces"}),
    ],
)
def test_only_the_requested_parts_are_read(parts: dict[str, bool], read: set[str]) -> None:
    api = One("active")
    found = asyncio.run(api.existence().read("alpha", **parts))
    assert found is not None
    names = {"models": found.models_read, "workspaces": found.workspaces_read}
    assert {name for name, was_read in names.items() if was_read} == read

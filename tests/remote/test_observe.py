"""Details are complete or an error, and a denial never counts as absence."""

import asyncio

import pytest

from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.domain.state import Observed
from reconciler.remote.errors import Forbidden, IncompleteRead, Unauthorised, UnreadableRecords
from reconciler.remote.observe import WantedDetails, observe, read_one
from tests.remote.fake_api import FakeAPI, Refusal, forbidden, names, not_found


def all_of(_: Observed) -> WantedDetails:
    return WantedDetails()


def test_only_wanted_details_are_read() -> None:
    api = FakeAPI(names(120))
    state = asyncio.run(
        observe(
            api, wants=lambda row: WantedDetails() if row.slug < "s-0030" else None, concurrency=5
        )
    )
    assert list(state.integrations) == names(120)
    assert [o.slug for o in state.integrations.values() if o.detailed] == names(30)
    assert (state.calls, len(api.calls)) == (32, 32)
    assert state.organisation_id == "org-1"
    observed = state.integrations["s-0000"]
    assert (observed.kind, observed.workspace_count) == ("organisation", 0)


def test_only_wanted_sub_resources_are_read() -> None:
    api = FakeAPI(["a", "b"])

    def wants(row: Observed) -> WantedDetails | None:
        return (
            WantedDetails(models=True, workspaces=True)
            if row.slug == "a"
            else WantedDetails(detail=False)
        )

    state = asyncio.run(observe(api, wants=wants))
    a, b = state.integrations["a"], state.integrations["b"]
    assert (a.detailed, a.models_read, a.workspaces_read) == (True, True, True)
    assert a.fields["models"] == [{"slug": "m", "enabled": True}]
    assert a.fields["allow_all_models"] is False
    assert a.fields["global_workspace_access"] == {"enabled": True}
    assert (b.detailed, b.models_read, b.workspaces_read) == (False, False, False)
    assert state.calls == 4


def test_details_are_read_while_the_list_is_still_paging() -> None:
    async def main() -> None:
        detail_began = asyncio.Event()

        class Gated(FakeAPI):
            async def call(self, call: Call) -> Reply:
                if call.operation is OperationName.GET:
                    detail_began.set()
                elif call.query["current_page"] == 1:
                    await detail_began.wait()
                return await super().call(call)

        state = await observe(Gated(names(150)), wants=all_of)
        assert len(state.integrations) == 150

    asyncio.run(main())


def test_the_number_of_concurrent_detail_reads_is_limited() -> None:
    api = FakeAPI(names(90))
    asyncio.run(observe(api, wants=all_of, concurrency=4))
    assert api.most_running == 4


def test_the_number_of_concurrent_page_reads_is_limited() -> None:
    api = FakeAPI(names(3000))
    asyncio.run(observe(api, wants=lambda _: None, concurrency=7))
    assert api.most_running == 7


@pytest.mark.parametrize(
    "operation", [OperationName.GET, OperationName.GET_MODELS, OperationName.GET_WORKSPACES]
)
def test_a_denied_detail_makes_the_read_incomplete(operation: OperationName) -> None:
    api = FakeAPI(names(5))
    api.refusals[operation, "s-0003"] = forbidden()
    with pytest.raises(IncompleteRead) as caught:
        asyncio.run(observe(api, wants=lambda _: WantedDetails(models=True, workspaces=True)))
    assert "s-0003" in caught.value.summary
    assert api.count(OperationName.LIST) == 2


@pytest.mark.parametrize("refusal", [not_found(), forbidden()])
def test_a_row_that_a_second_list_proves_gone_is_left_out(refusal: Refusal) -> None:
    class Vanishing(FakeAPI):
        async def call(self, call: Call) -> Reply:
            if call.slug == "s-0003":
                self.slugs = [slug for slug in self.slugs if slug != "s-0003"]
            return await super().call(call)

    api = Vanishing(names(5))
    api.refusals[OperationName.GET, "s-0003"] = refusal
    state = asyncio.run(observe(api, wants=all_of))
    assert list(state.integrations) == ["s-0000", "s-0001", "s-0002", "s-0004"]
    assert state.calls == len(api.calls)


def test_any_other_failure_ends_the_read_with_its_own_error() -> None:
    api = FakeAPI(names(50))
    denied = Unauthorised("GET returned 401 AB05", code="AB05", http_status=401)
    for slug in names(50):
        api.refusals[OperationName.GET, slug] = denied
    with pytest.raises(Unauthorised):
        asyncio.run(observe(api, wants=all_of))
    assert api.count(OperationName.GET) <= 10


def test_a_defect_in_wants_is_not_hidden() -> None:
    def broken(_: Observed) -> WantedDetails:
        raise KeyError("ours")

    with pytest.raises(KeyError):
        asyncio.run(observe(FakeAPI(names(5)), wants=broken))


def test_one_integration_is_read_with_its_sub_resources() -> None:
    api = FakeAPI(["a"])
    observed = asyncio.run(read_one(api, "a", models=True, workspaces=True))
    assert observed is not None
    assert (observed.detailed, observed.models_read, observed.workspaces_read) == (True,) * 3
    assert len(api.calls) == 3
    bare = asyncio.run(read_one(api, "a"))
    assert bare is not None
    assert (bare.models_read, len(api.calls)) == (False, 4)


def test_only_the_apis_own_404_is_absence() -> None:
    api = FakeAPI([])
    api.refusals[OperationName.GET, "a"] = not_found()
    assert asyncio.run(read_one(api, "a")) is None
    api.refusals[OperationName.GET, "a"] = forbidden()
    with pytest.raises(Forbidden):
        asyncio.run(read_one(api, "a"))


def test_a_missing_sub_resource_is_not_absence() -> None:
    api = FakeAPI(["a"])
    api.refusals[OperationName.GET_MODELS, "a"] = not_found()
    with pytest.raises(UnreadableRecords) as caught:
        asyncio.run(read_one(api, "a", models=True))
    assert caught.value.code == "listed-not-found"
    api.refusals[OperationName.GET_MODELS, "a"] = forbidden()
    with pytest.raises(IncompleteRead, match="the list shows a, but reading it failed"):
        asyncio.run(read_one(api, "a", models=True))

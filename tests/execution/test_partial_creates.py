"""The ledger record of an incomplete create: only what is certain."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler import apply_workflow
from reconciler.domain.calls import Call, OperationName
from reconciler.domain.secrets import Redacted
from reconciler.domain.state import DesiredState, LastApplied
from reconciler.execution.cancellation import CancelToken
from reconciler.execution.ledger_listener import LedgerListener
from reconciler.execution.preflight import Approval
from reconciler.execution.result import Outcome
from reconciler.ledger.location import TargetKey
from reconciler.ledger.models import RunFacts
from reconciler.ledger.store import Ledger, open_ledger
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.simulator.faults import Fault, FaultKind, FaultScript
from tests.builders import KEY, declared, desired
from tests.execution.stories import OURS, another_client_creates, before, ending, get, post, world
from tests.execution.test_stopping import Gate
from tests.remote.virtual_time import run_virtually
from tests.runs import World

TARGET = TargetKey.of(name="production", base_url="http://127.0.0.1:1/v1", organisation=None)
MODELS = [{"slug": "gpt-5", "enabled": True}, {"slug": "gpt-4o", "enabled": True}]
ACCESS = [{"id": "ws-search", "enabled": True}]
NO_MODELS = Fault(kind=FaultKind.STATUS, method="PUT", path="/models$", status=400, times=-1)
NO_ACCESS = Fault(kind=FaultKind.STATUS, method="PUT", path="/workspaces$", status=400, times=-1)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(None, path=tmp_path / "ledger.db", pepper="p") as opened:
        yield opened


def wish(**fields: Any) -> DesiredState:
    return desired(declared("alpha", key=KEY, **{"allow_all_models": False} | fields))


def create(story: World, ledger: Ledger, want: DesiredState, **more: Any) -> Outcome:
    """Run an apply with a ledger, and return the outcome of `alpha`."""
    books = books_of(story, ledger)
    (outcome,) = story.apply(want, listen=books.emit, **more).outcomes
    return outcome


def books_of(story: World, ledger: Ledger) -> LedgerListener:
    books = LedgerListener(ledger, key=TARGET, facts=RunFacts(run="run-1"), now=story.now)
    books.values = {KEY: Redacted(OURS)}
    return books


def known(ledger: Ledger) -> LastApplied:
    return ledger.last_applied(TARGET).of("alpha")


def fingerprint(ledger: Ledger) -> str:
    assert ledger.pepper is not None
    return Redacted(OURS).fingerprint(ledger.pepper)


def next_plan(story: World, ledger: Ledger, want: DesiredState, value: str = OURS) -> Plan:
    """Plan again without faults, with the records of the ledger."""
    story.wire._faults = FaultScript([])
    return story.plan(
        want, last_applied=ledger.last_applied(TARGET), secrets={KEY: Redacted(value)}
    )


def changes(plan: Plan) -> list[tuple[str, str, str]]:
    return [(c.path, c.op.value, c.origin.value) for a in plan.actions for c in a.changes]


def test_an_accepted_secret_is_in_sync_although_the_models_were_refused(
    ledger: Ledger,
) -> None:
    story, want = world(NO_MODELS), wish(models=MODELS)
    assert ending(create(story, ledger, want))[0] == "failed"
    plan = next_plan(story, ledger, want)
    assert plan.unverified == ()
    assert {origin for _, _, origin in changes(plan)} == {"local"}
    assert {path.partition("[")[0] for path, _, _ in changes(plan)} == {
        *("models", "allow_all_models"),
    }
    assert ("key", "rotate", "local") in changes(next_plan(story, ledger, want, "sk-other-xyz"))


def test_the_integration_is_ours_after_its_create(ledger: Ledger) -> None:
    story = world(NO_MODELS)
    create(story, ledger, wish(models=MODELS))
    plan = next_plan(story, ledger, desired(declared("beta", key=KEY)))
    assert [(a.slug, a.kind.value) for a in plan.actions] == [
        ("beta", "create"),
        ("alpha", "delete"),
    ]


def test_accepted_models_can_be_withdrawn_although_the_access_was_refused(
    ledger: Ledger,
) -> None:
    story = world(NO_ACCESS)
    create(story, ledger, wish(models=MODELS, workspaces=ACCESS))
    assert "workspaces" not in (known(ledger).declared or {})
    plan = next_plan(story, ledger, wish(models=MODELS[:1]))
    assert changes(plan) == [("models[gpt-4o].enabled", "replace", "local")]


def test_models_with_a_lost_response_are_not_recorded(ledger: Ledger) -> None:
    lost = Fault(kind=FaultKind.RESET_AFTER, method="PUT", path="/models$", times=-1)
    outcome = create(world(lost), ledger, wish(models=MODELS))
    assert ending(outcome)[0] == "unknown"
    assert {"models", "allow_all_models"}.isdisjoint(known(ledger).declared or {})
    assert known(ledger).secrets[("key",)].mask is not None


def test_an_unknown_outcome_of_another_call_does_not_affect_the_secret(ledger: Ledger) -> None:
    story = world(post(FaultKind.RESET_BEFORE), get(FaultKind.STATUS, status=404, skip=1, times=1))
    twin = {"name": "Alpha", "ai_provider_id": "openai"}
    before(story, "POST", "/integrations", another_client_creates(story, "twin", **twin), skip=1)
    assert ending(create(story, ledger, wish())) == ("unknown", "possible-duplicate")
    assert next_plan(story, ledger, wish()).unverified == ()


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([post(FaultKind.RESET_BEFORE, times=-1)], id="no answer and no trace"),
        pytest.param([post(FaultKind.EDIT, merge={"slug": "gamma"})], id="another slug"),
        pytest.param([post(FaultKind.EDIT, merge={"slug": None})], id="no slug"),
        pytest.param(
            [
                post(FaultKind.RESET_AFTER),
                Fault(kind=FaultKind.STATUS, method="PUT", status=500, times=-1),
            ],
            id="found again and not completed",
        ),
    ],
)
def test_an_uncertain_create_records_only_the_secret_as_unknown(
    ledger: Ledger, faults: list[Fault]
) -> None:
    assert ending(create(world(*faults), ledger, wish()))[0] == "unknown"
    assert known(ledger) == LastApplied(unsettled={("key",): frozenset({fingerprint(ledger)})})


def test_a_create_under_another_slug_records_no_declaration(
    ledger: Ledger,
) -> None:
    story = world(duplicate_slug="suffixed", slug_reuse_after_delete=False)
    another_client_creates(story)()
    story.put("DELETE", "/integrations/alpha")
    assert ending(create(story, ledger, wish())) == ("failed", "slug-not-honoured")
    assert known(ledger).declared is None
    assert known(ledger).secrets == {}


def test_an_integration_is_read_again_after_an_interrupt_following_its_create(
    ledger: Ledger,
) -> None:
    story, cancel, want = world(), CancelToken(), wish(models=MODELS)

    async def afterwards(call: Call) -> None:
        if call.operation is OperationName.CREATE:
            cancel.request("interrupted by SIGINT")

    gate = Gate(story, lambda _call: asyncio.sleep(0), afterwards)
    assert ending(create(story, ledger, want, cancel=cancel, api=gate)) == ("failed", "interrupted")
    assert next_plan(story, ledger, want).unverified == ()


@pytest.mark.parametrize(
    ("cut_off_at", "how"),
    [
        (OperationName.UPDATE_MODELS, ("unknown", "interrupted")),
        (OperationName.GET, ("failed", "AB04")),
    ],
)
def test_a_secret_whose_mask_was_not_read_is_sent_again(
    ledger: Ledger, cut_off_at: OperationName, how: tuple[str, str]
) -> None:
    story, cancel, want = world(NO_MODELS), CancelToken(), wish(models=MODELS)
    created = False

    async def during(call: Call) -> None:
        nonlocal created
        if created and call.operation is cut_off_at:
            cancel.request("interrupted by SIGINT")
            await asyncio.Event().wait()
        created = created or call.operation is OperationName.CREATE

    async def run() -> Outcome:
        applied = await apply_workflow.apply(
            story.session(want, api=Gate(story, during)),
            PlanOptions(),
            approval=Approval(assumed=True),
            confirm=lambda _plan: True,
            emit=books_of(story, ledger).emit,
            run="run-1",
            cancel=cancel,
        )
        return applied.result.outcomes[0]

    assert ending(run_virtually(run())) == how
    plan = next_plan(story, ledger, want)
    assert plan.unverified == ()
    assert ("key", "rotate", "local") in changes(plan)
    assert "maybe-sent" in {found.code for found in plan.diagnostics}
    assert ("key", "rotate", "local") in changes(next_plan(story, ledger, want, "sk-value2-abc"))


def test_there_is_no_further_read_once_the_credential_is_rejected(ledger: Ledger) -> None:
    refused = Fault(kind=FaultKind.STATUS, method="PUT", path="/models$", status=401, times=-1)
    story = world(refused)
    create(story, ledger, wish(models=MODELS))
    assert known(ledger).secrets[("key",)].mask is None
    assert known(ledger).secrets[("key",)].fingerprint is not None

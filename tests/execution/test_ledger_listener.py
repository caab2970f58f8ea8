"""The ledger after the events of a run: its record, and the last-applied state."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.secrets import Mask, Redacted
from reconciler.domain.state import Declared, DeclaredAt, LastApplied, Observed, ObservedState
from reconciler.errors import ReconcilerError
from reconciler.execution.events import (
    ActionEnded,
    ActionStarted,
    CallEnded,
    CallStarted,
    Event,
    RunEnded,
    RunStarted,
)
from reconciler.execution.ledger_listener import LedgerListener
from reconciler.execution.result import ActionFailure, ApplyResult, Outcome, Status
from reconciler.ledger.location import TargetKey
from reconciler.ledger.models import Confirmed, RunFacts, SeenState
from reconciler.ledger.store import Ledger
from reconciler.planning.actions import Action, ActionInputs, ActionKind, Risk
from reconciler.planning.plan import Plan, PlanTarget, Selection
from tests.builders import KEY, declared, desired, observed, state
from tests.ledger.builders import clock, ledger_in

CREATE, UPDATE, _, DELETE = ActionKind
URL = "http://127.0.0.1:1/v1"
NOBODY = TargetKey.of(name="production", base_url=URL, organisation=None)
OURS = replace(NOBODY, organisation="org-1")
ALPHA = declared("alpha", key=KEY)
FORMER_ID, LATER_ID = (f"{n}0000000-0000-4000-8000-000000000000" for n in "12")
CALL = Call(OperationName.UPDATE, "alpha", body={"name": "Alpha"})


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with ledger_in(tmp_path) as opened:
        yield opened


def books_on(ledger: Ledger, *, key: TargetKey = OURS, run: str = "run-1") -> LedgerListener:
    books = LedgerListener(ledger, key=key, facts=RunFacts(run=run, actor="ada"), now=clock())
    books.values = {KEY: Redacted("sk-value-abc")}
    return books


def action(
    slug: str, kind: ActionKind = CREATE, want: Declared | None = None, had: Observed | None = None
) -> Action:
    wanted = None if kind is DELETE else want or declared(slug, key=KEY)
    return Action(slug, kind, "new", Risk.ADDITIVE, subject=ActionInputs(wanted, had))


def plan(*actions: Action, organisation: str | None = "org-1") -> Plan:
    here = PlanTarget("production", URL, organisation)
    return Plan(here, "2026-03-01T09:00:00Z", "sha256:0", actions)


def ended(item: Action, status: Status = Status.APPLIED, **more: Any) -> ActionEnded:
    return ActionEnded(item, Outcome(item.slug, item.kind, status, **more))


def runs_through(
    books: LedgerListener, *endings: ActionEnded, organisation: str | None = "org-1"
) -> Plan:
    """Emit only the start of a run and the ends of its actions."""
    fresh = plan(*(e.action for e in endings), organisation=organisation)
    books.emit(RunStarted("run-1", fresh))
    for ending in endings:
        books.emit(ending)
    return fresh


def closes(books: LedgerListener, fresh: Plan, *files: Declared, **more: Any) -> None:
    given: dict[str, Any] = {"observed": state(), "selection": Selection()} | more
    books.close(fresh, desired=desired(*files), **given)


def by_run(tmp_path: Path) -> dict[str, str | None]:
    """Return the run that the ledger records for each declaration."""
    connection = sqlite3.connect(tmp_path / "ledger.db")
    try:
        return dict(connection.execute("SELECT slug, run FROM declared").fetchall())
    finally:
        connection.close()


# -- the record of the run -------------------------------------------------------------------


def test_every_event_is_in_the_record_of_the_run(ledger: Ledger) -> None:
    books, item = books_on(ledger), action("alpha", UPDATE)
    failure = ActionFailure("AB07", "it is in use")
    outcome = Outcome("alpha", UPDATE, Status.FAILED, error=failure)
    fresh = plan(item)
    result = ApplyResult("run-1", fresh.target, fresh.digest, (outcome,))
    for event in (RunStarted("run-1", fresh), ActionStarted(item), CallStarted(item, CALL)):
        books.emit(event)
    (begun,) = ledger.history(key=OURS)
    assert begun["unanswered"] == [{"slug": "alpha", "operation": "update-integration"}]
    books.emit(CallEnded(item, CALL, "req-1", "AB07"))
    books.emit(ActionEnded(item, outcome))
    books.emit(RunEnded(result))
    (run,) = ledger.history(key=OURS)
    assert (run["run"], run["actor"], run["unanswered"]) == ("run-1", "ada", [])
    assert run["outcomes"] == [outcome.as_json()]
    assert run["summary"] == result.summary
    assert ledger.verify() == []


def test_the_response_of_a_call_is_in_the_record(ledger: Ledger, tmp_path: Path) -> None:
    books, item = books_on(ledger), action("alpha", UPDATE)
    for event in (
        RunStarted("run-1", plan(item)),
        CallStarted(item, CALL),
        CallEnded(item, CALL, "req-1", "AB07"),
    ):
        books.emit(event)
    connection = sqlite3.connect(tmp_path / "ledger.db")
    row = connection.execute("SELECT request_id, error FROM calls").fetchone()
    connection.close()
    assert row == ("req-1", "AB07")


def test_the_read_right_before_a_delete_is_the_pre_image_for_an_undo(ledger: Ledger) -> None:
    books, item = books_on(ledger), action("alpha", DELETE, had=observed("alpha"))
    whole = observed("alpha", description="all of it")
    books.emit(RunStarted("run-1", plan(item)))
    books.emit(CallStarted(item, Call(OperationName.DELETE, "alpha"), whole))
    (image,) = ledger.pre_images("run-1")
    assert image.observed == whole


def test_a_run_without_actions_is_not_in_history(ledger: Ledger) -> None:
    books = books_on(ledger)
    fresh = runs_through(books)
    books.emit(RunEnded(ApplyResult("run-1", fresh.target, fresh.digest)))
    closes(books, fresh, ALPHA)
    assert ledger.history() == []
    assert ledger.last_applied(OURS).of("alpha").declared == ALPHA.fields


def test_a_batch_of_events_is_stored_completely_or_not_at_all(ledger: Ledger) -> None:
    books, item = books_on(ledger), action("alpha")
    books.emit(RunStarted("run-1", plan(item)))
    strange = replace(ended(item).outcome, slug="\ud800")
    both: list[Event] = [ended(item), ActionEnded(replace(item, slug="\ud800"), strange)]
    with pytest.raises((ReconcilerError, UnicodeError)):
        books.emit_all(both)
    (run,) = ledger.history()
    assert run["outcomes"] == []
    assert ledger.last_applied(OURS).of("alpha").declared is None


# -- what the run made true ------------------------------------------------------------------


def test_an_applied_action_is_recorded_as_soon_as_it_ends(ledger: Ledger, tmp_path: Path) -> None:
    shown = observed("alpha", key=Mask("sk*****abc"))
    runs_through(books_on(ledger), ended(action("alpha"), seen_after=shown))
    known = ledger.last_applied(OURS).of("alpha")
    assert known.declared == ALPHA.fields
    assert known.secrets["key",].mask == Mask("sk*****abc")
    assert known.secrets["key",].fingerprint is not None
    assert known.secrets["key",].fingerprint == Redacted("sk-value-abc").fingerprint(
        ledger.pepper  # type: ignore[arg-type]  # this ledger has one
    )
    assert by_run(tmp_path) == {"alpha": "run-1"}


def test_a_run_without_values_records_no_secret(ledger: Ledger) -> None:
    books = LedgerListener(ledger, key=OURS, facts=RunFacts(run="run-1"), now=clock())
    runs_through(books, ended(action("alpha")))
    found = ledger.last_applied(OURS).of("alpha")
    assert found == LastApplied(ALPHA.fields, declared_at=DeclaredAt(ALPHA.source))


def test_the_record_of_a_deleted_integration_is_removed_and_that_of_a_failed_one_kept(
    ledger: Ledger,
) -> None:
    ledger.store_confirmed(OURS, [Confirmed(declared(slug)) for slug in ("alpha", "beta", "gamma")])
    runs_through(
        books_on(ledger),
        ended(action("alpha", DELETE)),
        ended(action("beta", DELETE), Status.FAILED),
        ended(action("gamma", DELETE), Status.UNKNOWN),
    )
    assert set(ledger.last_applied(OURS).integrations) == {"beta", "gamma"}


def test_the_record_of_an_integration_that_the_api_kept_is_kept(ledger: Ledger) -> None:
    ledger.store_confirmed(OURS, [Confirmed(declared("alpha"))])
    books = books_on(ledger)
    fresh = runs_through(books, ended(action("alpha", DELETE), is_unconfirmed=True))
    closes(books, fresh, observed=state(observed("alpha")))
    assert set(ledger.last_applied(OURS).integrations) == {"alpha"}


@pytest.mark.parametrize("status", [Status.APPLIED, Status.UNKNOWN])
@pytest.mark.parametrize("known", [None, FORMER_ID])
def test_an_integration_that_was_recreated_after_an_uncertain_delete_is_another_one(
    ledger: Ledger, status: Status, known: str | None
) -> None:
    ledger.store_confirmed(OURS, [Confirmed(declared("alpha"), identity=known)])
    item = action("alpha", DELETE, had=observed("alpha", id=FORMER_ID))
    books = books_on(ledger)
    fresh = runs_through(books, ended(item, status, is_unconfirmed=True))
    books.emit(RunEnded(ApplyResult("run-1", fresh.target, fresh.digest)))
    found = ledger.last_applied(OURS).of("alpha")
    assert (found.is_another(FORMER_ID), found.is_another(LATER_ID)) == (False, True)
    assert ledger.verify() == []


def test_an_uncertain_delete_keeps_the_recorded_id(ledger: Ledger) -> None:
    ledger.store_confirmed(OURS, [Confirmed(declared("alpha"), identity=FORMER_ID)])
    item = action("alpha", DELETE, had=observed("alpha", id=LATER_ID))
    runs_through(books_on(ledger), ended(item, is_unconfirmed=True))
    assert ledger.last_applied(OURS).of("alpha").identities == {FORMER_ID}


BEFORE = {
    "workspaces": [{"id": "ws-a", "enabled": True}, {"id": "ws-b", "enabled": True}],
    "models": [{"slug": "m-a", "enabled": True}, {"slug": "m-b", "enabled": True}],
    "secret_mappings": [
        {"target_field": "key", "secret_reference_id": "ref-a"},
        {"target_field": "configurations.custom_host", "secret_reference_id": "ref-b"},
    ],
}


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("name", sorted(BEFORE))
def test_a_withdrawn_entry_that_the_api_still_shows_stays_declared(
    ledger: Ledger, name: str, seen: bool
) -> None:
    kept, withdrawn = BEFORE[name]
    had = observed("alpha", allow_all_models=False, **{name: [kept, withdrawn]})
    want = declared("alpha", **{name: [kept]})
    item = action("alpha", UPDATE, want, had)
    item = replace(
        item, subject=replace(item.subject, remembered=LastApplied({name: BEFORE[name]}))
    )
    after = had if seen else None
    runs_through(books_on(ledger), ended(item, seen_after=after, is_unconfirmed=True))
    assert (ledger.last_applied(OURS).of("alpha").declared or {})[name] == [kept, withdrawn]


def test_the_record_of_a_withdrawn_entry_that_the_api_no_longer_shows_is_removed(
    ledger: Ledger,
) -> None:
    [kept, withdrawn] = BEFORE["workspaces"]
    had = observed("alpha", workspaces=[kept, withdrawn])
    after = observed("alpha", workspaces=[kept, {**withdrawn, "enabled": False}], name="stale")
    item = action("alpha", UPDATE, declared("alpha", workspaces=[kept]), had)
    past = LastApplied({"workspaces": [kept, withdrawn]})
    item = replace(item, subject=replace(item.subject, remembered=past))
    runs_through(books_on(ledger), ended(item, seen_after=after, is_unconfirmed=True))
    assert (ledger.last_applied(OURS).of("alpha").declared or {})["workspaces"] == [kept]


@pytest.mark.parametrize("status", [Status.FAILED, Status.UNKNOWN, Status.SKIPPED])
def test_only_certain_effects_of_a_failed_action_are_recorded(
    ledger: Ledger, status: Status
) -> None:
    whole = declared("beta", key=KEY, models=[{"slug": "gpt-5"}])
    begun = frozenset({OperationName.CREATE})
    runs_through(
        books_on(ledger),
        ended(action("alpha"), status),
        ended(action("beta", want=whole), status, accepted=begun),
    )
    last_applied = ledger.last_applied(OURS)
    assert set(last_applied.integrations) == {"beta"}
    assert set(last_applied.of("beta").declared or {}) == {"name", "ai_provider_id", "key"}


def test_an_action_without_effect_records_no_state(ledger: Ledger) -> None:
    runs_through(books_on(ledger), ended(action("alpha"), Status.FAILED))
    assert ledger.last_applied(OURS).integrations == {}


def test_an_undo_keeps_the_declarations_of_git(ledger: Ledger) -> None:
    ledger.store_confirmed(OURS, [Confirmed(declared("gamma"))])
    books = books_on(ledger)
    books.declared_in_git = {"alpha": declared("alpha", key=KEY, description="by Git")}
    restored = declared("alpha", key=KEY, description="restored")
    fresh = runs_through(
        books,
        ended(action("alpha", UPDATE, want=restored)),
        ended(action("beta")),
        ended(action("gamma", DELETE)),
    )
    closes(books, fresh, declared("delta"))
    last_applied = ledger.last_applied(OURS)
    assert set(last_applied.integrations) == {"alpha"}
    assert (last_applied.of("alpha").declared or {})["description"] == "by Git"


# -- whose it is -----------------------------------------------------------------------------


def test_the_organisation_of_the_plan_is_in_the_first_row(
    ledger: Ledger,
) -> None:
    runs_through(books_on(ledger, key=NOBODY), ended(action("alpha")))
    assert ledger.organisations(NOBODY) == {"org-1"}
    assert set(ledger.last_applied(OURS).integrations) == {"alpha"}
    assert len(ledger.history(key=OURS)) == 1


def test_an_organisation_learned_during_the_run_is_recorded_at_its_end(ledger: Ledger) -> None:
    books = books_on(ledger, key=NOBODY)
    fresh = runs_through(books, ended(action("alpha")), organisation=None)
    closes(books, fresh, ALPHA, organisation="org-1")
    assert ledger.organisations(NOBODY) == {"org-1"}
    assert set(ledger.last_applied(OURS).integrations) == {"alpha"}


def test_an_organisation_not_learned_in_this_run_is_kept(ledger: Ledger) -> None:
    books = books_on(ledger, key=OURS)
    fresh = runs_through(books, ended(action("alpha")), organisation=None)
    closes(books, fresh)
    assert ledger.organisations(NOBODY) == {"org-1"}


def test_without_actions_the_organisation_of_the_plan_is_recorded(ledger: Ledger) -> None:
    books = books_on(ledger, key=NOBODY)
    closes(books, plan(), ALPHA)
    assert set(ledger.last_applied(OURS).integrations) == {"alpha"}
    assert ledger.organisations(NOBODY) == {"org-1"}


# -- the end of the run ----------------------------------------------------------------------


def test_unchanged_integrations_are_recorded_and_absent_ones_removed(
    ledger: Ledger, tmp_path: Path
) -> None:
    known = ("withdrawn", "there", "elsewhere", "still")
    ledger.store_confirmed(OURS, [Confirmed(declared(slug)) for slug in known])
    books = books_on(ledger, run="run-2")
    files = [declared(slug, description="new") for slug in ("insync", "acted", "other", "still")]
    closes(
        books,
        plan(action("acted")),
        *files,
        observed=state(observed("there"), observed("insync")),
        selection=Selection(exclude=("elsewhere", "other")),
    )
    last_applied = ledger.last_applied(OURS)
    assert set(last_applied.integrations) == {"insync", "there", "elsewhere", "still"}
    runs = by_run(tmp_path)
    assert (runs["insync"], runs["still"], runs["there"]) == ("run-2", "run-2", None)


def looks(ledger: Ledger) -> dict[str, Any]:
    return {slug: seen.observed.fields.get("description") for slug, seen in sights(ledger).items()}


def sights(ledger: Ledger) -> dict[str, SeenState]:
    return dict(ledger.seen_states(OURS))


def test_the_observed_state_after_the_writes_is_recorded(ledger: Ledger) -> None:
    books = books_on(ledger)
    before = [observed(slug, description="old") for slug in ("alpha", "beta", "gamma", "delta")]
    endings = [
        ended(action("alpha", UPDATE), seen_after=observed("alpha", description="new")),
        ended(
            action("beta", UPDATE), Status.FAILED, seen_after=observed("beta", description="half")
        ),
        ended(action("delta", DELETE)),
    ]
    fresh = runs_through(books, *endings)
    closes(books, fresh, observed=ObservedState({o.slug: o for o in before}, "org-1"))
    assert looks(ledger) == {"alpha": "new", "gamma": "old"}
    assert {seen.read_at[:10] for seen in sights(ledger).values()} == {"2026-03-01"}


def test_a_partial_read_is_not_recorded_as_observed_state(ledger: Ledger) -> None:
    listed = replace(observed("alpha"), detailed=False)
    closes(books_on(ledger), plan(), observed=state(listed, observed("beta")))
    assert set(sights(ledger)) == {"beta"}


def test_an_undo_records_the_observed_state(ledger: Ledger) -> None:
    books = books_on(ledger)
    books.declared_in_git = {}
    closes(books, plan(), observed=state(observed("alpha")))
    assert set(sights(ledger)) == {"alpha"}

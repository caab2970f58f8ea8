"""A secret with an unknown outcome is sent once more, and is then in sync."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import DesiredState, LastAppliedState
from reconciler.execution.events import CallEnded, CallStarted, Event
from reconciler.execution.ledger_listener import LedgerListener
from reconciler.execution.result import Outcome
from reconciler.ledger.errors import LedgerError
from reconciler.ledger.location import TargetKey
from reconciler.ledger.models import RunFacts
from reconciler.ledger.store import Ledger, open_ledger
from reconciler.planning.actions import Action
from reconciler.planning.approval import beyond_approval
from reconciler.planning.plan import Plan
from reconciler.simulator.faults import Fault, FaultKind, FaultScript
from tests.builders import KEY, declared, desired
from tests.runs import World

TARGET = TargetKey.of(name="production", base_url="http://127.0.0.1:1/v1", organisation=None)
HEADER = SecretRef("env", "SECRET_HEADER")
# The visible parts are equal, so that masks cannot distinguish the values.
FIRST, SECOND = "sk-first-value-abc", "sk-second-value-abc"
OTHER_ID = "99999999-0000-4000-8000-000000000000"
PUT = {"method": "PUT", "path": "^/integrations/alpha$"}
POST = {"method": "POST", "path": "^/integrations$"}
HEADERS = {"openai_project": "one", "custom_headers": {"x-token": HEADER}}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(None, path=tmp_path / "ledger.db", pepper="p") as opened:
        yield opened


def wish(**fields: Any) -> DesiredState:
    return desired(declared("alpha", key=KEY, **fields))


class Killed(BaseException):
    """The process was killed at this point."""


class Runs:
    """Runs with one ledger, each with the current value of the key."""

    def __init__(self, ledger: Ledger, *, value: str = FIRST) -> None:
        self.world, self.ledger, self.value = World(), ledger, value
        self.count = 0

    @property
    def last_applied(self) -> LastAppliedState:
        return self.ledger.last_applied(TARGET)

    @property
    def values(self) -> dict[SecretRef, Redacted]:
        return {KEY: Redacted(self.value), HEADER: Redacted("header-value-abc")}

    def plan(self, want: DesiredState, **more: Any) -> Plan:
        return self.world.plan(
            want, last_applied=self.last_applied, **{"secrets": self.values} | more
        )

    def apply(
        self, want: DesiredState, *faults: Fault, dies: type[Event] | None = None, **more: Any
    ) -> list[Outcome]:
        """Run an apply with these faults, or kill it after the first event of a kind."""
        self.count += 1
        books = LedgerListener(
            self.ledger, key=TARGET, facts=RunFacts(run=f"run-{self.count}"), now=self.world.now
        )
        given = {"secrets": self.values} | more
        books.values = given["secrets"]

        def listen(event: Event) -> None:
            books.emit(event)
            if dies is not None and isinstance(event, dies):
                raise Killed

        self.world.wire._faults = FaultScript(faults)
        try:
            result = self.world.apply(want, last_applied=self.last_applied, listen=listen, **given)
        finally:
            self.world.wire._faults = FaultScript([])
        return list(result.outcomes)

    def settle(self, want: DesiredState) -> None:
        """Run an apply without faults, and check that no outcome is unknown."""
        assert [o.error for o in self.apply(want)] == [None]
        after = self.plan(want)
        assert (after.in_sync, after.unverified) == (True, ())
        assert self.last_applied.of("alpha").unsettled == {}
        assert self.world.remote.integrations["alpha"]["key"] == self.value


def rotations(plan: Plan) -> list[tuple[str, str]]:
    return [(c.path, c.op.value) for a in plan.actions for c in a.changes if c.sensitive]


@pytest.mark.parametrize("kind", [FaultKind.RESET_BEFORE, FaultKind.RESET_AFTER])
@pytest.mark.parametrize("next_value", [FIRST, SECOND, "sk-third-value-abc"])
def test_a_rotation_without_a_response_is_resolved_for_any_later_value(
    ledger: Ledger, kind: FaultKind, next_value: str
) -> None:
    runs, want = Runs(ledger), wish()
    runs.settle(want)
    runs.value = SECOND
    (outcome,) = runs.apply(want, Fault(kind=kind, times=-1, **PUT))
    assert outcome.status.value == "unknown"
    runs.value = next_value
    planned = runs.plan(want)
    assert rotations(planned) == [("key", "rotate")]
    assert planned.unverified == ()
    assert ("maybe-sent" in {d.code for d in planned.diagnostics}) is True
    runs.settle(want)


@pytest.mark.parametrize("kind", [FaultKind.RESET_BEFORE, FaultKind.RESET_AFTER])
def test_a_create_without_a_response_that_exists_is_resolved(
    ledger: Ledger, kind: FaultKind
) -> None:
    runs, want = Runs(ledger), wish()
    lost = Fault(kind=kind, **POST)
    unreadable = Fault(
        kind=FaultKind.STATUS, status=500, method="GET", path="/alpha$", skip=1, times=-1
    )
    (outcome,) = runs.apply(want, lost, unreadable)
    assert outcome.status.value == "unknown"
    runs.settle(want)


def within_no_limit(**fields: Any) -> DesiredState:
    """Return a desired state whose target allows no change of a credential."""
    limits = {"credential_changes": 0}
    return desired(declared("alpha", key=KEY, **fields), limits=limits)


def interrupted_create(runs: Runs, want: DesiredState) -> None:
    """Create the integration, but lose the response."""
    lost = Fault(kind=FaultKind.RESET_AFTER, **POST)
    unreadable = Fault(
        kind=FaultKind.STATUS, status=500, method="GET", path="/alpha$", skip=1, times=-1
    )
    (outcome,) = runs.apply(want, lost, unreadable)
    assert outcome.status.value == "unknown"


def test_a_limit_does_not_prevent_the_completion_of_an_interrupted_run(ledger: Ledger) -> None:
    runs, want = Runs(ledger), within_no_limit()
    interrupted_create(runs, want)
    assert rotations(runs.plan(want)) == [("key", "rotate")]
    assert runs.plan(want).blocked == ()
    runs.settle(want)


@pytest.mark.parametrize(
    "fields",
    [{}, {"configurations": {"openai_project": "one", "custom_headers": {"x-token": KEY}}}],
)
def test_a_value_that_the_interrupted_run_did_not_announce_counts(
    ledger: Ledger, fields: dict[str, Any]
) -> None:
    runs = Runs(ledger)
    interrupted_create(runs, within_no_limit())
    if not fields:
        runs.value = SECOND
    planned = runs.plan(within_no_limit(**fields))
    assert [action.blocked_by for action in planned.actions] == [("too-many-credential-changes",)]


def test_a_repeated_value_for_another_host_counts(ledger: Ledger) -> None:
    runs = Runs(ledger)
    interrupted_create(runs, within_no_limit())
    elsewhere = within_no_limit(configurations={"custom_host": "https://elsewhere.example.test"})
    planned = runs.plan(elsewhere)
    assert "too-many-credential-changes" in planned.actions[0].blocked_by


LIMIT_OF_CREDENTIALS = ("too-many-credential-changes",)


def test_the_secrets_of_another_object_with_the_slug_count(ledger: Ledger) -> None:
    runs, want = Runs(ledger), within_no_limit()
    runs.settle(want)
    runs.world.remote.integrations["alpha"] |= {"id": OTHER_ID}
    planned = runs.plan(want)
    assert rotations(planned) == [("key", "rotate")]
    assert [action.blocked_by for action in planned.actions] == [LIMIT_OF_CREDENTIALS]


def test_values_that_several_interrupted_runs_announced_count(ledger: Ledger) -> None:
    runs, want = Runs(ledger), wish()
    runs.settle(want)
    for value in (SECOND, "sk-third-value-abc"):
        runs.value = value
        with pytest.raises(Killed):
            runs.apply(want, dies=CallStarted)
    for value in (SECOND, "sk-third-value-abc"):
        runs.value = value
        planned = runs.plan(within_no_limit())
        assert [action.blocked_by for action in planned.actions] == [LIMIT_OF_CREDENTIALS]


def test_a_value_that_several_interrupted_runs_announced_does_not_count(ledger: Ledger) -> None:
    runs, want = Runs(ledger), wish()
    runs.settle(want)
    runs.value = SECOND
    for _ in range(2):
        with pytest.raises(Killed):
            runs.apply(want, dies=CallStarted)
    assert runs.plan(within_no_limit()).blocked == ()


@pytest.mark.parametrize("moment", [CallStarted, CallEnded])
@pytest.mark.parametrize("exists", [True, False])
def test_a_run_killed_around_its_write_is_resolved_by_the_next(
    ledger: Ledger, moment: type[Event], *, exists: bool
) -> None:
    runs, want = Runs(ledger), wish()
    if exists:
        runs.settle(want)
        runs.value = SECOND
    with pytest.raises(Killed):
        runs.apply(want, dies=moment)
    runs.settle(want)


def test_a_ledger_that_fails_after_the_intent_is_resolved_by_the_next_run(
    ledger: Ledger,
) -> None:
    runs, want = Runs(ledger), wish()

    class Broken(LedgerError):
        pass

    books = LedgerListener(ledger, key=TARGET, facts=RunFacts(run="run-0"), now=runs.world.now)
    books.values = runs.values
    broke = False

    def listen(event: Event) -> None:
        nonlocal broke
        if broke:
            raise Broken("the disk is full", code="ledger-unreachable")
        books.emit(event)
        broke = isinstance(event, CallStarted)

    runs.world.apply(want, listen=listen, secrets=runs.values)
    assert "alpha" in runs.world.remote.integrations
    assert runs.plan(want).unverified == ()
    runs.settle(want)


def test_two_aborted_runs_leave_both_values_unknown(ledger: Ledger) -> None:
    runs, want = Runs(ledger), wish()
    runs.settle(want)
    for value in (SECOND, FIRST):
        runs.value = value
        with pytest.raises(Killed):
            runs.apply(want, dies=CallStarted)
    assert len(runs.last_applied.of("alpha").unsettled[("key",)]) == 2
    assert rotations(runs.plan(want)) == [("key", "rotate")]
    runs.settle(want)


def test_a_refused_write_leaves_nothing_unknown(ledger: Ledger) -> None:
    runs, want = Runs(ledger), wish()
    runs.settle(want)
    runs.value = SECOND
    (outcome,) = runs.apply(want, Fault(kind=FaultKind.STATUS, status=400, times=-1, **PUT))
    assert outcome.status.value == "failed"
    assert runs.last_applied.of("alpha").unsettled == {}
    runs.value = FIRST
    assert runs.plan(want).in_sync


def test_a_resent_value_stays_in_sync(ledger: Ledger) -> None:
    runs = Runs(ledger)
    runs.settle(wish(configurations=HEADERS))
    changed = wish(configurations={**HEADERS, "openai_project": "two"})
    (outcome,) = runs.apply(changed, Fault(kind=FaultKind.RESET_AFTER, times=-1, **PUT))
    assert outcome.status.value == "unknown"
    planned = runs.plan(changed)
    assert (planned.in_sync, planned.unverified) == (True, ())


def test_a_secret_in_a_header_is_resolved_like_a_key(ledger: Ledger) -> None:
    runs, plain = Runs(ledger), wish(configurations={"openai_project": "one"})
    runs.settle(plain)
    want = wish(configurations=HEADERS)
    with pytest.raises(Killed):
        runs.apply(want, dies=CallEnded)
    assert rotations(runs.plan(want)) == [("configurations.custom_headers.x-token", "rotate")]
    runs.settle(want)


def test_without_its_value_a_secret_with_an_unknown_outcome_stays_unverified(
    ledger: Ledger,
) -> None:
    runs, want = Runs(ledger), wish()
    runs.settle(want)
    runs.value = SECOND
    with pytest.raises(Killed):
        runs.apply(want, dies=CallEnded)
    described = wish(description="new")
    assert [u.path for u in runs.plan(described, secrets={}).unverified] == ["key"]
    (outcome,) = runs.apply(described, secrets={})
    assert outcome.status.value == "applied"
    assert rotations(runs.plan(described)) == [("key", "rotate")]
    runs.settle(described)


def test_a_secret_that_was_not_read_back_is_sent_again(ledger: Ledger) -> None:
    runs, want = Runs(ledger), wish()
    runs.settle(want)
    runs.value = SECOND
    (outcome,) = runs.apply(
        want, Fault(kind=FaultKind.STATUS, status=500, method="GET", skip=3, times=-1)
    )
    assert outcome.status.value == "applied"
    assert outcome.warnings
    runs.settle(want)


def test_the_intent_holds_a_fingerprint_and_never_the_value(ledger: Ledger, tmp_path: Path) -> None:
    runs = Runs(ledger)
    with pytest.raises(Killed):
        runs.apply(wish(configurations=HEADERS), dies=CallStarted)
    ledger.close()
    raw = sqlite3.connect(tmp_path / "ledger.db")
    rows = raw.execute("SELECT path, fingerprint FROM intents ORDER BY path").fetchall()
    raw.close()
    assert [path for path, _ in rows] == [
        '["configurations","custom_headers","x-token"]',
        '["key"]',
    ]
    assert ledger.pepper is not None
    assert rows[1][1] == Redacted(FIRST).fingerprint(ledger.pepper)
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("ledger.db*"))
    assert FIRST.encode() not in stored
    assert b"header-value-abc" not in stored


def test_a_deleted_integration_leaves_nothing_unknown(ledger: Ledger) -> None:
    runs, want = Runs(ledger), wish()
    runs.settle(want)
    runs.value = SECOND
    with pytest.raises(Killed):
        runs.apply(want, dies=CallStarted)
    (outcome,) = runs.apply(desired(), options={"allow_empty": True})
    assert outcome.kind.value == "delete"
    assert runs.last_applied.of("alpha").unsettled == {}


def test_an_approved_create_covers_sending_its_secret_again(ledger: Ledger) -> None:
    runs, want = Runs(ledger), wish()
    approved = runs.plan(want)
    with pytest.raises(Killed):
        runs.apply(want, dies=CallEnded)
    fresh = runs.plan(want)
    assert rotations(fresh) == [("key", "rotate")]
    assert beyond_approval(fresh, [approved]) == ()
    other = runs.plan(desired(declared("alpha")))
    assert [_what(e.slug, e.kind) for e in beyond_approval(fresh, [other])] == ["update alpha"]


def _what(slug: str, kind: Any) -> str:
    return f"{kind.value} {slug}"


def test_the_action_states_that_the_secret_is_sent_again(ledger: Ledger) -> None:
    runs, want = Runs(ledger), wish()
    with pytest.raises(Killed):
        runs.apply(want, dies=CallEnded)
    planned = runs.plan(want)
    (action,) = planned.actions
    assert isinstance(action, Action)
    assert (action.risk.value, action.changes[0].origin.value) == ("credential", "local")
    (notice,) = [d for d in planned.diagnostics if d.code == "maybe-sent"]
    assert "alpha" in notice.summary
    assert "key" in notice.summary

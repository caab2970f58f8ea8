"""The record of a written secret, and its state in the next plan."""

from typing import Any

import pytest

from reconciler.domain.calls import OperationName
from reconciler.domain.secrets import Mask, Pepper, Redacted
from reconciler.domain.state import LastApplied, LastAppliedState, Observed, SecretRecord
from reconciler.execution.ledger_listener import confirmed_by_action, confirmed_by_partial_create
from reconciler.execution.result import Outcome, Status
from reconciler.planning.actions import Action, ActionInputs, ActionKind, Change, ChangeKind, Risk
from tests.builders import KEY, declared, desired, observed
from tests.runs import World

PEPPER = Pepper("p1", Redacted("pepper"))
VALUE = Redacted("sk-value-abc")
HEADERS = {"x-team-token": Redacted("literal-value-1")}


def record_after(
    shown: Any, *, before: Any = None, known: SecretRecord | None = None, pepper: Any = PEPPER
) -> SecretRecord:
    """Return the record of a rotated key for which the API shows a mask."""
    secrets = {("key",): known} if known is not None else {}
    action = Action(
        slug="alpha",
        kind=ActionKind.UPDATE,
        reason="key differs",
        risk=Risk.CREDENTIAL,
        changes=(Change("key", ChangeKind.ROTATE, Risk.CREDENTIAL, sensitive=True),),
        subject=ActionInputs(declared(key=KEY), observed(key=before), LastApplied(secrets=secrets)),
    )
    return records(action, observed(key=shown), pepper=pepper)["key",]


def records(action: Action, seen: Observed | None, *, pepper: Any = PEPPER) -> dict[Any, Any]:
    outcome = Outcome(action.slug, action.kind, Status.APPLIED, seen_after=seen)
    return dict(confirmed_by_action(action, outcome, values={KEY: VALUE}, pepper=pepper).secrets)


def test_the_fingerprint_and_the_mask_after_the_write_are_recorded() -> None:
    record = record_after(Mask("sk*****abc"))
    assert record == SecretRecord(KEY, VALUE.fingerprint(PEPPER), Mask("sk*****abc"))


def test_a_mask_in_an_unknown_format_is_recorded_as_such() -> None:
    record = record_after(Mask("zz*****zz"), before=Mask("yy*****yy"))
    assert (record.mask, record.mask_agreed) == (Mask("zz*****zz"), False)


def test_a_read_before_the_write_proves_nothing() -> None:
    old = Mask("sk*****old")
    assert record_after(old, before=old) == SecretRecord(KEY, VALUE.fingerprint(PEPPER))


def test_an_equal_mask_of_the_same_value_is_kept_although_its_format_is_unknown() -> None:
    odd = Mask("zz*****zz")
    known = SecretRecord(KEY, VALUE.fingerprint(PEPPER), odd, mask_agreed=False)
    assert record_after(odd, before=odd, known=known).mask == odd


@pytest.mark.parametrize("shown", [None, ""])
def test_without_a_mask_or_a_pepper_less_is_recorded(shown: Any) -> None:
    assert record_after(shown) == SecretRecord(KEY, VALUE.fingerprint(PEPPER))
    assert record_after(Mask("sk*****abc"), pepper=None).fingerprint is None


def test_an_update_records_only_the_secrets_it_sent() -> None:
    subject = ActionInputs(declared(key=KEY, configurations={"custom_headers": HEADERS}))
    change = Change("description", ChangeKind.REPLACE, Risk.COSMETIC)
    action = Action("alpha", ActionKind.UPDATE, "", Risk.COSMETIC, (change,), subject=subject)
    assert records(action, None) == {}


def test_a_create_records_all_secrets_including_literals() -> None:
    subject = ActionInputs(declared(key=KEY, configurations={"custom_headers": HEADERS}))
    action = Action("alpha", ActionKind.CREATE, "", Risk.ADDITIVE, subject=subject)
    found = records(action, None)
    assert set(found) == {("key",), ("configurations", "custom_headers", "x-team-token")}
    assert "literal-value-1" not in repr(found)
    assert "sk-value-abc" not in repr(found)


def test_an_incomplete_create_records_only_accepted_secrets() -> None:
    nested = {"slug": "gpt-5", "configurations": {"custom_headers": HEADERS}}
    subject = ActionInputs(declared(key=KEY, models=[nested], workspaces=[]))
    action = Action("alpha", ActionKind.CREATE, "", Risk.ADDITIVE, subject=subject)

    def taken_down(*accepted: OperationName) -> tuple[list[str], list[str]] | None:
        outcome = Outcome("alpha", action.kind, Status.FAILED, accepted=frozenset(accepted))
        begun = confirmed_by_partial_create(action, outcome, values={KEY: VALUE}, pepper=PEPPER)
        if begun is None:
            return None
        return sorted(begun.declared.fields), sorted(path[0] for path in begun.secrets)

    plain = ["ai_provider_id", "key", "name"]
    with_models = sorted([*plain, "models"])
    assert taken_down() is None
    assert taken_down(OperationName.CREATE) == (plain, ["key"])
    models = taken_down(OperationName.CREATE, OperationName.UPDATE_MODELS)
    assert models == (with_models, ["key", "models"])


def test_a_recorded_secret_is_in_sync_in_the_next_plan() -> None:
    world = World()
    wish = desired(declared(key=KEY))
    result = world.apply(wish)
    (outcome,) = result.outcomes
    assert outcome.seen_after is not None
    assert "seen_after" not in outcome.as_json()
    plan = world.plan(wish)
    assert len(plan.unverified) == 1
    action = next(e.action for e in world.events if hasattr(e, "outcome") and hasattr(e, "action"))
    found = confirmed_by_action(action, outcome, values={KEY: VALUE}, pepper=PEPPER)
    known = LastApplied(found.declared.fields, secrets=found.secrets)
    last_applied = LastAppliedState({"alpha": known}, pepper=PEPPER)
    again = world.plan(wish, last_applied=last_applied)
    assert (again.actions, again.unverified) == ((), ())

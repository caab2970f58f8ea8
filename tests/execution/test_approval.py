"""Approval by a digest or saved plans: what it permits, how long, and the refusals."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from reconciler.domain.state import Declared, Observed
from reconciler.execution.preflight import CLOCK_SKEW, Approval, objections
from reconciler.planning.actions import Action, ActionKind, Change, ChangeKind, Risk
from reconciler.planning.plan import Plan
from reconciler.planning.planner import make_plan
from tests.builders import NOON, declared, desired, observed, state

BEGAN = datetime.fromisoformat(NOON)


def plan(*want: Declared, have: tuple[Observed, ...] = (), org: str | None = "org-1") -> Plan:
    return make_plan(
        desired=desired(*want), observed=state(*have, organisation_id=org), created_at=NOON
    )


def said(
    approved: Plan, fresh: Plan, *, after: timedelta = timedelta(), hours: float = 24
) -> list[tuple[str, str, str]]:
    found = objections(Approval(plans=(approved,)), fresh, now=BEGAN + after, max_age_hours=hours)
    return [(d.code, d.summary, d.hint) for d in found]


def test_confirmation_is_required_unless_an_option_replaces_it() -> None:
    assert Approval().asks
    assert not Approval(assumed=True).asks
    assert not Approval(digest="sha256:00").asks
    assert not Approval(plans=(plan(),)).asks


def test_without_anything_to_check_there_is_no_refusal() -> None:
    assert objections(Approval(), plan(declared()), now=BEGAN, max_age_hours=0) == []


def test_a_digest_mismatch_shows_both() -> None:
    fresh = plan(declared())
    other = f"sha256:{'0' * 64}"
    (found,) = objections(Approval(digest=other), fresh, now=BEGAN, max_age_hours=24)
    assert found.code == "digest-mismatch"
    assert found.summary == f"the plan's digest is {fresh.digest}, but {other} was expected"
    assert found.hint.startswith("review and approve the new plan")


@pytest.mark.parametrize(
    ("after", "when"),
    [
        (timedelta(hours=1.5), None),
        (timedelta(hours=1.5, seconds=1), "more than 1.5 hours ago"),
        (-CLOCK_SKEW, None),
        (-CLOCK_SKEW - timedelta(seconds=1), "which is in the future"),
    ],
)
def test_a_plan_is_valid_for_its_hours_and_slightly_ahead_of_the_clock(
    after: timedelta, when: str | None
) -> None:
    hint = "create the plan again and have it approved"
    expired = [("expired-plan", f"the plan was made at {NOON}, {when}", hint)]
    assert said(plan(), plan(), after=after, hours=1.5) == (expired if when else [])


@pytest.mark.parametrize(
    ("then", "now", "refused"),
    [
        ("org-1", "org-1", False),
        ("org-1", "org-2", True),
        ("org-1", None, False),
        (None, "org-1", False),
        (None, None, False),
    ],
)
def test_only_two_known_organisations_can_differ(
    then: str | None, now: str | None, refused: bool
) -> None:
    wrong = (
        "wrong-target",
        "the plan was made for production at http://127.0.0.1:1/v1",
        "apply it to that target, or plan again for this one",
    )
    assert said(plan(org=then), plan(org=now)) == ([wrong] if refused else [])


def test_changes_that_no_plan_contains_are_named() -> None:
    have = (observed(description="old"),)
    fresh = plan(declared(description="new"), have=have)
    elsewise = plan(declared(description="other"), have=have)
    hint = "review and approve the current plan: the change appeared after the approval"
    named = "no approved plan contains this: update alpha"
    assert said(plan(), fresh) == [("not-approved", named, hint)]
    difference = 'replace description "old" → "new"; the approved plan has: '
    difference += 'replace description "old" → "other"'
    assert said(elsewise, fresh) == [("not-approved", f"{named}: {difference}", hint)]


def test_a_long_value_is_shortened_to_the_difference() -> None:
    def long(text: str) -> str:
        return f"{'s' * 500}{text}{'s' * 500}"

    have = (observed(description=long("was")),)
    fresh = plan(declared(description=long("new")), have=have)
    approved = plan(declared(description=long("old")), have=have)
    ((_, summary, _),) = said(approved, fresh)
    left_out = "…[421 characters left out]…"
    was, new, old = (
        f'"{"s" * 59}{left_out}{"s" * 20}{text}{"s" * 20}{left_out}{"s" * 59}"'
        for text in ("was", "new", "old")
    )
    assert summary.endswith(
        f"replace description {was} → {new}; "
        f"the approved plan has: replace description {was} → {old}"
    )


def words(change: Change) -> str:
    """Return the message about a change that was not approved."""

    def changing(found: Change) -> Plan:
        base = plan(declared())
        action = Action("alpha", ActionKind.UPDATE, "", Risk.COSMETIC, (found,))
        return replace(base, actions=(action,))

    other = replace(change, path="other")
    ((_, summary, _),) = said(changing(other), changing(change))
    return summary.removeprefix("no approved plan contains this: update alpha: ")


def plain(op: ChangeKind, **sides: Any) -> Change:
    return Change("tags", op, Risk.COSMETIC, **sides)


def secret(op: ChangeKind, **references: Any) -> Change:
    return Change("key", op, Risk.CREDENTIAL, sensitive=True, **references)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (plain(ChangeKind.ADD, after={"b": 1, "a": "ü"}), 'add tags {"a": "ü", "b": 1}'),
        (plain(ChangeKind.REMOVE, before=["x"]), 'remove tags ["x"]'),
        (plain(ChangeKind.REPLACE, before=None, after=1.5), "replace tags null → 1.5"),
        (plain(ChangeKind.ADD, after="x" * 78), f'add tags "{"x" * 78}"'),
        (plain(ChangeKind.ADD, after="x" * 79), f'add tags "{"x" * 79}"'),
        (secret(ChangeKind.ADD, reference="env:NEW"), "add key env:NEW"),
        (secret(ChangeKind.REMOVE, before_reference="env:OLD"), "remove key env:OLD"),
        (secret(ChangeKind.REMOVE), "remove key"),
        (
            secret(ChangeKind.ROTATE, reference="env:NEW", before_reference="env:OLD"),
            "rotate key env:NEW",
        ),
        (secret(ChangeKind.ROTATE), "rotate key"),
        (
            secret(ChangeKind.REPLACE, reference="env:NEW", before_reference="env:OLD"),
            "replace key env:OLD → env:NEW",
        ),
    ],
)
def test_a_change_is_described_and_a_secret_is_shown_only_by_its_references(
    change: Change, text: str
) -> None:
    assert words(change) == text

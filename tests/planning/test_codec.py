"""Plan files: a plan is restored completely, and an invalid file is explained."""

import json
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from reconciler.diagnostics import Diagnostic, Severity, SourceLocation
from reconciler.planning.actions import (
    Action,
    ActionKind,
    Change,
    ChangeKind,
    ChangeOrigin,
    Precondition,
    Risk,
)
from reconciler.planning.codec import TamperedPlan, UnreadablePlan, decode, encode
from reconciler.planning.costs import Budget, BudgetChange, BudgetTotal, Costs, PriceChange
from reconciler.planning.documents import PlanDocument
from reconciler.planning.plan import Plan, PlanTarget, Undeclared, Unverified
from reconciler.planning.policy_verdict import PolicyFinding, PolicyVerdict
from tests.builders import NOON

CHANGES = (
    Change("name", ChangeKind.REPLACE, Risk.COSMETIC, "a", "b", origin=ChangeOrigin.LOCAL),
    Change(
        "tags", ChangeKind.REMOVE, Risk.COSMETIC, {"team": ["x"]}, None, origin=ChangeOrigin.REMOTE
    ),
    Change(
        "key",
        ChangeKind.ROTATE,
        Risk.CREDENTIAL,
        sensitive=True,
        origin=ChangeOrigin.BOTH,
        reference="env:SECRET_NEW",
        before_reference="env:SECRET_OLD",
    ),
)
FULL = Plan(
    target=PlanTarget("production", "http://127.0.0.1:1/v1", "org-1"),
    created_at=NOON,
    desired_digest="sha256:desired",
    actions=(
        Action("new", ActionKind.CREATE, "it is not there", Risk.ADDITIVE),
        Action(
            "old",
            ActionKind.UPDATE,
            "the files changed",
            Risk.CREDENTIAL,
            changes=CHANGES,
            source=SourceLocation("desired-state/integrations/old.yaml", 7),
            precondition=Precondition(NOON, "sha256:seen"),
            blocked_by=("protected", "too-many-deletes"),
        ),
    ),
    no_op=3,
    commit="0a1b2c3",
    uncommitted=True,
    unverified=(Unverified("old", "key", "env:SECRET_NEW"),),
    undeclared=(Undeclared("old", "description"),),
    unmanaged=("stranger",),
    forgotten=("gone",),
    diagnostics=(
        Diagnostic(Severity.ERROR, "protected", "no", "remove it", SourceLocation("f.yaml", 3, 9)),
        Diagnostic(Severity.WARNING, "odd", "hm", "", None),
    ),
    run="run-1",
    approved_at="2026-11-24T09:30:00Z",
    opens_at="2026-11-24T16:00:00Z",
    soaked_at="2026-11-25T09:30:00Z",
    options=("--only", "a*", "--allow-replace"),
    costs=Costs(
        budgets=(
            BudgetChange("old", "ws-a", Budget(Decimal("0.3")), Budget(None)),
            BudgetChange("old", None, None, Budget(Decimal(7), "tokens", "30")),
        ),
        totals=(BudgetTotal("cost", "monthly", Decimal(4200), Decimal("5700.5")),),
        unlimited=(0, 1),
        prices=(
            PriceChange("old", None, "", Decimal("0.8"), Decimal(1), 14, ("request_token",)),
            PriceChange("old", "gpt-5", "request_token", None, Decimal("0.00025"), 1),
        ),
    ),
    policies=(
        PolicyVerdict("passes", f"sha256:{'0' * 64}"),
        PolicyVerdict(
            "denies",
            f"sha256:{'1' * 64}",
            (
                PolicyFinding(Severity.ERROR, "policy", "old must stay", "old"),
                PolicyFinding(Severity.WARNING, "policy", "too many"),
            ),
        ),
        PolicyVerdict("fails", None, (PolicyFinding(Severity.ERROR, "policy-failed", "late"),)),
    ),
)


@pytest.mark.parametrize(
    "plan",
    [
        FULL,
        replace(FULL, run=None, commit=None, target=replace(FULL.target, organisation_id=None)),
        Plan(FULL.target, NOON, "sha256:desired"),
    ],
    ids=["full", "without run", "empty"],
)
def test_every_public_field_of_a_plan_is_restored(plan: Plan) -> None:
    text = encode(plan)
    assert decode(text, name="p") == plan
    assert (text.count("\n"), text[-1]) == (1, "\n")


def test_that_test_covers_every_key_of_a_plan() -> None:
    unset = [f.name for f in fields(Plan) if not getattr(FULL, f.name)]
    assert unset == []
    assert set(FULL.as_json()) == PlanDocument.__required_keys__ | PlanDocument.__optional_keys__


def test_a_plan_of_0_1_0_whose_digest_counts_unverified_secrets_can_be_read() -> None:
    document = json.loads(encode(FULL))
    document["digest"] = FULL.earlier_digest
    del document["unverified_digest"]
    assert decode(json.dumps(document), name="p") == FULL
    document["unverified"] = []
    with pytest.raises(TamperedPlan):
        decode(json.dumps(document), name="p")


@dataclass(frozen=True)
class Edited:
    """Full plan with one value changed, or removed if it is `...`.

    It is serialized on use, so that a serializer that fails breaks a test and not the collection.
    """

    path: tuple[str | int, ...]
    to: Any

    @property
    def text(self) -> str:
        document = json.loads(encode(FULL))
        here = document
        for step in self.path[:-1]:
            here = here[step]
        if self.to is ...:
            del here[self.path[-1]]
        else:
            here[self.path[-1]] = self.to
        return json.dumps(document)


def edited(*path: str | int, to: Any) -> Edited:
    return Edited(path, to)


NEEDED = (
    "actions",
    "commit",
    "created_at",
    "desired_digest",
    "diagnostics",
    "digest",
    "forgotten",
    "summary",
    "target",
    "undeclared",
    "unmanaged",
    "unverified",
)
MISSING = "a part of it is missing or has the wrong type"


def wrong(*path: str | int, to: Any) -> tuple[Edited, str]:
    """Return an edited plan, and the message that names the edited path."""
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    if isinstance(to, list) and to:
        place += "[0]"
    return Edited(path, to), f"{place[1:]} is missing or has the wrong type"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not valid JSON at line 1, column 1"),
        ("{\n 1", "not valid JSON at line 2, column 2"),
        ("[]", "not a plan"),
        (edited("kind", to="run"), "not a plan"),
        (edited("kind", to=...), "not a plan"),
        (edited("format_version", to="2"), "it has another format version"),
        (edited("format_version", to=1), "it has another format version"),
        ('{"a": 1, "a": 1}', MISSING),
        ('{"a": NaN}', MISSING),
        ("[" * 100_000, MISSING),
        wrong("created_at", to="2026-11-23T12:00:00"),
        wrong("created_at", to=5),
        wrong("approved_at", to="2026-11-23T12:00:00"),
        wrong("approved_at", to=None),
        *(wrong(name, to=...) for name in NEEDED),
        wrong("source", "run", to=...),
        wrong("target", "name", to=5),
        wrong("target", "base_url", to=None),
        wrong("desired_digest", to=5),
        wrong("unmanaged", to=[5]),
        wrong("forgotten", to=[5]),
        wrong("unverified", 0, "slug", to=5),
        wrong("unverified", 0, "path", to=5),
        wrong("unverified", 0, "reference", to=5),
        wrong("undeclared", 0, "slug", to=5),
        wrong("undeclared", 0, "path", to=5),
        wrong("actions", 0, "slug", to=5),
        wrong("actions", 0, "action", to="explode"),
        wrong("actions", 0, "risk", to="none"),
        wrong("actions", 0, "reason", to=5),
        wrong("actions", 0, "blocked_by", to=[5]),
        wrong("actions", 1, "source", "file", to=5),
        wrong("actions", 1, "source", "line", to="x"),
        wrong("actions", 1, "changes", 0, "path", to=5),
        wrong("actions", 1, "changes", 0, "op", to="x"),
        wrong("actions", 1, "changes", 0, "risk", to="x"),
        wrong("actions", 1, "changes", 0, "origin", to="x"),
        wrong("actions", 1, "changes", 0, "before", to=...),
        wrong("target", "organisation_id", to=5),
        wrong("commit", to=[]),
        wrong("source", "run", to=5),
        wrong("summary", "no_op", to="3"),
        wrong("summary", "no_op", to=True),
        wrong("actions", to={}),
        wrong("actions", 1, "precondition", "last_updated_at", to=5),
        wrong("actions", 1, "precondition", "fingerprint", to={}),
        wrong("actions", 1, "source", "line", to="7"),
        wrong("actions", 1, "changes", 2, "reference", to=5),
        wrong("diagnostics", 0, "severity", to="x"),
        wrong("diagnostics", 0, "hint", to=5),
        wrong("diagnostics", 0, "line", to="3"),
        wrong("diagnostics", 0, "code", to=5),
        wrong("diagnostics", 0, "summary", to=5),
    ],
    ids=(str(number) for number in count(1)),
)
def test_a_document_that_is_not_a_plan_is_explained_without_its_content(
    text: str | Edited, why: str
) -> None:
    with pytest.raises(UnreadablePlan) as caught:
        decode(text if isinstance(text, str) else text.text, name="p.json")
    error = caught.value
    assert (error.code, error.exit_code) == ("unreadable-plan", 3)
    assert error.summary == f"p.json: {why}"
    assert error.hint == "create one with `reconcile plan --out FILE`"


@pytest.mark.parametrize(
    "plan",
    [
        edited("digest", to="sha256:other"),
        edited("target", "base_url", to="http://elsewhere/v1"),
        edited("actions", 1, "changes", 0, "after", to="c"),
        edited("actions", 1, "changes", 2, "reference", to="env:SECRET_OTHER"),
        edited("unverified", to=[]),
        edited("unverified", 0, "reference", to="env:SECRET_OTHER"),
        edited("unverified_digest", to="sha256:other"),
        edited("unverified_digest", to=...),
    ],
    ids=["digest", "address", "value", "reference", "unverified", "secret", "other", "none"],
)
def test_an_edited_plan_is_distinguished_from_another_document(plan: Edited) -> None:
    with pytest.raises(TamperedPlan) as caught:
        decode(plan.text, name="p.json")
    error = caught.value
    assert (error.code, error.exit_code) == ("tampered-plan", 4)
    assert error.summary == "p.json: its content does not match its digest"
    assert error.hint == "create the plan again; a saved plan must not be edited"

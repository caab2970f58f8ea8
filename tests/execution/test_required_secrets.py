"""Diagnostics for secret values that a run needs but does not have or cannot send."""

from typing import Any

import pytest

from reconciler.diagnostics import Diagnostic, SourceLocation, error
from reconciler.domain.calls import Call, OperationName
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import DesiredState
from reconciler.errors import InvalidInput, ReconcilerError
from reconciler.execution.preflight import needed_secrets, require_values, require_writable
from reconciler.planning.actions import Action, ActionKind, Risk
from reconciler.planning.plan import Plan, PlanTarget
from tests.builders import KEY, declared, desired

OTHER = SecretRef("env", "OTHER_KEY")
THIRD = SecretRef("env", "THIRD_KEY")
VALUE = Redacted("sk-value-abc")


def update(slug: str, *bodies: Any) -> Action:
    calls = [Call(OperationName.UPDATE, slug, body=body) for body in bodies]
    place = SourceLocation(f"{slug}.yaml", 3)
    kind = ActionKind.UPDATE
    return Action(slug, kind, "", Risk.CREDENTIAL, source=place, calls=tuple(calls))


def plan(*actions: Action) -> Plan:
    return Plan(PlanTarget("here", "http://here"), "2026-11-23T12:00:00Z", "sha256:0", actions)


def complaints(
    needed: list[SecretRef],
    files: DesiredState,
    reasons: dict[SecretRef, ReconcilerError] | None = None,
) -> tuple[Diagnostic, ...]:
    """Return the errors for these references, of which only the third has a value."""
    fresh = plan(update("alpha"))
    with pytest.raises(InvalidInput) as caught:
        require_values(needed, {THIRD: VALUE}, reasons or {}, files, fresh)
    assert caught.value.plan is fresh
    return caught.value.diagnostics


def test_a_plan_needs_each_secret_of_its_calls_once() -> None:
    first = update("alpha", {"key": KEY}, {"configurations": {"x": [OTHER]}})
    assert needed_secrets(plan(first, update("beta", {"key": KEY, "name": "B"}))) == {KEY, OTHER}
    assert needed_secrets(plan()) == set()


def test_available_values_have_no_diagnostic() -> None:
    require_values([THIRD], {THIRD: VALUE}, {}, desired(declared(key=THIRD)), plan())


def test_a_missing_value_without_a_reason_has_a_hint() -> None:
    files = desired(declared("alpha", key=KEY))
    assert complaints([KEY, THIRD], files) == (
        error(
            "missing-value",
            "env:SECRET_KEY has no value; needed by alpha",
            hint="make the value available to this command",
            at=files.integrations["alpha"].source,
        ),
    )


def test_the_reason_of_the_resolver_is_shown() -> None:
    files = desired(declared("alpha", key=KEY))
    unset = ReconcilerError("env:SECRET_KEY is unset", code="unset", hint="export SECRET_KEY")
    curt = ReconcilerError("env:SECRET_KEY is empty", code="empty")
    place = files.integrations["alpha"].source
    told = "env:SECRET_KEY is unset; needed by alpha"
    assert complaints([KEY], files, {KEY: unset, OTHER: curt}) == (
        error("unset", told, hint="export SECRET_KEY", at=place),
    )
    (problem,) = complaints([KEY], files, {KEY: curt})
    assert (problem.code, problem.hint) == ("empty", "make the value available to this command")


def test_the_first_integration_that_needs_it_is_named_and_the_others_counted() -> None:
    files = desired(*(declared(slug, key=KEY) for slug in ("gamma", "alpha", "beta")))
    (problem,) = complaints([KEY], files)
    assert problem.summary == "env:SECRET_KEY has no value; needed by alpha and 2 more"
    assert problem.at == files.integrations["alpha"].source


def test_an_integration_that_names_it_twice_needs_it_once() -> None:
    headers = {"custom_headers": {"x-token": KEY}}
    (problem,) = complaints([KEY], desired(declared(key=KEY, configurations=headers)))
    assert problem.summary == "env:SECRET_KEY has no value; needed by alpha"


def test_a_reference_inside_a_list_is_found() -> None:
    files = desired(declared("alpha", configurations={"fallbacks": [{"token": KEY}, "plain"]}))
    (problem,) = complaints([KEY], files)
    assert problem.summary == "env:SECRET_KEY has no value; needed by alpha"


def test_a_value_that_no_file_names_has_no_location() -> None:
    hint = "make the value available to this command"
    assert complaints([KEY], desired()) == (
        error("missing-value", "env:SECRET_KEY has no value", hint=hint),
    )


def test_all_missing_values_are_reported_once_and_in_order() -> None:
    told = complaints([KEY, OTHER, KEY], desired(declared(key=KEY)))
    assert [d.summary.split()[0] for d in told] == ["env:OTHER_KEY", "env:SECRET_KEY"]


# -- values that their fields cannot take ----------------------------------------------------

ACCOUNT = {"configurations": {"vertex_service_account_json": KEY}}


def test_a_value_that_is_not_an_object_is_refused_without_showing_it() -> None:
    fresh = plan(
        update("alpha", {"key": KEY}),
        update("beta", {"key": KEY}, ACCOUNT),
        update("gamma", {"nested": {"more": ACCOUNT}}),
    )
    with pytest.raises(InvalidInput) as caught:
        require_writable({KEY: VALUE}, fresh)
    assert caught.value.plan is fresh
    assert [(d.code, d.at) for d in caught.value.diagnostics] == [
        ("bad-body", SourceLocation("beta.yaml", 3)),
        ("bad-body", SourceLocation("gamma.yaml", 3)),
    ]
    for slug, problem in zip(("beta", "gamma"), caught.value.diagnostics, strict=True):
        assert problem.summary.startswith(f"{slug}: the request body needs a JSON object")
        assert problem.hint == "correct the value at its source; it is not shown"
    assert "sk-value" not in repr(caught.value.diagnostics)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        pytest.param(ACCOUNT, '{"type": "service_account"}', id="an object"),
        pytest.param({"key": KEY}, "any text", id="a field of text"),
        pytest.param(None, "any text", id="a call without a body"),
    ],
)
def test_a_valid_value_is_accepted(body: Any, value: str) -> None:
    require_writable({KEY: Redacted(value)}, plan(update("alpha", body)))

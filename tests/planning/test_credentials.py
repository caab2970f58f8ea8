"""State of a secret, and when it is written."""

from typing import Any

import pytest

from reconciler.domain.secrets import Mask, Pepper, Placeholder, Redacted, SecretRef
from reconciler.domain.state import LastApplied, LastAppliedState, SecretRecord
from reconciler.domain.tree import Path
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.planning.planner import make_plan
from tests.builders import KEY, NOON, changes_of, declared, desired, mask, observed, state

PEPPER = Pepper("p1", Redacted("pepper"))
VALUE = Redacted("sk-value-abc")
OTHER = SecretRef("env", "SECRET_OTHER")

AZURE = {"ai_provider_id": "azure-openai"}


def plan(
    *,
    want: dict[str, Any],
    have: dict[str, Any],
    last_applied: LastAppliedState = LastAppliedState(),
    **more: Any,
) -> Plan:
    values = more.pop("values", {KEY: VALUE})
    return make_plan(
        desired=desired(declared(**want)),
        observed=state(observed(**have)),
        last_applied=last_applied,
        values=values,
        created_at=NOON,
        options=PlanOptions(**more),
    )


def remembered(
    *, value: Redacted = VALUE, mask: Mask | None = None, path: Path = ("key",), **more: Any
) -> LastAppliedState:
    record = SecretRecord(
        **({"reference": KEY, "fingerprint": value.fingerprint(PEPPER), "mask": mask} | more)
    )
    return LastAppliedState({"alpha": LastApplied(secrets={path: record})}, pepper=PEPPER)


def key_ops(planned: Plan) -> list[tuple[str, str]]:
    return [(c.path, c.op.value) for a in planned.actions for c in a.changes]


def test_without_a_record_a_fitting_mask_leaves_it_unverified() -> None:
    planned = plan(want={"key": KEY}, have={"key": mask("sk*****abc")})
    assert planned.in_sync
    assert [(u.path, u.reference) for u in planned.unverified] == [("key", "env:SECRET_KEY")]


def test_a_mask_that_contradicts_the_value_proves_a_change() -> None:
    planned = plan(want={"key": KEY}, have={"key": mask("zz*****abc")})
    assert key_ops(planned) == [("key", "rotate")]
    assert planned.actions[0].calls[0].body == {"key": KEY}


def test_a_mask_in_another_format_proves_nothing() -> None:
    planned = plan(want={"key": KEY}, have={"key": mask("hidden")})
    assert planned.in_sync
    assert len(planned.unverified) == 1


def test_the_fingerprint_and_the_mask_of_our_own_write_prove_that_it_is_in_sync() -> None:
    planned = plan(
        want={"key": KEY},
        have={"key": mask("odd*****odd")},
        last_applied=remembered(mask=mask("odd*****odd")),
    )
    assert planned.in_sync
    assert planned.unverified == ()


def test_another_fingerprint_proves_a_change_even_if_the_mask_fits() -> None:
    last_applied = remembered(value=Redacted("sk-before-abc"), mask=mask())
    assert key_ops(plan(want={"key": KEY}, have={"key": mask()}, last_applied=last_applied)) == [
        ("key", "rotate")
    ]


def test_a_mask_other_than_the_recorded_one_proves_a_change_by_others() -> None:
    planned = plan(
        want={"key": KEY},
        have={"key": mask("sk*****abc")},
        last_applied=remembered(mask=mask("sk***abc")),
    )
    assert key_ops(planned) == [("key", "rotate")]
    assert planned.actions[0].changes[0].origin.value == "remote"


def test_masks_that_all_change_at_once_are_a_new_format_not_rotations() -> None:
    secrets = {
        ("key",): SecretRecord(KEY, VALUE.fingerprint(PEPPER), mask("sk****abc")),
        ("configurations", "azure_entra_client_secret"): SecretRecord(
            OTHER, VALUE.fingerprint(PEPPER), mask("sk****abc")
        ),
    }
    last_applied = LastAppliedState({"alpha": LastApplied(secrets=secrets)}, pepper=PEPPER)
    planned = plan(
        want={"key": KEY, "configurations": {"azure_entra_client_secret": OTHER}},
        have={
            "key": mask("sk******abc"),
            "configurations": {"azure_entra_client_secret": mask("sk******abc")},
        },
        last_applied=last_applied,
        values={KEY: VALUE, OTHER: VALUE},
    )
    assert planned.in_sync
    assert len(planned.unverified) == 2
    assert [d.code for d in planned.diagnostics] == ["masks-changed"]


@pytest.mark.parametrize(("shown", "blocked"), [("sk***abc", False), ("zz***zz", True)])
def test_a_write_that_was_not_read_back_counts_only_if_the_mask_contradicts_it(
    shown: str, blocked: bool
) -> None:
    planned = plan(
        want={"key": KEY},
        have={"key": mask(shown)},
        last_applied=remembered(),
        max_credential_changes=0,
    )
    assert key_ops(planned) == [("key", "rotate")]
    assert bool(planned.blocked) is blocked


def test_a_fingerprint_of_another_pepper_proves_nothing() -> None:
    last_applied = remembered(fingerprint="p0:00", mask=mask())
    planned = plan(want={"key": KEY}, have={"key": mask()}, last_applied=last_applied)
    assert planned.in_sync
    assert len(planned.unverified) == 1


def test_a_mask_that_contradicts_the_value_just_sent_proves_nothing() -> None:
    last_applied = remembered(fingerprint=None, mask=mask("zz***zz"), mask_agreed=False)
    assert plan(want={"key": KEY}, have={"key": mask("zz***zz")}, last_applied=last_applied).in_sync


def test_another_reference_is_a_replacement_even_without_values() -> None:
    last_applied = remembered(reference=OTHER, mask=mask())
    planned = plan(want={"key": KEY}, have={"key": mask()}, last_applied=last_applied, values={})
    (change,) = planned.actions[0].changes
    assert (change.op.value, change.before_reference, change.reference) == (
        "replace",
        "env:SECRET_OTHER",
        "env:SECRET_KEY",
    )
    assert (change.before, change.after) == (None, None)
    assert "missing-value" in {d.code for d in planned.diagnostics}


def test_without_its_value_a_secret_is_unverified() -> None:
    planned = plan(want={"key": KEY}, have={"key": mask("zz***zz")}, values={})
    assert planned.in_sync
    assert len(planned.unverified) == 1


def test_an_unverified_secret_is_sent_on_request_only() -> None:
    planned = plan(want={"key": KEY}, have={"key": mask()}, push_secrets=True)
    assert key_ops(planned) == [("key", "rotate")]


def test_a_key_missing_in_the_api_is_added() -> None:
    assert key_ops(plan(want={"key": KEY}, have={})) == [("key", "add")]


def test_a_secret_in_configurations_is_sent_as_a_resend() -> None:
    planned = plan(
        want={
            **AZURE,
            "configurations": {"azure_entra_client_secret": KEY, "azure_entra_tenant_id": "t"},
        },
        have={
            **AZURE,
            "configurations": {"azure_entra_client_secret": mask(), "azure_entra_tenant_id": "s"},
        },
    )
    assert key_ops(planned) == [
        ("configurations.azure_entra_client_secret", "resend"),
        ("configurations.azure_entra_tenant_id", "replace"),
    ]
    assert planned.actions[0].calls[0].body == {
        "configurations": {"azure_entra_client_secret": KEY, "azure_entra_tenant_id": "t"}
    }


def test_a_write_that_would_lose_a_stored_secret_is_blocked() -> None:
    planned = plan(
        want={**AZURE, "configurations": {"azure_entra_tenant_id": "t"}},
        have={
            **AZURE,
            "configurations": {"azure_entra_client_secret": mask(), "azure_entra_tenant_id": "s"},
        },
    )
    assert planned.actions[0].blocked_by == ("masked-write",)
    (found,) = [d for d in planned.diagnostics if d.code == "masked-write"]
    assert "azure_entra_client_secret: ${env:SECRET_ALPHA_AZURE_ENTRA_CLIENT_SECRET}" in found.hint


def test_a_new_host_resends_the_declared_key() -> None:
    planned = plan(
        want={"key": KEY, "configurations": {"custom_host": "https://new.example"}},
        have={"key": mask(), "configurations": {"custom_host": "https://old.example"}},
    )
    assert key_ops(planned) == [("configurations.custom_host", "replace"), ("key", "resend")]
    assert planned.actions[0].risk.value == "credential"
    assert planned.actions[0].blocked_by == ()


def test_a_new_host_for_a_stored_credential_that_is_not_replaced_is_blocked() -> None:
    planned = plan(
        want={"configurations": {"custom_host": "https://new.example"}},
        have={"key": mask(), "configurations": {"custom_host": "https://old.example"}},
    )
    assert planned.actions[0].blocked_by == ("credential-retarget",)


def test_a_new_host_of_a_model_for_a_stored_credential_is_blocked() -> None:
    model = {"slug": "m", "enabled": True, "is_custom": True}
    planned = plan(
        want={"models": [model | {"configurations": {"custom_host": "https://new.example"}}]},
        have={"key": mask(), "models": [model]},
    )
    assert planned.actions[0].blocked_by == ("credential-retarget",)


def test_a_literal_header_is_compared_by_its_mask_and_never_shown() -> None:
    planned = plan(
        want={"configurations": {"custom_headers": {"X-Team": Redacted("search-team")}}},
        have={"configurations": {"custom_headers": {"X-Team": mask("zz*****zzz")}}},
    )
    (change,) = planned.actions[0].changes
    assert (change.path, change.sensitive, change.before, change.after) == (
        "configurations.custom_headers.X-Team",
        True,
        None,
        None,
    )


def test_an_undeclared_host_is_a_warning() -> None:
    planned = plan(want={}, have={"configurations": {"custom_host": "https://elsewhere.example"}})
    assert [d.code for d in planned.diagnostics] == ["undeclared-host"]


@pytest.mark.parametrize("want", [{}, {"models": [{"slug": "m", "enabled": True}]}])
def test_an_undeclared_host_of_a_model_is_a_warning(want: dict[str, Any]) -> None:
    host = {"custom_host": "https://elsewhere.example"}
    model = {"slug": "m", "enabled": True, "configurations": host}
    planned = plan(want=want, have={"models": [model]})
    assert [d.code for d in planned.diagnostics] == ["undeclared-host"]
    assert "models[m].configurations.custom_host" in planned.diagnostics[0].summary


def test_a_create_names_the_value_it_lacks() -> None:
    planned = make_plan(desired=desired(declared(key=KEY)), observed=state(), created_at=NOON)
    assert [d.code for d in planned.diagnostics] == ["missing-value"]
    assert changes_of(planned)["key"] == ("add", None, None)


def test_an_unknown_field_with_a_secret_name_is_not_shown() -> None:
    value = Redacted("dapi-literal")
    planned = plan(
        want={"configurations": {"databricks_token": value}},
        have={"configurations": {"databricks_token": "dapi-before"}},
    )
    (change,) = planned.actions[0].changes
    assert (change.sensitive, change.before, change.after) == (True, None, None)


def test_a_model_whose_headers_are_known_only_as_masks_is_not_written() -> None:
    model = {"slug": "m", "enabled": True, "is_custom": True}
    stored = {"custom_headers": {"Authorization": mask()}}
    planned = plan(
        want={"models": [model | {"enabled": False}]},
        have={"models": [model | {"configurations": stored}]},
    )
    assert planned.actions[0].blocked_by == ("masked-write",)


def test_an_empty_key_is_never_sent() -> None:
    planned = plan(want={"key": ""}, have={"key": mask()})
    assert planned.in_sync
    assert [d.code for d in planned.diagnostics] == ["key-kept"]


def test_sending_unverified_secrets_needs_their_values() -> None:
    planned = plan(want={"key": KEY}, have={"key": mask()}, values={}, push_secrets=True)
    assert key_ops(planned) == [("key", "rotate")]
    assert [d.code for d in planned.diagnostics] == ["missing-value"]


def test_a_key_that_the_api_never_shows_is_compared_by_its_fingerprint() -> None:
    known = remembered(mask=None)
    unseen = plan(want={"key": KEY}, have={}, last_applied=known)
    assert (unseen.in_sync, unseen.unverified) == (True, ())
    before = remembered(value=Redacted("sk-before-abc"), mask=None)
    moved = plan(want={"key": KEY}, have={}, last_applied=before)
    assert key_ops(moved) == [("key", "rotate")]
    assert moved.actions[0].changes[0].origin.value == "local"
    unknown = plan(
        want={"key": KEY}, have={}, last_applied=remembered(fingerprint="p0:00", mask=None)
    )
    assert unknown.in_sync
    assert [(u.slug, u.path) for u in unknown.unverified] == [("alpha", "key")]


def test_a_key_that_was_shown_masked_and_is_gone_is_added_again() -> None:
    planned = plan(want={"key": KEY}, have={}, last_applied=remembered(mask=mask()))
    assert key_ops(planned) == [("key", "add")]


def test_a_secret_returned_in_clear_text_is_compared_with_the_value() -> None:
    assert plan(want={"key": KEY}, have={"key": "sk-value-abc"}).in_sync
    assert key_ops(plan(want={"key": KEY}, have={"key": "sk-other"})) == [("key", "rotate")]


def test_one_unchanged_mask_shows_that_the_format_did_not_change() -> None:
    secret = ("configurations", "azure_entra_client_secret")
    fingerprint = VALUE.fingerprint(PEPPER)
    secrets = {
        ("key",): SecretRecord(KEY, fingerprint, mask("sk****abc")),
        secret: SecretRecord(OTHER, fingerprint, mask("sk****abc")),
    }
    planned = plan(
        want={"key": KEY, "configurations": {secret[1]: OTHER}},
        have={"key": mask("sk******abc"), "configurations": {secret[1]: mask("sk****abc")}},
        last_applied=LastAppliedState({"alpha": LastApplied(secrets=secrets)}, pepper=PEPPER),
        values={KEY: VALUE, OTHER: VALUE},
    )
    assert key_ops(planned) == [("key", "rotate")]
    assert planned.diagnostics == ()


@pytest.mark.parametrize(
    ("stored", "last_applied"),
    [
        pytest.param(mask("zz*****abc"), LastAppliedState(), id="a mask"),
        pytest.param(
            mask(), remembered(value=Redacted("sk-before-abc"), mask=mask()), id="a record"
        ),
        pytest.param("", remembered(value=Redacted("sk-before-abc")), id="a record alone"),
        pytest.param("sk-plain-text", LastAppliedState(), id="plain text"),
    ],
)
def test_a_placeholder_proves_nothing(stored: Any, last_applied: LastAppliedState) -> None:
    have, want = {"key": stored}, {"key": KEY}
    assert key_ops(plan(want=want, have=have, last_applied=last_applied)) == [("key", "rotate")]
    planned = plan(
        want=want, have=have, last_applied=last_applied, values={KEY: Placeholder("made-up-value")}
    )
    assert planned.in_sync
    assert [(u.slug, u.path) for u in planned.unverified] == [("alpha", "key")]


def test_a_sent_placeholder_is_in_sync_until_another_client_writes() -> None:
    values = {KEY: Placeholder("made-up-value")}
    last_applied = remembered(value=values[KEY], mask=mask("ma*****lue"))
    same = plan(
        want={"key": KEY},
        have={"key": mask("ma*****lue")},
        last_applied=last_applied,
        values=values,
    )
    assert (same.in_sync, same.unverified) == (True, ())
    moved = plan(
        want={"key": KEY},
        have={"key": mask("zz*****zzz")},
        last_applied=last_applied,
        values=values,
    )
    assert [c.origin.value for a in moved.actions for c in a.changes] == ["remote"]

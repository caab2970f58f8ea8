"""A replace creates only from the file; it is blocked only by values that the new record lacks."""

from typing import Any

import pytest

from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.state import LastApplied, LastAppliedState
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.planning.planner import make_plan
from tests.builders import KEY, NOON, declared, desired, mask, observed, state

OLD = SecretRef("env", "SECRET_OLD")
VALUES = {KEY: Redacted("sk-new-value")}


def plan(want: dict[str, Any], have: dict[str, Any], **more: Any) -> Plan:
    return make_plan(
        desired=desired(declared(**want)),
        observed=state(observed(**have)),
        created_at=NOON,
        options=PlanOptions(allow_replace=True),
        **({"values": VALUES} | more),
    )


MODEL = {"slug": "m", "enabled": True, "is_custom": True}
HIDDEN = {"custom_headers": {"Authorization": mask()}}


@pytest.mark.parametrize(
    ("want", "have"),
    [
        # A secret of the old provider, known only as a mask.
        (
            {"key": KEY, "configurations": {"custom_headers": {"X-T": Redacted("v")}}},
            {"configurations": {"aws_secret_access_key": mask(), "aws_region": "eu"}},
        ),
        # A header that exists only in the API.
        ({"key": KEY, "configurations": {"openai_project": "p"}}, {"configurations": HIDDEN}),
        # A model whose headers are known only as masks.
        (
            {"key": KEY, "models": [MODEL | {"enabled": False}]},
            {"models": [MODEL | {"configurations": HIDDEN}]},
        ),
        # Another host, while the old record has a key and a secret that no file declares.
        (
            {"key": KEY, "configurations": {"huggingface_base_url": "https://h.example"}},
            {"key": mask(), "configurations": {"azure_entra_client_secret": mask()}},
        ),
        # The host of a model.
        (
            {"models": [MODEL | {"configurations": {"custom_host": "https://m.example"}}]}
            | {"key": None},
            {"key": mask(), "models": [MODEL]},
        ),
        # A mapped credential stands in for the key.
        (
            {"secret_mappings": [{"target_field": "key", "secret_reference_id": "prod"}]},
            {"key": mask(), "configurations": {"custom_host": "https://old.example"}},
        ),
    ],
)
def test_values_of_the_old_record_do_not_block_a_replace(
    want: dict[str, Any], have: dict[str, Any]
) -> None:
    planned = plan({"ai_provider_id": "anthropic"} | want, have)
    (action,) = planned.actions
    assert (action.kind.value, action.blocked_by) == ("replace", ())
    assert [d.code for d in planned.diagnostics if d.severity.value == "error"] == []


def test_a_change_of_the_workspace_is_a_replace_as_well() -> None:
    planned = plan(
        {
            "key": KEY,
            "workspace_id": "ws-b",
            "configurations": {"custom_host": "https://n.example"},
        },
        {"workspace_id": "ws-a", "key": mask(), "configurations": HIDDEN},
    )
    assert planned.actions[0].kind.value == "replace"
    assert planned.actions[0].blocked_by == ()


@pytest.mark.parametrize(
    "want",
    [
        {},
        {"description": "still without a key"},
        {"configurations": {"huggingface_base_url": "https://h.example"}},
        {"secret_mappings": []},
    ],
)
def test_a_replace_without_a_credential_is_blocked(want: dict[str, Any]) -> None:
    planned = plan({"ai_provider_id": "huggingface"} | want, {"key": mask()})
    assert planned.actions[0].blocked_by == ("missing-credential",)
    assert [d.code for d in planned.diagnostics] == ["missing-credential"]


@pytest.mark.parametrize(
    "want",
    [
        {"ai_provider_id": "ollama", "key": None},
        {"ai_provider_id": "azure-openai", "configurations": {"azure_auth_mode": "managed"}},
        {"ai_provider_id": "bedrock", "configurations": {"aws_auth_type": "assumedRole"}},
        {"ai_provider_id": "vertex-ai", "configurations": {"vertex_auth_type": "workload"}},
        {"ai_provider_id": "azure-ai", "configurations": {"is_key_required": False}},
    ],
)
def test_a_new_record_that_needs_no_key_is_accepted_without_one(want: dict[str, Any]) -> None:
    assert plan(want, {"key": mask()}).actions[0].blocked_by == ()


def test_a_replace_needs_the_configurations_that_a_create_needs() -> None:
    planned = plan({"ai_provider_id": "azure-openai", "key": KEY}, {"key": mask()})
    assert planned.actions[0].blocked_by == ("missing-configurations",)


def test_a_replace_names_every_value_that_its_create_lacks() -> None:
    planned = plan(
        {
            "ai_provider_id": "anthropic",
            "key": KEY,
            "configurations": {"custom_headers": {"A": OLD}},
        },
        {"key": mask()},
        values={},
        last_applied=LastAppliedState({"alpha": LastApplied({"key": KEY})}),
    )
    lacking = [d.summary for d in planned.diagnostics if d.code == "missing-value"]
    assert len(lacking) == 2
    assert "configurations.custom_headers.A would be sent" in lacking[0]
    assert "key would be sent" in lacking[1]


def test_no_value_is_reported_as_kept_in_a_replace() -> None:
    granted = [{"id": "ws-a", "enabled": True}]
    planned = plan(
        {"ai_provider_id": "anthropic", "key": ""},
        {"key": mask(), "workspaces": granted},
        last_applied=LastAppliedState({"alpha": LastApplied({"workspaces": granted})}),
    )
    assert {d.code for d in planned.diagnostics} & {"key-kept", "undeclared-access"} == set()


def create(**fields: Any) -> Plan:
    return make_plan(
        desired=desired(declared(**fields)), observed=state(), created_at=NOON, values=VALUES
    )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"ai_provider_id": "groq", "configurations": {"provider_auth_type": "apiKey"}},
        {"configurations": {"custom_headers": {"x-team": Redacted("search")}}},
        {"secret_mappings": [{"target_field": "configurations.openai_project"}]},
    ],
)
def test_a_create_without_a_required_credential_is_blocked(
    fields: dict[str, Any],
) -> None:
    planned = create(**fields)
    assert planned.actions[0].blocked_by == ("missing-credential",)
    assert [d.code for d in planned.diagnostics] == ["missing-credential"]


@pytest.mark.parametrize(
    "fields",
    [
        {"key": KEY},
        {"key": None},
        {"secret_mappings": [{"target_field": "key"}]},
        {"configurations": {"custom_headers": {"authorization": KEY}}},
        {"configurations": {"is_key_required": False}},
        {"configurations": {"new_credential": Redacted("x")}},
        {"ai_provider_id": "acme-ai"},
        {"ai_provider_id": "ollama"},
    ],
)
def test_a_create_with_a_credential_or_without_need_of_one_is_planned(
    fields: dict[str, Any],
) -> None:
    assert create(**fields).blocked == ()


def test_an_update_does_not_change_a_stored_credential() -> None:
    planned = plan({"description": "new"}, {"key": mask()})
    assert planned.blocked == ()

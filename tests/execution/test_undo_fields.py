"""Fields that restore an integration to its pre-image, and secrets that cannot be restored."""

from typing import Any

from reconciler.diagnostics import SourceLocation
from reconciler.domain.secrets import SecretRef
from reconciler.domain.state import Declared, LastApplied
from reconciler.domain.tree import Path, Tree
from reconciler.execution.undo_fields import (
    added_entries,
    fields_to_restore,
    lost_secrets,
    unknown_secrets,
)
from reconciler.ledger.models import PreImage
from reconciler.planning.actions import ActionKind
from reconciler.planning.planner import make_plan
from tests.builders import KEY, NOON, desired, mask, observed, state

OTHER = SecretRef("env", "OTHER_KEY")
SECRET = ("configurations", "azure_entra_client_secret")


def image(
    *changed: Path,
    kind: ActionKind = ActionKind.UPDATE,
    declared: Any = None,
    **fields: Any,
) -> PreImage:
    return PreImage(
        slug="alpha", kind=kind, observed=observed(**fields), declared=declared, changed=changed
    )


def models_of(picture: PreImage) -> Any:
    return fields_to_restore(picture, None)["models"]


def test_an_update_is_undone_field_by_field() -> None:
    picture = image(("description",), description="old", tags={"team": "a"})
    assert fields_to_restore(picture, None) == {"description": "old"}


def test_a_map_is_restored_member_by_member() -> None:
    picture = image(("tags", "team"), tags={"team": "a", "tier": "1"})
    assert fields_to_restore(picture, None) == {"tags": {"team": "a"}}


def test_a_list_in_a_map_is_restored_completely() -> None:
    deployments = [{"azure_deployment_name": "one", "alias": "a", "azure_api_version": "v1"}]
    stored = {"azure_deployment_config": deployments, "azure_resource_name": "r"}
    changed = ("configurations", "azure_deployment_config", "one", "alias")
    back = {"azure_deployment_config": deployments}
    assert fields_to_restore(image(changed, configurations=stored), None) == {
        "configurations": back
    }


def test_a_secret_among_the_changes_does_not_prevent_the_others() -> None:
    picture = image(("key",), ("description",), key=mask(), description="old")
    assert fields_to_restore(picture, None) == {"description": "old"}


def test_a_member_that_the_run_added_is_emptied() -> None:
    assert fields_to_restore(image(("tags", "tier"), tags={"team": "a"}), None) == {
        "tags": {"tier": None}
    }


def test_a_model_that_followed_allow_all_models_is_restored() -> None:
    picture = image(("models", "gpt-5", "enabled"), models=[], allow_all_models=False)
    assert fields_to_restore(picture, None)["models"] == [{"slug": "gpt-5", "enabled": False}]
    picture = image(("models", "gpt-5", "enabled"), models=[])
    assert fields_to_restore(picture, None)["models"] == [{"slug": "gpt-5", "enabled": True}]


def test_a_listed_or_added_model_does_not_follow_allow_all_models() -> None:
    listed = {"slug": "gpt-4o", "enabled": False}
    changed = (
        ("models", "gpt-4o", "enabled"),
        ("models", "ours", "enabled"),
        ("models", "ours", "is_custom"),
        ("models", "gpt-5", "enabled"),
        ("models", "gpt-4.1"),
        ("models",),
        ("tags", "team"),
    )
    implied = [{"slug": slug, "enabled": True} for slug in ("gpt-4.1", "gpt-5")]
    picture = image(*changed, models=[listed], allow_all_models=True, tags={"team": "a"})
    assert fields_to_restore(picture, None)["models"] == [listed, *implied]


def test_allow_all_models_alone_restores_no_model() -> None:
    picture = image(("allow_all_models",), allow_all_models=False, models=[])
    assert fields_to_restore(picture, None) == {"allow_all_models": False}


def test_a_field_that_is_not_written_needs_no_reference() -> None:
    declared: Tree = {"key": KEY, "configurations": {SECRET[1]: KEY}}
    assert fields_to_restore(
        image(("description",), declared=declared, description="old"), declared
    ) == {"description": "old"}


def test_a_replaced_reference_is_restored() -> None:
    then, now = {"key": KEY}, {"key": OTHER}
    picture = image(("key",), declared=then, key=mask())
    assert fields_to_restore(picture, now) == {"key": KEY}
    assert fields_to_restore(picture, None) == {"key": KEY}
    assert fields_to_restore(picture, then) == {}
    assert fields_to_restore(image(("name",), declared=then, key=mask()), now) == {"name": "Alpha"}


def test_the_current_credential_is_sent_when_a_host_is_restored() -> None:
    host = ("configurations", "custom_host")
    stored = {"custom_host": "https://old.example"}
    picture = image(host, declared={"key": KEY}, key=mask(), configurations=stored)
    assert fields_to_restore(picture, {"key": OTHER}) == {"configurations": stored, "key": OTHER}
    assert fields_to_restore(picture, None) == {"configurations": stored, "key": KEY}


def test_a_write_of_configurations_sends_no_reference_of_other_fields() -> None:
    declared: Tree = {"key": KEY, "configurations": {SECRET[1]: KEY}}
    stored = {"azure_auth_mode": "entra", SECRET[1]: mask()}
    picture = image(("configurations", "azure_auth_mode"), declared=declared, configurations=stored)
    assert "key" not in fields_to_restore(picture, declared)


def test_hidden_headers_are_restored_by_their_references() -> None:
    headers = {"x-team": mask(), "x-other": mask()}
    stored = {"azure_auth_mode": "entra", "custom_headers": headers}
    known = {"configurations": {"custom_headers": {"x-team": KEY}}}
    deleted = image(kind=ActionKind.DELETE, configurations=stored)
    assert fields_to_restore(deleted, None)["configurations"] == {"azure_auth_mode": "entra"}
    deleted = image(kind=ActionKind.DELETE, declared=known, configurations=stored)
    assert fields_to_restore(deleted, None)["configurations"] == {
        "azure_auth_mode": "entra",
        "custom_headers": {"x-team": KEY},
    }
    assert unknown_secrets(deleted) == [("configurations", "custom_headers", "x-other")]


def test_hidden_headers_of_a_model_are_restored_by_their_references() -> None:
    hidden = {"custom_host": "https://h.example", "custom_headers": {"x-team": mask()}}
    entry = {"slug": "ours", "enabled": True, "configurations": hidden}
    known = {"models": [{"slug": "ours", "configurations": {"custom_headers": {"x-team": KEY}}}]}
    bare = {"custom_host": "https://h.example"}
    (back,) = models_of(image(kind=ActionKind.REPLACE, models=[entry]))
    assert back["configurations"] == bare
    (back,) = models_of(image(kind=ActionKind.REPLACE, declared=known, models=[entry]))
    assert back["configurations"] == {**bare, "custom_headers": {"x-team": KEY}}


def test_a_mask_in_a_model_is_never_declared_so_it_blocks_no_other_model() -> None:
    custom = {"custom_host": "https://h.example", "api_key": mask()}
    ours = {"slug": "ours", "enabled": True, "is_custom": True, "configurations": custom}
    before = [{"slug": "gpt-5", "enabled": True}, ours]
    picture = image(("models", "gpt-5", "enabled"), models=before)
    assert models_of(picture)[1]["configurations"] == {"custom_host": "https://h.example"}
    switched_off = observed(models=[{"slug": "gpt-5", "enabled": False}, ours])
    want = desired(Declared("alpha", fields_to_restore(picture, None), SourceLocation("-")))
    plan = make_plan(desired=want, observed=state(switched_off), created_at=NOON)
    assert [(c.path, c.op.value) for a in plan.actions for c in a.changes] == [
        ("models[gpt-5].enabled", "replace")
    ]
    assert not plan.blocked


def test_a_map_or_a_field_that_the_run_added_is_emptied() -> None:
    changed = (("tags", "team"), ("description",))
    assert fields_to_restore(image(*changed), None) == {"tags": None, "description": None}
    assert fields_to_restore(image(("key",), declared={"key": KEY}), {"key": KEY}) == {}


def test_an_empty_secret_is_not_a_secret() -> None:
    assert unknown_secrets(image(kind=ActionKind.DELETE, key="")) == []


def test_a_reference_is_sent_with_the_write_that_needs_it() -> None:
    declared: Tree = {"configurations": {SECRET[1]: KEY}}
    stored = {SECRET[1]: mask(), "azure_auth_mode": "entra"}
    picture = image(("configurations", "azure_auth_mode"), declared=declared, configurations=stored)
    back = fields_to_restore(picture, declared)
    assert back == {"configurations": {"azure_auth_mode": "entra", SECRET[1]: KEY}}


def test_a_deleted_integration_is_restored_completely_with_recorded_references() -> None:
    picture = image(kind=ActionKind.DELETE, declared={"key": KEY}, key=mask(), description="old")
    back = {"name": "Alpha", "ai_provider_id": "openai", "description": "old", "key": KEY}
    assert fields_to_restore(picture, None) == back
    assert unknown_secrets(picture) == []


def test_a_secret_without_a_recorded_reference_is_omitted_and_named() -> None:
    picture = image(kind=ActionKind.DELETE, key=mask(), configurations={SECRET[1]: mask()})
    assert "key" not in fields_to_restore(picture, None)
    assert set(unknown_secrets(picture)) == {("key",), SECRET}


def test_a_value_rotated_under_the_same_reference_is_not_restored() -> None:
    picture = image(("key",), declared={"key": KEY}, key=mask())
    assert lost_secrets(picture, {"key": KEY}) == [("key",)]
    assert lost_secrets(picture, None) == [("key",)]
    assert lost_secrets(picture, {"key": OTHER}) == []
    assert lost_secrets(image(("key",), key=mask()), {"key": KEY}) == [("key",)]
    deleted = image(("key",), kind=ActionKind.DELETE, key=mask())
    assert lost_secrets(deleted, {"key": KEY}) == []


def test_an_added_entry_counts_as_declared_and_is_withdrawn() -> None:
    picture = image(("workspaces", "ws-b", "enabled"), workspaces=[{"id": "ws-a"}])
    now = added_entries(picture, LastApplied(declared={"name": "Alpha"}))
    assert now.declared == {"name": "Alpha", "workspaces": [{"id": "ws-b"}]}


def test_entries_of_several_lists_are_withdrawn_once_and_their_records_kept() -> None:
    deep = ("configurations", "azure_deployment_config", "one", "alias_name")
    picture = image(
        ("workspaces", "ws-d"),
        ("workspaces", "ws-d", "enabled"),
        ("workspaces", "ws-b", "enabled"),
        ("workspaces", "ws-b", "usage_limits", "credit_limit"),
        ("workspaces", "ws-c", "enabled"),
        ("models", "gpt-5", "enabled"),
        deep,
        workspaces=[{"id": "ws-a"}],
    )
    past = LastApplied(declared={"workspaces": [{"id": "ws-b", "enabled": True}]}, protected=True)
    now = added_entries(picture, past)
    assert now.protected
    assert now.declared == {
        "workspaces": [{"id": "ws-b", "enabled": True}, {"id": "ws-d"}, {"id": "ws-c"}],
        "models": [{"slug": "gpt-5"}],
        "configurations": {"azure_deployment_config": [{"azure_deployment_name": "one"}]},
    }


def test_an_entry_without_fields_is_withdrawn() -> None:
    picture = image(("workspaces", "ws-b"), workspaces=[])
    assert added_entries(picture, LastApplied()).declared == {"workspaces": [{"id": "ws-b"}]}


def test_without_added_entries_no_declaration_changes() -> None:
    past = LastApplied(declared={"name": "Alpha"})
    kept = image(("workspaces", "ws-a", "enabled"), workspaces=[{"id": "ws-a"}])
    assert added_entries(kept, past) is past


def test_a_new_integration_has_nothing_to_restore() -> None:
    created = PreImage(slug="alpha", kind=ActionKind.DELETE, observed=None)
    assert fields_to_restore(created, None) == {}
    assert unknown_secrets(created) == []
    past = LastApplied(declared={})
    assert added_entries(created, past) is past


def test_a_limit_of_a_removed_entry_is_not_restored() -> None:
    limit = ("workspaces", "ws-a", "usage_limits", "credit_limit")
    entries = [{"id": "ws-b", "enabled": True}]
    assert fields_to_restore(image(limit, workspaces=entries), None) == {"workspaces": entries}


def test_an_added_limit_is_removed() -> None:
    limit = ("workspaces", "ws-a", "usage_limits", "credit_limit")
    stored = {"id": "ws-a", "enabled": True, "usage_limits": [{"type": "cost"}]}
    back = fields_to_restore(image(limit, workspaces=[stored]), None)
    assert back["workspaces"] == [
        {**stored, "usage_limits": [{"type": "cost", "credit_limit": None}]}
    ]
    without = {"id": "ws-a", "enabled": True, "usage_limits": []}
    assert fields_to_restore(image(limit, workspaces=[without]), None)["workspaces"] == [without]

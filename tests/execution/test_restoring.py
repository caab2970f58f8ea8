"""Which fields bring an integration back to its picture, and which secrets cannot come along."""

from typing import Any

from reconciler.domain.memory import Remembered
from reconciler.domain.tree import Path, Tree
from reconciler.execution.restoring import added_entries, restored, unknown_secrets, unrestored
from reconciler.ledger.preimages import PreImage
from reconciler.planning.actions import ActionKind
from tests.builders import KEY, mask, observed

SECRET = ("configurations", "azure_entra_client_secret")


def image(
    *changed: Path,
    kind: ActionKind = ActionKind.UPDATE,
    declared: Tree | None = None,
    **fields: Any,
) -> PreImage:
    return PreImage(
        slug="alpha", kind=kind, observed=observed(**fields), declared=declared, changed=changed
    )


def test_an_update_is_undone_field_by_field_and_no_further() -> None:
    picture = image(("description",), description="old", tags={"team": "a"})
    assert restored(picture, None) == {"description": "old"}


def test_a_map_is_restored_member_by_member() -> None:
    picture = image(("tags", "team"), tags={"team": "a", "tier": "1"})
    assert restored(picture, None) == {"tags": {"team": "a"}}


def test_a_member_that_the_run_added_is_emptied() -> None:
    assert restored(image(("tags", "tier"), tags={"team": "a"}), None) == {"tags": {"tier": None}}


def test_a_model_that_followed_the_switch_is_named_as_it_was() -> None:
    picture = image(("models", "gpt-5", "enabled"), models=[], allow_all_models=False)
    assert restored(picture, None)["models"] == [{"slug": "gpt-5", "enabled": False}]
    picture = image(("models", "gpt-5", "enabled"), models=[])
    assert restored(picture, None)["models"] == [{"slug": "gpt-5", "enabled": True}]


def test_a_reference_goes_along_with_the_write_that_needs_it() -> None:
    declared = {"configurations": {SECRET[1]: KEY}}
    stored = {SECRET[1]: mask(), "azure_auth_mode": "entra"}
    picture = image(("configurations", "azure_auth_mode"), declared=declared, configurations=stored)
    back = restored(picture, declared)
    assert back == {"configurations": {"azure_auth_mode": "entra", SECRET[1]: KEY}}


def test_a_deleted_one_is_restored_whole_with_the_references_on_record() -> None:
    picture = image(kind=ActionKind.DELETE, declared={"key": KEY}, key=mask(), description="old")
    back = {"name": "Alpha", "ai_provider_id": "openai", "description": "old", "key": KEY}
    assert restored(picture, None) == back
    assert unknown_secrets(picture) == []


def test_a_secret_without_a_reference_on_record_is_left_out_and_named() -> None:
    picture = image(kind=ActionKind.DELETE, key=mask(), configurations={SECRET[1]: mask()})
    assert "key" not in restored(picture, None)
    assert set(unknown_secrets(picture)) == {("key",), SECRET}


def test_a_value_that_was_rotated_under_the_same_reference_does_not_come_back() -> None:
    picture = image(("key",), declared={"key": KEY}, key=mask())
    assert unrestored(picture, {"key": KEY}) == [("key",)]
    assert unrestored(image(("key",), key=mask()), {"key": KEY}) == [("key",)]
    deleted = image(("key",), kind=ActionKind.DELETE, key=mask())
    assert unrestored(deleted, {"key": KEY}) == []


def test_an_entry_that_the_run_added_counts_as_declared_so_that_it_is_withdrawn() -> None:
    picture = image(("workspaces", "ws-b", "enabled"), workspaces=[{"id": "ws-a"}])
    now = added_entries(picture, Remembered(declared={"name": "Alpha"}))
    assert now.declared == {"name": "Alpha", "workspaces": [{"id": "ws-b"}]}


def test_where_no_entry_was_added_nothing_more_counts_as_declared() -> None:
    past = Remembered(declared={"name": "Alpha"})
    kept = image(("workspaces", "ws-a", "enabled"), workspaces=[{"id": "ws-a"}])
    assert added_entries(kept, past) is past


def test_of_what_did_not_exist_there_is_nothing_to_restore() -> None:
    created = PreImage(slug="alpha", kind=ActionKind.DELETE, observed=None)
    assert restored(created, None) == {}
    assert unknown_secrets(created) == []
    past = Remembered(declared={})
    assert added_entries(created, past) is past


def test_a_limit_of_an_entry_that_is_gone_is_not_invented() -> None:
    limit = ("workspaces", "ws-a", "usage_limits", "credit_limit")
    entries = [{"id": "ws-b", "enabled": True}]
    assert restored(image(limit, workspaces=entries), None) == {"workspaces": entries}


def test_a_limit_that_the_run_added_is_taken_back() -> None:
    limit = ("workspaces", "ws-a", "usage_limits", "credit_limit")
    stored = {"id": "ws-a", "enabled": True, "usage_limits": [{"type": "cost"}]}
    back = restored(image(limit, workspaces=[stored]), None)
    assert back["workspaces"] == [
        {**stored, "usage_limits": [{"type": "cost", "credit_limit": None}]}
    ]
    without = {"id": "ws-a", "enabled": True, "usage_limits": []}
    assert restored(image(limit, workspaces=[without]), None)["workspaces"] == [without]

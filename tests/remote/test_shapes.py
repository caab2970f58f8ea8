"""An answer of a wrong shape is refused with the name of the field and what it should have been."""

from typing import Any

import pytest

from reconciler.domain.secrets import Mask
from reconciler.remote import translate, wire
from reconciler.remote.errors import NoAnswer
from tests.remote.builders import detail, row

EMPTY = translate.from_row(row())


def nested(levels: int) -> dict[str, Any]:
    """Give an object with as many objects in it, one within the other."""
    tree: dict[str, Any] = {}
    for _ in range(levels):
        tree = {"x": tree}
    return tree


DEEP = nested(33)
TOO_DEEP = "is not nested at most 32 deep"


def refused(read: Any, *args: Any, **named: Any) -> str:
    """Give what is said of a refusal, without the words that all have in common."""
    with pytest.raises(NoAnswer) as caught:
        read(*args, **named)
    error = caught.value
    assert error.code == "unexpected-shape"
    assert error.hint == "Check the target's base_url; if it is right, the API has changed."
    common = "the API answered in a form that is not understood: "
    assert error.summary.startswith(common)
    return error.summary.removeprefix(common)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"slug": "../admin"}, "slug is not a slug"),
        ({"name": None}, "name is not text"),
        ({"ai_provider_id": 5}, "ai_provider_id is not text"),
        ({"description": 5}, "description is not text or null"),
        ({"workspace_id": 5}, "workspace_id is not text or null"),
        ({"tags": DEEP}, f"tags {TOO_DEEP}"),
        ({"id": 5}, "id is not text or null"),
        ({"status": 1}, "status is not text or null"),
        ({"type": 1}, "type is not text or null"),
        ({"created_at": 1}, "created_at is not text or null"),
        ({"last_updated_at": 1}, "last_updated_at is not text or null"),
        ({"workspaces_count": -1}, "workspaces_count is not a count"),
        ({"workspaces_count": True}, "workspaces_count is not a count"),
        ({"workspaces_count": "2"}, "workspaces_count is not a count"),
    ],
)
def test_a_wrong_row_names_its_field(wrong: dict[str, Any], says: str) -> None:
    assert refused(translate.from_row, row() | wrong) == says


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"slug": None}, "slug is not a slug"),
        ({"id": 5}, "id is not text or null"),
        ({"slug": "other"}, "slug is not the one that was asked for"),
        ({"masked_key": 5}, "masked_key is not text or null"),
        ({"configurations": ["x"]}, "configurations is not an object"),
        ({"configurations": "[1]"}, "configurations is not an object"),
        ({"configurations": "{"}, "configurations is not an object"),
        ({"configurations": DEEP}, f"configurations {TOO_DEEP}"),
        ({"secret_mappings": {"key": "r"}}, "secret_mappings is not a list"),
        ({"secret_mappings": ["key"]}, "an entry of secret_mappings is not an object"),
        (
            {"secret_mappings": [{"secret_reference_id": "r"}]},
            "secret_mappings.target_field is not text",
        ),
        (
            {"secret_mappings": [{"target_field": "key"}]},
            "secret_mappings.secret_reference_id is not text",
        ),
        (
            {
                "secret_mappings": [
                    {"target_field": "key", "secret_reference_id": "r", "secret_key": DEEP}
                ]
            },
            f"secret_mappings.secret_key {TOO_DEEP}",
        ),
        ({"pricing_adjustments": 1}, "pricing_adjustments is not an object"),
        ({"pricing_adjustments": DEEP}, f"pricing_adjustments {TOO_DEEP}"),
        ({"allow_all_models": "yes"}, "allow_all_models is not a boolean"),
        ({"global_workspace_access": True}, "global_workspace_access is not an object"),
        ({"global_workspace_access": {}}, "global_workspace_access.enabled is not there"),
        (
            {"global_workspace_access": {"enabled": "maybe"}},
            "global_workspace_access.enabled is not a boolean",
        ),
        (
            {"global_workspace_access": {"enabled": True, "usage_limits": {}}},
            "global_workspace_access.usage_limits is not a list",
        ),
        (
            {"global_workspace_access": {"enabled": True, "rate_limits": {}}},
            "global_workspace_access.rate_limits is not a list",
        ),
    ],
)
def test_a_wrong_detail_names_its_field(wrong: dict[str, Any], says: str) -> None:
    assert refused(translate.from_detail, detail() | wrong, asked="a") == says


MODEL = {"slug": "m", "enabled": True}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({}, "models is not there"),
        ({"models": {}}, "models is not a list"),
        ({"models": [1]}, "an entry of models is not an object"),
        ({"models": [], "allow_all_models": 2}, "allow_all_models is not a boolean"),
        ({"models": [{"enabled": True}]}, "models.slug is not text"),
        ({"models": [{"slug": "m"}]}, "models.enabled is not there"),
        ({"models": [{"slug": "m", "enabled": "x"}]}, "models.enabled is not a boolean"),
        ({"models": [MODEL | {"is_custom": 7}]}, "models.is_custom is not a boolean"),
        ({"models": [MODEL | {"is_finetune": 7}]}, "models.is_finetune is not a boolean"),
        (
            {"models": [MODEL | {"base_model_slug": 7}]},
            "models.base_model_slug is not text or null",
        ),
        ({"models": [MODEL | {"pricing_config": 7}]}, "models.pricing_config is not an object"),
        ({"models": [MODEL | {"pricing_config": DEEP}]}, f"models.pricing_config {TOO_DEEP}"),
        ({"models": [MODEL | {"configurations": 7}]}, "models.configurations is not an object"),
        ({"models": [MODEL | {"configurations": DEEP}]}, f"models.configurations {TOO_DEEP}"),
    ],
)
def test_wrong_models_name_their_field(answer: dict[str, Any], says: str) -> None:
    assert refused(translate.with_models, EMPTY, answer) == says


GRANT = {"id": "w", "enabled": True}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({}, "workspaces is not there"),
        ({"workspaces": "x"}, "workspaces is not a list"),
        ({"data": "x"}, "data is not a list"),
        ({"workspaces": [{"enabled": True}]}, "workspaces.id is not text"),
        ({"workspaces": [{"id": "w"}]}, "workspaces.enabled is not there"),
        ({"workspaces": [{"id": "w", "enabled": 5}]}, "workspaces.enabled is not a boolean"),
        ({"workspaces": [GRANT | {"usage_limits": {}}]}, "workspaces.usage_limits is not a list"),
        ({"workspaces": [GRANT | {"rate_limits": {}}]}, "workspaces.rate_limits is not a list"),
        (
            {"workspaces": [GRANT | {"usage_limits": [{"type": DEEP}]}]},
            f"workspaces.usage_limits.type {TOO_DEEP}",
        ),
        (
            {"workspaces": [GRANT | {"rate_limits": [{"unit": DEEP}]}]},
            f"workspaces.rate_limits.unit {TOO_DEEP}",
        ),
        (
            {"workspaces": [], "global_workspace_access": 1},
            "global_workspace_access is not an object",
        ),
    ],
)
def test_wrong_workspaces_name_their_field(answer: dict[str, Any], says: str) -> None:
    assert refused(translate.with_workspaces, EMPTY, answer) == says


def test_nesting_is_counted_through_objects_and_lists_alike() -> None:
    lists: Any = []
    for _ in range(31):
        lists = [lists]
    assert wire.shallow(nested(31), "x") == nested(31)
    assert wire.shallow(lists, "x") == lists
    assert refused(wire.shallow, nested(32), "x") == f"x {TOO_DEEP}"
    assert refused(wire.shallow, [lists], "x") == f"x {TOO_DEEP}"


@pytest.mark.parametrize("value", [1, "1", "true", "True", True])
def test_what_means_yes_is_true(value: Any) -> None:
    assert wire.flag(value, "x") is True


@pytest.mark.parametrize("value", [2, "", "yes", 1.5, [], {}])
def test_what_means_neither_yes_nor_no_is_refused(value: Any) -> None:
    assert refused(wire.flag, value, "x") == "x is not a boolean"


def test_a_count_may_be_nothing_or_null_and_comes_under_two_names() -> None:
    assert [wire.count(value, "x") for value in (None, 0, 7)] == [None, 0, 7]
    older = row()
    del older["workspaces_count"]
    assert translate.from_row(older | {"workspace_count": 4}).workspace_count == 4


def test_an_object_as_text_may_hold_half_a_character_only_to_be_refused() -> None:
    assert refused(wire.object_or_json, '{"a": "\ud800"}', "x") == "x is not an object"


def test_a_status_is_active_unless_it_is_named() -> None:
    assert translate.from_row(row(status="archived", last_updated_at="2026")).status == "archived"
    assert translate.from_row(row(status=None)).status == "active"
    assert translate.from_row(row(last_updated_at="2026")).last_updated_at == "2026"


def test_of_a_mapping_only_what_a_file_can_declare_is_kept() -> None:
    entry = {
        "target_field": "key",
        "secret_reference_id": "r",
        "secret_key": "k",
        "value_format": "json",
        "created_at": "2026",
    }
    fields = translate.from_detail(detail(secret_mappings=[entry]), asked="a").fields
    del entry["created_at"]
    assert fields["secret_mappings"] == [entry]


def test_of_limits_all_that_a_file_can_declare_is_kept() -> None:
    usage = {
        "type": "tokens",
        "credit_limit": 5,
        "alert_threshold": 4,
        "periodic_reset": "weekly",
        "periodic_reset_days": 3,
        "next_usage_reset_at": "2026",
    }
    rate = {"type": "tokens", "unit": "rph", "value": 0}
    access = {"enabled": 0, "usage_limits": [usage], "rate_limits": [rate]}
    answer = {"workspaces": [], "global_workspace_access_settings": access}
    fields = translate.with_workspaces(EMPTY, answer).fields
    assert fields["global_workspace_access"] == access | {"enabled": False}


def test_the_setting_for_new_workspaces_is_read_from_the_name_that_holds_it() -> None:
    answer = {
        "workspaces": None,
        "global_workspace_access": None,
        "global_workspace_access_settings": {"enabled": True},
    }
    fields = translate.with_workspaces(EMPTY, answer).fields
    assert fields["global_workspace_access"] == {"enabled": True}
    assert "global_workspace_access" not in translate.with_workspaces(EMPTY, {"data": []}).fields


def test_a_model_has_a_flag_only_where_the_answer_has_it() -> None:
    answer = {"models": [MODEL | {"is_custom": None, "is_finetune": 1, "configurations": "{}"}]}
    fields = translate.with_models(EMPTY, answer).fields
    assert fields["models"] == [MODEL | {"is_finetune": True}]
    assert "allow_all_models" not in fields


@pytest.mark.parametrize(
    ("shown", "kept"),
    [
        ("twelve-chars", "…"),
        ("thirteen-char", "th…ar"),
        ("a·b", "a·b"),
        ("a●b", "a●b"),
        ("a•b", "a•b"),
        ("a..b", "…"),
        ("xxx", "…"),
        ("xxxx", "xxxx"),
    ],
)
def test_a_mask_keeps_at_most_its_ends_unless_it_hides_something(shown: str, kept: str) -> None:
    fields = translate.from_detail(detail(masked_key=shown), asked="a").fields
    assert fields["key"] == Mask(kept)


def test_a_masked_field_that_is_no_text_shows_nothing_of_it() -> None:
    masked = {"masked_token": ["canary"], "masked_other": "", "masked_none": None}
    fields = translate.from_detail(detail(configurations=masked), asked="a").fields
    assert fields["configurations"] == {"token": Mask("…")}


def test_the_detail_is_newer_than_the_row_but_lacks_some_of_its_facts() -> None:
    listed = translate.from_row(row(workspaces_count=3, type="workspace", name="old"))
    bare = detail(name="new")
    del bare["type"]
    joined = translate.detail_over_row(listed, translate.from_detail(bare, asked="a"))
    assert (joined.kind, joined.workspace_count) == ("workspace", 3)
    assert (joined.fields["name"], joined.detailed) == ("new", True)
    counted = translate.from_detail(detail(workspaces_count=0, type="organisation"), asked="a")
    joined = translate.detail_over_row(listed, counted)
    assert (joined.kind, joined.workspace_count) == ("organisation", 0)


def test_the_answer_to_another_name_keeps_the_slug_by_which_it_is_listed() -> None:
    listed = translate.from_row(row("a"))
    read = translate.from_detail(detail("a"), asked="id-a")
    assert translate.detail_over_row(listed, read).slug == "a"

"""A value of the wrong type is refused with the field and the expected type."""

from typing import Any

import pytest

from reconciler.remote import decode, decode_values
from reconciler.remote.errors import NoAnswer
from tests.remote.builders import detail, row

EMPTY = decode.from_row(row())


def nested(levels: int) -> dict[str, Any]:
    """Return an object with this number of nested objects."""
    tree: dict[str, Any] = {}
    for _ in range(levels):
        tree = {"x": tree}
    return tree


DEEP = nested(33)
TOO_DEEP = "is not nested at most 32 deep"


def refused(read: Any, *args: Any, **named: Any) -> str:
    """Return the message of a refusal, without the common prefix and suffix."""
    with pytest.raises(NoAnswer) as caught:
        read(*args, **named)
    error = caught.value
    assert error.code == "unexpected-shape"
    assert error.hint == "check the target's base_url; if it is right, the API has changed"
    common = "the API returned an unexpected response: "
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
def test_an_invalid_row_is_refused_with_its_field(wrong: dict[str, Any], says: str) -> None:
    assert refused(decode.from_row, row() | wrong) == says


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"slug": None}, "slug is not a slug"),
        ({"id": 5}, "id is not text or null"),
        ({"slug": "other"}, "slug is not the requested one"),
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
def test_an_invalid_detail_is_refused_with_its_field(wrong: dict[str, Any], says: str) -> None:
    assert refused(decode.from_detail, detail() | wrong, asked="a") == says


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
def test_invalid_models_are_refused_with_their_field(answer: dict[str, Any], says: str) -> None:
    assert refused(decode.with_models, EMPTY, answer) == says


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
def test_invalid_workspaces_are_refused_with_their_field(answer: dict[str, Any], says: str) -> None:
    assert refused(decode.with_workspaces, EMPTY, answer) == says


def test_nesting_is_counted_in_objects_and_lists() -> None:
    lists: Any = []
    for _ in range(31):
        lists = [lists]
    assert decode_values.shallow(nested(31), "x") == nested(31)
    assert decode_values.shallow(lists, "x") == lists
    assert refused(decode_values.shallow, nested(32), "x") == f"x {TOO_DEEP}"
    assert refused(decode_values.shallow, [lists], "x") == f"x {TOO_DEEP}"


@pytest.mark.parametrize("value", [1, "1", "true", "True", True])
def test_every_form_of_true_is_true(value: Any) -> None:
    assert decode_values.flag(value, "x") is True


@pytest.mark.parametrize("value", [2, "", "yes", 1.5, [], {}])
def test_a_value_that_is_neither_true_nor_false_is_refused(value: Any) -> None:
    assert refused(decode_values.flag, value, "x") == "x is not a boolean"


def test_a_count_can_be_absent_or_null_and_has_two_names() -> None:
    assert [decode_values.count(value, "x") for value in (None, 0, 7)] == [None, 0, 7]
    older = row()
    del older["workspaces_count"]
    assert decode.from_row(older | {"workspace_count": 4}).workspace_count == 4


def test_an_object_as_text_can_contain_a_lone_surrogate() -> None:
    assert decode_values.object_or_json('{"a": "\\ud800"}', "x") == {"a": "\ud800"}
    assert decode_values.object_or_json('{"a": "\ud800"}', "x") == {"a": "\ud800"}

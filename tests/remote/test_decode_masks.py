"""Values of a detail and its sub-resources that are kept, and how masks are shown."""

from typing import Any

import pytest

from reconciler.domain.secrets import Mask
from reconciler.remote import decode
from reconciler.remote.wire_secrets import encode_body
from tests.remote.builders import detail, row

EMPTY = decode.from_row(row())
MODEL = {"slug": "m", "enabled": True}


def test_a_status_is_active_by_default() -> None:
    assert decode.from_row(row(status="archived", last_updated_at="2026")).status == "archived"
    assert decode.from_row(row(status=None)).status == "active"
    assert decode.from_row(row(last_updated_at="2026")).last_updated_at == "2026"


def test_only_declarable_fields_of_a_mapping_are_kept() -> None:
    entry = {
        "target_field": "key",
        "secret_reference_id": "r",
        "secret_key": "k",
        "value_format": "json",
        "created_at": "2026",
    }
    fields = decode.from_detail(detail(secret_mappings=[entry]), asked="a").fields
    del entry["created_at"]
    assert fields["secret_mappings"] == [entry]


def test_all_declarable_fields_of_limits_are_kept() -> None:
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
    fields = decode.with_workspaces(EMPTY, answer).fields
    assert fields["global_workspace_access"] == access | {"enabled": False}


def test_the_setting_for_new_workspaces_is_read_from_either_name() -> None:
    answer = {
        "workspaces": None,
        "global_workspace_access": None,
        "global_workspace_access_settings": {"enabled": True},
    }
    fields = decode.with_workspaces(EMPTY, answer).fields
    assert fields["global_workspace_access"] == {"enabled": True}
    assert "global_workspace_access" not in decode.with_workspaces(EMPTY, {"data": []}).fields


def test_a_model_has_a_flag_only_if_the_response_has_it() -> None:
    answer = {"models": [MODEL | {"is_custom": None, "is_finetune": 1, "configurations": "{}"}]}
    fields = decode.with_models(EMPTY, answer).fields
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
    fields = decode.from_detail(detail(masked_key=shown), asked="a").fields
    assert fields["key"] == Mask(kept)


def test_a_masked_field_that_is_not_text_is_hidden() -> None:
    masked = {"masked_token": ["canary"], "masked_other": "", "masked_none": None}
    fields = decode.from_detail(detail(configurations=masked), asked="a").fields
    assert fields["configurations"] == {"token": Mask("…")}


def test_the_detail_is_newer_than_the_row_but_lacks_some_of_its_facts() -> None:
    listed = decode.from_row(row(workspaces_count=3, type="workspace", name="old"))
    bare = detail(name="new")
    del bare["type"]
    joined = decode.detail_over_row(listed, decode.from_detail(bare, asked="a"))
    assert (joined.kind, joined.workspace_count) == ("workspace", 3)
    assert (joined.fields["name"], joined.detailed) == ("new", True)
    counted = decode.from_detail(detail(workspaces_count=0, type="organisation"), asked="a")
    joined = decode.detail_over_row(listed, counted)
    assert (joined.kind, joined.workspace_count) == ("organisation", 0)


def test_an_integration_keeps_the_slug_by_which_it_is_listed() -> None:
    listed = decode.from_row(row("listed"))
    read = decode.from_detail(detail("a"), asked="id-a")
    assert decode.detail_over_row(listed, read).slug == "listed"


@pytest.mark.parametrize(
    ("value", "hidden"),
    [
        ("plain-canary", "plain-canary"),
        ({"b": "canary", "a": 1}, '{"a":1,"b":"canary"}'),
        (["canary"], '["canary"]'),
        (5, "5"),
        (False, "false"),
    ],
)
def test_a_secret_in_clear_text_is_kept_but_cannot_be_shown(value: Any, hidden: str) -> None:
    record = detail(
        masked_key=None,
        key=value,
        ai_provider_id="azure-openai",
        configurations={"azure_entra_client_secret": value, "custom_headers": {"x": value}},
    )
    fields: Any = decode.from_detail(record, asked="a").fields
    places = [
        fields["key"],
        fields["configurations"]["azure_entra_client_secret"],
        fields["configurations"]["custom_headers"]["x"],
    ]
    assert "canary" not in repr(places)
    assert [place.reveal() for place in places] == [hidden] * 3


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_absent_secret_is_not_a_field(nothing: Any) -> None:
    configurations = {
        "api_token": nothing,
        "custom_headers": {"x": nothing, "y": "ab***yz"},
        "openai_project": "p",
        "masked_token": {"a": nothing, "b": "ab***yz"},
    }
    record = detail(masked_key=nothing, key=nothing, configurations=configurations)
    fields: Any = decode.from_detail(record, asked="a").fields
    assert "key" not in fields
    assert fields["configurations"] == {
        "custom_headers": {"x": None, "y": Mask("ab***yz")},
        "openai_project": "p",
        "token": {"a": None, "b": Mask("ab***yz")},
    }


def test_secrets_in_the_settings_of_a_model_are_treated_as_at_the_top_level() -> None:
    configurations = {"custom_host": "h", "masked_api_key": "ab***yz", "list": ["x", {"y": 1}]}
    answer = {"models": [MODEL | {"configurations": configurations}]}
    fields: Any = decode.with_models(EMPTY, answer).fields
    shown = fields["models"][0]["configurations"]
    assert (shown["custom_host"], shown["api_key"]) == ("h", Mask("ab***yz"))
    assert shown["list"].as_value() == ["x", {"y": 1}]


@pytest.mark.parametrize("value", ["canary", 5, True, ["canary"], {"a": {"b": ["canary"]}}])
@pytest.mark.parametrize("provider", ["openai", "brand-new"])
def test_an_unknown_field_is_kept_and_cannot_be_shown(provider: str, value: Any) -> None:
    record = detail(ai_provider_id=provider, configurations={"region_hint": value})
    fields: Any = decode.from_detail(record, asked="a").fields
    assert "canary" not in repr(fields)
    assert encode_body({"configurations": fields["configurations"]}) == encode_body(
        {"configurations": {"region_hint": value}}
    )


def test_a_field_in_known_fields_is_shown() -> None:
    record = detail(
        ai_provider_id="brand-new", configurations={"region_hint": {"zone": "eu", "jwt": "canary"}}
    )
    known_fields = {"brand-new": ("region_hint",)}
    fields: Any = decode.from_detail(record, asked="a", known_fields=known_fields).fields
    assert fields["configurations"]["region_hint"]["zone"] == "eu"
    assert "canary" not in repr(fields)

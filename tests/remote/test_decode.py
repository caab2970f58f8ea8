"""Documented and observed shapes are decoded to the same trees; other shapes are errors."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.secrets import Mask, Redacted
from reconciler.domain.tree import digest, plain
from reconciler.remote import decode
from reconciler.remote.errors import NoAnswer, RemoteError
from tests.remote.builders import detail, row


def fields_of(**record: Any) -> dict[str, Any]:
    return dict(decode.from_detail(detail(**record), asked="a").fields)


def test_a_row_has_the_values_of_the_list() -> None:
    observed = decode.from_row(
        row("a", tags={"team": "x"}, workspace_id="ws-1", type="workspace", workspaces_count=2)
    )
    assert plain(observed.fields) == {
        "name": "Name a",
        "ai_provider_id": "openai",
        "tags": {"team": "x"},
        "workspace_id": "ws-1",
    }
    assert (observed.id, observed.kind, observed.workspace_count) == ("id-a", "workspace", 2)
    assert (observed.status, observed.detailed) == ("active", False)
    assert observed.created_at == "2026-05-02T12:31:48.000Z"


def test_the_documented_row_without_its_newer_fields_is_enough() -> None:
    observed = decode.from_row({"slug": "a", "name": "A", "ai_provider_id": "openai"})
    assert (observed.id, observed.kind, observed.status) == (None, None, "active")


@pytest.mark.parametrize("slug", ["../admin", "a\n", "", "a/b", "x" * 256, None, 5])
def test_a_row_with_a_slug_that_is_invalid_in_a_url_is_refused(slug: Any) -> None:
    with pytest.raises(NoAnswer):
        decode.from_row(row() | {"slug": slug})


def test_a_detail_has_all_values() -> None:
    observed = decode.from_detail(
        detail(
            description="d",
            masked_key="sk*****xyz",
            configurations={"openai_project": "p"},
            secret_mappings=[
                {"target_field": "key", "secret_reference_id": "r", "secret_key": None, "id": "x"}
            ],
            pricing_adjustments={"multiplier": {"default": 0.8}},
            global_workspace_access={"enabled": False},
            allow_all_models=False,
        ),
        asked="a",
    )
    assert observed.detailed
    assert observed.fields == {
        "name": "Name a",
        "ai_provider_id": "openai",
        "description": "d",
        "key": Mask("sk*****xyz"),
        "configurations": {"openai_project": "p"},
        "secret_mappings": [{"target_field": "key", "secret_reference_id": "r"}],
        "pricing_adjustments": {"multiplier": {"default": 0.8}},
        "global_workspace_access": {"enabled": False},
        "allow_all_models": False,
    }


@pytest.mark.parametrize("mask", [None, ""])
def test_without_a_stored_key_there_is_no_key(mask: str | None) -> None:
    assert "key" not in fields_of(masked_key=mask)


@pytest.mark.parametrize("name", ["global_workspace_access", "global_workspace_access_settings"])
def test_both_names_of_the_global_access_are_read(name: str) -> None:
    record = detail()
    del record["global_workspace_access"]
    record[name] = {"enabled": "true", "usage_limits": None, "rate_limits": []}
    observed = decode.from_detail(record, asked="a")
    assert observed.fields["global_workspace_access"] == {"enabled": True}


def test_configurations_can_be_json_text() -> None:
    assert fields_of(configurations='{"openai_project": "p"}')["configurations"] == {
        "openai_project": "p"
    }
    assert "configurations" not in fields_of(configurations="")
    assert "configurations" not in fields_of(configurations=None)


def test_masked_fields_are_decoded_under_their_own_names() -> None:
    configurations = fields_of(
        ai_provider_id="de7d7d50-31cd-11ee-b93b-0e06f1aa7f7c",  # has all fields
        configurations={
            "aws_region": "eu",
            "masked_aws_secret_access_key": "ab*****yz",
            "masked_custom_headers": {"Authorization": "Be*****xyz"},
            "masked_vertex_service_account_json": {"type": "se*****unt"},
            "masked_azure_entra_client_secret": None,
        },
    )["configurations"]
    assert configurations == {
        "aws_region": "eu",
        "aws_secret_access_key": Mask("ab*****yz"),
        "custom_headers": {"Authorization": Mask("Be*****xyz")},
        "vertex_service_account_json": Mask(f"object {digest({'type': 'se*****unt'})}"),
    }


@pytest.mark.parametrize("order", [1, -1])
def test_a_mask_takes_precedence_over_a_plain_value_of_the_same_field(order: int) -> None:
    pairs = [("aws_access_key_id", "AKIA"), ("masked_aws_access_key_id", "AK*****IA")]
    configurations = fields_of(configurations=dict(pairs[::order]))["configurations"]
    assert configurations == {"aws_access_key_id": Mask("AK*****IA")}


def test_an_unmasked_secret_is_hidden() -> None:
    fields = fields_of(
        masked_key=None,
        key="sk-plain-canary",
        configurations={
            "aws_access_key_id": "AKIA-canary",
            "aws_external_id": "ex*****nal",
            "aws_secret_access_key": "canary",
            "vertex_service_account_json": {"private_key": "canary"},
            "custom_headers": {"x-team": "canary", "x-none": None},
            "nested": {
                "custom_headers": '{"x": "canary"}',
                "list": [{"aws_external_id": "canary"}],
            },
        },
    )
    assert "canary" not in repr(fields) + json.dumps(plain(fields))
    configurations = fields["configurations"]
    assert isinstance(configurations["aws_access_key_id"], Redacted)
    assert configurations["aws_access_key_id"].reveal() == "AKIA-canary"
    assert configurations["aws_external_id"] == Mask("ex*****nal")
    assert isinstance(fields["key"], Redacted)


@pytest.mark.parametrize(
    ("shown", "kept"),
    [
        ("sk*****abc", "sk*****abc"),
        ("sk-...abc", "sk-...abc"),
        ("sk…abc", "sk…abc"),
        ("XXXXXXXXabc", "XXXXXXXXabc"),
        ("sk-plain-canary-0a1b", "sk…1b"),
        ("canary", "…"),
    ],
)
def test_a_mask_without_hidden_characters_is_not_shown(shown: str, kept: str) -> None:
    fields = fields_of(masked_key=shown, configurations={"masked_custom_headers": {"x": shown}})
    assert fields["key"] == Mask(kept)
    assert fields["configurations"] == {"custom_headers": {"x": Mask(kept)}}


def test_server_added_configuration_fields_are_kept() -> None:
    assert fields_of(configurations={"provider_auth_type": "apiKey"})["configurations"] == {
        "provider_auth_type": "apiKey"
    }


DEEP: Any = {}
for _ in range(40):
    DEEP = {"x": DEEP}


@pytest.mark.parametrize(
    "wrong",
    [
        {"slug": "../admin"},
        {"slug": "a\n"},
        {"slug": None},
        {"slug": 5},
        {"slug": "other"},
        {"name": None},
        {"name": ["x"]},
        {"ai_provider_id": 5},
        {"description": 5},
        {"status": 1},
        {"configurations": ["x"]},
        {"configurations": "[1]"},
        {"configurations": "{"},
        {"configurations": DEEP},
        {"tags": DEEP},
        {"secret_mappings": {"key": "r"}},
        {"secret_mappings": ["key"]},
        {"secret_mappings": [{"target_field": "key"}]},
        {"pricing_adjustments": 1},
        {"allow_all_models": "yes"},
        {"allow_all_models": 2},
        {"global_workspace_access": True},
        {"global_workspace_access": {"enabled": None}},
        {"masked_key": 5},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_wrong_shape_is_an_error_and_never_dropped(wrong: dict[str, Any]) -> None:
    with pytest.raises(NoAnswer) as caught:
        decode.from_detail(detail() | wrong, asked="a")
    assert caught.value.code == "unexpected-shape"


def test_a_record_can_be_requested_by_its_uuid_or_returned_with_it() -> None:
    assert decode.from_detail(detail("a"), asked="id-a").slug == "a"
    assert decode.from_detail(detail("a", id="u1") | {"slug": "u1"}, asked="a").slug == "a"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(sorted(detail())), JSON))
def test_any_record_is_decoded_or_refused(wrong: dict[str, Any]) -> None:
    try:
        observed = decode.from_detail(detail() | wrong, asked="a")
    except RemoteError as error:
        code = error.code
    else:
        code = "unexpected-shape" if observed.slug not in {"a", observed.id} else ""
    assert code in {"", "unexpected-shape"}


EMPTY: list[Any] = [None, "", [], {}]


@pytest.mark.parametrize("nothing", EMPTY, ids=repr)
@pytest.mark.parametrize(
    "name", ["description", "configurations", "secret_mappings", "pricing_adjustments", "tags"]
)
def test_a_field_that_is_empty_in_any_form_is_absent(name: str, nothing: Any) -> None:
    observed = decode.from_detail(detail(**{name: nothing}), asked="a")
    assert not observed.fields.get(name)


@pytest.mark.parametrize("value", ["False", "FALSE", "false", 0, "0", False])
def test_a_boolean_is_read_in_any_of_its_forms(value: Any) -> None:
    assert (
        decode.from_detail(detail(allow_all_models=value), asked="a").fields["allow_all_models"]
        is False
    )

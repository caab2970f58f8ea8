"""Exported documents can be loaded, for any response of the API."""

from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.desired.export import export_integration, grants_no_access, write_loadable
from reconciler.desired.fmt import format_file
from reconciler.desired.references import SecretNames, template_problem
from reconciler.desired.yaml_reader import read_yaml
from reconciler.desired.yaml_writer import document, flow
from reconciler.domain.secrets import Mask, Redacted, SecretRef
from tests.builders import observed
from tests.desired.building import TODAY, declared

HOSTILE = [
    "no",
    "Yes",
    "null",
    "~",
    "0123",
    "1e3",
    "2024-01-02",
    "=",
    "<<",
    "- a",
    "a: b",
    "a:",
    "a #b",
    "#a",
    "'",
    '"',
    "\\",
    "{a}",
    "[a]",
    "a, b",
    "*a",
    "&a",
    "!a",
    "%a",
    "@a",
    "`a",
    "|",
    ">",
    "? a",
    "---",
    "...",
    " a",
    "a ",
    "a\n",
    "a\r\nb",
    "\t",
    "\x00",
    "\x1b[31m",
    "\x85",
    "\u2028",
    "\u202e",
    "\ufeff",
    "\U0001f600",
    "${{ x }}",
    "::error::x",
    "é\u0301",
]
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
    st.sampled_from(HOSTILE),
    st.lists(st.sampled_from(HOSTILE), min_size=2, max_size=3).map("".join),
)
TEXTS = TEXTS.filter(lambda text: "${" not in text)


@given(TEXTS, TEXTS)
def test_any_text_is_loaded_as_the_same_text(name: str, value: str) -> None:
    tree = {"slug": "a", "name": "A", "ai_provider_id": "openai", "description": value}
    loaded = declared(document(tree | {"tags": {name: value}}))
    assert loaded.fields["description"] == value
    assert loaded.fields["tags"] == {name: value}


@given(TEXTS, TEXTS)
@example("a", "a: b")
def test_any_text_in_brackets_is_loaded_as_the_same_text(name: str, value: str) -> None:
    reading = read_yaml(f"x: {flow({name: [value, value]})}\n".encode())
    assert reading.faults == []
    assert reading.documents[0].value == {"x": {name: [value, value]}}


@given(st.dictionaries(TEXTS, st.one_of(TEXTS, st.booleans(), st.integers(), st.none())))
def test_other_yaml_parsers_read_the_same_values(tree: dict[str, Any]) -> None:
    text = document({"x": tree})
    # The scanner of PyYAML refuses some escaped characters that libyaml accepts.
    assert yaml.load(text, Loader=yaml.CSafeLoader) == {"x": tree}


@given(st.dictionaries(st.sampled_from(["team", "x y", "-"]), TEXTS, min_size=1))
def test_exported_files_are_in_canonical_form(tags: dict[str, str]) -> None:
    tree = {"slug": "a", "tags": tags, "models": [{"slug": "x", "enabled": True}]}
    data = document(tree).encode()
    assert format_file(data, path="integrations/a.yaml") == data


def test_a_lone_surrogate_is_left_out_and_named() -> None:
    tree = {"slug": "a", "name": "A", "ai_provider_id": "openai", "description": "\ud800"}
    written = write_loadable(tree, today=TODAY)
    assert written is not None
    assert written.left_out == (("description",),)
    assert "description" not in written.text


def test_only_the_innermost_invalid_value_is_left_out() -> None:
    limit = {"type": "cost", "credit_limit": 0.5}
    tree = {
        "slug": "a",
        "name": "A",
        "ai_provider_id": "openai",
        "tags": {"a": "x", "b": 1.5, "c": ["list"]},
        "workspaces": [{"id": "w", "enabled": True, "usage_limits": [limit]}],
    }
    written = write_loadable(tree, today=TODAY)
    assert written is not None
    assert set(written.left_out) == {
        ("tags", "b"),
        ("tags", "c"),
        ("workspaces", 0, "usage_limits", 0, "credit_limit"),
    }
    assert declared(written.text).fields["workspaces"][0]["usage_limits"] == [{"type": "cost"}]


def test_a_number_that_yaml_cannot_represent_is_left_out() -> None:
    tree = {"slug": "a", "name": "A", "ai_provider_id": "openai", "configurations": {"x": 10**25}}
    written = write_loadable(tree, today=TODAY)
    assert written is not None
    assert written.left_out == (("configurations", "x"),)


def test_configurations_without_a_required_field_are_left_out() -> None:
    tree = {
        "slug": "a",
        "name": "A",
        "ai_provider_id": "vertex-ai",
        "configurations": {"vertex_auth_type": "serviceAccount", "vertex_region": "r"},
    }
    written = write_loadable(tree, today=TODAY)
    assert written is not None
    assert written.left_out == (("configurations",),)


@pytest.mark.parametrize("field", ["name", "ai_provider_id"])
def test_nothing_is_written_if_a_required_field_is_invalid(field: str) -> None:
    tree = {"slug": "a", "name": "A", "ai_provider_id": "openai", field: "\ud800"}
    assert write_loadable(tree, today=TODAY) is None


def write(**fields: Any) -> dict[str, Any]:
    """Export an OpenAI integration, and return it without the required fields."""
    tree = export_integration(observed(**fields), SecretNames("alpha"))
    return {k: v for k, v in tree.items() if k not in {"slug", "name", "ai_provider_id"}}


@pytest.mark.parametrize(
    "fields",
    [
        {"description": "", "tags": {}, "configurations": {}},
        {"allow_all_models": True, "models": []},
        {"global_workspace_access": {"enabled": False, "usage_limits": [{"type": "cost"}]}},
        {"workspaces": [{"id": "w", "enabled": False}]},
        {"secret_mappings": []},
        {"pricing_adjustments": {"multiplier": {"default": None}}},
    ],
)
def test_values_without_effect_are_left_out(fields: dict[str, Any]) -> None:
    assert write(**fields) == {}


def test_a_disabled_model_is_left_out_if_all_are_disabled_by_default() -> None:
    off = [{"slug": "x", "enabled": False}]
    assert write(allow_all_models=False, models=off) == {"allow_all_models": False}


def test_entries_omit_defaults_and_are_sorted() -> None:
    models = [
        {"slug": "z", "enabled": True, "is_custom": False, "is_finetune": False},
        {"slug": "a", "enabled": False, "is_custom": True, "base_model_slug": "z"},
    ]
    assert write(allow_all_models=False, models=models)["models"] == [
        {"slug": "a", "enabled": False, "is_custom": True, "base_model_slug": "z"},
        {"slug": "z", "enabled": True},
    ]


def test_a_disabled_model_is_written_if_all_are_allowed() -> None:
    assert write(models=[{"slug": "z", "enabled": False}]) == {
        "models": [{"slug": "z", "enabled": False}]
    }


def test_the_next_reset_is_left_out_if_the_server_advances_it() -> None:
    limit = {"type": "cost", "credit_limit": 5, "next_usage_reset_at": "2027-01-01T00:00:00Z"}
    for more, is_there in (({}, True), ({"periodic_reset": "monthly"}, False)):
        workspace = {"id": "w", "enabled": True, "usage_limits": [limit | more]}
        (entry,) = write(workspaces=[workspace])["workspaces"]
        assert ("next_usage_reset_at" in entry["usage_limits"][0]) is is_there


def test_a_field_that_the_server_adds_is_written_only_with_a_host() -> None:
    added = {"provider_auth_type": "apiKey"}
    assert write(configurations=added | {"openai_project": "p"})["configurations"] == {
        "openai_project": "p"
    }
    host = {"custom_host": "https://example.com"}
    assert write(configurations=added | host)["configurations"] == host | added


def test_booleans_of_a_known_field_are_booleans() -> None:
    for wire in (1, "true", True):
        assert write(configurations={"is_key_required": wire}) == {
            "configurations": {"is_key_required": True}
        }


def test_an_integration_of_a_workspace_lists_no_workspaces() -> None:
    given = {"workspace_id": "w", "workspaces": [{"id": "w", "enabled": True}]}
    assert write(**given) == {"workspace_id": "w"}


def test_secrets_become_references_and_literals_are_kept() -> None:
    written = write(
        ai_provider_id="bedrock",
        key=Redacted("in-the-clear"),
        configurations={
            "custom_headers": {"x-api-key": Mask("a***b"), "key": Mask("a***b")},
            "aws_access_key_id": Redacted("AKIA"),
            "databricks_token": Redacted("in-the-clear"),
        },
    )
    assert written["key"] == SecretRef("env", "SECRET_ALPHA_KEY")
    headers = written["configurations"]["custom_headers"]
    assert headers["x-api-key"] == SecretRef("env", "SECRET_ALPHA_X_API_KEY")
    assert headers["key"] == SecretRef("env", "SECRET_ALPHA_CONFIGURATIONS_CUSTOM_HEADERS_KEY")
    token = SecretRef("env", "SECRET_ALPHA_DATABRICKS_TOKEN")
    assert written["configurations"]["databricks_token"] == token
    assert "aws_access_key_id: AKIA" in document(written)
    assert "in-the-clear" not in document(written)


@pytest.mark.parametrize(
    ("template", "name"),
    [
        (None, "env:SECRET_A_B_1_X_KEY"),
        ("${vault:kv/ai/{slug}#{field}}", "vault:kv/ai/a-b_1#x-key"),
        ("${vault:kv/ai/{slug}#key}", "vault:kv/ai/a-b_1#key"),
        ("${env:SECRET_AI_{slug}_{field}}", "env:SECRET_AI_A_B_1_X_KEY"),
    ],
)
def test_a_reference_is_named_after_slug_and_field(template: str | None, name: str) -> None:
    path = ("configurations", "custom_headers", "x-key")
    assert str(SecretNames("a-b_1", template=template).reference(path)) == name


def test_a_known_reference_is_kept() -> None:
    known = {("key",): SecretRef("vault", "kv/mine#key")}
    assert SecretNames("a", known=known).reference(("key",)) == known["key",]


@pytest.mark.parametrize(
    ("template", "is_right"),
    [
        ("${vault:kv/{slug}#{field}}", True),
        ("${aws:ai/{slug}}", True),
        ("vault:kv/{slug}", False),
        ("${vault:kv/all#key}", False),
        ("${env:GITHUB_{slug}}", False),
        ("${file:/proc/{slug}}", False),
        ("${vault:kv/{other}}", False),
    ],
)
def test_a_template_is_a_reference_with_a_slug(template: str, is_right: bool) -> None:
    assert (template_problem(template) is None) is is_right


@pytest.mark.parametrize(
    ("fields", "facts", "expected"),
    [
        ({"workspaces": []}, {}, True),
        ({"workspaces": [{"id": "w", "enabled": False}]}, {"workspace_count": 1}, True),
        ({"workspaces": [], "global_workspace_access": {"enabled": False}}, {}, True),
        ({"workspaces": [], "global_workspace_access": {"enabled": True}}, {}, False),
        ({"workspaces": [{"id": "w", "enabled": True}]}, {}, False),
        ({"workspaces": []}, {"workspace_count": 1}, False),
        ({"workspaces": []}, {"kind": "workspace"}, False),
        ({"workspaces": [], "workspace_id": "w"}, {}, False),
        ({}, {}, False),
    ],
)
def test_empty_access_is_written_only_if_the_complete_list_is_empty(
    fields: dict[str, Any], facts: dict[str, Any], expected: bool
) -> None:
    assert grants_no_access(replace(observed(**fields), **facts)) == expected

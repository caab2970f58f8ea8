"""JSON Schemas of the files: they accept valid files, reject invalid ones, and help editors."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from reconciler.cli.main import run
from reconciler.desired import schema
from reconciler.domain.providers import PROVIDERS
from tests.cli.speaking import Listening
from tests.end_to_end.harness import ROOT

EXAMPLES = ROOT / "desired-state"
INTEGRATION = Draft202012Validator(schema.integration())
CONFIG = Draft202012Validator(schema.config())
WORKSPACE = {"id": "w", "enabled": True}
OPENAI = {"slug": "a", "name": "A", "ai_provider_id": "openai"}
AZURE = {
    "azure_auth_mode": "entra",
    "azure_resource_name": "r",
    "azure_entra_tenant_id": "t",
    "azure_entra_client_id": "c",
    "azure_deployment_config": [
        {"azure_deployment_name": "d", "azure_api_version": "v", "azure_model_slug": "m"}
    ],
}


@pytest.mark.parametrize("make", [schema.integration, schema.config])
def test_it_is_a_schema_of_draft_2020_12(make: Any) -> None:
    document = make()
    Draft202012Validator.check_schema(document)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_committed_schema_equals_the_output_of_the_command() -> None:
    listening = Listening()
    assert run(["schema"], listening.console) == 0
    assert (EXAMPLES / "schema.json").read_text(encoding="utf-8") == listening.out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("integration", sorted((EXAMPLES / "integrations").glob("*.yaml"))),
        ("config", [EXAMPLES / "reconcile.yaml"]),
    ],
)
def test_check_jsonschema_accepts_the_examples(
    kind: str, files: list[Path], tmp_path: Path
) -> None:
    listening = Listening()
    run(["schema", "--kind", kind], listening.console)
    file = tmp_path / "schema.json"
    file.write_text(listening.out, encoding="utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(file)]
    done = subprocess.run(
        [*command, *map(str, files)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(files) > 0


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"key": "${env:SECRET_A}"},
        {"key": "${vault:kv/ai/a#key}"},
        {"key": ""},
        {"description": None, "models": None, "configurations": None},
        {"configurations": {"openai_project": "p", "field_of_tomorrow": 1}},
        {"ai_provider_id": "provider-of-tomorrow", "configurations": {"x": {}}},
        {"ai_provider_id": "azure-openai"},
        {
            "ai_provider_id": "azure-openai",
            "configurations": AZURE | {"azure_entra_client_secret": "${env:SECRET_A}"},
        },
        {
            "ai_provider_id": "azure-openai",
            "configurations": AZURE,
            "secret_mappings": [
                {
                    "target_field": "configurations.azure_entra_client_secret",
                    "secret_reference_id": "r",
                }
            ],
        },
        {"lifecycle": {"ignore": ["name", {"path": "tags", "until": "2027-01-31"}]}},
        {"configurations": {"custom_host": "HTTPS://e.example:8443/v1?x=a@b"}},
        {"configurations": {"custom_host": "", "custom_headers": {"x-team": "${env:SECRET_A}"}}},
        {"description": "costs ${amount}, or $5"},
        {"workspaces": [WORKSPACE | {"usage_limits": [{"periodic_reset_days": 3}]}]},
        {"workspaces": [WORKSPACE | {"usage_limits": [{"next_usage_reset_at": "20300131"}]}]},
        {"workspace_id": None, "workspaces": []},
    ],
)
def test_valid_files_are_accepted(more: dict[str, Any]) -> None:
    assert list(INTEGRATION.iter_errors(OPENAI | more)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "sk-literal"},
        {"descripton": "x"},
        {"models": [{"slug": "x", "enabled": "yes"}]},
        {"workspaces": [{"id": "w", "enabled": True, "usage_limits": [{}, {}]}]},
        {"ai_provider_id": "azure-openai", "configurations": {"azure_auth_mode": "magic"}},
        {"ai_provider_id": "azure-openai", "configurations": {}},
        {"ai_provider_id": "azure-openai", "configurations": AZURE},
        {
            "ai_provider_id": "bedrock",
            "configurations": {"aws_secret_access_key": "literal"},
            "secret_mappings": [],
        },
        {"slug": "a b"},
        {"name": ""},
        {"description": "see ${env:SECRET_A}"},
        {"configurations": {"openai_project": "${env:SECRET_A}"}},
        {"configurations": {"custom_host": "e.example"}},
        {"configurations": {"custom_host": "https://u:p@e.example"}},
        {"configurations": {"custom_host": "https://e.example/v1#a"}},
        {"configurations": {"masked_key": "s...t"}},
        {"models": [{"slug": "m", "enabled": True, "configurations": {"custom_host": "ftp://e"}}]},
        {"workspaces": [WORKSPACE | {"usage_limits": [{"next_usage_reset_at": "tomorrow"}]}]},
        {
            "workspaces": [
                WORKSPACE
                | {"usage_limits": [{"periodic_reset": "weekly", "periodic_reset_days": 3}]}
            ]
        },
        {"workspace_id": "w", "workspaces": []},
        {"ai_provider_id": "bedrock", "configurations": None},
        {
            "ai_provider_id": "bedrock",
            "configurations": {"aws_auth_type": "serviceRole", "aws_region": ""},
        },
    ],
)
def test_invalid_files_are_rejected(wrong: dict[str, Any]) -> None:
    assert list(INTEGRATION.iter_errors(OPENAI | wrong)) != []


def test_every_field_has_a_description_for_editors() -> None:
    silent = [
        f"{title}.{name}"
        for document in (schema.integration(), schema.config())
        for title, part in [("", document), *document["$defs"].items()]
        for name, field in part.get("properties", {}).items()
        if not field.get("description") and title not in MULTIPLIERS
    ]
    assert silent == []


MULTIPLIERS = {"PricingMultiplier", "ImageMultiplier"}


def test_every_provider_has_a_separate_rule() -> None:
    named = {
        provider
        for rule in schema.integration()["allOf"]
        for provider in rule["if"]["properties"].get("ai_provider_id", {}).get("enum", [])
    }
    assert named == set(PROVIDERS)


@pytest.mark.parametrize(
    ("config", "is_right"),
    [
        ({"version": 1, "targets": {"a": {"base_url": "simulator:"}}}, True),
        ({"version": 2, "targets": {}}, False),
        ({"version": 1, "targets": {"a": {"base_url": "x", "name": "a"}}}, False),
        ({"version": 1, "targets": {"a": {"base_url": "x", "api_key": "literal"}}}, False),
        ({"version": 1, "targets": {"a": {"base_url": "x", "prune": "some"}}}, False),
    ],
)
def test_the_schema_of_reconcile_yaml_accepts_valid_and_rejects_invalid_files(
    config: Any, is_right: bool
) -> None:
    assert CONFIG.is_valid(config) is is_right


KINDS = ["integration", "access", "overlay", "config", "fleet", "plan", "result", "drift"]


def printed(kind: str) -> Any:
    listening = Listening()
    assert run(["schema", "--kind", kind], listening.console) == 0
    return json.loads(listening.out)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_schema(kind: str) -> None:
    Draft202012Validator.check_schema(printed(kind))


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("access", None),
        ("access", {"a": {"workspaces": [WORKSPACE]}, "b": {}}),
        ("overlay", None),
        ("overlay", {"a": None}),
        ("overlay", {"a": {"description": None, "models": [{"slug": "m", "$remove": True}]}}),
        ("overlay", {"a": {"workspaces": [{"id": "w", "usage_limits": None}]}}),
        ("overlay", {"a": {"configurations": {"anything": {"x": None}}, "key": "${env:SECRET_A}"}}),
        ("overlay", {"a": {"lifecycle": {"protected": True}}}),
        ("fleet", {"version": 1, "members": [{"name": "a", "dir": "a"}]}),
        ("fleet", {"version": 1, "defaults": {"target": "t"}, "members": [{"name": "a"}]}),
    ],
)
def test_valid_files_of_other_kinds_are_accepted(kind: str, document: Any) -> None:
    assert list(Draft202012Validator(printed(kind)).iter_errors(document)) == []


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("access", [WORKSPACE]),
        ("access", {"a": None}),
        ("access", {"a": {"models": []}}),
        ("access", {"a": {"workspaces": {"w": True}}}),
        ("access", {"a": {"workspaces": [{"id": "w"}]}}),
        ("access", {"a b": {"workspaces": []}}),
        ("overlay", {"a": {"slug": "b"}}),
        ("overlay", {"a": {"descripton": "x"}}),
        ("overlay", {"a": {"key": "sk-literal"}}),
        ("overlay", {"a": {"models": [{"enabled": True}]}}),
        ("overlay", {"a": {"models": [{"slug": "m", "$remove": "yes"}]}}),
        ("overlay", {"a": ["x"]}),
        ("fleet", {"members": []}),
        ("fleet", {"version": 1, "members": [{"dir": "a"}]}),
        ("fleet", {"version": 1, "members": [{"name": "a", "key": "sk"}]}),
    ],
)
def test_invalid_files_of_other_kinds_are_rejected(kind: str, document: Any) -> None:
    assert list(Draft202012Validator(printed(kind)).iter_errors(document)) != []


@pytest.mark.parametrize(("kind", "folder"), [("access", "access"), ("overlay", "environments")])
def test_the_examples_of_other_kinds_are_accepted(kind: str, folder: str) -> None:
    files = sorted((EXAMPLES / folder).rglob("*.yaml"))
    assert files != []
    for file in files:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert list(Draft202012Validator(printed(kind)).iter_errors(document)) == []

"""Files name secrets by reference only; a literal is refused and never shown."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.views.diagnostics import as_annotations, as_json, as_sarif, as_text
from tests.desired.building import OPENAI, declared, integration, places

A = "integrations/a.yaml"
BEDROCK = "slug: a\nname: A\nai_provider_id: bedrock\n"
VERTEX = "slug: a\nname: A\nai_provider_id: vertex-ai\n"
VERTEX_ACCOUNT = "configurations: {vertex_auth_type: serviceAccount, vertex_region: r, "


@pytest.mark.parametrize(
    ("written", "ref"),
    [
        ("${env:SECRET_OPENAI_KEY}", SecretRef("env", "SECRET_OPENAI_KEY")),
        ("${file:/run/secrets/openai}", SecretRef("file", "/run/secrets/openai")),
        ("${vault:kv/ai/openai#key}", SecretRef("vault", "kv/ai/openai#key")),
        ("'${aws:prod/openai#key}'", SecretRef("aws", "prod/openai#key")),
        ('"${sops:secrets.yaml#openai.key}"', SecretRef("sops", "secrets.yaml#openai.key")),
        ("${my-vault:a:b}", SecretRef("my-vault", "a:b")),
    ],
)
def test_a_reference_is_parsed(written: str, ref: SecretRef) -> None:
    assert declared(OPENAI + f"key: {written}\n").fields["key"] == ref


def test_sensitive_literals_that_are_allowed_cannot_be_shown() -> None:
    fields = declared(
        BEDROCK + "configurations:\n  aws_auth_type: accessKey\n  aws_region: r\n"
        "  aws_access_key_id: AKIAEXAMPLE\n  aws_external_id: ${env:SECRET_E}\n"
        "  aws_secret_access_key: ${env:SECRET_S}\n"
        "  custom_headers: {X-Team: blue, Authorization: '${env:SECRET_H}'}\n"
    ).fields["configurations"]
    assert isinstance(fields, dict)
    assert isinstance(fields["aws_access_key_id"], Redacted)
    assert fields["aws_access_key_id"].reveal() == "AKIAEXAMPLE"
    assert fields["aws_external_id"] == SecretRef("env", "SECRET_E")
    assert isinstance(fields["custom_headers"]["X-Team"], Redacted)
    assert fields["custom_headers"]["Authorization"] == SecretRef("env", "SECRET_H")


def test_empty_values_of_secret_fields_stay_as_they_are_declared() -> None:
    assert declared(OPENAI + "key: ''\n").fields["key"] == ""
    assert declared(OPENAI + "key:\n").fields["key"] is None


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        (OPENAI + "key: sk-live\n", "literal-secret", 4, 6),
        (OPENAI + "key: [sk-live]\n", "literal-secret", 4, 6),
        (OPENAI + "key: {a: sk-live}\n", "literal-secret", 4, 6),
        (OPENAI + "key: 12345\n", "literal-secret", 4, 6),
        (OPENAI + "key: |\n  -----BEGIN\n  sk\n", "literal-secret", 4, 6),
        (OPENAI + "key: ${SECRET_X}\n", "invalid-reference", 4, 6),
        (OPENAI + "key: ${env:}\n", "invalid-reference", 4, 6),
        (OPENAI + "key: '${env:SECRET X}'\n", "invalid-reference", 4, 6),
        (OPENAI + "key: x${env:SECRET_X}\n", "reference-not-allowed", 4, 6),
        (OPENAI + "name2: x\nkey: ${env:PORTKEY_API_KEY}\n", "reference-forbidden", 5, 6),
        (OPENAI + "key: ${env:GITHUB_TOKEN}\n", "reference-forbidden", 4, 6),
        (OPENAI + "key: ${env:actions_runtime}\n", "reference-forbidden", 4, 6),
        (OPENAI + "key: ${env:RECONCILE_LEDGER_PEPPER}\n", "reference-forbidden", 4, 6),
        (OPENAI + "key: ${file:/proc/self/environ}\n", "reference-forbidden", 4, 6),
        (OPENAI + "key: ${file:/run/../proc/1/environ}\n", "reference-forbidden", 4, 6),
        (OPENAI + "key: ${file://dev/stdin}\n", "reference-forbidden", 4, 6),
        (OPENAI + "description: ${env:SECRET_X}\n", "reference-not-allowed", 4, 14),
        (OPENAI + "description: see ${env:SECRET_X}\n", "reference-not-allowed", 4, 14),
        (OPENAI + "tags: {a: '${env:SECRET_X}'}\n", "reference-not-allowed", 4, 11),
        (OPENAI + "lifecycle: {ignore: ['${env:X}']}\n", "reference-not-allowed", 4, 22),
        (OPENAI + "configurations: {custom_host: '${env:H}'}\n", "reference-not-allowed", 4, 31),
        (
            OPENAI + "configurations: {custom_headers: {Authorization: Bearer x}}\n",
            "literal-secret",
            4,
            50,
        ),
        (
            OPENAI + "models: [{slug: g, enabled: true, configurations: {custom_headers: "
            "{X-Token: x}}}]\n",
            "literal-secret",
            4,
            78,
        ),
        (
            VERTEX + VERTEX_ACCOUNT + "vertex_service_account_json: {type: x}}\n",
            "literal-secret",
            4,
            99,
        ),
        (
            VERTEX + VERTEX_ACCOUNT + "vertex_service_account_json: '{}'}\n",
            "literal-secret",
            4,
            99,
        ),
        (
            OPENAI + "key: ${env:SECRET_X}\n"
            "secret_mappings: [{target_field: key, secret_reference_id: r}]\n",
            "duplicate-credential",
            5,
            34,
        ),
        (
            BEDROCK + "configurations: {aws_auth_type: apiKey, aws_region: r, "
            "aws_secret_access_key: '${env:SECRET_X}'}\n"
            "secret_mappings: [{target_field: configurations.aws_secret_access_key, "
            "secret_reference_id: r}]\n",
            "duplicate-credential",
            5,
            34,
        ),
    ],
)
def test_a_misplaced_secret_is_reported_with_reason_and_location(
    text: str, code: str, line: int, column: int
) -> None:
    result = integration(text)
    assert result.state is None
    assert (code, A, line, column) in places(result.diagnostics)


def test_a_string_with_a_dollar_sign_is_a_string() -> None:
    assert declared(OPENAI + "description: costs ${5} or $6\n").fields["description"] == (
        "costs ${5} or $6"
    )


CANARY = "Zq7canary"
SECRETS = st.sampled_from(
    [
        CANARY,
        CANARY + "==",
        f"'{CANARY}",
        f'"{CANARY}',
        f"a: {CANARY}",
        f"${{{CANARY}",
        f"#{CANARY}",
    ]
) | st.text(
    alphabet=st.characters(min_codepoint=32, max_codepoint=126), min_size=0, max_size=12
).map(lambda t: t + CANARY + t)
LINES = st.sampled_from(
    [
        "key: {}",
        "key: '{}'",
        'key: "{}',
        "key: |\n  {}\n  b: c",
        "key: >-\n  x\n  y: {}",
        "key:\n  {}",
        "key:\n- {}",
        "Key: {}",
        "key : {}",
        "key:{}",
        "key {}",
        "api_key: {}",
        "configurations: {{azure_entra_client_secret: {}, azure_auth_mod: x}}",
        "configurations:\n  aws_secret_access_key: {}\n  aws_region: [x]",
        "configurations:\n  custom_headers:\n    X-A: {}\n    X-A: b",
        "configurations:\n  custom_headers:\n    X-A: [{}]",
        "configurations:\n  custom_headers: {{X-A: {}, X-B: [1]}}",
        'configurations: {{"custom_headers": {{"Authorization": "{}"}}}}',
        "configurations:\n  vertex_service_account_json:\n    private: {}\n    b: [",
        '{{"slug": "b", "key": "{}"}}',
        "a: b: c # token {}",
        "password: {}",
    ]
)


@example("configurations: {{custom_headers: {{X-A: {}, X-B: [1]}}}}", f",?{CANARY},?", "")
@example("configurations: {{azure_entra_client_secret: {}}}", f",?{CANARY},?", "")
@given(LINES, SECRETS, st.sampled_from(["", "descripton: x\n", "\t\n", "x: [\n", "models: 5\n"]))
def test_no_output_shows_a_literal_secret(line: str, secret: str, after: str) -> None:
    result = integration(OPENAI + line.format(secret) + "\n" + after)
    found = result.diagnostics
    for shown in (as_text(found), as_json(found), as_annotations(found)):
        assert CANARY not in shown
    assert CANARY not in as_sarif(found, version="1")
    assert CANARY not in repr(found)
    assert CANARY not in json.dumps([d.as_json() for d in found])


@pytest.mark.parametrize(
    "line",
    [
        "tags: {team: a,b}",
        "tags: {b}",
        'tags: {"b"}',
        "configurations: {azure_entra_client_secret: sk-1,b}",
        "configurations: {custom_headers: {X-A: sk-1,b, X-B: c}}",
        "workspaces: [{id: w, enabled: true, b}]",
    ],
)
def test_a_reference_inside_a_string_is_refused_and_not_repeated(line: str) -> None:
    result = integration(OPENAI + line + "\n")
    (problem,) = result.diagnostics
    assert problem.code == "missing-value"
    assert "`b`" not in problem.summary
    assert result.state is None


@pytest.mark.parametrize("line", ["tags: {}", "tags: {a: ''}", "description: null", "description:"])
def test_a_reference_with_an_empty_default_has_a_default(line: str) -> None:
    assert "missing-value" not in {d.code for d in integration(OPENAI + line + "\n").diagnostics}

"""An unknown configuration field counts as a secret and a host unless `known_fields` lists it."""

from typing import Any

import pytest

from reconciler.diagnostics import Diagnostic
from reconciler.domain.secrets import Opaque, Redacted, SecretRef
from tests.desired.building import CONFIG, declared, loaded

CANARY = "canary-7f3e9a"
HEAD = "slug: a\nname: A\nai_provider_id: {provider}\n"
KNOWN = HEAD.format(provider="openai")
UNKNOWN = HEAD.format(provider="acme-ai")

FORMS = {
    "a string": f"configurations:\n  region_hint: {CANARY}\n",
    "a flow map": f"configurations: {{openai_project: p, region_hint: {CANARY}}}\n",
    "a nested map": f"configurations:\n  region_hint:\n    name:\n      slug: {CANARY}\n",
    "a list": f"configurations:\n  region_hint:\n    - {CANARY}\n    - name: {CANARY}\n",
    "a long text": f"configurations:\n  region_hint: |\n    first\n    {CANARY}\n",
    "a model's": "models:\n  - slug: m\n    enabled: true\n    configurations:\n"
    f"      region_hint: {CANARY}\n",
}


def shown(diagnostics: tuple[Diagnostic, ...]) -> str:
    return "\n".join(
        str(diagnostic.as_json()) + str(diagnostic.excerpt) for diagnostic in diagnostics
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("head", [KNOWN, UNKNOWN])
def test_its_value_is_wrapped_and_in_no_diagnostic(head: str, form: str) -> None:
    result = loaded({"integrations/a.yaml": head + FORMS[form]})
    assert result.state is not None, result.diagnostics
    codes = [d.code for d in result.diagnostics if d.code != "unknown-provider"]
    assert set(codes) == {"unknown-configuration-field"}
    assert CANARY not in shown(result.diagnostics) + repr(result.state)


@pytest.mark.parametrize("form", [f for f in FORMS if f != "a long text"])
@pytest.mark.parametrize(
    "mistake",
    [
        "name: [\n",  # a syntax error somewhere else
        "descripton: x\n",
        "allow_all_models: perhaps\n",
    ],
)
def test_an_error_next_to_it_does_not_show_it(form: str, mistake: str) -> None:
    result = loaded({"integrations/a.yaml": KNOWN + FORMS[form] + mistake})
    assert result.state is None
    assert CANARY not in shown(result.diagnostics)


@pytest.mark.parametrize(
    "line",
    [
        f"  region_hint: '{CANARY}",
        f'  region_hint: "{CANARY}',
        f"  region_hint: {{a: {CANARY}",
        f"  region_hint: [{CANARY}",
        f"  region_hint: {CANARY}: x",
        f"  region_hint: {CANARY}\n  region_hint: {CANARY}",
        f"  'region_hint': {CANARY}\t: x",
    ],
)
def test_a_line_that_does_not_parse_does_not_show_it(line: str) -> None:
    result = loaded({"integrations/a.yaml": f"{KNOWN}configurations:\n{line}\n"})
    assert result.state is None
    assert CANARY not in shown(result.diagnostics)


@pytest.mark.parametrize(
    "text",
    [
        "configurations:\n  region_hint: ${env:SECRET_X}\n",
        "configurations: {outer: {region_hint: '${env:SECRET_X}'}}\n",
        "models:\n  - {slug: m, enabled: true, configurations: {region_hint: '${env:SECRET_X}'}}\n",
    ],
)
@pytest.mark.parametrize("head", [KNOWN, UNKNOWN])
def test_it_can_hold_a_reference_at_any_depth(head: str, text: str) -> None:
    assert SecretRef("env", "SECRET_X") in _values(declared(head + text).fields)


def test_it_can_hold_a_reference_inside_a_known_list() -> None:
    deployment = "azure_deployment_name: d, azure_api_version: v, azure_model_slug: m"
    text = (
        "configurations:\n  azure_auth_mode: default\n  azure_resource_name: r\n"
        f"  azure_deployment_config: [{{{deployment}, region_hint: '${{env:SECRET_X}}'}}]\n"
    )
    fields = declared(HEAD.format(provider="azure-openai") + text).fields
    assert SecretRef("env", "SECRET_X") in _values(fields)


def _values(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return [value for item in node.values() for value in _values(item)]
    if isinstance(node, list):
        return [value for item in node for value in _values(item)]
    return [node]


def test_values_of_every_type_are_unchanged() -> None:
    members = "a: 5, b: true, c: no, d: '5', e: [1, x], f: 2.0, g: null, h: ''"
    text = f"{UNKNOWN}configurations: {{{members}}}\n"
    values: dict[str, Any] = dict(declared(text).fields["configurations"])  # type: ignore[arg-type]
    opaque = {name: v.as_value() for name, v in values.items() if isinstance(v, Opaque)}
    assert opaque == {"a": 5, "b": True, "e": [1, "x"], "f": 2}
    assert values["c"].equals("no")
    assert values["d"].equals("5")
    assert (values["g"], values["h"]) == (None, "")


def test_a_string_is_not_equal_to_a_value_of_another_type() -> None:
    assert Opaque.of(5).equals(Opaque.of(5.0))
    assert not Opaque.of(5).equals(Redacted("5"))
    assert not Redacted("5").equals(Opaque.of(5))
    assert not Opaque.of({"a": 1}).equals('{"a":1}')


def test_a_list_of_it_cannot_hold_a_reference() -> None:
    text = f"{UNKNOWN}configurations: {{keys: ['${{env:SECRET_X}}']}}\n"
    result = loaded({"integrations/a.yaml": text})
    assert [d.code for d in result.diagnostics if d.severity == "error"] == [
        "reference-not-allowed"
    ]


VOUCHED = CONFIG.replace(
    '"simulator:"}', '"simulator:", known_fields: {acme-ai: [region_hint]}}', 1
)


def test_known_fields_make_a_field_plain() -> None:
    text = f"{UNKNOWN}configurations: {{region_hint: {{zone: eu, api_key: x}}, other: y}}\n"
    result = loaded({"integrations/a.yaml": text}, config=VOUCHED)
    assert result.state is not None, result.diagnostics
    values: Any = result.state.integrations["a"].fields["configurations"]
    assert values["region_hint"]["zone"] == "eu"
    assert isinstance(values["region_hint"]["api_key"], Redacted)
    assert isinstance(values["other"], Redacted)
    unknown = [d for d in result.diagnostics if d.code == "unknown-configuration-field"]
    assert len(unknown) == 2


def test_a_known_field_cannot_hold_a_reference() -> None:
    text = f"{UNKNOWN}configurations: {{region_hint: '${{env:SECRET_X}}'}}\n"
    result = loaded({"integrations/a.yaml": text}, config=VOUCHED)
    assert "reference-not-allowed" in {d.code for d in result.diagnostics}


@pytest.mark.parametrize("name", ["client_pem", "oracle_key_passphrase", "jwt", "pat"])
def test_known_fields_cannot_make_a_field_with_a_secret_name_plain(name: str) -> None:
    config = VOUCHED.replace("region_hint", name)
    result = loaded({"integrations/a.yaml": UNKNOWN}, config=config)
    errors = [d for d in result.diagnostics if d.severity == "error"]
    assert [(d.code, d.at and d.at.file) for d in errors] == [
        ("invalid-value", "desired-state/reconcile.yaml")
    ]

"""`reconcile scaffold` prints a file that `reconcile validate` accepts without a warning."""

import json
from pathlib import Path

import pytest

from reconciler.cli.main import run
from reconciler.domain.providers import ALIASES, KNOWN_PROVIDERS, PROVIDERS, configuration_of
from reconciler.domain.schema import integration_schema
from tests.cli.project import Here
from tests.cli.speaking import Listening

CONFIG = "version: 1\ntargets: {here: {base_url: 'simulator:'}}\n"


def scaffold(*words: str, code: int = 0) -> str:
    listening = Listening()
    assert run(["scaffold", *words], listening.console) == code, listening.err
    return listening.out if code == 0 else listening.err


def modes() -> list[tuple[str, str]]:
    """Return every provider with each of its auth modes; "" if it has none."""
    found = []
    for provider in sorted(KNOWN_PROVIDERS):
        name = configuration_of(provider).mode_field
        schema = integration_schema(provider).child("configurations")
        found += [(provider, mode) for mode in (schema.child(name).choices if name else ("",))]
    return found


def test_every_provider_and_mode_validates_without_an_error_or_a_warning(tmp_path: Path) -> None:
    (tmp_path / "integrations").mkdir()
    (tmp_path / "reconcile.yaml").write_text(CONFIG)
    pairs = modes()
    for provider, mode in pairs:
        slug = f"{provider}-{mode}".strip("-")
        words = [provider, "--slug", slug, *(["--auth", mode] if mode else [])]
        (tmp_path / f"integrations/{slug}.yaml").write_text(scaffold(*words))
    listening = Listening()
    code = run(["--dir", str(tmp_path), "validate", "--format", "json"], listening.console)
    assert (code, json.loads(listening.out)["diagnostics"]) == (0, [])
    assert len(pairs) == len(list((tmp_path / "integrations").iterdir())) > 100


def test_the_file_of_a_provider_with_required_fields_is_accepted_by_the_api(tmp_path: Path) -> None:
    project = Here(tmp_path)
    pairs = [(provider, mode) for provider, mode in modes() if provider in PROVIDERS]
    for provider, mode in pairs:
        slug = f"{provider}-{mode}".strip("-")
        words = [provider, "--slug", slug, *(["--auth", mode] if mode else [])]
        project.write(f"integrations/{slug}.yaml", scaffold(*words))
    project.apply()
    assert len(project.slugs()) == len(pairs) > 25
    assert project.plan()["actions"] == []


def test_the_file_is_in_canonical_form(tmp_path: Path) -> None:
    (tmp_path / "integrations").mkdir()
    (tmp_path / "reconcile.yaml").write_text(CONFIG)
    for provider, mode in modes():
        words = [provider, *(["--auth", mode] if mode else [])]
        (tmp_path / f"integrations/{provider}-{mode}.yaml").write_text(scaffold(*words))
    listening = Listening()
    run(["--dir", str(tmp_path), "fmt", "--check"], listening.console)
    assert "/integrations/" not in listening.out


def test_a_secret_is_a_reference_named_after_the_slug() -> None:
    assert "key: ${env:SECRET_TEAM_A_KEY}\n" in scaffold("openai", "--slug", "team-a")
    entra = scaffold("azure-openai", "--auth", "entra")
    assert "${env:SECRET_AZURE_OPENAI_AZURE_ENTRA_CLIENT_SECRET}" in entra
    assert "\nkey:" not in entra


def test_a_self_hosted_provider_has_a_host_and_no_key() -> None:
    text = scaffold("ollama")
    assert "custom_host: " in text
    assert "provider_auth_type: apiKey" in text
    assert "\nkey:" not in text


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["opena"], "did you mean `openai`?"),
        (["aws-bedrock"], "did you mean `bedrock`?"),
        (["xyzzy-123"], "is not a known provider"),
        (["bedrock", "--auth", "accesskey"], "did you mean `accessKey`?"),
        (["bedrock", "--auth", "x"], "one of `accessKey`"),
        (["openai", "--auth", "x"], "openai has no auth modes"),
        (["openai", "--slug", "a b"], "is not a valid slug"),
    ],
)
def test_an_unknown_provider_or_mode_is_bad_input_with_a_hint(words: list[str], hint: str) -> None:
    assert hint in scaffold(*words, code=3)


def test_an_alias_has_no_separate_file() -> None:
    for alias, right in ALIASES.items():
        assert f"`{right}`" in scaffold(alias, code=3)

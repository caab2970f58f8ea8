"""Names of providers and models: those that a catalogue can know, and those that users choose."""

from datetime import date

import pytest

from reconciler.domain.catalogue import (
    Catalogue,
    ModelFacts,
    build,
    is_chosen_by_users,
    provider_named,
    retirement_date,
)

SOON = ModelFacts(date(2027, 1, 31))


@pytest.mark.parametrize(
    ("named", "provider"),
    [
        ("openai", "openai"),
        ("open-ai", "openai"),
        ("text-completion-openai", "openai"),
        ("azure", "azure-openai"),
        ("azure_ai", "azure-ai"),
        ("bedrock_converse", "bedrock"),
        ("vertex_ai", "vertex-ai"),
        ("vertex_ai-anthropic_models", "vertex-ai"),
        ("gemini", "google"),
        ("mistral", "mistral-ai"),
        ("fireworks_ai-embedding-models", "fireworks-ai"),
        ("together_ai", "together-ai"),
        ("cohere_chat", "cohere"),
        ("xai", "x-ai"),
        ("jina_ai", "jina"),
        ("nobody-knows", "nobody-knows"),
    ],
)
def test_a_provider_has_the_id_of_the_api(named: str, provider: str) -> None:
    assert provider_named(named) == provider


def with_models(provider: str, *names: str) -> Catalogue:
    return build({provider: dict.fromkeys(names, SOON)})


@pytest.mark.parametrize(
    ("named", "listed", "provider", "declared"),
    [
        ("openai", "gpt-4", "openai", "gpt-4"),
        ("openai", "ft:gpt-4o", "openai", "ft:gpt-4o:acme::abc123"),
        ("azure", "azure/gpt-4o", "azure-openai", "gpt-4o"),
        ("azure", "azure/eu/gpt-4o", "azure-openai", "gpt-4o"),
        ("gemini", "gemini/gemini-2.5-pro", "google", "gemini-2.5-pro"),
        ("gemini", "gemini/gemini-2.5-pro", "google", "models/gemini-2.5-pro"),
        ("groq", "groq/llama-3.3-70b", "groq", "llama-3.3-70b"),
        ("openai", "1024-x-1024/dall-e-2", "openai", "dall-e-2"),
        ("bedrock", "anthropic.claude-3:0", "bedrock", "anthropic.claude-3:0"),
        ("bedrock", "anthropic.claude-3:0", "bedrock", "us.anthropic.claude-3:0"),
        ("bedrock", "anthropic.claude-3:0", "bedrock", "global.anthropic.claude-3:0"),
        ("bedrock_converse", "anthropic.claude-3:0", "bedrock", "apac.anthropic.claude-3:0"),
        (
            *("bedrock", "anthropic.claude-3:0", "bedrock"),
            "arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-3:0",
        ),
        (
            *("bedrock", "anthropic.claude-3:0", "bedrock"),
            "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-3:0",
        ),
        (
            *("vertex_ai-anthropic_models", "vertex_ai/claude-sonnet-4@20250514", "vertex-ai"),
            "anthropic.claude-sonnet-4@20250514",
        ),
        ("vertex_ai", "gemini-2.5-pro", "vertex-ai", "publishers/google/models/gemini-2.5-pro"),
        (
            *("fireworks_ai", "fireworks_ai/accounts/fireworks/models/deepseek-v3"),
            *("fireworks-ai", "accounts/fireworks/models/deepseek-v3"),
        ),
        ("fireworks_ai", "accounts/fireworks/models/qwen", "fireworks-ai", "qwen"),
    ],
)
def test_a_model_is_found_under_the_name_that_files_use(
    named: str, listed: str, provider: str, declared: str
) -> None:
    assert with_models(named, listed).find(provider, declared) == SOON


@pytest.mark.parametrize(
    ("named", "dated", "bare", "provider"),
    [
        ("bedrock", "anthropic.claude-3:0", "us.anthropic.claude-3:0", "bedrock"),
        ("vertex_ai", "vertex_ai/gemini-2.5-pro", "gemini-2.5-pro", "vertex-ai"),
        ("gemini", "gemini-2.5-pro", "models/gemini-2.5-pro", "google"),
    ],
)
def test_a_name_without_a_date_does_not_hide_the_date_of_the_same_model(
    named: str, dated: str, bare: str, provider: str
) -> None:
    found = build({named: {bare: ModelFacts(), dated: SOON}})
    assert found.find(provider, bare) == SOON
    later = ModelFacts(date(2028, 1, 31))
    assert build({named: {bare: later, dated: SOON}}).find(provider, bare) == later


def test_regions_with_different_dates_prove_only_that_a_model_exists() -> None:
    later = ModelFacts(date(2028, 1, 31))
    regions = {"azure/eu/gpt-4o": SOON, "azure/us/gpt-4o": later}
    assert build({"azure": regions}).find("azure-openai", "gpt-4o") == ModelFacts()
    # An exact name takes precedence over the suffix of another one.
    own = {**regions, "azure/gpt-4o": SOON}
    assert build({"azure": own}).find("azure-openai", "gpt-4o") == SOON


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("azure-openai", "my-deployment"),
        ("sagemaker", "endpoint-1"),
        ("ollama", "llama3:latest"),
        ("huggingface", "acme/model"),
        ("bedrock", "arn:aws:bedrock:eu-west-1:123456789012:provisioned-model/abc"),
        ("bedrock", "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/x"),
        ("bedrock", "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/x"),
        ("vertex-ai", "projects/p/locations/l/endpoints/1"),
        ("vertex-ai", "1234567890"),
        ("fireworks-ai", "accounts/acme/models/mine"),
        ("openai", "ft:gpt-4o:acme::abc123"),
    ],
)
def test_a_name_chosen_by_a_user_is_never_unknown(provider: str, model: str) -> None:
    assert is_chosen_by_users(provider, model)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4"),
        ("bedrock", "us.anthropic.claude-3:0"),
        ("bedrock", "arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-3:0"),
        ("vertex-ai", "gemini-2.5-pro"),
        ("fireworks-ai", "accounts/fireworks/models/deepseek-v3"),
    ],
)
def test_a_name_chosen_by_the_vendor_can_be_unknown(provider: str, model: str) -> None:
    assert not is_chosen_by_users(provider, model)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2027-01-31", date(2027, 1, 31)),
        (" 2027-01-31 ", date(2027, 1, 31)),
        ("2027-01-31T00:00:00Z", date(2027, 1, 31)),
        ("2027-01-31T20:00:00-08:00", date(2027, 2, 1)),
        ("2027-02-01T01:00:00+02:00", date(2027, 1, 31)),
        ("2027-01-31T23:59:59", date(2027, 1, 31)),
        ("", None),
        (None, None),
    ],
)
def test_a_date_is_a_day_in_utc(text: str | None, day: date | None) -> None:
    assert retirement_date(text) == day


@pytest.mark.parametrize("text", ["soon", "2027-13-01", "31.01.2027", 20270131, ["2027-01-31"]])
def test_anything_else_is_not_a_date(text: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        retirement_date(text)

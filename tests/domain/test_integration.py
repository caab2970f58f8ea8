"""Multipliers and limits equal those in the public specification of the API."""

import pytest

from reconciler.domain.integration import (
    Integration,
    ModelAccess,
    RateLimit,
    SecretMapping,
    UsageLimit,
    WorkspaceAccess,
)
from reconciler.domain.pricing import PricingMultiplier

# PricingMultiplier of the vendor's specification; the API refuses any other name.
MULTIPLIERS = """
default request_token response_token cache_read_input_token cache_write_input_token
cache_read_audio_input_token request_audio_token response_audio_token reasoning_token
prediction_accepted_token prediction_rejected_token request_image_token response_image_token
request_text_token response_text_token cache_read_image_input_token cache_read_text_input_token
cache_write_text_input_token cache_write_image_input_token image additional_units
"""


def test_the_multipliers_are_exactly_those_of_the_api() -> None:
    assert set(PricingMultiplier.model_fields) == set(MULTIPLIERS.split())


def test_fields_of_the_parts_are_those_of_the_api() -> None:
    assert set(SecretMapping.model_fields) == {
        "target_field",
        "secret_reference_id",
        "secret_key",
        "value_format",
    }
    assert set(UsageLimit.model_fields) == {
        "type",
        "credit_limit",
        "alert_threshold",
        "periodic_reset",
        "periodic_reset_days",
        "next_usage_reset_at",
    }
    assert set(RateLimit.model_fields) == {"type", "unit", "value"}
    assert set(ModelAccess.model_fields) == {
        "slug",
        "enabled",
        "is_custom",
        "is_finetune",
        "base_model_slug",
        "name",
        "description",
        "configurations",
        "pricing_config",
    }
    assert set(WorkspaceAccess.model_fields) == {
        "id",
        "enabled",
        "usage_limits",
        "rate_limits",
        "create_default_provider",
        "default_provider_slug",
    }


def test_a_model_is_frozen_and_knows_its_fields() -> None:
    integration = Integration(slug="a", name="A", ai_provider_id="openai", description=None)
    assert (integration.slug, integration.key) == ("a", None)
    with pytest.raises(AttributeError, match=r"^Integration is frozen$"):
        integration.slug = "b"  # type: ignore[misc]  # the error is the test
    with pytest.raises(AttributeError):
        del integration.slug
    with pytest.raises(TypeError, match=r"^Integration needs name$"):
        Integration(slug="a")  # type: ignore[call-arg]  # the error is the test
    with pytest.raises(TypeError, match=r"^Integration has no nmae$"):
        integration.model_copy(update={"nmae": "B"})
    copy = integration.model_copy(update={"name": "B"})
    assert copy == integration.model_copy(update={"name": "B"}) != integration
    assert repr(Integration).endswith("Integration'>")
    assert "name='B'" in repr(copy)

"""Access to an integration: models, workspaces, limits.

These are the two sub-resources of the API (remote/API.md §5), written by calls of their own.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from reconciler.domain.facts import (
    Bool,
    Facts,
    Identifier,
    Integer,
    RiskRule,
    SensitiveText,
    SlugText,
    StrictModel,
    Text,
)
from reconciler.domain.pricing import PricingConfig

Positive: TypeAlias = Annotated[Integer, Field(ge=1)]


class UsageLimit(StrictModel):
    """A budget: how much a workspace may spend before it is stopped."""

    type: Literal["cost", "tokens"] | None = Field(None, description="Unit of the count.")
    credit_limit: Positive | None = Field(None, description="The budget.")
    alert_threshold: Positive | None = Field(None, description="Warn from here on.")
    # The API shows no reset as an empty string (remote/API.md §5.2).
    periodic_reset: Literal["monthly", "weekly", ""] | None = Field(
        None, description="Interval after which the count is reset."
    )
    periodic_reset_days: Annotated[Integer, Field(ge=1, le=365)] | None = Field(
        None, description="Number of days between resets of the count; excludes `periodic_reset`."
    )
    next_usage_reset_at: Annotated[Text | None, Facts(instant=True)] = Field(
        None, description="Time of the next reset, ISO 8601 in UTC."
    )

    @field_validator("next_usage_reset_at")
    @classmethod
    def _is_an_instant(cls, value: str | None) -> str | None:
        if value:
            try:
                datetime.fromisoformat(value)
            except ValueError:
                raise PydanticCustomError(
                    "invalid-value", "must be an instant such as 2030-01-31T00:00:00Z"
                ) from None
        return value

    @model_validator(mode="after")
    def _one_kind_of_reset(self) -> "UsageLimit":
        if self.periodic_reset and self.periodic_reset_days:
            raise PydanticCustomError(
                "conflicting-fields",
                "`periodic_reset` and `periodic_reset_days` exclude each other",
            )
        return self


class RateLimit(StrictModel):
    """Rate at which a workspace may call."""

    type: Literal["requests", "tokens"] | None = Field(None, description="Unit of the count.")
    # The specification lacks `rpw`, which the changelog adds (remote/API.md §5.2).
    unit: Literal["rpm", "rph", "rpd", "rpw"] | None = Field(
        None, description="Per minute, hour, day or week."
    )
    value: Annotated[Integer, Field(ge=0)] | None = Field(
        None, description="Number of requests or tokens in each period."
    )


# A list of at most one entry, as the API has it (remote/API.md §5.2).
UsageLimits: TypeAlias = Annotated[tuple[UsageLimit, ...], Field(max_length=1)]
RateLimits: TypeAlias = Annotated[tuple[RateLimit, ...], Field(max_length=1)]


class ModelConfiguration(StrictModel):
    """Host of a model that is not served at the provider's own address."""

    # The API grows fields here, as in the configurations of a provider: they are sent, and closed.
    model_config = ConfigDict(extra="ignore")

    custom_host: Annotated[Text | None, Facts(host=True, url=True)] = Field(
        None, description="Base URL of this model."
    )
    custom_headers: Annotated[dict[str, SensitiveText] | None, Facts(headers=True)] = Field(
        None, description="Headers sent with every call of this model."
    )


class ModelAccess(StrictModel):
    """One model, custom or of the provider: enabled or not."""

    slug: Annotated[Identifier, Facts(identity=True)] = Field(
        description="The model's name at the provider."
    )
    enabled: Annotated[Bool, Facts(risk=RiskRule.ACCESS, default=False)] = Field(
        description="Whether it may be called."
    )
    is_custom: Annotated[Bool | None, Facts(default=False)] = Field(
        None, description="A model the provider's list does not have."
    )
    is_finetune: Annotated[Bool | None, Facts(default=False)] = Field(
        None, description="A fine-tuned model."
    )
    base_model_slug: Text | None = Field(
        None, description="The known model that a custom one behaves like."
    )
    name: Annotated[Text | None, Facts(risk=RiskRule.COSMETIC)] = Field(
        None, description="Display name of a custom model."
    )
    description: Annotated[Text | None, Facts(risk=RiskRule.COSMETIC)] = Field(
        None, description="Purpose of a custom model."
    )
    configurations: ModelConfiguration | None = Field(
        None, description="Host and headers of a custom model."
    )
    pricing_config: PricingConfig | None = Field(None, description="Its own price.")


class GlobalWorkspaceAccess(StrictModel):
    """Access of workspaces that are created later."""

    enabled: Annotated[Bool, Facts(risk=RiskRule.SWITCH, default=False)] = Field(
        description="Whether a new workspace gets access automatically."
    )
    usage_limits: Annotated[UsageLimits | None, Facts(risk=RiskRule.LIMIT)] = Field(
        None, description="Budget of a new workspace."
    )
    rate_limits: Annotated[RateLimits | None, Facts(risk=RiskRule.LIMIT)] = Field(
        None, description="Rate of a new workspace."
    )


class WorkspaceAccess(StrictModel):
    """One workspace: enabled or not, and its limits."""

    # The API may report a UUID for the slug that was written (remote/API.md §5.2).
    id: Annotated[Identifier, Facts(identity=True, two_forms=True)] = Field(
        description="Slug or UUID of the workspace."
    )
    enabled: Annotated[Bool, Facts(risk=RiskRule.ACCESS, default=False)] = Field(
        description="Whether it may use the integration."
    )
    usage_limits: Annotated[UsageLimits | None, Facts(risk=RiskRule.LIMIT)] = Field(
        None, description="Budget; at most one entry."
    )
    rate_limits: Annotated[RateLimits | None, Facts(risk=RiskRule.LIMIT)] = Field(
        None, description="Rate; at most one entry."
    )
    create_default_provider: Annotated[Bool, Facts(write_only=True, default=False)] = Field(
        default=False, description="Make a provider when access is first granted; write-only."
    )
    default_provider_slug: Annotated[SlugText | None, Facts(write_only=True)] = Field(
        None, description="Slug of the provider made on the first grant; write-only."
    )


def allows_all_models(fields: Mapping[str, object]) -> bool:
    """Return whether models that these fields do not list are enabled; that is the default."""
    # Only false turns it off: absent and null leave the default, which is true (remote/API.md
    # §5.1).
    return fields.get("allow_all_models") is not False

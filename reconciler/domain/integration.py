"""Integration as files declare it: one provider account with its credential and its access.

Field names are those of the API (remote/API.md §1.3, §4, §5), so the vendor's documentation
applies. Models and workspaces are two sub-resources, written with separate calls (remote/API.md
§5). Configurations depend on the provider and are checked by `reconciler.domain.providers`. Values
in a comparison are trees (`reconciler.domain.tree`); this model defines which trees are valid.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, TypeAlias

from reconciler.domain.facts import (
    Bool,
    Clearing,
    Facts,
    Identifier,
    Integer,
    Name,
    Reference,
    RiskRule,
    SensitiveText,
    SlugText,
    StrictModel,
    SubResource,
    Text,
)
from reconciler.domain.instants import parse_instant
from reconciler.domain.model import (
    Discriminator,
    Field,
    InvalidValue,
    ModelConfig,
    Tag,
    field_validator,
    model_validator,
)
from reconciler.domain.pricing import PricingAdjustments, PricingConfig
from reconciler.domain.tree import Path

Positive: TypeAlias = Annotated[Integer, Field(ge=1)]


class UsageLimit(StrictModel):
    """Budget that a workspace can spend before it is stopped."""

    type: Literal["cost", "tokens"] | None = Field(None, description="Unit of the count.")
    credit_limit: Positive | None = Field(None, description="The budget.")
    alert_threshold: Positive | None = Field(
        None, description="Usage from which a warning is sent."
    )
    # The API shows no reset as an empty string (remote/API.md §5.2).
    periodic_reset: Annotated[
        Literal["monthly", "weekly", ""] | None, Facts(excludes="periodic_reset_days")
    ] = Field(None, description="Interval after which the count is reset.")
    periodic_reset_days: Annotated[
        Annotated[Integer, Field(ge=1, le=365)] | None, Facts(excludes="periodic_reset")
    ] = Field(
        None,
        description="Number of days between resets of the count; cannot be combined with "
        "`periodic_reset`.",
    )
    next_usage_reset_at: Annotated[Text | None, Facts(instant=True)] = Field(
        None, description="Time of the next reset, ISO 8601 in UTC."
    )

    @field_validator("next_usage_reset_at")
    @classmethod
    def _is_an_instant(cls, value: str | None) -> str | None:
        if value and parse_instant(value) is None:
            raise InvalidValue("invalid-value", "must be an instant such as 2030-01-31T00:00:00Z")
        return value

    @model_validator
    def _one_kind_of_reset(self) -> "UsageLimit":
        if self.periodic_reset and self.periodic_reset_days:
            raise InvalidValue(
                "conflicting-fields",
                "`periodic_reset` and `periodic_reset_days` cannot be set together",
            )
        return self


class RateLimit(StrictModel):
    """Rate at which a workspace may call."""

    type: Literal["requests", "tokens"] | None = Field(None, description="Unit of the count.")
    # The specification does not list `rpw`, which the changelog adds (remote/API.md §5.2).
    unit: Literal["rpm", "rph", "rpd", "rpw"] | None = Field(
        None, description="Per minute, hour, day or week."
    )
    value: Annotated[Integer, Field(ge=0)] | None = Field(
        None, description="Number of requests or tokens in each period."
    )


# A list of at most one entry, as in the API (remote/API.md §5.2).
UsageLimits: TypeAlias = Annotated[tuple[UsageLimit, ...], Field(max_length=1)]
RateLimits: TypeAlias = Annotated[tuple[RateLimit, ...], Field(max_length=1)]


class ModelConfiguration(StrictModel):
    """Host of a model that is not served by the provider's own host."""

    # The API adds fields here, as in the configurations of a provider: they are sent, but never
    # shown.
    model_config = ModelConfig(extra="ignore")

    custom_host: Annotated[Text | None, Facts(host=True, url=True)] = Field(
        None, description="Base URL of this model."
    )
    custom_headers: Annotated[dict[str, SensitiveText] | None, Facts(headers=True)] = Field(
        None, description="Headers sent with every call of this model."
    )


class ModelAccess(StrictModel):
    """Access to one model, custom or of the provider."""

    slug: Annotated[Identifier, Facts(identity=True)] = Field(
        description="The model's name at the provider."
    )
    enabled: Annotated[Bool, Facts(risk=RiskRule.ACCESS, default=False)] = Field(
        description="Whether the model may be called."
    )
    is_custom: Annotated[Bool | None, Facts(default=False)] = Field(
        None, description="Whether the model is missing from the provider's list."
    )
    is_finetune: Annotated[Bool | None, Facts(default=False)] = Field(
        None, description="Whether the model is fine-tuned."
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
    pricing_config: PricingConfig | None = Field(
        None, description="Price of the model, in place of the listed price."
    )


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
    """Access of one workspace, with its limits."""

    # The API can return a UUID in place of the written slug (remote/API.md §5.2).
    id: Annotated[Identifier, Facts(identity=True, two_forms=True)] = Field(
        description="Slug or UUID of the workspace."
    )
    enabled: Annotated[Bool, Facts(risk=RiskRule.ACCESS, default=False)] = Field(
        description="Whether the workspace may use the integration."
    )
    usage_limits: Annotated[UsageLimits | None, Facts(risk=RiskRule.LIMIT)] = Field(
        None, description="Budget; at most one entry."
    )
    rate_limits: Annotated[RateLimits | None, Facts(risk=RiskRule.LIMIT)] = Field(
        None, description="Rate; at most one entry."
    )
    create_default_provider: Annotated[Bool, Facts(write_only=True, default=False)] = Field(
        default=False, description="Create a provider when access is first granted; write-only."
    )
    default_provider_slug: Annotated[SlugText | None, Facts(write_only=True)] = Field(
        None, description="Slug of the provider created on the first grant; write-only."
    )


MAPPINGS = "secret_mappings"
"""Field of an integration that holds its mappings."""


class SecretMapping(StrictModel):
    """Secret that the gateway fetches at request time; this tool never handles its value."""

    target_field: Annotated[
        Text, Field(pattern=r"^(key|configurations\.[A-Za-z0-9_]+)$"), Facts(identity=True)
    ] = Field(description="`key` or `configurations.<field>`.")
    # The API can return the other form (remote/API.md §4).
    secret_reference_id: Annotated[Identifier, Facts(two_forms=True)] = Field(
        description="Slug or UUID of the secret reference."
    )
    secret_key: Text | None = Field(
        None, description="Part of a secret with several values; overrides that of the reference."
    )
    value_format: Literal["json", "string"] | None = Field(
        None, description="`json` when the target field holds an object."
    )


class IgnoredField(StrictModel):
    """Field that is ignored for now, with the reason and the last day."""

    path: Identifier = Field(
        description="Path of the field, such as `configurations.openai_project`."
    )
    reason: Text | None = Field(None, description="Reason, for the readers of the file.")
    until: Annotated[Text, Field(json_schema_extra={"format": "date"})] | None = Field(
        None, description="Last day on which the field is ignored, YYYY-MM-DD."
    )

    @field_validator("until")
    @classmethod
    def _is_a_date(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                date.fromisoformat(value)
            except ValueError:
                raise InvalidValue("invalid-value", "must be a date, YYYY-MM-DD") from None
        return value


def _form_of_ignored(value: Any) -> str:
    return "(path)" if isinstance(value, str) else "(entry)"


Ignored: TypeAlias = Annotated[
    Annotated[Identifier, Tag("(path)")] | Annotated[IgnoredField, Tag("(entry)")],
    Discriminator(_form_of_ignored),
]


class LifecycleRules(StrictModel):
    """Options for the treatment of the integration."""

    protected: Bool = Field(
        default=False, description="Whether deleting and replacing the integration is refused."
    )
    ignore: tuple[Ignored, ...] | None = Field(
        None, description="Fields that are not compared or changed."
    )


class Integration(StrictModel):
    """One provider account of the gateway."""

    slug: Annotated[SlugText, Facts(identity=True)] = Field(
        description="Identity of the integration; immutable."
    )
    name: Annotated[Name, Facts(risk=RiskRule.COSMETIC)] = Field(description="Display name.")
    # A slug on api.portkey.ai, a UUID on the second deployment (remote/API.md §1.4, §8).
    ai_provider_id: Annotated[Identifier, Facts(immutable=True, two_forms=True)] = Field(
        description="The provider, for example `openai`."
    )
    description: Annotated[Text | None, Facts(risk=RiskRule.COSMETIC)] = Field(
        None, description="Purpose of the integration."
    )
    # The effect of an empty key in an update is unknown (remote/API.md §2), so it is never sent.
    key: Annotated[Reference, Facts(secret=True, clearing=Clearing.NEVER)] = Field(
        None, description="The provider's API key. If omitted, a stored key is kept."
    )
    # It is unknown whether an update merges or replaces them (remote/API.md §2), so all are sent.
    configurations: Annotated[
        dict[str, Any] | None, Facts(sent_whole=True, risk=RiskRule.SETTING)
    ] = Field(None, description="Settings of the provider; its fields depend on `ai_provider_id`.")
    # An update replaces the whole list (remote/API.md §2).
    secret_mappings: Annotated[
        tuple[SecretMapping, ...] | None, Facts(sent_whole=True, risk=RiskRule.CREDENTIAL)
    ] = Field(None, description="Secrets that the gateway fetches at request time.")
    # The API can return another form than the one sent (remote/API.md §1.4).
    workspace_id: Annotated[Identifier | None, Facts(immutable=True, two_forms=True)] = Field(
        None, description="Workspace that owns the integration; immutable."
    )
    # The effect of a partial object is unknown; null clears (remote/API.md §2).
    pricing_adjustments: Annotated[
        PricingAdjustments | None, Facts(sent_whole=True, clearing=Clearing.NULL)
    ] = Field(None, description="Adjustments to the list prices.")
    tags: Annotated[
        dict[str, Text] | None,
        Facts(sent_whole=True, clearing=Clearing.NULL, risk=RiskRule.COSMETIC),
    ] = Field(None, description="Labels.")
    # True after a create, and changed only by the call for models (remote/API.md §5.1).
    allow_all_models: Annotated[
        Bool | None,
        Facts(default=True, risk=RiskRule.SWITCH, sub_resource=SubResource.MODELS),
    ] = Field(None, description="Whether every model may be called.")
    models: Annotated[
        tuple[ModelAccess, ...] | None,
        Facts(risk=RiskRule.SETTING, sub_resource=SubResource.MODELS),
    ] = Field(None, description="Models, by slug.")
    global_workspace_access: Annotated[
        GlobalWorkspaceAccess | None, Facts(sub_resource=SubResource.WORKSPACES)
    ] = Field(None, description="Access of workspaces that are created later.")
    workspaces: Annotated[
        tuple[WorkspaceAccess, ...] | None, Facts(sub_resource=SubResource.WORKSPACES)
    ] = Field(None, description="Workspaces that may use the integration, by id.")
    create_default_provider: Annotated[Bool, Facts(write_only=True, default=False)] = Field(
        default=False,
        description="Whether to also create a provider. The API's own default is true.",
    )
    default_provider_slug: Annotated[SlugText | None, Facts(write_only=True)] = Field(
        None, description="Slug of the provider to create; must not be in use."
    )
    lifecycle: Annotated[LifecycleRules | None, Facts(local=True)] = Field(
        None, description="Protection and exceptions."
    )


def mapped_fields(tree: Mapping[str, object]) -> dict[Path, int]:
    """Return the path of each field that a mapping fills, with the index of the mapping."""
    mappings = tree.get(MAPPINGS)
    found: dict[Path, int] = {}
    for index, mapping in enumerate(mappings if isinstance(mappings, list | tuple) else ()):
        target = mapping.get("target_field") if isinstance(mapping, Mapping) else None
        if isinstance(target, str):
            found[target_path(target)] = index
    return found


def target_path(target: str) -> Path:
    """Return the path of the field that an entry with this `target_field` fills."""
    return tuple(target.split("."))


def allows_all_models(fields: Mapping[str, object]) -> bool:
    """Return whether models that these fields do not list are enabled, which is the default."""
    # Only false disables it: absent and null mean the default, which is true (remote/API.md §5.1).
    return fields.get("allow_all_models") is not False

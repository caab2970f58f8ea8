"""The integration as people declare it: one provider account with its credential and its access.

Field names are the API's own (remote/API.md §1.3, §4, §5), so the vendor's documentation applies.
Configurations depend on the provider and are checked by `reconciler.domain.providers`. Values in a
comparison are trees (`reconciler.domain.tree`); this model says which trees are right.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag, field_validator
from pydantic_core import PydanticCustomError

from reconciler.domain.access import GlobalWorkspaceAccess, ModelAccess, WorkspaceAccess
from reconciler.domain.facts import (
    Bool,
    Clearing,
    Facts,
    Identifier,
    Name,
    Reference,
    RiskRule,
    SlugText,
    StrictModel,
    SubResource,
    Text,
)
from reconciler.domain.pricing import PricingAdjustments
from reconciler.domain.tree import Path

MAPPINGS = "secret_mappings"
"""The field of an integration that holds its mappings."""


class SecretMapping(StrictModel):
    """A secret that the gateway itself fetches at request time; it never passes through here."""

    target_field: Annotated[
        Text, Field(pattern=r"^(key|configurations\.[A-Za-z0-9_]+)$"), Facts(identity=True)
    ] = Field(description="`key` or `configurations.<field>`.")
    # It can come back in the other form (remote/API.md §4).
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
    """A field that is left alone for now, with the reason and the end of it."""

    path: Identifier = Field(description="Such as `configurations.openai_project`.")
    reason: Text | None = Field(None, description="Why; for the next reader.")
    until: Annotated[Text, Field(json_schema_extra={"format": "date"})] | None = Field(
        None, description="Last day on which it is left alone, YYYY-MM-DD."
    )

    @field_validator("until")
    @classmethod
    def _is_a_date(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                date.fromisoformat(value)
            except ValueError:
                raise PydanticCustomError("invalid-value", "must be a date, YYYY-MM-DD") from None
        return value


def _form_of_ignored(value: Any) -> str:
    return "(path)" if isinstance(value, str) else "(entry)"


Ignored: TypeAlias = Annotated[
    Annotated[Identifier, Tag("(path)")] | Annotated[IgnoredField, Tag("(entry)")],
    Discriminator(_form_of_ignored),
]


class LifecycleRules(StrictModel):
    """Options for the treatment of the integration."""

    protected: Bool = Field(default=False, description="Never delete or replace it.")
    ignore: tuple[Ignored, ...] | None = Field(None, description="Fields that are left alone.")


class Integration(StrictModel):
    """One provider account of the gateway."""

    slug: Annotated[SlugText, Facts(identity=True)] = Field(
        description="Identity; it never changes."
    )
    name: Annotated[Name, Facts(risk=RiskRule.COSMETIC)] = Field(description="Display name.")
    # A slug on api.portkey.ai, a UUID on the second deployment (remote/API.md §1.4, §8).
    ai_provider_id: Annotated[Identifier, Facts(immutable=True, two_forms=True)] = Field(
        description="The provider, for example `openai`."
    )
    description: Annotated[Text | None, Facts(risk=RiskRule.COSMETIC)] = Field(
        None, description="Purpose of the integration."
    )
    # What an update does with an empty key is unknown (remote/API.md §2), so none is sent.
    key: Annotated[Reference, Facts(secret=True, clearing=Clearing.NEVER)] = Field(
        None, description="The provider's API key. Left out, a stored key is kept."
    )
    # Whether an update merges or replaces them is unknown (remote/API.md §2), so all are sent.
    configurations: Annotated[
        dict[str, Any] | None, Facts(sent_whole=True, risk=RiskRule.SETTING)
    ] = Field(None, description="Settings of the provider; its fields depend on `ai_provider_id`.")
    # An update replaces the whole list (remote/API.md §2).
    secret_mappings: Annotated[
        tuple[SecretMapping, ...] | None, Facts(sent_whole=True, risk=RiskRule.CREDENTIAL)
    ] = Field(None, description="Secrets the gateway fetches itself.")
    # It can come back in the other form than it was sent in (remote/API.md §1.4).
    workspace_id: Annotated[Identifier | None, Facts(immutable=True, two_forms=True)] = Field(
        None, description="Make it belong to this workspace; it never changes."
    )
    # The effect of a partial object is unknown; null clears (remote/API.md §2).
    pricing_adjustments: Annotated[
        PricingAdjustments | None, Facts(sent_whole=True, clearing=Clearing.NULL)
    ] = Field(None, description="Prices that differ from the list.")
    tags: Annotated[
        dict[str, Text] | None,
        Facts(sent_whole=True, clearing=Clearing.NULL, risk=RiskRule.COSMETIC),
    ] = Field(None, description="Labels.")
    # True after a create, and changed by the call for models alone (remote/API.md §5.1).
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
    ] = Field(None, description="Access of workspaces made in future.")
    workspaces: Annotated[
        tuple[WorkspaceAccess, ...] | None, Facts(sub_resource=SubResource.WORKSPACES)
    ] = Field(None, description="Workspaces that may use it, by id.")
    create_default_provider: Annotated[Bool, Facts(write_only=True, default=False)] = Field(
        default=False,
        description="Make a provider along with it. The API's own default is true.",
    )
    default_provider_slug: Annotated[SlugText | None, Facts(write_only=True)] = Field(
        None, description="Slug of the provider made along with it; it must be free."
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

"""Base of every provider's configuration, and the rules for its required fields.

The families beside this file say what differs. A field that no family knows is allowed: the API
grows faster than its public record, so it is reported and sent.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from reconciler.domain.facts import Bool, Facts, RiskRule, SensitiveText, Text
from reconciler.domain.tree import is_empty

ByMode: TypeAlias = Mapping[str, tuple[str, ...]]
"""Fields by auth mode."""

NO_MODES: ByMode = MappingProxyType({})

CUSTOM_HOSTS = "Portkey-AI/docs-core: product/ai-gateway/custom-hosts.mdx"
_OWN_MODELS = "Portkey-AI/docs-core: integrations/llms/byollm.mdx"
_TERRAFORM = "Portkey-AI/terraform-provider-portkey: docs/resources/integration.md"
_CUSTOM_HOST_TESTS = "cdot65/prisma-airs-sdk: release notes of 0.33.0"


@dataclass(frozen=True, slots=True)
class Missing:
    """A configuration field that must be there; `because` names the auth mode that asks for it."""

    field: str
    because: str | None = None


class Configuration(BaseModel):
    """The settings any provider accepts.

    `required` holds for every auth mode, `required_by_mode` for the value of `mode_field`; what is
    `expected` may be left out, but hardly anybody can do without it. `key_modes` are the auth modes
    that need a `key`; a provider without modes needs one if `takes_key`. `other_names` are names
    that the vendor uses for a field elsewhere.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    required: ClassVar[tuple[str, ...]] = ()
    mode_field: ClassVar[str | None] = None
    required_by_mode: ClassVar[ByMode] = NO_MODES
    expected: ClassVar[tuple[str, ...]] = ()
    expected_by_mode: ClassVar[ByMode] = NO_MODES
    takes_key: ClassVar[bool] = True
    key_modes: ClassVar[frozenset[str]] = frozenset()
    other_names: ClassVar[Mapping[str, str]] = MappingProxyType({})

    custom_host: Annotated[
        Text | None,
        Facts(host=True, url=True, example="https://models.example.com/v1", source=CUSTOM_HOSTS),
    ] = Field(None, description="Base URL to call instead of the usual one.")
    custom_headers: Annotated[
        dict[str, SensitiveText] | None,
        Facts(headers=True, example="{x-team: search}", source=_OWN_MODELS),
    ] = Field(None, description="Headers sent with every call.")
    provider_auth_type: Annotated[
        Text | None,
        Facts(
            server_added=True,
            required_by="custom_host",
            risk=RiskRule.CREDENTIAL,
            example="apiKey",
            source=_CUSTOM_HOST_TESTS,
        ),
    ] = Field(None, description="Authentication of calls to a custom host, for example `apiKey`.")
    is_key_required: Annotated[Bool | None, Facts(example="false", source=_TERRAFORM)] = Field(
        None, description="Whether a key is needed as well."
    )

    @classmethod
    def missing(cls, given: Mapping[str, object], mapped: Collection[str]) -> list[Missing]:
        """Find the required fields that are neither given nor filled by a secret mapping."""
        return cls._absent(given, mapped, cls.required, cls.required_by_mode)

    @classmethod
    def missed(cls, given: Mapping[str, object], mapped: Collection[str]) -> list[Missing]:
        """Find the expected fields that are neither given nor filled by a secret mapping."""
        return cls._absent(given, mapped, cls.expected, cls.expected_by_mode)

    @classmethod
    def needs_key(cls, given: Mapping[str, object]) -> bool:
        """Return whether the API refuses a create with these settings and no `key`."""
        if given.get("is_key_required") is False:
            return False
        if cls.mode_field is None:
            return cls.takes_key
        return given.get(cls.mode_field) in cls.key_modes

    @classmethod
    def _absent(
        cls,
        given: Mapping[str, object],
        mapped: Collection[str],
        always: tuple[str, ...],
        by_mode: ByMode,
    ) -> list[Missing]:
        if not always and not by_mode:
            return []

        def absent(field: str) -> bool:
            return field not in mapped and is_empty(given.get(field))

        lacking = [Missing(field) for field in always if absent(field)]
        mode = given.get(cls.mode_field) if cls.mode_field else None
        if isinstance(mode, str):
            because = f"{cls.mode_field}: {mode}"
            lacking += [Missing(field, because) for field in by_mode.get(mode, ()) if absent(field)]
        return lacking


class OwnHost(Configuration):
    """A server of one's own, which needs no key."""

    expected = ("custom_host",)
    takes_key = False

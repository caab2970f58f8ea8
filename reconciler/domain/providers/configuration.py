"""What every provider's configuration has in common, and how its required fields are found.

The families beside this file say what differs. A field that no family knows is allowed: the API
grows faster than its public record, so it is reported and sent.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from reconciler.domain.facts import Facts, RiskRule
from reconciler.domain.leaves import Flag, SensitiveText, Text
from reconciler.domain.tree import is_empty


@dataclass(frozen=True, slots=True)
class Missing:
    """A configuration field that must be there; `because` names the auth mode that asks for it."""

    field: str
    because: str | None = None


class Configuration(BaseModel):
    """The settings any provider accepts.

    `required` holds for every auth mode, `required_by_mode` for the value of `mode_field`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    required: ClassVar[tuple[str, ...]] = ()
    mode_field: ClassVar[str | None] = None
    required_by_mode: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})

    custom_host: Annotated[Text | None, Facts(host=True)] = Field(
        None, description="Base URL to call instead of the usual one."
    )
    custom_headers: Annotated[dict[str, SensitiveText] | None, Facts(headers=True)] = Field(
        None, description="Headers sent with every call."
    )
    provider_auth_type: Annotated[
        Text | None,
        Facts(server_added=True, required_by="custom_host", risk=RiskRule.CREDENTIAL),
    ] = Field(
        None, description="How calls to a custom host are authenticated, for example `apiKey`."
    )
    is_key_required: Flag | None = Field(None, description="Whether a key is needed as well.")

    @classmethod
    def missing(cls, given: Mapping[str, Any], mapped: Collection[str]) -> list[Missing]:
        """Find the required fields that are neither given nor filled by a secret mapping."""

        def absent(field: str) -> bool:
            return field not in mapped and is_empty(given.get(field))

        lacking = [Missing(field) for field in cls.required if absent(field)]
        mode = given.get(cls.mode_field) if cls.mode_field else None
        if isinstance(mode, str):
            because = f"{cls.mode_field}: {mode}"
            by_mode = cls.required_by_mode.get(mode, ())
            lacking += [Missing(field, because) for field in by_mode if absent(field)]
        return lacking

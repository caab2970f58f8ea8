"""Facts that models declare about fields: types, properties, and requirements of providers.

A model of `reconciler.domain` declares the type and the facts of each of its fields once:
`Annotated[Text, Facts(immutable=True)]`. `reconciler.domain.schema` compiles them for validation,
planning, requests, decoding and documentation. The types are strict: scalars are read according to
the type of their field, so nothing is converted here.

`Configuration` is the base of every provider's settings; the families in
`reconciler.domain.providers` add the differences. A field that no family knows is allowed: the API
changes faster than its public documentation, so such a field is reported and sent.
"""

import re
from collections.abc import Collection, Mapping
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Annotated, ClassVar, TypeAlias

from reconciler.domain.model import (
    AfterValidator,
    Field,
    InvalidValue,
    Model,
    ModelConfig,
    PlainValidator,
    Strict,
    WithJsonSchema,
)
from reconciler.domain.secrets import Redacted, SecretRef
from reconciler.domain.tree import is_empty
from reconciler.frozen_dataclass import dataclass


class SubResource(StrEnum):
    """Part of an integration that the API reads and writes with separate calls."""

    MODELS = "models"
    WORKSPACES = "workspaces"


class Clearing(Enum):
    """Way in which a write empties a field that the files declare empty."""

    EMPTY = "the empty value of its type"
    NULL = "null"
    NEVER = "no call empties it"


class RiskRule(Enum):
    """Rule by which the risk of a change follows from its two values."""

    RESTRICTIVE = "restrictive"
    COSMETIC = "cosmetic"
    CREDENTIAL = "credential"
    ACCESS = "access is granted (additive) or taken away (access-removal)"
    SWITCH = "switched on (additive) or off (restrictive)"
    LIMIT = "raised or lifted (additive) or lowered (restrictive)"
    SETTING = "set for the first time (additive) or changed (restrictive)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Properties of a field that its type does not express.

    `identity` distinguishes the entries of a keyed list, and integrations themselves. `two_forms`
    marks an id that the API can report as a UUID although a slug was written. Files can contain
    only a reference to a `secret`; for a `redacted` field they can contain a literal, which is
    never shown. The value of a `secret_object` is a JSON object. A `host` decides where a stored
    credential is sent, an `endpoint` chooses between hosts of one vendor, such as a region;
    `headers` is a map of HTTP headers. A `local` field exists only in files and is never sent. A
    `write_only` field is accepted and never returned; a `server_added` one appears without being
    sent, and no write removes it. A field is `sent_whole` if the API may replace instead of merge.
    `default` is the value of an absent field. `required_by` names the sibling field that does not
    work without it, `excludes` the one that cannot be set at the same time. `example` and `source`
    (where a fact is documented) are for people.

    A `url` is absolute. `form` is a regular expression that documented values match: any other
    value causes a warning with the nearest of the `known` ones. `other_words` are pairs of a word
    that the vendor uses elsewhere and the equivalent choice. `replaced_by` names the field that the
    API requires instead of this one.
    """

    identity: bool = False
    two_forms: bool = False
    secret: bool = False
    secret_object: bool = False
    redacted: bool = False
    host: bool = False
    endpoint: bool = False
    immutable: bool = False
    headers: bool = False
    local: bool = False
    write_only: bool = False
    server_added: bool = False
    sent_whole: bool = False
    instant: bool = False
    clearing: Clearing = Clearing.EMPTY
    default: object = None
    required_by: str | None = None
    excludes: str | None = None
    risk: RiskRule | None = None
    sub_resource: SubResource | None = None
    url: bool = False
    form: str | None = None
    known: tuple[str, ...] = ()
    other_words: tuple[tuple[str, str], ...] = ()
    replaced_by: str | None = None
    example: str | None = None
    source: str | None = None

    @property
    def sensitive(self) -> bool:
        """Whether the value is never shown."""
        return self.secret or self.redacted


NO_FACTS = Facts()

SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie", re.IGNORECASE)
"""Header names whose value must be a reference."""

SECRET_NAME = re.compile(
    r"token|secret|passw|passphrase|passcode|credential|key|private|signing|signature|bearer|auth"
    r"|cookie|cert|jwt|pem|pwd|connection_?string|service_?account"
    r"|(?:^|[_.-])(?:pass|sas|pat)(?:[_.-]|\d*$)",
    re.IGNORECASE,
)
"""Field names of secrets; `known_fields` of a target cannot list such a field."""

MASK_PREFIX = "masked_"
"""Prefix of the name of a field whose value the API masks (remote/API.md §1.4)."""


REFERENCE_PATTERN = r"^\$\{[a-z][a-z0-9+._-]*:[^\s{}]+\}$"

Text: TypeAlias = Annotated[str, Strict()]
Bool: TypeAlias = Annotated[bool, Strict()]
Integer: TypeAlias = Annotated[int, Strict()]
Amount: TypeAlias = Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False)]
Name: TypeAlias = Annotated[str, Strict(), Field(min_length=1, max_length=255)]
SlugText: TypeAlias = Annotated[str, Strict(), Field(pattern=r"^[A-Za-z0-9_-]{1,255}$")]


_LABEL = re.compile(r"[A-Za-z0-9_-]*")
_LABELS = re.compile(r"([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*)?")
_BECOMES_HOST = "it becomes part of the host name that receives the credential"


def is_host_label(text: str) -> bool:
    """Return whether a text is a single label of a host name."""
    return _LABEL.fullmatch(text) is not None


def _label(value: str) -> str:
    if not is_host_label(value):
        raise InvalidValue(
            "unexpected-form",
            f"must consist of ASCII letters, digits, `-` and `_`: {_BECOMES_HOST}",
        )
    return value


def _labels(value: str) -> str:
    if _LABELS.fullmatch(value) is None:
        raise InvalidValue(
            "unexpected-form",
            "must consist of ASCII letters, digits, `-` and `_`, with single dots between: "
            + _BECOMES_HOST,
        )
    return value


HostLabel: TypeAlias = Annotated[
    str, Strict(), Field(pattern=r"^[^\s/:?#@.]*$"), AfterValidator(_label)
]
"""Name that becomes one label of a host name, so it cannot be a URL or a whole host name."""
HostLabels: TypeAlias = Annotated[
    str, Strict(), Field(pattern=r"^[^\s/:?#@]*$"), AfterValidator(_labels)
]
"""Name that becomes the first part of a host name."""
RegionName: TypeAlias = Annotated[
    str, Strict(), AfterValidator(_label), Field(json_schema_extra={"pattern": "^[A-Za-z0-9_-]*$"})
]
"""Name that selects a host of one vendor, as one label of the host name."""
DeploymentName: TypeAlias = Annotated[str, Strict(), AfterValidator(_labels)]
"""Name that a vendor uses as the first part of a host name for some deployments."""
Identifier: TypeAlias = Annotated[str, Strict(), Field(min_length=1)]


class StrictModel(Model):
    """Frozen part of an integration that accepts no unknown field."""


def _reference(value: object) -> object:
    # An empty value declares that nothing is stored.
    if value is None or isinstance(value, SecretRef) or (isinstance(value, str) and not value):
        return value
    raise InvalidValue("literal-secret", "a secret must be a reference")


def _sensitive(value: object) -> object:
    if isinstance(value, SecretRef | Redacted) or (isinstance(value, str) and not value):
        return value
    raise InvalidValue("string_type", "must be a string")


Reference: TypeAlias = Annotated[
    SecretRef | str | None,
    PlainValidator(_reference),
    WithJsonSchema({"type": ["string", "null"], "pattern": REFERENCE_PATTERN + "|^$"}),
]
"""Secret, of which a file can contain only a reference."""

SensitiveText: TypeAlias = Annotated[
    SecretRef | Redacted | str,
    PlainValidator(_sensitive),
    WithJsonSchema({"type": "string"}),
]
"""Value that a file can contain but that is never shown."""


ByMode: TypeAlias = Mapping[str, tuple[str, ...]]
"""Fields by auth mode."""

NO_MODES: ByMode = MappingProxyType({})

CUSTOM_HOSTS = "Portkey-AI/docs-core: product/ai-gateway/custom-hosts.mdx"
_OWN_MODELS = "Portkey-AI/docs-core: integrations/llms/byollm.mdx"
_TERRAFORM = "Portkey-AI/terraform-provider-portkey: docs/resources/integration.md"
_CUSTOM_HOST_TESTS = "cdot65/prisma-airs-sdk: release notes of 0.33.0"


@dataclass(frozen=True, slots=True)
class Missing:
    """Configuration field that must be set; `because` names the auth mode that requires it."""

    field: str
    because: str | None = None


class Configuration(Model):
    """Settings that every provider accepts.

    `required` applies to every auth mode, `required_by_mode` to the value of `mode_field`;
    `expected` fields can be omitted, but are usually needed. `key_modes` are the auth modes that
    need a `key`; a provider without modes needs one if `takes_key`. `other_names` are names that
    the vendor uses for a field elsewhere.
    """

    model_config = ModelConfig(extra="ignore")

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
        """Return the required fields that are neither set nor filled by a secret mapping."""
        return cls._absent(given, mapped, cls.required, cls.required_by_mode)

    @classmethod
    def missed(cls, given: Mapping[str, object], mapped: Collection[str]) -> list[Missing]:
        """Return the expected fields that are neither set nor filled by a secret mapping."""
        return cls._absent(given, mapped, cls.expected, cls.expected_by_mode)

    @classmethod
    def needs_key(cls, given: Mapping[str, object]) -> bool:
        """Return whether the API refuses a create with these settings and without `key`."""
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

        # The fields of every mode come first, as in the reference of the fields.
        lacking = [Missing(field) for field in always if absent(field)]
        mode = given.get(cls.mode_field) if cls.mode_field else None
        if isinstance(mode, str):
            because = f"{cls.mode_field}: {mode}"
            lacking += [Missing(field, because) for field in by_mode.get(mode, ()) if absent(field)]
        return lacking


class OwnHost(Configuration):
    """Self-hosted server, which needs no key."""

    expected = ("custom_host",)
    takes_key = False

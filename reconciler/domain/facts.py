"""What a model states of a field: its type, and facts that a type does not express.

A model of `reconciler.domain` states both once for each of its fields:
`Annotated[Text, Facts(immutable=True)]`. `reconciler.domain.schema` compiles them into what
validation, planning, requests, decoding and documentation walk. The types are strict: files are
read by field type, so nothing has to be converted here.
"""

import re
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Annotated, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    Strict,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from reconciler.domain.secrets import Redacted, SecretRef


class SubResource(StrEnum):
    """A part of an integration that the API reads and writes by calls of its own."""

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
    marks an id that the API may report as a UUID where a slug was written. Files may hold only a
    reference to a `secret`; of a `redacted` field they may hold a literal, and it is shown nowhere.
    The value of a `secret_object` is a JSON object. A `host` decides where a stored credential is
    sent, an `endpoint` chooses between hosts of one vendor, such as a region; `headers` is a map of
    HTTP headers. A `local` field is in files only and is never sent. A `write_only` field is
    accepted and never returned; a `server_added` one appears without being sent, and no write
    removes it. A field is `sent_whole` where the API may replace instead of merge. `default` is
    what an absent field stands for. `required_by` names the field beside it that does not work
    without it. `example` and `source` (where a fact is documented) are for people.

    A `url` is absolute. `form` is a regular expression that documented values match: another value
    is worth a warning. `other_words` are pairs of a word that the vendor uses elsewhere and the
    choice it stands for here. `replaced_by` names the field that the API wants instead of this one.
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
    risk: RiskRule | None = None
    sub_resource: SubResource | None = None
    url: bool = False
    form: str | None = None
    other_words: tuple[tuple[str, str], ...] = ()
    replaced_by: str | None = None
    example: str | None = None
    source: str | None = None

    @property
    def sensitive(self) -> bool:
        """Return whether the value is shown nowhere."""
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
"""Field names of secrets; a target cannot vouch for a field with such a name."""

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
_BECOMES_HOST = "it becomes a part of the name of the host that gets the credential"


def is_host_label(text: str) -> bool:
    """Return whether a text can be one label of a host's name, and nothing more."""
    return _LABEL.fullmatch(text) is not None


def _label(value: str) -> str:
    if not is_host_label(value):
        raise PydanticCustomError(
            "unexpected-form",
            f"must consist of ASCII letters, digits, `-` and `_`: {_BECOMES_HOST}",
        )
    return value


def _labels(value: str) -> str:
    if _LABELS.fullmatch(value) is None:
        raise PydanticCustomError(
            "unexpected-form",
            "must consist of ASCII letters, digits, `-` and `_`, with single dots between: "
            + _BECOMES_HOST,
        )
    return value


HostLabel: TypeAlias = Annotated[
    str, Strict(), Field(pattern=r"^[^\s/:?#@.]*$"), AfterValidator(_label)
]
"""A name that becomes one label of a host's name, so that a URL or a whole host cannot be meant."""
HostLabels: TypeAlias = Annotated[
    str, Strict(), Field(pattern=r"^[^\s/:?#@]*$"), AfterValidator(_labels)
]
"""A name that becomes the beginning of a host's name."""
RegionName: TypeAlias = Annotated[
    str, Strict(), AfterValidator(_label), Field(json_schema_extra={"pattern": "^[A-Za-z0-9_-]*$"})
]
"""A name that chooses among the hosts of one vendor, as one label of the host's name."""
DeploymentName: TypeAlias = Annotated[str, Strict(), AfterValidator(_labels)]
"""A name that a vendor makes the beginning of a host's name for some deployments."""
Identifier: TypeAlias = Annotated[str, Strict(), Field(min_length=1)]


class StrictModel(BaseModel):
    """A frozen part of an integration that accepts no unknown field."""

    # Validators are built on first use, so a command that reads no file does not pay for them.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def _reference(value: object) -> object:
    if value is None or isinstance(value, SecretRef) or (isinstance(value, str) and not value):
        return value
    raise PydanticCustomError("literal-secret", "a secret must be a reference")


def _sensitive(value: object) -> object:
    if isinstance(value, SecretRef | Redacted) or (isinstance(value, str) and not value):
        return value
    raise PydanticCustomError("string_type", "must be a text")


Reference: TypeAlias = Annotated[
    SecretRef | str | None,
    PlainValidator(_reference),
    WithJsonSchema({"type": ["string", "null"], "pattern": REFERENCE_PATTERN + "|^$"}),
]
"""A secret: a file may contain only its reference."""

SensitiveText: TypeAlias = Annotated[
    SecretRef | Redacted | str,
    PlainValidator(_sensitive),
    WithJsonSchema({"type": "string"}),
]
"""A value that a file may contain and that is never shown."""

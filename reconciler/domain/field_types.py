"""Scalar types of the fields of an integration, each with its check and its JSON Schema.

They are strict: files are read by field type, so nothing has to be converted here. The facts of a
field (secret, host, immutable): `reconciler.domain.facts`.
"""

import re
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

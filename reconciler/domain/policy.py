"""Policy of a target: the content of reconcile.yaml as values.

These models are the schema of reconcile.yaml. Reading the file with positions:
`reconciler.desired`. Enforcing the limits: `reconciler.planning.guards`.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Annotated, Literal, TypeAlias

from reconciler.domain.model import (
    REQUIRED,
    BeforeValidator,
    DeclaredField,
    Field,
    InvalidValue,
    Model,
    WithJsonSchema,
)
from reconciler.domain.secrets import SecretRef


class Prune(StrEnum):
    """Integrations without a file that a run deletes."""

    NONE = "none"
    MANAGED = "managed"
    ALL = "all"


class StrictSettings(Model):
    """Frozen part of the configuration that accepts no unknown field."""


class Scope(StrictSettings):
    """Integrations of a target that this repository may own; any other is `not-owned`."""

    type: Literal["all", "organisation", "workspace"] = "all"
    workspace_id: str | None = None
    slugs: tuple[str, ...] = ("*",)

    def owns(self, *, slug: str, kind: str | None, workspace_id: str | None) -> bool:
        """Return whether an integration is in this scope; a slug pattern `!x*` excludes slugs.

        `kind` is the API's `type` (organisation or workspace), None if it is unknown.
        """
        if self.type != "all" and kind is not None and kind != self.type:
            return False
        if self.workspace_id is not None and workspace_id != self.workspace_id:
            return False
        return self.owns_slug(slug)

    def owns_slug(self, slug: str) -> bool:
        """Return whether the patterns include a slug, regardless of the rest of the scope."""
        excluded = [p[1:] for p in self.slugs if p.startswith("!")]
        # A scope with only exclusions owns everything else.
        included = [p for p in self.slugs if not p.startswith("!")] or ["*"]
        if any(fnmatchcase(slug, pattern) for pattern in excluded):
            return False
        return any(fnmatchcase(slug, pattern) for pattern in included)


KnownFields: TypeAlias = Mapping[str, tuple[str, ...]]
"""Configuration fields that a target lists as known, by provider: they can be shown."""

DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"

NO_KNOWN_FIELDS: KnownFields = MappingProxyType({})


def _exact(value: object) -> object:
    """Return a number as a decimal with the digits of its text, because a float is not exact."""
    if value is None:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidValue("float_type", "must be a number")
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    # A zero has no sign, so that no message shows `-0`.
    return number or Decimal(0)


_Decimal: TypeAlias = Annotated[
    Decimal,
    BeforeValidator(_exact),
    Field(ge=0, allow_inf_nan=False),
    WithJsonSchema({"type": "number", "minimum": 0}),
]


PERCENTAGE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) ?%")
"""Ratio as text, such as `50%`."""


def _share(value: object) -> object:
    """Return a ratio, given as a number or as a percentage, as a decimal."""
    if not isinstance(value, str):
        return _exact(value)
    percentage = PERCENTAGE.fullmatch(value)
    if percentage is None:
        raise InvalidValue("float_type", "must be a number or a percentage")
    return Decimal(percentage[1]) / 100


_Share: TypeAlias = Annotated[
    Decimal,
    BeforeValidator(_share),
    Field(ge=0, allow_inf_nan=False),
    WithJsonSchema(
        {
            "anyOf": [
                # More than 1 must be a percentage: 50 is more often 50 % than 5,000 %.
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": f"^{PERCENTAGE.pattern}$"},
            ]
        }
    ),
]


def _fraction(value: object) -> object:
    """Return a percentage as a number, and any other value unchanged."""
    percentage = PERCENTAGE.fullmatch(value) if isinstance(value, str) else None
    return value if percentage is None else float(Decimal(percentage[1]) / 100)


_Fraction: TypeAlias = Annotated[
    float,
    BeforeValidator(_fraction),
    Field(ge=0, le=1, strict=True),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": r"^(100|[0-9]{1,2}(\.[0-9]{1,6})?) ?%$"},
            ]
        }
    ),
]


class Limits(StrictSettings):
    """Limits of the changes of one run; only a strictly greater number exceeds a limit."""

    deletes: Annotated[int, Field(ge=0, strict=True)] = 3
    # Not applied below `guards.RATIO_COUNTS_FROM` owned integrations.
    delete_ratio: _Fraction = 0.3
    # No replace by default, because the stored credential is deleted with the old integration.
    replaces: Annotated[int, Field(ge=0, strict=True)] = 0
    credential_changes: Annotated[int, Field(ge=0, strict=True)] = 10
    access_removals: Annotated[int, Field(ge=0, strict=True)] = 10
    # No limits by default. The total applies to each period separately.
    budget_total: _Decimal | None = None
    budget_increase: _Share | None = None
    # Setting it enables reading of the usage, like `usage`; with only `usage`, it is 0.
    used_removals: Annotated[int, Field(ge=0, strict=True)] | None = None
    # One week. The limit is about what Python can represent as a duration.
    plan_age_hours: Annotated[float, Field(gt=0, le=1_000_000_000, strict=True)] = 168

    @property
    def limits_budgets(self) -> bool:
        """Return whether raising budgets is limited."""
        return self.budget_total is not None or self.budget_increase is not None


RiskName: TypeAlias = Literal[
    "cosmetic", "additive", "restrictive", "credential", "access-removal", "replace", "delete"
]
"""Name of a risk, as `reconciler.planning.actions.Risk` defines them."""


class ChangeWindow(StrictSettings):
    """Hours in which changes may be applied; with `risks`, only changes of these need the window.

    `reconciler.domain.change_windows` parses the hours.
    """

    allow: str
    zone: str
    risks: tuple[RiskName, ...] | None = None


class Freeze(StrictSettings):
    """Time in which nothing may be applied; `until` is a date, which is included, or an instant."""

    until: str
    reason: str
    zone: str | None = None


class GatewayProbe(StrictSettings):
    """Gateway that lists the models of a provider; by default that of the target's URL."""

    api_key: SecretRef | None = None
    base_url: str | None = None


class Probe(StrictSettings):
    """Check whether a credential works after it was written: a command, or the gateway.

    `variables` are passed to the command, `workspace` is where the credential is used.
    """

    command: tuple[str, ...] | None = None
    variables: tuple[str, ...] = ()
    gateway: GatewayProbe | None = None
    workspace: str | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=300, strict=True)] = 30


class Rotation(StrictSettings):
    """Way in which credentials are written: with `staged`, each is tested in a shadow first."""

    # Strict, because a string such as "no" would otherwise be converted to a boolean.
    staged: Annotated[bool, Field(strict=True)] = False


class PolicyCommand(StrictSettings):
    """Program that checks each plan before it is applied; `reconciler.policies` runs it.

    `files` are the paths of what the program may read, relative to the desired-state folder.
    """

    name: str
    command: tuple[str, ...]
    files: tuple[str, ...] = ()
    timeout_seconds: Annotated[float, Field(gt=0, le=600, strict=True)] = 60


class Promotion(StrictSettings):
    """Source of the content of a target, and how long the content must have been in use there."""

    soak_hours: Annotated[float, Field(ge=0, le=8784, strict=True, allow_inf_nan=False)]

    @property
    def source(self) -> str:
        """Return the name of the target that must have the same content."""
        return str(self.__dict__["from"])


# The name of this field is a keyword of Python, so it cannot be declared in the class.
Promotion.model_fields = MappingProxyType(
    {"from": DeclaredField(str, (), REQUIRED), **Promotion.model_fields}
)


class Target(StrictSettings):
    """API of one organisation, and the rules for writing to it."""

    name: str = ""
    base_url: str
    api_key: SecretRef | None = None
    auth_header: Literal["x-portkey-api-key", "authorization"] = "x-portkey-api-key"
    environment: str | None = None
    scope: Scope = Scope()
    prune: Prune = Prune.MANAGED
    limits: Limits = Limits()
    known_fields: dict[str, tuple[str, ...]] = Field({})
    windows: tuple[ChangeWindow, ...] = ()
    freeze: Freeze | None = None
    probe: Probe | None = None
    rotation: Rotation = Rotation()
    usage: Annotated[bool, Field(strict=True)] = False
    policies: tuple[PolicyCommand, ...] = ()
    promotion: Promotion | None = None
    # Not in the file: whether another target is promoted from this one.
    soaks: bool = False

    @property
    def reads_usage(self) -> bool:
        """Return whether plans show what uses an integration; a limit alone is sufficient."""
        return self.usage or self.limits.used_removals is not None

    @property
    def is_simulator(self) -> bool:
        """Return whether this target is the embedded simulator."""
        return self.base_url.startswith("simulator:")

    @property
    def has_change_times(self) -> bool:
        """Return whether changes may be applied only at certain times."""
        return bool(self.windows) or self.freeze is not None

    def as_json(self, organisation_id: str | None) -> dict[str, object]:
        """Return the form of plans, results and reports."""
        return {
            "name": self.name,
            "base_url": self.base_url,
            "organisation_id": organisation_id,
        }


class PinnedCatalogue(StrictSettings):
    """Catalogue of models: a file in the folder of the files, and the digest of its content."""

    file: str
    digest: Annotated[str, Field(pattern=DIGEST_PATTERN)]


class Tombstone(StrictSettings):
    """Slug that must not exist, with the reason for the readers of the file."""

    slug: str
    reason: str | None = None

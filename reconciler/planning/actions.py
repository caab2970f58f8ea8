"""Actions of a plan: what happens to each integration, with its changes, reason and risk.

Long values of a change are shortened for views and approvals: the part in which two values differ
stays visible, and omitted characters are counted. A value that decides where a credential is sent
is never shortened, because the end of a host name is the important part.
"""

import re
from dataclasses import field
from enum import Enum, StrEnum
from typing import assert_never

from reconciler.diagnostics import SourceLocation
from reconciler.domain.calls import Call
from reconciler.domain.facts import RiskRule
from reconciler.domain.integration import MAPPINGS, target_path
from reconciler.domain.schema import FieldSchema, any_provider_schema, parse_path
from reconciler.domain.state import Declared, LastApplied, Observed
from reconciler.domain.tree import Json, Path, Value
from reconciler.domain.usage import Usage
from reconciler.frozen_dataclass import dataclass


class Risk(Enum):
    """Harm that a change can do; later members outrank earlier ones."""

    COSMETIC = "cosmetic"
    ADDITIVE = "additive"
    RESTRICTIVE = "restrictive"
    CREDENTIAL = "credential"
    ACCESS_REMOVAL = "access-removal"
    REPLACE = "replace"
    DELETE = "delete"

    @property
    def rank(self) -> int:
        """Return the position in the order of harm."""
        return _RANKS[self]


_RANKS = {risk: rank for rank, risk in enumerate(Risk)}


def highest(risks: list[Risk]) -> Risk | None:
    """Return the greatest risk, None if there is none."""
    # By rank, because the members are strings and would compare alphabetically.
    return max(risks, key=lambda r: r.rank, default=None)


def decides_host(schema: FieldSchema, path: Path) -> bool:
    """Return whether the value at a path decides which host gets a stored credential.

    So does the value of a secret mapping for a host, because the gateway reads the host name from
    elsewhere, and of a mapping for a region, because no check sees the value that becomes part of
    the host name.
    """
    # Canonical mappings are keyed by `target_field`, so the second step names the field.
    if path[0] == MAPPINGS and len(path) > 1:
        facts = schema.at(target_path(path[1])).facts
        return facts.host or facts.endpoint
    return schema.at(path).facts.host


def risk_of_new(field: FieldSchema) -> Risk:
    """Return the risk of a leaf of a new integration, where only a host can do harm."""
    return Risk.CREDENTIAL if field.facts.host else Risk.ADDITIVE


def risk_of(field: FieldSchema, *, before: Value, after: Value, adds: bool) -> Risk:
    """Return the risk of a change of an existing integration; `adds` if no value existed."""
    # The risk of a field without a rule is restrictive, never harmless.
    rule = RiskRule.ACCESS if field.grants_access else field.facts.risk or RiskRule.RESTRICTIVE
    match rule:
        case RiskRule.COSMETIC:
            return Risk.COSMETIC
        case RiskRule.CREDENTIAL:
            return Risk.CREDENTIAL
        case RiskRule.ACCESS:
            return Risk.ADDITIVE if after else Risk.ACCESS_REMOVAL
        case RiskRule.SWITCH:
            return Risk.ADDITIVE if after else Risk.RESTRICTIVE
        case RiskRule.LIMIT:
            return Risk.ADDITIVE if _is_raised(before, after) else Risk.RESTRICTIVE
        # If there was no value, no caller can rely on an old one.
        case RiskRule.SETTING:
            return Risk.ADDITIVE if adds else Risk.RESTRICTIVE
        case RiskRule.RESTRICTIVE:
            return Risk.RESTRICTIVE
        case _:
            assert_never(rule)


def _is_raised(before: Value, after: Value) -> bool:
    # Null lifts a limit (remote/API.md §5.2).
    if before is not None and after is None:
        return True
    return isinstance(before, int | float) and isinstance(after, int | float) and after > before


class ActionKind(StrEnum):
    """Kind of an action on an integration."""

    # The order of the members is the order of the actions in a plan.
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"


class ChangeKind(StrEnum):
    """Kind of a change of one field. `resend`: a secret in sync must be sent with a write."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"
    ROTATE = "rotate"
    RESEND = "resend"


class ChangeOrigin(StrEnum):
    """Side that changed: the files, the API or both; unknown without a ledger and `--base`."""

    LOCAL = "local"
    REMOTE = "remote"
    BOTH = "both"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Change:
    """Change of one field, as plain JSON without secrets.

    A sensitive change shows references instead of the values before and after. It is an
    `unknown_field` if it is sensitive because no model describes the field.
    """

    path: str
    op: ChangeKind
    risk: Risk
    before: Json = None
    after: Json = None
    sensitive: bool = False
    origin: ChangeOrigin = ChangeOrigin.UNKNOWN
    reference: str | None = None
    before_reference: str | None = None
    unknown_field: bool = False

    def as_json(self) -> dict[str, object]:
        """Return the JSON form; references are keys of sensitive changes only."""
        document: dict[str, object] = {
            "path": self.path,
            "op": self.op.value,
            "before": self.before,
            "after": self.after,
            "sensitive": self.sensitive,
            "origin": self.origin.value,
            "risk": self.risk.value,
        }
        if self.sensitive:
            document |= {"reference": self.reference, "before_reference": self.before_reference}
        if self.unknown_field:
            # Only if true, so that documents of plans without such a field stay the same.
            document["unknown_field"] = True
        return document

    @property
    def identity(self) -> dict[str, object]:
        """Return what a digest and an approval compare: everything except origin and risk."""
        document = self.as_json()
        # Both depend on the ledger and on this version's schema, not on what is written.
        del document["origin"], document["risk"]
        document.pop("unknown_field", None)
        return document


@dataclass(frozen=True, slots=True)
class Precondition:
    """State of the integration when the plan was made; both are None if it did not exist."""

    last_updated_at: str | None = None
    fingerprint: str | None = None


TOMBSTONE = "tombstone: "
"""Prefix of the reason of a delete that `deletions` requests; a saved plan shows it in no other
way.
"""

LEFT_OVER = "left over from a rotation of "
"""Prefix of the reason of a delete that removes a shadow."""


@dataclass(frozen=True, slots=True)
class ActionInputs:
    """Values from which an action was derived, for guards before and checks after a write."""

    declared: Declared | None = None
    observed: Observed | None = None
    remembered: LastApplied = LastApplied()


@dataclass(frozen=True, slots=True)
class Staging:
    """Shadow integration `slug` that an action creates, probes and removes.

    `calls` create it; `leftover` is the shadow of an earlier run, which is removed first.
    """

    slug: str
    calls: tuple[Call, ...]
    leftover: Observed | None = None

    @property
    def count(self) -> int:
        """Return the number of writes that staging adds to those of the action."""
        return len(self.calls) + 1 + (self.leftover is not None)


@dataclass(frozen=True, slots=True)
class Action:
    """Everything that happens to one integration, and the calls that carry it out.

    Only a newly made plan has `calls`, `subject` and `staging`. They are not part of the JSON
    form and are ignored in comparisons, because a saved plan is an approval, not a script.
    `used_by` is None if the usage was not read or does not matter. `staged_by` is the slug of the
    shadow in which a new credential is tried first.
    """

    slug: str
    kind: ActionKind
    reason: str
    risk: Risk
    changes: tuple[Change, ...] = ()
    source: SourceLocation | None = None
    precondition: Precondition = Precondition()
    blocked_by: tuple[str, ...] = ()
    used_by: Usage | None = None
    calls: tuple[Call, ...] = field(default=(), compare=False, repr=False)
    subject: ActionInputs = field(default=ActionInputs(), compare=False, repr=False)
    staged_by: str | None = None
    staging: Staging | None = field(default=None, compare=False, repr=False)

    @property
    def address(self) -> str:
        """Return the stable name of the integration in plans and results."""
        return f"integration/{self.slug}"

    def as_json(self) -> dict[str, object]:
        """Return the action as an entry of `actions` in the plan document."""
        document: dict[str, object] = {
            "address": self.address,
            "slug": self.slug,
            "action": self.kind.value,
            "reason": self.reason,
            "risk": self.risk.value,
            "source": {"file": self.source.file, "line": self.source.line} if self.source else None,
            "precondition": {
                "last_updated_at": self.precondition.last_updated_at,
                "fingerprint": self.precondition.fingerprint,
            },
            "changes": [change.as_json() for change in self.changes],
            "blocked_by": list(self.blocked_by),
        }
        if self.used_by is not None:
            document["used_by"] = self.used_by.as_json()
        if self.staged_by is not None:
            document["staged_by"] = self.staged_by
        return document

    @property
    def identity(self) -> dict[str, object]:
        """Return what the digest covers."""
        identity: dict[str, object] = {
            "address": self.address,
            "action": self.kind.value,
            "changes": [change.identity for change in self.changes],
        }
        # A plan that was approved with a shadow must not be applied without one.
        if self.staged_by is not None:
            identity["staged_by"] = self.staged_by
        return identity


_URL = re.compile(r"\S*://\S*")


def is_shown_whole(path: str, *values: object) -> bool:
    """Return whether a change at this path is never shortened: hosts, headers and similar fields.

    A field that no model describes counts as a host, and so does a path that cannot be parsed.
    """
    steps = parse_path(path)
    if steps is None or _bears_host(steps):
        return True
    return any(isinstance(value, str) and _URL.fullmatch(value) for value in values)


def _bears_host(path: Path) -> bool:
    schema = any_provider_schema()
    facts = schema.at(path).facts
    in_headers = any(schema.at(path[:end]).facts.headers for end in range(1, len(path)))
    return facts.host or facts.endpoint or in_headers

"""Risk of each change, as the schema's risk rule of the field decides."""

from enum import Enum
from typing import assert_never

from reconciler.domain.facts import RiskRule
from reconciler.domain.integration import MAPPINGS, target_path
from reconciler.domain.schema import FieldSchema
from reconciler.domain.tree import Path, Value


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
        """Return the place in the order of harm."""
        return _RANKS[self]


_RANKS = {risk: rank for rank, risk in enumerate(Risk)}


def highest(risks: list[Risk]) -> Risk | None:
    """Return the greatest risk, None without any."""
    return max(risks, key=lambda r: r.rank, default=None)


def decides_host(schema: FieldSchema, path: Path) -> bool:
    """Return whether the value at a path decides which host gets a stored credential.

    A secret mapping for a host does so, too: the gateway reads the name of the host from elsewhere.
    So does one for a region, because no check sees what is put into the name of the host.
    """
    # Canonical mappings are keyed by `target_field`, so the second step names the field.
    if path[0] == MAPPINGS and len(path) > 1:
        facts = schema.at(target_path(path[1])).facts
        return facts.host or facts.endpoint
    return schema.at(path).facts.host


def risk_of_new(field: FieldSchema) -> Risk:
    """Return the risk of a leaf of a new integration: only a host can do harm there."""
    return Risk.CREDENTIAL if field.facts.host else Risk.ADDITIVE


def risk_of(field: FieldSchema, *, before: Value, after: Value, adds: bool) -> Risk:
    """Return the risk of a change of an existing integration; `adds` where nothing was there."""
    # A field without a rule is restrictive, never harmless.
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

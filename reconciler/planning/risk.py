"""How much each change can hurt, as the schema's risk rule of the field decides."""

from typing import Any, assert_never

from reconciler.domain.facts import RiskRule
from reconciler.domain.schema import FieldSchema
from reconciler.domain.secret_mappings import MAPPINGS, target_path
from reconciler.domain.tree import Path
from reconciler.planning.actions import Risk


def decides_host(schema: FieldSchema, path: Path) -> bool:
    """Return whether the value at a path decides which host gets a stored credential.

    So does a secret mapping for a host: the gateway reads the name of the host from elsewhere. One
    for a region does as well, because no check sees what is put into the name of the host.
    """
    if path[0] == MAPPINGS and len(path) > 1:
        facts = schema.at(target_path(path[1])).facts
        return facts.host or facts.endpoint
    return schema.at(path).facts.host


def risk_of_new(field: FieldSchema) -> Risk:
    """Judge a leaf of a new integration: nothing exists yet that could break, a host excepted."""
    return Risk.CREDENTIAL if field.facts.host else Risk.ADDITIVE


def risk_of(field: FieldSchema, *, before: Any, after: Any, adds: bool) -> Risk:
    """Judge the change of an existing integration's field; `adds` where nothing was there."""
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


def _is_raised(before: Any, after: Any) -> bool:
    if before is not None and after is None:
        return True
    return isinstance(before, int | float) and isinstance(after, int | float) and after > before

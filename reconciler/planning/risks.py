"""How much each change can hurt (product.md §5, `risk` of a change)."""

from typing import Any

from reconciler.domain.fields import AUTH_MODE_FIELDS, COSMETIC_FIELDS, is_host, is_sensitive
from reconciler.domain.tree import Path
from reconciler.planning.actions import Risk

_LIMITS = frozenset({"usage_limits", "rate_limits"})
_SWITCHES = frozenset({"enabled", "allow_all_models"})


def risk_of_new(path: Path) -> Risk:
    """Judge a leaf of a new integration: nothing exists yet that could break, a host excepted."""
    return Risk.CREDENTIAL if is_host(path) else Risk.ADDITIVE


def risk_of(path: Path, *, before: Any, after: Any, adds: bool) -> Risk:
    """Judge the change of an existing integration's field; `adds` where nothing was there."""
    if path[0] in COSMETIC_FIELDS:
        return Risk.COSMETIC
    if path[0] == "secret_mappings" or is_sensitive(path) or is_host(path):
        return Risk.CREDENTIAL
    if path[-1] in AUTH_MODE_FIELDS:
        return Risk.CREDENTIAL
    if path[0] in {"models", "workspaces"} and (len(path) == 2 or path[-1] == "enabled"):
        return Risk.ADDITIVE if after else Risk.ACCESS_REMOVAL
    if path[-1] in _SWITCHES:
        return Risk.ADDITIVE if after else Risk.RESTRICTIVE
    if _LIMITS.intersection(path):
        return Risk.ADDITIVE if _is_raised(before, after) else Risk.RESTRICTIVE
    if adds and path[0] in {"configurations", "models"}:
        return Risk.ADDITIVE
    return Risk.RESTRICTIVE


def _is_raised(before: Any, after: Any) -> bool:
    if before is not None and after is None:
        return True
    return isinstance(before, int | float) and isinstance(after, int | float) and after > before

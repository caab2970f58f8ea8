"""Models and workspaces in comparable form: what absence means, and what a list that shrank means.

For the API an absent workspace has no access, and an absent base model follows
`allow_all_models`; so both sides are completed before they are compared.
"""

from collections.abc import Collection, Mapping
from typing import Any

from reconciler.domain.access import allows_all_models as allowed
from reconciler.domain.surrogates import has_lone_surrogate
from reconciler.domain.tree import Path, Tree

OFF: Mapping[str, Any] = {"enabled": False}

NO_ACCESS: Tree = {"workspaces": [], "global_workspace_access": OFF}
"""The body that grants access to nobody and revokes none."""

NO_MODELS: Tree = {"models": [], "allow_all_models": False}
"""The body that enables no model beyond those that are listed already."""


def normalize_access(
    want: Mapping[str, Any], have: Mapping[str, Any], past: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Complete the access fields of both sides; the rest passes through unchanged.

    `past` is what Git declared before, in canonical form.
    """
    wanted, found = dict(want), dict(have)
    if "global_workspace_access" in want:
        shared = _switched(want["global_workspace_access"])
        wanted["global_workspace_access"] = shared
        found["global_workspace_access"] = _stored(have.get("global_workspace_access"), shared)
    if "allow_all_models" in want:
        wanted["allow_all_models"] = allowed(want)
        found["allow_all_models"] = allowed(have)
    if "models" in want:
        everything = allows_all_models(want, have)
        wanted["models"], found["models"] = _models(want, have, past, everything=everything)
    if "workspaces" in want:
        wanted["workspaces"], found["workspaces"] = _workspaces(want, have, past)
    return wanted, found


def allows_all_models(want: Mapping[str, Any], have: Mapping[str, Any]) -> bool:
    """Return whether models that nobody lists are enabled once the plan is carried out."""
    return allowed(want if "allow_all_models" in want else have)


def models_switch(fields: Mapping[str, Any]) -> dict[str, bool]:
    """Return the switch for models that nobody lists, as a write sends it, where it is declared."""
    if "allow_all_models" not in fields:
        return {}
    return {"allow_all_models": allowed(fields)}


def switches_models(changed: Collection[Path]) -> bool:
    """Return whether the switch for models that nobody lists is among what changes."""
    return ("allow_all_models",) in changed


def withdrawn(name: str, want: Mapping[str, Any], past: Mapping[str, Any]) -> set[str]:
    """Give the entries of a keyed list that Git used to declare and no longer does."""
    return set(past.get(name) or {}) - set(want.get(name) or {})


def is_deletable(model: str) -> bool:
    """Return whether the API can delete a custom model (remote/API.md §5.1).

    Its `?slugs=` is split at commas, and a URL cannot express half a character.
    """
    return "," not in model and not has_lone_surrogate(model)


def _switched(access: Any) -> Mapping[str, Any]:
    return access if isinstance(access, Mapping) and access.get("enabled") else OFF


def _stored(access: Any, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the API keeps; behind a switch that stays off nothing else matters.

    The API keeps the limits of a workspace that was revoked, and shows them when it is granted
    again, so a grant is compared with them.
    """
    if not isinstance(access, Mapping) or not access:
        return OFF
    return access if access.get("enabled") or wanted.get("enabled") else OFF


def _models(
    want: Mapping[str, Any], have: Mapping[str, Any], past: Mapping[str, Any], *, everything: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    listed: Mapping[str, Any] = have.get("models") or {}
    wanted = dict(want["models"])
    found = {}
    for slug, entry in want["models"].items():
        absent = {} if entry.get("is_custom") else {"enabled": everything}
        found[slug] = listed.get(slug) or absent
    gone = set(listed) if not wanted else withdrawn("models", want, past) & set(listed)
    for slug in gone:
        if listed[slug].get("is_custom") and is_deletable(slug):
            found[slug], wanted[slug] = listed[slug], None
        elif listed[slug].get("enabled"):
            found[slug], wanted[slug] = listed[slug], OFF
    return wanted, found


def _workspaces(
    want: Mapping[str, Any], have: Mapping[str, Any], past: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    listed: Mapping[str, Any] = have.get("workspaces") or {}
    wanted = {id_: _switched(entry) for id_, entry in want["workspaces"].items()}
    gone = set(listed) if not wanted else withdrawn("workspaces", want, past)
    wanted |= dict.fromkeys(gone, OFF)
    found = {id_: _stored(listed.get(id_), entry) for id_, entry in wanted.items()}
    return wanted, found

"""Builders of domain values for tests; everything that a test does not set has a plain default."""

from collections.abc import Mapping
from typing import Any

from reconciler.diagnostics import SourceLocation
from reconciler.domain.policy import Limits, Prune, Scope, Target, Tombstone
from reconciler.domain.secrets import Mask, SecretRef
from reconciler.domain.state import Declared, DesiredState, Lifecycle, Observed, ObservedState
from reconciler.domain.valid_values import built

KEY = SecretRef("env", "SECRET_KEY")
NOON = "2026-11-23T12:00:00.000Z"


def declared(slug: str = "alpha", *, lifecycle: Lifecycle = Lifecycle(), **fields: Any) -> Declared:
    """Return a declared OpenAI integration with only the required fields."""
    tree = {"name": slug.title(), "ai_provider_id": "openai"} | fields
    return Declared(
        slug, tree, SourceLocation(f"desired-state/integrations/{slug}.yaml"), lifecycle
    )


def observed(slug: str = "alpha", **fields: Any) -> Observed:
    """Return an OpenAI integration as a detail read returns it, with the given sub-resources."""
    attributes = {
        name: fields.pop(name)
        for name in ("status", "kind", "created_at", "last_updated_at", "id")
        if name in fields
    }
    tree = {"name": slug.title(), "ai_provider_id": "openai"} | fields
    return Observed(
        slug=slug,
        fields=tree,
        detailed=True,
        models_read="models" in fields,
        workspaces_read="workspaces" in fields,
        **attributes,
    )


def target(**rules: Any) -> Target:
    """Return a target on loopback."""
    limits = built(Limits, rules.pop("limits", {}))
    scope = built(Scope, rules.pop("scope", {}))
    base = {"name": "production", "base_url": "http://127.0.0.1:1/v1"}
    rules["prune"] = Prune(rules.get("prune", Prune.MANAGED))
    return Target(**(base | rules), limits=limits, scope=scope)


def desired(
    *integrations: Declared, tombstones: tuple[str, ...] = (), **rules: Any
) -> DesiredState:
    """Return the desired state of a target with these integrations and rules."""
    return DesiredState(
        target=target(**rules),
        integrations={item.slug: item for item in integrations},
        tombstones={slug: Tombstone(slug=slug, reason="contract ended") for slug in tombstones},
    )


def state(*integrations: Observed, organisation_id: str | None = "org-1") -> ObservedState:
    """Return the observed state with these integrations."""
    return ObservedState({item.slug: item for item in integrations}, organisation_id)


def mask(text: str = "sk*****abc") -> Mask:
    """Return the mask of a stored secret."""
    return Mask(text)


def changes_of(plan: Any, slug: str = "alpha") -> Mapping[str, tuple[str, Any, Any]]:
    """Return the op, before and after of each change of an integration, by path."""
    action = next(a for a in plan.actions if a.slug == slug)
    return {c.path: (c.op.value, c.before, c.after) for c in action.changes}

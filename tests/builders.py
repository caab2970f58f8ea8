"""Small makers of the values that tests are about; what a test does not name is unremarkable."""

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
    """Declare an OpenAI integration with just the fields that every one must have."""
    tree = {"name": slug.title(), "ai_provider_id": "openai"} | fields
    return Declared(
        slug, tree, SourceLocation(f"desired-state/integrations/{slug}.yaml"), lifecycle
    )


def observed(slug: str = "alpha", **fields: Any) -> Observed:
    """Report an OpenAI integration as a detail read would, sub-resources where they are given."""
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
    """Make a target on loopback."""
    limits = built(Limits, rules.pop("limits", {}))
    scope = built(Scope, rules.pop("scope", {}))
    base = {"name": "production", "base_url": "http://127.0.0.1:1/v1"}
    rules["prune"] = Prune(rules.get("prune", Prune.MANAGED))
    return Target(**(base | rules), limits=limits, scope=scope)


def desired(
    *integrations: Declared, tombstones: tuple[str, ...] = (), **rules: Any
) -> DesiredState:
    """Put integrations together for a target with these rules."""
    return DesiredState(
        target=target(**rules),
        integrations={item.slug: item for item in integrations},
        tombstones={slug: Tombstone(slug=slug, reason="contract ended") for slug in tombstones},
    )


def state(*integrations: Observed, organisation_id: str | None = "org-1") -> ObservedState:
    """Put observed integrations together."""
    return ObservedState({item.slug: item for item in integrations}, organisation_id)


def mask(text: str = "sk*****abc") -> Mask:
    """Make the mask of a stored secret."""
    return Mask(text)


def changes_of(plan: Any, slug: str = "alpha") -> Mapping[str, tuple[str, Any, Any]]:
    """Return op, before and after of each change of an integration, by path."""
    action = next(a for a in plan.actions if a.slug == slug)
    return {c.path: (c.op.value, c.before, c.after) for c in action.changes}

"""Plans that each example rule of `desired-state/policies` denies, warns about or passes."""

from dataclasses import dataclass
from typing import Any

from tests.architecture.source import ROOT

FOLDER = ROOT / "desired-state/policies"
RULES = sorted(path.stem for path in (FOLDER / "rules").glob("*.rego"))


def plan(*actions: dict[str, Any], target: str = "production") -> dict[str, Any]:
    """Return the parts of a plan that rules read."""
    return {"kind": "plan", "target": {"name": target}, "actions": list(actions)}


def action(slug: str, kind: str, *changes: dict[str, Any]) -> dict[str, Any]:
    return {"slug": slug, "action": kind, "changes": list(changes)}


def change(path: str, after: Any = None, **more: Any) -> dict[str, Any]:
    known = {"path": path, "op": "replace", "before": None, "after": after, "risk": "restrictive"}
    return known | more


def update(*changes: dict[str, Any], slug: str = "a") -> dict[str, Any]:
    return action(slug, "update", *changes)


DESCRIBED = change("description", "Search")
ROTATED = change("key", op="rotate", risk="credential", sensitive=True, reference="vault:kv/ai#a")


@dataclass(frozen=True)
class Case:
    """Plan that a rule denies or warns about, the slugs in its findings, and a plan that passes."""

    rule: str
    bad: dict[str, Any]
    good: dict[str, Any]
    slugs: tuple[str | None, ...] = ("a",)
    warns: bool = False


CASES = (
    Case(
        "all_models",
        plan(update(change("allow_all_models", True))),
        plan(update(change("allow_all_models", False))),
    ),
    Case(
        "budgets",
        plan(update(change("workspaces[ws-a].usage_limits.credit_limit", 5000.5))),
        plan(
            update(
                change("workspaces[ws-a].usage_limits.credit_limit", 5000),
                change("workspaces[ws-b].usage_limits.credit_limit", 9000, op="remove"),
            )
        ),
    ),
    Case(
        "credentials_alone",
        plan(update(ROTATED), update(ROTATED, slug="b")),
        plan(update(ROTATED), update(ROTATED | {"op": "resend"}, slug="b")),
        slugs=(None,),
    ),
    Case(
        "deletes_alone",
        plan(action("a", "delete"), update(slug="b")),
        plan(action("a", "delete"), action("b", "delete")),
    ),
    Case(
        "descriptions",
        plan(action("a", "create", change("name", "A"))),
        plan(action("a", "create", DESCRIBED), update(slug="b")),
        warns=True,
    ),
    Case(
        "global_access",
        plan(update(change("global_workspace_access.enabled", True))),
        plan(update(change("global_workspace_access.enabled", False))),
    ),
    Case(
        "hosts",
        plan(
            update(change("configurations.custom_host", "https://example.com.evil.test/v1")),
            update(change("models[m].custom_host", "http://llm.example.com"), slug="b"),
        ),
        plan(
            update(change("configurations.custom_host", "https://llm.example.com/v1")),
            update(change("configurations.custom_host", None, op="remove"), slug="b"),
        ),
        slugs=("a", "b"),
    ),
    Case(
        "providers",
        plan(action("a", "create", change("ai_provider_id", "unknown-ai", op="add"))),
        plan(action("a", "create", change("ai_provider_id", "openai", op="add"))),
    ),
    Case(
        "references",
        plan(update(ROTATED | {"reference": "env:SECRET_OPENAI_KEY"})),
        plan(update(ROTATED), update(change("name", "B"), slug="b")),
    ),
    Case(
        "unlimited",
        plan(update(change("workspaces[ws-a].enabled", True))),
        plan(
            update(
                change("workspaces[ws-a].enabled", True),
                change("workspaces[ws-a].usage_limits.credit_limit", 5),
                change("workspaces[ws-b].enabled", False),
            )
        ),
        warns=True,
    ),
)

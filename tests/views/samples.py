"""Plans and results for tests of views, built in code."""

from dataclasses import replace
from decimal import Decimal

from reconciler.diagnostics import Severity, SourceLocation, error, notice, warning
from reconciler.domain.calls import Call, OperationName
from reconciler.domain.policy import Limits
from reconciler.domain.secrets import Mask, Redacted
from reconciler.domain.state import Observed, ObservedState
from reconciler.domain.usage import Usage, UsageReading, UsingConfig, UsingProvider
from reconciler.execution.result import ActionFailure, ApplyResult, Outcome, Status
from reconciler.planning.actions import (
    Action,
    ActionKind,
    Change,
    ChangeKind,
    ChangeOrigin,
    Precondition,
    Risk,
    Staging,
)
from reconciler.planning.costs import Budget, BudgetChange, BudgetTotal, Costs, PriceChange
from reconciler.planning.plan import Plan, PlanOptions, PlanTarget, Undeclared, Unverified
from reconciler.planning.policy_guard import judged
from reconciler.planning.policy_verdict import PolicyFinding, PolicyVerdict
from reconciler.planning.usage_guard import with_usage

TARGET = PlanTarget("production", "https://api.portkey.ai/v1", "org-7f3a")
FOLDER = "desired-state/integrations"


def place(slug: str, line: int = 1) -> SourceLocation:
    return SourceLocation(f"{FOLDER}/{slug}.yaml", line)


def creation(slug: str = "openai-production", name: str = "Production OpenAI") -> Action:
    add = ChangeKind.ADD
    return Action(
        slug=slug,
        kind=ActionKind.CREATE,
        reason="declared, not in the API",
        risk=Risk.ADDITIVE,
        changes=(
            Change("ai_provider_id", add, Risk.ADDITIVE, after="openai"),
            Change("configurations.openai_organization", add, Risk.ADDITIVE, after="org-1"),
            Change("key", add, Risk.ADDITIVE, sensitive=True, reference="env:SECRET_OPENAI_KEY"),
            Change("models[gpt-5].enabled", add, Risk.ADDITIVE, after=True),
            Change("name", add, Risk.ADDITIVE, after=name),
        ),
        source=place(slug),
    )


def update() -> Action:
    slug = "azure-search"
    return Action(
        slug=slug,
        kind=ActionKind.UPDATE,
        reason="configurations, key and workspaces differ",
        risk=Risk.ACCESS_REMOVAL,
        changes=(
            Change(
                "configurations.azure_api_version",
                ChangeKind.REPLACE,
                Risk.RESTRICTIVE,
                before="2024-06-01",
                after="2025-01-01",
                origin=ChangeOrigin.LOCAL,
            ),
            Change(
                "description",
                ChangeKind.REPLACE,
                Risk.COSMETIC,
                before="edited by hand",
                after="Search, all teams",
                origin=ChangeOrigin.REMOTE,
            ),
            Change(
                "key",
                ChangeKind.ROTATE,
                Risk.CREDENTIAL,
                sensitive=True,
                reference="vault:kv/ai/azure#key",
                origin=ChangeOrigin.LOCAL,
            ),
            Change(
                "configurations.azure_entra_client_secret",
                ChangeKind.RESEND,
                Risk.RESTRICTIVE,
                sensitive=True,
                reference="env:SECRET_AZURE_CLIENT",
            ),
            Change(
                "workspaces[ws-team-b].enabled",
                ChangeKind.REMOVE,
                Risk.ACCESS_REMOVAL,
                before=True,
                origin=ChangeOrigin.BOTH,
            ),
            Change(
                "workspaces[ws-team-a].usage_limits",
                ChangeKind.REPLACE,
                Risk.RESTRICTIVE,
                before=[{"type": "cost", "credit_limit": 500}],
                after=[{"type": "cost", "credit_limit": 200}],
            ),
        ),
        source=place(slug, 3),
        precondition=Precondition("2026-01-02T03:04:05Z", "sha256:" + "ab" * 32),
    )


def reference_change() -> Action:
    return Action(
        slug="bedrock-eu",
        kind=ActionKind.UPDATE,
        reason="key differs",
        risk=Risk.CREDENTIAL,
        changes=(
            Change(
                "key",
                ChangeKind.REPLACE,
                Risk.CREDENTIAL,
                sensitive=True,
                reference="aws:ai/bedrock#key",
                before_reference="env:SECRET_BEDROCK",
            ),
        ),
        source=place("bedrock-eu"),
    )


def staged_rotation() -> Action:
    change = Change(
        "key",
        ChangeKind.ROTATE,
        Risk.CREDENTIAL,
        sensitive=True,
        origin=ChangeOrigin.LOCAL,
        reference="env:SECRET_OPENAI_KEY",
    )
    return Action(
        slug="openai-production",
        kind=ActionKind.UPDATE,
        reason="key differs",
        risk=Risk.CREDENTIAL,
        changes=(change,),
        source=place("openai-production"),
        staged_by="openai-production--next",
        staging=Staging(
            "openai-production--next",
            (
                Call(OperationName.CREATE),
                Call(OperationName.UPDATE_WORKSPACES, "openai-production--next"),
            ),
        ),
    )


def lost(
    path: str, before: object = None, *, sensitive: bool = False, risk: Risk = Risk.RESTRICTIVE
) -> Change:
    return Change(path, ChangeKind.REMOVE, risk, before=before, sensitive=sensitive)  # type: ignore[arg-type]


def resent(path: str, value: object = None, *, reference: str | None = None) -> Change:
    return Change(
        path,
        ChangeKind.RESEND,
        Risk.ADDITIVE,
        before=value,  # type: ignore[arg-type]  # any JSON
        after=value,  # type: ignore[arg-type]
        sensitive=reference is not None,
        reference=reference,
    )


def deletion(*blocked_by: str) -> Action:
    return Action(
        slug="old-openai",
        kind=ActionKind.DELETE,
        reason="tombstone: contract ended",
        risk=Risk.DELETE,
        changes=(
            lost("ai_provider_id", "openai"),
            lost("key", sensitive=True, risk=Risk.CREDENTIAL),
            lost("models[gpt-5].enabled", True, risk=Risk.ACCESS_REMOVAL),
            lost("name", "Old OpenAI", risk=Risk.COSMETIC),
            lost("workspaces[ws-team-a].enabled", True, risk=Risk.ACCESS_REMOVAL),
            lost("workspaces[ws-team-a].usage_limits.credit_limit", 500),
        ),
        source=SourceLocation("desired-state/reconcile.yaml", 21),
        precondition=Precondition("2026-01-02T03:04:05Z", "sha256:" + "ef" * 32),
        blocked_by=blocked_by,
    )


def replacement(*blocked_by: str) -> Action:
    return Action(
        slug="vertex-main",
        kind=ActionKind.REPLACE,
        reason="ai_provider_id cannot be updated",
        risk=Risk.REPLACE,
        changes=(
            Change(
                "ai_provider_id",
                ChangeKind.REPLACE,
                Risk.REPLACE,
                before="google",
                after="vertex-ai",
            ),
            resent("key", reference="env:SECRET_VERTEX_KEY"),
            lost("models[gemini-old].enabled", True, risk=Risk.ACCESS_REMOVAL),
            resent("models[gemini-pro].enabled", True),
            resent("name", "Vertex"),
        ),
        source=place("vertex-main", 2),
        blocked_by=blocked_by,
    )


def plan(*actions: Action, **others: object) -> Plan:
    return Plan(
        target=TARGET,
        created_at="2026-03-01T10:00:00Z",
        desired_digest="sha256:" + "cd" * 32,
        actions=actions,
        **others,  # type: ignore[arg-type]  # the fields of Plan, handed through
    )


def mixed_plan() -> Plan:
    return plan(
        creation(),
        update(),
        reference_change(),
        deletion(),
        no_op=7,
        commit="4f2c9d1e8b7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e",
        unverified=(Unverified("bedrock-us", "key", "env:SECRET_BEDROCK_US"),),
        undeclared=(
            Undeclared("azure-search", "configurations.custom_host"),
            Undeclared("azure-search", "tags"),
        ),
        unmanaged=tuple(f"by-hand-{n:02d}" for n in range(23)),
        forgotten=("mistral-trial",),
        diagnostics=(
            warning(
                "undeclared-host",
                "`azure-search` has a `custom_host` that no file declares",
                hint="declare it, or remove it in Portkey",
                at=place("azure-search", 3),
            ),
            notice("no-provider", "`ws-team-a` cannot call `openai-production` yet"),
        ),
    )


def empty_plan() -> Plan:
    return plan(no_op=12)


def used_plan() -> Plan:
    """Return a plan with a removal that is blocked because the integration is used."""
    used = Usage(
        (
            UsingProvider("openai", "ws-search"),
            UsingProvider("openai-batch", "ws-search"),
            UsingProvider("openai", "ws-support"),
        ),
        (
            *(UsingConfig(f"pc-route-{n:06d}", "ws-search") for n in range(5)),
            UsingConfig("pc-strang-00000a", "ws-support", possible=True),
        ),
    )
    draft = mixed_plan()
    reading = UsageReading(
        {action.slug: Usage() for action in draft.actions[:-1]} | {draft.actions[-1].slug: used}
    )
    return with_usage(draft, reading, limits=Limits(), options=PlanOptions())


def costly_plan() -> Plan:
    """Return a plan that raises a budget beyond a limit, and a multiplier."""
    changed = replace(update(), blocked_by=("budget-exceeded",))
    monthly = ("cost", "monthly")
    return plan(
        changed,
        no_op=3,
        diagnostics=(
            error(
                "budget-exceeded",
                "ws-search on azure-search would spend without a budget; the budgets on "
                "production would add up to 5,700 per month, but the limit is 5,000",
                hint="lower or set the budgets, raise limits.budget_total or "
                "limits.budget_increase, or add --allow-budget",
            ),
        ),
        costs=Costs(
            budgets=(
                BudgetChange(
                    changed.slug,
                    "ws-support",
                    Budget(Decimal(500), *monthly),
                    Budget(Decimal(2000), *monthly),
                ),
                BudgetChange(changed.slug, "ws-search", Budget(Decimal(70)), Budget(None)),
            ),
            totals=(BudgetTotal(*monthly, Decimal(4200), Decimal(5700)),),
            unlimited=(0, 1),
            prices=(
                PriceChange(changed.slug, None, "", Decimal("0.8"), Decimal(1), models=14),
                PriceChange(changed.slug, "gpt-5", "request_token", None, Decimal("0.00025")),
            ),
        ),
    )


def blocked_plan() -> Plan:
    return plan(
        creation(),
        replacement("replace-not-allowed", "too-many-replaces"),
        deletion("protected"),
        no_op=2,
        diagnostics=(
            error(
                "replace-not-allowed",
                "`vertex-main` would be deleted and re-created",
                hint="pass --allow-replace",
                at=place("vertex-main", 2),
            ),
        ),
    )


def judged_plan() -> Plan:
    """Return a plan with an action that a policy denies."""
    digests = [f"sha256:{digit * 64}" for digit in "12"]
    rules = (
        PolicyFinding(Severity.ERROR, "policy", "no global access", "openai-production"),
        PolicyFinding(Severity.WARNING, "policy", "the plan has no description"),
    )
    late = PolicyFinding(
        Severity.ERROR,
        "policy-failed",
        "did not finish within 60 s and was stopped",
        hint="make it faster, or raise `timeout_seconds`, which is at most 600",
        at=SourceLocation("desired-state/reconcile.yaml", 9, 13),
    )
    return judged(
        plan(creation(), update()),
        (
            PolicyVerdict("rules", digests[0], rules),
            PolicyVerdict("budgets", digests[1]),
            PolicyVerdict("slow", None, (late,)),
        ),
    )


def undo_plan() -> Plan:
    return plan(reference_change(), run="run-20260301-7c1e", no_op=11)


def costly_result(of: Plan) -> ApplyResult:
    """Return a result in which everything was applied, with costs."""
    return replace(complete_result(of), costs=of.costs)


def complete_result(of: Plan) -> ApplyResult:
    return ApplyResult(
        run="run-20260301-8d2f",
        target=of.target,
        plan_digest=of.digest,
        outcomes=tuple(
            Outcome(a.slug, a.kind, Status.APPLIED, attempts=1, duration_ms=81 + 700 * n)
            for n, a in enumerate(of.actions)
        ),
    )


def staged_plan() -> Plan:
    return plan(staged_rotation(), reference_change())


def dead_result(of: Plan) -> ApplyResult:
    """Return the result of rotations of which the first is alive and the second is dead."""
    alive, dead = of.actions
    message = "the new credential does not work: the probe exited with 1; the old one stays in use"
    hint = "set aws:ai/bedrock#key to a working credential, then apply again"
    failure = ActionFailure("credential-dead", message, hint)
    return ApplyResult(
        "20260301T100000Z-0a1b2c3d",
        of.target,
        of.digest,
        (
            Outcome(alive.slug, alive.kind, Status.APPLIED, 1, 812, is_probed=True),
            Outcome(dead.slug, dead.kind, Status.FAILED, 1, 401, error=failure),
        ),
    )


def partial_result(of: Plan) -> ApplyResult:
    endings = (
        Outcome(
            "openai-production", ActionKind.CREATE, Status.APPLIED, 2, 2310, ("req-1", "req-2")
        ),
        Outcome(
            "azure-search",
            ActionKind.UPDATE,
            Status.FAILED,
            1,
            140,
            ("req-3",),
            ActionFailure(
                "AB07", "workspace ws-team-b is locked", "unlock it and apply again", 409
            ),
        ),
        Outcome(
            "bedrock-eu",
            ActionKind.UPDATE,
            Status.UNKNOWN,
            4,
            91500,
            ("req-4", "req-5"),
            ActionFailure("no-answer", "the connection was lost after the request was sent"),
            ("it was not read back within 30 s",),
        ),
        Outcome("old-openai", ActionKind.DELETE, Status.SKIPPED),
    )
    return ApplyResult("run-20260301-9e3a", of.target, of.digest, endings)


def large_plan() -> Plan:
    return plan(
        *(creation(f"team-{n:03d}", f"Team {n}") for n in range(200)),
        deletion(),
        unmanaged=("by-hand",),
    )


def observed_azure() -> Observed:
    return Observed(
        slug="azure-search",
        fields={
            "name": "Search",
            "ai_provider_id": "azure-openai",
            "key": Mask("sk-a***9f"),
            "configurations": {
                "azure_auth_mode": "default",
                "custom_headers": {"x-team": Redacted("never shown")},
                "azure_deployment_config": [
                    {"azure_deployment_name": "main", "is_default": True},
                ],
            },
            "models": [{"slug": "gpt-5", "enabled": True}],
        },
        id="8a1c",
        kind="organisation",
        created_at="2025-11-02T08:00:00Z",
        last_updated_at="2026-01-02T03:04:05Z",
        workspace_count=2,
        detailed=True,
    )


def observed() -> ObservedState:
    openai = Observed(
        slug="openai-production",
        fields={"name": "Prodüction OpenAI", "ai_provider_id": "openai"},
        status="archived",
        kind="workspace",
    )
    return ObservedState({o.slug: o for o in (openai, observed_azure())}, "org-7f3a", 2)

"""Guard for the policies of a target: their verdicts block actions of a plan.

A plan that was approved under some policies is applied only under the same policies, and only if
none of them has a worse verdict than when it was approved. This module is loaded only for a target
that has policies, or for an approval with verdicts. `reconciler.policies` runs policies.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from reconciler.diagnostics import Diagnostic, Severity, error, in_order, named, warning
from reconciler.domain.policy import Target
from reconciler.planning.actions import Action
from reconciler.planning.plan import Plan
from reconciler.planning.policy_verdict import PolicyFinding, PolicyVerdict

CHANGED = "policy-changed"
"""Code of the refusal of an approval that was given under other policies."""

NOT_RUN = "policy-not-run"
"""Code of the warning that a plan was made by a program that runs no policies."""

_NAMED = 5


def judged(plan: Plan, verdicts: Iterable[PolicyVerdict]) -> Plan:
    """Return a plan with verdicts, their diagnostics, and the actions that they block."""
    verdicts = tuple(verdicts)
    actions = {action.slug: action for action in plan.actions}
    found: list[Diagnostic] = []
    blocks: dict[str, list[str]] = {slug: [] for slug in actions}
    for verdict in verdicts:
        for item in verdict.findings:
            found.append(_diagnostic(verdict, item, actions))
            if item.severity is not Severity.ERROR:
                continue
            # A finding about no action of this plan is about all of it.
            for slug in [item.slug] if item.slug in blocks else blocks:
                blocks[slug].append(item.code)
    return replace(
        plan,
        actions=tuple(_blocked(action, blocks[action.slug]) for action in plan.actions),
        policies=verdicts,
        diagnostics=in_order([*plan.diagnostics, *found]),
    )


def not_judged(plan: Plan, target: Target) -> Plan:
    """Return a plan with the warning that the policies of its target were not run."""
    names = named([policy.name for policy in target.policies], limit=_NAMED)
    found = warning(
        NOT_RUN,
        f"the policies of target `{target.name}` were not run for this plan: {names}",
        hint="run `reconcile plan` to see their verdicts; `apply` runs them before it writes",
    )
    return replace(plan, diagnostics=in_order([*plan.diagnostics, found]))


def objections(approved: Iterable[Plan], fresh: Plan) -> Iterator[Diagnostic]:
    """Yield the reasons why approvals are not valid under the policies of the current plan."""
    # Policies do not run for a plan without actions, which approves nothing.
    plans = [plan for plan in approved if plan.actions]
    if not fresh.actions or not plans:
        return
    before = [{verdict.name: verdict for verdict in plan.policies} for plan in plans]
    now = {verdict.name: verdict for verdict in fresh.policies}
    for name in sorted(now.keys() | {name for verdicts in before for name in verdicts}):
        what = _difference([verdicts.get(name) for verdicts in before], now.get(name))
        if what is not None:
            yield error(
                CHANGED,
                f"the plan was approved under other policies: {name} {what}",
                hint="plan again, and have the new plan approved",
            )


def _difference(before: list[PolicyVerdict | None], now: PolicyVerdict | None) -> str | None:
    """Return how a policy differs, worded to follow its name; None if it does not differ.

    The plan of each shard has a verdict, of which the worst counts.
    """
    known = [verdict for verdict in before if verdict is not None]
    if now is None:
        return "was removed since"
    if len(known) < len(before):
        return "was added since"
    # Without a digest, nothing shows that it is the same policy.
    if now.digest is None or any(verdict.digest != now.digest for verdict in known):
        return "has another command, program or file now"
    worst = max((verdict.verdict for verdict in known), key=lambda verdict: verdict.rank)
    if now.verdict.rank > worst.rank:
        return f"was `{worst.value}` and is `{now.verdict.value}` now"
    return None


def _blocked(action: Action, codes: Iterable[str]) -> Action:
    # Several denials of one action have one code.
    return replace(action, blocked_by=tuple(dict.fromkeys((*action.blocked_by, *codes))))


def _diagnostic(
    verdict: PolicyVerdict, item: PolicyFinding, actions: Mapping[str, Action]
) -> Diagnostic:
    summary = f"policy {verdict.name}: {item.message}"
    action = actions.get(item.slug) if item.slug is not None else None
    if action is None:
        return Diagnostic(item.severity, item.code, summary, item.hint, item.at)
    # A message need not name the integration that its metadata names.
    if action.slug not in item.message:
        summary = f"policy {verdict.name}: {action.slug}: {item.message}"
    return Diagnostic(item.severity, item.code, summary, item.hint, action.source)

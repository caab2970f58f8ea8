"""Guard for usage: a plan shows the users of integrations, and removals in use are blocked.

It is loaded only for a target that reads the usage. The usage is read once the actions are known.
It is not part of the digest: users change, but an approval of the same changes stays valid. The
verdict of this guard is not part of the approval: `apply` reads the usage again and applies this
guard to its plan.
"""

from collections.abc import Iterable
from dataclasses import replace

from reconciler.diagnostics import Diagnostic, counted, error, in_order, named, notice, warning
from reconciler.domain.policy import Limits
from reconciler.domain.providers.azure import DEPLOYED_MODEL, DEPLOYMENTS
from reconciler.domain.schema import parse_path
from reconciler.domain.tree import as_mapping, is_empty, is_enabled
from reconciler.domain.usage import Usage, UsageReading
from reconciler.planning import guards
from reconciler.planning.actions import LEFT_OVER, Action, ActionKind, Change, ChangeKind, Risk
from reconciler.planning.normalize import normalize
from reconciler.planning.plan import Plan, PlanOptions

IN_USE = "in-use"
UNKNOWN = "usage-unknown"
INCOMPLETE = "usage-incomplete"

_NAMED = 5
_SHARED_ACCESS = "global_workspace_access.enabled"
_SWITCHES = frozenset({"allow_all_models", _SHARED_ACCESS})
_NAMES_OF_A_DEPLOYMENT = frozenset({"alias", DEPLOYED_MODEL})
"""Fields of a deployment on Azure by which callers choose it."""
_SCOPES_HINT = (
    "grant the key the scopes workspaces.list, providers.list, configs.list and configs.read"
)


def concerned(plan: Plan) -> list[Action]:
    """Return the actions whose users a reader of the plan needs to know.

    These actions revoke something, write a credential, replace or delete.
    """
    return [action for action in plan.actions if _is_concerned(action)]


def with_usage(plan: Plan, reading: UsageReading, *, limits: Limits, options: PlanOptions) -> Plan:
    """Return a plan that shows its users, with the actions blocked that would break them.

    If the key is not allowed to read the usage, only a notice is added.
    """
    if reading.refusal:
        return replace(plan, diagnostics=in_order([*plan.diagnostics, *findings_of(reading)]))
    shown = {action.slug for action in concerned(plan)}
    actions = tuple(
        replace(action, used_by=reading.by_slug.get(action.slug, _NOTHING_READ))
        if action.slug in shown
        else action
        for action in plan.actions
    )
    violation = _violation(actions, reading, limits=limits, options=options)
    diagnostics = [*plan.diagnostics, *findings_of(reading)]
    if violation is not None:
        actions = guards.block(actions, [violation])
        diagnostics.append(violation.diagnostic)
    return replace(plan, actions=actions, diagnostics=in_order(diagnostics))


_NOTHING_READ = Usage(complete=False)


def _is_concerned(action: Action) -> bool:
    # The only provider of a shadow is the one that its rotation has created.
    if action.kind is ActionKind.CREATE or action.reason.startswith(LEFT_OVER):
        return False
    if action.kind is not ActionKind.UPDATE:
        return True
    return any(_writes_credential(change) or _takes_away(change) for change in action.changes)


def _writes_credential(change: Change) -> bool:
    return change.risk is Risk.CREDENTIAL and change.op is not ChangeKind.RESEND


def _takes_away(change: Change) -> bool:
    # A switch disables every model or workspace that is not listed (remote/API.md §5.1).
    is_switch_off = change.path in _SWITCHES and change.after is not True
    return change.risk is Risk.ACCESS_REMOVAL or is_switch_off or _ends_a_deployment(change)


def _ends_a_deployment(change: Change) -> bool:
    """Return whether a deployment on Azure is removed, or no longer has the name callers use."""
    steps = parse_path(change.path) or ()
    if steps[:2] != ("configurations", DEPLOYMENTS) or is_empty(change.before):
        return False
    return is_empty(change.after) if len(steps) <= 3 else steps[3] in _NAMES_OF_A_DEPLOYMENT


def _violation(
    actions: Iterable[Action], reading: UsageReading, *, limits: Limits, options: PlanOptions
) -> guards.GuardViolation | None:
    removals = {action.slug: _used_removals(action, reading) for action in actions}
    used = {slug: number for slug, number in removals.items() if number}
    total = sum(used.values())
    limit = limits.used_removals or 0
    if options.allow_used or total <= options.selection.share(limit):
        return None
    users = [_users(action) for action in actions if action.slug in used]
    return guards.GuardViolation(
        error(
            IN_USE,
            f"{counted(total, 'removal')} of something in use planned, "
            f"but {guards.limit_text(limit, options.selection)}: "
            + named(users, limit=_NAMED, separator="; "),
            hint="move the users to another integration first; "
            "to remove it anyway, add --allow-used",
        ),
        frozenset(used),
    )


def _used_removals(action: Action, reading: UsageReading) -> int:
    """Return how many removals of an action are possibly in use."""
    usage = action.used_by
    if usage is None:
        return 0
    if action.kind is not ActionKind.UPDATE:
        return int(usage.may_be_used)
    return sum(_hits_users(change, action, usage, reading) for change in action.changes)


def _hits_users(change: Change, action: Action, usage: Usage, reading: UsageReading) -> bool:
    if not _takes_away(change):
        return False
    if change.path == _SHARED_ACCESS:
        return _needs_shared_access(action, usage, reading)
    steps = parse_path(change.path) or (change.path,)
    if steps[0] != "workspaces" or len(steps) == 1:
        # Callers choose a model with each request, so any user can use any model.
        return usage.may_be_used
    return usage.may_be_used_in(reading.workspaces.get(steps[1], steps[1]))


def _needs_shared_access(action: Action, usage: Usage, reading: UsageReading) -> bool:
    """Return whether something may use an integration in a workspace without its own access."""
    allowed: set[str] = set()
    for state in (action.subject.declared, action.subject.observed):
        entries = as_mapping(normalize(state.fields).get("workspaces")) if state else {}
        allowed.update(id_ for id_ in entries if is_enabled(entries[id_]))
    # Workspaces that the same action revokes are counted separately.
    kept = {reading.workspaces.get(id_, id_) for id_ in allowed}
    return not usage.complete or any(
        provider.workspace is None or provider.workspace not in kept for provider in usage.providers
    )


def _users(action: Action) -> str:
    usage = action.used_by or _NOTHING_READ
    parts = []
    if usage.providers:
        parts.append(counted(len(usage.providers), "provider"))
    if usage.configs:
        parts.append(counted(len(usage.configs), "config"))
    if not usage.complete:
        parts.append("usage not read completely")
    return f"{action.slug} ({', '.join(parts)})"


def findings_of(reading: UsageReading) -> list[Diagnostic]:
    """Return the notice of a refused read, or the warning of an incomplete one."""
    if reading.refusal:
        summary = f"the usage of the integrations is unknown: {reading.refusal}"
        return [notice(UNKNOWN, summary, hint=_SCOPES_HINT)]
    if not reading.gaps:
        return []
    gaps = named(reading.gaps, limit=_NAMED, separator="; ")
    summary = f"the usage of the integrations could not be read completely: {gaps}"
    return [warning(INCOMPLETE, summary, hint="run again; what was not read counts as used")]

"""Checks of `doctor` for optional settings: change windows, catalogue, probe and promotion.

Each check runs only for a target with the setting. The checks read files, the ledger and Git; the
only request is that to a gateway for its own models. All other checks: `reconciler.cli.doctor_run`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from reconciler.cli import settings, wiring
from reconciler.cli.desired_source import checkout_of, repository_of
from reconciler.cli.global_options import Invocation
from reconciler.cli.settings import Settings
from reconciler.desired.config import CONFIG_FILE
from reconciler.desired.load import load_config
from reconciler.diagnostics import counted, named
from reconciler.doctor.checks import Check, fail, ok, warn
from reconciler.domain.policy import PinnedCatalogue, Promotion, Target
from reconciler.errors import Rejection
from reconciler.ledger.location import LedgerState
from reconciler.planning.actions import Risk
from reconciler.remote.errors import RemoteError

OLD_CATALOGUE = timedelta(days=90)
"""Age after which a catalogue may be outdated: vendors announce retirements months ahead."""


def file_checks(invocation: Invocation, environment: Settings, target: Target) -> Iterator[Check]:
    """Yield the checks that need no API: policies, change windows and the catalogue."""
    if target.policies:
        yield _policies(invocation, environment, target)
    if target.has_change_times:
        yield _change_times(target)
    config, _ = load_config(checkout_of(invocation, environment).files)
    if config is not None and config.catalogue is not None:
        yield _catalogue(invocation, environment, config.catalogue)


def _policies(invocation: Invocation, environment: Settings, target: Target) -> Check:
    """Check whether every policy could run; none is run, because there is no plan."""
    from reconciler.cli.policy_access import policy_runner  # few targets have policies

    try:
        runner = policy_runner(invocation, environment)
    except Rejection as problem:
        return fail("policies", problem.summary, problem.hint)
    found = runner.problems(target)
    if found:
        name, reason = found[0]
        return fail("policies", f"policy {name}: {reason.summary}", reason.hint)
    names = named([policy.name for policy in target.policies], limit=5)
    return ok("policies", f"{names}: allowed, with program and files")


def _change_times(target: Target) -> Check:
    """Check when an apply is accepted; zones that this machine lacks fail the check `config`."""
    from reconciler.domain.change_windows import closure

    now, risks = settings.now(), [risk.value for risk in Risk]
    closed = closure(target.windows, target.freeze, risks, now=now)
    if closed is None:
        return ok("windows", "an apply is accepted now")
    opening = f"; accepted again from {closed.opening}" if closed.opening else ""
    is_open = any(closure(target.windows, target.freeze, [r], now=now) is None for r in risks)
    subject = "not every apply" if is_open else "no apply"
    return ok("windows", f"{subject} is accepted now: {'; '.join(closed.reasons)}{opening}")


def _catalogue(invocation: Invocation, environment: Settings, pinned: PinnedCatalogue) -> Check:
    """Check that the catalogue is the pinned one, and how long ago it was committed."""
    from reconciler.desired.catalogue_file import read_catalogue
    from reconciler.desired.problem_collector import ProblemCollector, SourceOrigin

    files = checkout_of(invocation, environment).files
    problems = ProblemCollector(files)
    here = SourceOrigin(CONFIG_FILE, path=("catalogue",))
    if read_catalogue(files, pinned, problems, here) is None:
        problem = problems.diagnostics[0]
        return fail("catalogue", problem.summary, problem.hint)
    summary = f"{pinned.file} matches its digest"
    committed = _committed_at(invocation, environment, pinned.file)
    if committed is None:
        return ok("catalogue", f"{summary}; its age is unknown")
    age = settings.now() - committed
    summary += f", committed {counted(max(0, age.days), 'day')} ago"
    if age > OLD_CATALOGUE:
        hint = "pin a newer one with `reconcile catalogue update URL|FILE`"
        return warn("catalogue", f"{summary}; it may lack retirements announced since", hint)
    return ok("catalogue", summary)


def _committed_at(invocation: Invocation, environment: Settings, file: str) -> datetime | None:
    """Return when a file was last committed, None if Git does not know."""
    from reconciler.git import GitError
    from reconciler.git.commits import is_shallow

    repository = repository_of(invocation, environment)
    if not repository.exists:
        return None
    try:
        # In a shallow clone, the oldest commit seems to have created every file.
        if is_shallow(repository):
            return None
        answer = repository.run("log", "-1", "--format=%ct", "--", file) or b""
        # An uncommitted edit has a different time.
        if repository.run("status", "--porcelain", "--", file):
            return None
    except GitError:
        return None
    try:
        return datetime.fromtimestamp(int(answer), UTC)
    except (ValueError, OverflowError, OSError):
        return None  # it was never committed, or has no valid time


async def probe_check(invocation: Invocation, environment: Settings, target: Target) -> Check:
    """Check that the probe of a target is allowed and complete; its command is not run."""
    from reconciler.cli.probing import InProcess, prober_of
    from reconciler.execution.probers import GatewayProber

    name = "credential-probe"
    in_process = InProcess(wiring.IN_PROCESS, lambda: wiring.simulator_connection(invocation))
    opened = prober_of(invocation, environment, target, clock=wiring.clock(), in_process=in_process)
    try:
        async with opened as prober:
            if not isinstance(prober, GatewayProber):
                return ok(name, "the command is allowed and installed, and its variables are set")
            answer = await prober.gateway.models(None)
    except (Rejection, RemoteError) as problem:
        return fail(name, problem.summary, problem.hint)
    if answer.models is None:
        return fail(
            name,
            f"the gateway does not accept its key: it answered {answer.status}",
            "check `api_key` and `base_url` of `probe.gateway`",
        )
    return ok(name, "the gateway accepts its key")


def promotion_check(
    invocation: Invocation, environment: Settings, target: Target, promotion: Promotion
) -> Check:
    """Check what the ledger knows about the source of a promotion, and when it was checked."""
    from reconciler.cli.soaking import evidence_for
    from reconciler.planning.soak_guard import longest_trust

    name, source = "promotion", promotion.source
    state = wiring.ledger_access_of(invocation, environment).state
    if environment.on_runner and state is not LedgerState.SHARED:
        summary = f"the ledger is a file on a CI runner, which does not know what {source} has"
        hint = "set RECONCILE_LEDGER_URL to the PostgreSQL database of the jobs of both targets"
        return fail(name, summary, hint)
    evidence = evidence_for(invocation, environment, target)
    apply = f"run `reconcile --target {source} apply` with the ledger of this target"
    if state is LedgerState.FRESH:
        return warn(name, f"there is no ledger, so nothing has soaked on {source}", apply)
    if evidence.problem:
        hint = "repair the ledger: until then, an apply is refused with `not-soaked`"
        return fail(name, f"the records of {source} cannot be read: {evidence.problem}", hint)
    if not evidence.soaked:
        return warn(name, f"the ledger has no record of what was applied to {source}", apply)
    newest = max(item.checked for item in evidence.soaked.values())
    count = counted(len(evidence.soaked), "integration")
    summary = f"the ledger knows {count} of {source}, last checked at {newest:%Y-%m-%dT%H:%MZ}"
    if settings.now() - newest > longest_trust(timedelta(hours=promotion.soak_hours)):
        hint = f"run `reconcile --target {source} drift` on a schedule"
        return warn(name, f"{summary}, which is too long ago", hint)
    return ok(name, summary)

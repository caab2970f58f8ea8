"""Run of all checks of `doctor`, one after the other; an early failure skips the rest.

The checks themselves: `reconciler.doctor`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from secrets import token_hex

from reconciler.cli import settings, wiring
from reconciler.cli.desired_source import checkout_of
from reconciler.cli.global_options import Invocation
from reconciler.cli.ledger_access import LedgerAccess, key_of
from reconciler.cli.options import ReadingOptions
from reconciler.cli.run_facts import run_facts
from reconciler.cli.settings import Settings
from reconciler.desired.load import load
from reconciler.diagnostics import Severity, counted
from reconciler.doctor.api_checks import API_ANSWERS, ApiChecks, clock_check
from reconciler.doctor.checks import Check, CheckStatus, Health, fail, ledger_check, ok, warn
from reconciler.doctor.probe import BehaviourProbe
from reconciler.domain.policy import Target
from reconciler.domain.secrets import Redacted
from reconciler.errors import Rejection
from reconciler.execution.threads import in_thread
from reconciler.ledger.errors import LedgerError
from reconciler.ledger.location import LedgerState, TargetKey
from reconciler.planning.plan import PlanTarget
from reconciler.remote.api import RequestRecord
from reconciler.remote.client import Client
from reconciler.workflows import timestamp

PROBE = "reconcile-probe-"
"""Prefix of the slugs of temporary integrations."""

NO_TOKEN = warn(
    "environments",
    "not checked: GITHUB_TOKEN is not set",
    "pass GITHUB_TOKEN: ${{ github.token }} to the step, and grant the job `actions: read`",
)

_LISTED = "run `reconcile validate` to list them with their locations"


@dataclass
class DoctorRun:
    """One run of `doctor`. `probes` allows it to create and remove temporary integrations.

    `announce` is called with a list of what a probe would leave behind if it were interrupted now,
    or with "".
    """

    invocation: Invocation
    reading: ReadingOptions
    probes: bool
    announce: Callable[[str], None] = lambda _text: None
    github_environment: str | None = None
    environment: Settings = field(default_factory=settings.from_environment)
    checks: list[Check] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    organisation: str | None = None
    _date: str | None = None

    async def run(self) -> Health:
        """Run every check and return the results."""
        target = self._target()
        # Every other check needs a target, so its failure would add no information.
        if target is None:
            return Health(tuple(self.checks))
        self.checks += self._features(target)
        await self._api(target)
        if target.probe is not None:
            from reconciler.cli.feature_checks import probe_check

            self.checks.append(await probe_check(self.invocation, self.environment, target))
        ledger_access = wiring.ledger_access_of(self.invocation, self.environment)
        await in_thread(lambda: self._ledger(ledger_access, target))
        promotion = target.promotion
        if promotion is not None:
            from reconciler.cli.feature_checks import promotion_check

            check = partial(promotion_check, self.invocation, self.environment, target, promotion)
            self.checks.append(await in_thread(check))
        self.checks += await self._environments(target)
        named = PlanTarget.of(target, self.organisation)
        return Health(tuple(self.checks), named, self.answers)

    def _target(self) -> Target | None:
        """Check the configuration and the files; return the target even if files have errors."""
        try:
            target = wiring.read_target(self.invocation, self.environment)
        except Rejection as problem:
            self.checks.append(fail("config", problem.summary, problem.hint or _LISTED))
            return None
        files = checkout_of(self.invocation, self.environment).files
        loaded = load(files, target_name=target.name, today=settings.now().date())
        errors = [d for d in loaded.diagnostics if d.severity is Severity.ERROR]
        warnings = [d for d in loaded.diagnostics if d.severity is Severity.WARNING]
        if loaded.state is None or errors:
            self.checks.append(
                fail("config", f"{counted(len(errors), 'error')} in the files", _LISTED)
            )
        elif warnings:
            self.checks.append(
                warn("config", f"{counted(len(warnings), 'warning')} in the files", _LISTED)
            )
        else:
            count = len(loaded.state.integrations)
            declared = f"{counted(count, 'integration')} declared, without errors"
            self.checks.append(ok("config", declared))
        return target

    def _features(self, target: Target) -> Iterator[Check]:
        """Yield the checks of optional settings that need no API."""
        from reconciler.cli.feature_checks import file_checks  # few targets have such settings

        yield from file_checks(self.invocation, self.environment, target)

    async def _api(self, target: Target) -> None:
        # The check of the clock needs the Date header of a response, which only a listener
        # receives.
        invocation = replace(self.invocation, on_request=self._on_request)
        secrets = wiring.secrets_of(self.environment, self.invocation)
        try:
            api = wiring.open_client(
                invocation, self.environment, target, self.reading, secrets, writes=self.probes
            )
        except Rejection as problem:
            self.checks.append(fail("key", problem.summary, problem.hint))
            return
        async with api:
            api_checks = ApiChecks(api)
            await api_checks.run()
            self.checks += api_checks.results
            # Without a response, there is no time to compare.
            if API_ANSWERS in self.checks:
                self.checks.append(self._clock(target))
            # Without the list, it is not proven that the key is accepted, and the other checks
            # would also fail.
            if api_checks.listing is None:
                return
            self.organisation = api_checks.listing.organisation_id
            if target.reads_usage:
                from reconciler.doctor.usage_check import usage_check

                self.checks.append(await usage_check(api))
            if self.probes:
                await self._probe(api, target)

    def _on_request(self, exchange: RequestRecord) -> None:
        self._date = exchange.date or self._date
        if self.invocation.on_request is not None:
            self.invocation.on_request(exchange)

    def _clock(self, target: Target) -> Check:
        if target.is_simulator:
            return ok("clock", "the simulator uses the clock of this machine")
        return clock_check(self._date, now=settings.now())

    async def _probe(self, api: Client, target: Target) -> None:
        probe = BehaviourProbe(
            api,
            # Random, so that a leftover of an earlier probe does not conflict.
            slug=PROBE + token_hex(4),
            # Made up, because a probe must not send a provider's credential.
            key=Redacted(f"sk-probe-{token_hex(12)}"),
            workspace=target.scope.workspace_id,
            announce=self.announce,
        )
        ledger_access = wiring.ledger_access_of(self.invocation, self.environment)
        # A probe writes to the target, so it takes the lock like an apply.
        with self._locked(ledger_access, target, probe.slug):
            self.checks.append(await probe.run())
        self.answers = probe.answers
        # Opening would create the ledger, which only the first apply does.
        if ledger_access.state is LedgerState.FRESH or not probe.answers:
            return
        try:
            with ledger_access.open(read_only=False) as ledger:
                ledger.store_probe_answers(self._key(target), probe.answers)
        except LedgerError as problem:
            self.checks.append(warn("probe", f"not recorded: {problem.summary}", problem.hint))

    @contextmanager
    def _locked(self, ledger_access: LedgerAccess, target: Target, run: str) -> Iterator[None]:
        facts = run_facts(self.environment, run)
        with ledger_access.locked_run(target, facts, lambda: timestamp(settings.now())):
            yield

    async def _environments(self, target: Target) -> list[Check]:
        """Check the environments of the workflows in a job, or if there is a token for GitHub."""
        from reconciler.cli.http_clients import github_of
        from reconciler.github.environments import environment_checks
        from reconciler.github.job import job_of

        try:
            job = job_of(self.environment.environment)
        except Rejection as problem:
            return [warn("environments", problem.summary, problem.hint)]
        if job.token is None or job.repository is None:
            # Outside a job, a token is not expected.
            return [NO_TOKEN] if self.environment.on_github else []
        name = self.github_environment or settings.variable("RECONCILE_ENVIRONMENT") or target.name
        risky = settings.variable("RECONCILE_RISKY_ENVIRONMENT") or None
        async with github_of(job) as github:
            return await environment_checks(github, job, name, risky=risky)

    def _ledger(self, ledger_access: LedgerAccess, target: Target) -> None:
        check = ledger_check(
            lambda: ledger_access.open(read_only=True),
            ledger_access.require_writable,
            state=ledger_access.state,
            key=self._key(target),
            organisation=self.organisation,
            on_runner=self.environment.on_runner,
        )
        self.checks.append(check)
        if not self.answers and check.status is not CheckStatus.FAIL:
            self._recall(ledger_access, target)

    def _recall(self, ledger_access: LedgerAccess, target: Target) -> None:
        """Load the answers of an earlier probe."""
        if ledger_access.state is LedgerState.FRESH:
            return
        try:
            with ledger_access.open(read_only=True) as ledger:
                self.answers = dict(ledger.probe_answers(self._key(target)))
        except LedgerError:
            return  # the check of the ledger has reported it

    def _key(self, target: Target) -> TargetKey:
        return replace(key_of(target), organisation=self.organisation)

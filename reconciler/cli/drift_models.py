"""Retirements in a drift report: which are announced, and which the ledger has recorded."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.cli import settings
from reconciler.cli.global_options import Invocation
from reconciler.cli.ledger_access import LedgerAccess, ledger_access_of
from reconciler.cli.model_gate import FailOn, escalated, failing
from reconciler.diagnostics import Diagnostic
from reconciler.drift.report import DriftReport
from reconciler.drift.retirements import announced_by, retirements_of, silent_findings
from reconciler.execution.threads import in_thread
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.plan import Selection
from reconciler.workflows import Session

if TYPE_CHECKING:
    from reconciler.domain.catalogue import ModelFinding


@dataclass(frozen=True, slots=True)
class DriftModels:
    """Declared models of one check, and the thresholds that earlier checks have announced."""

    models: "tuple[ModelFinding, ...]" = ()
    announced: Mapping[str, int] | None = None

    def added_to(
        self, report: DriftReport, gates: tuple[FailOn, ...], selection: Selection
    ) -> tuple[DriftReport, bool]:
        """Return a report with the models that retire, and whether a model fails a gate.

        A retirement that was announced before has no diagnostic, unless it fails a gate.
        """
        models = [item for item in self.models if selection.includes(item.slug)]
        retiring = retirements_of(models, self.announced or {})
        failed = failing(gates, models)
        silent = silent_findings(self.models, retiring) - frozenset(failed)
        dropped = {item.diagnostic for item in silent}
        kept = tuple(item for item in report.plan.diagnostics if item not in dropped)
        plan = replace(report.plan, diagnostics=escalated(kept, failed))
        return replace(report, plan=plan, retiring=retiring), bool(failed)

    def remember(self, invocation: Invocation, report: DriftReport) -> tuple[Diagnostic, ...]:
        """Store what a report has announced, once it was shown; a failure is a warning."""
        if self.announced is None or not report.announced:
            return ()
        known = announced_by(report.retiring, self.announced)
        current = announced_by(retirements_of(self.models, {}))
        # Drop the announcements of models that are no longer declared or have another date.
        kept = {key: days for key, days in known.items() if key in current}
        return _access(invocation).save_announced(report.target, kept)


async def drift_models(invocation: Invocation, session: Session) -> DriftModels:
    """Return the models of a session, with what the ledger has recorded about them."""
    models = session.desired.models
    if not any(item.retires is not None for item in models):
        return DriftModels(models)
    target = session.desired.target
    announced = await in_thread(lambda: _access(invocation).announced(target))
    return DriftModels(models, announced)


def _access(invocation: Invocation) -> LedgerAccess:
    return ledger_access_of(invocation, invocation.environment or settings.from_environment())

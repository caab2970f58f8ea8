"""Read the audit log for a drift report, and add the attribution.

Three steps: what the ledger has recorded about our own writes, one time range of the log, and the
matching of both with the differences (`reconciler.drift.attribution`). Only `drift --who` needs
this module.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime

from reconciler.diagnostics import Diagnostic
from reconciler.drift.attribution import (
    NOTHING_SEEN,
    attribute,
    notice_of,
    questions,
    unknown_writers,
    window,
)
from reconciler.drift.report import DriftReport
from reconciler.drift.who import Who
from reconciler.ledger.models import OwnWrites, SeenState
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.audit_log import read_audit_log


async def with_attribution(
    report: DriftReport,
    *,
    api: IntegrationsAPI,
    own_writes: Callable[[Collection[str]], Awaitable[OwnWrites | None]],
    known_organisation: str | None,
    now: Callable[[], datetime],
    since: datetime | None = None,
    seen: Mapping[str, SeenState] = NOTHING_SEEN,
) -> DriftReport:
    """Return a new report with the writer of each change, according to the API's audit log.

    `own_writes` reads the ledger for integrations, and returns None if it cannot be read. The log
    is read from the last run in the ledger; `since` is used for integrations without a run. `seen`
    are the reads of earlier checks, which can prove that a change is newer. A log that cannot be
    read is reported as a notice.
    """
    asked = questions(report)
    if not asked:
        return replace(report, who=Who())
    own = await own_writes({question.slug for question in asked})
    # An empty list does not contain the organisation.
    organisation = report.target.organisation_id or known_organisation
    if own is None or organisation is None:
        why = "the ledger cannot be read" if own is None else "the organisation is not known"
        problem = unknown_writers(why, hint="the report is otherwise complete")
        return _with_notice(replace(report, who=Who(complete=False)), problem)
    asked_at = now()
    first, last = window(asked, own, since=since, now=asked_at, seen=seen)
    log = await read_audit_log(api, organisation=organisation, since=first, until=last, now=now)
    found = attribute(asked, own, log, since=since, now=asked_at, seen=seen)
    attributed = replace(report, who=found)
    return attributed if log.problem is None else _with_notice(attributed, notice_of(log))


def _with_notice(report: DriftReport, notice: Diagnostic) -> DriftReport:
    plan = replace(report.plan, diagnostics=(*report.plan.diagnostics, notice))
    return replace(report, plan=plan)

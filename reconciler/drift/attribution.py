"""Attribution: match differences with records of the audit log.

Pure. The log shows who wrote to which part of an integration, but not which fields, because request
bodies are dropped. Therefore, a field has one writer only if all requests that could have written
it since our last run are by the same writer. Otherwise, the answer is ambiguous.
`reconciler.drift.record_fit` selects the requests that could have made a difference, and
`reconciler.drift.own_requests` excludes our own.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from reconciler.diagnostics import Diagnostic, notice
from reconciler.domain.instants import parse_instant
from reconciler.drift.earlier_checks import in_sync_at
from reconciler.drift.own_requests import REQUESTS, OwnRequests
from reconciler.drift.record_fit import (
    CREATION_MARGIN,
    Fit,
    Question,
    fit_of,
    is_creation,
    was_refused,
)
from reconciler.drift.report import DriftReport
from reconciler.drift.who import Certainty, FieldWho, Reason, Who, Writer
from reconciler.frozen_dataclass import dataclass
from reconciler.ledger.models import Confirmation, OwnCall, OwnWrites, SeenState
from reconciler.planning.actions import Action, ActionKind, Change, ChangeKind, ChangeOrigin
from reconciler.remote.audit_log import (
    Actor,
    ActorKind,
    AuditLog,
    AuditRecord,
    LogProblem,
    Place,
    Source,
)

DEFAULT_WINDOW = timedelta(days=30)
"""Time range without a run in the ledger, and the assumed retention of the log."""

MARGIN = timedelta(hours=1)
"""Time that is read before and after a window, because the API's clock may differ from ours."""

NOTHING_SEEN: Mapping[str, SeenState] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Start:
    """Time from which a request counts.

    `is_proven` states that an earlier request cannot have made the change or is in the log.
    `is_covered` states that the log certainly covers the time since then.
    """

    at: datetime
    is_proven: bool
    is_covered: bool


@dataclass(frozen=True, slots=True)
class _Match:
    """Request that fits, and how well it fits; requests of the same writer have the same `key`."""

    writer: Writer
    fit: Fit
    key: object
    at: datetime | None


def questions(report: DriftReport) -> tuple[Question, ...]:
    """Return the differences that the log can explain, without those that only Git changed."""
    return tuple(question for action in report.items for question in _questions(report, action))


def _questions(report: DriftReport, action: Action) -> Iterator[Question]:
    if action.kind in {ActionKind.CREATE, ActionKind.DELETE}:
        # A file that was added or removed in Git explains itself.
        if report.origin(action.slug) is not ChangeOrigin.LOCAL:
            yield Question(action)
        return
    yield from (Question(action, change.path) for change in action.changes if _is_foreign(change))


def _is_foreign(change: Change) -> bool:
    return change.op is not ChangeKind.RESEND and change.origin is not ChangeOrigin.LOCAL


def window(
    asked: Iterable[Question],
    own: OwnWrites,
    *,
    since: datetime | None,
    now: datetime,
    seen: Mapping[str, SeenState] = NOTHING_SEEN,
) -> tuple[datetime, datetime]:
    """Return the time range of the log that the questions need; `seen` are earlier reads."""
    default = since or now - DEFAULT_WINDOW
    starts = [default]
    for question in asked:
        confirmation = own.confirmations.get(question.slug)
        began = parse_instant(confirmation.began_at) if confirmation is not None else None
        start = began or default
        checked_at, created_at = in_sync_at(question, seen, now=now), question.created_at
        if checked_at is not None:
            start = max(start, checked_at)
        if created_at is not None:
            start = max(start, created_at - CREATION_MARGIN)
        starts.append(start)
    # The default counts only if a question needs it.
    oldest = min(starts[1:], default=default)
    # The API's clock may be far ahead.
    return min(oldest, now) - MARGIN, now + MARGIN


def attribute(
    asked: Sequence[Question],
    own: OwnWrites,
    log: AuditLog,
    *,
    since: datetime | None,
    now: datetime,
    seen: Mapping[str, SeenState] = NOTHING_SEEN,
) -> Who:
    """Return the answers to all questions; empty without access to the log."""
    if log.problem is LogProblem.REFUSED:
        fields: tuple[FieldWho, ...] = ()
    elif log.problem is LogProblem.INCOMPLETE:
        reason = Reason.LOG_INCOMPLETE
        unknown = (FieldWho(q.slug, q.path, Certainty.UNKNOWN, reason=reason) for q in asked)
        fields = tuple(unknown)
    else:
        search = _Search(own, log, since=since, now=now, seen=seen)
        answers = [search.answer(question) for question in asked]
        fields = tuple(answer for answer in answers if answer is not None)
    return Who(
        fields=fields,
        since=_text(log.since),
        until=_text(log.until),
        complete=log.problem is None,
        calls=log.calls,
    )


def notice_of(log: AuditLog) -> Diagnostic:
    """Return the notice that a log could not be read."""
    hint = "run again later, or use --since if the window is too long"
    if log.problem is LogProblem.REFUSED:
        hint = "use a key that may read the audit log; the report is otherwise complete"
    return unknown_writers(f"the audit log cannot be read: {log.detail}", hint=hint)


def unknown_writers(why: str, *, hint: str) -> Diagnostic:
    """Return the notice that no writer can be named."""
    return notice("who-unknown", f"the authors of the changes are unknown: {why}", hint=hint)


class _Search:
    """Search of one log for the writers of differences."""

    def __init__(
        self,
        own: OwnWrites,
        log: AuditLog,
        *,
        since: datetime | None,
        now: datetime,
        seen: Mapping[str, SeenState],
    ) -> None:
        self._own = own
        self._seen = seen
        self._begins = log.begins
        self._requests = OwnRequests(log, own.calls)
        self._since = since
        self._now = now
        self._calls: dict[str, list[int]] = defaultdict(list)
        self._first_calls: dict[str, int] = {}
        for number, call in enumerate(own.calls):
            self._calls[call.slug].append(number)
            self._first_calls.setdefault(call.run, number)
        self._by_reference: dict[str | None, list[AuditRecord]] = defaultdict(list)
        for record in self._requests.foreign:
            # Most records of a log are of these resources, which concern no question.
            if record.place is Place.ELSEWHERE:
                continue
            # The last step of such a path names a workspace, not an integration.
            is_named = record.place is not Place.WORKSPACE
            self._by_reference[record.reference if is_named else None].append(record)

    def answer(self, question: Question) -> FieldWho | None:
        """Return the answer, None for what is probably only new in Git."""
        start = self._start(question)
        # Others and our own runs alike: if both wrote the field, the writer is ambiguous.
        matches = [
            *self._matches_of_others(question, start),
            *self._matches_of_runs(question),
        ]
        if matches:
            return _verdict(question, matches, is_proven=start.is_proven)
        # Without a run that confirmed it, nothing was deleted in the API.
        is_new_in_git = self._own.confirmations.get(question.slug) is None
        if question.action.kind is ActionKind.CREATE and is_new_in_git:
            return None
        reason = Reason.NO_RECORD if start.is_covered else Reason.LOG_BEGINS_LATER
        return FieldWho(question.slug, question.path, Certainty.UNKNOWN, reason=reason)

    def _start(self, question: Question) -> _Start:
        """Return the time from which requests count, in the API's clock."""
        at, is_known, is_covered = self._last_confirmed(question)
        checked_at = in_sync_at(question, self._seen, now=self._now)
        if checked_at is not None and checked_at > at:
            at, is_known, is_covered = checked_at, True, False
        created_at = question.created_at
        if created_at is not None and created_at - CREATION_MARGIN > at:
            # Writes to an earlier object with this slug no longer have an effect.
            at, is_known = created_at - CREATION_MARGIN, False
            unnamed = self._by_reference.get(None, ())
            is_covered = any(is_creation(record, created_at) for record in unnamed)
        is_covered = is_covered or (self._begins is not None and self._begins <= at)
        # If a log has no record this old, there may have been no request, or old records were
        # deleted.
        is_recent = self._now - at <= DEFAULT_WINDOW + MARGIN
        return _Start(at, is_covered or (is_known and is_recent), is_covered)

    def _last_confirmed(self, question: Question) -> tuple[datetime, bool, bool]:
        """Return when an integration was last as declared, and if that is known and in the log.

        A run reads an integration immediately before its first write, so its state counts from
        then.
        """
        confirmation = self._own.confirmations.get(question.slug)
        began = parse_instant(confirmation.began_at) if confirmation is not None else None
        if confirmation is None or began is None:
            if self._since is not None:
                return self._since, True, False
            return self._now - DEFAULT_WINDOW, False, False
        run = confirmation.run
        written_at = None
        of_run = [n for n in self._calls[question.slug] if self._own.calls[n].run == run]
        if of_run:
            began = parse_instant(self._own.calls[of_run[0]].started_at) or began
        for number in of_run:
            call = self._own.calls[number]
            record = self._requests.records.get(number)
            if call.is_done and record is not None and _is_written_by(question, call):
                written_at = record.at
        at = self._requests.earliest(began, run=run)
        if written_at is not None:
            at = max(at, written_at)
        return at, True, self._requests.shows(run)

    def _matches_of_others(self, question: Question, start: _Start) -> Iterator[_Match]:
        for record in self._candidates(question):
            fit = fit_of(question, record)
            if fit is Fit.NONE or (record.at is not None and record.at < start.at):
                continue
            # Two records without an id may belong to two writers.
            key = record.actor if record.actor.is_identified else object()
            yield _Match(_writer(record), fit, key, record.at)

    def _candidates(self, question: Question) -> Iterator[AuditRecord]:
        """Yield the records that name the integration or none."""
        for reference in (None, *sorted(question.references)):
            yield from self._by_reference.get(reference, ())

    def _matches_of_runs(self, question: Question) -> Iterator[_Match]:
        """Yield the writes of our runs that did not end as declared."""
        confirmation = self._own.confirmations.get(question.slug)
        for number in self._calls[question.slug]:
            call = self._own.calls[number]
            if not _is_written_by(question, call):
                continue
            if confirmation is not None and not self._is_later(number, confirmation):
                continue
            record = self._requests.records.get(number)
            if record is not None and was_refused(record):
                continue
            at = record.at if record is not None else parse_instant(call.started_at)
            actor = Actor(ActorKind.RUN, call.run)
            method = REQUESTS[call.operation][1]
            writer = Writer(_text(at), actor.kind.value, call.run, method, Source.API.value)
            yield _Match(writer, Fit.STRONG if call.is_done else Fit.WEAK, actor, at)

    def _is_later(self, number: int, confirmation: Confirmation) -> bool:
        """Return whether a call was sent after an integration was confirmed, by another run."""
        call = self._own.calls[number]
        if call.run == confirmation.run:
            return False
        # Runs do not overlap, so the order relative to one call of the confirming run is
        # sufficient.
        first = self._first_calls.get(confirmation.run)
        if first is not None:
            return number > first
        began, sent = parse_instant(confirmation.began_at), parse_instant(call.started_at)
        # The id of a run has a precision of seconds.
        return began is None or sent is None or sent >= began + timedelta(seconds=1)


def _is_written_by(question: Question, call: OwnCall) -> bool:
    """Return whether one of our calls wrote the subject of a question."""
    place, method = REQUESTS.get(call.operation, (Place.ELSEWHERE, ""))
    if question.path is None:
        whole = "DELETE" if question.action.kind is ActionKind.CREATE else "POST"
        return method == whole and place in {Place.INTEGRATION, Place.INTEGRATIONS}
    if place is Place.MODELS and method == "DELETE":
        return question.place is Place.MODELS
    written = Place.INTEGRATION if place is Place.INTEGRATIONS else place
    return written is question.place and question.name in call.fields


def _verdict(question: Question, matches: Sequence[_Match], *, is_proven: bool) -> FieldWho:
    """Return the answer for requests that fit."""
    latest: dict[object, _Match] = {}
    for match in matches:
        known = latest.get(match.key)
        if known is None or _rank(match) > _rank(known):
            latest[match.key] = match
    by_age = sorted(latest.values(), key=_time_of, reverse=True)
    writers = tuple(match.writer for match in by_age)
    verdict, reason = Certainty.AMBIGUOUS, None
    if len(by_age) == 1:
        if by_age[0].fit is Fit.WEAK:
            reason = Reason.UNKNOWN_EFFECT
        elif not is_proven:
            reason = Reason.EARLIER_CHANGE
        else:
            verdict = Certainty.KNOWN
    return FieldWho(question.slug, question.path, verdict, writers, reason)


def _rank(match: _Match) -> tuple[Fit, datetime]:
    return match.fit, _time_of(match)


def _time_of(match: _Match) -> datetime:
    return match.at or datetime.min.replace(tzinfo=UTC)


def _writer(record: AuditRecord) -> Writer:
    return Writer(
        time=_text(record.at),
        actor=record.actor.kind.value,
        id=record.actor.id,
        method=record.method,
        source=record.source.value,
    )


def _text(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

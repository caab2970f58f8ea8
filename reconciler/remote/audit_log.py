"""Audit log of the API: who wrote what and when (remote/API.md §12).

A log is read page by page, and is complete only if it has as many records as the API announced.
`reconciler.drift.attribution` assigns records to differences, and `reconciler.remote.audit_body`
drops parts such as request bodies before parsing.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import unquote

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.identifiers import is_uuid
from reconciler.domain.instants import parse_http_date, parse_instant
from reconciler.domain.secrets import LOOKS_SECRET
from reconciler.domain.surrogates import repaired
from reconciler.frozen_dataclass import dataclass
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.audit_body import BROWSER, CLIENT, PROGRAM
from reconciler.remote.errors import Answered, RemoteError, ServerFault, Throttled
from reconciler.remote.pagination import USUAL_SIZES

PAGE_SIZE = 100
"""Records per page, the documented maximum."""

MAX_PAGES = 1000
"""Maximum number of pages of a time range."""

UNNOTICEABLE = timedelta(seconds=2)
"""Difference between two clocks that can come from the network or from rounding."""

LONGEST_ID = 255
READS = frozenset({"GET", "HEAD", "OPTIONS"})

_METHOD = re.compile(r"[A-Z]{1,16}")
# A shortened or masked id may belong to several actors.
_MASKS = re.compile(r"\.{3}|[*•…·●]")
_COLLECTION = "integrations"
_WORKSPACES = "workspaces"
_RELATED = ("integration", "model", "workspace", "provider")


class ActorKind(StrEnum):
    """Kind of the writer of a request; a `run` is one of our runs in the ledger."""

    USER = "user"
    API_KEY = "api_key"
    RUN = "run"
    UNKNOWN = "unknown"


class Source(StrEnum):
    """Where a request came from."""

    UI = "ui"
    API = "api"
    UNKNOWN = "unknown"


class Place(StrEnum):
    """What the path of a request names."""

    INTEGRATIONS = "integrations"
    INTEGRATION = "integration"
    MODELS = "models"
    WORKSPACES = "workspaces"
    # Something below an integration that this version does not know.
    OTHER_PART = "other-part"
    WORKSPACE = "workspace"
    ELSEWHERE = "elsewhere"
    UNKNOWN = "unknown"


_PARTS = {
    (): Place.INTEGRATION,
    ("models",): Place.MODELS,
    # Another name of the models (remote/API.md §1.1).
    ("integration-models",): Place.MODELS,
    ("workspaces",): Place.WORKSPACES,
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who made a request; `id` is None if the record has none."""

    kind: ActorKind
    id: str | None = None

    @property
    def is_identified(self) -> bool:
        """Return whether two records with this actor certainly have the same writer."""
        has_kind = self.kind is not ActorKind.UNKNOWN
        return has_kind and self.id is not None and not _MASKS.search(self.id)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One request, as far as an attribution needs it.

    `reference` is the slug or id that the path names. `method` is empty if the record has none;
    `at` and `status` are None if the record has no valid value. `is_about_other` states that the
    record names another kind of resource than its path.
    """

    at: datetime | None
    method: str
    place: Place
    reference: str | None
    actor: Actor
    source: Source
    status: int | None = None
    request_id: str | None = None
    is_about_other: bool = False


class LogProblem(StrEnum):
    """Reason why a log could not be read: not allowed, or incomplete."""

    REFUSED = "refused"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True)
class AuditLog:
    """Records of a window, in no particular order, and the calls that read them.

    With a `problem`, the records must not be used; `detail` explains it without any value of the
    API. `ahead` is the time by which the API's clock is ahead of ours, zero if it is negligible.
    """

    since: datetime
    until: datetime
    records: tuple[AuditRecord, ...] = ()
    calls: int = 0
    problem: LogProblem | None = None
    detail: str = ""
    ahead: timedelta = timedelta()

    @property
    def begins(self) -> datetime | None:
        """Return the time of the oldest record; the log covers at least the time since then."""
        return min((record.at for record in self.records if record.at is not None), default=None)


async def read_audit_log(
    api: IntegrationsAPI,
    *,
    organisation: str,
    since: datetime,
    until: datetime,
    now: Callable[[], datetime],
) -> AuditLog:
    """Read a time range of the log, with one call per page; never raises `RemoteError`."""
    reading = _Reading()
    query: dict[str, str | int] = {
        "start_time": _text(since),
        "end_time": _text(until),
        "organisation_id": organisation,
        "page_size": PAGE_SIZE,
    }
    problem: LogProblem | None = None
    detail, ahead = "", timedelta()
    try:
        while not reading.is_over:
            call = Call(
                OperationName.LIST_AUDIT_LOGS, query={**query, "current_page": reading.calls}
            )
            reading.calls += 1
            reply = await api.call(call)
            ahead = _ahead(reply.date, now())
            reading.take(reply.body)
    except RemoteError as error:
        problem, detail = _problem(error, first=reading.calls == 1)
    if problem is None and not reading.is_whole:
        problem, detail = LogProblem.INCOMPLETE, reading.explanation
    # A part of the log could show one writer but not another, so no writer is named.
    records = () if problem else tuple(reading.records.values())
    return AuditLog(since, until, records, reading.calls, problem, detail, ahead)


def _ahead(date: str | None, now: datetime) -> timedelta:
    """Return by how much the server's clock is ahead; a header has whole seconds."""
    server = parse_http_date(date)
    if server is None or abs(server - now) <= UNNOTICEABLE:
        return timedelta()
    return server - now


def _problem(error: RemoteError, *, first: bool) -> tuple[LogProblem, str]:
    """Return the reason of a failed page, without the API's message, which may quote any text."""
    is_refusal = isinstance(error, Answered) and not isinstance(error, ServerFault | Throttled)
    if first and is_refusal:
        return LogProblem.REFUSED, f"status {error.http_status}"
    status = f" (status {error.http_status})" if error.http_status else ""
    return LogProblem.INCOMPLETE, f"a page could not be read{status}"


@dataclass(slots=True)
class _Reading:
    """Pages of one time range. `total` is None unless it counts the records of all pages."""

    records: dict[tuple[object, int], AuditRecord] = field(default_factory=dict)
    calls: int = 0
    total: int | None = None
    is_over: bool = False
    damage: str = ""

    @property
    def is_whole(self) -> bool:
        """Return whether every record of the window was read."""
        return not self.damage and (self.total is None or len(self.records) >= self.total)

    @property
    def explanation(self) -> str:
        """Return why the log is not complete."""
        return self.damage or f"{len(self.records)} of {self.total} records could be read"

    def take(self, body: object) -> None:
        """Add the records of a page, and decide whether another one follows."""
        rows = body.get("records") if isinstance(body, Mapping) else None
        if not isinstance(body, Mapping) or not isinstance(rows, list):
            self._stop("a page has no records")
            return
        before = len(self.records)
        self._add(rows)
        if self.calls == 1:
            self.total = _total(body.get("total"), on_page=len(rows))
        # A server that ignores the page number returns the same records again and again.
        is_exhausted = len(self.records) == before
        is_counted = self.total is not None and len(self.records) >= self.total
        self.is_over = self.is_over or is_exhausted or is_counted
        if not self.is_over and self.calls >= MAX_PAGES:
            self._stop(f"the window has more than {MAX_PAGES} pages")

    def _add(self, rows: list[object]) -> None:
        # Pages overlap if a record is added in the meantime; one page has no duplicates.
        on_page: Counter[object] = Counter()
        for row in rows:
            if not isinstance(row, Mapping):
                self._stop("a record is not an object")
                continue
            record = decode_record(row)
            key = _identity(record)
            self.records[key, on_page[key]] = record
            on_page[key] += 1

    def _stop(self, damage: str) -> None:
        self.damage, self.is_over = damage, True


def _identity(record: AuditRecord) -> object:
    """Return what two records of one request have in common, even if its status is added later."""
    # An id alone is not enough: a client can choose it, or use it for several requests.
    return record if record.request_id is None else replace(record, at=None, status=None)


def _total(total: object, *, on_page: int) -> int | None:
    """Return the number of records on all pages, None if the first page does not show it."""
    if not isinstance(total, int) or isinstance(total, bool):
        return None
    # It is documented as the total "in the response", so a full page, even if smaller than
    # requested, may count only its own records.
    if total < on_page or (total == on_page and on_page in USUAL_SIZES):
        return None
    return total


def decode_record(row: Mapping[str, object]) -> AuditRecord:
    """Read a record; a missing or invalid value counts as unknown and is never an error."""
    method = _string(row, "method").upper()
    place, reference = _place(_string(row, "uri"), _string(row, "resource_type").lower())
    kind = _string(row, "user_type")
    known = {ActorKind.USER.value: ActorKind.USER, ActorKind.API_KEY.value: ActorKind.API_KEY}
    actor = Actor(known.get(kind, ActorKind.UNKNOWN), _identifier(row))
    status = row.get("response_status_code")
    resource = _string(row, "resource_type").lower()
    return AuditRecord(
        at=parse_instant(row.get("timestamp")),
        method=method if _METHOD.fullmatch(method) else "",
        place=place,
        reference=reference,
        actor=actor,
        source=_source(actor.kind, row.get(CLIENT)),
        status=status if isinstance(status, int) and not isinstance(status, bool) else None,
        request_id=_string(row, "request_id") or None,
        is_about_other=bool(resource) and not any(name in resource for name in _RELATED),
    )


def _source(kind: ActorKind, client: object) -> Source:
    """Return where a request came from, according to its record (remote/API.md §12)."""
    if kind is ActorKind.API_KEY:
        return Source.API
    if kind is ActorKind.USER:
        # A user's token can also be used without the user interface.
        return Source.API if client == PROGRAM else Source.UI
    return Source.UI if client == BROWSER else Source.UNKNOWN


def _place(uri: str, resource: str) -> tuple[Place, str | None]:
    """Return what a path names; its beginning differs between deployments (remote/API.md §1.1)."""
    path = uri.partition("?")[0].partition("#")[0]
    steps = [unquote(step) for step in path.partition("://")[2].split("/")[1:]]
    if "://" not in path:
        steps = [unquote(step) for step in path.split("/")]
    steps = [step for step in steps if step]
    if not steps:
        is_other = bool(resource) and "integration" not in resource
        return (Place.ELSEWHERE if is_other else Place.UNKNOWN), None
    if _COLLECTION in steps:
        start = steps.index(_COLLECTION)
        before, rest = steps[:start], steps[start + 1 :]
        if not rest:
            return Place.INTEGRATIONS, None
        # Below a workspace, a request can concern the access instead of the integration.
        is_own = _WORKSPACES not in before
        part = _PARTS.get(tuple(rest[1:]), Place.OTHER_PART) if is_own else Place.OTHER_PART
        return part, rest[0].lower() if is_uuid(rest[0]) else rest[0]
    if len(steps) > 1 and steps[-2] == _WORKSPACES:
        return Place.WORKSPACE, steps[-1]
    return Place.ELSEWHERE, None


def _identifier(row: Mapping[str, object]) -> str | None:
    text = repaired(_string(row, "user_id")).strip()
    # An id is shown, so it must not be arbitrary text of a client.
    if len(text) > LONGEST_ID or LOOKS_SECRET.search(text):
        return None
    return text or None


def _string(row: Mapping[str, object], name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else ""


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

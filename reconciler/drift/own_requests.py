"""Own writes among the records of the audit log, and the offset of the API's clock.

Pure. The ledger has every call of our runs with its times and, if the API named one, its request
id. A record with that id is ours. Without an id, a record is ours if it has the method and the path
of a call and a time within that call, and was not sent by a browser.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from reconciler.domain.calls import OperationName
from reconciler.domain.instants import parse_instant
from reconciler.ledger.models import OwnCall
from reconciler.remote.audit_log import UNNOTICEABLE, AuditLog, AuditRecord, Place, Source

SKEW = timedelta(seconds=5)
"""Assumed offset of the clocks if none of our writes shows it."""

REQUESTS: Mapping[str, tuple[Place, str]] = MappingProxyType(
    {
        OperationName.CREATE.value: (Place.INTEGRATIONS, "POST"),
        OperationName.UPDATE.value: (Place.INTEGRATION, "PUT"),
        OperationName.DELETE.value: (Place.INTEGRATION, "DELETE"),
        OperationName.UPDATE_MODELS.value: (Place.MODELS, "PUT"),
        OperationName.DELETE_MODELS.value: (Place.MODELS, "DELETE"),
        OperationName.UPDATE_WORKSPACES.value: (Place.WORKSPACES, "PUT"),
    }
)
"""Path and method of one of our writes as the log shows them, without the base path."""

_Key = tuple[Place, str | None, str]


class OwnRequests:
    """Records of a log, divided into our own and those of others.

    `foreign` are the records of others; `records` has the record of each call, by the position of
    the call.
    """

    def __init__(self, log: AuditLog, calls: Sequence[OwnCall]) -> None:
        self._log = log
        self._calls = calls
        self._owned: set[int] = set()
        times = [record.at for record in log.records if record.at is not None]
        self._in_seconds = all(at.microsecond == 0 for at in times)
        self.records: dict[int, AuditRecord] = {}
        self._by_run: dict[str, list[timedelta]] = defaultdict(list)
        self._proven: dict[str, list[tuple[timedelta, timedelta]]] = defaultdict(list)
        # First, because a request id is proof; what it claims also shows the offset of the clocks.
        self._claim_by_id()
        self._claim_by_time()
        self.foreign = tuple(
            record for number, record in enumerate(log.records) if number not in self._owned
        )

    def earliest(self, moment: datetime, *, run: str) -> datetime:
        """Return the earliest time of the API's clock that can equal this time of our clock."""
        shown = self._by_run[run]
        # A record is never later than the end of its call, so the difference is at least this.
        offset = max(shown) if shown else self._log.ahead - SKEW
        return moment + offset

    def shows(self, run: str) -> bool:
        """Return whether the log contains a write of a run, and so covers the time since then."""
        return bool(self._by_run[run])

    def _claim_by_id(self) -> None:
        by_id = {call.request_id: number for number, call in enumerate(self._calls)}
        # A call without an answer has no id.
        by_id.pop(None, None)
        for number, record in enumerate(self._log.records):
            if record.request_id not in by_id:
                continue
            position = by_id[record.request_id]
            self._claim(number, position)
            call = self._calls[position]
            started, ended = parse_instant(call.started_at), parse_instant(call.ended_at)
            if record.at is not None and started is not None and ended is not None:
                # How much the API's clock is ahead of the run's: at least the first, at most the
                # second.
                self._proven[call.run].append((record.at - ended, record.at - started))

    def _claim_by_time(self) -> None:
        by_key: dict[_Key, list[int]] = defaultdict(list)
        for number, record in enumerate(self._log.records):
            # A run sends its requests with an API key, never through the user interface.
            if record.at is not None and record.source is not Source.UI:
                by_key[record.place, record.reference, record.method].append(number)
        for position, call in enumerate(self._calls):
            key = _key(call)
            if key is None:
                continue
            for number in self._within(call, by_key[key], self.records.get(position)):
                self._claim(number, position)

    def _within(
        self, call: OwnCall, candidates: Iterable[int], known: AuditRecord | None
    ) -> list[int]:
        """Return the records that certainly belong to a call; repeated requests have several.

        `known` is the record with the id of the call.
        """
        started = parse_instant(call.started_at)
        if started is None:
            return []
        ended = parse_instant(call.ended_at) or started
        least, most = self._differences(call.run)
        first, last = started + least, ended + most
        # A log without fractions has cut them off, so a record can seem to be up to a second
        # earlier.
        if self._in_seconds:
            first = first.replace(microsecond=0)
        inside, near = [], []
        for number in candidates:
            at = self._log.records[number].at
            assert at is not None  # noqa: S101 - records without a time are no candidates
            if first <= at <= last:
                inside.append(number)
            elif first - UNNOTICEABLE <= at <= last + UNNOTICEABLE:
                near.append(number)
        if known is not None:
            inside = [n for n in inside if self._log.records[n].actor == known.actor]
            # With a record by id, only repetitions by the same actor are looked for.
            near = []
        # Concurrent creates have the same path, so each may have matched the records of another.
        found = inside or near
        if not inside and any(number in self._owned for number in near):
            return []
        found = [number for number in found if number not in self._owned]
        return found if self._are_of_one(found) else []

    def _differences(self, run: str) -> tuple[timedelta, timedelta]:
        """Return the least and the greatest difference of the clocks during a run."""
        proven = self._proven[run]
        if not proven:
            return self._log.ahead, self._log.ahead
        # The difference lies within the bounds of every call, so within the narrowest.
        bounds = max(least for least, _ in proven), min(most for _, most in proven)
        return min(bounds), max(bounds)

    def _are_of_one(self, numbers: Sequence[int]) -> bool:
        """Return whether records certainly belong to one actor."""
        actors = {self._log.records[number].actor for number in numbers}
        # An actor without an id cannot be identified.
        return len(numbers) == 1 or (len(actors) == 1 and actors.pop().is_identified)

    def _claim(self, number: int, position: int) -> None:
        self._owned.add(number)
        known = self.records.get(position)
        record, call = self._log.records[number], self._calls[position]
        ended_at = parse_instant(call.ended_at)
        if record.at is not None and ended_at is not None:
            # The smallest difference of the clocks that this call allows.
            self._by_run[call.run].append(record.at - ended_at)
        # If a request was repeated, the last one was carried out.
        if known is None or (known.at is not None and record.at and record.at > known.at):
            self.records[position] = record


def _key(call: OwnCall) -> _Key | None:
    request = REQUESTS.get(call.operation)
    if request is None:
        return None
    place, method = request
    # The path of a create does not name the integration.
    return place, None if place is Place.INTEGRATIONS else call.slug, method

"""The remote API as a pure state machine: a request and a state produce a response and a new state.

It has no I/O, clock or randomness: time and ids are passed in, and a `Store` keeps the state.
Network faults: `reconciler.simulator.faults`. Behaviour that the vendor does not document is chosen
by `Switches`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from reconciler.domain.calls import OperationName
from reconciler.remote.errors import InvalidCall
from reconciler.remote.operations import match
from reconciler.simulator import access, audit, gateway, responses, validation
from reconciler.simulator.messages import (
    FORBIDDEN,
    JsonObject,
    Request,
    RequestRefused,
    Response,
    error_response,
    invalid_request,
    refusal,
)
from reconciler.simulator.organisation import Organisation, apply_update, new_record
from reconciler.simulator.paging import RequestedPage
from reconciler.simulator.store import MemoryStore, Record, Store
from reconciler.simulator.switches import Switches
from reconciler.simulator.usage import CREATES, UsageLists


class ReadHandler(Protocol):
    """Handler of an operation that reads; `stale` shows the state before the last write."""

    def __call__(self, request: Request, slug: str, /, *, stale: bool) -> Response: ...


WriteHandler = Callable[[Request, str], Response]


class SimulatedAPI:
    """One simulated organisation of the remote API.

    `now` returns ISO-8601 UTC with milliseconds, `new_id` a UUID. `store` defaults to a
    `MemoryStore`, the only kind that `snapshot` and `restore` support.
    """

    def __init__(
        self,
        switches: Switches,
        now: Callable[[], str],
        new_id: Callable[[], str],
        store: Store | None = None,
    ) -> None:
        self.switches = switches
        self._organisation = Organisation(store or MemoryStore(), switches, now=now, new_id=new_id)
        self._usage = UsageLists(self._organisation, switches)
        self._answered = 0
        self._reads: Mapping[OperationName, ReadHandler] = {
            OperationName.LIST: self._list,
            OperationName.GET: self._get,
            OperationName.GET_MODELS: self._get_models,
            OperationName.GET_WORKSPACES: self._get_workspaces,
            **self._usage.reads,
            OperationName.LIST_AUDIT_LOGS: self._list_audit_logs,
        }
        self._writes: Mapping[OperationName, WriteHandler] = {
            OperationName.CREATE: self._create,
            OperationName.UPDATE: self._update,
            OperationName.DELETE: self._delete,
            OperationName.UPDATE_MODELS: self._update_models,
            OperationName.DELETE_MODELS: self._delete_models,
            OperationName.UPDATE_WORKSPACES: self._update_workspaces,
        }

    def handle(self, request: Request, *, stale: bool = False) -> Response:
        """Return the response to a request; never raises for client input.

        With `stale`, a read returns each integration as it was before its last write.
        """
        if self._is_rate_limited():
            retry_after = self.switches.retry_after
            headers = {"Retry-After": retry_after} if retry_after else {}
            return error_response(429, "AB06", "Rate limit exceeded", headers)
        if request.path == gateway.PATH and request.method == "GET":
            return gateway.list_models(request, self._organisation, self.switches)
        if request.method == "POST" and request.path in CREATES:
            return self._create_user(request)
        try:
            matched = match(request.method, request.path)
        # A path whose slug is malformed is unknown, like any other.
        except InvalidCall:
            matched = None
        if matched is None:
            return error_response(404, "AB08", "Not found")
        operation, slug = matched
        store = self._organisation.store
        try:
            with store.transaction(write=request.writes):
                if operation.name in self._reads:
                    return self._reads[operation.name](request, slug or "", stale=stale)
                return self._recorded(request, self._writes[operation.name](request, slug or ""))
        # Outside of the transaction, so that a refused request has been rolled back.
        except RequestRefused as refused:
            if not request.writes:
                return refused.response
            with store.transaction(write=True):
                return self._recorded(request, refused.response)

    def _recorded(self, request: Request, response: Response) -> Response:
        """Add a write to the audit log, and return its response."""
        store = self._organisation.store
        # Not from the source of ids, because the log must not affect the ids of integrations.
        request_id = f"req-{store.audit_length() + 1:08d}"
        record = audit.record_of(
            request,
            response,
            now=self._organisation.now(),
            request_id=request_id,
            organisation=self._known_organisation,
        )
        store.add_audit_record(record)
        if not self.switches.request_ids:
            return response
        return replace(response, headers={**response.headers, "x-request-id": request_id})

    @property
    def integrations(self) -> dict[str, Record]:
        """Every stored record by slug, secrets included; for tests and seeds."""
        return {
            slug: entry.record
            for slug, entry in self._organisation.store.entries()
            if entry.record is not None
        }

    @property
    def providers(self) -> list[JsonObject]:
        """Default providers that creates and grants have added, oldest first."""
        return self._organisation.providers()

    @property
    def organisation_id(self) -> str:
        """Id of the organisation."""
        return self._organisation.id

    def snapshot(self) -> JsonObject:
        """Return the whole state as plain JSON, including secrets; only for a store in memory."""
        # A copy, because later writes must not change a snapshot.
        return dict(responses.clone({**self._memory().as_json(), "answered": self._answered}))

    def restore(self, snapshot: Mapping[str, object]) -> None:
        """Replace the state by a snapshot; only for a store in memory."""
        state = responses.clone(dict(snapshot))
        self._answered = state.pop("answered")
        self._memory().load_json(state)

    def _memory(self) -> MemoryStore:
        store = self._organisation.store
        if not isinstance(store, MemoryStore):
            raise TypeError("a store on disk is its own snapshot")
        return store

    def _is_rate_limited(self) -> bool:
        """Count a request; return whether the switch `rate_limit_after` refuses it."""
        limit = self.switches.rate_limit_after
        if limit and self._answered >= limit:
            # The refused request starts the next count.
            self._answered = 0
            return True
        self._answered += 1
        return False

    def _create_user(self, request: Request) -> Response:
        """Create a provider or a config, which the reconciler itself never writes."""
        try:
            with self._organisation.store.transaction(write=True):
                return self._usage.create(request)
        except RequestRefused as refused:
            return refused.response

    # -- the integration -----------------------------------------------------------------

    def _list(self, request: Request, _slug: str, *, stale: bool) -> Response:
        page = RequestedPage.parse(request.query, self.switches, self._organisation.workspace_key)
        if page.is_unfiltered and not stale and not self.switches.stale_read_ms:
            # The store selects the page, so that thousands of records need not be decoded.
            total, records = self._organisation.store.page(
                offset=page.offset, limit=page.limit, newest=page.newest
            )
        else:
            total, records = page.select(list(self._organisation.visible_records(stale=stale)))
        data = [responses.row(record, self.switches) for record in records]
        return Response(200, {"object": "list", "total": total, "data": data})

    def _create(self, request: Request, _slug: str) -> Response:
        organisation = self._organisation
        body = validation.require_object(request.body)
        sent = validation.expected_fields(body, validation.CREATABLE, self.switches)
        validation.check_create(sent, self.switches)
        slug = organisation.slug_for_create(sent)
        workspace = sent.get("workspace_id")
        record = new_record(
            slug,
            responses.clone(sent),
            ids=(organisation.new_id(), organisation.id, organisation.new_id()),
            now=organisation.now(),
            workspace=organisation.register_workspace(workspace) if workspace else None,
        )
        provider_id = None
        # True when absent (remote/API.md §1.3).
        if record["workspace_id"] and sent.get("create_default_provider") is not False:
            provider_slug = sent.get("default_provider_slug")
            provider_id = organisation.add_provider(record, record["workspace_id"], provider_slug)
        # Last, because a create whose provider is refused must not leave a record.
        organisation.put(slug, record)
        receipt = {"id": record["id"], "slug": slug}
        # The specification names `id` and `slug` only (remote/API.md §1.3).
        if self.switches.detail_shape == "observed":
            receipt |= {"provider_id": provider_id, "object": "integration"}
        return Response(200, receipt)

    def _get(self, _request: Request, slug: str, *, stale: bool) -> Response:
        if slug in self.switches.detail_404.split(","):
            raise refusal(404, "AB08", "Not found")
        record = self._organisation.visible_record(slug, stale=stale)
        return Response(200, responses.detail(record, self.switches))

    def _update(self, request: Request, slug: str) -> Response:
        record = self._organisation.current_record(slug)
        body = validation.require_object(request.body)
        updatable = validation.updatable_fields(self.switches)
        sent = responses.clone(validation.expected_fields(body, updatable, self.switches))
        if not sent and self.switches.empty_put == "refuse":
            raise invalid_request("no valid fields to update")
        validation.check_fields(sent)
        after = apply_update(record, sent, now=self._organisation.now(), switches=self.switches)
        # Only then, because a new name must not fail because of stored values.
        if "configurations" in sent or "secret_mappings" in sent:
            validation.check_record(after, self.switches)
        # By the slug of the record, because the path can contain its id (remote/API.md §1.1).
        self._organisation.put(after["slug"], after)
        return self._write_response()

    def _delete(self, _request: Request, slug: str) -> Response:
        record = self._organisation.current_record(slug)
        if self.switches.delete_with_providers == "refuse" and any(
            provider["integration_id"] == record["id"] for provider in self.providers
        ):
            raise refusal(
                409, "AB07", "Unable to delete. Please ensure that all providers are deleted"
            )
        self._organisation.drop_providers(record)
        if self.switches.delete == "archived":
            archived = record | {"status": "archived", "last_updated_at": self._organisation.now()}
            self._organisation.put(record["slug"], archived)
        else:
            self._organisation.put(record["slug"], None)
        return self._write_response()

    def _list_audit_logs(self, request: Request, _slug: str, *, stale: bool) -> Response:
        del stale  # a log has no earlier state
        if self.switches.audit_log == "403_AB03":
            raise refusal(403, "AB03", FORBIDDEN)
        records = self._organisation.store.audit_records()
        return audit.page(records, request.query, organisation=self._known_organisation)

    @property
    def _known_organisation(self) -> str:
        """Id of the organisation, empty before its first use."""
        return self._organisation.store.get_value("organisation_id") or ""

    # -- its models and workspaces -------------------------------------------------------

    def _get_models(self, _request: Request, slug: str, *, stale: bool) -> Response:
        record = self._organisation.visible_record(slug, stale=stale)
        return Response(200, responses.models(record, self.switches))

    def _update_models(self, request: Request, slug: str) -> Response:
        record = self._organisation.current_record(slug)
        return self._put_access(access.put_models(record, request.body, self._organisation.now()))

    def _delete_models(self, request: Request, slug: str) -> Response:
        record = self._organisation.current_record(slug)
        after = access.delete_models(record, request.query, request.body, self.switches)
        return self._put_access(after)

    def _get_workspaces(self, _request: Request, slug: str, *, stale: bool) -> Response:
        record = self._organisation.visible_record(slug, stale=stale)
        return Response(200, responses.workspaces(record, self.switches))

    def _update_workspaces(self, request: Request, slug: str) -> Response:
        record = self._organisation.current_record(slug)
        if record["type"] == "workspace":
            raise invalid_request("a workspace-scoped integration belongs to its workspace")
        written = access.put_workspaces(
            record,
            request.body,
            now=self._organisation.now(),
            new_id=self._organisation.new_id,
            resolve=self._organisation.register_workspace,
            switches=self.switches,
        )
        # Before the record is stored, because a refused provider refuses the whole write.
        for grant in written.grants:
            self._organisation.add_provider(record, grant.workspace, grant.provider_slug)
        return self._put_access(written.record)

    def _put_access(self, record: Record) -> Response:
        if self.switches.access_touches_integration:
            record = record | {"last_updated_at": self._organisation.now()}
        self._organisation.put(record["slug"], record)
        return self._write_response()

    def _write_response(self) -> Response:
        return Response(200, None if self.switches.put_body == "empty" else {})

"""The remote API as a pure state machine: a request and the state give an answer and the state.

It opens nothing, reads no clock and draws no random number: time and ids are handed in, and the
state lives behind `Store`. Faults on the way are `reconciler.simulator.delivery`'s; what the
public record leaves open is decided by `Switches`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from reconciler.domain.calls import OperationName
from reconciler.remote.errors import InvalidCall
from reconciler.remote.operations import match
from reconciler.simulator import changes, models, responses, slugs, validation, workspaces
from reconciler.simulator.messages import (
    Request,
    RequestRefused,
    Response,
    error_response,
    invalid_request,
    refusal,
)
from reconciler.simulator.organisation import Organisation
from reconciler.simulator.pagination import RequestedPage
from reconciler.simulator.store import MemoryStore, Record, Store
from reconciler.simulator.switches import Switches


class Handler(Protocol):
    """Carries out one operation on what the request names."""

    def __call__(self, request: Request, slug: str, /, *, stale: bool) -> Response: ...


class SimulatedAPI:
    """The stand-in for one organisation of the remote API.

    `now` gives ISO-8601 UTC with milliseconds, `new_id` a UUID text; `records` defaults to a store
    in memory, which `snapshot` and `restore` work on.
    """

    def __init__(
        self,
        switches: Switches,
        now: Callable[[], str],
        new_id: Callable[[], str],
        records: Store | None = None,
    ) -> None:
        self.switches = switches
        self._organisation = Organisation(
            records or MemoryStore(), switches, now=now, new_id=new_id
        )
        self._answered = 0
        self._handlers: Mapping[OperationName, Handler] = {
            OperationName.LIST: self._list,
            OperationName.CREATE: self._create,
            OperationName.GET: self._get,
            OperationName.UPDATE: self._update,
            OperationName.DELETE: self._delete,
            OperationName.GET_MODELS: self._get_models,
            OperationName.UPDATE_MODELS: self._update_models,
            OperationName.DELETE_MODELS: self._delete_models,
            OperationName.GET_WORKSPACES: self._get_workspaces,
            OperationName.UPDATE_WORKSPACES: self._update_workspaces,
        }

    def handle(self, request: Request, *, stale: bool = False) -> Response:
        """Answer one request; never raises for anything a client can send.

        `stale` lets a read see each integration as it was before its last write.
        """
        limit = self.switches.rate_limit_after
        if limit and self._answered >= limit:
            self._answered = 0
            headers = (
                {"Retry-After": self.switches.retry_after} if self.switches.retry_after else {}
            )
            return error_response(429, "AB06", "Rate limit exceeded", headers)
        self._answered += 1
        try:
            matched = match(request.method, request.path)
        except InvalidCall:
            matched = None
        if matched is None:
            return error_response(404, "AB08", "Not found")
        operation, slug = matched
        try:
            with self._organisation.records.transaction(write=request.writes):
                return self._handlers[operation.name](request, slug or "", stale=stale)
        except RequestRefused as refused:
            return refused.response

    @property
    def integrations(self) -> dict[str, Record]:
        """Give every stored record by slug, secrets included; for tests and seeds."""
        return {
            slug: entry.record
            for slug, entry in self._organisation.records.entries()
            if entry.record is not None
        }

    @property
    def providers(self) -> list[dict[str, Any]]:
        """Give the providers that were created along the way."""
        return self._organisation.providers()

    @property
    def organisation_id(self) -> str:
        """Give the organisation's id."""
        return self._organisation.id

    def snapshot(self) -> dict[str, Any]:
        """Give the whole state as plain JSON, secrets included; only for a store in memory."""
        return dict(responses.clone({**self._memory().as_json(), "answered": self._answered}))

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Put back a state that `snapshot` gave; only for a store in memory."""
        state = responses.clone(dict(snapshot))
        self._answered = state.pop("answered")
        self._memory().load_json(state)

    def _memory(self) -> MemoryStore:
        records = self._organisation.records
        if not isinstance(records, MemoryStore):
            raise TypeError("a store on disk is its own snapshot")
        return records

    # The five operations.

    def _list(self, request: Request, _slug: str, *, stale: bool) -> Response:
        listing = RequestedPage.parse(
            request.query, self.switches, self._organisation.workspace_key
        )
        if listing.is_plain and not stale and not self.switches.stale_read_ms:
            total, shown = self._organisation.records.page(
                offset=listing.offset,
                limit=listing.limit,
                newest=listing.newest,
            )
        else:
            total, shown = listing.select(list(self._organisation.walk(stale=stale)))
        data = [responses.row(record, self.switches) for record in shown]
        return Response(200, {"object": "list", "total": total, "data": data})

    def _create(self, request: Request, _slug: str, *, stale: bool) -> Response:
        del stale
        body = validation.require_object(request.body)
        sent = validation.expected_fields(body, validation.CREATABLE, self.switches)
        validation.check_create(sent, self.switches)
        slug = slugs.slug_for_create(
            sent,
            self._organisation.records,
            switches=self.switches,
            new_id=self._organisation.new_id,
        )
        workspace = sent.get("workspace_id")
        record = changes.new_record(
            slug,
            responses.clone(sent),
            ids=(self._organisation.new_id(), self._organisation.id, self._organisation.new_id()),
            now=self._organisation.now(),
            workspace=self._organisation.register_workspace(workspace) if workspace else None,
        )
        provider_id = None
        if record["workspace_id"] and sent.get("create_default_provider") is not False:
            wanted = sent.get("default_provider_slug")
            provider_id = self._organisation.add_provider(record, record["workspace_id"], wanted)
        self._organisation.put(slug, record)
        receipt = {"id": record["id"], "slug": slug}
        if self.switches.detail_shape == "observed":
            receipt |= {"provider_id": provider_id, "object": "integration"}
        return Response(200, receipt)

    def _get(self, _request: Request, slug: str, *, stale: bool) -> Response:
        if slug in self.switches.detail_404.split(","):
            raise refusal(404, "AB08", "Not found")
        return Response(
            200, responses.detail(self._organisation.seen(slug, stale=stale), self.switches)
        )

    def _update(self, request: Request, slug: str, *, stale: bool) -> Response:
        del stale
        record = self._organisation.current(slug)
        body = validation.require_object(request.body)
        updatable = validation.updatable_fields(self.switches)
        sent = responses.clone(validation.expected_fields(body, updatable, self.switches))
        if not sent and self.switches.empty_put == "refuse":
            raise invalid_request("no valid fields to update")
        validation.check_fields(sent)
        after = changes.apply_update(
            record, sent, now=self._organisation.now(), switches=self.switches
        )
        if "configurations" in sent or "secret_mappings" in sent:
            validation.check_record(after, self.switches)
        self._organisation.put(after["slug"], after)
        return self._done()

    def _delete(self, _request: Request, slug: str, *, stale: bool) -> Response:
        del stale
        record = self._organisation.current(slug)
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
        return self._done()

    # The sub-resources.

    def _get_models(self, _request: Request, slug: str, *, stale: bool) -> Response:
        return Response(
            200, responses.models(self._organisation.seen(slug, stale=stale), self.switches)
        )

    def _update_models(self, request: Request, slug: str, *, stale: bool) -> Response:
        del stale
        record = self._organisation.current(slug)
        return self._put_access(models.put_models(record, request.body, self._organisation.now()))

    def _delete_models(self, request: Request, slug: str, *, stale: bool) -> Response:
        del stale
        record = self._organisation.current(slug)
        left = models.delete_models(record, request.query, request.body, self.switches)
        return self._put_access(left)

    def _get_workspaces(self, _request: Request, slug: str, *, stale: bool) -> Response:
        return Response(
            200, responses.workspaces(self._organisation.seen(slug, stale=stale), self.switches)
        )

    def _update_workspaces(self, request: Request, slug: str, *, stale: bool) -> Response:
        del stale
        record = self._organisation.current(slug)
        if record["type"] == "workspace":
            raise invalid_request("a workspace-scoped integration belongs to its workspace")
        written = workspaces.put_workspaces(
            record,
            request.body,
            now=self._organisation.now(),
            new_id=self._organisation.new_id,
            resolve=self._organisation.register_workspace,
            switches=self.switches,
        )
        for grant in written.grants:
            self._organisation.add_provider(record, grant.workspace, grant.provider_slug)
        return self._put_access(written.record)

    def _put_access(self, record: Record) -> Response:
        if self.switches.access_touches_integration:
            record = record | {"last_updated_at": self._organisation.now()}
        self._organisation.put(record["slug"], record)
        return self._done()

    def _done(self) -> Response:
        return Response(200, None if self.switches.put_body == "empty" else {})

"""Table of the API's operations, with name, route and parameters.

The client derives its requests from it, the simulator and the adapter their routes, and the adapter
its descriptions. Five operations are `raw`: the adapter provides exactly these. Requests are sent
by `reconciler.remote.client`.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from reconciler.domain.calls import Call, OperationName
from reconciler.domain.identifiers import SLUG
from reconciler.domain.tree import Tree
from reconciler.frozen_dataclass import dataclass
from reconciler.remote.errors import InvalidCall
from reconciler.remote.request_schemas import Schema, create_body, update_body


@dataclass(frozen=True, slots=True)
class Parameter:
    """One query parameter; if it is omitted, the API's default applies."""

    name: str
    type: str
    description: str
    minimum: int | None = None
    maximum: int | None = None
    enum: tuple[str, ...] | None = None
    required: bool = False

    @property
    def schema(self) -> dict[str, object]:
        """Return the parameter as JSON Schema, without its name."""
        facts = {
            "type": self.type,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "enum": list(self.enum) if self.enum else None,
            "description": self.description,
        }
        return {key: value for key, value in facts.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the table.

    `path` is relative to the base URL and can contain `{slug}`. `make_body` builds the schema of
    the request body; it is None if the operation takes no body. `safe` means that it only reads,
    `idempotent` that it can be repeated without further effect, `destructive` that it removes
    something that cannot be restored by a read. `read_body` parses a response that must not be
    stored completely.
    """

    name: OperationName
    method: str
    path: str
    title: str
    description: str
    query: tuple[Parameter, ...] = ()
    make_body: Callable[[], Schema] | None = None
    safe: bool = False
    idempotent: bool = True
    destructive: bool = False
    raw: bool = False
    read_body: Callable[[bytes], object] | None = None

    @property
    def body(self) -> Schema | None:
        """Schema of the request body, None if the operation takes none."""
        return None if self.make_body is None else self.make_body()

    @property
    def takes_slug(self) -> bool:
        """Return whether the path names an integration."""
        return "{slug}" in self.path


@dataclass(frozen=True, slots=True)
class Prepared:
    """Call ready to send; the path is relative to the base URL and already quoted."""

    operation: Operation
    path: str
    query: Mapping[str, str | int]
    body: Tree | None

    @property
    def method(self) -> str:
        """Return the HTTP method."""
        return self.operation.method


_COLLECTION = "/integrations"
_ITEM = "/integrations/{slug}"
_MODELS = "/integrations/{slug}/models"
_WORKSPACES = "/integrations/{slug}/workspaces"
_AUDIT_LOGS = "/audit-logs"

_CONFIG = "/configs/{slug}"

_PAGE = Parameter(
    "current_page",
    "integer",
    "Page to read, starting at 0.",
    minimum=0,
    maximum=2**31 - 1,
)
_PAGING = (_PAGE, Parameter("page_size", "integer", "Rows per page.", minimum=1, maximum=1000))

_LIST_QUERY = (
    _PAGE,
    Parameter(
        "page_size",
        "integer",
        "Integrations per page; 100 by default; the API may return fewer.",
        minimum=1,
        # The API's own maximum is not known (remote/API.md §9); this bound is ours.
        maximum=1000,
    ),
    Parameter(
        "workspace_id", "string", "Only integrations that this workspace (slug or UUID) can use."
    ),
    Parameter(
        "type",
        "string",
        "Only integrations of the organisation, or only those of workspaces.",
        enum=("workspace", "organisation", "all"),
    ),
)


_AUDIT_QUERY = (
    Parameter("start_time", "string", "Start of the time range, ISO 8601.", required=True),
    Parameter("end_time", "string", "End of the time range, ISO 8601.", required=True),
    Parameter("organisation_id", "string", "Organisation that owns the log.", required=True),
    Parameter("current_page", "integer", "Page to read, starting at 0.", minimum=0),
    Parameter("page_size", "integer", "Records per page.", minimum=0, maximum=100),
)


def _any_object() -> Schema:
    return {"type": "object"}


def _read_audit_page(body: bytes) -> object:
    from reconciler.remote.audit_body import read_page  # noqa: PLC0415  needed by few commands

    return read_page(body)


_ROWS = (
    Operation(
        OperationName.LIST,
        "GET",
        _COLLECTION,
        "List integrations",
        "Reads one page of the integrations, with `total` over all pages. A row contains neither "
        "configurations nor masks; get-integration returns them.",
        query=_LIST_QUERY,
        safe=True,
        raw=True,
    ),
    Operation(
        OperationName.CREATE,
        "POST",
        _COLLECTION,
        "Create an integration",
        "Adds a provider account. The response contains only id and slug. Send a slug: without "
        "one, a lost response cannot be distinguished from a lost request.",
        make_body=create_body,
        # The API has no idempotency key (remote/API.md §7): a second POST is a second create.
        idempotent=False,
        raw=True,
    ),
    Operation(
        OperationName.GET,
        "GET",
        _ITEM,
        "Read an integration",
        "Reads one integration with all its fields. Secrets are returned only as masks.",
        safe=True,
        raw=True,
    ),
    Operation(
        OperationName.UPDATE,
        "PUT",
        _ITEM,
        "Change an integration",
        "Changes the fields that are sent and keeps the others. Slug, provider and workspace "
        "cannot be changed.",
        make_body=update_body,
        raw=True,
    ),
    Operation(
        OperationName.DELETE,
        "DELETE",
        _ITEM,
        "Delete an integration",
        "Permanently removes an integration and its stored credential. Providers that depend on it "
        "stop working.",
        destructive=True,
        raw=True,
    ),
    Operation(
        OperationName.GET_MODELS,
        "GET",
        _MODELS,
        "Read the models of an integration",
        "Reads which models are enabled, and the custom ones.",
        safe=True,
    ),
    Operation(
        OperationName.UPDATE_MODELS,
        "PUT",
        _MODELS,
        "Change the models of an integration",
        "Enables, disables or adds the models that are sent; others are unchanged.",
        make_body=_any_object,
    ),
    Operation(
        OperationName.DELETE_MODELS,
        "DELETE",
        _MODELS,
        "Delete custom models of an integration",
        "Removes custom models; base models can only be disabled.",
        query=(Parameter("slugs", "string", "Model slugs, separated by commas.", required=True),),
        destructive=True,
    ),
    Operation(
        OperationName.GET_WORKSPACES,
        "GET",
        _WORKSPACES,
        "Read who may use an integration",
        "Reads the workspaces with access, their limits, and the setting for new workspaces.",
        safe=True,
    ),
    Operation(
        OperationName.UPDATE_WORKSPACES,
        "PUT",
        _WORKSPACES,
        "Change who may use an integration",
        "Grants, limits or revokes the workspaces that are sent; others are unchanged.",
        make_body=_any_object,
    ),
    # What uses an integration (remote/API.md §11). The adapter provides none of these.
    Operation(
        OperationName.LIST_WORKSPACES,
        "GET",
        "/admin/workspaces",
        "List workspaces",
        "Reads one page of the workspaces, with id and slug.",
        query=_PAGING,
        safe=True,
    ),
    Operation(
        OperationName.LIST_PROVIDERS,
        "GET",
        "/providers",
        "List providers",
        "Reads one page of the providers of a workspace, each with its integration.",
        query=(*_PAGING, Parameter("workspace_id", "string", "The workspace (slug or UUID).")),
        safe=True,
    ),
    Operation(
        OperationName.LIST_CONFIGS,
        "GET",
        "/configs",
        "List configs",
        "Reads one page of the gateway configs, without their content.",
        query=_PAGING,
        safe=True,
    ),
    Operation(
        OperationName.GET_CONFIG,
        "GET",
        _CONFIG,
        "Read a config",
        "Reads one gateway config with its content, which can contain secrets.",
        safe=True,
    ),
    # Who wrote what (remote/API.md §12).
    Operation(
        OperationName.LIST_AUDIT_LOGS,
        "GET",
        _AUDIT_LOGS,
        "List audit records",
        "Reads one page of the writes of a period: who made which request. Request bodies, which "
        "contain secrets, are dropped while the response is parsed.",
        query=_AUDIT_QUERY,
        safe=True,
        read_body=_read_audit_page,
    ),
)

OPERATIONS: Mapping[OperationName, Operation] = MappingProxyType({row.name: row for row in _ROWS})
"""All operations, in display order."""

# Deliberately wider than a slug, so that a malformed slug is reported as such and not as an unknown
# path.
_ROUTE = re.compile(
    r"/audit-logs|/integrations(?:/(?P<slug>[^/]*)(?:/(?P<part>models|workspaces))?)?"
)
_USAGE_ROUTE = re.compile(r"/admin/workspaces|/providers|/configs(?:/(?P<slug>[^/]*))?")


def prepare(call: Call) -> Prepared:
    """Build the request of a call, or raise `InvalidCall` before anything is sent."""
    operation = OPERATIONS[call.operation]
    path = operation.path
    if operation.takes_slug:
        path = path.replace("{slug}", checked_slug(call.slug))
    elif call.slug is not None:
        raise InvalidCall(f"{call.operation} takes no slug", code="bad-call", attempts=0)
    if operation.name is OperationName.CREATE and "slug" in (call.body or {}):
        checked_slug((call.body or {})["slug"])
    if call.query or operation.query:
        _check_query(operation, call.query)
    if (call.body is not None) != (operation.make_body is not None):
        verb = "needs" if operation.make_body else "takes no"
        raise InvalidCall(f"{call.operation} {verb} body", code="bad-call", attempts=0)
    return Prepared(operation, path, call.query, call.body)


def checked_slug(slug: object) -> str:
    """Return a slug that may become part of a URL, else raise `InvalidCall` (`bad-slug`)."""
    if isinstance(slug, str) and SLUG.fullmatch(slug):
        return slug
    raise InvalidCall(
        f"{str(slug)[:60]!r} is not a slug",
        code="bad-slug",
        hint="write 1 to 255 letters, digits, hyphens and underscores",
        attempts=0,
    )


def _check_query(operation: Operation, query: Mapping[str, str | int]) -> None:
    known = {parameter.name for parameter in operation.query}
    required = {parameter.name for parameter in operation.query if parameter.required}
    wrong = (set(query) - known) | (required - set(query))
    if wrong:
        names = ", ".join(sorted(wrong))
        raise InvalidCall(f"{operation.name} and query {names}", code="bad-call", attempts=0)


def match(method: str, path: str) -> tuple[Operation, str | None] | None:
    """Find the operation of a request and the slug in its path; return None if no route matches.

    `path` is relative to the base URL and still encoded, so that an encoded slash or dot is
    refused. Raises `InvalidCall` (`bad-slug`) if a route matches but its slug is invalid.
    """
    found = _ROUTE.fullmatch(path) or _USAGE_ROUTE.fullmatch(path)
    operation = _BY_ROUTE.get((method, _template(found))) if found else None
    if found is None or operation is None:
        return None
    return operation, checked_slug(found["slug"]) if operation.takes_slug else None


def allowed_methods(path: str) -> tuple[str, ...]:
    """Return the methods that a path supports, for `Allow`; empty if no route matches."""
    found = _ROUTE.fullmatch(path) or _USAGE_ROUTE.fullmatch(path)
    if found is None:
        return ()
    return tuple(row.method for row in _ROWS if row.path == _template(found))


def _template(found: re.Match[str]) -> str:
    if found.re is _USAGE_ROUTE:
        return found.string if found["slug"] is None else _CONFIG
    if found["slug"] is None:
        return found[0]
    return {None: _ITEM, "models": _MODELS, "workspaces": _WORKSPACES}[found["part"]]


_BY_ROUTE = {(row.method, row.path): row for row in _ROWS}

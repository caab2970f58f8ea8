"""MCP tools for the raw operations: definitions and calls.

Names, descriptions and schemas come from our own tables only; what the upstream sends is data in a
result and never becomes a description. `reconciler.adapter.mcp_server` serves the tools, and
`reconciler.adapter.gitops_tools` adds those that plan.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from mcp_types import CallToolResult, TextContent, Tool, ToolAnnotations

from reconciler.adapter.auth import Principal
from reconciler.adapter.json_limits import to_json_text
from reconciler.adapter.problems import Refusal, internal_problem, refuse
from reconciler.adapter.request_context import RequestContext
from reconciler.adapter.schemas import RESULTS
from reconciler.adapter.service import RAW_OPERATIONS, UpstreamService, slug_in
from reconciler.adapter.validation import SchemaValidator, plain_schema, read_arguments
from reconciler.domain.calls import Call
from reconciler.frozen_dataclass import dataclass
from reconciler.remote.operations import Operation
from reconciler.remote.request_schemas import SLUG_PATTERN

_SLUG: Final = {
    "type": "string",
    "pattern": SLUG_PATTERN,
    "description": "The integration's slug, as list-all-integrations shows it.",
}
_CONFIRM: Final = {
    "type": "string",
    "pattern": SLUG_PATTERN,
    "description": "The slug again, to confirm: the deletion cannot be undone.",
}

# A defect in one of these may have happened after the write.
_WRITES: Final = {row.name.value: row.name for row in RAW_OPERATIONS if not row.safe}

Arguments = Mapping[str, Any]


class ToolFailure(Exception):
    """Failure of a tool whose result is a separate document instead of a problem."""

    def __init__(self, document: Mapping[str, object]) -> None:
        super().__init__("failed")
        self.document = document


class ToolDefinition(Protocol):
    """Tool: how it is listed, which callers see it, and what it does."""

    @property
    def tool(self) -> Tool:
        """The tool as `tools/list` describes it."""
        ...

    def is_for(self, caller: Principal) -> bool:
        """Return whether the tool is listed for a caller."""
        ...

    async def run(self, arguments: Arguments, context: RequestContext) -> object:
        """Run a call and return a JSON object; raises `Refusal` or `ToolFailure`."""
        ...


class RawTool:
    """One of the five raw operations."""

    def __init__(self, operation: Operation, service: UpstreamService, *, confirms: bool) -> None:
        self._operation = operation
        self._service = service
        self._confirms = confirms and operation.destructive
        schema = _input_schema(operation, confirms=self._confirms)
        self._validator = SchemaValidator(schema)
        self.tool = Tool(
            name=operation.name,
            title=operation.title,
            description=operation.description,
            input_schema=schema,
            output_schema=plain_schema(RESULTS[operation.name]),
            annotations=ToolAnnotations(
                title=operation.title,
                read_only_hint=operation.safe,
                destructive_hint=operation.destructive,
                idempotent_hint=operation.idempotent,
                open_world_hint=True,
            ),
        )

    def is_for(self, caller: Principal) -> bool:
        """Return whether the caller may use the operation."""
        return self._operation in self._service.operations_for(caller)

    async def run(self, arguments: Arguments, context: RequestContext) -> object:
        """Send the call upstream."""
        self._service.check_permission(self._operation, context.caller)
        arguments = read_arguments(arguments, self.tool.input_schema)
        self._validator.check(arguments)
        slug, body = arguments.get("slug"), arguments.get("body")
        self._check_confirmation(slug, arguments)
        context.slug = slug or slug_in(body)
        query = {row.name: row for row in self._operation.query if row.name in arguments}
        call = Call(
            self._operation.name,
            slug,
            {n: _scalar(arguments[n], row.type) for n, row in query.items()},
            body,
        )
        reply = await self._service.perform(call, context.caller)
        return {} if reply.body is None else reply.body

    def _check_confirmation(self, slug: str | None, arguments: Arguments) -> None:
        # Present, because the schema requires it and was checked before.
        if self._confirms and arguments["confirm_slug"] != slug:
            detail = "confirm_slug differs from slug; nothing was deleted."
            raise refuse("not-confirmed", 400, detail)


@dataclass(frozen=True, slots=True)
class LocalTool:
    """A tool that only reads and is run by a local function."""

    tool: Tool
    validator: SchemaValidator
    work: Callable[[Arguments], Awaitable[Mapping[str, object]]]

    def is_for(self, _caller: Principal) -> bool:
        """Return True: a tool that changes nothing is listed for every caller."""
        return True

    async def run(self, arguments: Arguments, _context: RequestContext) -> object:
        """Check the arguments and run the function."""
        arguments = read_arguments(arguments, self.tool.input_schema)
        self.validator.check(arguments)
        return await self.work(arguments)


def raw_tools(service: UpstreamService, *, confirms: bool) -> list[ToolDefinition]:
    """Return the five tools, in the order of the table."""
    return [RawTool(row, service, confirms=confirms) for row in RAW_OPERATIONS]


async def call_tool(
    definition: ToolDefinition, arguments: Arguments, context: RequestContext
) -> CallToolResult:
    """Run a tool call; a failure becomes a result with the members of a problem."""
    try:
        return _result(await definition.run(arguments, context))
    except ToolFailure as failed:
        # Only for the access log: the HTTP response to a tool call is a 200.
        context.status = 422
        return _result(failed.document, is_error=True)
    except Refusal as refusal:
        problem = refusal.problem
    except Exception as error:  # noqa: BLE001  its message may quote anything
        context.failed(context.id, error)
        problem = internal_problem(_WRITES.get(definition.tool.name))
    context.status = problem.status
    return _result(problem.as_json(context.id), is_error=True)


def _result(document: Any, *, is_error: bool = False) -> CallToolResult:
    # Rejected here, because the library would fail on it after this function, too late for a
    # result.
    return CallToolResult(
        content=[TextContent(type="text", text=to_json_text(document))],
        structured_content=document,
        is_error=is_error,
    )


def _input_schema(operation: Operation, *, confirms: bool) -> dict[str, object]:
    properties: dict[str, object] = {row.name: row.schema for row in operation.query}
    required = [row.name for row in operation.query if row.required]
    if operation.takes_slug:
        properties["slug"] = _SLUG
        required.append("slug")
    if confirms:
        properties["confirm_slug"] = _CONFIRM
        required.append("confirm_slug")
    if operation.body is not None:
        properties["body"] = plain_schema(operation.body)
        required.append("body")
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": required} if required else schema


def _scalar(value: Any, kind: str) -> str | int:
    """Return an integer without the fraction that JSON allows, such as `1.0`."""
    return int(value) if kind == "integer" else str(value)

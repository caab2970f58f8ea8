"""The operations as MCP tools: what each takes, and a call carried out.

Everything a model reads here comes from our own tables; what the upstream says is data in a result
and never a description. How the tools get onto a port: `reconciler.adapter.mcp_server`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from mcp_types import CallToolResult, TextContent, Tool, ToolAnnotations

from reconciler.adapter.arguments import read_arguments
from reconciler.adapter.auth import Principal
from reconciler.adapter.json_limits import to_json_text
from reconciler.adapter.problems import Refusal, internal, refuse
from reconciler.adapter.request_context import RequestContext
from reconciler.adapter.result_schemas import RESULTS
from reconciler.adapter.service import RAW, UpstreamService, slug_in
from reconciler.adapter.validation import Checker, plain_schema
from reconciler.domain.calls import Call
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
    "description": "The slug once more: the deletion cannot be undone.",
}

_WRITES: Final = {row.name.value: row.name for row in RAW if not row.safe}

Arguments = Mapping[str, Any]


class Failed(Exception):
    """A tool failed, and what it has to say is a document of its own."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        super().__init__("failed")
        self.document = document


class ToolDefinition(Protocol):
    """One tool: how it is listed, who may use it, and what it does."""

    @property
    def tool(self) -> Tool:
        """Give the tool as a client sees it."""
        ...

    def is_for(self, caller: Principal) -> bool:
        """Tell whether a caller is shown this tool."""
        ...

    async def run(self, arguments: Arguments, exchange: RequestContext) -> Any:
        """Carry a call out and give a JSON object; raises `Refusal` or `Failed`."""
        ...


class RawTool:
    """One of the five raw operations."""

    def __init__(self, operation: Operation, relay: UpstreamService, *, confirms: bool) -> None:
        self._operation = operation
        self._relay = relay
        self._confirms = confirms and operation.destructive
        schema = _input_schema(operation, confirms=self._confirms)
        self._checker = Checker(schema)
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
        """Hide what would be refused anyway."""
        return self._operation in self._relay.offered_to(caller)

    async def run(self, arguments: Arguments, exchange: RequestContext) -> Any:
        """Pass the call on."""
        self._relay.check_permission(self._operation, exchange.caller)
        arguments = read_arguments(arguments, self.tool.input_schema)
        self._checker.check(arguments)
        slug, body = arguments.get("slug"), arguments.get("body")
        self._check_confirmation(slug, arguments)
        exchange.slug = slug or slug_in(body)
        query = {row.name: row for row in self._operation.query if row.name in arguments}
        call = Call(
            self._operation.name,
            slug,
            {n: _scalar(arguments[n], row.type) for n, row in query.items()},
            body,
        )
        reply = await self._relay.perform(call, exchange.caller)
        return {} if reply.body is None else reply.body

    def _check_confirmation(self, slug: str | None, arguments: Arguments) -> None:
        if self._confirms and arguments["confirm_slug"] != slug:
            detail = "confirm_slug is another slug than slug; nothing was deleted."
            raise refuse("not-confirmed", 400, detail)


@dataclass(frozen=True, slots=True)
class LocalTool:
    """A tool that only reads, and is carried out by a function of ours."""

    tool: Tool
    checker: Checker
    work: Callable[[Arguments], Awaitable[Mapping[str, Any]]]

    def is_for(self, _caller: Principal) -> bool:
        """Show it to everybody: it changes nothing."""
        return True

    async def run(self, arguments: Arguments, _exchange: RequestContext) -> Any:
        """Check the arguments and do the work."""
        arguments = read_arguments(arguments, self.tool.input_schema)
        self.checker.check(arguments)
        return await self.work(arguments)


def raw_tools(relay: UpstreamService, *, confirms: bool) -> list[ToolDefinition]:
    """Make the five tools, in the order of the table."""
    return [RawTool(row, relay, confirms=confirms) for row in RAW]


async def call(
    offer: ToolDefinition, arguments: Arguments, exchange: RequestContext
) -> CallToolResult:
    """Carry a tool call out; a failure is a result, too, with the members of a problem."""
    try:
        return _result(await offer.run(arguments, exchange))
    except Failed as failed:
        exchange.status = 422
        return _result(failed.document, is_error=True)
    except Refusal as refusal:
        problem = refusal.problem
    except Exception as error:  # noqa: BLE001  what it says may quote anything
        exchange.failed(exchange.id, error)
        problem = internal(_WRITES.get(offer.tool.name))
    exchange.status = problem.status
    return _result(problem.as_json(exchange.id), is_error=True)


def _result(document: Any, *, is_error: bool = False) -> CallToolResult:
    # The library fails on what JSON cannot express, when it is too late for a result.
    return CallToolResult(
        content=[TextContent(type="text", text=to_json_text(document))],
        structured_content=document,
        is_error=is_error,
    )


def _input_schema(operation: Operation, *, confirms: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {row.name: row.schema for row in operation.query}
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
    """Write a whole number without a fraction, although JSON lets it have one."""
    return int(value) if kind == "integer" else str(value)

"""MCP tools that only read: validate the files, plan them, and detect drift.

With candidate files, an agent can see what its proposal would change before it opens a pull
request. Secrets are not resolved, so the secrets of a plan count as unverified.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from mcp_types import Tool, ToolAnnotations

from reconciler import workflows
from reconciler.adapter.declared_files import (
    PATH_PATTERN,
    DeclaredFiles,
    Documents,
    OpenSession,
)
from reconciler.adapter.problems import refuse
from reconciler.adapter.tools import Arguments, LocalTool, ToolDefinition, ToolFailure
from reconciler.adapter.validation import SchemaValidator
from reconciler.diagnostics import Diagnostic, error, has_errors
from reconciler.errors import ReconcilerError, Rejection
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.plan import PlanOptions
from reconciler.workflows import Session

Document = Mapping[str, object]
_TIMEOUT_SECONDS: Final = 120.0

_DOCUMENTS: Final = {
    "type": "object",
    "description": "Candidate files: the path below the desired-state folder, and the YAML text, "
    "or null for a file that is removed. They overlay the existing files; nothing is saved.",
    "propertyNames": {"pattern": PATH_PATTERN},
    "additionalProperties": {"type": ["string", "null"]},
    "maxProperties": 1000,
}


@dataclass(frozen=True, slots=True)
class GitopsTools:
    """The three tools for one target; `lock` allows one plan at a time."""

    files: DeclaredFiles
    open_session: OpenSession
    lock: asyncio.Lock

    async def validate(self, arguments: Arguments) -> Document:
        """Validate the files; opens no connection."""
        loaded = await self.files.load(_documents(arguments))
        return {
            "format_version": "1",
            "kind": "validation",
            "valid": not has_errors(loaded.diagnostics),
            "diagnostics": [item.as_json() for item in loaded.diagnostics],
        }

    async def plan(self, arguments: Arguments) -> Document:
        """Return the plan that makes the API match the files."""
        return await self._with_session(arguments, _plan)

    async def drift(self, arguments: Arguments) -> Document:
        """Return how the API differs from the files, and which side changed."""
        return await self._with_session(arguments, _drift)

    async def _with_session(
        self, arguments: Arguments, work: Callable[[Session], Awaitable[Document]]
    ) -> Document:
        loaded = await self.files.load(_documents(arguments))
        # Checked before a session is opened, because with errors in the files, there is nothing to
        # compare.
        if loaded.state is None:
            raise ToolFailure(_error(loaded.diagnostics, exit_code=3))
        try:
            # The time limit includes waiting for the lock.
            async with (
                asyncio.timeout(_TIMEOUT_SECONDS),
                self.lock,
                self.open_session(loaded) as session,
            ):
                return await work(session)
        except Rejection as problem:
            document = _error(problem.diagnostics, exit_code=problem.exit_code)
        except ReconcilerError as problem:
            diagnostic = error(problem.code, problem.summary, hint=problem.hint)
            document = _error((diagnostic,), exit_code=problem.exit_code)
        except TimeoutError:
            raise refuse(
                "upstream-timeout", 504, f"No plan within {_TIMEOUT_SECONDS:g} seconds."
            ) from None
        raise ToolFailure(document)


def gitops_tools(gitops: GitopsTools) -> list[ToolDefinition]:
    """Return the definitions of the three tools."""
    proposal = {"documents": _DOCUMENTS}
    return [
        _tool(
            "validate-desired-state",
            "Check the desired state",
            "Checks the YAML files that declare integrations, and reports every problem with file, "
            "line, column and a hint. Opens no connection.",
            proposal,
            gitops.validate,
        ),
        _tool(
            "plan-changes",
            "Plan changes",
            "Compares the files with the API and lists what apply would create, update, replace or "
            "delete, with reason and risk. Changes nothing. Secrets are not resolved here.",
            proposal,
            gitops.plan,
        ),
        _tool(
            "detect-drift",
            "Detect drift",
            "Reports how the API differs from the merged files, and which side changed. "
            "Changes nothing.",
            {},
            gitops.drift,
        ),
    ]


def _tool(
    name: str,
    title: str,
    description: str,
    properties: Mapping[str, object],
    work: Callable[[Arguments], Awaitable[Document]],
) -> LocalTool:
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    tool = Tool(
        name=name,
        title=title,
        description=description,
        input_schema=schema,
        output_schema={
            "type": "object",
            # The only member that plans, drift reports and errors have in common.
            "required": ["kind"],
            "properties": {
                "format_version": {"type": "string"},
                "kind": {"type": "string"},
                "diagnostics": {"type": "array", "items": {"type": "object"}},
            },
        },
        annotations=ToolAnnotations(
            title=title,
            read_only_hint=True,
            destructive_hint=False,
            idempotent_hint=True,
            # In MCP, an open world is anything outside the server, here the API.
            open_world_hint=name != "validate-desired-state",
        ),
    )
    return LocalTool(tool, SchemaValidator(schema), work)


async def _plan(session: Session) -> Document:
    # No options, because an agent must not be able to override a guard.
    return (await workflows.plan(session, PlanOptions())).as_json()


async def _drift(session: Session) -> Document:
    return (await workflows.drift(session, PlanOptions())).as_json()


def _documents(arguments: Arguments) -> Documents:
    documents: Documents = arguments.get("documents") or {}
    return documents


def _error(diagnostics: tuple[Diagnostic, ...], *, exit_code: int) -> Document:
    return {
        "format_version": "1",
        "kind": "error",
        "exit_code": exit_code,
        "diagnostics": [item.as_json() for item in diagnostics],
    }

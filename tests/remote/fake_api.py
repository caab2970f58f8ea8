"""Fake implementation of the API protocol: answers calls from a list of slugs, without HTTP."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from reconciler.domain.calls import Call, OperationName, Reply
from reconciler.remote.errors import Forbidden, NotFound, Unauthorised
from tests.remote.builders import detail, page

Refusal: TypeAlias = Forbidden | NotFound | Unauthorised


def not_found() -> NotFound:
    return NotFound("GET returned 404 AB08", code="AB08", http_status=404)


def forbidden() -> Forbidden:
    return Forbidden("GET returned 403 AB03", code="AB03", http_status=403)


class FakeAPI:
    """Answers from a list of slugs; `refusals` by operation and slug, `edit` changes pages."""

    def __init__(
        self,
        slugs: list[str],
        *,
        granted: int = 100,
        edit: Callable[[int, dict[str, Any]], dict[str, Any]] = lambda _, answer: answer,
    ) -> None:
        self.slugs, self.granted, self.edit = slugs, granted, edit
        self.refusals: dict[tuple[OperationName, str], Refusal] = {}
        self.calls: list[Call] = []
        self.running = self.most_running = 0

    async def call(self, call: Call) -> Reply:
        self.calls.append(call)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        if refusal := self.refusals.get((call.operation, call.slug or "")):
            raise refusal
        return Reply(200, self.answer(call))

    def answer(self, call: Call) -> Any:
        slug = call.slug or ""
        if call.operation is OperationName.LIST:
            number = int(call.query["current_page"])
            size = min(int(call.query["page_size"]), self.granted)
            shown = self.slugs[number * size : (number + 1) * size]
            return self.edit(number, page(shown, len(self.slugs)))
        if call.operation is OperationName.GET_MODELS:
            return {"models": [{"slug": "m", "enabled": True}], "allow_all_models": False}
        if call.operation is OperationName.GET_WORKSPACES:
            return {"workspaces": [], "global_workspace_access": {"enabled": True}}
        return detail(slug)

    def count(self, operation: OperationName) -> int:
        return sum(call.operation is operation for call in self.calls)


def names(count: int) -> list[str]:
    return [f"s-{number:04}" for number in range(count)]

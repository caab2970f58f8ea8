"""What the list tells of itself: in which order its rows come, and how many fit on a page."""

from collections.abc import Mapping
from typing import Any

from reconciler.domain.calls import Call, OperationName
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.errors import Rejected
from reconciler.remote.pagination import PAGE_SIZE

PAGE_SIZES = (1000, 500, 200, PAGE_SIZE)
"""The sizes that are asked for, largest first, until one is not refused."""

_ORDERS = ("created_at", "last_updated_at", "name", "slug")


async def largest_page(api: IntegrationsAPI) -> str:
    """Return how many rows come on one page at most, as far as the number of rows can show it."""
    refused = ""
    for size in PAGE_SIZES:
        try:
            rows, total = await _page(api, size)
        except Rejected as refusal:
            refused = f"; {size} is refused with {refusal.http_status} {refusal.code}"
            continue
        if len(rows) < total:
            return f"{len(rows)} rows{refused}"
        return f"at least {len(rows)} rows, all that there are{refused}"
    return f"unknown{refused}"


async def sort_order(api: IntegrationsAPI) -> str:
    """Return the orders that explain how the rows of the first page follow each other."""
    rows, _ = await _page(api, PAGE_SIZE)
    found = []
    for name in _ORDERS:
        values = [value for row in rows if isinstance(value := row.get(name), str)]
        if len(values) < len(rows) or len(set(values)) < 2:
            continue
        if values == sorted(values):
            found.append(f"{name} ascending")
        elif values == sorted(values, reverse=True):
            found.append(f"{name} descending")
    return " or ".join(found) or "by none of " + ", ".join(_ORDERS)


async def _page(api: IntegrationsAPI, size: int) -> tuple[list[Mapping[str, Any]], int]:
    query: dict[str, str | int] = {"current_page": 0, "page_size": size}
    reply = await api.call(Call(OperationName.LIST, query=query))
    answer = reply.body if isinstance(reply.body, Mapping) else {}
    data, total = answer.get("data"), answer.get("total")
    rows = [row for row in data if isinstance(row, Mapping)] if isinstance(data, list) else []
    return rows, total if isinstance(total, int) else len(rows)

"""Audit log of the simulated API: a record of each write, and pages of a period.

As on the vendor's service before release 1.22.0, `request_body` contains the body of a write in
clear text, including secrets (remote/API.md §12).
"""

import json
from collections.abc import Mapping
from datetime import datetime

from reconciler.simulator.messages import JsonObject, Request, Response, invalid_request
from reconciler.simulator.paging import parse_count

MAX_PAGE_SIZE = 100
_FILTERS = (
    "method",
    "uri",
    "request_id",
    "user_id",
    "user_type",
    "workspace_id",
    "resource_type",
    "action",
)
_ACTIONS = {"POST": "create", "PUT": "update", "DELETE": "delete"}


def record_of(
    request: Request, response: Response, *, now: str, request_id: str, organisation: str
) -> JsonObject:
    """Build the record of a write."""
    headers = {"user-agent": request.actor.user_agent, "x-portkey-api-key": "*****"}
    return {
        "timestamp": now,
        "method": request.method,
        "uri": f"/v1{request.path}",
        "request_id": request_id,
        "request_body": json.dumps(request.body),
        "query_params": json.dumps(dict(request.query)),
        "request_headers": json.dumps(headers if request.actor.user_agent else {}),
        "user_id": request.actor.id,
        "user_type": request.actor.kind,
        "organisation_id": organisation,
        "workspace_id": "",
        "response_status_code": response.status,
        "resource_type": "integrations",
        "action": _ACTIONS.get(request.method, ""),
        "client_ip": "192.0.2.1",
        "country": "",
    }


def page(records: list[JsonObject], query: Mapping[str, str], *, organisation: str) -> Response:
    """Return a page of a period, newest first; raise `RequestRefused` for a bad query."""
    first, last = (_moment(query, name) for name in ("start_time", "end_time"))
    if not query.get("organisation_id"):
        raise invalid_request("organisation_id is required")
    number = parse_count(query, "current_page", default=0)
    size = parse_count(query, "page_size", default=MAX_PAGE_SIZE)
    if size > MAX_PAGE_SIZE:
        raise invalid_request("page_size is too large")
    found = [
        record
        for record in reversed(records)
        if first <= datetime.fromisoformat(record["timestamp"]) <= last
        and query["organisation_id"] == organisation
        and all(record[name] == query[name] for name in _FILTERS if name in query)
    ]
    shown = found[number * size : (number + 1) * size]
    body = {"records": shown, "total": len(found), "object": "analytics-graph"}
    return Response(200, body)


def _moment(query: Mapping[str, str], name: str) -> datetime:
    try:
        return datetime.fromisoformat(query[name])
    except (KeyError, ValueError):
        raise invalid_request(f"{name} is invalid") from None

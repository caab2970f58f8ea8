"""Responses of the API, and clients that receive them."""

import json
from collections.abc import Callable
from typing import Any

import httpx

from reconciler.domain.secrets import Redacted
from reconciler.remote.api import Clock
from reconciler.remote.client import Client, make_client
from tests.remote.over_httpx import OverHttpx
from tests.remote.virtual_time import virtual_timing

KEY = "pk-canary-0123456789"
BASE = "http://127.0.0.1:9/v1"


def error_answer(
    status: int, code: str = "AB04", message: str = "injected", **headers: str
) -> httpx.Response:
    """Return an error response as documented; `retry_after` becomes the header `retry-after`."""
    body = {"success": False, "data": {"message": message, "errorCode": code}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=body, headers=named)


def row(slug: str = "a", **other: Any) -> dict[str, Any]:
    """Return a row of the list, as observed."""
    return {
        "id": f"id-{slug}",
        "organisation_id": "org-1",
        "owner_id": "user-1",
        "name": f"Name {slug}",
        "status": "active",
        "created_at": "2026-05-02T12:31:48.000Z",
        "last_updated_at": None,
        "slug": slug,
        "tags": None,
        "description": None,
        "workspaces_count": 0,
        "type": "organisation",
        "workspace_id": None,
        "ai_provider_id": "openai",
        "object": "integration",
    } | other


def detail(slug: str = "a", **other: Any) -> dict[str, Any]:
    """Return one integration, as observed."""
    record = row(slug)
    del record["organisation_id"], record["workspaces_count"]
    return (
        record
        | {
            "masked_key": "sk*****xyz",
            "configurations": {},
            "global_workspace_access": None,
            "allow_all_models": True,
            "pricing_adjustments": None,
            "secret_mappings": None,
        }
        | other
    )


def page(slugs: list[str], total: Any) -> dict[str, Any]:
    """Return a page of the list."""
    return {"object": "list", "total": total, "data": [row(slug) for slug in slugs]}


def client(transport: httpx.AsyncBaseTransport | None, **other: Any) -> Client:
    """Return a client on a transport or on the network, in virtual time by default."""
    settings: dict[str, Any] = {
        "base_url": BASE,
        "api_key": Redacted(KEY),
        "clock": virtual_timing(),
        "transport": None if transport is None else OverHttpx(transport),
    }
    return make_client(**settings | other)


def answering(*answers: httpx.Response | Exception) -> tuple[httpx.MockTransport, list[Any]]:
    """Return a transport that answers in turn and repeats the last answer, and its requests."""
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        answer = answers[min(len(seen), len(answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    return httpx.MockTransport(handle), seen


def body_of(request: httpx.Request) -> Any:
    """Return the parsed JSON body of a request."""
    return json.loads(request.content)


def real_timing(clock: Callable[[], float]) -> Clock:
    """Return a timing for tests on real sockets; pauses between attempts are skipped."""

    async def no_sleep(_: float) -> None:
        return None

    return Clock(clock, lambda: 1_800_000_000.0, no_sleep, lambda: 0.0)

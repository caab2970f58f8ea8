"""Requests and responses of the simulated API, and its refusals in the documented form.

The error codes are those of remote/API.md §1.7.
"""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, TypeAlias

from reconciler.frozen_dataclass import dataclass

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object whose members are checked where they are used."""

INVALID = "Invalid request. Please check and try again."
FORBIDDEN = "You do not have enough permissions to execute this request"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who sends a request, as the audit log has it: `user` or `api_key`, an id, and the client."""

    kind: str = "api_key"
    id: str = "5a3e1c52-0000-4000-8000-000000000000"
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A request; `path` is relative to the base URL, `body` is parsed JSON or None.

    `provider` is the header `x-portkey-provider`, which only the gateway reads.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    provider: str | None = None
    actor: Actor = Actor()

    @property
    def writes(self) -> bool:
        """Whether the request may change something."""
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class Response:
    """A response; if `body` is None, an empty body is sent."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class RequestRefused(Exception):
    """A request that cannot be carried out, with the response that reports it."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def error_response(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Build a response with the documented error body."""
    body = {"success": False, "data": {"message": message, "errorCode": code}}
    return Response(status, body, headers or {})


def refusal(status: int, code: str, message: str) -> RequestRefused:
    """Build the exception for a request that is refused."""
    return RequestRefused(error_response(status, code, message))


def invalid_request(message: str = INVALID) -> RequestRefused:
    """Build the exception for an invalid body or query: 400 AB01."""
    return refusal(400, "AB01", message)

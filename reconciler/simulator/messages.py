"""Requests and responses of the stand-in, and its refusals in the documented form.

The codes are the table of remote/API.md §1.7.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

INVALID = "Invalid request. Please check and try again."
FORBIDDEN = "You do not have enough permissions to execute this request"


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `path` begins with `/integrations`, `body` is parsed JSON or None."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    @property
    def writes(self) -> bool:
        """Tell whether the request may change something."""
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; a `body` of None is an empty one."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class RequestRefused(Exception):
    """The request cannot be carried out; becomes an answer inside the state machine."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def error_response(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Make the documented error body."""
    body = {"success": False, "data": {"message": message, "errorCode": code}}
    return Response(status, body, headers or {})


def refusal(status: int, code: str, message: str) -> RequestRefused:
    """Make a refusal that can be raised."""
    return RequestRefused(error_response(status, code, message))


def invalid_request(message: str = INVALID) -> RequestRefused:
    """Refuse a body or query as AB01."""
    return refusal(400, "AB01", message)

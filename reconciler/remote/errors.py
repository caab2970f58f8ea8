"""Errors of calls, and the exceptions of transports that become such errors.

    RemoteError
    ├── InvalidCall     malformed by us: a slug, a query, a body; nothing was sent
    ├── NotSent         no connection: the API received nothing
    ├── NoAnswer        sent, but nothing usable came back: timeout, reset, HTML, 3xx, too big
    │   └── WrongShape  JSON in which a value does not have its documented form
    ├── Answered        the API said no, in its documented form
    │   ├── Unauthorised  401      ├── Conflict   409
    │   ├── Forbidden     403      ├── Throttled  429
    │   ├── NotFound      404      └── ServerFault 408, 425, 5xx
    │   └── Rejected      other 4xx (400, 402, 413, 422)
    ├── DeadlineExceeded   the run's deadline passed; the call was not sent
    ├── IncompleteRead     a list that could not be proven complete
    │   └── UnreadableRecords  a complete list, and in it a record that matters and cannot be read
    └── ReadOnlyViolation  a write through a read-only client; a defect of ours

After a write, `outcome_unknown` means that the API may have carried it out.

A transport raises a `TransportError`, which never leaves this package:
`reconciler.remote.transport` builds the error of the call from it.
"""

from reconciler.errors import ReconcilerError


class RemoteError(ReconcilerError):
    """A call without a usable response; `attempts` counts the requests that were sent."""

    outcome_unknown: bool = False

    def __init__(
        self,
        summary: str,
        *,
        code: str,
        hint: str = "",
        http_status: int | None = None,
        request_id: str | None = None,
        attempts: int = 1,
    ) -> None:
        super().__init__(summary, code=code, hint=hint)
        self.http_status = http_status
        self.request_id = request_id
        self.attempts = attempts


class InvalidCall(RemoteError):
    """The call cannot be written as a request (`bad-slug`, `bad-call`, `bad-body`); not sent."""


class NotSent(RemoteError):
    """No connection could be made, so the API has not received the request."""


class NoAnswer(RemoteError):
    """The request was sent, but no trustworthy response came back."""

    outcome_unknown = True


class WrongShape(NoAnswer):
    """A value of a response differs from the API's documentation.

    `reason` names the value and what it should be; the value itself is not repeated.
    """

    def __init__(self, where: str, expected: str) -> None:
        super().__init__(
            f"the API returned an unexpected response: {where} is not {expected}",
            code="unexpected-shape",
            hint="check the target's base_url; if it is right, the API has changed",
        )
        self.reason = f"{where} is not {expected}"


class Answered(RemoteError):
    """The API refused in a documented form; `code` is its errorCode, or `http-NNN` without one.

    `message` is the API's message, shortened and without the secrets that were sent. `retry_after`
    is the number of seconds to wait that the API requested, None if it requested none.
    """

    def __init__(
        self,
        summary: str,
        *,
        code: str,
        hint: str = "",
        http_status: int | None = None,
        request_id: str | None = None,
        attempts: int = 1,
        message: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(
            summary,
            code=code,
            hint=hint,
            http_status=http_status,
            request_id=request_id,
            attempts=attempts,
        )
        self.message = message
        self.retry_after = retry_after


class Unauthorised(Answered):
    """401: the credential is not accepted; the run stops."""


class Forbidden(Answered):
    """403: not allowed, or hidden; never by itself a proof of absence (remote/API.md §1.7)."""


class NotFound(Answered):
    """404 as JSON, on the requested path."""


class Conflict(Answered):
    """409: the integration already exists, or another resource depends on it."""


class Throttled(Answered):
    """429 that waiting cannot resolve; the call was not carried out."""


# A proxy can return 502 or 504 for a request that the API nevertheless carries out.
class ServerFault(Answered):
    """408, 425 or 5xx: the server gave up, and it is unknown what it did before."""

    outcome_unknown = True


class Rejected(Answered):
    """400, 402, 413, 422 and other refusals of the request itself."""


class DeadlineExceeded(RemoteError):
    """The run's deadline passed before the call was sent."""


class IncompleteRead(RemoteError):
    """The list could not be proven complete, so nothing is known to be absent."""


class UnreadableRecords(IncompleteRead):
    """Relevant integrations exist but cannot be read; each is named with the reason."""


class ReadOnlyViolation(RemoteError):
    """A command that only reads tried to write; the call was not sent."""


class TransportError(Exception):
    """A request failed below HTTP; neither the request nor its key is in the exception."""


class ConnectError(TransportError):
    """No connection was made, so nothing was sent; the cause is the error of the system or TLS."""


class ConnectTimeout(ConnectError):
    """No connection was made in time."""


class ProxyError(TransportError):
    """The proxy refused to connect; nothing was sent."""


class UnsendableError(TransportError):
    """The request cannot be written as HTTP; nothing was sent."""


class BrokenConnection(TransportError):
    """The connection broke, or the response is not HTTP; the API may have received the request."""


class TooLargeError(TransportError):
    """The body is larger than `limit` bytes; the rest was not read."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit


class UndecodableError(TransportError):
    """The body has an encoding that was not requested, or is damaged."""

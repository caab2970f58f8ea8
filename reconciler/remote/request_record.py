"""What is told about every request: enough for a log and for figures, and nothing secret."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request and what came of it, for logs and figures; neither body nor header.

    `status` is None where no answer came; `error` is our code for a failure, `date` the server's
    clock as its header said it.
    """

    method: str
    path: str
    seconds: float
    status: int | None = None
    request_id: str | None = None
    error: str | None = None
    date: str | None = None

"""The seam between us and the remote API: one method that makes one call."""

from typing import Protocol

from reconciler.domain.calls import Call, Reply


class IntegrationsAPI(Protocol):
    """Whatever answers calls: the HTTP client, the simulator's core in tests, a recorder."""

    async def call(self, call: Call) -> Reply:
        """Make one call and give its successful answer.

        Raises `reconciler.remote.errors.RemoteError` for everything else.
        """
        ...

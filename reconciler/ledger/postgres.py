"""The PostgreSQL database of a ledger, with a limit on how long it may not respond.

Imported only for a URL of PostgreSQL, because psycopg is an extra.
"""

from collections.abc import Generator
from typing import Any

import psycopg
from psycopg import waiting
from sqlalchemy import URL, Engine, ExceptionContext, create_engine, event

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 10.0
"""Maximum time without data while a response is expected."""

_INTERVAL = 0.1

_KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""Keep firewalls and proxies from dropping a session that only holds a lock."""


class LedgerTimeout(psycopg.OperationalError):
    """A server received a statement and did not respond in time."""


class BoundedConnection(psycopg.Connection[Any]):
    """Connection that is closed when the server does not respond or a signal arrives.

    The driver waits without limit, and after Ctrl-C it sends a cancel request even to a server that
    does not respond.
    """

    silence_seconds = SILENCE_SECONDS

    def wait(
        self,
        gen: Generator[Any, Any, Any],
        interval: float = _INTERVAL,
        timeout: float | None = None,  # noqa: ARG002  newer releases of the driver pass it
    ) -> Any:
        """Complete an exchange with the server."""
        step = interval or _INTERVAL
        bounded = _within(gen, step=step, seconds=self.silence_seconds)
        try:
            return waiting.wait(bounded, self.pgconn.socket, interval=step)
        except LedgerTimeout:
            self.pgconn.finish()
            raise
        except Exception:
            raise  # an error of the database, after which the connection can be used
        except BaseException:
            self.pgconn.finish()  # an interrupted exchange leaves it unusable
            raise


def _within(
    exchange: Generator[Any, Any, Any], *, step: float, seconds: float
) -> Generator[Any, Any, Any]:
    """Yield from an exchange, and raise `LedgerTimeout` after `seconds` without a response."""
    idle = 0.0
    try:
        wanted = next(exchange)
        while True:
            ready = yield wanted
            # The driver resumes after each `step` even if nothing is ready, so the time without
            # data is counted in steps.
            idle = 0.0 if ready else idle + step
            if idle >= seconds:
                raise LedgerTimeout(f"no response within {seconds:g} seconds")
            wanted = exchange.send(ready)
    except StopIteration as end:
        return end.value


def engine_of(url: URL, *, limit_seconds: float) -> Engine:
    """Return an engine whose waits are limited to `limit_seconds`."""
    silence = min(SILENCE_SECONDS, limit_seconds)
    connect_args = {
        # libpq accepts whole seconds, and 0 would mean no limit.
        "connect_timeout": max(1, int(min(CONNECT_SECONDS, limit_seconds))),
        "application_name": "reconcile",
        # A variable or a setting of the role could select an encoding that loses characters.
        "client_encoding": "utf8",
        **_KEEPALIVES,
    }
    engine = create_engine(
        url,
        connect_args=connect_args,
        hide_parameters=True,  # rows must not appear in messages
        # A pooled connection may have been closed by the server or a firewall since its last use.
        pool_pre_ping=True,
        use_native_hstore=False,  # saves a query for each connection
    )

    def connect(_dialect: Any, _record: Any, arguments: Any, options: dict[str, Any]) -> Any:
        connection = BoundedConnection.connect(*arguments, **options)
        connection.silence_seconds = silence
        return connection

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "handle_error", _note_role)
    return engine


def _note_role(context: ExceptionContext) -> None:
    """Add the role to a refusal, so that the message can name it."""
    problem, connection = context.original_exception, context.connection
    if connection is None or connection.closed or connection.invalidated:
        return
    raw = connection.connection.driver_connection
    if not isinstance(problem, psycopg.Error) or not isinstance(raw, psycopg.Connection):
        return
    # A connection that was given up has no role: reading it would fail with another error, which
    # would take the place of the first one.
    if not raw.closed:
        problem.add_note(raw.info.user)

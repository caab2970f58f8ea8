"""How a PostgreSQL database of a ledger is opened, and how long it may keep silent.

This module is loaded for a URL of PostgreSQL alone: psycopg is an extra.
"""

from collections.abc import Generator
from typing import Any

import psycopg
from psycopg import waiting
from sqlalchemy import URL, Engine, ExceptionContext, create_engine, event

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 10.0
"""How long a server may say nothing while an answer is due."""

_INTERVAL = 0.1

_KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""So that nothing on the way forgets a session that only holds a lock."""


class LedgerTimeout(psycopg.OperationalError):
    """A server took a statement and kept silent."""


class PatientConnection(psycopg.Connection[Any]):
    """A connection that is given up when the server keeps silent, or when a signal arrives.

    The driver waits for ever, and after Ctrl-C it asks a server that does not answer to cancel.
    """

    silence_seconds = SILENCE_SECONDS

    def wait(
        self,
        gen: Generator[Any, Any, Any],
        interval: float = _INTERVAL,
        timeout: float | None = None,  # noqa: ARG002  newer releases of the driver pass it
    ) -> Any:
        """Carry on an exchange with the server to its end."""
        step = interval or _INTERVAL
        patient = _within(gen, step=step, seconds=self.silence_seconds)
        try:
            return waiting.wait(patient, self.pgconn.socket, interval=step)
        except LedgerTimeout:
            self.pgconn.finish()
            raise
        except Exception:
            raise
        except BaseException:
            self.pgconn.finish()  # what is under way cannot be used any more
            raise


def _within(
    exchange: Generator[Any, Any, Any], *, step: float, seconds: float
) -> Generator[Any, Any, Any]:
    """Pass an exchange on, and raise `LedgerTimeout` after as many idle steps as make `seconds`."""
    quiet = 0.0
    try:
        wanted = next(exchange)
        while True:
            ready = yield wanted
            quiet = 0.0 if ready else quiet + step
            if quiet >= seconds:
                raise LedgerTimeout(f"no answer within {seconds:g} seconds")
            wanted = exchange.send(ready)
    except StopIteration as end:
        return end.value


def engine_of(url: URL, *, limit_seconds: float) -> Engine:
    """Make an engine whose every wait is bounded by `limit_seconds` at most."""
    silence = min(SILENCE_SECONDS, limit_seconds)
    arguments = {
        "connect_timeout": max(1, int(min(CONNECT_SECONDS, limit_seconds))),
        "application_name": "reconcile",
        # A variable or a setting of the role could ask for an encoding that loses characters.
        "client_encoding": "utf8",
        **_KEEPALIVES,
    }
    engine = create_engine(
        url,
        connect_args=arguments,
        hide_parameters=True,
        pool_pre_ping=True,
        use_native_hstore=False,
    )

    def connect(_dialect: Any, _record: Any, words: Any, options: dict[str, Any]) -> Any:
        connection = PatientConnection.connect(*words, **options)
        connection.silence_seconds = silence
        return connection

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "handle_error", _note_role)
    return engine


def _note_role(context: ExceptionContext) -> None:
    """Keep the role with a refusal: the reader has to know which role lacks the right."""
    problem, connection = context.original_exception, context.connection
    if connection is None or connection.closed or connection.invalidated:
        return
    raw = connection.connection.driver_connection
    if isinstance(problem, psycopg.Error) and isinstance(raw, psycopg.Connection):
        problem.add_note(raw.info.user)

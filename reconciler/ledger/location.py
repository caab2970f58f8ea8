"""Location of a ledger and of a target in it, without importing database code."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from reconciler.diagnostics import error
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass

if TYPE_CHECKING:
    from sqlalchemy import URL

# Many services print `postgres://`, which SQLAlchemy no longer accepts.
_POSTGRES = frozenset({"postgres", "postgresql", "postgresql+psycopg"})


LIMIT_SECONDS = 10.0
"""Maximum time that one statement may take."""


class LedgerState(StrEnum):
    """State of the ledger, as the first line of outputs shows it."""

    SHARED = "shared"
    LOCAL = "local"
    FRESH = "fresh"
    UNREACHABLE = "unreachable"
    """There is a ledger, but it cannot be read."""


@dataclass(frozen=True, slots=True)
class Location:
    """Location of a ledger: exactly one of `file` and `url`."""

    file: Path | None = None
    url: "URL | None" = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str | None, *, default: Path) -> "Location":
        """Parse RECONCILE_LEDGER_URL; without it the ledger is the file `default`."""
        if not url or not url.strip():
            return cls(file=default)
        from sqlalchemy import make_url  # noqa: PLC0415  a quarter of a second, for a URL only
        from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

        try:
            parsed = make_url(url.strip())
            # SQLAlchemy 2.1 decodes the name of a database, earlier versions do not; both must
            # agree.
            if parsed.database and make_url("sqlite:///%2F").database != "/":
                parsed = parsed.set(database=unquote(parsed.database))
        except (ArgumentError, ValueError):  # ValueError for a port that is not a number
            parsed = None
        # An "@" in the name of the database belongs to a password that contains a slash.
        unclear = parsed is not None and "@" in (parsed.database or "")
        if parsed is not None and parsed.drivername in _POSTGRES and not unclear:
            return cls(url=parsed.set(drivername="postgresql+psycopg"))
        if parsed is not None and parsed.drivername == "sqlite" and parsed.database:
            return cls(file=Path(parsed.database))
        # Not `from` the cause, whose text is the URL with its password.
        raise InvalidInput(
            [
                error(
                    "ledger-url",
                    "RECONCILE_LEDGER_URL is not a URL of PostgreSQL or SQLite",
                    hint="write postgresql://user@host/database with special characters of the "
                    "password as %XX, or unset it for a local file",
                )
            ]
        ) from None

    @property
    def where(self) -> str:
        """The location without a password, which the query of a URL can also contain."""
        if self.url is None:
            return str(self.file)
        return self.url.set(query={}).render_as_string(hide_password=True)

    @property
    def hidden(self) -> frozenset[str]:
        """Return the strings that no message may repeat: passwords in the URL and in its query."""
        if self.url is None:
            return frozenset()
        values: list[str] = []
        for name, value in self.url.query.items():
            if "pass" in name.lower() or "options" in name.lower():
                values += [value] if isinstance(value, str) else value
        password = str(self.url.password) if self.url.password else ""
        return frozenset(text for text in (password, *values) if text)

    @property
    def state(self) -> LedgerState:
        """Return whether the ledger is shared, a file of this machine, or does not exist yet."""
        if self.file is None:
            return LedgerState.SHARED
        return LedgerState.LOCAL if _exists(self.file) else LedgerState.FRESH


def _exists(file: Path) -> bool:
    """Whether a path exists, even as a broken link.

    `Path.exists` is False if a folder is not accessible or a volume is not mounted, but an
    inaccessible ledger must not count as absent.
    """
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


UNKNOWN_ORGANISATION = ""
"""The organisation of a row until the API's list has shown it."""


@dataclass(frozen=True, slots=True)
class TargetKey:
    """The key by which the rows of a target are found."""

    name: str
    host: str
    organisation: str | None = None

    @classmethod
    def of(cls, *, name: str, base_url: str, organisation: str | None) -> "TargetKey":
        """Build a key from a base URL; for a simulator, the whole URL is the host."""
        parts = urlsplit(base_url)
        # A user name in the URL does not change the host.
        host = parts.netloc.rpartition("@")[2]
        return cls(name, host or base_url, organisation or None)

    def choose(self, rows: Mapping[str, int]) -> int | None:
        """Return the id of this target's row, given those of its name and host by organisation."""
        if self.organisation is not None:
            return rows.get(self.organisation, rows.get(UNKNOWN_ORGANISATION))
        # Until the API's list has shown the organisation, several cannot be distinguished.
        if len(rows) == 1:
            return next(iter(rows.values()))
        return rows.get(UNKNOWN_ORGANISATION)

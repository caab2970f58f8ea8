"""Where a ledger is, told without loading what it takes to open one."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from reconciler.diagnostics import error
from reconciler.domain.rejection import InvalidInput

if TYPE_CHECKING:
    from sqlalchemy import URL

_POSTGRES = frozenset({"postgres", "postgresql", "postgresql+psycopg"})


LIMIT_SECONDS = 10.0
"""How long one statement may keep its caller waiting."""


class LedgerState(StrEnum):
    """What outputs say about the ledger in their first line."""

    SHARED = "shared"
    LOCAL = "local"
    FRESH = "fresh"
    UNREACHABLE = "unreachable"
    """There is one, and it cannot be read."""


@dataclass(frozen=True, slots=True)
class Location:
    """A place for a ledger: exactly one of `file` and `url`."""

    file: Path | None = None
    url: "URL | None" = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str | None, *, default: Path) -> "Location":
        """Read RECONCILE_LEDGER_URL; without it the ledger is the file `default`."""
        if not url or not url.strip():
            return cls(file=default)
        from sqlalchemy import make_url  # noqa: PLC0415  a quarter of a second, for a URL only
        from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

        try:
            parsed = make_url(url.strip())
            # SQLAlchemy decodes the name of a database since 2.1; a ledger must not move with it.
            if parsed.database and make_url("sqlite:///%2F").database != "/":
                parsed = parsed.set(database=unquote(parsed.database))
        except (ArgumentError, ValueError):  # the latter for a port that is no number
            parsed = None
        # An "@" in what was taken for the name of the database belongs to a password with a slash.
        unclear = parsed is not None and "@" in (parsed.database or "")
        if parsed is not None and parsed.drivername in _POSTGRES and not unclear:
            return cls(url=parsed.set(drivername="postgresql+psycopg"))
        if parsed is not None and parsed.drivername == "sqlite" and parsed.database:
            return cls(file=Path(parsed.database))
        # Not `from` the cause: its text is the URL with its password.
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
        """Give the place as people may see it, without a password, which a query may hold too."""
        if self.url is None:
            return str(self.file)
        return self.url.set(query={}).render_as_string(hide_password=True)

    @property
    def hidden(self) -> frozenset[str]:
        """Return what no message may repeat: the password, and what the query may hold of one."""
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
        """Tell whether it is shared, a file of this machine, or not there yet."""
        if self.file is None:
            return LedgerState.SHARED
        return LedgerState.LOCAL if _is_there(self.file) else LedgerState.FRESH


def _is_there(file: Path) -> bool:
    """Return whether a name is taken, even by a link that leads nowhere.

    `Path.exists` says False where a folder may not be entered or a volume is not mounted, and a
    ledger that is merely out of reach must not pass for none.
    """
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True

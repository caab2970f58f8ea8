"""The only place that reads the environment and the clock.

Everything below `reconciler.cli` takes them as parameters. Options have environment twins of their
own, which click reads; these here are the settings that are deliberately no options, because a pull
request can edit files and command lines but not the environment.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.domain.secrets import Redacted


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says, read once. Nothing in it shows when it is printed."""

    environment: Mapping[str, str] = field(repr=False)
    base_url: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_secrets: str | None = None
    ca_file: str | None = None
    proxy: str | None = field(default=None, repr=False)
    ledger_url: "Redacted | None" = None
    ledger_pepper: "Redacted | None" = None
    commit: str | None = None

    @property
    def on_runner(self) -> bool:
        """Whether this is a machine of GitHub Actions, whose files go into a cache."""
        return self.environment.get("GITHUB_ACTIONS") == "true"

    @property
    def in_ci(self) -> bool:
        """Whether this is a job of a CI system, whose clone was made for it."""
        return self.on_runner or self.environment.get("CI") == "true"


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; an empty variable counts as unset."""
    from reconciler.domain.secrets import Redacted  # hashlib would slow `--version` down

    if environment is None:
        environment = dict(os.environ)  # noqa: TID251  this module is the reader

    def text(name: str) -> str | None:
        return environment.get(name, "").strip() or None

    def secret(name: str) -> Redacted | None:
        value = text(name)
        return Redacted(value) if value else None

    def several(name: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in (text(name) or "").split(",") if part.strip())

    return Settings(
        environment=MappingProxyType(dict(environment)),
        base_url=text("PORTKEY_BASE_URL"),
        allowed_hosts=several("RECONCILE_ALLOWED_HOSTS"),
        allowed_secrets=text("RECONCILE_ALLOWED_SECRETS"),
        ca_file=text("RECONCILE_CA_FILE"),
        proxy=text("RECONCILE_PROXY"),
        ledger_url=secret("RECONCILE_LEDGER_URL"),
        ledger_pepper=secret("RECONCILE_LEDGER_PEPPER"),
        commit=text("GITHUB_SHA") or text("CI_COMMIT_SHA"),
    )


def keep_plugins_out() -> None:
    """Let pydantic load no plugin: one would see every secret, and to look for some takes 8 ms."""
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # noqa: TID251  this module is the reader


def refuses_color() -> bool:
    """Tell whether the environment asks for plain text (no-color.org, or a terminal without)."""
    return bool(variable("NO_COLOR")) or variable("TERM") == "dumb"


def variable(name: str) -> str | None:
    """Give one variable, None when it is unset or empty."""
    return os.environ.get(name) or None  # noqa: TID251  this module is the reader


def now() -> datetime:
    """Give the time of day in UTC."""
    return datetime.now(UTC)  # noqa: TID251  this module is the reader


def monotonic() -> float:
    """Give seconds on a clock that only goes forward."""
    return time.monotonic()

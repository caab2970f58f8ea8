"""Settings from the environment, and the clock; no other module reads either.

All other packages receive them as parameters. click reads the variables of options. These settings
are deliberately not options, because a pull request can edit files and command lines, but not the
environment.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from reconciler.frozen_dataclass import dataclass

if TYPE_CHECKING:
    from reconciler.domain.secrets import Redacted


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings from the environment, read once; printing them reveals no secret.

    `uncommitted` is set where the files are read: they differ from the commit.
    """

    environment: Mapping[str, str] = field(repr=False)
    base_url: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_catalogues: tuple[str, ...] = ()
    allowed_secrets: str | None = None
    allowed_probes: str | None = None
    allowed_policies: str | None = None
    ca_file: str | None = None
    proxy: str | None = field(default=None, repr=False)
    ledger_url: "Redacted | None" = None
    ledger_pepper: "Redacted | None" = None
    commit: str | None = None
    uncommitted: bool = False

    @property
    def on_github(self) -> bool:
        """Whether this is a job of GitHub Actions."""
        return self.environment.get("GITHUB_ACTIONS") == "true"

    @property
    def on_runner(self) -> bool:
        """Whether this is a job of GitHub Actions or GitLab CI, whose files go into a cache."""
        return self.on_github or self.environment.get("GITLAB_CI") == "true"

    @property
    def in_ci(self) -> bool:
        """Whether this is a job of a CI system, with a clone made for it."""
        return self.on_runner or self.environment.get("CI") == "true"


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings; an empty variable counts as unset."""
    from reconciler.domain.secrets import Redacted  # hashlib would slow `--version` down

    if environment is None:
        environment = dict(os.environ)  # noqa: TID251  this module is the reader

    def text(name: str) -> str | None:
        # GitHub passes a secret that does not exist as an empty variable.
        return environment.get(name, "").strip() or None

    def secret(name: str) -> Redacted | None:
        value = text(name)
        return Redacted(value) if value else None

    def several(name: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in (text(name) or "").split(",") if part.strip())

    return Settings(
        # A copy, so that the settings cannot change after they were read.
        environment=MappingProxyType(dict(environment)),
        base_url=text("PORTKEY_BASE_URL"),
        allowed_hosts=several("RECONCILE_ALLOWED_HOSTS"),
        allowed_catalogues=several("RECONCILE_ALLOWED_CATALOGUES"),
        allowed_secrets=text("RECONCILE_ALLOWED_SECRETS"),
        allowed_probes=text("RECONCILE_ALLOWED_PROBES"),
        allowed_policies=text("RECONCILE_ALLOWED_POLICIES"),
        ca_file=text("RECONCILE_CA_FILE"),
        proxy=text("RECONCILE_PROXY"),
        ledger_url=secret("RECONCILE_LEDGER_URL"),
        ledger_pepper=secret("RECONCILE_LEDGER_PEPPER"),
        commit=text("GITHUB_SHA") or text("CI_COMMIT_SHA"),
    )


def keep_plugins_out() -> None:
    """Disable pydantic plugins, which could see every secret; the search for them takes 8 ms."""
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # noqa: TID251  this module is the reader


def refuses_color() -> bool:
    """Return whether the environment disables colours (no-color.org, or a dumb terminal)."""
    return bool(variable("NO_COLOR")) or variable("TERM") == "dumb"


def variable(name: str) -> str | None:
    """Return a variable, None if it is unset or empty."""
    return os.environ.get(name) or None  # noqa: TID251  this module is the reader


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)  # noqa: TID251  this module is the reader


def epoch_seconds() -> float:
    """Return the seconds since 1970."""
    return time.time()


def monotonic() -> float:
    """Return the seconds of a monotonic clock."""
    return time.monotonic()

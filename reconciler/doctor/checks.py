"""What was found out about a setup: checks with what to do, and answers to open questions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from reconciler.planning.plan import PlanTarget


class CheckStatus(StrEnum):
    """How a check ended; only `fail` stops a run."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `hint` says what to do unless all is well."""

    name: str
    verdict: CheckStatus
    summary: str
    hint: str = ""

    def as_json(self) -> dict[str, str]:
        """Give the public form."""
        return {
            "name": self.name,
            "status": self.verdict.value,
            "summary": self.summary,
            "hint": self.hint,
        }


def ok(name: str, summary: str) -> Check:
    """Make a check that found nothing wrong."""
    return Check(name, CheckStatus.OK, summary)


def warn(name: str, summary: str, hint: str) -> Check:
    """Make a check that found something a user should know."""
    return Check(name, CheckStatus.WARN, summary, hint)


def fail(name: str, summary: str, hint: str) -> Check:
    """Make a check that found what would stop a run."""
    return Check(name, CheckStatus.FAIL, summary, hint)


@dataclass(frozen=True, slots=True)
class Health:
    """All checks of one examination, and what a probe learned of the API, now or before.

    `target` is None where the configuration names none.
    """

    checks: tuple[Check, ...]
    target: PlanTarget | None = None
    answers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_fit(self) -> bool:
        """Tell whether no check failed."""
        return not any(check.verdict is CheckStatus.FAIL for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """Give the public form."""
        return {
            "format_version": "1",
            "kind": "doctor",
            "target": self.target.as_json() if self.target else None,
            "ok": self.is_fit,
            "checks": [check.as_json() for check in self.checks],
            "answers": dict(self.answers),
        }

"""Option `--fail-on`: models of the catalogue that make a command fail.

A model that fails the gate is reported as an error instead of a warning, and the exit code is 3, as
for every error in the files. The plan or report is still shown.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from reconciler.frozen_dataclass import dataclass

if TYPE_CHECKING:
    from reconciler.diagnostics import Diagnostic
    from reconciler.domain.catalogue import ModelFinding

FAILED = 3
_UNKNOWN, _RETIRING, _RETIRED = "model-unknown", "model-retiring", "model-retired"
_UNCLEAR = "catalogue-date"
_CODES = (_UNKNOWN, _RETIRING, _RETIRED)
_FORM = re.compile(r"(?P<code>[a-z-]+)(?::(?P<days>[0-9]{1,4})d)?")


@dataclass(frozen=True, slots=True)
class FailOn:
    """One value of the option; `days` is None without a number."""

    code: str
    days: int | None = None

    def __str__(self) -> str:
        return self.code if self.days is None else f"{self.code}:{self.days}d"

    def covers(self, finding: "ModelFinding") -> bool:
        """Return whether a model fails; one that has retired also fails `model-retiring`.

        A date that cannot be read fails both, because it may be any.
        """
        if finding.state.value == _UNCLEAR:
            return self.code != _UNKNOWN
        if self.code == _RETIRING and finding.retires is not None:
            return self.days is None or finding.days_left <= self.days
        return finding.state.value == self.code


def parse_fail_on(value: str) -> FailOn:
    """Parse a value of the option; raise `BadParameter` for any other text."""
    found = _FORM.fullmatch(value)
    if found is None or found["code"] not in _CODES:
        raise click.BadParameter(
            f"{value!r} is not one of {', '.join(_CODES)}; "
            f"{_RETIRING} can have a number of days, for example {_RETIRING}:7d"
        )
    days = found["days"]
    if days is not None and found["code"] != _RETIRING:
        raise click.BadParameter(f"only {_RETIRING} can have a number of days")
    return FailOn(found["code"], None if days is None else int(days))


fail_on_option = click.option(
    "--fail-on",
    metavar="CODE[:DAYSd]",
    multiple=True,
    type=parse_fail_on,
    help="Treat a warning about models as an error: model-unknown, model-retiring:7d; repeatable",
)


def days_of(gates: Iterable[FailOn]) -> int | None:
    """Return how many days before a retirement the gates apply, None for the default."""
    # The files are loaded once for all gates, so they are checked as far ahead as the farthest one.
    return max((gate.days for gate in gates if gate.days is not None), default=None)


def failing(
    gates: Collection[FailOn], findings: Iterable["ModelFinding"]
) -> tuple["ModelFinding", ...]:
    """Return the models that fail a gate."""
    return tuple(item for item in findings if any(gate.covers(item) for gate in gates))


def escalated(
    diagnostics: Sequence["Diagnostic"], failed: Collection["ModelFinding"]
) -> tuple["Diagnostic", ...]:
    """Return the diagnostics with those of failed models as errors."""
    if not failed:
        return tuple(diagnostics)
    from reconciler.diagnostics import Severity, error, in_order

    reported = {item.diagnostic for item in failed}
    found = [
        replace(item, severity=Severity.ERROR) if item in reported else item for item in diagnostics
    ]
    # A file with very many problems does not report each of them, but must still fail.
    found += [
        error(item.state.value, f"{item.slug}: model `{item.model}` fails --fail-on")
        for item in failed
        if item.diagnostic is None
    ]
    return in_order(found)

"""The two ways in which a run stops on purpose before writing: bad input, and a refusal."""

from collections.abc import Sequence
from typing import ClassVar

from reconciler.diagnostics import Diagnostic, Severity, error
from reconciler.errors import ReconcilerError


class Rejection(ReconcilerError):
    """A stop that is explained by diagnostics, all of them at once.

    `plan` is the fresh plan when there is one (a guard, an approval, a missing value), else None.
    """

    def __init__(self, diagnostics: Sequence[Diagnostic], *, plan: object = None) -> None:
        first = next((d for d in diagnostics if d.severity is Severity.ERROR), diagnostics[0])
        super().__init__(first.summary, code=first.code, hint=first.hint)
        self.diagnostics = tuple(diagnostics)
        self.plan = plan


class InvalidInput(Rejection):
    """Files, flags or configuration cannot be used as they are."""

    exit_code: ClassVar[int] = 3


class Refused(Rejection):
    """The input is understood, and carrying it out would break a rule that protects the user."""

    exit_code: ClassVar[int] = 4


class CannotDecide(Rejection):
    """A question cannot be answered, because something it depends on could not be read."""

    exit_code: ClassVar[int] = 1


def refuse_other_organisation(target: str, *, known: str | None, found: str | None) -> None:
    """Raise `Refused` where another organisation answers on a target than before; None is unknown.

    Its integrations are not those that the ledger remembers, so all that Git declares would count
    as deleted, and all that is there as somebody else's.
    """
    if None in (known, found) or known == found:
        return
    summary = f"{target} answers as organisation {found}, and it was {known} before"
    hint = (
        "check the API key and the base URL; if the target was moved on purpose, "
        "give it another name in reconcile.yaml"
    )
    raise Refused([error("wrong-target", summary, hint=hint)])

"""Options that every renderer takes beside the value that it renders."""

from dataclasses import dataclass

from reconciler.planning.plan import Plan
from reconciler.views.sections import CommandContext


@dataclass(frozen=True, slots=True)
class Publication:
    """Place of a text on GitHub, where people act by merging and by running workflows.

    `next_steps` are Markdown paragraphs that replace the suggested commands.
    """

    environment: str
    next_steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """Circumstances of one output; a format ignores what it has no use for.

    `ledger` is the state of the ledger: shared, local, fresh, unreachable or not read. `plan` is
    the plan of a result: with it each outcome shows its changes. `width` counts columns.
    `publication` is set for a text on GitHub.
    """

    ledger: str
    context: CommandContext = CommandContext()
    plan: Plan | None = None
    width: int = 80
    color: bool = False
    publication: Publication | None = None

"""Options of every renderer."""

from reconciler.frozen_dataclass import dataclass
from reconciler.planning.plan import Plan
from reconciler.views.sections import CommandContext


@dataclass(frozen=True, slots=True)
class Publication:
    """Place of a text on GitHub, where users act by merging and by running workflows.

    `next_steps` are Markdown paragraphs that replace the suggested commands.
    """

    environment: str
    next_steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """Options of one output; a format ignores those that it does not use.

    `ledger` is the state of the ledger: shared, local, fresh, unreachable or not read. `plan` is
    the plan of a result: with it each outcome shows its changes. `width` counts columns, and is
    None where no line is broken. `publication` is set for a text on GitHub. `verbose` shows
    everything in full. `continues` states that the text follows the plan of the same run in one
    stream, which shows target and digest. With `names_simulator`, a result states at both ends that
    no real API was called.
    """

    ledger: str
    context: CommandContext = CommandContext()
    plan: Plan | None = None
    width: int | None = None
    color: bool = False
    publication: Publication | None = None
    verbose: bool = False
    continues: bool = False
    names_simulator: bool = False

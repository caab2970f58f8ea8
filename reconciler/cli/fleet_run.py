"""One run of a fleet: who takes part, what is asked of them, and what is told at the end.

One member's part: `reconciler.cli.fleet_member`. How orders are carried out: the engines in
`reconciler.fleet`.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from reconciler.cli import output, settings
from reconciler.cli.console import Console
from reconciler.cli.fleet_member import MemberRunner
from reconciler.cli.fleet_options import FleetSelection
from reconciler.cli.ledger_access import state_folder_in
from reconciler.cli.signals import SignalHandler
from reconciler.cli.wiring import new_run
from reconciler.desired.source import MAX_FILE
from reconciler.diagnostics import error
from reconciler.errors import InvalidInput, Refused
from reconciler.execution.cancellation import CancelToken
from reconciler.fleet.checkpoint import Checkpoint, resume
from reconciler.fleet.config import Fleet, Member, read_fleet
from reconciler.fleet.local_engine import not_run, run_locally
from reconciler.fleet.outcome import FleetOperation, FleetResult, MemberOutcome, MemberStatus
from reconciler.fleet.table import action_counts, line_of, table
from reconciler.fleet.task import MemberTask

if TYPE_CHECKING:
    pass

OTHERWISE = "look at `reconcile fleet plan`, then use --yes"
Ended = Callable[[MemberOutcome], None]


class Engine(Protocol):
    """Carries out orders and tells each outcome as it comes."""

    @property
    def name(self) -> str:
        """What outputs call it."""
        ...

    def run(
        self, orders: Sequence[MemberTask], *, cancel: CancelToken, ended: Ended
    ) -> Awaitable[None]:
        """Carry out every order."""
        ...


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """This machine."""

    crew: MemberRunner
    parallelism: int
    name: str = "local"

    async def run(self, orders: Sequence[MemberTask], *, cancel: CancelToken, ended: Ended) -> None:
        """Carry out every order, a few at a time."""
        await run_locally(
            orders, self.crew, parallelism=self.parallelism, cancel=cancel, ended=ended
        )


def read(file: Path) -> Fleet:
    """Read a fleet.yaml, or raise all that is wrong with it."""
    content = output.read(file, limit=MAX_FILE, code="not-utf8", hint="save it as UTF-8")
    fleet, found = read_fleet(content.encode(), path=file)
    if fleet is None:
        raise InvalidInput(found)
    return fleet


def member_runner(console: Console, fleet: Fleet) -> MemberRunner:
    """Make the members of a fleet ready to work in this process."""
    environment = settings.from_environment().environment
    return MemberRunner({member.name: member for member in fleet.members}, environment, console)


class FleetRun:
    """A run of a fleet from its first order to its table."""

    def __init__(
        self,
        console: Console,
        muster: FleetSelection,
        engine: Engine,
        fleet: Fleet,
        order: MemberTask,
    ) -> None:
        self._console = console
        self._muster = muster
        self._engine = engine
        self._members = muster.chosen(fleet)
        if not self._members:
            hint = f"{muster.file} names the members; --only and --exclude choose among them"
            raise InvalidInput([error("no-members", "no member of the fleet is chosen", hint=hint)])
        self._order = order
        folder = state_folder_in(muster.file.absolute().parent) / "fleet"
        self._checkpoint = (
            resume(folder, muster.resume, operation=order.operation)
            if muster.resume is not None
            else Checkpoint(folder, new_run(), order.operation)
        )
        if self._console.journal is not None:
            self._console.journal = self._console.journal.about(fleet_run=self._checkpoint.run)
        self._checkpoint.save()
        self._cancel = CancelToken()
        self._outcomes: dict[str, MemberOutcome] = {}

    async def carry_out(self, interruption: SignalHandler, *, asks: bool = False) -> FleetResult:
        """Give the order to all who are not done; with `asks` plan first and ask whether to apply.

        Raises `Refused` for the answer no.
        """
        self._stop_on(interruption)
        orders = [
            replace(self._order, member=member.name)
            for member in self._members
            if not self._resumed(member)
        ]
        if asks:
            orders = await self._approved(orders, interruption)
        await self._engine.run(orders, cancel=self._cancel, ended=self._ended)
        return FleetResult(
            self._checkpoint.run,
            self._order.operation,
            self._engine.name,
            tuple(self._outcomes[member.name] for member in self._members),
        )

    def _stop_on(self, interruption: SignalHandler) -> None:
        def ask() -> None:
            self._cancel.request("interrupted")
            self._console.insist("finishing what is in flight; press Ctrl-C again to leave at once")

        interruption.ask = ask

    def _resumed(self, member: Member) -> bool:
        outcome = self._checkpoint.completed(member)
        if outcome is not None:
            self._outcomes[member.name] = outcome
        return outcome is not None

    def _ended(self, outcome: MemberOutcome) -> None:
        self._outcomes[outcome.member] = outcome
        member = next(m for m in self._members if m.name == outcome.member)
        try:
            self._checkpoint.record(member, outcome)
        except InvalidInput as reason:
            # What the member has done stands; only resuming would do it again.
            self._console.insist(f"warning: {reason.summary}")
        announce(self._console, outcome)

    async def _approved(
        self, orders: Sequence[MemberTask], interruption: SignalHandler
    ) -> list[MemberTask]:
        """Plan, show and ask; what cannot be planned is over, what is in sync is done."""
        planned: dict[str, MemberOutcome] = {}

        def keep(outcome: MemberOutcome) -> None:
            planned[outcome.member] = outcome

        plans = [replace(order, operation=FleetOperation.PLAN) for order in orders]
        await self._engine.run(plans, cancel=self._cancel, ended=keep)
        ready = [o for o in orders if planned[o.member].status is MemberStatus.DIFFERENT]
        for outcome in planned.values():
            if outcome.status is not MemberStatus.DIFFERENT:
                self._ended(outcome)
        if self._cancel.requested:
            for order in ready:
                self._ended(not_run(order))
            return []
        if not ready:
            return []
        shown = FleetResult(
            self._checkpoint.run,
            FleetOperation.PLAN,
            self._engine.name,
            tuple(planned[m.name] for m in self._members if m.name in planned),
        )
        console = self._console
        color, repeated = console.colors_talk, self._muster.repeated
        console.insist(table(shown, repeated=repeated, width=console.width, color=color))
        with interruption.left_to_python():
            members = [planned[order.member] for order in ready]
            question = f"{action_counts(members)}. Apply to these {len(ready)} members?"
            agreed = console.confirm(question, otherwise=OTHERWISE)
        if not agreed:
            raise Refused([error("declined", "the answer was no; nothing was written")])
        return [replace(order, approved=planned[order.member].change_digests) for order in ready]


def announce(console: Console, outcome: MemberOutcome) -> None:
    """Say on stderr that a member has ended."""
    if console.journal is None:
        console.say(line_of(outcome))
        return
    console.journal.say(
        "member_ended",
        level="info" if outcome.done else "error",
        member=outcome.member,
        target=outcome.target,
        run=outcome.run,
        status=outcome.status.value,
        exit_code=outcome.exit_code,
        duration_ms=outcome.duration_ms,
    )


def show(console: Console, result: FleetResult, *, muster: FleetSelection, style: str) -> None:
    """Write the result to stdout."""
    if style == "json":
        from reconciler.views import json

        console.data(json.document(result.as_json()))
    else:
        color, width = console.colors_data, console.width
        console.data(table(result, repeated=muster.repeated, width=width, color=color))

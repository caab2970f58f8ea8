"""One run of a fleet: who takes part, what is asked of them, and what is told at the end.

One member's part: `reconciler.cli.members`. How orders are carried out: the engines in
`reconciler.fleet`.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

from reconciler.cli import output, settings
from reconciler.cli.command import Invocation
from reconciler.cli.console import Console
from reconciler.cli.members import Crew
from reconciler.cli.signals import Interruption
from reconciler.desired.source import MAX_FILE
from reconciler.diagnostics import error
from reconciler.domain.rejection import InvalidInput, Refused
from reconciler.fleet.local import not_run, run_locally
from reconciler.fleet.orders import Halt, Order
from reconciler.fleet.outcome import FleetResult, MemberOutcome, Standing, Verb
from reconciler.fleet.progress import Progress, resume
from reconciler.fleet.roster import Fleet, Member, read_fleet
from reconciler.fleet.table import line_of, table

OTHERWISE = "look at `reconcile fleet plan`, then use --yes"
Ended = Callable[[MemberOutcome], None]


@dataclass(frozen=True, slots=True)
class Muster:
    """Which members of which fleet take part, and how many at a time."""

    file: Path = Path("fleet.yaml")
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    resume: str | None = None
    parallelism: int = 8
    deadline: float = 900

    def chosen(self, fleet: Fleet) -> list[Member]:
        """Give the members that take part."""
        return [
            member
            for member in fleet.members
            if (not self.only or any(fnmatchcase(member.name, glob) for glob in self.only))
            and not any(fnmatchcase(member.name, glob) for glob in self.exclude)
        ]


class Engine(Protocol):
    """Carries out orders and tells each outcome as it comes."""

    @property
    def name(self) -> str:
        """What outputs call it."""
        ...

    def run(self, orders: Sequence[Order], *, halt: Halt, ended: Ended) -> Awaitable[None]:
        """Carry out every order."""
        ...


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """This machine."""

    crew: Crew
    parallelism: int
    name: str = "local"

    async def run(self, orders: Sequence[Order], *, halt: Halt, ended: Ended) -> None:
        """Carry out every order, a few at a time."""
        await run_locally(orders, self.crew, parallelism=self.parallelism, halt=halt, ended=ended)


def read(file: Path) -> Fleet:
    """Read a fleet.yaml, or raise all that is wrong with it."""
    content = output.read(file, limit=MAX_FILE)
    fleet, found = read_fleet(content.encode(), path=file)
    if fleet is None:
        raise InvalidInput(found)
    return fleet


def crew_of(console: Console, fleet: Fleet) -> Crew:
    """Make the members of a fleet ready to work in this process."""
    environment = settings.from_environment().environment
    return Crew({member.name: member for member in fleet.members}, environment, console)


class FleetRun:
    """A run of a fleet from its first order to its table."""

    def __init__(
        self, invocation: Invocation, muster: Muster, engine: Engine, fleet: Fleet, *, verb: Verb
    ) -> None:
        from reconciler.cli import wiring

        self._console = invocation.console
        self._muster = muster
        self._engine = engine
        self._members = muster.chosen(fleet)
        if not self._members:
            raise InvalidInput([error("no-members", "no member of the fleet is chosen")])
        self._verb = verb
        folder = muster.file.absolute().parent / ".reconcile" / "fleet"
        self._progress = (
            resume(folder, muster.resume, verb=verb)
            if muster.resume is not None
            else Progress(folder, wiring.new_run(), verb)
        )
        if self._console.journal is not None:
            self._console.journal = self._console.journal.about(fleet_run=self._progress.run)
        self._progress.save()
        self._halt = Halt()
        self._outcomes: dict[str, MemberOutcome] = {}

    async def carry_out(
        self, interruption: Interruption, order: Callable[[Member], Order], *, asks: bool = False
    ) -> FleetResult:
        """Ask every member that is not done; with `asks` plan first and ask whether to apply.

        Raises `Refused` for the answer no.
        """
        self._stop_on(interruption)
        orders = [order(member) for member in self._members if not self._resumed(member)]
        if asks:
            orders = await self._approved(orders, interruption)
        await self._engine.run(orders, halt=self._halt, ended=self._ended)
        return FleetResult(
            self._progress.run,
            self._verb,
            self._engine.name,
            tuple(self._outcomes[member.name] for member in self._members),
        )

    def _stop_on(self, interruption: Interruption) -> None:
        def ask() -> None:
            self._halt.request("interrupted")
            self._console.insist("finishing what is in flight; press Ctrl-C again to leave at once")

        interruption.ask = ask

    def _resumed(self, member: Member) -> bool:
        outcome = self._progress.already(member)
        if outcome is not None:
            self._outcomes[member.name] = outcome
        return outcome is not None

    def _ended(self, outcome: MemberOutcome) -> None:
        self._outcomes[outcome.member] = outcome
        member = next(m for m in self._members if m.name == outcome.member)
        try:
            self._progress.note(member, outcome)
        except InvalidInput as reason:
            # What the member has done stands; only resuming would do it again.
            self._console.insist(f"warning: {reason.summary}")
        self._tell(outcome)

    def _tell(self, outcome: MemberOutcome) -> None:
        if self._console.journal is None:
            self._console.say(line_of(outcome))
            return
        self._console.journal.say(
            "member_ended",
            level="info" if outcome.done else "error",
            member=outcome.member,
            target=outcome.target,
            run=outcome.run,
            status=outcome.standing.value,
            exit_code=outcome.exit_code,
            duration_ms=outcome.duration_ms,
        )

    async def _approved(self, orders: Sequence[Order], interruption: Interruption) -> list[Order]:
        """Plan, show and ask; what cannot be planned is over, what is in sync is done."""
        planned: dict[str, MemberOutcome] = {}

        def keep(outcome: MemberOutcome) -> None:
            planned[outcome.member] = outcome

        plans = [_planning(order) for order in orders]
        await self._engine.run(plans, halt=self._halt, ended=keep)
        ready = [o for o in orders if planned[o.member].standing is Standing.DIFFERENT]
        for outcome in planned.values():
            if outcome.standing is not Standing.DIFFERENT:
                self._ended(outcome)
        if self._halt.requested:
            for order in ready:
                self._ended(not_run(order))
            return []
        if not ready:
            return []
        shown = FleetResult(
            self._progress.run,
            Verb.PLAN,
            self._engine.name,
            tuple(planned[m.name] for m in self._members if m.name in planned),
        )
        console = self._console
        console.insist(table(shown, width=console.width, color=console.colors_talk))
        with interruption.left_to_python():
            question = f"Apply to these {len(ready)} members?"
            agreed = console.confirm(question, otherwise=OTHERWISE)
        if not agreed:
            raise Refused([error("declined", "the answer was no; nothing was written")])
        return [_with(order, planned[order.member].pieces) for order in ready]


def _planning(order: Order) -> Order:
    return Order(order.member, Verb.PLAN, deadline=order.deadline)


def _with(order: Order, pieces: tuple[str, ...]) -> Order:
    return Order(
        order.member,
        order.verb,
        approved=pieces,
        deadline=order.deadline,
        keeps_records=order.keeps_records,
    )


def show(console: Console, result: FleetResult, *, style: str) -> None:
    """Write the result to stdout."""
    if style == "json":
        from reconciler.views import json

        console.data(json.document(result.as_json()))
    else:
        console.data(table(result, width=console.width, color=console.colors_data))

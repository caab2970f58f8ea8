"""Final check of a story: after one clean run, the API must equal the files, and stay equal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler import workflows
from reconciler.domain.state import SHADOW_SUFFIX
from reconciler.errors import Refused
from reconciler.execution.result import ApplyResult, Status
from reconciler.simulator.store import Record
from tests.simulation.chronicle import STRANGER, Made
from tests.simulation.oracles import differences, is_live, leaks
from tests.simulation.scenario import KEYS, OPTIONS
from tests.simulation.theatre import Line

if TYPE_CHECKING:
    from tests.simulation.play import Play

REFUSALS = frozenset({"archived"})
"""Codes that may block a plan in these worlds."""

OK = 200

OPEN = ("may have been carried out", "instead of", "did not return its slug")
"""Phrases in an unknown outcome which state that another integration may exist."""


@dataclass
class Verdict:
    """Final check of a play."""

    play: "Play"

    async def reach(self) -> None:
        """Apply once more without faults, and check the result."""
        self.play.theatre.chronicle.note("the faults stop")
        line = Line(self.play.theatre, who="clean", weather=None, strangers=None, crash=None)
        try:
            result = await self.play.one_run("clean", line)
        except Refused as refusal:
            codes = {diagnostic.code for diagnostic in refusal.diagnostics}
            self.play.story.ending = f"refused: {', '.join(sorted(codes))}"
            if not codes <= REFUSALS | self._of_strangers():
                self.play.blame(f"the clean run was refused: {codes}")
            return
        self._check_strays()
        excused = self._excused(result)
        self.play.story.ending = "refused in part" if excused else "converged"
        self._check_state(excused)
        await self._check_rest(excused)

    def _of_strangers(self) -> set[str]:
        """Return the code of the conflict if another client edited a shadow."""
        steps = self.play.theatre.chronicle.steps
        edited = any(self._is_edited_shadow(step.slug or "") for step in steps)
        return {"shadow-conflict"} if edited else set()

    def _is_edited_shadow(self, slug: str) -> bool:
        """Return whether another client wrote to a shadow."""
        steps = self.play.theatre.chronicle.steps
        return slug.endswith(SHADOW_SUFFIX) and any(
            step.who == STRANGER and step.slug == slug for step in steps
        )

    def _excused(self, result: ApplyResult) -> set[str]:
        """Return the slugs that the API refuses for a documented reason, and report all others."""
        excused = set()
        held_back = False
        for outcome in result.outcomes:
            if outcome.status is Status.APPLIED:
                if outcome.warnings:
                    self.play.blame(f"clean: {outcome.slug} has warnings: {outcome.warnings}")
                continue
            if outcome.status is Status.SKIPPED and held_back:
                excused.add(outcome.slug)
            elif self._is_refused(outcome.slug):
                held_back = True
                excused.add(outcome.slug)
            else:
                self.play.blame(f"clean: {outcome.slug} is {outcome.status.value}: {outcome.error}")
        return excused

    def _is_refused(self, slug: str) -> bool:
        switches = self.play.scenario.switches
        steps = self.play.theatre.chronicle.steps
        # Each rotation takes and frees the slug of a shadow.
        slugs = {slug, f"{slug}{SHADOW_SUFFIX}"}
        deleted = any(
            s.request.method == "DELETE" and s.slug in slugs and s.handled == 200 for s in steps
        )
        if deleted and not switches.slug_reuse_after_delete:
            return True
        return switches.delete_with_providers == "refuse"

    def _check_state(self, excused: set[str]) -> None:
        records = self.play.theatre.remote.integrations
        for slug, declared in self.play.scenario.wanted.items():
            record = records.get(slug)
            if slug in excused:
                continue
            if record is None or not is_live(record):
                self.play.blame(f"{slug} does not exist after the clean run")
                continue
            wrong = differences(record, declared)
            if wrong:
                self.play.blame(f"{slug} differs after the clean run: {wrong}")
        for slug in self.play.scenario.last_applied.integrations:
            if is_live(records.get(slug)) and slug not in excused:
                made = self.play.theatre.chronicle.made.get(records[slug]["id"])
                self.play.blame(f"{slug} was withdrawn and is still there, made by {made}")
        self._check_credentials(records, excused)

    def _check_credentials(self, records: Mapping[str, Record], excused: set[str]) -> None:
        for slug, record in records.items():
            # A shadow whose delete had to wait is in the result; one that another client has edited
            # is no longer recognized as ours and counts as unmanaged.
            waits = slug in excused or slug.removesuffix(SHADOW_SUFFIX) in excused
            if waits or self._is_edited_shadow(slug):
                continue
            # Where a delete archives, the shadow of a rotation stays archived.
            if slug.endswith(SHADOW_SUFFIX) and not is_live(record):
                continue
            if record["key"] in KEYS.values() and slug not in self.play.scenario.wanted:
                made = self.play.theatre.chronicle.made.get(record["id"])
                if made is None or made.slug == made.wanted:
                    self.play.blame(f"{slug} holds a credential of ours")

    def _check_strays(self) -> None:
        """Check that none of our integrations has another slug, unless an outcome reports it."""
        records = self.play.theatre.remote.integrations
        for identity, made in self.play.theatre.chronicle.made.items():
            stray = made.slug != made.wanted and made.who in self.play.watches
            record = records.get(made.slug)
            lives = record is not None and is_live(record) and record["id"] == identity
            if stray and lives and made.who not in self.play.crashed:
                self.play.story.marks.add("stray")
                if not self._is_owned_up(made):
                    self.play.blame(
                        f"{made.slug} was made for {made.wanted} by {made.who} and lives on"
                    )

    def _is_owned_up(self, made: Made) -> bool:
        """Return whether the run named the stray, or reported that it could not search for one.

        Only the next run can see a request that arrives after the outcome was reported.
        """
        watch = self.play.watches[made.who]
        # The outcome of a rotation reports about its shadow.
        wanted = made.wanted.removesuffix(SHADOW_SUFFIX)
        if made.step >= watch.ended.get(wanted, made.step + 1):
            return True
        outcome = watch.outcomes.get(wanted)
        if outcome is None or outcome.status is not Status.UNKNOWN or outcome.error is None:
            return False
        said = outcome.error.message
        return made.slug in said or any(phrase in said for phrase in OPEN)

    async def _check_rest(self, excused: set[str]) -> None:
        """Check that every later plan is empty and sends only GET, and an apply writes nothing."""
        if excused or self.play.dice.random() < 0.25:
            await self._check_plan(excused)
        if excused:
            return
        self.play.theatre.seconds += 60.0
        began = len(self.play.theatre.chronicle.steps)
        line = Line(self.play.theatre, who="once more", weather=None, strangers=None, crash=None)
        result = await self.play.one_run("once more", line)
        self._check_settled()
        if result.outcomes:
            self.play.blame(f"a second apply had to do: {[o.slug for o in result.outcomes]}")
        if any(step.request.writes for step in self.play.theatre.chronicle.steps[began:]):
            self.play.blame("a second apply wrote")

    def _check_settled(self) -> None:
        """Check that with a ledger, no secret of our runs is unverified after one clean run."""
        planned = self.play.watches["once more"].plan
        if planned is None or not self.play.scenario.remembers:
            return
        ours = {
            step.slug
            for step in self.play.theatre.chronicle.steps
            if step.who in self.play.watches
            and self.play.keeps_records(step.who)
            and step.handled == OK
            and "key" in (step.request.body or {})
        }
        for secret in planned.unverified:
            if secret.slug in ours:
                self.play.blame(f"{secret.slug}: {secret.path} was sent and is unverified")

    async def _check_plan(self, excused: set[str]) -> None:
        self.play.theatre.seconds += 60.0
        began = len(self.play.theatre.chronicle.steps)
        line = Line(self.play.theatre, who="plan", weather=None, strangers=None, crash=None)
        planned = await self.play.through(
            line, lambda api: workflows.plan(self.play.session(api), OPTIONS)
        )
        if any(step.request.method != "GET" for step in self.play.theatre.chronicle.steps[began:]):
            self.play.blame("a plan wrote")
        if leaks(planned.as_json()):
            self.play.blame("a secret stands in the plan")
        left = {action.slug for action in planned.actions} - excused
        if left:
            self.play.blame(f"the plan after the clean run is not empty: {left}")

"""Rules that must hold in every story, checked against the recorded requests."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.domain.state import SHADOW_SUFFIX, Declared, Lifecycle
from reconciler.domain.tree import Path
from reconciler.execution.events import ActionEnded, ActionStarted, CallStarted, Event, RunStarted
from reconciler.execution.result import Outcome, Status
from reconciler.planning.actions import Action, ActionKind
from reconciler.planning.plan import Plan
from reconciler.simulator.store import Record
from tests.simulation.chronicle import RECORD, STRANGER, Chronicle, Step
from tests.simulation.scenario import KEYS, VALUES

_PHASE = {
    ActionKind.CREATE: 0,
    ActionKind.UPDATE: 0,
    ActionKind.REPLACE: 1,
    ActionKind.DELETE: 2,
}


def is_live(record: Record | None) -> bool:
    """Return whether a record is active."""
    return record is not None and record["status"] == "active"


def differences(record: Record, declared: Declared) -> list[str]:
    """Return the differences of a record from the declaration, without code of the planner.

    Values that the file ignores are not compared.
    """
    ignored = [entry.path for entry in declared.lifecycle.ignore]
    return [
        name
        for name, want in declared.fields.items()
        if not _shows(record, name, _managed(name, want, ignored) if ignored else want)
    ]


def _managed(name: str, want: Any, ignored: Collection[Path]) -> Any:
    """Return a declared value without what is ignored, None if nothing of it is left."""
    below = {path[1:2] for path in ignored if path[0] == name}
    if () in below:
        return None
    match name:
        case "configurations":
            return {key: value for key, value in want.items() if (key,) not in below}
        case "models":
            return [entry for entry in want if (entry["slug"],) not in below]
        case "workspaces":
            return [entry for entry in want if (entry["id"],) not in below]
        case _:
            return want


def value_at(record: Record, path: Path) -> Any:
    """Return the value of a record at a path of `lifecycle.ignore`."""
    value: Any = record
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _shows(record: Record, name: str, want: Any) -> bool:
    if want is None:
        return True
    match name:
        case "key":
            return bool(record["key"] == KEYS[want])
        case "configurations":
            return all(record["configurations"].get(k) == v for k, v in want.items())
        case "models":
            everything = record["allow_all_models"]
            return all(_model(record["models"].get(e["slug"]), e, everything) for e in want)
        case "workspaces":
            return all(
                record["workspaces"].get(e["id"], {"enabled": False})["enabled"] == e["enabled"]
                for e in want
            )
        case _:
            return bool(record[name] == want)


def _model(stored: Mapping[str, Any] | None, want: Mapping[str, Any], everything: bool) -> bool:
    if stored is None:
        return not want.get("is_custom") and want["enabled"] == everything
    return bool(stored["enabled"] == want["enabled"])


def looks_like_ours(record: Record, declared: Declared) -> bool:
    """Return whether a record can be adopted: equal name, provider, declared configurations."""
    identifying = {"name", "ai_provider_id", "configurations", "workspace_id"}
    # A new integration has all values of the file, including ignored ones.
    whole = replace(declared, lifecycle=Lifecycle())
    return not identifying & set(differences(record, whole))


@dataclass
class Watch:
    """Observer of one run, by its events and its writes."""

    who: str
    wanted: Mapping[str, Declared]
    chronicle: Chronicle
    records: Callable[[], Mapping[str, Record]]
    reads_are_stale: bool
    violations: list[str]
    plan: Plan | None = None
    began: int = 0
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    guarded: set[str] = field(default_factory=set)
    is_closed: Callable[[], bool] = lambda: False
    late: set[str] = field(default_factory=set)

    def listen(self, event: Event) -> None:
        """Record an event of the run."""
        match event:
            case RunStarted(plan=plan):
                self.plan, self.began = plan, len(self.chronicle.steps)
            case ActionStarted(action=action):
                if self.is_closed():
                    self.late.add(action.slug)
            case CallStarted(of_shadow=True):
                pass  # its writes are checked when they are handled
            case CallStarted(action=action):
                self._check_order(action)
                if action.slug in self.late:
                    self._blame(f"{action.slug} began while nothing may be applied")
                if action.slug not in self.guarded:
                    self.guarded.add(action.slug)
                    self._check_guard(action)
            case ActionEnded(action=action, outcome=outcome):
                self.outcomes[action.slug] = outcome
                self.ended[action.slug] = len(self.chronicle.steps)
                self._check_truth(action, outcome)
            case _:
                pass

    def _blame(self, text: str) -> None:
        self.violations.append(f"{self.who}: {text}")
        self.chronicle.note(f"VIOLATION {text}")

    # -- order ---------------------------------------------------------------------------

    def _check_order(self, action: Action) -> None:
        for other in self.plan.actions if self.plan else ():
            earlier = _PHASE[other.kind] < _PHASE[action.kind]
            outcome = self.outcomes.get(other.slug)
            if earlier and (outcome is None or outcome.status is not Status.APPLIED):
                self._blame(
                    f"{action.kind.value} {action.slug} began before {other.slug} had succeeded"
                )

    # -- the guard before a write --------------------------------------------------------

    def _check_guard(self, action: Action) -> None:
        steps = self.chronicle.steps
        reads = [n for n in range(self.began, len(steps)) if self._is_read(steps[n], action.slug)]
        if not reads:
            self._blame(f"{action.kind.value} {action.slug} without a read before it")
            return
        guard = steps[reads[-1]]
        if self.reads_are_stale or not guard.faithful:
            return
        if action.kind is ActionKind.CREATE:
            if guard.answered == 200 and guard.shown["status"] == "active":
                self._blame(f"create {action.slug} although it was seen to exist")
            return
        for part in self._parts(action):
            self._check_unmoved(action, part, until=reads[-1])

    def _parts(self, action: Action) -> list[str]:
        seen = action.subject.observed
        if seen is None:
            return [RECORD]
        read = {"models": seen.models_read, "workspaces": seen.workspaces_read}
        return [RECORD, *(part for part, was_read in read.items() if was_read)]

    def _check_unmoved(self, action: Action, part: str, *, until: int) -> None:
        """Check for changes of other clients between the plan's read and that of the guard.

        A change between the parts of one read is invisible to all of them.
        """
        steps = self.chronicle.steps
        reads = [n for n, step in enumerate(steps) if self._is_read(step, action.slug, part)]
        planned = [n for n in reads if n < self.began] or self._listed(action.slug)
        guards = [n for n in reads if n >= self.began]
        if not planned or not guards:
            return
        first, last = planned[-1], min(guards[-1], until)
        if not (steps[first].faithful and steps[last].faithful):
            return
        for step in steps[first + 1 : last]:
            if self._moves(step, action.slug, part):
                self._blame(f"{action.kind.value} {action.slug} overwrote a change of {step.who}")

    def _is_read(self, step: Step, slug: str, part: str = RECORD) -> bool:
        return (
            step.who == self.who
            and step.request.method == "GET"
            and step.slug == slug
            and step.part == part
        )

    def _listed(self, slug: str) -> list[int]:
        steps = self.chronicle.steps
        return [
            n
            for n in range(self.began)
            if steps[n].who == self.who
            and steps[n].request.path == "/integrations"
            and steps[n].handled == 200
            and any(row["slug"] == slug for row in (steps[n].shown or {}).get("data", ()))
        ]

    def _moves(self, step: Step, slug: str, part: str | None = None) -> bool:
        return (
            (step.who != self.who or step.late)
            and step.request.writes
            and step.changed
            and step.slug == slug
            and part in {None, step.part}
        )

    # -- what outcomes say ---------------------------------------------------------------

    def _check_truth(self, action: Action, outcome: Outcome) -> None:
        if outcome.status is not Status.APPLIED or outcome.warnings:
            return
        if self._touched_by_others(action.slug):
            return
        record = self.records().get(action.slug)
        if action.kind is ActionKind.DELETE:
            if is_live(record):
                self._blame(f"delete {action.slug} is said to be applied, and it exists")
            return
        declared = self.wanted[action.slug]
        if record is None or not is_live(record):
            self._blame(f"{action.kind.value} {action.slug} is said to be applied, not there")
            return
        wrong = set(differences(record, declared))
        if wrong:
            self._blame(f"{action.kind.value} {action.slug} is said to be applied, but {wrong}")

    def _touched_by_others(self, slug: str) -> bool:
        steps = self.chronicle.steps
        writes = [
            n
            for n, step in enumerate(steps)
            if step.who == self.who and step.request.writes and step.slug == slug and not step.late
        ]
        since = writes[-1] if writes else self.began
        # Changes of other clients between two of our writes appear in the next plan.
        first = next((n for n in writes if n >= self.began), since)
        return any(self._moves(step, slug) for step in steps[min(first, since) :])

    # -- what is written where -----------------------------------------------------------

    def check_write(self, step: Step, record: Record | None) -> None:
        """Check one write when it is handled; `record` is the written record."""
        slug = step.slug or ""
        action = next((a for a in self.plan.actions if a.slug == slug), None) if self.plan else None
        if action is None:
            if slug.endswith(SHADOW_SUFFIX) and self._is_shadow(step, slug, record):
                return
            if not self._is_stray(step, record):
                self._blame(f"{step.request.method} {slug}, which is not in the plan")
            return
        if step.request.method == "DELETE" and step.part == RECORD:
            if action.kind not in {ActionKind.DELETE, ActionKind.REPLACE}:
                self._blame(f"deleted {slug}, which was to be kept")
            return
        if step.request.method == "PUT" and step.part == RECORD:
            self._check_fields(slug, step.request.body)
            self._check_adoption(action, step, record)

    def check_change(self, step: Step, before: Record | None, after: Record | None) -> None:
        """Check that a write has not changed what the file ignores, or what no read could show."""
        slug = step.slug or ""
        action = next((a for a in self.plan.actions if a.slug == slug), None) if self.plan else None
        if action is None or action.kind is not ActionKind.UPDATE or step.late:
            return
        if before is None or after is None or self.reads_are_stale or self._moved_since_read(slug):
            return
        for entry in self.wanted[slug].lifecycle.ignore:
            stored = value_at(before, entry.path)
            # A new entry needs a switch, although the file ignores it.
            is_new_switch = stored is None and len(entry.path) > 2
            if stored != value_at(after, entry.path) and not is_new_switch:
                self._blame(f"changed {entry.path} of {slug}, which its file ignores")

    def _is_shadow(self, step: Step, slug: str, record: Record | None) -> bool:
        """Return whether a write concerns the shadow of an action, and not a foreign integration.

        A late request was sent to the shadow, even if another client has taken the slug since.
        """
        planned = {a.staged_by for a in self.plan.actions} if self.plan else set()
        # The slug of an archived one is free.
        made = self.chronicle.made.get(record["id"]) if is_live(record) and record else None
        return slug in planned and (made is None or made.who != STRANGER or step.late)

    def _is_stray(self, step: Step, record: Record | None) -> bool:
        """Return whether a delete removes an integration that we created under another slug."""
        if step.request.method != "DELETE":
            return False
        if record is None:
            return True
        made = self.chronicle.made.get(record["id"])
        is_ours = made is not None and made.who != STRANGER and made.slug != made.wanted
        return is_ours or self._moved_since_read(record["slug"])

    def _check_fields(self, slug: str, body: Mapping[str, Any]) -> None:
        declared = self.wanted[slug].fields
        for name in body:
            if name not in declared:
                self._blame(f"wrote {name} of {slug}, which no file declares")

    def _check_adoption(self, action: Action, step: Step, record: Record | None) -> None:
        """Check that only an indistinguishable foreign integration receives a credential."""
        if action.kind not in {ActionKind.CREATE, ActionKind.REPLACE} or record is None:
            return
        made = self.chronicle.made.get(record["id"])
        if made is not None and made.who == self.who:
            return
        if self._moved_since_read(action.slug):
            return
        if not looks_like_ours(record, self.wanted[action.slug]) and "key" in step.request.body:
            self._blame(f"sent the credential of {action.slug} to a foreign integration")

    def _moved_since_read(self, slug: str) -> bool:
        """Return whether another client wrote undetectably between a read and the next write."""
        steps = self.chronicle.steps
        reads = [n for n, step in enumerate(steps) if self._is_read(step, slug) and step.handled]
        return bool(reads) and any(self._moves(step, slug) for step in steps[reads[-1] :])


def leaks(document: object) -> bool:
    """Return whether any output for people contains a secret."""
    text = document if isinstance(document, str) else json.dumps(document, default=str)
    return any(value.reveal() in text for value in VALUES.values())

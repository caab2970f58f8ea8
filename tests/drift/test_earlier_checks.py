"""Earlier checks shorten the time range of the audit log, but only if they are conclusive."""

import asyncio
import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from reconciler import workflows
from reconciler.cli import settings
from reconciler.domain.instants import parse_instant
from reconciler.domain.state import Declared, Observed
from reconciler.drift.who import Certainty, Who
from reconciler.ledger.models import SeenState
from reconciler.planning.plan import PlanOptions
from reconciler.simulator.messages import Actor, Request
from tests.builders import KEY as SECRET
from tests.builders import declared, desired
from tests.cli.project import Here
from tests.drift.test_attribution import HOUR, IDS, Log, moment
from tests.drift.writers import ANN, BOB, KEY, Writers, known, writers
from tests.runs import START

DAY = 24 * HOUR
CHECK, CHANGE = 10 * DAY, 11 * DAY
BY_BOB = {"user_id": BOB.id}


class Checked(Log):
    """Integration that was applied at the start, checked after ten days and then changed.

    Ann wrote to it before the check, Bob after it.
    """

    asked_at = 12 * DAY

    def __init__(self, *files: Declared, body: dict[str, Any] | None = None) -> None:
        super().__init__(*files)
        self.world.put("PUT", "/integrations/alpha", {"description": "declared"})
        self.world.seconds = CHECK
        session = self.world.session(desired(*self.files))
        _, found = asyncio.run(workflows.observe_and_plan(session, PlanOptions(audit=True)))
        self.read: Observed = found.integrations["alpha"]
        self.world.seconds = CHANGE
        self.world.put("PUT", "/integrations/alpha", body or {"description": "by hand"})
        self.world.store.clear_audit_log()
        self.log(5 * DAY).log(CHANGE, **BY_BOB)

    def seen(self, *, at: float = CHECK, **changes: Any) -> dict[str, SeenState]:
        return {"alpha": SeenState(replace(self.read, **changes), moment(at))}


def verdict(who: Who, path: str | None = "description") -> str:
    found = who.by_place["alpha", path]
    return " ".join([found.verdict.value, *(IDS.get(w.id, "?") for w in found.writers)])


def days_read(who: Who) -> float:
    since = parse_instant(who.since)
    assert since is not None
    return (START + timedelta(seconds=Checked.asked_at) - since).total_seconds() / DAY


def test_requests_before_a_check_that_read_the_declared_value_do_not_count() -> None:
    log = Checked()
    without = log.who()
    assert (verdict(without), days_read(without) > 12) == ("ambiguous bob ann", True)
    who = log.who(seen=log.seen())
    assert (verdict(who), 2 < days_read(who) < 2.1) == ("known bob", True)


def test_a_request_shortly_before_the_check_still_counts() -> None:
    log = Checked().log(CHECK - HOUR / 2)
    assert verdict(log.who(seen=log.seen())) == "ambiguous bob ann"


@pytest.mark.parametrize(
    "changes",
    [
        {"detailed": False},
        {"id": "another"},
        {"id": None},
        {"status": "archived"},
        {"fields": {"name": "Alpha", "description": "by hand"}},
        {"fields": {"name": "Alpha", "description": "a third value"}},
        {"fields": {"name": "Alpha"}},
    ],
)
def test_an_inconclusive_check_is_not_used(changes: dict[str, Any]) -> None:
    log = Checked()
    assert verdict(log.who(seen=log.seen(**changes))) == "ambiguous bob ann"


def test_a_time_that_cannot_be_read_is_not_used() -> None:
    log = Checked()
    seen = {"alpha": SeenState(log.read, "soon")}
    assert verdict(log.who(seen=seen)) == "ambiguous bob ann"


def test_a_check_by_a_clock_that_is_ahead_is_not_used() -> None:
    log = Checked()
    assert verdict(log.who(seen=log.seen(at=13 * DAY))) == "ambiguous bob ann"


def test_a_check_before_the_last_run_changes_nothing() -> None:
    log = Checked()
    assert log.who(seen=log.seen(at=-DAY)) == log.who()


MODELS = [{"slug": "gpt-5", "enabled": True}]


@pytest.mark.parametrize(("is_read", "said"), [(True, "known bob"), (False, "ambiguous bob ann")])
def test_access_counts_only_if_it_was_read(said: str, *, is_read: bool) -> None:
    files = declared(
        "alpha", description="declared", key=SECRET, models=MODELS, allow_all_models=False
    )
    log = Checked(files, body={"description": "declared"})
    log.world.put(
        "PUT", "/integrations/alpha/models", {"models": [{"slug": "gpt-5", "enabled": False}]}
    )
    log.world.store.clear_audit_log()
    uri = {"uri": "/v1/integrations/alpha/models"}
    log.log(5 * DAY, **uri).log(CHANGE, **uri, **BY_BOB)
    who = log.who(seen=log.seen(models_read=is_read))
    assert verdict(who, "models[gpt-5].enabled") == said


def test_a_deleted_integration_existed_when_it_was_checked() -> None:
    log = Checked()
    log.world.put("DELETE", "/integrations/alpha", {})
    log.world.store.clear_audit_log()
    log.log(5 * DAY, method="DELETE").log(CHANGE, method="DELETE", **BY_BOB)
    assert verdict(log.who(), None) == "ambiguous bob ann"
    assert verdict(log.who(seen=log.seen()), None) == "known bob"


def test_the_oldest_of_several_differences_determines_the_time_range() -> None:
    log = Checked(body={"description": "by hand", "name": "By hand"})
    seen = log.seen(fields={**log.read.fields, "name": "A third name"})
    who = log.who(seen=seen)
    assert (verdict(who), days_read(who) > 12) == ("known bob", True)
    assert verdict(who, "name") == "ambiguous bob ann"


def test_a_created_integration_needs_no_older_part_of_the_log(tmp_path: Path) -> None:
    with writers(tmp_path) as at:
        at.project.integration("alpha")
        at.project.apply()
        # The create by `reconcile` would be as close in time.
        at.world.store.clear_audit_log()
        body = {"slug": "stray", "name": "Stray", "ai_provider_id": "openai", "key": "sk-stray"}
        at.write(ANN, "POST", "", body)
        for _ in range(250):
            at.world.log(timestamp=ago(days=20), uri="/v1/configs/x", resource_type="configs")
        assert known(ANN, at.answers()["stray", None])
        assert at.pages == 1


class Story(Log):
    """Random writes of three actors, and a check between two of them."""

    asked_at = 20 * DAY

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.world.put("PUT", "/integrations/alpha", {"description": "declared"})
        self.world.store.clear_audit_log()
        random = Random(seed)
        self.changer: str | None = None
        self.value = "declared"
        count = random.randint(1, 6)
        checked_before = random.randrange(count)
        for number, at in enumerate(sorted(random.uniform(1, 19) for _ in range(count))):
            self.world.seconds = at * DAY
            if number == checked_before:
                self.check(at * DAY)
                self.world.seconds += random.choice([0, HOUR / 2, 2 * HOUR])
            self.write(random.choice([ANN, BOB, KEY]), random.choice(["declared", "x", "y", None]))

    def check(self, at: float) -> None:
        session = self.world.session(desired(*self.files))
        _, found = asyncio.run(workflows.observe_and_plan(session, PlanOptions(audit=True)))
        self.seen = {"alpha": SeenState(found.integrations["alpha"], moment(at))}

    def write(self, actor: Actor, value: str | None) -> None:
        """Write the description, or another field if no value is passed."""
        body = {"name": "Alpha"} if value is None else {"description": value}
        assert self.world.write(actor, "PUT", "/alpha", body) == 200
        if value is not None and value != self.value:
            self.changer, self.value = actor.id, value


@pytest.mark.parametrize("seed", range(40))
def test_in_generated_stories_a_known_writer_is_the_one_that_made_the_change(seed: int) -> None:
    story = Story(seed)
    without, narrowed = story.who(), story.who(seen=story.seen)
    if story.value == "declared":
        assert ("alpha", "description") not in narrowed.by_place
        return
    found = narrowed.by_place["alpha", "description"]
    assert story.changer in {writer.id for writer in found.writers}
    if found.verdict is Certainty.KNOWN:
        assert [writer.id for writer in found.writers] == [story.changer]
    assert len(found.writers) <= len(without.by_place["alpha", "description"].writers)


# -- through the command -----------------------------------------------------------------


def ago(**time: float) -> str:
    return (settings.now() - timedelta(**time)).isoformat(timespec="milliseconds")


def older(project: Here, *, run: timedelta, check: timedelta | None) -> None:
    """Age the runs and the reads of checks in the ledger."""
    ran = settings.now() - run
    with sqlite3.connect(project.state / "ledger.db") as ledger:
        name = f"{ran:%Y%m%dT%H%M%SZ}-00000000"
        ledger.execute("UPDATE runs SET run = ?, started_at = ?", (name, ran.isoformat()))
        ledger.execute("UPDATE declared SET run = ?", (name,))
        ledger.execute("UPDATE calls SET started_at = ?, ended_at = ?", (ran.isoformat(),) * 2)
        if check is not None:
            ledger.execute("UPDATE seen SET read_at = ?", ((settings.now() - check).isoformat(),))
    ledger.close()


def busy(at: Writers) -> None:
    """Apply an integration, check it, and fill the log with requests about something else."""
    at.project.integration("alpha", description="declared")
    at.project.apply()
    assert at.project.run("drift", "--incremental").code == 0
    at.world.store.clear_audit_log()
    for _ in range(450):
        at.world.log(timestamp=ago(days=20), uri="/v1/configs/other", resource_type="configs")
    at.world.log(timestamp=ago(days=15))


@pytest.mark.parametrize("words", [(), ("--incremental",)])
@pytest.mark.parametrize(("is_checked", "pages"), [(False, 5), (True, 1)])
def test_pages_before_a_check_are_not_read(
    tmp_path: Path, words: tuple[str, ...], pages: int, *, is_checked: bool
) -> None:
    with writers(tmp_path) as at:
        busy(at)
        older(at.project, run=timedelta(days=25), check=timedelta(days=2) if is_checked else None)
        if not is_checked:
            with sqlite3.connect(at.project.state / "ledger.db") as ledger:
                ledger.execute("DELETE FROM seen")
            ledger.close()
        at.write(BOB, "PUT", "/alpha", {"description": "by hand"})
        answer = at.answers(*words)["alpha", "description"]
        assert at.pages == pages
        assert known(BOB, answer) == is_checked


class Timed(list[Request]):
    """Request log with the time of the first request."""

    first: datetime | None = None

    def append(self, request: Request) -> None:
        self.first = self.first or settings.now()
        super().append(request)


def test_a_check_is_dated_before_its_reads(tmp_path: Path) -> None:
    with writers(tmp_path) as at:
        at.project.integration("alpha", description="declared")
        at.project.apply()
        at.upstream.requests = requests = Timed()
        assert at.project.run("drift", "--incremental").code == 0
        with sqlite3.connect(at.project.state / "ledger.db") as ledger:
            [(read_at,)] = ledger.execute("SELECT read_at FROM seen")
        ledger.close()
        found = parse_instant(read_at)
        assert found is not None
        assert requests.first is not None
        assert found <= requests.first

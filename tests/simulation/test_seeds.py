"""Thousands of stories, none of which may break a rule, and tests that the rules catch errors."""

import asyncio
from pathlib import Path

import pytest

from reconciler.domain.state import LastAppliedState
from reconciler.ledger.store import open_ledger
from tests.simulation import recipes
from tests.simulation.campaign import Tally, play_all, run_campaign
from tests.simulation.memory_ledger import MemoryLedger
from tests.simulation.play import run_seed

AT_THE_SEAM = 10_000
OVER_HTTP = 500
POWER = 300
WITH_A_LEDGER = 25


def _judge(tally: Tally, name: str, record: pytest.FixtureRequest) -> None:
    record.node.user_properties.append(("simulation", f"{name}: {tally.line}"))
    assert not tally.violating, tally.report


@pytest.mark.slow
def test_ten_thousand_stories_break_no_rule(request: pytest.FixtureRequest) -> None:
    tally = run_campaign(0, AT_THE_SEAM)
    _judge(tally, "planner and executor at the seam of the API", request)
    assert tally.seeds == AT_THE_SEAM
    assert tally.endings["converged"] > 0.9 * AT_THE_SEAM, tally.endings


@pytest.mark.slow
def test_five_hundred_stories_through_the_real_client_break_no_rule(
    request: pytest.FixtureRequest,
) -> None:
    tally = run_campaign(0, OVER_HTTP, over_http=True)
    _judge(tally, "through the real HTTP client", request)
    assert tally.endings["converged"] > 0.9 * OVER_HTTP, tally.endings


@pytest.mark.slow
def test_the_ledger_in_memory_stores_the_same_as_the_real_one(tmp_path: Path) -> None:
    for seed in range(WITH_A_LEDGER):
        path = tmp_path / f"{seed}.db"
        with open_ledger(None, path=path, pepper="pepper") as ledger:
            story = run_seed(seed, ledger=ledger)
        assert story.violations == []
        assert str(story) == str(run_seed(seed))


@pytest.mark.slow
def test_the_oracles_catch_a_ledger_that_loses_intents() -> None:
    class Forgetful(MemoryLedger):
        def last_applied(self, key: object) -> LastAppliedState:
            self.intents.clear()
            return super().last_applied(key)

    stories = (run_seed(seed, ledger=Forgetful()) for seed in range(POWER))
    assert any("was sent and is unverified" in t for story in stories for t in story.violations)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "blame"),
    [
        (recipes.BlindRetry(), "lives on"),
        (recipes.Unguarded(), "without a read before it"),
        (recipes.Forgetful(), "overwrote a change"),
        (recipes.DeletesFirst(), "began before"),
        (recipes.Optimistic(), "is said to be applied"),
        (recipes.Gullible(), "credential"),
        (recipes.Overwriting(), "which its file ignores"),
        (recipes.Impatient(), "began while nothing may be applied"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, recipes.Recipe) else "",
)
def test_the_oracles_catch_a_broken_recipe(recipe: recipes.Recipe, blame: str) -> None:
    stories = (run_seed(seed, recipe=recipe) for seed in range(POWER))
    assert any(blame in text for story in stories for text in story.violations)


@pytest.mark.slow
def test_a_violation_shows_its_story_and_how_to_replay_it() -> None:
    tally = asyncio.run(play_all(range(20), over_http=False, recipe=recipes.Unguarded()))
    seed = tally.violating[0]
    assert f"replay: python -m tests.simulation --seeds 1 --start {seed}" in tally.report
    assert "→ GET /integrations" in tally.report
    assert tally.line.startswith(f"20 seeds, {len(tally.violating)} violations, ")


def test_a_seed_always_plays_the_same_story() -> None:
    assert str(run_seed(7)) == str(run_seed(7))
    assert str(run_seed(7, over_http=True)) == str(run_seed(7, over_http=True))

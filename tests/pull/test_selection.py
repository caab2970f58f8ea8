"""Selection of integrations for a pull: patterns and scope work as in a plan."""

import pytest

from reconciler.domain.state import ObservedState, UnreadableIntegration
from reconciler.pull.selection import Candidates
from tests.pull.pulling import CONFIG, Repository


@pytest.mark.parametrize(
    ("scope", "unreadable"),
    [
        ("['*']", ["new-1", "old-1"]),
        ("['new-*']", ["new-1"]),
        ("['!old-*']", ["new-1"]),
        ("['*', '!old-*']", ["new-1"]),
        ("['!*']", []),
    ],
)
def test_an_unreadable_integration_in_the_scope_is_reported(
    scope: str, unreadable: list[str]
) -> None:
    config = CONFIG.replace('API_KEY}"', f'API_KEY}}", scope: {{slugs: {scope}}}')
    state = Repository(config=config).loaded().state
    assert state is not None
    damaged = {
        slug: UnreadableIntegration(slug, "unreadable-record", "damaged")
        for slug in ("new-1", "old-1")
    }
    observed = ObservedState({}, unreadable=damaged)
    assert Candidates(state).unreadable(observed) == unreadable
    assert Candidates(state, everything=True).unreadable(observed) == ["new-1", "old-1"]
    assert Candidates(state, ("old-*",), everything=True).unreadable(observed) == ["old-1"]

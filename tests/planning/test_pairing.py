"""Pairing by content gives the same result as the simple rule."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.tree import leaves
from reconciler.planning.identifier_forms import fits, pair_by_content


def plain_rule(declared: dict[str, Any], shown: dict[str, Any]) -> dict[str, str]:
    """Pair the declaration with the fewest matches first, with the entry of the fewest fields."""
    waiting, free, paired = set(declared), dict(shown), {}
    while waiting:
        fitting = {i: [u for u in free if fits(free[u], declared[i])] for i in waiting}
        identity = min(sorted(waiting), key=lambda i: len(fitting[i]))
        waiting.remove(identity)
        if fitting[identity]:
            entry = min(sorted(fitting[identity]), key=lambda u: len(list(leaves(free[u]))))
            paired[entry] = identity
            del free[entry]
    return paired


limits = st.fixed_dictionaries(
    {}, optional={"type": st.sampled_from(["cost", "tokens"]), "credit_limit": st.integers(1, 3)}
)
entries = st.fixed_dictionaries(
    {"enabled": st.booleans()},
    optional={
        "usage_limits": limits | st.none(),
        "rate_limits": limits,
        "names": st.lists(st.sampled_from(["a", "b"]), max_size=2),
    },
)


@given(
    declared=st.dictionaries(st.sampled_from("abcdefgh"), entries, max_size=8),
    shown=st.dictionaries(st.sampled_from("ABCDEFGH"), entries, max_size=8),
)
def test_entries_are_paired_like_the_simple_rule(
    declared: dict[str, Any], shown: dict[str, Any]
) -> None:
    assert pair_by_content(declared, shown) == plain_rule(declared, shown)


@pytest.mark.parametrize(
    ("entry", "declared", "is_match"),
    [
        ({"enabled": True, "x": 1}, {"enabled": True}, True),
        ({"enabled": True}, {"enabled": True, "usage_limits": {}}, True),
        ({"enabled": True}, {"enabled": True, "rate_limits": None}, True),
        ({"enabled": 1}, {"enabled": True}, True),
        ({"enabled": False}, {"enabled": True}, False),
        ({"enabled": True}, {"enabled": True, "usage_limits": {"credit_limit": 1}}, False),
        (None, {"enabled": True}, False),
    ],
)
def test_an_entry_fits_if_it_has_all_that_is_declared(
    entry: Any, declared: Any, is_match: bool
) -> None:
    assert fits(entry, declared) is is_match

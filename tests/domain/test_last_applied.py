"""Merging the last-applied state with the state that Git declared at a commit."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.secrets import Pepper, Redacted, SecretRef
from reconciler.domain.state import LastApplied, LastAppliedState, SecretRecord, merged

PEPPER = Pepper("p", Redacted("key"))
KEY = ("key",)


def last_applied(**integrations: LastApplied) -> LastAppliedState:
    return LastAppliedState(integrations=integrations)


def declared(**fields: Any) -> LastApplied:
    return LastApplied(declared=fields)


def test_entries_of_only_one_side_are_kept() -> None:
    both = merged(last_applied(a=declared(name="A")), last_applied(b=declared(name="B")))
    assert both.of("a").declared == {"name": "A"}
    assert both.of("b").declared == {"name": "B"}


def test_applied_values_take_precedence_over_declared_ones() -> None:
    applied, then = declared(name="applied"), declared(name="then", description="then")
    both = merged(last_applied(a=applied), last_applied(a=then))
    assert both.of("a").declared == {"name": "applied", "description": "then"}


def test_an_entry_known_to_either_side_can_be_withdrawn() -> None:
    applied = declared(workspaces=[{"id": "one", "enabled": True}])
    then = declared(workspaces=[{"id": "one", "enabled": False}, {"id": "two", "enabled": True}])
    assert merged(last_applied(a=applied), last_applied(a=then)).of("a").declared == {
        "workspaces": [{"id": "one", "enabled": True}, {"id": "two", "enabled": True}]
    }


def test_an_integration_protected_in_either_is_protected() -> None:
    protected, free = LastApplied(protected=True), LastApplied()
    assert merged(last_applied(a=protected), last_applied(a=free)).of("a").protected
    assert merged(last_applied(a=free), last_applied(a=protected)).of("a").protected


def test_the_record_of_a_write_takes_precedence_over_a_reference_in_git() -> None:
    written = SecretRecord(SecretRef("env", "A"), fingerprint="p:0")
    named = SecretRecord(SecretRef("env", "B"))
    first = LastAppliedState({"a": LastApplied(secrets={KEY: written})}, pepper=PEPPER)
    both = merged(first, last_applied(a=LastApplied(secrets={KEY: named, ("other",): named})))
    assert both.of("a").secrets == {KEY: written, ("other",): named}
    assert both.pepper is PEPPER


ENTRIES = st.lists(st.sampled_from("xyz").map(lambda slug: {"slug": slug}), unique_by=str)
PASTS = st.builds(
    LastApplied,
    declared=st.none() | st.fixed_dictionaries({}, optional={"models": ENTRIES, "name": st.text()}),
    protected=st.booleans(),
)
MEMORIES = st.builds(
    LastAppliedState,
    integrations=st.dictionaries(st.sampled_from("abc"), PASTS),
    complete=st.booleans(),
)


@given(MEMORIES)
def test_merging_with_an_empty_state_changes_nothing(known: LastAppliedState) -> None:
    assert merged(known, LastAppliedState()) == known
    assert merged(LastAppliedState(), known) == known
    assert merged(known, known) == known

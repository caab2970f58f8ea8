"""The last-applied state of integrations, and the target that it belongs to."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.schema import any_provider_schema
from reconciler.domain.secrets import Mask, Redacted, SecretRef
from reconciler.domain.state import LastAppliedState, SecretRecord
from reconciler.domain.tree import Value, leaves
from reconciler.ledger.codec import tree_from_text, tree_to_text
from reconciler.ledger.location import TargetKey
from reconciler.ledger.models import Confirmed
from reconciler.ledger.store import Ledger
from tests.ledger.builders import BASE_URL, KEY, REF, declared, ledger_in, seen

RECORD = SecretRecord(REF, fingerprint="p:00", mask=Mask("sk-***a"))
HEADER = ("configurations", "custom_headers", "x-api-key")


def key(organisation: str | None, *, name: str = "production", url: str = BASE_URL) -> TargetKey:
    return TargetKey.of(name=name, base_url=url, organisation=organisation)


def test_a_declaration_is_returned_unchanged(tmp_path: Path) -> None:
    models = [{"slug": "gpt-5", "enabled": True}, {"slug": "x", "custom_host": None}]
    one = declared("a", protected=True, models=models, tags={}, configurations={"n": 1.5})
    with ledger_in(tmp_path) as ledger:
        ledger.store_confirmed(KEY, [Confirmed(one, {("key",): RECORD}), Confirmed(declared("b"))])
        last_applied = ledger.last_applied(KEY)
    assert last_applied.of("a").declared == one.fields
    assert last_applied.of("a").protected
    assert last_applied.of("a").secrets == {("key",): RECORD}
    assert not last_applied.of("b").protected
    assert last_applied.of("b").secrets == {}
    assert last_applied.of("c").declared is None


def test_a_secret_that_was_not_written_keeps_its_record(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        ledger.store_confirmed(KEY, [Confirmed(declared("a"), {("key",): RECORD})])
        ledger.store_confirmed(KEY, [Confirmed(declared("a", name="Renamed"))])
        assert ledger.last_applied(KEY).of("a").secrets == {("key",): RECORD}
        newer = SecretRecord(REF, fingerprint="p:11")
        ledger.store_confirmed(KEY, [Confirmed(declared("a"), {("key",): newer})])
        assert ledger.last_applied(KEY).of("a").secrets == {("key",): newer}


def test_literals_and_paths_in_keyed_lists_have_records(tmp_path: Path) -> None:
    literal = SecretRecord(SecretRef("literal", ""), fingerprint="p:22", mask_agreed=False)
    headers = {"custom_headers": {"x-team": Redacted("red")}}
    nested = {"slug": "gpt-5", "configurations": {"custom_headers": {"x-api-key": REF}}}
    paths = (
        ("configurations", "custom_headers", "x-team"),
        ("models", "gpt-5", "configurations", "custom_headers", "x-api-key"),
    )
    records = {paths[0]: literal, paths[1]: RECORD}
    with ledger_in(tmp_path) as ledger:
        one = declared("a", configurations=headers, models=[nested])
        ledger.store_confirmed(KEY, [Confirmed(one, records)])
        ledger.store_confirmed(KEY, [Confirmed(one)])
        assert ledger.last_applied(KEY).of("a").secrets == records


def _records_of_another_tool(ledger: Ledger) -> None:
    """Store records for a slug with a fingerprint, one without, and one without a declaration."""
    bare = SecretRecord(REF)
    ledger.store_confirmed(KEY, [Confirmed(declared("a"), {("key",): RECORD})])
    ledger.store_confirmed(KEY, [Confirmed(declared("b"), {("key",): bare})])
    other = SecretRecord(REF, fingerprint="p:99", mask=Mask("sk-***z"))
    ledger.store_secrets(KEY, {slug: {("key",): other} for slug in "abc"})
    found = ledger.last_applied(KEY)
    assert found.of("a").secrets == {("key",): RECORD}
    assert found.of("b").secrets == found.of("c").secrets == {("key",): other}
    assert found.of("c").declared is None
    ledger.store_confirmed(KEY, [Confirmed(declared("c"), identity="1")])
    assert ledger.last_applied(KEY).of("c").secrets == {("key",): other}
    assert ledger.verify() == []
    ledger.store_confirmed(KEY, [], gone=["c"])
    assert ledger.last_applied(KEY).of("c").secrets == {}
    assert ledger.verify() == []


def test_secrets_that_another_tool_wrote_are_known_until_a_run_writes_them(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        _records_of_another_tool(ledger)


@pytest.mark.needs_system
def test_a_shared_ledger_knows_what_another_tool_wrote(url: str, tmp_path: Path) -> None:
    with ledger_in(tmp_path, url=url) as ledger:
        _records_of_another_tool(ledger)


def test_a_ledger_with_records_of_a_target_shows_what_was_never_declared(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        assert not ledger.last_applied(KEY).complete
        ledger.store_confirmed(KEY, [])
        assert ledger.last_applied(KEY).complete


def test_the_record_of_an_undeclared_secret_is_removed(tmp_path: Path) -> None:
    headers = {"custom_headers": {"x-api-key": REF}}
    with ledger_in(tmp_path) as ledger:
        both = {("key",): RECORD, HEADER: RECORD}
        ledger.store_confirmed(KEY, [Confirmed(declared("a", configurations=headers), both)])
        assert ledger.last_applied(KEY).of("a").secrets == both
        ledger.store_confirmed(KEY, [Confirmed(declared("a"))])
        assert ledger.last_applied(KEY).of("a").secrets == {("key",): RECORD}


def test_records_of_deleted_integrations_are_removed(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        ledger.store_confirmed(KEY, [Confirmed(declared("a"), {("key",): RECORD})])
        ledger.store_seen_states(KEY, {"a": seen("a"), "b": seen("b")})
        ledger.store_confirmed(KEY, [], gone=["a"])
        assert ledger.last_applied(KEY).integrations == {}
        assert ledger.seen_states(KEY) == {"b": seen("b")}


def test_observed_states_are_replaced_one_by_one(tmp_path: Path) -> None:
    with ledger_in(tmp_path) as ledger:
        ledger.store_seen_states(KEY, {"a": seen("a"), "b": seen("b")})
        ledger.store_seen_states(KEY, {"a": seen("a", at="t2", tags={"team": "search"})})
        newer = seen("a", at="t2", tags={"team": "search"})
        assert ledger.seen_states(KEY) == {"a": newer, "b": seen("b")}


def test_unmasked_secrets_are_not_stored(tmp_path: Path) -> None:
    shown = {"custom_headers": {"x-team": Redacted("in the clear")}}
    with ledger_in(tmp_path) as ledger:
        ledger.store_seen_states(KEY, {"a": seen("a"), "b": seen("b")})
        ledger.store_seen_states(KEY, {"a": seen("a", configurations=shown)})
        assert list(ledger.seen_states(KEY)) == ["b"]
    assert b"in the clear" not in (tmp_path / "ledger.db").read_bytes()


def test_targets_hosts_and_organisations_are_kept_apart(tmp_path: Path) -> None:
    keys = [
        key("org-1"),
        key("org-2"),
        key("org-1", name="staging"),
        key("org-1", url="https://eu.example/v1"),
        key(None, name="simulator", url="simulator:"),
    ]
    with ledger_in(tmp_path) as ledger:
        for number, each in enumerate(keys):
            ledger.store_confirmed(each, [Confirmed(declared(f"slug-{number}"))])
        found = [list(ledger.last_applied(each).integrations) for each in keys]
        assert found == [[f"slug-{number}"] for number in range(len(keys))]
        assert ledger.organisations(key(None)) == {"org-1", "org-2"}
        assert ledger.last_applied(key(None)) == LastAppliedState(pepper=ledger.pepper)


def test_records_without_an_organisation_are_assigned_to_the_first_known_one(
    tmp_path: Path,
) -> None:
    with ledger_in(tmp_path) as ledger:
        ledger.store_confirmed(key(None), [Confirmed(declared("a"))])
        assert ledger.organisations(key(None)) == frozenset()
        assert list(ledger.last_applied(key("org-1")).integrations) == ["a"]
        ledger.store_confirmed(key("org-1"), [Confirmed(declared("b"))])
        assert ledger.organisations(key(None)) == {"org-1"}
        assert sorted(ledger.last_applied(key("org-1")).integrations) == ["a", "b"]
        assert ledger.last_applied(key("org-2")).integrations == {}
        assert sorted(ledger.last_applied(key(None)).integrations) == ["a", "b"]


def test_the_path_of_an_api_does_not_distinguish_targets() -> None:
    assert key("o", url="https://a.example/v1") == key("o", url="https://user@a.example/v2/")


NAMES = st.sampled_from(["key", "configurations", "custom_headers", "x-api-key", "name", "models"])
LEAVES: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(),
    st.builds(SecretRef, st.just("vault"), st.text(min_size=1)),
    st.builds(Mask, st.text()),
)
TREES = st.dictionaries(
    NAMES,
    st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner),
        max_leaves=9,
    ),
)


@given(TREES)
def test_text_in_a_secret_field_is_never_stored(tree: dict[str, Value]) -> None:
    written = tree_from_text(tree_to_text(tree))
    for path, leaf in leaves(written):
        field = any_provider_schema().at(path)
        if path and field.is_known and field.facts.sensitive:
            assert isinstance(leaf, SecretRef | Mask | Redacted | None)


@given(st.builds(SecretRef, st.sampled_from(["env", "vault"]), st.text(min_size=1)), st.text())
def test_references_and_masks_are_returned(ref: SecretRef, mask: str) -> None:
    tree = {"key": ref, "configurations": {"aws_secret_access_key": Mask(mask)}}
    assert tree_from_text(tree_to_text(tree)) == tree


def test_a_withheld_value_of_an_unknown_field_is_returned_as_withheld() -> None:
    hidden, mask = Redacted("in the clear"), Mask("ab***yz")
    tree = {"configurations": {"hint": hidden, "api_host": mask, "region_hint": "eu"}}
    written = tree_to_text(tree)
    assert "in the clear" not in written
    found = tree_from_text(written)["configurations"]
    assert isinstance(found, dict)
    assert isinstance(found["hint"], Redacted)
    assert found["api_host"] == mask
    assert found["region_hint"] == "eu"  # its target vouches for it

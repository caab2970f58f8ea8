"""Other documents and invalid Terraform states are refused with a location, without a write."""

import copy
import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.diagnostics import SourceLocation
from reconciler.domain.tree import Tree
from reconciler.errors import InvalidInput
from reconciler.pull.terraform_file import MAX_STATE
from reconciler.pull.terraform_handover import handover
from reconciler.pull.terraform_state import ManagedEntry, Resource, read_state
from reconciler.pull.terraform_workspaces import match_workspaces
from tests.cli.project import Here
from tests.pull.terraforming import CANARIES, FOLDER, STATE, STATE_FILE, resource, resources

SHOWN = json.dumps(STATE)
PLAN = {"format_version": "1.2", "planned_values": {}, "resource_changes": [], "prior_state": STATE}
SCHEMAS = {"format_version": "1.0", "provider_schemas": {}}
OLDER = {"version": 3, "modules": [{"outputs": {"key": "canary"}}]}
ENCRYPTED = {"serial": 1, "lineage": "a", "encrypted_data": "Y2FuYXJ5", "encryption_version": "v0"}

NO_STATES = {
    "empty": (b"", "is empty"),
    "truncated": (SHOWN[: len(SHOWN) // 2].encode(), "is not JSON"),
    "truncated between values": (SHOWN[:-2].encode(), "ends in the middle of the JSON"),
    "the text of terraform show": (b'# portkey_integration.main:\nkey = "canary"\n', "`-json` is"),
    "not UTF-8": (b'{"key": "canary\xff"}', "is not UTF-8"),
    "UTF-16": ('{"key": "canary"}'.encode("utf-16"), "is UTF-16"),
    "UTF-16 without a mark": ('{"key": "canary"}'.encode("utf-16-le"), "is UTF-16"),
    "UTF-32": ('{"key": "canary"}'.encode("utf-32"), "is UTF-16 or UTF-32"),
    "the log of a plan": (b'{"@level": "info"}\n{"key": "canary"}\n', "has text after the JSON"),
    "two states": ((SHOWN + SHOWN).encode(), "has text after the JSON"),
    "a plan that failed": (b'{"format_version": "1.2", "errored": true}', "is a plan, not a state"),
    "a configuration": (
        b'{"format_version": "1.2", "configuration": {"key": "canary"}}',
        "is a plan, not a state",
    ),
    "a validation": (
        b'{"format_version": "1.0", "valid": true, "diagnostics": ["canary"]}',
        "is the output of `validate`, not a state",
    ),
    "version 5": (b'{"version": 5, "resources": ["canary"]}', "is a state of a version after 4"),
    "a list": (b'["canary"]', "is not a Terraform state"),
    "another object": (b'{"key": "canary"}', "is not a Terraform state"),
    "deeply nested": (b"[" * 100_000, "cannot be read"),
    "a number of many digits": (b'{"a": ' + b"1" * 5000 + b"}", "cannot be read"),
    "duplicate keys": (
        b'{"format_version": "1.0", "values": {}, "values": {"canary": 1}}',
        "has duplicate keys",
    ),
    "NaN": (b'{"format_version": "1.0", "values": NaN}', "cannot be read"),
    "a plan": (json.dumps(PLAN).encode(), "is a plan, not a state"),
    "schemas": (json.dumps(SCHEMAS).encode(), "contains provider schemas"),
    "version 3": (json.dumps(OLDER).encode(), "is a state of a version before 4"),
    "encrypted": (json.dumps(ENCRYPTED).encode(), "is an encrypted state"),
    "another format": (b'{"format_version": "2.0", "values": {}}', "an unknown format_version"),
    "an empty state": (b'{"format_version": "1.0"}', "is an empty state"),
    "no resources": (b'{"format_version": "1.0", "values": {}}', "manages no integration"),
}


@pytest.mark.parametrize("name", NO_STATES)
def test_a_document_that_is_not_a_state_is_refused_and_nothing_is_written(
    tmp_path: Path, name: str
) -> None:
    content, expected = NO_STATES[name]
    project, path = Here(tmp_path), tmp_path / "given.json"
    path.write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    done = project.run("pull", "--from-terraform", path)
    assert (done.code, done.out) == (3, "")
    assert expected in done.err
    assert f"--> {path}:" in done.err
    assert "hint: " in done.err
    assert "canary" not in done.err
    assert sorted(tmp_path.rglob("*")) == before


def test_the_location_of_invalid_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "given.json").write_text('{\n  "format_version": "1.0",\n  "values": canary\n}')
    done = Here(tmp_path).run("pull", "--from-terraform", tmp_path / "given.json")
    assert f"--> {tmp_path}/given.json:3:13\n" in done.err
    assert "canary" not in done.err


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "given.json"
    if kind == "folder":
        path.mkdir()
    done = Here(tmp_path).run("pull", "--from-terraform", path)
    assert done.code == 3
    assert f"error[terraform-unreadable]: {path} cannot be read: " in done.err


def test_a_state_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "given.json"
    with path.open("wb") as stream:
        stream.truncate(MAX_STATE + 1)
    done = Here(tmp_path).run("pull", "--from-terraform", path)
    assert done.code == 3
    assert "is larger than 64 MiB" in done.err


def _changed(change: Callable[[dict[str, Any]], None]) -> bytes:
    state = copy.deepcopy(STATE)
    change(state)
    return json.dumps(state).encode()


def _other_provider(state: dict[str, Any]) -> None:
    text = json.dumps(state).replace("/portkey-ai/portkey", "/example/portkey")
    state.clear()
    state |= json.loads(text)


def _twice(state: dict[str, Any]) -> None:
    root = state["values"]["root_module"]["resources"]
    root.append({**resource(state, "portkey_integration.main"), "name": "again"})


def _entry_twice(state: dict[str, Any]) -> None:
    root = state["values"]["root_module"]["resources"]
    found = resource(state, "portkey_integration_workspace_access.main_search")
    root.append({**found, "name": "again"})


def _value(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(state: dict[str, Any]) -> None:
        resource(state, "portkey_integration.main")["values"][name] = value

    return change


def _member(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(state: dict[str, Any]) -> None:
        resource(state, "portkey_integration.main")[name] = value

    return change


BAD_STATES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "another provider": (_other_provider, "belong to registry.example.com/example/portkey"),
    "one integration twice": (_twice, "both manage the integration openai-main"),
    "one entry twice": (_entry_twice, "both manage the same access of openai-main"),
    "a slug with odd bytes": (_value("slug", "canary/../\x1b[31m\ud800"), "`slug` is not a slug"),
    "a slug that is a list": (_value("slug", ["canary"]), "`slug` is not a slug"),
    "no slug": (_value("slug", None), "`slug` is not a slug"),
    "no provider": (_value("ai_provider_id", None), "`ai_provider_id` is not text"),
    "a name that is no name": (_member("name", "main\n}canary"), "has an address that Terraform"),
    "values that are text": (_member("values", "canary"), "`values` is not an object"),
    "a type that is a number": (_member("type", 7), "`type` of a resource is not text"),
    "a provider that is none": (_member("provider_name", None), "`provider_name` of a resource"),
    "dependencies that are text": (_member("depends_on", "canary"), "`depends_on` is not a list"),
}


@pytest.mark.parametrize("name", BAD_STATES)
def test_an_invalid_state_is_refused_with_the_address_and_without_a_value(name: str) -> None:
    change, expected = BAD_STATES[name]
    with pytest.raises(InvalidInput) as caught:
        read_state(_changed(change), "state.json")
    found = caught.value.diagnostics[0]
    assert expected in found.summary
    assert found.hint
    assert found.at is not None
    assert found.at.file == "state.json"
    assert "canary" not in found.summary + found.hint


@pytest.mark.parametrize("marks", [True, [True], "true", 1, {"name": [{"first": True}]}])
def test_a_sensitive_mark_is_recognised_in_any_form(marks: object) -> None:
    content = _changed(_member("sensitive_values", marks))
    found = read_state(content, "state.json").integrations["openai-main"]
    assert "name" in found.marked
    assert "name" not in found.plain


@pytest.mark.parametrize(
    "marks",
    [
        [[{"type": "get_attr", "value": "name"}, {"type": "index", "value": 0}]],
        [[]],
        [[{"type": "index", "value": {"value": "name", "type": "string"}}]],
        ["name"],
        {"name": True},
    ],
)
def test_a_sensitive_mark_in_a_state_file_is_recognised_in_any_form(marks: object) -> None:
    state = copy.deepcopy(STATE_FILE)
    for item in state["resources"]:
        if item["type"] == "portkey_integration" and item["name"] == "main":
            item["instances"][0]["sensitive_attributes"] = marks
    found = read_state(json.dumps(state).encode(), "terraform.tfstate")
    assert "name" in found.integrations["openai-main"].marked


def test_resources_of_other_providers_need_no_attributes() -> None:
    state = copy.deepcopy(STATE_FILE)
    flat = {"schema_version": 0, "attributes_flat": {"id": "7"}}
    other = {"mode": "managed", "type": "null_resource", "name": "old", "instances": [flat]}
    state["resources"].append({**other, "provider": 'provider["registry.terraform.io/a/null"]'})
    known = read_state(json.dumps(STATE_FILE).encode(), "terraform.tfstate")
    found = read_state(json.dumps(state).encode(), "terraform.tfstate")
    assert found.integrations.keys() == known.integrations.keys()
    assert found.others == known.others


def test_the_location_of_an_invalid_resource_is_that_of_its_address() -> None:
    text = json.dumps(STATE, indent=2)
    bad = text.replace('"slug": "openai-main"', '"slug": "openai main"')
    with pytest.raises(InvalidInput) as caught:
        read_state(bad.encode(), "state.json")
    at = caught.value.diagnostics[0].at
    assert at is not None
    line = bad.splitlines()[at.line - 1]
    assert line[at.column - 1 :] == '"address": "portkey_integration.main",'


def test_the_location_of_an_escaped_address_is_found() -> None:
    state = copy.deepcopy(STATE)
    first, second = (r for r in resources(state) if r["name"] == "spare")
    first["address"], second["address"] = 'x.spare["a&b"]', 'x.spare["<é>"]'
    text = json.dumps(state, indent=1, ensure_ascii=False)
    for mark in "&<>":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    found = read_state(text.encode(), "state.json").integrations
    places = [found[r["values"]["slug"]].resource.at for r in (first, second)]
    lines = [text.splitlines()[at.line - 1][at.column - 1 :] for at in places]
    assert lines == [
        r""""address": "x.spare[\"a\u0026b\"]",""",
        r""""address": "x.spare[\"\u003cé\u003e\"]",""",
    ]


def test_both_formats_of_a_state_are_equal() -> None:
    shown = read_state(json.dumps(STATE).encode(), "state")
    stored = read_state(json.dumps(STATE_FILE).encode(), "state")
    assert shown.integrations.keys() == stored.integrations.keys()
    for slug, item in shown.integrations.items():
        other = stored.integrations[slug]
        assert item.resource == other.resource
        assert (item.folder, item.id, item.plain) == (other.folder, other.id, other.plain)
        assert (item.managed, item.marked) == (other.managed, other.marked)
        assert item.secrets.keys() == other.secrets.keys()
    assert {s: len(e) for s, e in shown.models.items()} == {"openai-limited": 3}
    assert shown.models.keys() == stored.models.keys()
    assert shown.workspaces.keys() == stored.workspaces.keys()


def test_no_value_of_a_state_is_shown_by_its_types() -> None:
    state = read_state(json.dumps(STATE).encode(), "state")
    secrets = [value for item in state.integrations.values() for value in item.secrets.values()]
    # Six keys and two AWS pairs; the key of one integration is write-only.
    assert len(secrets) == 10
    shown = repr(state).encode()
    assert not any(canary in shown for canary in CANARIES)


def test_a_deposed_object_is_not_pulled() -> None:
    state = copy.deepcopy(STATE)
    resource(state, "portkey_integration.main")["deposed_key"] = "00000001"
    found = read_state(json.dumps(state).encode(), "state")
    assert found.deposed == ("portkey_integration.main",)
    assert "openai-main" not in found.integrations


@pytest.mark.parametrize("state", [STATE, STATE_FILE], ids=["shown", "stored"])
def test_data_sources_of_the_provider_are_not_read(state: dict[str, Any]) -> None:
    text = json.dumps(state)
    other = json.loads(text.replace('"mode": "managed"', '"mode": "data"'))
    with pytest.raises(InvalidInput) as caught:
        read_state(json.dumps(other).encode(), "state")
    assert caught.value.code == "terraform-no-integration"


def test_access_for_an_integration_of_another_state_is_reported_separately() -> None:
    state = copy.deepcopy(STATE)
    found = resource(state, "portkey_integration_workspace_access.main_search")
    found["values"]["integration_id"] = "elsewhere"
    read = read_state(json.dumps(state).encode(), "state")
    assert [r.address for r in read.access_only["elsewhere"]] == [found["address"]]


def test_both_files_of_the_fixture_come_from_one_run() -> None:
    assert (FOLDER / "main.tf").exists()
    assert STATE["terraform_version"] == STATE_FILE["terraform_version"]


_KEYS = st.text(max_size=80) | st.sampled_from(["..", ".", "a/b", "CON", "[0]", '"]', "${x}"])


def _folders(state: dict[str, Any]) -> Iterator[str]:
    for item in read_state(json.dumps(state).encode(), "state").integrations.values():
        yield item.folder


@settings(max_examples=60, deadline=None)
@given(key=_KEYS)
def test_the_key_of_a_module_never_points_outside_the_folder(key: str) -> None:
    state = copy.deepcopy(STATE)
    for child in state["values"]["root_module"]["child_modules"]:
        if child["address"] == 'module.team["eu"]':
            address = f"module.team[{json.dumps(key)}]"
            inner = child["child_modules"][0]
            child["address"], inner["address"] = address, f"{address}.module.private"
    for folder in _folders(state):
        parts = folder.split("/") if folder else []
        assert all(part.strip("-_") == "" or part[0] != "." for part in parts)
        assert all(part not in {"", ".", ".."} and len(part) <= 60 for part in parts)
        assert folder.isascii()
        assert len(folder) <= 120


def test_a_deep_module_has_a_folder_name_of_valid_length() -> None:
    state = copy.deepcopy(STATE)
    module = state["values"]["root_module"]["child_modules"][0]
    module["address"] = ".".join(f"module.level-{n}" for n in range(80))
    del module["child_modules"]
    folders = set(_folders(state))
    deep = [folder for folder in folders if folder.startswith("level-0/level-1/")]
    assert len(deep) == 1
    assert len(deep[0]) <= 120


def test_thousands_of_workspaces_are_matched_by_their_limits() -> None:
    count = 3_000
    resource = Resource("a", "a", SourceLocation("state"))
    managed = [
        ManagedEntry(resource, f"uuid-{n}", {"usage_limits": [{"type": "cost", "credit_limit": n}]})
        for n in range(count)
    ]
    listed: dict[str, Tree] = {
        f"ws-{n}": {"enabled": True, "usage_limits": [{"type": "cost", "credit_limit": n, "id": n}]}
        for n in range(count)
    }
    matched = match_workspaces({"main": managed}, {"main": listed})
    assert matched.ids == {f"uuid-{n}": frozenset({f"ws-{n}"}) for n in range(count)}
    assert matched.ambiguous == ()


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container of a document with the key of each member."""
    members = node.items() if isinstance(node, dict) else enumerate(node)
    for key, inner in members:
        yield node, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


@settings(max_examples=120, deadline=None)
@given(chosen=st.integers(0, 10_000), value=_JSON, stored=st.booleans())
def test_a_state_with_any_value_at_any_path_is_read_or_refused(
    chosen: int, value: Any, *, stored: bool
) -> None:
    state = copy.deepcopy(STATE_FILE if stored else STATE)
    places = list(_places(state))
    container, key = places[chosen % len(places)]
    container[key] = value
    try:
        read = read_state(json.dumps(state).encode(), "state")
    except InvalidInput:
        return
    listed = {
        slug: {f"ws-{n}": dict(entry.values) for n, entry in enumerate(entries)}
        for slug, entries in read.workspaces.items()
    }
    match_workspaces(read.workspaces, listed)
    assert handover(read, read.integrations.keys()).released


def test_a_command_in_a_hint_is_quoted_for_the_shell(tmp_path: Path) -> None:
    state, key = copy.deepcopy(STATE), "it's; touch ran"
    second = copy.deepcopy(resource(state, "portkey_integration.main"))
    second |= {"index": key, "address": f"portkey_integration.main[{json.dumps(key)}]"}
    state["values"]["root_module"]["resources"].append(second)
    path = tmp_path / "given.json"
    path.write_text(json.dumps(state))
    done = Here(tmp_path).run("pull", "--from-terraform", path)
    assert done.code == 3
    [command] = re.findall("`(terraform state rm .*)`", done.err)
    assert shlex.split(command)[3:] == [second["address"]]

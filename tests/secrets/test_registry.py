"""Resolving many references: one read per source, a time limit, and errors next to values."""

import threading
from collections.abc import Sequence
from importlib.metadata import EntryPoint

import pytest

from reconciler.domain.secrets import Placeholder, Redacted, SecretError, SecretRef
from reconciler.secrets.allowlist import AllowList
from reconciler.secrets.registry import BUILT_IN, Resolution, Resolvers, Scheme, resolve_all
from reconciler.secrets.resolver import Answers, ResolverContext
from tests.secrets.builders import codes, resolve, resolver_context, revealed

CANARY = "canary-41c2aa07"
ALLOW = AllowList.parse("box:*")


class Box:
    """Resolver like one of an installed package: `box:source#field`."""

    def __init__(self, given: ResolverContext) -> None:
        self.reads: list[list[str]] = []

    def source_of(self, locator: str) -> str:
        return locator.partition("#")[0]

    def read(self, refs: Sequence[SecretRef]) -> Answers:
        self.reads.append([ref.locator for ref in refs])
        match self.source_of(refs[0].locator):
            case "forgetful":
                return {}
            case "broken":
                raise RuntimeError(CANARY)
            case "closed":
                raise SecretError(refs[0], "closed today", code="secret-denied")
            case _:
                return {ref: Redacted(CANARY + ref.locator) for ref in refs}


class Stuck(Box):
    """Resolver that answers only when the test allows it."""

    gate = threading.Event()

    def read(self, refs: Sequence[SecretRef]) -> Answers:
        self.gate.wait(10)
        return super().read(refs)


def never_built(given: ResolverContext) -> Box:
    raise RuntimeError(CANARY)


def with_plugin(factory: str) -> Resolvers:
    point = EntryPoint("box", f"{__name__}:{factory}", "reconciler.secrets")
    return Resolvers(resolver_context(), plugins=[point])


def read(resolvers: Resolvers, *refs: str, time_limit: float = 20) -> Resolution:
    return resolve_all(
        [SecretRef.parse(ref) for ref in refs],
        resolvers=resolvers,
        allowed=ALLOW,
        time_limit=time_limit,
    )


def test_every_reference_is_answered_and_each_source_is_read_once() -> None:
    resolvers = with_plugin("Box")
    refs = [f"box:s{source}#f{n}" for source in range(30) for n in range(3)]
    found = read(resolvers, *refs, *refs)
    assert revealed(found) == {ref: CANARY + ref.removeprefix("box:") for ref in refs}
    box = resolvers.find(SecretRef.parse("box:any"))
    assert isinstance(box, Box)
    assert len(box.reads) == 30
    assert all(len(batch) == 3 for batch in box.reads)


def test_errors_and_values_are_returned_together() -> None:
    found = read(with_plugin("Box"), "box:a#x", "box:forgetful#x", "box:broken#x", "box:closed#y")
    assert set(revealed(found)) == {"box:a#x"}
    assert codes(found) == {
        "box:forgetful#x": "secret-failed",
        "box:broken#x": "secret-failed",
        "box:closed#y": "secret-denied",
    }


def test_a_failure_of_a_source_names_each_of_its_references() -> None:
    found = read(with_plugin("Box"), "box:closed#x", "box:closed#y")
    assert {str(ref): str(problem) for ref, problem in found.missing.items()} == {
        "box:closed#x": "${box:closed#x}: closed today",
        "box:closed#y": "${box:closed#y}: closed today",
    }


def test_a_library_that_puts_a_value_into_its_exception_leaks_nothing() -> None:
    found = read(with_plugin("Box"), "box:broken#x")
    (problem,) = found.missing.values()
    assert "RuntimeError" in str(problem)
    assert CANARY not in str(problem) + repr(problem)
    assert problem.__context__ is problem.__cause__ is None


def test_an_added_resolver_that_cannot_be_built_is_a_problem_of_its_references() -> None:
    found = read(with_plugin("never_built"), "box:a#x", "box:b#x")
    assert codes(found) == dict.fromkeys(["box:a#x", "box:b#x"], "secret-failed")
    assert CANARY not in repr(list(found.missing.values()))


def test_a_resolver_that_does_not_answer_in_time_is_abandoned() -> None:
    found = read(with_plugin("Stuck"), "box:a#x", "box:b#x", time_limit=0.05)
    Stuck.gate.set()
    assert codes(found) == dict.fromkeys(["box:a#x", "box:b#x"], "secret-timeout")


def test_an_unknown_scheme_is_named_with_the_known_ones() -> None:
    found = resolve("gpg:a", "gpg:b", allow="gpg:*")
    assert codes(found) == {"gpg:a": "unknown-scheme", "gpg:b": "unknown-scheme"}
    assert {p.hint for p in found.missing.values()} == {"known: aws, env, file, sops, vault"}


def test_a_missing_library_is_named_with_its_extra() -> None:
    built_in = {"vault": Scheme("reconciler_without_hvac", "VaultResolver", "vault")}
    resolvers = Resolvers(resolver_context(), built_in=built_in, plugins=())
    with pytest.raises(SecretError) as stop:
        resolvers.find(SecretRef.parse("vault:kv/a#b"))
    assert stop.value.code == "missing-extra"
    assert "portkey-reconciler[vault]" in stop.value.hint


def test_an_installed_package_cannot_take_over_a_built_in_scheme() -> None:
    point = EntryPoint("env", f"{__name__}:Box", "reconciler.secrets")
    resolvers = Resolvers(resolver_context({"SECRET_A": "own"}), plugins=[point])
    ref = SecretRef.parse("env:SECRET_A")
    found = resolve_all([ref], resolvers=resolvers, allowed=AllowList())
    assert revealed(found) == {"env:SECRET_A": "own"}
    assert BUILT_IN["env"].module == "reconciler.secrets.registry"


def test_an_unset_variable_gets_the_same_placeholder_in_every_run() -> None:
    environ = {"SECRET_SET": "set", "SECRET_EMPTY": ""}
    refs = ["env:SECRET_A", "env:SECRET_B", "env:SECRET_SET", "env:SECRET_EMPTY", "env:OTHER"]
    first = resolve(*refs, environ=environ, placeholders=True)
    second = resolve(*refs, environ=environ, placeholders=True)
    assert revealed(first) == revealed(second)
    assert {str(ref) for ref in first.placeholders} == {"env:SECRET_A", "env:SECRET_B"}
    made_up = {ref for ref, value in first.values.items() if isinstance(value, Placeholder)}
    assert made_up == first.placeholders
    assert len(set(revealed(first).values())) == 3
    assert codes(first) == {"env:SECRET_EMPTY": "empty-secret", "env:OTHER": "secret-not-allowed"}


def test_without_an_allow_list_the_targets_own_key_is_read() -> None:
    ref = SecretRef.parse("env:PORTKEY_API_KEY")
    resolvers = Resolvers(resolver_context({"PORTKEY_API_KEY": CANARY}), plugins=())
    found = resolve_all([ref], resolvers=resolvers, allowed=None)
    assert revealed(found) == {"env:PORTKEY_API_KEY": CANARY}


def test_without_references_nothing_is_done() -> None:
    assert resolve() == Resolution(values={}, missing={})


def test_a_resolver_context_does_not_show_the_environment() -> None:
    assert CANARY not in repr(resolver_context({"SECRET_A": CANARY}))

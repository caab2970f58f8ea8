"""Staged rotations and probes under every fault: no outage, no false success, nothing unreported.

The cases are drawn (`tests.simulation.rotation`), a part of them again for broken variants, which
proves that the rules catch them.
"""

from collections import Counter
from dataclasses import replace

import pytest

from reconciler.domain.state import LastAppliedState
from reconciler.execution.credential_probe import Prober, ProbeRequest, ProbeResult, ProbeVerdict
from tests.simulation.memory_ledger import MemoryLedger
from tests.simulation.rotation import Story, draw_case, play_case
from tests.simulation.rotation_cases import DEAD, KINDS, SETTINGS, Case
from tests.simulation.theatre import Line

FEW, MANY, POWER = 50, 200, 120


def violations(seeds: range) -> list[str]:
    endings = [play_case(draw_case(seed)) for seed in seeds]
    return [ending.told() for ending in endings if ending.violations]


def test_no_rotation_breaks_a_rule() -> None:
    assert violations(range(FEW)) == []


@pytest.mark.slow
def test_none_of_many_rotations_breaks_a_rule() -> None:
    assert violations(range(FEW, MANY)) == []


def test_the_cases_cover_the_faults_and_the_settings() -> None:
    cases = [draw_case(seed) for seed in range(MANY)]
    assert {case.kind for case in cases} == set(KINDS)
    assert {case.staged for case in cases} == set(SETTINGS)
    changes = Counter(change for case in cases for change in case.beside)
    assert len(changes) == 6
    assert len({len(case.slug) for case in cases}) == 2
    assert {case.value == DEAD for case in cases} == {True, False}


class Alive:
    """Prober for which every credential works."""

    async def probe(self, request: ProbeRequest) -> ProbeResult:
        return ProbeResult(ProbeVerdict.ALIVE, request.slug)

    async def obstacle(self, request: ProbeRequest) -> str:
        return request.slug[:0]


class TrustsEveryCredential(Story):
    def prober(self, line: Line) -> Prober:
        return Alive()


class ForgetsShadows(Story):
    """Its ledger does not record which run created a shadow."""

    def __post_init__(self) -> None:
        class Forgetful(MemoryLedger):
            def last_applied(self, key: object) -> LastAppliedState:
                return replace(super().last_applied(key), shadows={})

        self.ledger = Forgetful()
        super().__post_init__()


class LooksOnlyIfStaged(Story):
    """Without `rotation.staged`, it does not know the shadows of the ledger."""

    async def with_shadows(self, state: LastAppliedState) -> LastAppliedState:
        return state


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "blame"),
    [
        (TrustsEveryCredential, "outage"),
        (ForgetsShadows, "the next apply was refused: shadow-conflict"),
        (LooksOnlyIfStaged, "in the end there are"),
    ],
)
def test_the_rules_catch_a_broken_variant(variant: type[Story], blame: str) -> None:
    endings = (play_case(draw_case(seed), variant) for seed in range(POWER))
    assert any(blame in text for ending in endings for text in ending.violations)


def test_a_case_always_plays_the_same_story() -> None:
    case = Case("killed after", 12)
    assert play_case(case).told() == play_case(case).told()

"""An approval of a fleet plan is not valid under other policies."""

from dataclasses import replace

import pytest

from reconciler.errors import Refused
from reconciler.fleet.task import change_digests, require_approved
from reconciler.planning.plan import Plan
from reconciler.planning.policy_verdict import PolicyVerdict
from tests.views import samples


def judged(*digests: str) -> Plan:
    verdicts = [PolicyVerdict(f"rules-{index}", digest) for index, digest in enumerate(digests)]
    return replace(samples.mixed_plan(), policies=tuple(verdicts))


def test_an_approval_is_valid_under_the_same_policies() -> None:
    approved = change_digests(judged("sha256:a", "sha256:b"))
    assert require_approved(judged("sha256:a", "sha256:b"), approved=approved)


@pytest.mark.parametrize("digests", [(), ("sha256:a",), ("sha256:a", "sha256:c")])
def test_an_approval_is_not_valid_under_other_policies(digests: tuple[str, ...]) -> None:
    approved = change_digests(judged("sha256:a", "sha256:b"))
    with pytest.raises(Refused):
        require_approved(judged(*digests), approved=approved)

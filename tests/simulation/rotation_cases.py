"""Cases of staged rotations: the rotation, the fault and its call, and what follows.

How a case is played: `tests.simulation.rotation`.
"""

from dataclasses import dataclass, replace
from typing import Any

from reconciler.domain.policy import Prune
from reconciler.domain.secrets import SecretRef
from reconciler.simulator.faults import Fault, FaultKind

MAIN, SECOND = SecretRef("env", "SECRET_MAIN"), SecretRef("env", "SECRET_SECOND")
OLD, NEW, DEAD, LATER = "sk-old-alive-0001", "sk-new-alive-0002", "sk-dead-0003", "sk-later-0004"
FOREIGN = "tt-theirs-alive"
LONG = "a" * 249
WORKSPACE = "ws-probe"

FAULTS = {
    "500": Fault(kind=FaultKind.STATUS, status=500),
    "503, carried out": Fault(kind=FaultKind.STATUS_AFTER, status=503),
    "429": Fault(kind=FaultKind.STATUS, status=429, code="AB06"),
    "409": Fault(kind=FaultKind.STATUS, status=409, code="AB07"),
    "403": Fault(kind=FaultKind.STATUS, status=403, code="AB03"),
    "404": Fault(kind=FaultKind.STATUS, status=404, code="AB08"),
    "timeout, applied": Fault(kind=FaultKind.HANG_AFTER),
    "timeout, not applied": Fault(kind=FaultKind.HANG_BEFORE),
    "late": Fault(kind=FaultKind.LATE, amount=1),
    "very late": Fault(kind=FaultKind.LATE, amount=6),
    "reset": Fault(kind=FaultKind.RESET_BEFORE),
    "reset, applied": Fault(kind=FaultKind.RESET_AFTER),
    "truncated": Fault(kind=FaultKind.TRUNCATE),
    "empty": Fault(kind=FaultKind.EMPTY),
    "stale": Fault(kind=FaultKind.STALE),
}
KILLED = {"killed before": False, "killed after": True}
OTHER_BODIES = {
    "body of beta": "beta",
    "body of the integration": "",
    "body of the shadow": "--next",
}
PROBES = ("probe killed", "probe without an answer")
KINDS = (*FAULTS, *KILLED, *OTHER_BODIES, *PROBES)
BESIDE = ("access", "models", "delete", "replace", "create", "description")
"""Changes of the same apply besides the rotation."""


APIS: tuple[tuple[tuple[str, Any], ...], ...] = (
    (),
    (("stale_read_ms", 400),),
    (("missing", "403_AB03"),),
    (("missing", "403_AB03"), ("stale_read_ms", 400)),
    (("delete", "archived"),),
    (("duplicate_slug", "suffixed"),),
    (("duplicate_slug", "400_AB01"), ("put_body", "empty")),
    (("configurations_put", "merge"), ("list_order", "newest"), ("page_max", 1)),
)
"""Behaviour of the API that is not documented."""

SETTINGS = ((True, True), (True, True), (True, False), (False, True), (False, False))
"""Values of `rotation.staged` in the run that is struck and in the next one."""


@dataclass(frozen=True)
class Case:
    """One story: `kind` strikes call, or probe, `number` of a rotation to `value`.

    `second` rotates a second integration as well. `staged` is the setting in the run that is
    struck, and in the run that heals. `switches` are those of the API. `scoped` integrations belong
    to the workspace of the probe. `only` applies other integrations in between, `persists` the
    same credential once more, even if it is dead; that run is killed at call `killed_again`.
    """

    kind: str
    number: int
    value: str = NEW
    slug: str = "alpha"
    second: bool = False
    beside: frozenset[str] = frozenset()
    staged: tuple[bool, bool] = (True, True)
    workspace: str | None = WORKSPACE
    probes_writes: bool = False
    switches: tuple[tuple[str, Any], ...] = ()
    scoped: bool = False
    only: bool = False
    persists: bool = False
    killed_again: int = 0
    prune: Prune = Prune.MANAGED

    @property
    def without_fault(self) -> "Case":
        """Return the case that makes the same calls until the fault strikes."""
        return replace(self, kind="", number=-1, only=False, persists=False, killed_again=0)

    @property
    def probes(self) -> tuple[bool, bool]:
        """Return whether each of the two runs probes the credential before it counts as applied."""
        first, then = self.staged
        return first or self.probes_writes, then or self.probes_writes

"""Checkpoint of a fleet's run: a file from which an interrupted run is resumed.

The whole file is replaced whenever a member ends.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reconciler.desired.atomic_write import replace_file
from reconciler.diagnostics import error
from reconciler.domain.tree import digest
from reconciler.errors import InvalidInput, write_hint
from reconciler.fleet.config import Member
from reconciler.fleet.outcome import FleetOperation, MemberOutcome, outcome_from

# It becomes a file name: no slash, and no leading dot.
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MAX_BYTES = 64 * 1024 * 1024


@dataclass
class Checkpoint:
    """Outcomes of a run so far, by the members' names.

    An outcome is valid only for a run with the same `conditions`.
    """

    folder: Path
    run: str
    operation: FleetOperation
    outcomes: dict[str, MemberOutcome] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)
    conditions: tuple[str, ...] = ()

    @property
    def file(self) -> Path:
        """Return the path of the file."""
        return self.folder / f"{self.run}.json"

    def record(self, member: Member, outcome: MemberOutcome) -> None:
        """Record an outcome; it is on disk before this returns."""
        self.outcomes[member.name] = outcome
        self.fingerprints[member.name] = self._fingerprint(member)
        self.save()

    def completed(self, member: Member) -> MemberOutcome | None:
        """Return the earlier outcome in this run, if the member has not changed since."""
        outcome = self.outcomes.get(member.name)
        # A member that failed is run again, which is the purpose of --resume.
        if outcome is None or not outcome.done:
            return None
        # With another folder, target or variable, the recorded outcome is not that of this member.
        if self.fingerprints.get(member.name) != self._fingerprint(member):
            return None
        return replace(outcome, resumed=True)

    def _fingerprint(self, member: Member) -> str:
        # Without conditions, it is that of 0.1.0.
        if not self.conditions:
            return member.fingerprint
        return digest([member.fingerprint, *self.conditions])

    def save(self) -> None:
        """Write the file; raises `InvalidInput` if that is not possible."""
        document = {
            "format_version": "1",
            "kind": "fleet_run",
            "run": self.run,
            "command": self.operation.value,
            "members": {
                name: {"fingerprint": self.fingerprints[name], "outcome": outcome.as_json()}
                for name, outcome in self.outcomes.items()
            },
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Replacing a complete file is atomic, so an interruption here loses nothing.
            replace_file(self.file, json.dumps(document).encode(), mode=0o600)
        except OSError as reason:
            summary = f"{self.file}: {reason.strerror or 'cannot be written'}"
            problem = error("cannot-save", summary, hint=write_hint(reason))
            raise InvalidInput([problem]) from reason


def resume(folder: Path, run: str, *, operation: FleetOperation) -> Checkpoint:
    """Read the checkpoint of an earlier run; raises `InvalidInput` if this operation has none."""
    hint = f"the runs of this fleet are the files in {folder}"
    if _RUN.fullmatch(run) is None:
        raise InvalidInput([error("unknown-run", "the name of the run is not valid", hint=hint)])
    checkpoint = Checkpoint(folder, run, operation)
    try:
        with checkpoint.file.open("rb") as stream:
            # A larger file is truncated, and is then not valid JSON.
            _fill(checkpoint, json.loads(stream.read(_MAX_BYTES)))
    except OSError:
        raise InvalidInput([error("unknown-run", f"there is no run {run}", hint=hint)]) from None
    # OverflowError: JSON in Python has infinite numbers.
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        summary = f"{checkpoint.file} does not contain the state of a run"
        raise InvalidInput([error("unreadable-run", summary)]) from None
    return checkpoint


def _fill(checkpoint: Checkpoint, document: Mapping[str, Any]) -> None:
    # A later version may record less than this one relies on.
    if document["kind"] != "fleet_run" or document["format_version"] != "1":
        raise KeyError
    if document["command"] != checkpoint.operation.value:
        summary = f"run {checkpoint.run} was a fleet {FleetOperation(document['command']).value}"
        raise InvalidInput([error("other-command", summary, hint="resume it with that command")])
    for name, entry in document["members"].items():
        outcome = outcome_from(entry["outcome"])
        if outcome.member != name:
            raise ValueError(name)
        checkpoint.outcomes[name] = outcome
        checkpoint.fingerprints[name] = str(entry["fingerprint"])

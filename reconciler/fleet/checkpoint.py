"""The state of one run of a fleet, in a file, so that a run that broke off can be resumed.

It is written anew, as a whole, each time a member has ended.
"""

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reconciler.diagnostics import error
from reconciler.domain.rejection import InvalidInput
from reconciler.fleet.config import Member
from reconciler.fleet.outcome import FleetOperation, MemberOutcome, outcome_from

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LIMIT = 64 * 1024 * 1024


@dataclass
class Progress:
    """What has been done in a run, by the members' names."""

    folder: Path
    run: str
    verb: FleetOperation
    outcomes: dict[str, MemberOutcome] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        """Give where it is kept."""
        return self.folder / f"{self.run}.json"

    def note(self, member: Member, outcome: MemberOutcome) -> None:
        """Keep an outcome, on disk before this returns."""
        self.outcomes[member.name] = outcome
        self.fingerprints[member.name] = member.fingerprint
        self.save()

    def already(self, member: Member) -> MemberOutcome | None:
        """Give what an earlier part of the run did, if the member is the same and was done."""
        outcome = self.outcomes.get(member.name)
        if outcome is None or not outcome.done:
            return None
        if self.fingerprints.get(member.name) != member.fingerprint:
            return None
        return replace(outcome, resumed=True)

    def save(self) -> None:
        """Write the state; raises `InvalidInput` where it cannot be kept."""
        document = {
            "format_version": "1",
            "kind": "fleet_run",
            "run": self.run,
            "command": self.verb.value,
            "members": {
                name: {"fingerprint": self.fingerprints[name], "outcome": outcome.as_json()}
                for name, outcome in self.outcomes.items()
            },
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", dir=self.folder, prefix=f".{self.run}.", encoding="utf-8", delete=False
            ) as unfinished:
                json.dump(document, unfinished)
            Path(unfinished.name).replace(self.file)
        except OSError as reason:
            summary = f"{self.file}: {reason.strerror or 'cannot be written'}"
            raise InvalidInput([error("cannot-save", summary)]) from reason


def resume(folder: Path, run: str, *, verb: FleetOperation) -> Progress:
    """Read the state of an earlier run; raises `InvalidInput` if there is none of this verb."""
    hint = f"the runs of this fleet are the files in {folder}"
    if _RUN.fullmatch(run) is None:
        raise InvalidInput([error("unknown-run", "that is no name of a run", hint=hint)])
    progress = Progress(folder, run, verb)
    try:
        with progress.file.open("rb") as stream:
            _fill(progress, json.loads(stream.read(_LIMIT)))
    except OSError:
        raise InvalidInput([error("unknown-run", f"there is no run {run}", hint=hint)]) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        summary = f"{progress.file} does not hold the state of a run"
        raise InvalidInput([error("unreadable-run", summary)]) from None
    return progress


def _fill(progress: Progress, document: Mapping[str, Any]) -> None:
    if document["kind"] != "fleet_run" or document["format_version"] != "1":
        raise KeyError
    if document["command"] != progress.verb.value:
        summary = f"run {progress.run} was a fleet {FleetOperation(document['command']).value}"
        raise InvalidInput([error("other-command", summary, hint="resume it with that command")])
    for name, entry in document["members"].items():
        progress.outcomes[name] = outcome_from(entry["outcome"])
        progress.fingerprints[name] = str(entry["fingerprint"])

"""Reader of fleet.yaml, as strict as that of reconcile.yaml and with positions.

A member is a folder of files and a target in it. Its credentials are references in the target and
in the files; fleet.yaml can only map the names of environment variables.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from reconciler.desired.problem_collector import ProblemCollector, Sourced, SourceOrigin, Steps
from reconciler.desired.schema import Schema, finished
from reconciler.desired.source import MemorySource
from reconciler.desired.validate import report_errors
from reconciler.desired.yaml_values import apply_types
from reconciler.diagnostics import Diagnostic, has_errors, in_order
from reconciler.domain.model import Field
from reconciler.domain.policy import StrictSettings
from reconciler.domain.schema import compiled
from reconciler.domain.tree import digest
from reconciler.domain.valid_values import built, errors_in
from reconciler.fleet.duplicates import OWN_RECORDS, SharedRecords, duplicates
from reconciler.frozen_dataclass import dataclass

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# Secrets that references may name by default, and the keys of the API.
_VARIABLE = re.compile(r"(SECRET|PORTKEY)_[A-Z0-9_]+")
_SHARED_SETTING = "PORTKEY_BASE_URL"
"""Setting of the machine that runs the fleet, not a credential of a member."""


class MemberDefaults(StrictSettings):
    """Settings of every member that does not override them."""

    dir: str | None = Field(
        default=None, description="Folder of the files, relative to fleet.yaml."
    )
    target: str | None = Field(
        default=None, description="Name of a target in the folder's reconcile.yaml."
    )
    targets: tuple[str, ...] | None = Field(
        default=None, description="Names of several targets; each has its own run."
    )
    variables: dict[str, str] | None = Field(
        default=None, description="Environment variables by the names that the files use."
    )


class MemberSettings(MemberDefaults):
    """Settings of one member."""

    name: str = Field(description="Name in outputs.")


class FleetFile(StrictSettings):
    """Schema of fleet.yaml."""

    version: Literal[1] = Field(description="Version of this file's format.")
    defaults: MemberDefaults | None = Field(
        None, description="Settings of members that do not override them."
    )
    members: tuple[MemberSettings, ...] = Field(description="Members of the fleet.")


def schema() -> Schema:
    """Return the JSON Schema of fleet.yaml, for editors."""
    return finished(FleetFile.as_pydantic().model_json_schema(), "fleet.yaml")


@dataclass(frozen=True, slots=True)
class Member:
    """One folder and one target in it; a target of None is the folder's default."""

    name: str
    dir: Path
    target: str | None = None
    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def fingerprint(self) -> str:
        """Return a digest of everything that identifies the member."""
        return digest([self.name, str(self.dir), self.target, dict(self.variables)])

    def environment(self, whole: Mapping[str, str]) -> dict[str, str]:
        """Return the environment variables that this member sees.

        Without `variables`, it sees all variables. With them, it sees only the secrets and keys
        that they name, so that the files of one organisation cannot read the keys of another.
        """
        if not self.variables:
            return dict(whole)
        visible = {name: value for name, value in whole.items() if _is_shared(name)}
        for name, source in self.variables.items():
            if source in whole:
                visible[name] = whole[source]
        return visible


@dataclass(frozen=True, slots=True)
class Fleet:
    """Members in the order of the file, and the digest of the file's content."""

    members: tuple[Member, ...]
    digest: str

    def member(self, name: str) -> Member | None:
        """Return the member with this name, None if there is none."""
        return next((member for member in self.members if member.name == name), None)


def read_fleet(
    data: bytes, *, path: Path, records: SharedRecords = OWN_RECORDS
) -> tuple[Fleet | None, tuple[Diagnostic, ...]]:
    """Read the content of the fleet.yaml at `path`, whose folders are relative to that file.

    The fleet is None if there is any error. `records` states where the members keep their records,
    because two targets must not have the same.
    """
    file = path.name
    problems = ProblemCollector(MemorySource({file: data}, label=str(path.parent)))
    documents = problems.read_documents(file, data)
    members: list[Member] = []
    if documents is not None:
        value = documents[0].value if documents else {}
        document = Sourced({} if value is None else value, SourceOrigin(file))
        for extra in documents[1:]:
            problems.error(
                "wrong-type",
                f"{file} must contain exactly one document",
                SourceOrigin(file, extra.index),
            )
        schema = compiled(FleetFile)
        tree = apply_types(document.value, schema)
        errors = errors_in(FleetFile, tree)
        if errors:
            report_errors(
                errors, tree, schema=schema, document=document, problems=problems, what=file
            )
        else:
            reader = _MemberReader(path.parent, problems, SourceOrigin(file))
            members = reader.members(built(FleetFile, tree), records)
    diagnostics = in_order(problems.diagnostics)
    if has_errors(diagnostics):
        return None, diagnostics
    return Fleet(tuple(members), f"sha256:{hashlib.sha256(data).hexdigest()}"), diagnostics


def _is_shared(name: str) -> bool:
    """Return whether every member sees this environment variable."""
    return name == _SHARED_SETTING or _VARIABLE.fullmatch(name) is None


class _MemberReader:
    """Builds members from the entries of a file, and collects their errors."""

    def __init__(self, folder: Path, problems: ProblemCollector, origin: SourceOrigin) -> None:
        self._folder = folder
        self._problems = problems
        self._origin = origin
        self._names: dict[str, Steps] = {}

    def members(self, file: FleetFile, records: SharedRecords) -> list[Member]:
        """Build the members of a file, one for each target."""
        defaults = file.defaults or MemberDefaults()
        self._check_defaults(defaults, ("defaults",))
        if not file.members:
            self._error("missing-field", "`members` is empty", ("members",))
        members: list[Member] = []
        places: list[Steps] = []
        for index, entry in enumerate(file.members):
            steps: Steps = ("members", index)
            self._check_defaults(entry, steps)
            self._check_name(entry, steps)
            expanded = list(self._expand(entry, defaults))
            self._check_unique([entry.name, *(member.name for member in expanded)], steps)
            members += expanded
            places += [steps] * len(expanded)
        # Only for a file that is valid so far: it looks at the folders of the members.
        if not has_errors(self._problems.diagnostics):
            for found in duplicates(members, records):
                place = places[found.index]
                self._error("duplicate-target", found.summary, place, hint=found.hint)
        return members

    def _expand(self, entry: MemberSettings, defaults: MemberDefaults) -> Iterator[Member]:
        # `target` and `targets` are alternatives: an entry with either ignores both defaults.
        own = entry if entry.target is not None or entry.targets is not None else defaults
        folder = self._folder / (entry.dir or defaults.dir or "desired-state")
        variables = {**(defaults.variables or {}), **(entry.variables or {})}
        for target in own.targets or (own.target,):
            name = entry.name if own.targets is None else f"{entry.name}.{target}"
            yield Member(name, folder, target, MappingProxyType(variables))

    def _check_defaults(self, part: MemberDefaults, steps: Steps) -> None:
        if part.dir is not None and not (part.dir and part.dir.isprintable()):
            summary = "`dir` must be a path, without control characters"
            self._error("invalid-value", summary, (*steps, "dir"))
        if part.target is not None and part.targets is not None:
            self._error(
                "conflict", "`target` and `targets` cannot be set together", (*steps, "targets")
            )
        if part.targets is not None and len(set(part.targets)) != len(part.targets):
            summary = "`targets` lists a target twice"
            self._error("duplicate-entry", summary, (*steps, "targets"), hint="remove one of them")
        if part.targets == ():
            self._error("missing-field", "`targets` is empty", (*steps, "targets"))
        for name, source in (part.variables or {}).items():
            self._check_variable(name, source, (*steps, "variables", name))

    def _check_variable(self, name: str, source: str, steps: Steps) -> None:
        left, right = _VARIABLE.fullmatch(name), _VARIABLE.fullmatch(source)
        same_kind = left is not None and right is not None and left[1] == right[1]
        if not same_kind or _SHARED_SETTING in {name, source}:
            summary = "SECRET_… must map to a variable SECRET_…, and PORTKEY_… to PORTKEY_…"
            hint = "a file in Git must not expose other environment variables"
            self._error("reference-forbidden", summary, steps, hint=hint)

    def _check_name(self, entry: MemberSettings, steps: Steps) -> None:
        if _NAME.fullmatch(entry.name) is None:
            summary = (
                "`name` must begin with a letter or digit and contain only letters, digits, `.-_`"
            )
            self._error("invalid-value", summary, (*steps, "name"))

    def _check_unique(self, names: Iterable[str], steps: Steps) -> None:
        for name in names:
            # Also of an entry whose targets are added to it, so that `a.b` means one member.
            if self._names.setdefault(name, steps) != steps:
                summary = f"another member is named `{name}`"
                hint = "use a different name"
                self._error("duplicate-entry", summary, (*steps, "name"), hint=hint)
                return

    def _error(self, code: str, summary: str, steps: Steps, *, hint: str = "") -> None:
        self._problems.error(code, summary, self._origin.at(*steps), hint=hint)

"""Read fleet.yaml: which members a fleet has, strictly and with places, like reconcile.yaml.

A member is a folder of files and a target in it. Its credentials are named in the target and in the
files, by reference; here stands at most which variable of the environment answers to which name.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field

from reconciler.desired.problem_collector import ProblemCollector, Sourced, SourceOrigin, Steps
from reconciler.desired.scalars import typed
from reconciler.desired.source import MemorySource
from reconciler.desired.validate import check_model
from reconciler.desired.yaml_reader import read_yaml
from reconciler.diagnostics import Diagnostic, has_errors, in_order
from reconciler.domain.policy import StrictSettings
from reconciler.domain.schema import compiled
from reconciler.domain.tree import digest

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VARIABLE = re.compile(r"(SECRET|PORTKEY)_[A-Z0-9_]+")
_KEPT = "PORTKEY_BASE_URL"
"""A setting of whoever runs the fleet; it is no credential of a member."""


class MemberDefaults(StrictSettings):
    """What holds for every member that does not say otherwise."""

    dir: str | None = Field(None, description="Folder of the files, seen from fleet.yaml.")
    target: str | None = Field(None, description="Target, as the folder's reconcile.yaml names it.")
    targets: tuple[str, ...] | None = Field(None, description="Several targets: one run for each.")
    variables: dict[str, str] | None = Field(
        None, description="Names that the files use, each with the variable that answers to it."
    )


class MemberSettings(MemberDefaults):
    """One organisation."""

    name: str = Field(description="What outputs call it.")


class FleetFile(StrictSettings):
    """The schema of fleet.yaml."""

    version: Literal[1] = Field(description="Version of this file's format.")
    defaults: MemberDefaults | None = None
    members: tuple[MemberSettings, ...] = Field(description="The organisations.")


@dataclass(frozen=True, slots=True)
class Member:
    """One folder and one target in it; a target of None is the folder's default."""

    name: str
    dir: Path
    target: str | None = None
    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def fingerprint(self) -> str:
        """Tell whether a member of this name is still the same."""
        said = [self.name, str(self.dir), self.target, dict(self.variables)]
        return digest(said)

    def environment(self, whole: Mapping[str, str]) -> dict[str, str]:
        """Give the variables that this member sees.

        Without `variables` these are all. With them, of secrets and keys only those it names: the
        files of one organisation cannot ask for the keys of another.
        """
        if not self.variables:
            return dict(whole)
        kept = {n: v for n, v in whole.items() if n == _KEPT or _VARIABLE.fullmatch(n) is None}
        return kept | {n: whole[origin] for n, origin in self.variables.items() if origin in whole}


@dataclass(frozen=True, slots=True)
class Fleet:
    """The members in the order of the file, and what identifies the file's content."""

    members: tuple[Member, ...]
    digest: str

    def member(self, name: str) -> Member | None:
        """Find a member by its name."""
        return next((member for member in self.members if member.name == name), None)


def read_fleet(data: bytes, *, path: Path) -> tuple[Fleet | None, tuple[Diagnostic, ...]]:
    """Read the content of a fleet.yaml; `path` tells where it is, and folders are seen from there.

    The fleet is None as soon as there is one error.
    """
    file = path.name
    findings = ProblemCollector(MemorySource({file: data}, label=str(path.parent)))
    reading = read_yaml(data)
    findings.of_reading(file, reading, data)
    members: list[Member] = []
    if not reading.broken:
        value = reading.documents[0].value if reading.documents else {}
        document = Sourced({} if value is None else value, SourceOrigin(file))
        for extra in reading.documents[1:]:
            findings.error(
                "wrong-type", f"{file} holds one document", SourceOrigin(file, extra.index)
            )
        schema = compiled(FleetFile)
        tree = typed(document.value, schema)
        if check_model(
            FleetFile, tree, schema=schema, document=document, findings=findings, what=file
        ):
            members = list(_Members(FleetFile.model_validate(tree), path.parent, findings, file))
    diagnostics = in_order(findings.diagnostics)
    if has_errors(diagnostics):
        return None, diagnostics
    return Fleet(tuple(members), f"sha256:{hashlib.sha256(data).hexdigest()}"), diagnostics


class _Members(Iterable[Member]):
    """Makes members of entries, and says what is wrong with them."""

    def __init__(
        self, file: FleetFile, folder: Path, findings: ProblemCollector, name: str
    ) -> None:
        self._file = file
        self._folder = folder
        self._findings = findings
        self._origin = SourceOrigin(name)
        self._names: dict[str, int] = {}
        self._places: dict[tuple[Path, str | None], str] = {}

    def __iter__(self) -> Iterator[Member]:
        defaults = self._file.defaults or MemberDefaults()
        self._check_own(defaults, ("defaults",))
        if not self._file.members:
            self._say("missing-field", "`members` is empty", ("members",))
        for index, entry in enumerate(self._file.members):
            steps: Steps = ("members", index)
            self._check_own(entry, steps)
            self._check_name(entry, steps)
            for member in self._expanded(entry, defaults):
                self._check_place(member, steps)
                yield member

    def _expanded(self, entry: MemberSettings, defaults: MemberDefaults) -> Iterator[Member]:
        own = entry if entry.target is not None or entry.targets is not None else defaults
        folder = self._folder / (entry.dir or defaults.dir or "desired-state")
        variables = {**(defaults.variables or {}), **(entry.variables or {})}
        for target in own.targets or (own.target,):
            name = entry.name if own.targets is None else f"{entry.name}.{target}"
            yield Member(name, folder, target, MappingProxyType(variables))

    def _check_own(self, part: MemberDefaults, steps: Steps) -> None:
        if part.target is not None and part.targets is not None:
            self._say("conflict", "either `target` or `targets`", (*steps, "targets"))
        if part.targets is not None and len(set(part.targets)) != len(part.targets or ()):
            summary, hint = "a target is named twice", "leave one of the two out"
            self._say("duplicate-entry", summary, (*steps, "targets"), hint=hint)
        if part.targets == ():
            self._say("missing-field", "`targets` is empty", (*steps, "targets"))
        for name, origin in (part.variables or {}).items():
            self._check_variable(name, origin, (*steps, "variables", name))

    def _check_variable(self, name: str, origin: str, steps: Steps) -> None:
        left, right = _VARIABLE.fullmatch(name), _VARIABLE.fullmatch(origin)
        if left is None or right is None or left[1] != right[1] or _KEPT in {name, origin}:
            summary = "a variable SECRET_… is answered by one of these, and PORTKEY_… likewise"
            hint = "a file in Git must not hand out other variables of the environment"
            self._say("reference-forbidden", summary, steps, hint=hint)

    def _check_name(self, entry: MemberSettings, steps: Steps) -> None:
        where = (*steps, "name")
        if NAME.fullmatch(entry.name) is None:
            summary = "`name` must begin with a letter or digit and hold letters, digits, `.-_`"
            self._say("invalid-value", summary, where)
        if entry.name in self._names:
            summary = f"member `{entry.name}` is there already"
            self._say("duplicate-entry", summary, where, hint="give each member its own name")
        self._names[entry.name] = len(self._names)

    def _check_place(self, member: Member, steps: Steps) -> None:
        place = (member.dir, member.target)
        first = self._places.setdefault(place, member.name)
        if first != member.name:
            self._say(
                "duplicate-target",
                f"member `{first}` has this folder and target, too",
                steps,
                hint="give each organisation a target of its own in the folder's reconcile.yaml",
            )

    def _say(self, code: str, summary: str, steps: Steps, **details: Any) -> None:
        self._findings.error(code, summary, self._origin.at(*steps), **details)

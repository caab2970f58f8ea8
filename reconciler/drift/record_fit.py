"""Match of a record of the audit log with a difference: by path, method, status and time.

Pure. A record names an integration and a part of it (remote/API.md §12), so a request fits all
fields of that part. A request with an unknown effect is a weak match for everything that it may
have changed.
"""

from datetime import datetime, timedelta
from enum import IntEnum

from reconciler.domain.facts import SubResource
from reconciler.domain.identifiers import differ_in_form
from reconciler.domain.instants import parse_instant
from reconciler.domain.schema import fields_of, parse_path
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.actions import Action, ActionKind
from reconciler.remote.audit_log import READS, AuditRecord, Place

CREATION_MARGIN = timedelta(seconds=5)
"""Maximum difference between a creation and its record; both use the API's clock."""

_PLACES = {
    **dict.fromkeys(fields_of(SubResource.MODELS), Place.MODELS),
    **dict.fromkeys(fields_of(SubResource.WORKSPACES), Place.WORKSPACES),
}
_WORKSPACES = "workspaces"
_SUCCESS = range(200, 300)
_REFUSED = range(300, 500)
"""Statuses of requests that were certainly not carried out."""

_METHODS = {
    Place.INTEGRATION: frozenset({"PUT"}),
    Place.MODELS: frozenset({"PUT", "DELETE"}),
    Place.WORKSPACES: frozenset({"PUT"}),
}


class Fit(IntEnum):
    """How well a request explains a difference; the effect of a weak match is not known."""

    NONE = 0
    WEAK = 1
    STRONG = 2


@dataclass(frozen=True, slots=True)
class Question:
    """Difference for which a writer is searched; `path` is None for a whole integration."""

    action: Action
    path: str | None = None

    @property
    def slug(self) -> str:
        """Return the slug of the integration."""
        return self.action.slug

    @property
    def steps(self) -> tuple[str, ...]:
        """Return the steps of the path."""
        return parse_path(self.path or "") or ()

    @property
    def name(self) -> str:
        """Return the top-level field."""
        return self.steps[0] if self.steps else ""

    @property
    def place(self) -> Place:
        """Return the part of the integration that contains the field."""
        return _PLACES.get(self.name, Place.INTEGRATION)

    @property
    def references(self) -> frozenset[str]:
        """Return the identifiers by which a path can name the integration."""
        subject = self.action.subject
        ids = set(subject.remembered.identities)
        if subject.observed is not None and subject.observed.id is not None:
            ids.add(subject.observed.id)
        # Letters of a UUID have no case, and those of a slug do.
        return frozenset({self.slug, *(identity.lower() for identity in ids)})

    @property
    def created_at(self) -> datetime | None:
        """Return when the object was created, None if unknown or if one of our runs created it."""
        observed = self.action.subject.observed
        if observed is None or observed.id in self.action.subject.remembered.identities:
            return None
        return parse_instant(observed.created_at)


def fit_of(question: Question, record: AuditRecord) -> Fit:
    """Return how well a record explains a difference, by its path and method."""
    if record.method in READS or record.place is Place.ELSEWHERE or was_refused(record):
        return Fit.NONE
    fit = _fit_of_place(question, record)
    # A field that a record lacks could have shown that it does not fit.
    is_certain = (
        record.at is not None
        and record.method != ""
        and record.status is not None
        and record.status in _SUCCESS
        and not record.is_about_other
    )
    return fit if is_certain else min(fit, Fit.WEAK)


def was_refused(record: AuditRecord) -> bool:
    """Return whether a request was certainly not carried out."""
    return record.status is not None and record.status in _REFUSED


def _fit_of_place(question: Question, record: AuditRecord) -> Fit:
    if record.place is Place.UNKNOWN:
        return Fit.WEAK
    if record.place is Place.WORKSPACE:
        return _fit_of_workspace(question, record)
    if record.place is Place.INTEGRATIONS:
        return _fit_of_collection(question, record)
    if record.reference not in question.references:
        return Fit.NONE
    if question.path is None:
        return _fit_of_whole(question, record)
    if record.place is Place.OTHER_PART:
        return Fit.WEAK
    if record.place is Place.INTEGRATION and record.method == "DELETE":
        # The integration exists, so the request was for another object, or it was re-created.
        created_at = question.created_at
        is_past = created_at is not None and record.at is not None and record.at <= created_at
        return Fit.NONE if is_past else Fit.WEAK
    is_known = record.method in _METHODS[record.place]
    if record.place is question.place:
        return Fit.STRONG if is_known else Fit.WEAK
    return Fit.NONE if is_known else Fit.WEAK


def _fit_of_whole(question: Question, record: AuditRecord) -> Fit:
    """Return how well a request to an integration explains that it was created or deleted."""
    if question.action.kind is ActionKind.DELETE:
        return Fit.NONE
    if record.place is Place.INTEGRATION and record.method == "DELETE":
        return Fit.STRONG
    is_known = record.method in _METHODS.get(record.place, frozenset())
    return Fit.NONE if is_known else Fit.WEAK


def _fit_of_collection(question: Question, record: AuditRecord) -> Fit:
    """Return how well a request to the collection fits; a create does not name its integration."""
    if record.method != "POST":
        return Fit.WEAK
    observed = question.action.subject.observed
    created_at = question.created_at
    if created_at is None:
        # Without a creation time, any create may be the right one; our own objects were created by
        # a run.
        if observed is None or observed.created_at is not None:
            return Fit.NONE
        return Fit.NONE if observed.id in _identities(question) else Fit.WEAK
    return Fit.STRONG if is_creation(record, created_at) else Fit.NONE


def _identities(question: Question) -> frozenset[str]:
    return question.action.subject.remembered.identities


def is_creation(record: AuditRecord, created_at: datetime) -> bool:
    return (
        record.place is Place.INTEGRATIONS
        and record.method == "POST"
        and record.at is not None
        and abs(record.at - created_at) <= CREATION_MARGIN
        and not was_refused(record)
    )


def _fit_of_workspace(question: Question, record: AuditRecord) -> Fit:
    """Return how well the end of a workspace explains a loss (remote/API.md §1.6)."""
    if record.method != "DELETE":
        return Fit.NONE
    if question.name == _WORKSPACES and len(question.steps) > 1:
        workspace: object = question.steps[1]
    elif question.path is None and question.action.kind is ActionKind.CREATE:
        declared = question.action.subject.declared
        workspace = declared.fields.get("workspace_id") if declared is not None else None
    else:
        return Fit.NONE
    if workspace is None:
        return Fit.NONE
    if workspace == record.reference:
        return Fit.STRONG
    # A slug and a UUID may name the same workspace.
    return Fit.WEAK if differ_in_form(workspace, record.reference) else Fit.NONE

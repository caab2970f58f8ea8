"""Compare the models that an integration declares with the catalogue.

Only names that a catalogue can list are checked. The following are skipped: integrations and models
with their own host, custom models that the catalogue does not list, and names that users choose
(deployments on Azure, ARNs of provisioned models, endpoints). A deployment on Azure is checked by
the model that it names.
"""

from collections.abc import Iterator
from datetime import date

from reconciler.desired.problem_collector import ProblemCollector, Sourced, Steps
from reconciler.diagnostics import Diagnostic, counted
from reconciler.domain.catalogue import (
    NOTICE_DAYS,
    Catalogue,
    ModelFacts,
    ModelFinding,
    ModelState,
    is_chosen_by_users,
)
from reconciler.domain.facts import Configuration
from reconciler.domain.providers.azure import DEPLOYED_MODEL, DEPLOYMENTS, AzureDeployment
from reconciler.domain.schema import compiled, integration_schema
from reconciler.domain.state import Declared
from reconciler.domain.tree import Tree, Value, as_mapping, is_empty, is_enabled
from reconciler.frozen_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class _DeclaredModel:
    """Name of a model in a file. `is_vendors` states that it must be a name of the vendor."""

    name: str
    steps: Steps
    is_enabled: bool
    is_vendors: bool


class ModelRules:
    """Rules of one load; `findings` collects what they find, in the order of discovery.

    Models that retire within `days` are reported.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        problems: ProblemCollector,
        *,
        today: date,
        days: int = NOTICE_DAYS,
    ) -> None:
        self.findings: list[ModelFinding] = []
        self._catalogue = catalogue
        self._problems = problems
        self._today = today
        self._days = days

    def check(self, declared: Declared, document: Sourced) -> None:
        """Report the models of one integration that are unknown, retire or have retired."""
        provider = declared.fields.get("ai_provider_id")
        if not isinstance(provider, str) or not self._catalogue.has_provider(provider):
            return
        # Another host may serve models under its own names.
        if _has_own_host(as_mapping(declared.fields.get("configurations"))):
            return
        for model in _models_of(declared):
            self._check(model, declared, provider, document)

    def _check(
        self, model: _DeclaredModel, declared: Declared, provider: str, document: Sourced
    ) -> None:
        facts = self._catalogue.find(provider, model.name)
        if facts is None:
            if model.is_vendors:
                self._report_unknown(model, declared.slug, provider, document)
            return
        # The retirement of a disabled model has no effect.
        if not model.is_enabled:
            return
        if facts.is_unclear:
            summary = f"the catalogue has no valid retirement date for `{model.name}`"
            hint = "update the catalogue, or correct `deprecation_date` in its source"
            found = self._report("catalogue-date", summary, hint, model, document)
            slug, state = declared.slug, ModelState.UNCLEAR
            self.findings.append(ModelFinding(state, slug, model.name, provider, diagnostic=found))
        elif facts.retires is not None:
            self._report_retirement(model, facts, declared.slug, provider, document)

    def _report_unknown(
        self, model: _DeclaredModel, slug: str, provider: str, document: Sourced
    ) -> None:
        near = self._problems.did_you_mean(model.name, self._catalogue.names(provider))
        summary = f"{slug}: the catalogue lists no model `{model.name}` of {provider}"
        can_be_custom = model.steps[0] == "models"
        own = ", or declare it with is_custom: true" if can_be_custom else ""
        hint = near or f"correct the name{own}; a newer catalogue may list it"
        found = self._report("model-unknown", summary, hint, model, document)
        self.findings.append(
            ModelFinding(ModelState.UNKNOWN, slug, model.name, provider, diagnostic=found)
        )

    def _report_retirement(
        self,
        model: _DeclaredModel,
        facts: ModelFacts,
        slug: str,
        provider: str,
        document: Sourced,
    ) -> None:
        retires = facts.retires
        if retires is None:
            return
        days_left = (retires - self._today).days
        if days_left > self._days:
            return
        if days_left > 0:
            left = counted(days_left, "day")
            summary = f"{slug}: model `{model.name}` retires on {retires}, in {left}"
            hint = "declare its successor before that day"
            state = ModelState.RETIRING
            found = self._report("model-retiring", summary, hint, model, document)
        else:
            summary = f"{slug}: model `{model.name}` was retired on {retires}"
            hint = "declare its successor, and disable or remove it"
            state = ModelState.RETIRED
            found = self._report("model-retired", summary, hint, model, document)
        self.findings.append(
            ModelFinding(state, slug, model.name, provider, retires, days_left, found)
        )

    def _report(
        self, code: str, summary: str, hint: str, model: _DeclaredModel, document: Sourced
    ) -> Diagnostic | None:
        before = len(self._problems.diagnostics)
        origin = document.origin_of(model.steps)
        self._problems.warning(code, summary, origin, hint=hint)
        # Beyond the limit of its file, a problem is counted but not added.
        added = self._problems.diagnostics[before:]
        return added[0] if added else None


def _models_of(declared: Declared) -> Iterator[_DeclaredModel]:
    """Yield the models of an integration and the models of its deployments."""
    provider = str(declared.fields.get("ai_provider_id"))
    for index, entry in _entries(declared.fields.get("models")):
        name = entry.get("slug")
        if not isinstance(name, str) or _decides_host(entry, provider):
            continue
        is_own = bool(entry.get("is_custom") or entry.get("is_finetune"))
        yield _DeclaredModel(
            name,
            ("models", index, "slug"),
            is_enabled(entry),
            not is_own and not is_chosen_by_users(provider, name),
        )
    configurations = as_mapping(declared.fields.get("configurations"))
    for index, deployment in _entries(configurations.get(DEPLOYMENTS)):
        name = deployment.get(DEPLOYED_MODEL)
        if isinstance(name, str) and set(deployment) <= set(AzureDeployment.model_fields):
            steps = ("configurations", DEPLOYMENTS, index, DEPLOYED_MODEL)
            yield _DeclaredModel(name, steps, is_enabled=True, is_vendors=True)


def _entries(value: Value) -> Iterator[tuple[int, Tree]]:
    for index, entry in enumerate(value if isinstance(value, list | tuple) else ()):
        yield index, as_mapping(entry)


def _has_own_host(configurations: Tree) -> bool:
    """Return whether calls are sent to a configured host instead of the host of the vendor."""
    fields = compiled(Configuration).fields
    return any(
        field.facts.host and not is_empty(configurations.get(name))
        for name, field in fields.items()
    )


def _decides_host(model: Tree, provider: str) -> bool:
    """Return whether a model has its own host; an unknown setting counts as one."""
    settings = as_mapping(model.get("configurations"))
    schema = integration_schema(provider).at(("models", str(model.get("slug")), "configurations"))
    return any(
        schema.child(name).facts.host and not is_empty(value) for name, value in settings.items()
    )

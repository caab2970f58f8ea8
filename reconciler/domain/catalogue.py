"""Catalogue of the models of providers and their retirement dates.

A catalogue comes from a public file of Portkey-AI/models or of LiteLLM
(`reconciler.desired.catalogue_file`). It contains only names of providers, so a name that a user
chooses (a deployment, an endpoint, a fine-tuned model) is never reported as unknown.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from enum import StrEnum
from types import MappingProxyType

from reconciler.diagnostics import Diagnostic, SourceLocation
from reconciler.domain.providers import ALIASES, KNOWN_PROVIDERS
from reconciler.frozen_dataclass import dataclass

NOTICE_DAYS = 90
"""Days before its retirement from which a model counts as retiring."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a catalogue says about one model: the first day on which it is no longer served.

    `is_unclear` is True if the catalogue has a date that cannot be read.
    """

    retires: date | None = None
    is_unclear: bool = False


ModelsByName = Mapping[str, ModelFacts]


class ModelState(StrEnum):
    """State of a declared model, as the code of its diagnostic."""

    UNKNOWN = "model-unknown"
    RETIRING = "model-retiring"
    RETIRED = "model-retired"
    # The catalogue has a date that cannot be read, so it may be any of the two before.
    UNCLEAR = "catalogue-date"


@dataclass(frozen=True, slots=True)
class ModelFinding:
    """Declared model that is unknown, retires or has retired; `days_left` is 0 or less if retired.

    `retires` is None if it is unknown, or if its date cannot be read.

    `diagnostic` is None if its file has too many problems to report this one.
    """

    state: ModelState
    slug: str
    model: str
    provider: str
    retires: date | None = None
    days_left: int = 0
    diagnostic: Diagnostic | None = None

    @property
    def at(self) -> SourceLocation | None:
        """Return where the model is declared."""
        return None if self.diagnostic is None else self.diagnostic.at


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Models by provider, as the vendor's API names the providers.

    `exact` are the names of the file, and `loose` the ends of names with several parts, such as
    `gpt-4o` of `azure/eu/gpt-4o`: they prove that a model exists.
    """

    exact: Mapping[str, ModelsByName]
    loose: Mapping[str, ModelsByName]

    def has_provider(self, provider: str) -> bool:
        """Return whether the catalogue lists models of a provider."""
        return provider_named(provider) in self.exact

    def find(self, provider: str, model: str) -> ModelFacts | None:
        """Return the facts of a model, None if the catalogue does not list it."""
        provider = provider_named(provider)
        for names in (self.exact, self.loose):
            listed = names.get(provider, {})
            found = [listed[name] for name in spellings(provider, model) if name in listed]
            if found:
                # A name without a date, such as that of a profile, does not hide the date of its
                # model.
                return next((facts for facts in found if facts != ModelFacts()), found[0])
        return None

    def names(self, provider: str) -> list[str]:
        """Return the names of a provider's models, for suggestions."""
        return sorted(self.exact.get(provider_named(provider), {}))


_OTHER_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "azure": "azure-openai",
        "azure_text": "azure-openai",
        "bedrock_converse": "bedrock",
        "cohere_chat": "cohere",
        "friendliai": "friendli",
        "lambda_ai": "lambda",
        "meta_llama": "meta",
        # Both are ids of the API; Portkey-AI/models names openai like this within openai.json.
        "open-ai": "openai",
        "text-completion-openai": "openai",
        "text-completion-codestral": "mistral-ai",
        "codestral": "mistral-ai",
    }
)


def provider_named(name: str) -> str:
    """Return the id of a provider that a catalogue names; an unknown name is returned unchanged."""
    if name in KNOWN_PROVIDERS:
        return _OTHER_NAMES.get(name, name)
    # LiteLLM splits some providers by kind: `vertex_ai-anthropic_models`.
    family = name.partition("-")[0] if "_" in name else name
    for known in (name, family):
        if known in _OTHER_NAMES:
            return _OTHER_NAMES[known]
        dashed = known.replace("_", "-").lower()
        if dashed in KNOWN_PROVIDERS:
            return dashed
        if dashed in ALIASES:
            return ALIASES[dashed]
    return name


def build(models: Mapping[str, Mapping[str, ModelFacts]]) -> Catalogue:
    """Return a catalogue of models by provider, both named as in the file."""
    exact: dict[str, dict[str, ModelFacts]] = {}
    stripped: dict[str, dict[str, ModelFacts]] = {}
    ends: dict[str, dict[str, ModelFacts]] = {}
    for named, listed in models.items():
        provider = provider_named(named)
        for target in (exact, stripped, ends):
            target.setdefault(provider, {})
        for name, facts in listed.items():
            exact[provider][name] = combined(exact[provider].get(name), facts)
            first, slash, rest = name.partition("/")
            if slash and provider_named(first) == provider:
                _join(stripped[provider], rest, facts)
            while slash:
                _join(ends[provider], rest, facts)
                _, slash, rest = rest.partition("/")
    # A name of the file itself counts before one without its prefix.
    whole = {provider: _preferred(listed, stripped[provider]) for provider, listed in exact.items()}
    return Catalogue(MappingProxyType(whole), MappingProxyType(ends))


def _preferred(
    names: dict[str, ModelFacts], others: Mapping[str, ModelFacts]
) -> dict[str, ModelFacts]:
    """Return all names; for a name in both, the first facts count unless they have no date."""
    dated = {name: facts for name, facts in names.items() if facts != ModelFacts()}
    return {**names, **others, **dated}


def combined(known: ModelFacts | None, facts: ModelFacts) -> ModelFacts:
    """Return the facts of a model that is listed twice: no entry hides the date of another."""
    if known is None or known == facts or known == ModelFacts():
        return facts
    return known if facts == ModelFacts() else ModelFacts(is_unclear=True)


def _join(names: dict[str, ModelFacts], name: str, facts: ModelFacts) -> None:
    """Add a model; the dates of several models with one name count only if they agree."""
    known = names.get(name, facts)
    names[name] = facts if known == facts else ModelFacts()


_GEOGRAPHY = re.compile(r"(?:us|us-gov|eu|apac|jp|au|ca|sa|global)\.(?=[^.]+\.)")
_ARN = re.compile(r"arn:[^:]*:bedrock:[^:]*:[^:]*:(?P<kind>[^/]+)/(?P<name>.+)")
_NAMED_BY_VENDOR = frozenset({"foundation-model", "inference-profile"})
_FINE_TUNED = re.compile(r"ft:(?P<base>[^:]+)(?::.*)?")


def spellings(provider: str, model: str) -> Iterator[str]:
    """Yield the names under which a catalogue can list a model, the most exact one first."""
    yield model
    yield from _SPELLINGS.get(provider, _no_others)(model)


def _no_others(_model: str) -> Iterator[str]:
    return iter(())


def _bedrock(model: str) -> Iterator[str]:
    arn = _ARN.fullmatch(model)
    name = arn["name"] if arn and arn["kind"] in _NAMED_BY_VENDOR else model
    if name != model:
        yield name
    # An inference profile is a model in the regions of a geography.
    base = _GEOGRAPHY.sub("", name, count=1) if _GEOGRAPHY.match(name) else name
    if base != name:
        yield base


def _vertex(model: str) -> Iterator[str]:
    yield model.rpartition("/")[2]
    # Portkey puts the publisher before the model: `anthropic.claude-sonnet-4`.
    publisher, dot, name = model.partition(".")
    if dot and publisher.isalpha():
        yield name


def _openai(model: str) -> Iterator[str]:
    tuned = _FINE_TUNED.fullmatch(model)
    if tuned:
        yield f"ft:{tuned['base']}"


def _google(model: str) -> Iterator[str]:
    yield model.removeprefix("models/")


def _fireworks(model: str) -> Iterator[str]:
    yield f"{_FIREWORKS}{model}"
    yield model.removeprefix(_FIREWORKS)


_FIREWORKS = "accounts/fireworks/models/"
_SPELLINGS: Mapping[str, Callable[[str], Iterator[str]]] = MappingProxyType(
    {
        "bedrock": _bedrock,
        "vertex-ai": _vertex,
        "openai": _openai,
        "google": _google,
        "fireworks-ai": _fireworks,
    }
)

_NAMES_OF_USERS = frozenset(
    {
        *("azure-ai", "azure-openai", "baseten", "cortex", "databricks", "huggingface", "lepton"),
        *("modal", "ollama", "predibase", "sagemaker", "triton", "workers-ai"),
    }
)
"""Providers whose models are named by users: deployments, endpoints, models on their own servers.
"""


def is_chosen_by_users(provider: str, model: str) -> bool:
    """Return whether a name can be one that no catalogue lists, because a user has chosen it."""
    if provider in _NAMES_OF_USERS:
        return True
    if provider == "bedrock":
        arn = _ARN.fullmatch(model)
        return model.startswith("arn:") and (arn is None or arn["kind"] not in _NAMED_BY_VENDOR)
    if provider == "vertex-ai":
        return model.startswith(("projects/", "endpoints")) or model.isdecimal()
    if provider == "fireworks-ai":
        return model.startswith("accounts/") and not model.startswith(_FIREWORKS)
    # OpenAI names fine-tuned models `ft:…`; the first ones were `davinci:ft-…` and the like.
    return model.startswith("ft:") or ":ft-" in model


def retirement_date(value: object) -> date | None:
    """Return the day of a date or an instant in a catalogue.

    Raises `TypeError` or `ValueError` for anything else.

    An instant counts as its day in UTC, so that the result does not depend on the time zone of the
    machine.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise TypeError(value)
    text = value.strip()
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return date.fromisoformat(text)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = datetime.combine(moment.date(), time(), UTC)
    try:
        return moment.astimezone(UTC).date()
    except OverflowError:
        raise ValueError(text) from None

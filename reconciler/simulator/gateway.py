"""List of models of the gateway, for probes of credentials (remote/API.md §10).

With the header of a provider, the response is that of the provider, which refuses an invalid
credential. The providers of a workspace are not part of the reconciled API, so an integration
counts as its own provider, besides the default providers that a grant has created.
"""

from fnmatch import fnmatchcase

from reconciler.simulator.messages import JsonObject, Request, Response, error_response
from reconciler.simulator.organisation import Organisation
from reconciler.simulator.store import Record
from reconciler.simulator.switches import Switches

PATH = "/models"

_MODEL: JsonObject = {"id": "simulated-model", "object": "model"}


def list_models(request: Request, organisation: Organisation, switches: Switches) -> Response:
    """Return the models of the requested provider, or of the catalogue."""
    if request.provider is None:
        return _models()
    record = _record_of(request.provider.removeprefix("@"), organisation)
    if record is None:
        return error_response(404, "AB08", "Provider not found")
    if not _credentials(record) or any(is_dead(key, switches) for key in _credentials(record)):
        return error_response(401, "AB05", "Incorrect API key provided")
    return _models()


def is_dead(key: str, switches: Switches) -> bool:
    """Return whether providers refuse a credential."""
    patterns = [pattern for pattern in switches.dead_keys.split(",") if pattern]
    return any(fnmatchcase(key, pattern) for pattern in patterns)


def _models() -> Response:
    return Response(200, {"object": "list", "data": [_MODEL]})


def _record_of(slug: str, organisation: Organisation) -> Record | None:
    """Return the integration of a provider, None if the gateway does not know the provider."""
    for provider in organisation.providers():
        if provider["slug"] == slug:
            slug = provider["integration_slug"]
    entry = organisation.store.entry(slug)
    record = entry.record if entry is not None else None
    return record if record is not None and record["status"] == "active" else None


def _credentials(record: Record) -> list[str]:
    """Return the texts of a record that can be credentials: its key and its configurations."""
    found = [record["key"], *record["configurations"].values()]
    mapped = [entry["secret_reference_id"] for entry in record["secret_mappings"] or ()]
    return [str(value) for value in (*found, *mapped) if value]

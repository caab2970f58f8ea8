"""Check whether the key can read the usage of integrations, on a target with `usage: true`."""

from collections.abc import Mapping

from reconciler.doctor.checks import Check, ok, warn
from reconciler.domain.calls import Call, OperationName
from reconciler.planning.usage_guard import findings_of
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.errors import RemoteError
from reconciler.remote.usage import read_usage


async def usage_check(api: IntegrationsAPI) -> Check:
    """Read the lists of workspaces, providers and configs, and the content of one config."""
    found = findings_of(await read_usage(api, {}))
    if found:
        return warn("usage", found[0].summary, found[0].hint)
    try:
        slug = await _first_config(api)
        if slug is None:
            return ok("usage", "the key can list providers and configs; there are no configs")
        await api.call(Call(OperationName.GET_CONFIG, slug))
    except RemoteError as problem:
        return warn(
            "usage",
            f"the key can list providers and configs, but not read a config: {problem.summary}",
            "grant it the scope configs.read; until then, any config counts as a possible user",
        )
    return ok("usage", "the key can list providers and configs, and read a config")


async def _first_config(api: IntegrationsAPI) -> str | None:
    query = {"current_page": 0, "page_size": 1}
    reply = await api.call(Call(OperationName.LIST_CONFIGS, query=query))
    rows = reply.body.get("data") if isinstance(reply.body, Mapping) else None
    row = rows[0] if isinstance(rows, list) and rows else None
    slug = row.get("slug") if isinstance(row, Mapping) else None
    return slug if isinstance(slug, str) else None

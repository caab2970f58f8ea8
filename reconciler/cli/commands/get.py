"""`reconcile get`: one integration as the API returns it, with models and workspaces."""

from typing import TYPE_CHECKING

import click

from reconciler.cli import completion_values, signals, wiring
from reconciler.cli.global_options import Command, Invocation, argument
from reconciler.cli.options import ReadingOptions, connection, format_option
from reconciler.diagnostics import error
from reconciler.domain.identifiers import SLUG
from reconciler.errors import InvalidInput, ReconcilerError
from reconciler.planning.plan import PlanTarget
from reconciler.remote.observe import read_one
from reconciler.views import diagnostics, listings

if TYPE_CHECKING:
    from reconciler.domain.state import Observed
    from reconciler.domain.usage import UsageReading
    from reconciler.remote.api import IntegrationsAPI


class NoSuchIntegration(ReconcilerError):
    """The API has no integration with this slug, or hides it."""

    def __init__(self, slug: str, target: str) -> None:
        super().__init__(
            f"there is no integration {slug} on target {target}",
            code="no-such-integration",
            hint="run `reconcile list` to list the integrations",
        )


@click.command("get", cls=Command)
@argument(
    "slug",
    metavar="SLUG",
    description="Slug of the integration",
    shell_complete=completion_values.slugs,
)
@format_option("text", "json", "yaml")
@click.option(
    "--used-by",
    is_flag=True,
    help="Also list the providers and gateway configs that use the integration",
)
@connection
@click.pass_obj
def command(
    invocation: Invocation, *, slug: str, style: str, used_by: bool, connection: ReadingOptions
) -> int:
    """Print one integration as the API returns it.

    Secrets are masked as the API masks them. With --used-by, `used_by` lists the providers and
    configs that use the integration; it is null, with a warning, if the key is not allowed to read
    them.
    """
    if SLUG.fullmatch(slug) is None:
        hint = "use 1 to 255 letters, digits, `_` or `-`"
        raise InvalidInput([error("invalid-slug", f"{slug!r} is not a slug", hint=hint)])

    async def work(_handler: signals.SignalHandler) -> str:
        async with wiring.client(invocation, connection) as (target, api):
            observed = await read_one(
                api, slug, models=True, workspaces=True, known_fields=target.known_fields
            )
            if observed is None:
                raise NoSuchIntegration(slug, target.name)
            more, note = await _usage(invocation, api, observed) if used_by else ({}, "")
        named = PlanTarget.of(target)
        if style == "json":
            return listings.get_json(observed, target=named, more=more)
        ledger = wiring.ledger_state(invocation)
        if style == "yaml":
            return listings.get_yaml(observed, target=named, ledger=ledger, more=more)
        return listings.get_text(observed, target=named, ledger=ledger, more=more, note=note)

    invocation.console.data(signals.run(work))
    return 0


async def _usage(
    invocation: Invocation, api: "IntegrationsAPI", observed: "Observed"
) -> tuple[dict[str, object], str]:
    """Return `used_by` and its line; warn if it could not be read."""
    from reconciler.planning.usage_guard import findings_of
    from reconciler.remote.usage import read_usage
    from reconciler.views.usage import used_by

    reading: UsageReading = await read_usage(api, {observed.slug: observed.id})
    found = findings_of(reading)
    if found:
        invocation.console.warning(diagnostics.as_text(found))
    usage = reading.by_slug.get(observed.slug)
    if usage is None:
        return {"used_by": None}, ""
    return {"used_by": usage.as_json()}, used_by(usage)

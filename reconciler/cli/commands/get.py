"""`reconcile get`: one integration as the API returns it, with models and workspaces."""

import click

from reconciler.cli import completion_values, signals, wiring
from reconciler.cli.global_options import Command, Invocation, argument
from reconciler.cli.options import ReadingOptions, connection, format_option
from reconciler.diagnostics import error
from reconciler.domain.identifiers import SLUG
from reconciler.errors import InvalidInput, ReconcilerError
from reconciler.remote.observe import read_one
from reconciler.views import listings


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
@connection
@click.pass_obj
def command(invocation: Invocation, *, slug: str, style: str, connection: ReadingOptions) -> int:
    """Print one integration as the API returns it.

    Secrets are masked as the API masks them.
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
        named = wiring.plan_target(target)
        match style:
            case "json":
                return listings.get_json(observed, target=named)
            case "yaml":
                return listings.get_yaml(
                    observed, target=named, ledger=wiring.ledger_state(invocation)
                )
            case _:
                return listings.get_text(
                    observed, target=named, ledger=wiring.ledger_state(invocation)
                )

    invocation.console.data(signals.run(work))
    return 0

"""`reconcile list`: the integrations in the API, regardless of the files."""

import click

from reconciler.cli import signals, wiring
from reconciler.cli.global_options import Command, Invocation
from reconciler.cli.options import ReadingOptions, connection, format_option, selection
from reconciler.domain.state import ObservedState
from reconciler.planning.messages import left_out
from reconciler.planning.plan import PlanTarget, Selection
from reconciler.remote.observe import observe
from reconciler.views import diagnostics, listings


@click.command("list", cls=Command)
@format_option("text", "json", "yaml")
@selection
@connection
@click.pass_obj
def command(
    invocation: Invocation, *, style: str, selection: Selection, connection: ReadingOptions
) -> int:
    """List the integrations in the API."""

    async def work(_handler: signals.SignalHandler) -> str:
        async with wiring.client(invocation, connection) as (target, api):
            seen = await observe(api, wants=lambda _row: None, concurrency=connection.parallelism)
        wanted = {s: o for s, o in seen.integrations.items() if selection.includes(s)}
        state = ObservedState(wanted, seen.organisation_id, seen.calls)
        named = PlanTarget.of(target, seen.organisation_id)
        notes = left_out(seen, selection.includes)
        if notes:
            invocation.console.warning(diagnostics.as_text(notes))
        match style:
            case "json":
                return listings.list_json(state, target=named)
            case "yaml":
                return listings.list_yaml(
                    state, target=named, ledger=wiring.ledger_state(invocation)
                )
            case _:
                return listings.list_text(
                    state, target=named, ledger=wiring.ledger_state(invocation)
                )

    invocation.console.data(signals.run(work))
    return 0

"""`reconcile history`: past runs on a target, from the ledger alone."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import completion_values, settings, wiring
from reconciler.cli.global_options import Command, Invocation, argument
from reconciler.cli.ledger_access import key_of
from reconciler.cli.options import command_context, format_option, grouped
from reconciler.cli.since import parse_since
from reconciler.diagnostics import Diagnostic, error
from reconciler.errors import InvalidInput
from reconciler.frozen_dataclass import dataclass
from reconciler.planning.plan import PlanTarget
from reconciler.views import diagnostics

if TYPE_CHECKING:
    from reconciler.ledger.models import Filters
    from reconciler.ledger.store import Ledger
    from reconciler.views.reports import RunList

NEWEST = 50
"""Default number of listed runs."""


@dataclass(frozen=True, slots=True)
class ListOptions:
    """Options that select the runs to list."""

    since: str | None = None
    before: str | None = None
    limit: int | None = None
    everything: bool = False

    def __post_init__(self) -> None:
        if self.limit is not None and self.everything:
            raise click.UsageError("--limit and --all cannot be used together")

    @property
    def max_runs(self) -> int | None:
        """Return how many runs are listed at most, None for all."""
        # A period already limits the list.
        if self.limit is None and not self.everything and self.since is None:
            return NEWEST
        return self.limit

    @property
    def are_given(self) -> bool:
        """Return whether any of the options was given."""
        return self != ListOptions()


_listing = grouped(
    "options",
    ListOptions,
    since=click.option(
        "--since",
        metavar="T",
        callback=parse_since,
        help="List only runs since this date or time in UTC, or this age, such as 7d or 12h",
    ),
    before=click.option(
        "--before",
        metavar="RUN",
        shell_complete=completion_values.runs,
        help="List only runs before this one",
    ),
    limit=click.option(
        "--limit",
        type=click.IntRange(1),
        metavar="N",
        help="List only the newest N runs  [default: 50; no limit with --since]",
    ),
    everything=click.option("--all", "everything", is_flag=True, help="List all runs"),
)


@click.command("history", cls=Command)
@argument(
    "subject",
    metavar="[RUN|SLUG]",
    required=False,
    description="A run or an integration to show in detail",
    shell_complete=completion_values.runs_and_slugs,
)
@format_option("text", "json")
@_listing
@click.option("--verify", is_flag=True, help="Verify that no record was changed or removed")
@click.option(
    "--expect-head",
    metavar="HASH",
    help="With --verify, fail unless the run with this hash, printed by apply, is recorded",
)
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    subject: str | None,
    style: str,
    options: ListOptions,
    verify: bool,
    expect_head: str | None,
) -> int:
    """List past runs on a target, newest last.

    RUN shows what one run changed, with the values before and after; secrets appear as references.
    SLUG shows the history of one integration: who created, updated, replaced or deleted it, and
    when.

    With --verify, the whole ledger is compared with its hashes; the exit code is 1 if any differs.
    """
    if expect_head is not None and not verify:
        raise click.UsageError("--expect-head needs --verify")
    reading = _Reading(invocation, style)
    if subject is None:
        return _list(reading, options, verify=verify, expect_head=expect_head)
    if verify:
        raise click.UsageError("--verify covers the whole ledger; omit RUN or SLUG")
    _show(reading, subject, options)
    return 0


class _Reading:
    """Target and ledger of the command, and the format of its output."""

    def __init__(self, invocation: Invocation, style: str) -> None:
        environment = settings.from_environment()
        self.invocation = invocation
        self.console = invocation.console
        self.as_json = style == "json"
        self.target = wiring.read_target(invocation, environment)
        self.ledger_access = wiring.ledger_access_of(invocation, environment)

    @property
    def layout(self) -> dict[str, Any]:
        """Return the arguments that every text view takes."""
        from reconciler.views.plan_outline import header_of

        return {
            "header": header_of(PlanTarget.of(self.target), ledger=self.ledger_access.state),
            "width": self.console.stdout_width,
            "color": self.console.colors_stdout,
        }


def _list(reading: _Reading, options: ListOptions, *, verify: bool, expect_head: str | None) -> int:
    from reconciler.ledger.errors import NoLedger
    from reconciler.views import reports

    console = reading.console
    listing = reports.RunList(ledger=reading.ledger_access.state)
    found: list[Diagnostic] = []
    try:
        with reading.ledger_access.open(read_only=True) as ledger:
            # First, because the document names the result before the runs.
            if verify:
                found = ledger.verify(expected_head=expect_head)
            listing = _listed(ledger, reading, options)
            if reading.as_json:
                runs = _runs_of(ledger, reading, options)
                console.data_parts(
                    reports.history_json(listing, runs, problems=found if verify else None)
                )
                return 1 if found else 0
    except NoLedger:
        # The hash proves that there was a ledger, so the absence of a ledger is an error.
        if expect_head is not None:
            raise
    if reading.as_json:
        console.data_parts(reports.history_json(listing, (), problems=found if verify else None))
        return 0
    console.data(reports.history_text(listing, **reading.layout))
    if verify:
        console.info(diagnostics.as_text(found) or "verified: no record was changed or removed")
    return 1 if found else 0


def _runs_of(
    ledger: "Ledger", reading: _Reading, options: ListOptions, *, slug: str | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the selected runs with their changes; a few hundred are in memory at a time."""
    from reconciler.views.run_details import with_changes

    for page, actions in ledger.history_pages(**_filters(reading, options, slug)):
        for run in page:
            yield with_changes(run, actions[run["run"]])


def _filters(reading: _Reading, options: ListOptions, slug: str | None) -> "Filters":
    return {
        "target": reading.target.name,
        "since": options.since,
        "before": options.before,
        "slug": slug,
        "limit": options.max_runs,
    }


def _listed(
    ledger: "Ledger", reading: _Reading, options: ListOptions, *, slug: str | None = None
) -> "RunList":
    """Return the selected runs; `total` counts them without the limit.

    Those of a document are read while it is written.
    """
    from reconciler.views.reports import RunList

    target, filters = reading.target.name, _filters(reading, options, slug)
    # An unknown run would match nothing, and an empty list looks like an empty history.
    if options.before is not None and not ledger.count(run=options.before):
        raise InvalidInput([_unknown(options.before, target, code="unknown-run")])
    return RunList(
        ledger=reading.ledger_access.state,
        runs=() if reading.as_json else ledger.history(**filters),
        total=ledger.count(**filters),
        anchors=ledger.anchors(key_of(reading.target)),
    )


def _show(reading: _Reading, subject: str, options: ListOptions) -> None:
    """Print one run, or the history of one integration; an id of a run takes precedence."""
    with reading.ledger_access.open(read_only=True) as ledger:
        # A slug can look like the id of a run; the id is looked up first, because it must match
        # exactly.
        run = next(iter(ledger.history(run=subject, target=reading.target.name)), None)
        if run is None:
            _show_life(reading, ledger, subject, options)
        elif options.are_given:
            raise click.UsageError(f"{subject} is a run; the options of the list are for SLUG")
        else:
            _show_run(reading, ledger, run)


def _show_run(reading: _Reading, ledger: "Ledger", run: dict[str, Any]) -> None:
    from reconciler.views import reports, run_details

    name = str(run["run"])
    actions, calls = ledger.actions([name])[name], ledger.calls(name)
    if reading.as_json:
        shown = run_details.with_changes(run, actions) | {"calls": calls}
        anchors = ledger.anchors(key_of(reading.target))
        listing = reports.RunList(reading.ledger_access.state, total=1, anchors=anchors)
        reading.console.data_parts(reports.history_json(listing, [shown]))
        return
    context = command_context(reading.invocation, click.get_current_context())
    verbose = reading.console.verbosity > 0
    details = run_details.RunDetails(run, actions, calls)
    text = run_details.run_text(details, context=context, verbose=verbose, **reading.layout)
    reading.console.data(text)


def _show_life(reading: _Reading, ledger: "Ledger", slug: str, options: ListOptions) -> None:
    from reconciler.views import reports, run_details

    listing = _listed(ledger, reading, options, slug=slug)
    # Counted without the options: with them, the list can be empty for a slug that has a history.
    if not listing.total and not ledger.count(target=reading.target.name, slug=slug):
        raise InvalidInput([_unknown(slug, reading.target.name, code="not-in-history")])
    if reading.as_json:
        runs = _runs_of(ledger, reading, options, slug=slug)
        reading.console.data_parts(reports.history_json(listing, runs))
        return
    actions = ledger.actions([run["run"] for run in listing.runs], slug=slug)
    life = run_details.Life(slug, listing.runs, actions, total=listing.total)
    verbose = reading.console.verbosity > 0
    reading.console.data(run_details.life_text(life, verbose=verbose, **reading.layout))


def _unknown(subject: str, target: str, *, code: str) -> Diagnostic:
    """Build the error for a run or an integration that is not recorded."""
    what = "a run" if code == "unknown-run" else "a run or an integration"
    return error(
        code,
        f"`{subject[:255]}` is not {what} in the history of target {target}",
        hint="run `reconcile history` to list the runs; a run without actions is not recorded",
    )

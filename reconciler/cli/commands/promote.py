"""`reconcile promote`: edit the overlays of one environment to match another one."""

import click

from reconciler.cli import completion_values, settings
from reconciler.cli.environments import loaded_sides
from reconciler.cli.exit_codes import DIFFERENT
from reconciler.cli.global_options import Command, Invocation, argument
from reconciler.cli.options import format_option
from reconciler.pull import working_copy
from reconciler.pull.parity import expected_differences
from reconciler.pull.promote import promote
from reconciler.views import diagnostics, parity


@click.command("promote", cls=Command)
@argument(
    "origin",
    metavar="FROM",
    description="Target or environment whose values are promoted",
    shell_complete=completion_values.environments,
)
@argument(
    "destination",
    metavar="TO",
    description="Target or environment whose overlays are edited",
    shell_complete=completion_values.environments,
)
@argument(
    "patterns",
    metavar="[SLUG]...",
    nargs=-1,
    description="Slugs or patterns of the integrations to promote  [default: all]",
    shell_complete=completion_values.slugs,
)
@click.option(
    "--check", is_flag=True, help="Write nothing; exit with code 2 if a file would change"
)
@format_option("text", "json")
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    origin: str,
    destination: str,
    patterns: tuple[str, ...],
    check: bool,
    style: str,
) -> int:
    """Edit the overlays of TO so that it declares what FROM declares.

    Fields that `differs` in reconcile.yaml lists stay unchanged. Only files in environments/ are
    edited, in place, and no integration is removed. A host and its credential are promoted together
    or not at all. Changes that you must make by hand are printed.
    """
    sides = loaded_sides(invocation, origin, destination)
    done = promote(
        sides.files,
        sides.config,
        sides.source,
        sides.target,
        expected=expected_differences(sides.config),
        patterns=patterns,
        today=settings.now().date(),
    )
    working_copy.refuse_links_out_of(done.folder, invocation.dir, done.changed)
    if not check:
        working_copy.write(invocation.dir, done.changed, before=done.before)
    console = invocation.console
    if style == "json":
        console.data(parity.promotion_json(done, checked=check))
    else:
        console.data(parity.promotion_text(done, folder=str(invocation.dir), checked=check))
        if done.diagnostics:
            console.warning(diagnostics.as_text(done.diagnostics))
    return DIFFERENT if check and done.changed else 0

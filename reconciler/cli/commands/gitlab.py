"""`reconcile gitlab`: steps of a pipeline on GitLab."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, settings, signals
from reconciler.cli.global_options import Command, CommandGroup, Invocation
from reconciler.cli.options import format_option
from reconciler.errors import Refused
from reconciler.planning import codec
from reconciler.planning.approval import sends_secrets_only

if TYPE_CHECKING:
    from reconciler.gitlab.approved_plan import ApprovedPlan

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group("gitlab", cls=CommandGroup, hidden=True)
def command() -> None:
    """Run the steps of a GitLab pipeline."""


@command.command("approved-plan", cls=Command)
@click.option("--plan", type=_FILE, metavar="FILE", required=True, help="Plan of the current files")
@click.option(
    "--out", type=_FILE, metavar="FILE", required=True, help="File to save the approved plan in"
)
@click.option(
    "--job",
    "plan_job",
    metavar="NAME",
    default="plan",
    show_default=True,
    help="Job of the merge request's pipeline that made the plan",
)
@click.option(
    "--artifact",
    metavar="PATH",
    default="plan.json",
    show_default=True,
    help="Path of the plan in the artifacts of that job",
)
@format_option("text", "json")
@click.pass_obj
def approved_plan(
    invocation: Invocation, *, plan: Path, out: Path, plan_job: str, artifact: str, style: str
) -> int:
    """Save the plan that was approved by merging, for `reconcile apply FILE`.

    The exit code is 4 if the commit is not the newest of its branch, or if no plan was approved and
    the current plan does more than send new values of secrets. The command reads GITLAB_TOKEN,
    CI_API_V4_URL, CI_PROJECT_ID, CI_COMMIT_SHA and CI_COMMIT_BRANCH.
    """
    from reconciler.cli.http_clients import gitlab_of
    from reconciler.gitlab.approved_plan import approved_plan as find
    from reconciler.gitlab.approved_plan import require_newest_commit
    from reconciler.gitlab.job import gitlab_job_of
    from reconciler.views import json

    fresh = codec.decode(output.read(plan, limit=codec.MAX_PLAN_BYTES), name=str(plan))
    job = gitlab_job_of(settings.from_environment().environment)
    needs_approval = not (fresh.in_sync or sends_secrets_only(fresh))

    async def work(_handler: signals.SignalHandler) -> "ApprovedPlan | None":
        async with gitlab_of(job) as gitlab:
            await require_newest_commit(gitlab, job)
            if not needs_approval:
                return None
            return await find(gitlab, job, plan_job=plan_job, artifact=artifact)

    try:
        found = signals.run(work)
    except Refused as refused:
        raise Refused(refused.diagnostics, plan=fresh) from None
    # If nothing differs or only secrets are renewed, `apply` gets a plan that approves nothing.
    chosen = found.plan if found else replace(fresh, actions=(), unverified=())
    output.save(out, codec.encode(chosen))
    if style == "json":
        listed = [_facts(found)] if found else []
        invocation.console.data(
            json.document({"format_version": "1", "kind": "approved_plans", "plans": listed})
        )
    elif found:
        invocation.console.info(f"plan of !{found.merge_request}: {chosen.digest}")
    else:
        invocation.console.info("no approval is needed")
    return 0


def _facts(found: "ApprovedPlan") -> dict[str, object]:
    """Return the output about an approved plan."""
    return {
        "merge_request": found.merge_request,
        "digest": found.plan.digest,
        "author": found.author,
        "merged_by": found.merged_by,
    }

"""Reports and approvals on GitHub.

    publish       all parts of a report, in order; read this first
    job           the Actions job that reports: repository, token, event, files for outputs
    inputs        the document that is reported: a plan, a result, drift or an error
    bodies        its text, with the marker by which it is found again
    comment       one comment for each environment on a pull request
    issue         one drift issue for each environment or fleet
    check_run     one check run for each environment, with the counts as its title
    outputs       job summary, annotations, $GITHUB_OUTPUT
    approvals     the plans that were approved by merging
    plan_comment  the comment `/plan`: who wrote it, and which commit it is about
    run_origin    whether the run that uploaded a plan belongs to the pull request
    commits       the newest commit of a branch, and the last that a run applied
    environments  checks of `doctor`: which branches get the secrets of an environment
    pull_request  pull requests: merged ones, and one that proposes files
    client        the REST API and its errors
    rest          requests, retries and lists; also for GitLab
    answers       fields of its answers

`reconciler.workflows` makes and applies plans.
"""
